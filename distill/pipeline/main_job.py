"""The main job, step by step: data, teacher, students and controls, bench, files for the SLM, proof, report.

Each step reads what earlier ones wrote, writes its own files whole or not at all, and is kept when the job runs again
with the same inputs (`distill.job.ledger`). A job that is killed goes on where it was, in the middle of a training too.

| step | writes | what it does |
|---|---|---|
| data | data.json | loads the images, cuts the validation part |
| teacher | teacher/ | trains the nonlinear network |
| linear, linear_kd | a folder each | train the linear network, on the labels alone and with the teacher |
| random_masks, no_mask, raw_image, shuffled | a folder each | train the controls that `student.controls` names |
| calibrate | calibration.json | radiometry of the bench's camera from simulated flat fields |
| refit | refit/ | fits the distilled network's back end to exposures on the realistic bench |
| evaluate | evaluation.json | every row of the table; it and flaws alone look at the test part |
| export | export/ | SLM frames, masks, reference images |
| verify | verify.json | runs the exported files through the wave path and through LightPipes |
| flaws | flaws.json | a small study for the report: what mending each flaw would earn |
| report | result.json, report.html | gathers the numbers and the pictures |
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from distill.job import given_teacher
from distill.job.config import RunConfig, load
from distill.job.job import MODEL, Job
from distill.job.ledger import Ledger, key_of
from distill.job.result import SCHEMA_VERSION
from distill.job.rows import TRAINED
from distill.pipeline import flaws, gather, steps, together
from distill.progress import Watcher
from distill.training.processes import ALONE, Processes
from distill.training.trackers import EVENTS, tensorboard
from distill.training.train_loop import CHECKPOINT, METRICS
from distill.verify.verdict import Limits
from optics.devices import CPU
from optics.errors import OpticsError
from optics.files import write_text
from optics.reading import sha256_of

CONFIG = "config.toml"


@dataclass(frozen=True)
class Step:
    """One step of the job.

    title: what it does, for people. outputs: what it writes, as patterns. reads: the steps whose files it reads.
    depends_on: the part of the configuration that its result depends on. work: does it. resumable: it goes on from what
    an interrupted run left, its aids. parallel: it may run at the same time as its neighbours that say so too. shared:
    several processes do it together, where there are several.
    """

    title: str
    outputs: tuple[str, ...]
    reads: tuple[str, ...]
    depends_on: Callable[[Job], Any]
    work: Callable[[Job], None]
    resumable: bool = False
    parallel: bool = False
    shared: bool = False
    aids: tuple[str, ...] = ()


def _told(model: BaseModel, **of: Any) -> dict[str, Any]:
    """What a table says beyond its defaults: a key that a later version adds changes nothing that was done before."""
    return model.model_dump(mode="json", exclude_defaults=True, **of)


def _teacher(job: Job) -> Any:
    told = job.config.teacher
    if not told.given:
        return [told.name, _told(told.training)]
    return [_told(told, exclude={"name", "training", "check"}), *given_teacher.digests(told)]


def _student(job: Job) -> Any:
    file = job.config.student.file
    digest = None if file is None else sha256_of(Path(file))
    told = _told(job.config.student, exclude={"realisation", "controls"})
    return [told, digest, None if job.config.student.noise_aware is None else _realised(job)]


def _realised(job: Job) -> Any:
    return [_bench(job), _told(job.config.student.realisation)]


def _bench(job: Job) -> Any:
    return _told(job.bench)


def _trained(step: str, *, repeats: bool = False) -> dict[str, Any]:
    """What a training writes, in its folder and in those of its repeats."""
    folders = (step, f"{step}/repeat-*") if repeats else (step,)
    return {
        "outputs": tuple(f"{folder}/{MODEL}" for folder in folders),
        "aids": tuple(f"{folder}/{name}" for folder in folders for name in (CHECKPOINT, METRICS, EVENTS)),
        "resumable": True,
    }


def _correction(job: Job) -> str | None:
    """The digest of the panel's correction, a file beside the bench; None without one."""
    told = job.bench.slm.correction
    return None if told is None else sha256_of(Path(told.file))


def _training(step: str, title: str, *, reads: tuple[str, ...] = ("data", "teacher")) -> Step:
    """A student's training; these run in parallel."""
    return Step(
        title,
        reads=reads,
        depends_on=_student,
        work=partial(steps.run_student, step=step),
        parallel=True,
        shared=True,
        **_trained(step, repeats=True),
    )


STEPS: dict[str, Step] = {
    "data": Step(
        "Loading the images",
        ("data.json",),
        (),
        lambda j: [
            j.made_by,
            _told(j.config.data),
            *(p.digest() for p in vars(j.splits).values()),
        ],
        steps.run_data,
    ),
    "teacher": Step(
        "Training the teacher",
        reads=("data",),
        depends_on=_teacher,
        work=steps.run_teacher,
        shared=True,
        **_trained("teacher"),
    ),
    "linear": _training("linear", "Training linear optics on the labels", reads=("data",)),
    "linear_kd": _training("linear_kd", "Distilling linear optics"),
    "random_masks": _training("random_masks", "Training the control: random masks"),
    "no_mask": _training("no_mask", "Training the control: no mask"),
    "raw_image": _training("raw_image", "Training the control: raw image"),
    "shuffled": replace(
        _training(
            "shuffled", "Training the control: optics shuffled", reads=("data", "teacher", "linear_kd")
        ),
        parallel=False,
    ),
    "calibrate": Step(
        "Calibrating the camera",
        ("calibration.json",),
        (),
        lambda j: [_bench(j)["camera"], _told(j.config.calibration)],
        steps.run_calibrate,
    ),
    "refit": Step(
        "Refitting the back end on the bench",
        reads=("data", "linear_kd", "calibrate"),
        depends_on=lambda j: [_realised(j), _told(j.config.refit)],
        work=steps.run_refit,
        **_trained("refit"),
    ),
    "evaluate": Step(
        "Evaluating every row",
        ("evaluation.json",),
        (*TRAINED, "refit"),
        lambda j: [
            SCHEMA_VERSION,
            _told(j.config.evaluation),
            list(j.config.student.controls),
        ],
        steps.run_evaluate,
    ),
    "export": Step(
        "Writing the files for the SLM",
        ("export",),
        ("refit",),
        lambda j: [_told(j.config.export), _correction(j)],
        steps.run_export,
    ),
    "verify": Step(
        "Verifying the files, also in LightPipes",
        ("verify.json",),
        ("export",),
        lambda j: [
            SCHEMA_VERSION,
            _told(j.config.verify, exclude={"processes", *Limits.model_fields}),
        ],
        steps.run_verify,
    ),
    "flaws": Step("Asking what each flaw costs", (flaws.FILE,), ("linear_kd",), flaws.asked, flaws.run_flaws),
    "report": Step(
        "Writing the report",
        ("result.json", "report.html"),
        ("evaluate", "verify", "flaws"),
        lambda j: _told(j.config),
        gather.run_report,
    ),
}


def keys(job: Job) -> dict[str, str]:
    """The key of every step: the hash of what it depends on and of the keys of the steps that it reads."""
    found: dict[str, str] = {}
    for name, step in STEPS.items():
        found[name] = key_of(name, job.config.seed, step.depends_on(job), [found[a] for a in step.reads])
    return found


def steps_of(config: RunConfig) -> list[str]:
    """The steps that this job has: no training of a given network, no files and no study where none are wanted."""
    trained = TRAINED if config.student.file else ()
    controls = tuple(name for name in steps.CONTROLS if name not in config.student.controls)
    files = () if config.export.count else ("export", "verify")
    study = () if config.flaws.images else ("flaws",)
    return [name for name in STEPS if name not in (*trained, *controls, *files, *study)]


def ledger(directory: Path) -> Ledger:
    """The ledger of a run's directory."""
    return Ledger(
        directory,
        {name: step.outputs for name, step in STEPS.items()},
        {name: step.aids for name, step in STEPS.items()},
    )


def run(
    config: RunConfig,
    directory: Path,
    *,
    resume: bool | None = True,
    ui: Watcher | None = None,
    last: str = "report",
    processes: Processes = ALONE,
    teacher: nn.Module | None = None,
) -> dict[str, Any]:
    """Do the main job in `directory`, or what is left of it.

    Args:
        config: what to do.
        directory: where; made if needed.
        resume: keep the steps that were done for the same inputs, and go on within a training that was interrupted;
            False removes what an earlier run left in the directory; None refuses a directory that holds one.
        ui: told of the progress.
        last: the last step to do, with those that it needs.
        processes: who trains together; others than the first only help.
        teacher: a network of yours in place of the configuration's teacher, images (B, C, H, W) of 0 to 1 to logits;
            the keys `image_size` to `check` of [teacher] hold for it. To go on with the run, pass it again.

    Returns:
        What `result.json` holds; empty if `last` comes before the report, and in processes that help.

    Raises:
        OpticsError: bad input, found before anything is written; or a directory that holds other things.
    """
    book = ledger(directory)
    if teacher is not None:
        config = config.replace(**{"teacher.passed": given_teacher.digest_of(teacher)})
        if processes.size > 1:
            raise OpticsError(
                "a teacher that is passed from Python trains in one process; give it as teacher.file."
            )
    if not processes.first:
        works = {name: step.work for name, step in STEPS.items() if step.shared}
        together.follow(config, book.directory, processes, works)
        return {}
    with together.Crew(processes) as crew:
        return _lead(config, book, resume, ui, last, crew, teacher)


def _lead(
    config: RunConfig,
    book: Ledger,
    resume: bool | None,
    ui: Watcher | None,
    last: str,
    crew: together.Crew,
    teacher: nn.Module | None,
) -> dict[str, Any]:
    """The main job, as its first process does it; see `run`."""
    directory = book.directory
    _check_new(book, resume)
    if config.tensorboard:
        tensorboard(directory)  # whether it is installed
    job = Job.prepare(config, directory, ui, teacher=teacher)
    _ = job.device  # one that is not here is told before anything is written
    todo = [name for name in needed(last) if name in steps_of(config)]
    steps.check_later(job, todo)
    wanted = keys(job)
    with book.locked():
        _check_new(book, resume)
        book.check_free(todo, {} if resume is False else wanted)
        book.begin()
        if resume is False:
            book.clear()
        book.drop_stale(wanted)
        _write_config(config, directory / CONFIG)
        for parallel, names in groupby(todo, key=lambda name: STEPS[name].parallel):
            if parallel and job.device == CPU and crew.processes.size == 1:
                _in_parallel(job, book, list(names), wanted)
            else:
                for name in names:
                    _do(job, book, name, wanted[name], crew)
        return gather.read_result(directory) if last == "report" else {}


def _check_new(book: Ledger, resume: bool | None) -> None:
    if resume is None and book.begun(beside=("data",)):
        raise OpticsError(
            f"{book.directory} holds a run already; add --resume to go on with it, --fresh to begin anew, or choose "
            "another --output."
        )


def _write_config(config: RunConfig, path: Path) -> None:
    """Write the configuration where the file does not say the same already, perhaps in the user's own words."""
    with contextlib.suppress(OpticsError):
        if path.is_file() and load(path) == config:
            return
    write_text(path, config.to_toml())


def _do(job: Job, book: Ledger, name: str, key: str, crew: together.Crew | None = None) -> None:
    step = STEPS[name]
    if book.done(name, key):
        job.watcher.kept(name, step.title)
        return
    job.watcher.begin(name, step.title)
    with book.working(name, key, keep=step.resumable):
        seconds = {n: book.seconds(n) for n in STEPS if n != name}
        this = replace(job, step=name, seconds=seconds)
        if crew is None or crew.processes.size == 1 or not step.shared:
            step.work(this)
        else:
            crew.train(name, partial(step.work, replace(this, processes=crew.processes)))
    job.watcher.end(name, book.seconds(name))


def _in_parallel(job: Job, book: Ledger, names: list[str], keys: dict[str, str]) -> None:
    """Do the students' trainings, each on one thread, as many at once as torch has threads.

    Networks this small gain little from several threads; on one thread each they take half the time on two processors.
    """
    threads = torch.get_num_threads()

    def work(name: str) -> None:
        torch.set_num_threads(1)
        _do(job, book, name, keys[name])

    try:
        with ThreadPoolExecutor(max_workers=threads) as pool:
            running = [pool.submit(work, name) for name in names]
            try:
                for future in as_completed(running):
                    future.result()
            finally:
                if not all(future.done() for future in running):
                    job.stopped.set()  # one has failed: the others end at their next sign of progress
                    pool.shutdown(wait=False, cancel_futures=True)
    finally:
        torch.set_num_threads(threads)


def needed(last: str) -> list[str]:
    """The steps that `last` needs, itself included, in order."""
    if last not in STEPS:
        raise OpticsError(f"no step is called {last!r}; steps are {', '.join(STEPS)}.")
    found = {last}
    for name in reversed(STEPS):
        if name in found:
            found.update(STEPS[name].reads)
    return [name for name in STEPS if name in found]


def load_config(directory: Path) -> RunConfig:
    """The configuration of the run in `directory`.

    Raises:
        OpticsError: no run is there.
    """
    if not (directory / CONFIG).is_file():
        raise OpticsError(
            f"{directory} holds no run: {CONFIG} is missing. Begin one with `sclc run` or `sclc demo`."
        )
    return load(directory / CONFIG)
