"""The job's steps one by one, on a run that was trained before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from distill.export.manifest import Manifest
from distill.export.write import export
from distill.job import toml as settings
from distill.job.config import changed
from distill.job.job import Job
from distill.job.ledger import read_json
from distill.pipeline import gather, steps
from distill.pipeline import main_job as pipeline
from distill.progress import Silent, Watcher
from distill.verify.verification import Verification, verify
from optics.checks import OpticsError

T = TypeVar("T")


def open_run(directory: Path, needs: Sequence[str], watcher: Watcher | None = None) -> Job:
    """The job of a run whose steps `needs` are done.

    Raises:
        OpticsError: no run is there, or one of the steps is not done.
    """
    config = pipeline.load_config(directory)
    job = Job.prepare(config, directory, watcher)
    book, keys = pipeline.ledger(directory), pipeline.keys(job)
    missing = [step for step in needs if not book.done(step, keys[step])]
    if missing:
        raise OpticsError(
            f"{directory}: the step {missing[0]!r} is not done, or was done from other inputs; finish the run with "
            f"`sclc run {directory / pipeline.CONFIG} --directory {directory} --resume`."
        )
    return job


def bench_rows(
    directory: Path, *, bench: str | None = None, sets: Sequence[str] = (), ui: Watcher | None = None
) -> dict[str, Any]:
    """Rows of the distilled network of a run on any bench; nothing in the directory changes.

    Args:
        directory: the run.
        bench: a bench's name or file; the run's own when absent.
        sets: `bench.KEY=VALUE`, `refit.KEY=VALUE` or `evaluation.KEY=VALUE` assignments.
        ui: told of the progress.

    Returns:
        `bench`: its name and changed keys; `rows`: ideal_bench, bench_as_is, bench_refit; `light` on it.

    Raises:
        OpticsError: no trained run, an unknown bench or key.
    """
    watcher = ui or Silent()
    for text in sets:
        for part in settings.assignment(text):
            if part not in ("bench", "refit", "evaluation", "calibration"):
                raise OpticsError(
                    f"--set {text}: evaluate changes bench, refit, evaluation and calibration only."
                )
    job = open_run(directory, ("linear_kd",), watcher)
    config = changed(job.config, sets=sets, source=str(directory / pipeline.CONFIG), bench=bench)
    job = Job(config, config.bench.resolve(), job.splits, directory, watcher)
    job.check()
    student = job.student("linear_kd")
    job.calibration = _timed(job, "calibrate", "Calibrating the camera", lambda: steps.calibration(job))
    as_is = job.on_bench(student, job.bench)
    ideal = job.on_bench(student, job.bench.ideal(), calibrated=False)
    refitted = _timed(job, "refit", "Refitting the back end on the bench", lambda: steps.refit(job, as_is))
    rows = _timed(
        job, "evaluate", "Evaluating the rows", lambda: steps.bench_rows(job, ideal, as_is, refitted)[0]
    )
    return {
        "bench": job.bench.model_dump(mode="json"),
        "rows": {name: row.model_dump(mode="json") for name, row in rows.items()},
        "light": steps.light(job, refitted),
    }


def _timed(job: Job, step: str, title: str, work: Callable[[], T]) -> T:
    start = time.perf_counter()
    job.watcher.begin(step, title)
    job.step = step
    found = work()
    job.watcher.end(step, time.perf_counter() - start)
    return found


def export_run(
    directory: Path,
    *,
    output: Path | None = None,
    count: int | None = None,
    overwrite: bool = False,
    ui: Watcher | None = None,
) -> dict[str, Any]:
    """Export the refitted network of a run; see `distill.export.write`."""
    job = open_run(directory, ("refit",), ui)
    target = output or directory / "export"
    bench = job.on_bench(job.student("refit"), job.bench)

    number = count or job.config.export.count

    def work() -> Manifest:
        return export(bench, target, inputs=job.splits.test, count=number, overwrite=overwrite)

    manifest = _timed(job, "export", "Writing the files for the SLM", work)
    return {"directory": str(target), "slm_frames": len(manifest.slm_frames), "images": manifest.images}


def verify_directory(
    directory: Path, *, ui: Watcher | None = None, **options: Any
) -> tuple[Path, Verification]:
    """Verify an exported directory, or the one inside a run's; returns it with what was found."""
    watcher = ui or Silent()
    inside = directory / "export"
    target = inside if not (directory / "manifest.json").exists() and inside.is_dir() else directory
    start = time.perf_counter()
    watcher.begin("verify", "Verifying the files, also in LightPipes")
    found = verify(target, progress=partial(watcher.progress, "verify"), **options)
    watcher.end("verify", time.perf_counter() - start)
    return target, found


def report_run(directory: Path) -> dict[str, Any]:
    """Write a finished run's report and result again."""
    job = open_run(directory, ("evaluate", "verify"))
    book = pipeline.ledger(directory)
    job.seconds = {name: book.seconds(name) for name in pipeline.STEPS if name != "report"}
    gather.run_report(job)
    read_json(directory / "result.json")
    return {"report": str(directory / "report.html"), "result": str(directory / "result.json")}
