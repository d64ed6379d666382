"""`distill.study`: vary anything of a bench and see what it does to a network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distill.data.dataset import Dataset, Splits
from distill.job import toml as settings
from distill.metrics.tasks import Task, task_of
from distill.pipeline import single_steps
from distill.progress import Silent, Watcher, watched
from distill.studies import runners, store
from distill.studies.axes import Axis, parse
from distill.studies.cells import Conditions, Plan, make_plan
from distill.studies.outcomes import read_outcome
from distill.studies.result import Study
from distill.studies.work import Answers, Subject, read_plan, write_plan
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from networks import Student
from networks.students.parts import RealisationSpec
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.bench.tolerance import ToleranceSpec
from optics.devices import device_of, find
from optics.errors import OpticsError

MOST_DRAWS = 100_000
Vary = Sequence[str | Axis] | Mapping[str, Any]
MOUNTED = ToleranceSpec(
    mask_shift=(2e-5, 2e-5),
    mask_rotation=2e-3,
    mask_axial=2e-4,
    input_axial=2e-4,
    camera_axial=2e-4,
    camera_shift=(1e-5, 1e-5),
    magnification=2e-3,
)
"""How well elements stand that were mounted by hand with micrometre stages, standard deviations; for Monte Carlo."""


def study(
    network: str | Path | Student,
    data: Dataset | Splits | None = None,
    *,
    bench: str | Path | BenchSpec | None = None,
    vary: Vary = (),
    grid: bool = False,
    ranking: bool | None = None,
    monte_carlo: int = 0,
    tolerance: ToleranceSpec | None = None,
    draws: int = 10,
    images: int | None = None,
    refit: bool | TrainSpec = False,
    refit_images: int | None = None,
    folder: str | Path | None = None,
    processes: int | None = None,
    dask: str | None = None,
    seed: int | None = None,
    device: str | None = None,
    config: str | Path | None = None,
    sets: Sequence[str] = (),
    realisation: RealisationSpec | None = None,
    ui: Watcher | None = None,
) -> Study:
    """How well a network does on every bench that is asked for, with the errors of all figures.

    Args:
        network: a run's directory (its distilled network), the file of a network, or a student.
        data: with a student: its images; `Splits` where back ends are refitted, and where an embedder finds people
            among those of the training part. Of a `Dataset` an embedder's pictures are compared with each other.
        bench: another bench: a shipped one's name, a TOML file, or a spec; a student needs one.
        vary: `"slm.bits=1..8"` and the like (`distill.studies.axes`), or values by path.
        grid: all combinations of what is varied; else one at a time.
        ranking: each flaw of the bench alone, and mended alone; by default where nothing else is asked.
        monte_carlo: how many benches to draw within `tolerance`.
        tolerance: standard deviations of the alignment; `MOUNTED` by default.
        draws: exposures of every image; draw `k` has the same noise on every bench.
        images: only the first so many test images; of people whom training never saw all pictures of the first ones.
        refit: fit the back end anew on every bench as well; True is the run's own way, or the defaults.
        refit_images: only the first so many training images for that.
        folder: where it is kept, so that it can go on; `NAME-study` beside the network by default.
        processes: local processes; 1 is this one, None as many as there are processors, one beside an accelerator.
        dask: address of a Dask scheduler, in place of local processes.
        seed: of every draw; the run's own by default.
        device: what computes, see `optics.devices.find`; the run's own, or the student's, by default.
        config: see `distill.pipeline.single_steps.open_file`.
        sets: `key=value` assignments of the bench and the realisation.
        realisation: with a student, the way onto the bench.
        ui: told of the progress; by default a bar, where somebody watches.

    Raises:
        OpticsError: bad input; found before anything is computed.
    """
    home, subject, plan = planned(
        network,
        data,
        bench=bench,
        vary=vary,
        grid=grid,
        ranking=ranking,
        monte_carlo=monte_carlo,
        tolerance=tolerance,
        draws=draws,
        images=images,
        refit=refit,
        refit_images=refit_images,
        folder=folder,
        seed=seed,
        device=device,
        config=config,
        sets=sets,
        realisation=realisation,
        ui=ui,
    )
    return do(home, subject, plan, processes=processes, dask=dask, ui=ui)


def planned(
    network: str | Path | Student,
    data: Dataset | Splits | None = None,
    *,
    bench: str | Path | BenchSpec | None,
    vary: Vary,
    grid: bool,
    ranking: bool | None,
    monte_carlo: int,
    tolerance: ToleranceSpec | None,
    draws: int,
    images: int | None,
    refit: bool | TrainSpec,
    refit_images: int | None,
    folder: str | Path | None,
    seed: int | None,
    device: str | None = None,
    config: str | Path | None,
    sets: Sequence[str],
    realisation: RealisationSpec | None = None,
    ui: Watcher | None = None,
) -> tuple[Path, Subject, Plan]:
    """Where a study goes, what it is about, and which benches it has; nothing is written. See `study`."""
    if device is not None and not isinstance(network, Student):
        sets = (*sets, f'device = "{find(device)}"')
    subject, conditions, real, name, place = _asked(
        network,
        data,
        bench,
        refit=refit,
        seed=seed,
        config=config,
        sets=sets,
        realisation=realisation,
        ui=ui or Silent(),
    )
    subject = _limited(subject, images, refit_images)
    if not 1 <= draws <= MOST_DRAWS:
        raise OpticsError(f"draws is {draws}; use 1 to {MOST_DRAWS}, and 10 to know the noise.")
    if monte_carlo < 0:
        raise OpticsError(f"monte_carlo is {monte_carlo}; expected how many benches to draw, 0 or more.")
    of_network, of_images = subject.digests()
    axes = _axes(vary)
    plan = make_plan(
        conditions.replace(network=of_network, images=of_images, draws=draws),
        real,
        subject.student.spec,
        axes=axes,
        grid=grid,
        ranking=not (axes or monte_carlo) if ranking is None else ranking,
        tolerance=(tolerance or MOUNTED) if monte_carlo else None,
        benches=monte_carlo,
        name=name,
    )
    chosen = device_of(subject.student) if device is None else find(device)
    plan = subject.judged(plan.replace(device=str(chosen)))
    return (Path(folder) if folder is not None else place), subject.on_cpu(), plan


def cells(network: str | Path, **options: Any) -> tuple[Path, list[str]]:
    """Write what workers need, and compute nothing: the folder, and the keys of the benches that are missing.

    Args:
        network: a run's directory, or the file of a network.
        options: as `planned` takes them.
    """
    home, subject, plan = planned(network, **options)
    with store.locked(home):
        write_plan(home, plan)
        subject.write(home)
    return home, [cell.key for cell in runners.missing(home, plan)]


def one_cell(folder: Path, key: str) -> None:
    """Do one bench of the study in `folder`, unless it is done; several processes may do so side by side.

    Raises:
        OpticsError: no study is there, or it has no such bench.
    """
    known = read_plan(folder).by_key()
    if key not in known:
        raise OpticsError(f"{folder} has no bench {key!r}; `sclc study ... --cells` prints them.")
    if read_outcome(folder, key) is None:
        runners.run_here(folder, [known[key]], lambda done: None)


def tolerances(texts: Sequence[str]) -> ToleranceSpec | None:
    """`MOUNTED` with `key=value` assignments on top; None where there are none.

    Raises:
        SpecError: no such key, or a value that it does not take.
    """
    found: dict[str, Any] = {}
    for text in texts:
        found |= settings.assignment(text)
    return MOUNTED.replace(**found) if found else None


def do(
    home: Path,
    subject: Subject,
    plan: Plan,
    *,
    processes: int | None = None,
    dask: str | None = None,
    ui: Watcher | None = None,
) -> Study:
    """Do what is missing of a plan and gather the study; see `study`."""
    with store.locked(home):
        complete(home, subject, plan, processes=processes, dask=dask, ui=ui)
        found = Study(home, plan)
        store.write(found)
    return found


def complete(
    home: Path,
    subject: Subject,
    plan: Plan,
    *,
    processes: int | None = None,
    dask: str | None = None,
    ui: Watcher | None = None,
) -> None:
    """Do what is missing of a plan in a folder that is locked; see `study`."""
    start = time.perf_counter()
    write_plan(home, plan)  # the first file: it says whose folder this is
    subject.write(home)
    todo = runners.missing(home, plan)
    with watched(ui) as watcher:
        if not todo:
            watcher.kept("study", "Computing the benches")
            return
        watcher.begin("study", "Computing the benches")
        done = _counted(watcher, len(plan.by_key()), len(todo))
        if dask is not None:
            runners.run_dask(home, todo, done, address=dask)
        elif processes == 1 or (processes is None and plan.device != "cpu"):
            runners.run_here(home, todo, done)
        else:
            runners.run_processes(home, todo, done, processes=processes)
        watcher.end("study", time.perf_counter() - start)


def _counted(watcher: Watcher, cells: int, todo: int) -> Callable[[str], None]:
    """What runners call with each key: progress with the time that is left."""
    start, lock, count = time.perf_counter(), threading.Lock(), [0]

    def done(key: str) -> None:
        with lock:
            count[0] += 1
            left = (time.perf_counter() - start) / count[0] * (todo - count[0])
            note = f"{cells - todo + count[0]} of {cells} benches, {_time(left)} left"
            watcher.progress("study", cells - todo + count[0], cells, note)

    return done


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _axes(vary: Vary) -> list[Axis]:
    if isinstance(vary, str):
        return [parse(vary)]
    if not isinstance(vary, Mapping):
        return [v if isinstance(v, Axis) else parse(v) for v in vary]
    found = []
    for path, values in vary.items():
        told = parse(f"{path}={values}") if isinstance(values, str) else Axis(path=path, values=tuple(values))
        found.append(told)
    return found


def _asked(
    network: str | Path | Student,
    data: Dataset | Splits | None,
    bench: str | Path | BenchSpec | None,
    *,
    refit: bool | TrainSpec,
    seed: int | None,
    config: str | Path | None,
    sets: Sequence[str],
    realisation: RealisationSpec | None,
    ui: Watcher,
) -> tuple[Subject, Conditions, BenchSpec, str, Path]:
    """Network and images, conditions, bench, name, and where a study of them goes."""
    if isinstance(network, Student):
        if data is None or bench is None:
            raise OpticsError("a student needs its images and a bench: study(student, data, bench=...).")
        spec = refit if isinstance(refit, TrainSpec) else TrainSpec() if refit else None
        subject = _of_data(network, data)
        conditions = Conditions(
            network="", images="", seed=seed or 0, refit=spec, realisation=realisation or RealisationSpec()
        )
        return subject, conditions, _bench(bench), "student", Path("student-study")
    path = Path(network)
    named = None if bench is None or isinstance(bench, BenchSpec) else str(bench)
    job = single_steps.open_network(path, bench=named, config=config, sets=sets, watcher=ui)
    real = bench if isinstance(bench, BenchSpec) else job.bench
    spec = refit if isinstance(refit, TrainSpec) else job.config.refit if refit else None
    conditions = Conditions(
        network="",
        images="",
        seed=job.config.seed if seed is None else seed,
        refit=spec,
        realisation=job.config.student.realisation,
    )
    splits, tutor = job.splits, None if spec is None else job.tutor()
    taught = None if tutor is None else logits(tutor, splits.train.images)
    subject = Subject(job.student("linear_kd"), _answers(splits.test), gallery=known_people(splits, job.task))
    if spec is not None:
        learn = Answers(splits.train.images, splits.train.labels, taught)
        subject = replace(subject, train=learn, validation=_answers(splits.validation))
    return subject, conditions, real, job.config.name, path.with_name(f"{path.stem}-study")


def known_people(splits: Splits, task: Task) -> Answers | None:
    """The pictures with which a task compares those of the test part; None where it has none."""
    found = task.gallery(splits)
    return None if found is None else _answers(found)


def _answers(data: Dataset) -> Answers:
    return Answers(data.images, data.labels)


def _of_data(student: Student, data: Dataset | Splits) -> Subject:
    if isinstance(data, Dataset):
        return Subject(student, _answers(data))
    parts = (_answers(data.test), _answers(data.train), _answers(data.validation))
    kind = student.spec.backend.kind
    return Subject(student, *parts, known_people(data, task_of(data, kind)) if kind == "embedder" else None)


def _bench(bench: str | Path | BenchSpec) -> BenchSpec:
    return bench if isinstance(bench, BenchSpec) else load_bench(str(bench))


def _limited(subject: Subject, images: int | None, learn: int | None) -> Subject:
    for count in (images, learn):
        if count is not None and count < 2:
            raise OpticsError(f"{count} images are too few for a study; use at least 2.")

    def first(part: Answers | None, count: int | None) -> Answers | None:
        if part is None or count is None:
            return part
        taught = None if part.taught is None else part.taught[:count]
        return Answers(part.images[:count], part.labels[:count], taught)

    shown = subject if images is None else subject.with_images(images)
    return replace(shown, train=first(subject.train, learn), validation=first(subject.validation, learn))
