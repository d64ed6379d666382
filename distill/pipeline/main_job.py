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
| benches | benches.json | the rows on the ideal and on the realistic bench, on the test part |
| evaluate | evaluation.json | every row of the table; these two and flaws alone look at the test part |
| export | export/ | SLM frames, masks, reference images |
| verify | verify.json | runs the exported files through the wave path and through LightPipes |
| flaws | flaws.json | a small study for the report: what mending each flaw would earn |
| report | result.json, report.html | gathers the numbers and the pictures |
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distill.environment import environment
from distill.job import given_teacher
from distill.job.config import RunConfig, load
from distill.job.job import Job
from distill.job.ledger import CONFIG, Ledger
from distill.job.named_files import relocated
from distill.job.rows import STUDENTS
from distill.pipeline import evaluating, gather, steps, together
from distill.pipeline.step_table import STEPS, keys_and_earlier, ledger, needed, steps_of, title_of
from distill.progress import Watcher
from distill.training.processes import ALONE, Processes
from distill.training.trackers import OnStepEpoch, one_at_a_time, tensorboard
from optics.devices import CPU
from optics.errors import OpticsError
from optics.files import write_text
from optics.reading import home


def run(
    config: str | Path | RunConfig,
    directory: str | Path,
    *,
    resume: bool | None = True,
    ui: Watcher | None = None,
    last: str = "report",
    processes: Processes = ALONE,
    teacher: nn.Module | None = None,
    on_epoch: OnStepEpoch | None = None,
) -> dict[str, Any]:
    """Do the main job in `directory`, or what is left of it.

    Args:
        config: what to do, or a run file that says it.
        directory: where; made if needed.
        resume: keep the steps that were done for the same inputs, and go on within a training that was interrupted;
            False removes what an earlier run left in the directory; None refuses a directory that holds one.
        ui: told of the progress.
        last: the last step to do, with those that it needs.
        processes: who trains together; others than the first only help.
        teacher: a network of yours in place of the configuration's teacher, images (B, C, H, W) of 0 to 1 to logits;
            the keys `image_size` to `check` of [teacher] hold for it. To go on with the run, pass it again.
        on_epoch: called as `on_epoch(step, epoch)` with each new `Epoch` of every training and of the refit, one call
            at a time, by the first process alone. step: the training's folder, such as "teacher", "linear_kd",
            "linear_kd/repeat-1", "refit". What it raises ends the run, which goes on after that epoch when run again.

    Returns:
        What `result.json` holds; empty if `last` comes before the report, and in processes that help.

    Raises:
        OpticsError: bad input, found before anything is written; or a directory that holds other things.
    """
    config = config if isinstance(config, RunConfig) else load(config)
    book = ledger(home(directory))
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
        return _lead(config, book, resume, ui, last, crew, teacher, on_epoch)


def _lead(
    config: RunConfig,
    book: Ledger,
    resume: bool | None,
    ui: Watcher | None,
    last: str,
    crew: together.Crew,
    teacher: nn.Module | None,
    on_epoch: OnStepEpoch | None,
) -> dict[str, Any]:
    """The main job, as its first process does it; see `run`."""
    directory = book.directory
    _check_new(book, resume)
    if config.tensorboard:
        tensorboard(directory)  # whether it is installed
    job = Job.prepare(config, directory, ui, teacher=teacher)
    job.on_epoch = None if on_epoch is None else one_at_a_time(on_epoch)
    _ = job.device  # one that is not here is told before anything is written
    todo = [name for name in needed(last) if name in steps_of(config)]
    steps.check_later(job, todo)
    wanted, earlier = keys_and_earlier(job)
    with book.locked():
        _check_new(book, resume)
        for each in earlier:
            book.adopt(each, wanted, write=True)
        if resume is not False and book.listed("evaluate") and not book.listed("benches"):
            evaluating.split_earlier(book, wanted["benches"], _evaluated(job, wanted, earlier))
        book.check_free(todo, {} if resume is False else wanted)
        book.begin()
        if resume is False:
            book.clear()
        book.drop_stale(wanted)
        _write_config(config, directory / CONFIG)
        left = list(todo)
        for parallel, group in groupby(todo, key=lambda name: STEPS[name].parallel):
            names = list(group)
            if parallel and job.device == CPU and crew.processes.size == 1:
                _in_parallel(job, book, names, wanted)
            else:
                for name in names:
                    _do(job, book, name, wanted[name], crew)
            left = left[len(names) :]
            if not set(STUDENTS) & set(left):
                job.answers.forget()
        return gather.read_result(directory) if last == "report" else {}


def _evaluated(job: Job, wanted: dict[str, str], earlier: list[dict[str, str]]) -> set[str]:
    """The keys of an evaluation that has this job's benches: with the controls that the directory's run had, too."""
    known = [wanted, *earlier]
    with contextlib.suppress(OpticsError):
        had = load(job.directory / CONFIG).student
        controls = {"student.controls": had.controls, "student.distilled_controls": had.distilled_controls}
        known += keys_and_earlier(replace(job, config=job.config.replace(**controls)))[1]
    return {keys["evaluate"] for keys in known}


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
    step, title = STEPS[name], title_of(name, job.config)
    if book.done(name, key):
        job.watcher.kept(name, title)
        return
    job.watcher.begin(name, title)
    with book.working(name, key, keep=step.resumable, where=environment(job.config.seed, job.device)):
        this = replace(job, step=name, seconds={}, where={})
        this.recall(book, (n for n in STEPS if n != name))
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


def load_config(directory: str | Path) -> RunConfig:
    """The configuration of the run in `directory`; files that have moved since are looked for, see `relocated`.

    Raises:
        OpticsError: no run is there.
    """
    directory = home(directory)
    if not (directory / CONFIG).is_file():
        raise OpticsError(
            f"{directory} holds no run: {CONFIG} is missing. Begin one with `sclc run` or `sclc demo`."
        )
    return relocated(load(directory / CONFIG), directory)
