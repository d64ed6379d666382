"""Controls for a run of which nothing but what was kept is left: trained from its configuration, network and images.

A finished run takes another control by `--resume` (`distill.pipeline.main_job`). Its directory may be gone, or on
another machine; what is kept says all that a control on the labels alone depends on.
"""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distill.environment import environment, version
from distill.job.about import KEPT
from distill.job.config import RunConfig, load
from distill.job.job import MODEL, Job
from distill.job.ledger import CONFIG, LOCK, RESULT, key_of, lock_file, waiting_lock
from distill.job.named_files import relocated
from distill.job.result import Result
from distill.job.rows import title_of
from distill.keeping.kept_run import (
    HISTORY,
    NETWORK,
    PICTURE,
    KeptRun,
    parameters_of,
    picture_of,
    read_kept,
)
from distill.pipeline import evaluating, steps
from distill.progress import Silent, Watcher
from distill.training.trackers import OnStepEpoch
from distill.training.train_loop import METRICS
from networks.students.spec import Control
from optics.errors import OpticsError
from optics.files import make_folder, told, write_bytes, write_csv, write_json, write_text, writing_folder
from optics.reading import home, read_bytes, sha256_of


def add_controls(
    place: str | Path,
    controls: Sequence[str],
    directory: str | Path,
    *,
    device: str | None = None,
    ui: Watcher | None = None,
    on_epoch: OnStepEpoch | None = None,
) -> KeptRun:
    """Train controls of a kept run on the labels alone, and keep their rows with the others, each when it is done.

    They are those that `sclc run` of this version trains with `student.distilled_controls = false`: the same first
    values, order of images and schedule. The figures that the run had stay as they are, controls that were distilled
    too, and so do files of others beside what is kept. In a table over seeds they count where no other seed's control
    of that name was distilled.

    Args:
        place: `results/NAME-seedN`.
        controls: names, as of `student.controls`; one that was added before stays.
        directory: receives the trainings, in a folder of the kept run's name and digest; the same call goes on there.
        device: what computes; as configured by default.
        ui: told of the progress.
        on_epoch: called as `on_epoch(control, epoch)` with each new `Epoch`.

    Returns:
        What is kept now.

    Raises:
        OpticsError: a control that the run itself had, or that cannot be had of what is kept; other images; another
            process trains the same.
    """
    place = home(place).resolve()
    kept, result = read_kept(place), Result.read(place / RESULT)
    wanted = _wanted((controls,) if isinstance(controls, str) else controls)
    left = [name for name in wanted if name not in result.added]
    _check(kept, place, left)
    had = RunConfig.model_validate(result.config)
    _check_run(had, place, left)
    work = home(directory).resolve() / f"{place.name}-{_digest(kept, had, result)[:8]}"
    if work.is_relative_to(place):
        raise OpticsError(
            f"{work} is where the run is kept; give another folder for the trainings, such as runs/controls."
        )
    config = relocated(load(place / CONFIG), place)
    changes: dict[str, Any] = {"student.controls": tuple(wanted), "student.distilled_controls": False}
    if device is not None:
        changes["device"] = device
    job = Job.prepare(config.replace(**changes), work, ui or Silent())
    job.on_epoch = on_epoch
    _ = job.device  # one that is not here is told before anything is written
    found, expected = job.splits.train.digest(), result.data.get("digest")
    if found != expected:
        raise OpticsError(
            f"{config.data.source} does not hold the images of {place.name}: their digest is {found[:12]}... and "
            f"{RESULT} says {str(expected)[:12]}...; name the file that it was trained with (folder in SCLC_DATA)."
        )
    for name in left:
        job.spec.as_control(name).complete()
    make_folder(work)
    with told(place.parent), tempfile.TemporaryFile(dir=place.parent):
        pass  # where the rows will be written can be written to
    if "shuffled" in left:
        make_folder(work / "linear_kd")
        write_bytes(work / "linear_kd" / MODEL, read_bytes(place / NETWORK))
    for name in wanted:
        if name in left:
            with lock_file(work / f".{name}{LOCK}", work / name):
                kept = _one(job, place, name)
        else:
            job.watcher.kept(name, f"Training the {title_of(name)}")
    return kept


def _wanted(controls: Sequence[str]) -> list[Control]:
    if not controls:
        raise OpticsError(f"name at least one control: {', '.join(steps.CONTROLS)}.")
    for name in controls:
        if name not in steps.CONTROLS:
            raise OpticsError(f"no control is called {name!r}; choose from {', '.join(steps.CONTROLS)}.")
    return [steps.CONTROLS[name] for name in dict.fromkeys(controls)]


def _check(kept: KeptRun, place: Path, controls: Sequence[str]) -> None:
    for name in controls:
        if name in kept.parameters:
            raise OpticsError(f"{place} has the control {name} already; name one that it has not.")
    if "shuffled" in controls and NETWORK not in kept.files:
        raise OpticsError(
            f"{place} has no {NETWORK}, whose kernels the control shuffled would have; name others."
        )


def _check_run(had: RunConfig, place: Path, controls: Sequence[str]) -> None:
    """Raise OpticsError unless what the run was lets its controls be trained from what is kept."""
    student = had.student
    if student.file is not None:
        raise OpticsError(f"{place} is of a network that was given, which has no controls.")
    if "shuffled" in controls and student.repeats > 1:
        raise OpticsError(
            f"{place} has {student.repeats} repeats and keeps the network of the first; shuffled needs each one's."
        )


def _digest(kept: KeptRun, had: RunConfig, result: Result) -> str:
    """Of all that a control depends on, so that no other run's training is taken for this one's."""
    asked = had.model_dump(
        mode="json", exclude={"student": {"controls", "distilled_controls"}, "device": True}
    )
    return key_of(version(), asked, result.data.get("digest"), kept.files.get(NETWORK))


def _one(job: Job, place: Path, name: Control) -> KeptRun:
    """Train one control, and keep it."""
    job.watcher.begin(name, f"Training the {title_of(name)}")
    this = replace(job, step=name)
    steps.run_student(this, name)
    row, operations = evaluating.control(this, name)
    folders = [job.repeat(name, n) for n in range(job.config.student.repeats)]
    trained = {folder: _epochs(job.path(folder) / METRICS) for folder in folders}
    seconds = sum(float(epoch["seconds"]) for epochs in trained.values() for epoch in epochs)
    where = environment(job.config.seed, job.device)
    # of controls that are trained side by side each sees what the others kept
    with waiting_lock(place.parent):
        result, kept = Result.read(place / RESULT), read_kept(place)
        _check(kept, place, [name])
        had = RunConfig.model_validate(result.config)
        controls = tuple(c for c in steps.CONTROLS if c == name or c in had.student.controls)
        distilled = had.student.distilled_controls and not set(had.student.controls) <= set(result.added)
        config = had.replace(**{"student.controls": controls, "student.distilled_controls": distilled})
        result = result.replace(
            **{
                "config": config.model_dump(mode="json"),
                "seconds": result.seconds | {name: seconds},
                "added": result.added | {name: where},
                f"rows.{name}": row,
                f"operations.{name}": operations,
            }
        )
        with writing_folder(place) as inside:
            for other in place.iterdir():  # what others have put there, such as the images, stays
                _take(other, inside / other.name)
            result.write(inside / RESULT)
            write_text(inside / CONFIG, config.to_toml())
            write_csv(inside / HISTORY, _longer(_epochs(place / HISTORY), trained))
            write_bytes(inside / PICTURE, picture_of(result))
            parameters = kept.parameters | {name: parameters_of(job.path(name) / MODEL)}
            files = {file: sha256_of(inside / file) for file in kept.files}
            kept = kept.replace(parameters=parameters, files=files)
            write_json(inside / KEPT, kept.model_dump(mode="json"))
    job.watcher.end(name, seconds)
    return kept


def _take(item: Path, to: Path) -> None:
    """The same file or folder at another place of the same disk, without a copy where it can be had so."""

    def one(source: str, target: str) -> None:
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:
            shutil.copy2(source, target, follow_symlinks=False)

    if item.is_dir() and not item.is_symlink():
        shutil.copytree(item, to, symlinks=True, copy_function=one)
    else:
        one(str(item), str(to))


def _epochs(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _longer(kept: list[dict[str, str]], trained: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    """A kept history's lines and the epochs of further trainings, in the columns that it has."""
    lines = [{"network": name, **epoch} for name, epochs in trained.items() for epoch in epochs]
    head = (kept or lines)[0]
    return kept + [{column: line.get(column, "") for column in head} for line in lines]
