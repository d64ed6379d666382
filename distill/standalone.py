"""The job's steps one by one, on a run that was trained before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill import gather, pipeline, settings, stages
from distill.config import RunConfig
from distill.export import export
from distill.job import Job
from distill.progress import Silent, Watcher
from distill.steps import read_json
from distill.verify import verify
from optics.checks import OpticsError


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
    table = job.config.model_dump(mode="json")
    if bench is not None:
        table["bench"] = {"source": bench}
    config = settings.build(RunConfig, table, sets=sets, source=str(directory / pipeline.CONFIG))
    job = Job(config, config.bench.resolve(), job.splits, directory, watcher)
    job.check()
    watcher.begin("calibrate", "Calibrating the camera")
    job.calibration = stages.calibration(job)
    watcher.end("calibrate", 0.0)
    watcher.begin("refit", "Refitting the back end on the bench")
    student = job.student("linear_kd")
    as_is = job.on_bench(student, job.bench)
    ideal = job.on_bench(student, job.bench.ideal(), calibrated=False)
    refitted = stages.refit(job, job.on_bench(job.student("linear_kd"), job.bench))
    watcher.end("refit", 0.0)
    watcher.begin("evaluate", "Evaluating the rows")
    rows = {}
    for done, (name, network) in enumerate(
        {"ideal_bench": ideal, "bench_as_is": as_is, "bench_refit": refitted}.items()
    ):
        watcher.progress(done, 3, name)
        rows[name] = stages.row_of(stages.draws(job, network))
    watcher.end("evaluate", 0.0)
    return {"bench": job.bench.model_dump(mode="json"), "rows": rows, "light": stages.light(job, refitted)}


def export_run(
    directory: Path,
    *,
    output: Path | None = None,
    count: int | None = None,
    overwrite: bool = False,
    ui: Watcher | None = None,
) -> dict[str, Any]:
    """Export the refitted network of a run; see `distill.export`."""
    job = open_run(directory, ("refit",), ui)
    target = output or directory / "export"
    job.watcher.begin("export", "Writing the files for the SLM")
    bench = job.on_bench(job.student("refit"), job.bench)
    export(bench, target, inputs=job.splits.test, count=count or job.config.export.count, overwrite=overwrite)
    job.watcher.end("export", 0.0)
    return {"directory": str(target), "frames": bench.frame_count}


def verify_directory(directory: Path, *, ui: Watcher | None = None, **options: Any) -> dict[str, Any]:
    """Verify an exported directory, or the one inside a run's."""
    watcher = ui or Silent()
    inside = directory / "export"
    target = inside if not (directory / "manifest.json").exists() and inside.is_dir() else directory
    watcher.begin("verify", "Verifying the files, also in LightPipes")
    found = stages.verification(verify(target, progress=watcher.progress, **options))
    watcher.end("verify", 0.0)
    return {"directory": str(target), **found}


def report_run(directory: Path) -> dict[str, Any]:
    """Write a finished run's report and result again."""
    job = open_run(directory, ("evaluate", "verify"))
    book = pipeline.ledger(directory)
    job.seconds = {name: book.seconds(name) for name in pipeline.STEPS if name != "report"}
    gather.run_report(job)
    read_json(directory / "result.json")
    return {"report": str(directory / "report.html"), "result": str(directory / "result.json")}
