"""What is interrupted: one small run and the commands on it. A new job is one line in `JOBS`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from calibration import save_recording
from calibration.rigs.captures import capture_images
from calibration.rigs.simulated import simulated_rig
from calibration.twin.page import write_page
from distill import design, study
from distill.comparison import compare
from distill.job.config import RunConfig, demo
from distill.pipeline import main_job, single_steps, step_table
from optics.files import remove_folder, write_json
from tests.calibration import benches as calibration
from tests.distill.designs.bench import SHAPE as DESIGN_SHAPE
from tests.distill.designs.bench import bench as design_bench
from tests.fuzz.corpus_jobs import calibrated_by_hand
from tests.scenes import generator

SETS = (
    "data.limit=20",
    "data.size=[12, 12]",
    "teacher.training.epochs=1",
    "student.cascade.channels=[1, 1]",
    "student.readout.bins=[2, 2]",
    "student.training.epochs=1",
    "student.repeats=1",
    "refit.epochs=2",
    "calibration.levels=8",
    "calibration.exposures=2",
    "evaluation.draws=2",
    "export.count=2",
    "verify.wave_images=2",
    "verify.lightpipes_images=0",
    "bench.slm.shape=[270, 480]",
    "bench.camera.shape=[1200, 640]",
)


def small(*sets: str) -> RunConfig:
    """The small run's configuration, with changes."""
    return demo(fast=True, sets=[*SETS, *sets])


@dataclass(frozen=True)
class Task:
    """One job.

    after: the last step that the run has done before, or "" for an empty place. act: what is interrupted, and repeated
    until it is through; given the folder that holds `run` and `out`. scratch: what may lie there meanwhile. before:
    what is done first. whole: folders that are as before or as after, never a part.
    """

    after: str
    act: Callable[[Path], object]
    scratch: tuple[str, ...] = ()
    before: Callable[[Path], object] | None = None
    whole: tuple[str, ...] = ("run/export/", "out/lab/")


def _run(last: str, *sets: str, fresh: bool = False) -> Callable[[Path], object]:
    def act(place: Path) -> object:
        return main_job.run(small(*sets), place / "run", resume=not fresh, last=last)

    return act


def _export(output: str | None, count: int) -> Callable[[Path], object]:
    def act(place: Path) -> object:
        out = None if output is None else place / output
        return single_steps.export_network(place / "run", output=out, count=count, overwrite=True)

    return act


def _evaluate(place: Path) -> object:
    rows = single_steps.bench_rows(place / "run", sets=["bench.camera.read_noise=9.0"])
    return write_json(place / "rows.json", rows)


def _report(place: Path) -> object:
    return single_steps.report_run(place / "run")


def _study(place: Path) -> object:
    vary = ["camera.read_noise=9,90"]
    return study(
        place / "run", vary=vary, ranking=False, draws=2, images=6, folder=place / "study", processes=1
    )


def _compare(place: Path) -> object:
    return compare(
        place / "run",
        ["ideal", "own"],
        flaw_costs=False,
        draws=2,
        images=6,
        folder=place / "compare",
        processes=1,
    )


def _design(name: str) -> Callable[[Path], object]:
    def act(place: Path) -> object:
        where = place / "out/design"
        options = {
            "image_shape": DESIGN_SHAPE,
            "pictures": 0,
            "compare": False,
            "prove": False,
            "lab": False,
        }
        return design(name, bench=design_bench(), directory=where, overwrite=True, **options)

    return act


def _calibrate(place: Path) -> object:
    """Frames of a simulated bench, kept one by one; and the files of a calibration with uncertainties made up."""
    nominal = calibration.bench()
    with simulated_rig(nominal, nominal, generator=generator(3)) as rig:
        rig.keep = lambda so_far: save_recording(so_far, place / "frames.h5")
        seen = rig.capture(calibration.probes(3), region=calibration.region(nominal))
    found = calibrated_by_hand()
    found.save(place / "bench.toml")
    return write_page(found, seen, place / "bench.html")


def _capture(place: Path) -> object:
    """Two images through two patterns, kept as they are taken; then one file."""
    nominal, store = calibration.bench(), place / "captures.h5.part"
    shown = calibration.probes(2)
    with simulated_rig(nominal, nominal, generator=generator(2)) as rig:
        found = capture_images(
            rig,
            shown.levels,
            shown.inputs.float(),
            region=calibration.region(nominal),
            panel_corner=shown.corner,
            store=store,
        )
    found.save(place / "captures.h5")
    return remove_folder(store) if store.is_dir() else None


STEPS = tuple(step_table.STEPS)

JOBS: dict[str, Task] = {
    **{f"run: {step}": Task(before, _run(step)) for before, step in zip(("", *STEPS), STEPS, strict=False)},
    "resume, changed": Task("verify", _run("verify", "verify.wave_images=1")),
    "fresh": Task("report", _run("data", fresh=True)),
    "export": Task("refit", _export("out/lab", 2)),
    "export --overwrite": Task("refit", _export("out/lab", 1), before=_export("out/lab", 2)),
    "export --overwrite in the run": Task("verify", _export(None, 1)),
    "evaluate": Task("refit", _evaluate, scratch=("run/.evaluate",)),
    "report": Task("report", _report),
    "study": Task("linear_kd", _study),
    "compare": Task("linear_kd", _compare),
    "design": Task("", _design("sobel"), whole=("out/design/",)),
    "design --overwrite": Task("", _design("laplace"), before=_design("sobel"), whole=("out/design/",)),
    "calibrate": Task("", _calibrate, scratch=("frames.h5",)),
    "capture": Task("", _capture, scratch=("captures.h5.part",)),
}


@cache
def snapshot(root: Path, step: str) -> Path:
    """The small run after a step, "" before the first, as a folder below `root`."""
    torch.set_num_threads(1)
    found = root / (f"after-{step}" if step else "empty")
    if not step:
        found.mkdir(parents=True)
        return found
    before = STEPS.index(step)
    shutil.copytree(snapshot(root, STEPS[before - 1] if before else ""), found)
    place = root / "work"  # one place for all: what a run writes may name it
    found.rename(place)
    main_job.run(small(), place / "run", last=step)
    shutil.copytree(place, found)
    shutil.rmtree(place)
    return found


def begin(job: Task, place: Path, root: Path) -> None:
    """Put the files that the job finds into `place`."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(snapshot(root, job.after), place)
    if job.before is not None:
        job.before(place)
