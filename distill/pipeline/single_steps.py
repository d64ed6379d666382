"""The job's steps one by one, on a run that was trained before, or on a network that was saved from Python."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from distill.environment import version
from distill.export.manifest import Manifest
from distill.export.write import export
from distill.job import toml as settings
from distill.job.config import ExportConfig, RunConfig, changed
from distill.job.config import load as load_config
from distill.job.job import MODEL, Job
from distill.job.ledger import LEDGER, RESULT, going_on, key_of, read_json
from distill.pipeline import evaluating, gather, step_table, steps, unfinished
from distill.pipeline import main_job as pipeline
from distill.progress import Silent, Watcher
from distill.training.evaluation import evaluate
from distill.verify.verdict import Verification
from distill.verify.verification import verify
from optics.checks import OpticsError
from optics.reading import exists, home, sha256_of

T = TypeVar("T")


def open_run(directory: str | Path, needs: Sequence[str], watcher: Watcher | None = None) -> Job:
    """The job of a run whose steps `needs` are done.

    Raises:
        OpticsError: no run is there, or one of the steps is not done.
    """
    directory = home(directory)
    config = pipeline.load_config(directory)
    _check_there(directory, config.data.source)
    job = Job.prepare(config, directory, watcher)
    job.made_by = _made_by(directory, job.made_by)
    book, (keys, earlier) = step_table.ledger(directory), step_table.keys_and_earlier(job)
    for each in earlier:
        book.adopt(each, keys, write=False)
    has = step_table.steps_of(config)
    missing = [step for step in needs if step in has and not book.done(step, keys[step])]
    if missing:
        raise OpticsError(
            f"{directory}: the step {missing[0]!r} is not done, or was done from other inputs; finish the run with "
            f"`{going_on(directory)}`."
        )
    return job


def _check_there(directory: Path, source: str) -> None:
    path = Path(source)
    if path.is_absolute() and not exists(path):
        raise OpticsError(
            f"{directory}: its images are no longer at {path}; call this from the folder that holds {path.name!r}, or "
            "name that folder in SCLC_DATA."
        )


def _made_by(directory: Path, here: str) -> str:
    """The version that made a run: what it finished stays finished when a later version reads it."""
    found = read_json(directory / "data.json") if (directory / "data.json").is_file() else {}
    told = found.get("made_by", here) if isinstance(found, dict) else here
    return told if isinstance(told, str) else here


def open_file(
    file: str | Path,
    *,
    config: str | Path | None = None,
    bench: str | None = None,
    sets: Sequence[str] = (),
    watcher: Watcher | None = None,
) -> Job:
    """A job around a network that `distill.save` wrote; its directory is the file's, and nothing is written there.

    Args:
        file: the network.
        config: a run's configuration, for the data, the bench and the rest; the defaults when absent.
        bench: a bench's name or file, in place of the configuration's.
        sets: `key=value` assignments on top.
        watcher: told of the progress.

    Raises:
        OpticsError: no such network, or it does not fit the data or the bench.
    """
    file = home(file)
    return Job.prepare(config_of_file(file, config=config, bench=bench, sets=sets), file.parent, watcher)


def open_network(
    network: str | Path,
    *,
    config: str | Path | None = None,
    bench: str | None = None,
    sets: Sequence[str] = (),
    watcher: Watcher | None = None,
) -> Job:
    """The job of a run whose distilled network is trained, or around the network in a file; on any bench.

    Args:
        network: a run's directory, or the file of a network.
        config: with a file, the configuration that names its data; see `open_file`.
        bench: a bench's name or file; the run's own when absent.
        sets: `key=value` assignments; of a run: of the bench and the realisation, the refit, the evaluation.
        watcher: told of the progress.

    Raises:
        OpticsError: no trained network, an unknown bench or key.
    """
    network = home(network)
    if network.is_file():
        return open_file(network, config=config, bench=bench, sets=sets, watcher=watcher)
    _only_a_file(network, config)
    _check_sets(sets)
    job = open_run(network, ("linear_kd",), watcher)
    told = changed(job.config, sets=sets, source=str(network / pipeline.CONFIG), bench=bench)
    job = Job(told, told.bench.resolve(), job.splits, network, watcher or Silent())
    job.check()
    return job


def config_of_file(
    file: str | Path, *, config: str | Path | None = None, bench: str | None = None, sets: Sequence[str] = ()
) -> RunConfig:
    """The configuration of a run that begins with the network in `file`; see `open_file`."""
    file = home(file)
    base = load_config(config) if config is not None else RunConfig(name=file.stem)
    given = base.replace(student=base.student.of_file(file.resolve()))
    return changed(given, sets=sets, source=str(config or file), bench=bench)


def bench_rows(
    network: str | Path,
    *,
    config: str | Path | None = None,
    bench: str | None = None,
    sets: Sequence[str] = (),
    ui: Watcher | None = None,
) -> dict[str, Any]:
    """Rows of a network on any bench; killed and called again it goes on with the refit where it was.

    Args:
        network: a run's directory, whose distilled network it is, or the file of a network.
        config: with a file, the configuration that names its data; see `open_file`.
        bench: a bench's name or file; the run's own when absent.
        sets: `key=value` assignments; of a run: of the bench and the realisation, the refit, the evaluation.
        ui: told of the progress.

    Returns:
        `bench`: its name and changed keys; `rows`: ideal_bench, bench_as_is, bench_refit, for a file also given;
        `light` on the bench.

    Raises:
        OpticsError: no trained network, an unknown bench or key.
    """
    watcher, network = ui or Silent(), home(network)
    job = open_network(network, config=config, bench=bench, sets=sets, watcher=watcher)
    student = job.student("linear_kd")
    job.calibration = _timed(job, "calibrate", "Calibrating the camera", lambda: steps.calibration(job))
    as_is = job.on_bench(student, job.bench)
    ideal = job.on_bench(student, job.bench.ideal(), calibrated=False)
    with unfinished.kept(network, "evaluate", _key(job)) as folder:
        refitted = _timed(
            job,
            "refit",
            "Refitting the back end on the bench",
            lambda: steps.refit(job, as_is, directory=folder),
        )
        rows = _timed(
            job,
            "evaluate",
            "Evaluating the rows",
            lambda: evaluating.bench_rows(job, ideal, as_is, refitted)[0],
        )
    if network.is_file():
        rows = {"given": evaluate(student, job.splits.test)} | rows
    return {
        "bench": job.bench.model_dump(mode="json"),
        "rows": {name: row.model_dump(mode="json") for name, row in rows.items()},
        "light": evaluating.light(job, refitted),
    }


def _key(job: Job) -> str:
    """Hash of all that the rows depend on: settings, bench, images, and the networks' files."""
    file = job.config.student.file
    files = [Path(file)] if file else [job.path(step) / MODEL for step in ("linear_kd", "teacher")]
    return key_of(
        version(),
        job.config.model_dump(mode="json", exclude={"device"}),
        job.bench.model_dump(mode="json"),
        [part.digest() for part in vars(job.splits).values()],
        [sha256_of(path) for path in files],
    )


def _only_a_file(network: Path, config: str | Path | None) -> None:
    if config is not None:
        raise OpticsError(
            f"--config {config}: {network} is a run with a configuration of its own; --config goes with the file of a "
            "network."
        )


def _check_sets(sets: Sequence[str]) -> None:
    """Raise OpticsError where an assignment changes what a finished training depends on."""
    for text in sets:
        table = settings.assignment(text)
        for part, value in table.items():
            way = part == "student" and isinstance(value, Mapping) and set(value) == {"realisation"}
            if part not in ("bench", "refit", "evaluation", "calibration", "device") and not way:
                raise OpticsError(
                    f"--set {text}: evaluate changes bench, student.realisation, refit, evaluation and calibration "
                    "only."
                )


def _timed(job: Job, step: str, title: str, work: Callable[[], T]) -> T:
    start = time.perf_counter()
    job.watcher.begin(step, title)
    job.step = step
    found = work()
    job.watcher.end(step, time.perf_counter() - start)
    return found


def export_network(
    network: str | Path,
    *,
    config: str | Path | None = None,
    bench: str | None = None,
    sets: Sequence[str] = (),
    output: str | Path | None = None,
    count: int | None = None,
    overwrite: bool = False,
    ui: Watcher | None = None,
) -> dict[str, Any]:
    """Export the refitted network of a run, or the network in a file as it is; see `distill.export.write`.

    Args:
        network: a run's directory, or the file of a network.
        config: with a file, what names its data and its bench; see `open_file`.
        bench: with a file, another bench.
        sets: with a file, `key=value` assignments.
        output: where to; beside the file, or in the run, under "export" by default.
        count: reference images; as configured when absent.
        overwrite: replace an export that is there.
        ui: told of the progress.

    Raises:
        OpticsError: no trained network, or one that cannot be exported.
    """
    network = home(network)
    if network.is_file():
        job = open_file(network, config=config, bench=bench, sets=sets, watcher=ui).on_cpu()
        job.check_exportable()
        on_bench = job.on_bench(job.student("linear_kd"), job.bench, calibrated=False)
        target = home(output or network.with_name(f"{network.stem}-export"))
    else:
        _only_a_file(network, config)
        if bench is not None or sets:
            raise OpticsError(
                f"{network} is a run and is exported as it is; --bench and --set go with a file."
            )
        job = open_run(network, ("refit",), ui).on_cpu()
        on_bench = job.on_bench(job.student("refit"), job.bench)
        target = home(output or network / "export")

    number = count or min(job.config.export.count or ExportConfig().count, len(job.splits.test))

    def work() -> Manifest:
        with _in_the_run(job, target, number):
            return export(on_bench, target, inputs=job.splits.test, count=number, overwrite=overwrite)

    manifest = _timed(job, "export", "Writing the files for the SLM", work)
    return {"directory": str(target), "slm_frames": len(manifest.slm_frames), "images": manifest.images}


@contextlib.contextmanager
def _in_the_run(job: Job, target: Path, count: int) -> Iterator[None]:
    """Work on the run's own export under its lock, and enter it in its ledger; elsewhere, just work."""
    book = step_table.ledger(job.directory) if (job.directory / LEDGER).is_file() else None
    if book is None or target.resolve() != (book.directory / "export").resolve():
        yield
        return
    key = step_table.keys(job)["export"]
    asked = key if count == job.export_count else key_of(key, count)  # a run that goes on makes its own
    with book.locked():
        known = book.listed("export") or not target.exists()
        with book.working("export", asked, keep=True) if known else contextlib.nullcontext():
            yield


def verify_directory(
    directory: str | Path, *, ui: Watcher | None = None, **options: Any
) -> tuple[Path, Verification]:
    """Verify an exported directory, or the one inside a run's; returns it with what was found."""
    watcher, directory = ui or Silent(), home(directory)
    inside = directory / "export"
    target = inside if not (directory / "manifest.json").exists() and inside.is_dir() else directory
    start = time.perf_counter()
    watcher.begin("verify", "Verifying the files, also in LightPipes")
    found = verify(target, progress=partial(watcher.progress, "verify"), **options)
    watcher.end("verify", time.perf_counter() - start)
    return target, found


def report_run(directory: str | Path) -> dict[str, Any]:
    """Write a finished run's report and result again."""
    directory = home(directory)
    config = pipeline.load_config(directory)
    needs = [step for step in ("evaluate", "verify") if step in step_table.steps_of(config)]
    job = open_run(directory, needs)
    book = step_table.ledger(directory)
    key = step_table.keys(job)["report"]
    with book.locked(), book.working("report", key, keep=True):
        job.recall(book, (name for name in step_table.STEPS if name != "report"))
        gather.run_report(job)
    return {"report": str(directory / "report.html"), "result": str(directory / RESULT)}


def report_file(
    file: str | Path,
    directory: str | Path,
    *,
    config: str | Path | None = None,
    bench: str | None = None,
    sets: Sequence[str] = (),
    ui: Watcher | None = None,
) -> dict[str, Any]:
    """The run that begins with a network from a file: bench, refit, rows, files, proof, report; see `open_file`.

    Args:
        file: the network.
        directory: of the run; steps whose inputs are the same are kept.
        config: what names its data and its bench; see `open_file`.
        bench: another bench.
        sets: `key=value` assignments.
        ui: told of the progress.
    """
    directory = home(directory)
    pipeline.run(config_of_file(file, config=config, bench=bench, sets=sets), directory, ui=ui)
    return {"report": str(directory / "report.html"), "result": str(directory / RESULT)}
