"""What does each way of distilling earn? The student of a run file by every method, beside the labels alone.

For each seed a teacher is trained as the file says; then the student learns from the labels alone and by each method of
`NAMES`. What is tried is chosen by the best mean over the seeds on the *validation* images, in three rounds: the
settings of the labels alone and of `METHODS` at the file's learning rate; those of `ADDED`, which are added to the
plain setting that was best; then the best setting of each at the other learning rates. Plain distillation has four
settings, the rest two; what is told is the test part. Students of one seed have the same first values and, where every
image has its label, see the same images in the same order; a gain is told with the standard error of its mean over the
seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks.kept import Kept, run_file
from benchmarks.one_student import ALONE, figures, prepared, trained
from benchmarks.paired import beyond, chosen
from distill.job.config import RunConfig
from distill.job.job import Job
from distill.job.ledger import key_of
from distill.training.teaching import Memory
from optics.errors import OpticsError

FACTORS = (0.3, 1.0, 3.0)
PLAIN = "plain"
_TANGENT = {"images": 8, "directions": 2}  # a tenth of the default's work
_GONE = {"begin": 0.9, "end": 0.0, "over": 0.7}
Setting = dict[str, Any]  # keys of [student.training]
METHODS: dict[str, dict[str, Setting]] = {
    PLAIN: {
        f"T {t:g}, alpha {a:g}": {"distillation": {"temperature": t, "alpha": a}}
        for t in (1.0, 4.0)
        for a in (0.5, 0.9)
    },
    "fading": {f"T {t:g}": {"distillation": {"temperature": t, "alpha": _GONE}} for t in (1.0, 4.0)},
    "function matching": {
        f"T {t:g}": {"distillation": {"temperature": t, "function_matching": True}} for t in (1.0, 4.0)
    },
}
ADDED: dict[str, dict[str, Setting]] = {  # to the best plain setting
    "decoupled": {f"rest {r:g}": {"decoupled": {"rest": r}} for r in (1.0, 4.0)},
    "feature hints": {f"weight {w:g}": {"hint": {"weight": w}} for w in (0.1, 1.0)},
    "neural tangents": {f"weight {w:g}": {"tangent": _TANGENT | {"weight": w}} for w in (0.1, 1.0)},
}
LABELS: dict[str, Setting] = {"as they are": {}, "smoothed by 0.1": {"label_smoothing": 0.1}}
NAMES = (*METHODS, *ADDED)


class Form(NamedTuple):
    """One form of a training: a setting's name and the learning rate."""

    setting: str
    rate: float


def measure(
    *,
    config: Path,
    directory: Path,
    methods: Sequence[str] = (),
    factors: Sequence[float] = FACTORS,
    epochs: int | None = None,
    seeds: int = 3,
    sets: Sequence[str] = (),
) -> dict[str, Any]:
    """Figure of merit of every method in the forms that were tried, and of the best form on the test part.

    Args:
        config: a run file.
        directory: of the teachers, a folder each seed; finished trainings are in its `methods.json`, and the same call
            goes on.
        methods: of `NAMES`; all by default. The plain one, to which others are added, is always there.
        factors: of the file's learning rate, tried for the best setting of each method.
        epochs: of the students' trainings; the file's own by default.
        seeds: how many, from the file's own on.
        sets: `KEY=VALUE`, as of `sclc run`.

    Raises:
        OpticsError: no such method, a file that `sclc run` would not take, a task whose figure compares with images of
            known people, or a directory that holds other trainings.
    """
    for name in methods:
        if name not in NAMES:
            raise OpticsError(f"no method is called {name!r}; choose from {', '.join(map(repr, NAMES))}.")
    base, about = run_file(config, sets, epochs)
    about |= {"methods": key_of([METHODS, ADDED, LABELS])}
    wanted = [name for name in NAMES if not methods or name in methods or name == PLAIN]
    first = next(iter(METHODS[PLAIN]))
    ways = [METHODS[name] if name in METHODS else _added(name, first) for name in wanted]
    tried = _Trainings(Kept(directory / "methods.json", about), base, directory, seeds, ways)
    rate = base.student.training.learning_rate
    settings = {ALONE: LABELS} | {name: METHODS[name] for name in wanted if name in METHODS}
    rows = {name: tried.figures(name, told, [rate]) for name, told in settings.items()}
    best = chosen(rows[PLAIN])[0].setting
    for name in (name for name in wanted if name in ADDED):
        settings[name] = _added(name, best)
        rows[name] = tried.figures(name, settings[name], [rate])
    for name, runs in rows.items():
        setting = chosen(runs)[0].setting
        runs |= tried.figures(name, {setting: settings[name][setting]}, [factor * rate for factor in factors])
    told = [{"method": name} | _row(runs) for name, runs in rows.items()]
    return (
        about
        | {"epochs": base.student.training.epochs, "seeds": seeds, "teacher": tried.teachers()}
        | {"rows": [row | beyond(row["test"], told[0]["test"]) for row in told]}
    )


def _added(name: str, plain: str) -> dict[str, Setting]:
    """The settings of a method that is added to one of the plain settings."""
    under = METHODS[PLAIN][plain]["distillation"]
    return {f"{plain}, {setting}": {"distillation": under | more} for setting, more in ADDED[name].items()}


class _Trainings:
    """Trains what is not kept yet, at every seed.

    Args:
        kept: of what is done.
        base: the run file, with its first seed.
        directory: of the teachers.
        seeds: how many.
        ways: the settings of each method, rehearsed before the first training.
    """

    def __init__(
        self, kept: Kept, base: RunConfig, directory: Path, seeds: int, ways: Sequence[Mapping[str, Setting]]
    ) -> None:
        self.kept, self.base, self.directory = kept, base, directory
        self.seeds = range(base.seed, base.seed + seeds)
        self._ways = [how["distillation"] for told in ways for how in told.values()]
        # of one seed at a time: its images and the teacher's answers
        self._job: tuple[int, Job, Memory] | None = None

    def figures(
        self, name: str, settings: Mapping[str, Setting], rates: Sequence[float]
    ) -> dict[Form, list[dict[str, float]]]:
        """Figures of every form, one a seed."""
        found: dict[Form, list[dict[str, float]]] = {}
        for seed in self.seeds:
            for setting, rate in product(settings, rates):
                key = f"{name}/{setting}/{rate:.3g}/{seed}"
                if key not in self.kept.done:
                    job, memory = self._of(seed)
                    self.kept.keep(key, trained(job, {"learning_rate": rate} | settings[setting], memory))
                found.setdefault(Form(setting, rate), []).append(self.kept.done[key])
        return found

    def teachers(self) -> list[float]:
        """The teachers' figures of the test part, one a seed."""
        for seed in self.seeds:
            if f"teacher/{seed}" not in self.kept.done:
                job, _ = self._of(seed)
                self.kept.keep(f"teacher/{seed}", figures(job, job.teacher()))
        return [self.kept.done[f"teacher/{seed}"]["test"] for seed in self.seeds]

    def _of(self, seed: int) -> tuple[Job, Memory]:
        """The job of a seed, its teacher trained, and what the teacher answered there."""
        if self._job is None or self._job[0] != seed:
            job = prepared(self.base.replace(seed=seed), self.directory / f"seed-{seed}", self._ways)
            self._job = seed, job, Memory()
        return self._job[1:]


def _row(runs: Mapping[Form, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Every form's mean on the validation images, and the test images of the best."""
    best, means = chosen(runs)
    return {
        "validation": [
            {"setting": form.setting, "rate": form.rate, "mean": mean} for form, mean in means.items()
        ],
        "setting": best.setting,
        "rate": best.rate,
        "test": [run["test"] for run in runs[best]],
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """A line a method."""
    teacher = ", ".join(f"{100 * figure:.1f}" for figure in result["teacher"])
    title = f"{result['name']}, {result['epochs']} epochs, {result['seeds']} seeds; teacher {teacher}"
    table = Table(title=title)
    for name in ("method", "chosen setting", "learning rate", "validation %", "test %", "beyond the labels"):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        error = "" if row["error"] is None else f" ± {100 * row['error']:.1f}"
        table.add_row(
            row["method"],
            row["setting"],
            f"{row['rate']:.3g}",
            f"{100 * max(tried['mean'] for tried in row['validation']):.1f}",
            ", ".join(f"{100 * figure:.1f}" for figure in row["test"]),
            f"{100 * row['gain']:+.1f}{error}",
        )
    return [table]
