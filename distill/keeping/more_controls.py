"""Controls for a run of which nothing but what was kept is left: trained from its configuration, network and images.

A finished run takes another control by `--resume` (`distill.pipeline.main_job`). Its directory may be gone, or on
another machine; what is kept says all that a control on the labels alone depends on.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distill.environment import environment
from distill.job.config import RunConfig, load
from distill.job.job import MODEL, Job
from distill.job.ledger import CONFIG
from distill.job.named_files import relocated
from distill.job.result import Result
from distill.job.rows import title_of
from distill.keeping.kept_run import (
    HISTORY,
    KEPT,
    NETWORK,
    PICTURE,
    RESULT,
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
from optics.files import make_folder, write_bytes, write_json, write_text, writing_folder
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

    They are those of `sclc run` with `student.distilled_controls = false`: the same first values, order of images and
    schedule. What the run had stays as it is.

    Args:
        place: `results/NAME-seedN`.
        controls: names, as of `student.controls`.
        directory: receives the trainings, in `NAME-seedN/`; the same call goes on there.
        device: what computes; as configured by default.
        ui: told of the progress.
        on_epoch: called as `on_epoch(control, epoch)` with each new `Epoch`.

    Returns:
        What is kept now.

    Raises:
        OpticsError: a control that there is already, or that cannot be had of what is kept; other images; `directory`
            holds the trainings of something else.
    """
    place = home(place).resolve()
    work = home(directory).resolve() / place.name
    kept = read_kept(place)
    _check(kept, place, controls)
    if work.is_relative_to(place):
        raise OpticsError(
            f"{work} is where the run is kept; give another folder for the trainings, such as runs/controls."
        )
    wanted: list[Control] = [steps.CONTROLS[name] for name in dict.fromkeys(controls)]
    result = Result.read(place / RESULT)
    had = RunConfig.model_validate(result.config)
    _check_run(had, place, wanted)
    config = relocated(load(place / CONFIG), place)
    changes: dict[str, Any] = {"student.controls": tuple(wanted), "student.distilled_controls": False}
    if device is not None:
        changes["device"] = device
    job = Job.prepare(config.replace(**changes), work, ui or Silent())
    job.on_epoch = on_epoch
    _ = job.device  # one that is not here is told before anything is written
    found, told = job.splits.train.digest(), result.data.get("digest")
    if found != told:
        raise OpticsError(
            f"{config.data.source} does not hold the images of {place.name}: their digest is {found[:12]}... and "
            f"{RESULT} says {str(told)[:12]}...; name the file that it was trained with (folder in SCLC_DATA)."
        )
    if "shuffled" in wanted:
        write_bytes(_made(work / "linear_kd") / MODEL, read_bytes(place / NETWORK))
    for name in wanted:
        kept = _one(job, place, name)
    return kept


def _check(kept: KeptRun, place: Path, controls: Sequence[str]) -> None:
    if not controls:
        raise OpticsError(f"name at least one control: {', '.join(steps.CONTROLS)}.")
    for name in controls:
        if name not in steps.CONTROLS:
            raise OpticsError(f"no control is called {name!r}; choose from {', '.join(steps.CONTROLS)}.")
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
    if student.distilled_controls and student.controls:
        raise OpticsError(
            f"the controls of {place} were distilled, and its teacher is not kept; add others in the run itself: "
            "sclc run CONFIG.toml -o RUN --resume --set 'student.controls=[...]'."
        )
    if "shuffled" in controls and student.repeats > 1:
        raise OpticsError(
            f"{place} has {student.repeats} repeats and keeps the network of the first; shuffled needs each one's."
        )


def _made(folder: Path) -> Path:
    make_folder(folder)
    return folder


def _one(job: Job, place: Path, name: Control) -> KeptRun:
    """Train one control, and keep it."""
    job.watcher.begin(name, f"Training the {title_of(name)}")
    this = replace(job, step=name)
    steps.run_student(this, name)
    row, operations = evaluating.control(this, name)
    result, kept = Result.read(place / RESULT), read_kept(place)
    folders = [job.repeat(name, n) for n in range(job.config.student.repeats)]
    trained = {folder: _epochs(job.path(folder) / METRICS) for folder in folders}
    seconds = sum(float(epoch["seconds"]) for epochs in trained.values() for epoch in epochs)
    had = RunConfig.model_validate(result.config)
    controls = tuple(c for c in steps.CONTROLS if c == name or c in had.student.controls)
    config = had.replace(**{"student.controls": controls, "student.distilled_controls": False})
    result = result.replace(
        **{
            "config": config.model_dump(mode="json"),
            "seconds": result.seconds | {name: seconds},
            "added": result.added | {name: environment(job.config.seed)},
            f"rows.{name}": row,
            f"operations.{name}": operations,
        }
    )
    with writing_folder(place) as inside:
        for other in kept.files:
            write_bytes(inside / other, read_bytes(place / other))
        result.write(inside / RESULT)
        write_text(inside / CONFIG, config.to_toml())
        write_text(inside / HISTORY, _longer(place / HISTORY, trained))
        write_bytes(inside / PICTURE, picture_of(result))
        parameters = kept.parameters | {name: parameters_of(job.path(name) / MODEL)}
        files = {p.name: sha256_of(p) for p in sorted(inside.iterdir())}
        kept = kept.replace(parameters=parameters, files=files)
        write_json(inside / KEPT, kept.model_dump(mode="json"))
    job.watcher.end(name, seconds)
    return kept


def _epochs(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _longer(path: Path, trained: dict[str, list[dict[str, str]]]) -> str:
    """A kept history with the epochs of further trainings, in the columns that it has."""
    lines = _epochs(path)
    head = list(lines[0]) if lines else ["network", *next(iter(trained.values()))[0]]
    lines += [{"network": name, **epoch} for name, epochs in trained.items() for epoch in epochs]
    out = io.StringIO()
    writer = csv.DictWriter(out, head, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()
