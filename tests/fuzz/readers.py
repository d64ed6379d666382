"""Every reader and what must be true of what it accepts: one row each.

A check (`checks.py`) raises `Accepted` where the reader took something that it should have refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor

import distill
from calibration import load_recording
from calibration.rigs.captures import load_captures
from calibration.rigs.slmsuite_files import read_slmsuite
from calibration.rigs.store import FrameStore
from calibration.twin.parameters import Tolerances, bench_parameters, load_tolerances
from calibration.twin.result import load_result
from distill.cli import bench as cli_bench
from distill.cli import design as cli_design
from distill.cli import with_captures as cli_captures
from distill.cli.bench import _read_masks
from distill.data import sources, survey
from distill.data.parts import Options
from distill.data.unlabelled import pool
from distill.designs.designer import _images as display_images
from distill.designs.targets import Target, read_target
from distill.export.design_files import read_design
from distill.export.read import read_export
from distill.job import config
from distill.job.ledger import Ledger
from distill.job.result import Result
from distill.keeping.kept_run import read_kept
from distill.pipeline.single_steps import open_run
from distill.studies.axes import parse as parse_axis
from distill.studies.cells import Conditions, make_plan
from distill.studies.result import Study
from distill.studies.work import Subject
from distill.training import checkpoint
from distill.training.captured import refit_on_captures
from distill.training.train_loop import TrainSpec
from networks.students import array_files
from networks.students.interchange import as_cascade
from networks.teachers.program import load_program
from optics.bench import catalogue
from optics.bench.files import load_bench
from optics.bench.panel_correction import correction_map
from optics.bench.response_tables import phases
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from tests.calibration.benches import bench as calibration_bench
from tests.distill.designs.bench import bench as design_bench
from tests.distill.studies.studybench import student
from tests.fuzz import corpus_sets
from tests.fuzz.checks import (
    nothing,
    only_in,
    right_archive,
    right_array,
    right_axis,
    right_calibration,
    right_captures,
    right_cascade,
    right_correction,
    right_data,
    right_design,
    right_device,
    right_display,
    right_export,
    right_frames,
    right_kept,
    right_ledger,
    right_masks,
    right_network,
    right_phases,
    right_pool,
    right_program,
    right_recording,
    right_refit,
    right_result,
    right_run,
    right_size,
    right_spec,
    right_study,
    right_subject,
    right_target,
)

Check = Callable[[Any, Path], None]
Read = Callable[[Path], Any]
BENCH, DESIGN_BENCH, STUDENT = calibration_bench(), design_bench(), student().spec


@dataclass(frozen=True)
class Reader:
    """corpus: whose seeds it reads. single: it takes the file, not the folder. weight: how often it is drawn."""

    read: Read
    check: Check
    corpus: str
    single: bool = False
    weight: int = 1


def read_kernels(path: Path) -> Any:
    return as_cascade(array_files.read(path), kind="kernel", image_shape=(8, 8), corner=False)


def read_targets(path: Path, kind: str | None = None) -> Target:
    return read_target(path, DESIGN_BENCH, kind=kind, corner=False if kind is None else None)


def read_panel(path: Path) -> Target:
    return read_target(path, DESIGN_BENCH, kind="panel" if path.suffix == ".npy" else "panel-phase")


def read_built_in(path: Path) -> Target:
    return read_target(path.read_text("utf-8", "replace"), DESIGN_BENCH)


def read_display(path: Path) -> Tensor | None:
    return display_images(cli_design._images(path))


def read_axis(path: Path) -> list[BenchSpec]:
    """A bench for each value, as a study makes them."""
    axis = parse_axis(path.read_text("utf-8", "replace"))
    plan = make_plan(
        Conditions(network="", images="", refit=TrainSpec()), BENCH, STUDENT, axes=[axis], ranking=False
    )
    return [cell.bench for cell in plan.cells if cell.role == "axis"]


def read_size(path: Path) -> tuple[int, int]:
    found = path.read_text("utf-8", "replace")
    try:
        return cli_bench.image_shape(found)
    except typer.BadParameter as error:
        raise OpticsError(str(error)) from None


def read_correction(path: Path) -> Tensor | None:
    return correction_map(DESIGN_BENCH.replace(**{"slm.correction": {"file": str(path)}}))


def read_tolerances(path: Path) -> Tolerances:
    found = load_tolerances(path)
    bench_parameters(BENCH, found)
    return found


def read_archive(path: Path) -> survey.Checked:
    """What `sclc data check` says of an archive; raises where something is written elsewhere, or left."""
    with only_in(path.parent):
        found = survey.check(path)
    return found


def read_pool(path: Path) -> Tensor:
    """Pictures without labels of a folder, or of the only HDF5 file in it."""
    where = path / "data.h5" if (path / "data.h5").exists() else path
    return pool(where, Options(size=(6, 5)), limit=3, generator=torch.Generator())


def read_refit(path: Path) -> Any:
    """A back end fitted to captures, to their labels or to a teacher's where they have none."""
    found, network = load_captures(path), corpus_sets.on_bench()
    teacher = None if found.labels is not None else torch.eye(3)[torch.arange(len(found)) % 3]
    return refit_on_captures(network, found, TrainSpec(epochs=1, batch_size=25), teacher=teacher)


def read_run(folder: Path) -> Any:
    """The network of a whole run, as `refit`, `loop` and `evaluate` open it."""
    return open_run(folder, ("linear",)).student("linear").eval()


def read_of_slmsuite(path: Path) -> BenchSpec:
    return BENCH.replace(**read_slmsuite(path, BENCH))


def read_curve(path: Path) -> tuple[int, ...]:
    return cli_captures._counts(path.read_text("utf-8", "replace"))


def read_ledger(folder: Path) -> Ledger:
    return Ledger(folder, {"data": ("data.json",), "teacher": ("teacher",)})


READERS: dict[str, Reader] = {
    "HDF5 images": Reader(sources.load, right_data, "images", single=True, weight=4),
    "HDF5 images, few": Reader(
        lambda p: sources.load(p, limit=20, size=(6, 6)), right_data, "images", single=True
    ),
    "idx": Reader(sources.load, right_data, "idx", weight=2),
    "npz": Reader(sources.load, right_data, "npz", single=True, weight=2),
    "cifar": Reader(sources.load, right_data, "cifar", weight=2),
    "pictures": Reader(sources.load, right_data, "folders", weight=3),
    "arrays": Reader(array_files.read, right_array, "arrays", single=True, weight=4),
    "kernels": Reader(read_kernels, right_cascade, "arrays", single=True, weight=2),
    "student": Reader(distill.load, right_network, "student", single=True, weight=2),
    "teacher": Reader(checkpoint.load_teacher, right_network, "teacher", single=True, weight=2),
    "state": Reader(lambda p: checkpoint.load_state(p, "key"), nothing, "state", single=True),
    "program": Reader(load_program, right_program, "program", single=True, weight=2),
    "export": Reader(read_export, right_export, "export", weight=4),
    "recording": Reader(lambda p: load_recording(_rig(p), BENCH), right_recording, "recording", weight=3),
    "device": Reader(lambda p: catalogue.load(str(p)), right_device, "device", single=True, weight=2),
    "bench": Reader(lambda p: load_bench(str(p)), right_spec, "bench", single=True, weight=4),
    "run": Reader(config.load, right_run, "run", single=True, weight=3),
    "result": Reader(Result.read, right_result, "result", single=True),
    "kept run": Reader(lambda p: (read_kept(p), Result.read(p / "result.json")), right_kept, "kept run"),
    "ledger": Reader(read_ledger, right_ledger, "ledger"),
    "masks": Reader(lambda p: _read_masks(p, 4), right_masks, "masks", single=True),
    "targets": Reader(read_targets, right_target, "arrays", single=True, weight=2),
    "target pictures": Reader(read_targets, right_target, "target pictures", single=True),
    "panel targets": Reader(read_panel, right_target, "panels", single=True),
    "built-in targets": Reader(read_built_in, right_target, "built-ins", single=True),
    "display images": Reader(read_display, right_display, "display images", single=True),
    "design": Reader(read_design, right_design, "design", weight=4),
    "vary": Reader(read_axis, right_axis, "vary", single=True, weight=2),
    "image size": Reader(read_size, right_size, "sizes", single=True),
    "study": Reader(Study, right_study, "study", weight=3),
    "study's images": Reader(Subject.read, right_subject, "study's images", weight=2),
    "response table": Reader(phases, right_phases, "response", single=True, weight=2),
    "correction": Reader(read_correction, right_correction, "correction", single=True, weight=2),
    "calibrated bench": Reader(lambda p: load_bench(str(p)), right_spec, "calibrated bench", single=True),
    "calibration result": Reader(load_result, right_calibration, "calibration result", single=True),
    "captures": Reader(load_captures, right_captures, "captures", single=True),
    "kept frames": Reader(lambda p: FrameStore(p, "request"), right_frames, "kept frames"),
    "tolerances": Reader(read_tolerances, right_spec, "tolerances", single=True),
    "cifar archive": Reader(sources.load, right_data, "cifar archive", single=True),
    "archive": Reader(read_archive, right_archive, "archives", single=True, weight=4),
    "unlabelled": Reader(read_pool, right_pool, "pools", weight=2),
    "refit": Reader(read_refit, right_refit, "captured network", single=True),
    "whole run": Reader(read_run, right_network, "whole run"),
    "slmsuite": Reader(read_of_slmsuite, right_spec, "slmsuite", single=True, weight=2),
    "curve": Reader(read_curve, nothing, "curves", single=True),
}


def _rig(folder: Path) -> Path:
    """A recording is a file or a folder."""
    file = folder / "rig.h5"
    return file if file.exists() else folder
