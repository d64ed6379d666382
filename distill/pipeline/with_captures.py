"""A trained network and a real bench: its back end fitted to captures, or the whole of it trained with the bench."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from calibration.rigs.captures import load_captures
from calibration.rigs.opening import open_rig
from distill.data.dataset import Dataset
from distill.job.job import Job
from distill.metrics.confusion import accuracy
from distill.pipeline.single_steps import open_run
from distill.pipeline.steps import seeded
from distill.training.captured import (
    CurvePoint,
    captured_accuracy,
    features_of_captures,
    learning_curve,
    refit_on_captures,
)
from distill.training.checkpoint import save
from distill.training.distillation import DistillationSpec
from distill.training.in_the_loop import InTheLoop, train_in_the_loop
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide, logits
from networks.onbench.network import OnBench
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.files import remove_folder

_OWN_ANSWERS = {
    "refit.taught_by": "network",
    "refit.distillation": DistillationSpec(temperature=1.0, alpha=1.0),
}


def refit_run(
    directory: Path,
    captures: Path,
    *,
    output: Path,
    distilled: bool = False,
    own_answers: bool = False,
    count: int | None = None,
    curve: Sequence[int] = (),
    held: int | None = None,
    done: Callable[[CurvePoint], None] | None = None,
) -> dict[str, Any]:
    """Fit the back end of a run's exported network to captures, and write the network.

    Args:
        directory: of the run, whose export was captured.
        captures: the file that `sclc capture` wrote.
        output: the network with its new back end, as `distill.save` writes it.
        distilled: the run's teacher teaches, with the labels where there are some.
        own_answers: instead, what the network answers where it is computed; labels only judge.
        count: fit to the first so many images.
        curve: instead, only tell how well back ends do that were fitted to so many; nothing is written.
        held: images at the end that judge; a fifth, where nothing else is said.
        done: told each point of the curve.

    Returns:
        `images`, `before`, `after`, `network`; or `curve`, a list of (images, accuracy). `of_test`: how many captured
        images are of the run's test part; what is fitted to them must not be judged by it.

    Raises:
        OpticsError: no such run or captures, of other masks, or too few.
    """
    job, found = open_run(directory, ("export",)), load_captures(captures)
    job.config = job.config.replace(**(_OWN_ANSWERS if own_answers else {"refit.taught_by": "teacher"}))
    student = job.student("refit")
    network = job.on_bench(student, job.bench)
    spec = seeded(job, job.config.refit)
    features = features_of_captures(network, found)  # refuses captures of another network
    teacher = _taught(job, found.inputs, network) if distilled or own_answers else None
    judges = max(1, len(found) // 5) if held is None else held
    display = network.optics.setup.display
    known, shown = network.readout.displayed(job.splits.test.images), display.images(found.inputs)
    told: dict[str, Any] = {
        "held": judges,
        "metric": _metric(job),
        "of_test": _among(known, shown),
    }
    if curve:
        points = learning_curve(network, found, curve, spec, held=judges, teacher=teacher, done=done)
        return told | {"curve": [[p.images, p.accuracy] for p in points]}
    number = len(found) - judges if count is None else count
    if number + judges > len(found):
        raise OpticsError(f"{number} images to fit and {judges} to judge; {len(found)} were captured.")
    fitted = refit_on_captures(network, found, spec, teacher=teacher, count=number)
    student.backend = fitted.backend
    save(student, output)
    told |= {"images": number, "network": str(output)}
    if found.labels is not None:
        labels = found.labels[-judges:]
        told["before"] = captured_accuracy(network.backend, features[-judges:], labels)
        told["after"] = captured_accuracy(fitted.backend, features[-judges:], labels)
    return told


def _among(known: Tensor, images: Tensor) -> int:
    """How many of `images` (N, C, H, W) are among `known` (M, C, H, W), to 8 bits."""
    seen, asked = ([x.numpy().tobytes() for x in (255 * part).round().byte()] for part in (known, images))
    there = set(seen)
    return sum(x in there for x in asked)


def _taught(job: Job, inputs: Tensor, network: OnBench) -> Guide:
    """`Job.tutor`, as it sees the captured images."""
    tutor, shown = job.tutor(), network.optics.setup.display.images(inputs)
    if tutor is None:
        raise OpticsError(
            "this run began with a network from a file and has no teacher; --own-answers needs none."
        )
    if not torch.equal(network.readout.displayed(shown), shown):
        raise OpticsError(
            "the display does not show these images themselves; leave --distilled and --own-answers out."
        )
    return Guide(tutor, shown, moving=False)


def loop_network(
    job: Job,
    rig: str,
    *,
    twin: BenchSpec,
    output: Path,
    images: int,
    held: int,
    test: int,
    training: TrainSpec,
    distilled: bool = False,
) -> dict[str, Any]:
    """Train a job's network with a bench in the loop, and write it.

    Args:
        job: of a run's distilled network, or of a network's file.
        rig: as `calibration.rigs.opening.open_rig` takes it.
        twin: the bench as it is thought to be.
        output: the network, as `distill.save` writes it; what is kept for a restart stands beside it until the end.
        images: training images, shown once in each epoch.
        held: validation images, likewise.
        test: test images that are shown before and after, to judge; 0 leaves that out.
        training: how.
        distilled: the run's teacher teaches.

    Raises:
        OpticsError: the network cannot be shown by a rig. RigError: the bench failed; the same call goes on.
    """
    student, way = job.student("linear_kd"), job.config.student.realisation.options()
    options = {"image_shape": job.image_shape, **way}
    part, validation = _first(job.splits.train, images), _first(job.splits.validation, held)
    teacher: nn.Module | None = None
    if distilled and job.config.student.file is None:
        teacher = job.teacher()
    kept = output.with_name(f".{output.name}.loop")
    told: dict[str, Any] = {"network": str(output), "metric": _metric(job)}
    judged = _first(job.splits.test, test) if test else None
    with open_rig(rig, twin, generator=torch.Generator().manual_seed(training.seed)) as bench:
        if judged is not None:
            told["before"] = _right(InTheLoop(student, twin, bench, **options), judged)
        _, history, shown = train_in_the_loop(
            student,
            twin,
            bench,
            part,
            validation,
            training,
            directory=kept,
            teacher=teacher,
            progress=job.progress,
            **options,
        )
        if judged is not None:
            told["after"] = _right(InTheLoop(student, twin, bench, **options), judged)
    save(student, output)
    remove_folder(kept)
    network = student.on(twin, **options)
    frames = shown * len(network.scales) // max(1, len(network.optics.arrangement.tiles))
    return told | {"images": shown, "frames": frames, "best_epoch": history.best.epoch, "test": test}


def _metric(job: Job) -> str:
    """What `captured_accuracy` is: of faces the share of the people that were learnt."""
    return job.task.metric if job.splits.train.segmentation else "accuracy"


def _right(model: nn.Module, data: Dataset) -> float:
    answers = logits(model, data.images)
    return accuracy(answers.argmax(1), data.labels, answers.shape[1])


def _first(data: Dataset, count: int) -> Dataset:
    if count > len(data):
        raise OpticsError(f"{count} images are asked for and there are {len(data)}.")
    return replace(data, images=data.images[:count], labels=data.labels[:count])
