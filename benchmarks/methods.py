"""What does each way of distilling earn? The student of a run file by every method, beside the labels alone.

For each seed a teacher is trained as the file says; then the student learns from the labels alone and by each method of
`METHODS`, at each of the method's settings and several learning rates. Setting and rate are those with the best mean on
the *validation* images; what is told is the test part. A method has two settings to choose from (the plain one four),
the labels none, which favours the methods a little. Students of one seed have the same first values and, where every
image has its label, see the same images in the same order; a gain is told with the standard error of its mean over the
seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.kept import Kept, run_file
from benchmarks.one_student import ALONE, figures, prepared, trained
from benchmarks.paired import beyond, chosen
from distill.job.config import RunConfig
from distill.job.ledger import key_of
from distill.training.teaching import Memory
from optics.errors import OpticsError

FACTORS = (0.3, 1.0, 3.0)
_PLAIN = {"temperature": 4.0, "alpha": 0.5}  # what a method that adds to the plain one is added to
_TANGENT = {"images": 8, "directions": 2}  # a tenth of the default's work
_GONE = {"begin": 0.9, "end": 0.0, "over": 0.7}
METHODS: dict[str, dict[str, dict[str, Any]]] = {
    "plain": {
        f"T {t:g}, alpha {a:g}": {"temperature": t, "alpha": a} for t in (1.0, 4.0) for a in (0.5, 0.9)
    },
    "fading": {f"T {t:g}": {"temperature": t, "alpha": _GONE} for t in (1.0, 4.0)},
    "decoupled": {
        f"rest {r:g}": {"temperature": 4.0, "alpha": 0.5, "decoupled": {"rest": r}} for r in (1.0, 4.0)
    },
    "feature hints": {f"weight {w:g}": _PLAIN | {"hint": {"weight": w}} for w in (0.1, 1.0)},
    "neural tangents": {f"weight {w:g}": _PLAIN | {"tangent": _TANGENT | {"weight": w}} for w in (0.1, 1.0)},
    "function matching": {f"T {t:g}": {"temperature": t, "function_matching": True} for t in (1.0, 4.0)},
}


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
    """Figure of merit of every method at every setting, learning rate and seed.

    Args:
        config: a run file.
        directory: of the teachers, a folder each seed; finished trainings are in its `methods.json`, and the same call
            goes on.
        methods: of `METHODS`; all by default.
        factors: of the file's learning rate.
        epochs: of the students' trainings; the file's own by default.
        seeds: how many, from the file's own on.
        sets: `KEY=VALUE`, as of `sclc run`.

    Raises:
        OpticsError: no such method, a file that `sclc run` would not take, a task whose figure compares with images of
            known people, or a directory that holds other trainings.
    """
    for name in methods:
        if name not in METHODS:
            raise OpticsError(f"no method is called {name!r}; choose from {', '.join(map(repr, METHODS))}.")
    base, about = run_file(config, sets, epochs)
    about |= {"methods": key_of(METHODS)}
    kept = Kept(directory / "methods.json", about)
    rates = [factor * base.student.training.learning_rate for factor in factors]
    tried = {ALONE: {"": None}} | {name: METHODS[name] for name in methods or METHODS}
    for seed in range(base.seed, base.seed + seeds):
        _one_seed(kept, base.replace(seed=seed), directory / f"seed-{seed}", tried, rates)
    rows = []
    for name, settings in tried.items():
        runs = {
            (setting, rate): [kept.done[_key(name, setting, rate, base.seed + k)] for k in range(seeds)]
            for setting in settings
            for rate in rates
        }
        rows.append({"method": name} | _row(runs))
    teachers = [kept.done[f"teacher/{base.seed + k}"]["test"] for k in range(seeds)]
    setting = {"epochs": base.student.training.epochs, "seeds": seeds, "teacher": teachers}
    return about | setting | {"rows": [row | beyond(row["test"], rows[0]["test"]) for row in rows]}


def _key(name: str, setting: str, rate: float, seed: int) -> str:
    return f"{name}/{setting}/{rate:.3g}/{seed}"


def _one_seed(
    kept: Kept, config: RunConfig, directory: Path, tried: dict[str, dict[str, Any]], rates: Sequence[float]
) -> None:
    """Train what is not kept yet."""
    seed = config.seed
    wanted = [
        (name, setting, rate)
        for name, settings in tried.items()
        for setting in settings
        for rate in rates
        if _key(name, setting, rate, seed) not in kept.done
    ]
    if not wanted:
        return
    ways = [how for name in {name: None for name, _, _ in wanted} for how in tried[name].values()]
    job, memory = prepared(config, directory, ways), Memory()
    if f"teacher/{seed}" not in kept.done:
        kept.keep(f"teacher/{seed}", figures(job, job.teacher()))
    for name, setting, rate in wanted:
        kept.keep(_key(name, setting, rate, seed), trained(job, tried[name][setting], memory, rate=rate))


def _row(runs: dict[tuple[str, float], list[dict[str, float]]]) -> dict[str, Any]:
    """Every setting's mean on the validation images, and the test images of the best."""
    best, means = chosen(runs)
    return {
        "validation": [
            {"setting": setting, "rate": rate, "mean": mean} for (setting, rate), mean in means.items()
        ],
        "setting": best[0],
        "rate": best[1],
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
