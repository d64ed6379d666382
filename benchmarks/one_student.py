"""One student of a run file, trained and looked at outside a run, as benchmarks that compare trainings need it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from distill.data.dataset import Dataset
from distill.job.config import RunConfig
from distill.job.job import Job
from distill.job.rehearsal import rehearse
from distill.pipeline import main_job
from distill.pipeline.steps import guide, seeded
from distill.training.distillation import DistillationSpec
from distill.training.teaching import Memory
from distill.training.train_loop import fit
from optics.errors import OpticsError

ALONE = "labels alone"


def prepared(config: RunConfig, directory: Path, ways: list[dict[str, Any]]) -> Job:
    """The job with its teacher trained in `directory`; what one of `ways` cannot be is told before that.

    Args:
        config: of the job.
        directory: of the teacher, who is trained once.
        ways: keys of `[student.distillation]`.

    Raises:
        OpticsError: a way that this job cannot go, or a task whose figure compares with images of known people.
    """
    job = Job.prepare(config, directory)
    for told in ways:
        rehearse(replace(job, config=config.replace(**{"student.training.distillation": told})))
    if job.task.gallery(job.splits) is not None:
        raise OpticsError(
            f"{config.name} is told strangers by images of known people; take a task without them."
        )
    main_job.run(config, directory, last="teacher")
    return job


def trained(job: Job, changes: dict[str, Any], memory: Memory) -> dict[str, float]:
    """Figures of one training; the epoch is chosen as in every run.

    Args:
        job: whose student, first values and order of images.
        changes: keys of `[student.training]` that are not as the file has them; without `distillation` it is the labels
            alone, gone through for as many steps.
        memory: the teacher's answers, for students that are shown the same images.
    """
    part, seed = job.splits.train, job.config.seed
    distilled = "distillation" in changes
    changes = changes | {"distillation": DistillationSpec(**changes.get("distillation", {}))}
    spec = seeded(job, job.config.student.training).replace(**changes)
    teacher = None
    if distilled:
        teacher = guide(job, part.images, spec, memory)
    else:
        part = part.labelled.repeated(len(part))
    student = job.build(None, torch.Generator().manual_seed(seed))
    check = job.splits.validation
    fit(
        student,
        (part.images, part.labels),
        (check.images, check.labels),
        spec,
        directory=None,
        teacher=teacher,
    )
    return figures(job, student)


def figures(job: Job, network: torch.nn.Module) -> dict[str, float]:
    """The job's figure of merit of `validation` and `test` images."""

    def of(part: Dataset) -> float:
        answers = job.task.answers(network, part.images, 100)
        return job.task.row(answers[None], part, None).accuracy

    return {"validation": of(job.splits.validation.labelled), "test": of(job.splits.test)}
