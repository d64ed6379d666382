"""Every training of a job tried on a few images before the first one begins: what cannot be is told in seconds."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from distill.job.job import Job
from distill.training.teaching import Guide
from distill.training.train_loop import try_out
from networks import Student
from networks.teachers.registry import create_teacher
from optics.errors import OpticsError

_FEW = 4  # images


def rehearse(job: Job) -> None:
    """Work out one gradient of the teacher, of the student and of its refit, with first values and a few images.

    Raises:
        OpticsError: one cannot be worked out, with the table of the configuration that says what it is.
    """
    config, train = job.config, job.splits.train
    few = train.take(torch.arange(min(_FEW, len(train))))
    student = Student.from_spec(job.spec, generator=torch.Generator().manual_seed(0))
    teacher: nn.Module | None = None
    if config.student.file is None:
        own, told, trainee = config.teacher.training, config.student.training, job.trainee(student)
        if job.brought:
            teacher = job.teacher().cpu()
        else:
            teacher = create_teacher(
                config.teacher.name,
                train.channels,
                train.classes,
                train.image_shape,
                generator=torch.Generator().manual_seed(0),
            )
            _said("teacher.training", lambda: try_out(teacher, few.images, few.labels, own))
        _said("student.training", lambda: try_out(trainee, few.images, few.labels, told, teacher))
    with torch.no_grad():
        features = student.eval().features(few.images)
    tutor = student if config.refit.taught_by == "network" else teacher
    guide = None if tutor is None else Guide(tutor, few.images, moving=False)
    learner = copy.deepcopy(student.backend)  # the tutor keeps its own, as it does in the refit
    _said("refit", lambda: try_out(learner, features, few.labels, config.refit, guide))


def _said(table: str, work: Callable[[], None]) -> None:
    try:
        work()
    except OpticsError as error:
        raise OpticsError(f"{table}: {error}") from error
