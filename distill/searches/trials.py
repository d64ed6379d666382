"""Trials by Optuna, the front of accuracy against operations and exposures, and its files; extra `search`.

    DIR/search.json   every trial: what was chosen, validation figure, operations, exposures; a stopped search goes on
    DIR/front.pdf     the figure against operations and exposures, and the front (also .png)
    DIR/search.html   a page: the front, what it costs, every trial
    DIR/best.toml     the run file of the most accurate trial: `sclc run DIR/best.toml`

A trial trains the student on labels alone for few epochs and is judged on the validation images; test images are not
looked at. A choice above the budget is not trained.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field, ValidationError

from distill.job.config import ASSETS, RunConfig, load
from distill.job.job import Job
from distill.job.ledger import key_of, read_json
from distill.metrics.row import error_of_share
from distill.progress import Silent, Watcher
from distill.searches.space import Choice, Space
from distill.training.run import Run
from networks import Student
from optics.errors import OpticsError
from optics.files import make_folder, write_bytes, write_json, write_text
from optics.notebook import table, words
from optics.plots import page
from optics.reading import damaged
from optics.spec import Validated, validated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cost = Literal["operations", "exposures"]

_NEAR = 20  # tries near what was best so far before any choice is taken
_FILE, _BEST, _FIGURE, _PAGE = "search.json", "best.toml", "front", "search.html"
_TRIES = 500  # choices drawn for one that keeps the budget


class Trial(Validated):
    """One network that was tried: what was chosen, its validation figure (0 to 1), its operations and exposures."""

    choice: dict[str, Choice]
    figure: float = Field(ge=0.0, le=1.0)
    operations: int = Field(ge=0)
    exposures: int = Field(ge=1)


class _Kept(Validated):
    """`search.json`."""

    about: dict[str, str | int | None]
    trials: tuple[Trial, ...]


def _costs(trial: Trial, costs: Sequence[Cost]) -> tuple[int, ...]:
    return tuple(getattr(trial, cost) for cost in costs)


@dataclass(frozen=True)
class Search:
    """All trials, in their order; a notebook shows the front as a table."""

    space: Space
    epochs: int
    metric: str
    trials: tuple[Trial, ...]
    folder: Path

    @property
    def front(self) -> tuple[Trial, ...]:
        """Trials that no other equals for as few operations and exposures, the cheapest electronics first."""
        return self.front_of("operations", "exposures")

    def front_of(self, *costs: Cost) -> tuple[Trial, ...]:
        """Trials that no other equals at the given costs, the cheapest first; of equal ones the first tried."""
        found: list[Trial] = []
        for trial in sorted(
            self.trials, key=lambda t: (*_costs(t, costs), -t.figure)
        ):  # what beats it is before it
            if not any(
                f.figure >= trial.figure
                and all(a <= b for a, b in zip(_costs(f, costs), _costs(trial, costs), strict=True))
                for f in found
            ):
                found.append(trial)
        return tuple(found)

    @property
    def best(self) -> Trial:
        """The most accurate; of several the one with the cheapest electronics."""
        return max(self.front, key=lambda t: (t.figure, -t.operations, -t.exposures))

    def table(self, trials: Sequence[Trial] | None = None) -> tuple[list[str], list[list[str]]]:
        """Titles and cells of the front, or of other trials."""
        names = list(self.space.lists)
        head = [f"{self.metric}, %", "operations", "exposures", *names, "learning rate"]
        body = [
            [
                f"{100 * t.figure:.2f}",
                f"{t.operations:,}",
                str(t.exposures),
                *(str(t.choice[n]) for n in names),
                f"{float(t.choice['rate'] or 0):.2g}",
            ]
            for t in (self.front if trials is None else trials)
        ]
        return head, body

    def figure(self) -> Figure:
        """Every trial against operations, and against exposures, of which a mask is at least one; each cost's front."""
        from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

        from optics.plots import charts

        drawn, panels = charts.panels(2)
        names: dict[Cost, str] = {"operations": "electronic multiply-accumulates", "exposures": "exposures"}
        for axes, (cost, name) in zip(panels, names.items(), strict=True):
            tried = sorted(self.trials, key=attrgetter(cost))
            lines = [
                charts.Curve(
                    label,
                    tuple(float(getattr(t, cost)) for t in of),
                    tuple(100 * t.figure for t in of),
                    (),
                    joined=label == "front",
                )
                for label, of in (("tried", tried), ("front", self.front_of(cost)))
            ]
            charts.curves(axes, lines, x=name, y=f"{self.metric} (%)", log=cost == "operations")
        panels[0].xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        panels[0].xaxis.set_major_formatter(EngFormatter(sep=" "))
        panels[0].xaxis.set_minor_formatter(NullFormatter())
        return drawn

    def to_dict(self) -> dict[str, Any]:
        """Every number, for `--json`."""
        told: dict[str, Any] = {"epochs": self.epochs, "metric": self.metric}
        return told | {name: [t.model_dump() for t in getattr(self, name)] for name in ("trials", "front")}

    def __repr__(self) -> str:
        """How many, and the best."""
        best = self.best
        return (
            f"Search({len(self.trials)} trials, best {100 * best.figure:.2f} % with {best.operations:,} operations, "
            f"{self.folder})"
        )

    def _repr_html_(self) -> str:
        return words(repr(self)) + table(*self.table())


def search(
    config: str | Path | RunConfig,
    *,
    folder: str | Path,
    trials: int = 30,
    epochs: int = 5,
    most: int | None = None,
    most_exposures: int | None = None,
    sets: Sequence[str] = (),
    ui: Watcher | None = None,
) -> Search:
    """Try sizes of a run file's student and keep what is worth its operations.

    Args:
        config: a run file, or what one says. Its seed draws the choices and every network's first values.
        folder: receives the files; a search that was stopped goes on there.
        trials: networks to train, with those that `folder` holds already.
        epochs: of each training.
        most: electronic multiply-accumulates that an image may cost; any number without.
        most_exposures: camera exposures that it may cost; any number without.
        sets: `KEY=VALUE`, as of `sclc run`.
        ui: told of the progress.

    Raises:
        OpticsError: optuna is not installed; a file that `sclc run` would not take; no choice keeps the budget;
            `folder` holds another search.
    """
    told = config if isinstance(config, RunConfig) else load(Path(config), sets=sets)
    folder, watcher = Path(folder), ui or Silent()
    optuna = _optuna()
    job = Job.prepare(told, folder)
    space = Space.around(told, job.image_shape)
    about: dict[str, str | int | None] = {"config": _key(told), "epochs": epochs, "most": most}
    if most_exposures is not None:
        about["most_exposures"] = most_exposures
    about["sizes"] = ", ".join(sorted(space.lists))  # a search of an earlier version had fewer to choose
    limits: dict[Cost, int | None] = {"operations": most, "exposures": most_exposures}
    budget = {cost: limit for cost, limit in limits.items() if limit is not None}
    done = _read(folder / _FILE, about, earlier=_earlier_key(told))
    study = _study(optuna, space, told.seed, done)
    make_folder(folder)
    for k in range(len(done), trials):
        name, begin = f"trial {k + 1}", time.perf_counter()
        asked, tried, student, costs = _affordable(study, optuna, space, job, budget)
        watcher.begin(name, f"Trial {k + 1} of {trials}: {costs['operations']:,} operations")
        figure = _trained(student, tried, job, epochs, functools.partial(watcher.progress, name))
        watcher.end(name, time.perf_counter() - begin)
        done.append(Trial(choice=asked.params, figure=figure, **costs))
        study.tell(asked, _values(done[-1]))
        write_json(folder / _FILE, _Kept(about=about, trials=tuple(done)).model_dump(mode="json"))
    found = Search(space, epochs, _metric(job), tuple(done), folder)
    _write(found, job)
    return found


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise OpticsError(
            "the search needs the package optuna: pip install 'spectral-cascade[search]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _distributions(optuna: Any, space: Space) -> dict[str, Any]:
    lists = {
        name: optuna.distributions.CategoricalDistribution(values) for name, values in space.lists.items()
    }
    low, high = space.rates
    return lists | {"rate": optuna.distributions.FloatDistribution(low, high, log=True)}


def _study(optuna: Any, space: Space, seed: int, done: Sequence[Trial]) -> Any:
    """A study that knows the trials before it; they move its seed on, so that no choice is drawn twice over."""
    sampler = optuna.samplers.TPESampler(seed=(seed + len(done)) % 2**32, n_startup_trials=10)
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"], sampler=sampler)
    told = _distributions(optuna, space)
    for trial in done:
        study.add_trial(
            optuna.trial.create_trial(params=trial.choice, distributions=told, values=_values(trial))
        )
    return study


def _values(trial: Trial) -> tuple[float, int, int]:
    """What the sampler is told, in the order of the study's directions."""
    return trial.figure, trial.operations, trial.exposures


def _affordable(
    study: Any, optuna: Any, space: Space, job: Job, budget: Mapping[Cost, int]
) -> tuple[Any, RunConfig, Student, dict[Cost, int]]:
    """The next choice that can be built and keeps the budget, its run file, its network, and what that costs.

    What is near the best may cost too much, and the sampler learns nothing of what is not trained; after a while
    anything may come.
    """
    told, cheapest = _distributions(optuna, space), dict.fromkeys(budget, math.inf)
    learned, anything = study.sampler, optuna.samplers.RandomSampler(seed=len(study.trials))
    for k in range(_TRIES):
        study.sampler = learned if k < _NEAR else anything
        asked = study.ask(told)
        study.sampler = learned
        tried = space.config(asked.params, job.image_shape)
        with contextlib.suppress(OpticsError):  # sizes that do not fit each other
            student = _student(tried, job)
            costs = _cost(student, job)
            if all(costs[c] <= most for c, most in budget.items()):
                return asked, tried, student, costs
            cheapest = {c: min(least, costs[c]) for c, least in cheapest.items()}
        study.tell(asked, state=optuna.trial.TrialState.FAIL)
    if math.inf in cheapest.values() or not budget:
        raise OpticsError(
            f"none of {_TRIES} choices makes a network whose sizes fit; change student.readout.bins or student.backend."
        )
    wanted = " and ".join(f"{most:,} {cost}" for cost, most in budget.items())
    found = " and ".join(f"{least:,} {cost}" for cost, least in cheapest.items())
    each = "" if len(budget) == 1 else " of each"
    raise OpticsError(f"none of {_TRIES} choices keeps within {wanted}; the cheapest{each} needs {found}.")


def _student(config: RunConfig, job: Job) -> Student:
    spec = config.student.spec(job.image_shape, job.splits.train.classes)
    return Student.from_spec(spec, generator=torch.Generator().manual_seed(config.seed))


def _cost(student: Student, job: Job) -> dict[Cost, int]:
    """Electronic multiply-accumulates and camera exposures of one image."""
    image = job.splits.validation.images[:1]
    exposures = student.readout.frame_count(student.cascade.out_channels)
    return {"operations": student.operations(image), "exposures": exposures}


def _trained(
    student: Student, config: RunConfig, job: Job, epochs: int, progress: Callable[[int, int, str], None]
) -> float:
    """Validation figure after the last epoch, whose learning rate has come down."""
    spec = config.student.training.replace(epochs=epochs, patience=None, seed=config.seed)
    train, validation = job.splits.train, job.splits.validation
    run = Run(student, (train.images, train.labels), (validation.images, validation.labels), spec, None)
    try:
        while not run.finished:
            run.one_epoch(progress)
    except OpticsError:  # the loss became infinite at this learning rate: as good as no answer
        return 0.0
    return run.epochs[-1].validation_accuracy


def _metric(job: Job) -> str:
    return "validation mean IoU" if job.splits.train.segmentation else "validation accuracy"


def _key(config: RunConfig) -> str:
    """What a run file says; a key that a later version adds leaves it as it is where it is not used."""
    return key_of(config.model_dump(mode="json", exclude={"name"}, exclude_defaults=True))


def _earlier_key(config: RunConfig) -> str | None:
    """The same as versions wrote it that knew no other light and no recordings held out; None where these are used."""
    told = config.model_dump(mode="json", exclude={"name"})
    moved = [told[who]["training"]["augmentation"] for who in ("teacher", "student")]
    lights = ("brightness", "gamma", "colour")
    used = [table.pop(name) for table in (*moved, told["refit"]["augmentation"]) for name in lights]
    used.append(told["data"].pop("held_out"))
    return None if any(used) else key_of(told)


def _read(path: Path, about: dict[str, str | int | None], *, earlier: str | None) -> list[Trial]:
    if not path.is_file():
        return []
    try:
        found = validated(_Kept, read_json(path))
    except ValidationError as error:
        raise damaged(path, error, fix="remove it to begin anew.") from None
    if found.about not in (about, about | {"config": earlier}):
        raise OpticsError(
            f"{path} is of another search; give another folder, or the same run file, epochs and budget."
        )
    return list(found.trials)


def _write(found: Search, job: Job) -> None:
    """The run file of the best, the figure, and the page."""
    best = found.space.config(found.best.choice, job.image_shape)
    write_text(found.folder / _BEST, best.to_toml())
    drawn = found.figure()
    for kind in ("pdf", "png"):
        drawn.savefig(out := io.BytesIO(), format=kind, dpi=150)
        write_bytes(found.folder / f"{_FIGURE}.{kind}", out.getvalue())
    write_text(found.folder / _PAGE, page.render(ASSETS / "search.html.j2", _shown(found, drawn, job)))


def _shown(found: Search, drawn: Figure, job: Job) -> dict[str, Any]:
    """Every value that the page shows."""
    best, images = found.best, len(job.splits.validation)
    head, front = found.table()
    return {
        "name": job.config.name,
        "headline": f"{100 * best.figure:.1f} % with {best.operations:,} multiply-accumulates",
        "metric": found.metric,
        "images": images,
        "error": f"{100 * error_of_share(best.figure, images):.1f}",
        "epochs": found.epochs,
        "count": len(found.trials),
        "chart": page.chart(drawn, "The figure against operations and exposures"),
        "head": head,
        "front": front[::-1],
        "trials": found.table(sorted(found.trials, key=lambda t: -t.figure))[1],
        "lists": [[name, ", ".join(map(str, values))] for name, values in found.space.lists.items()],
    }
