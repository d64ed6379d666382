"""What does a teacher earn where few pictures are labelled? A run file's student beside the same on the labels alone.

A share of the labels of training and validation part is left, class by class (`data.labelled`). The teacher learns from
the labelled pictures, in as many steps as all of them would have been; the student learns from the labels alone, gone
through for as many steps, and from the teacher's answers to every picture. Nothing is tuned: one learning rate, the
file's; one setting of distillation, `HOW`, for every task and share. The epoch is chosen on the validation pictures
whose labels are left, for all three. Both students of a seed have the same first values; a gain is told with the
standard error of its mean over the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.kept import Kept, run_file
from benchmarks.one_student import ALONE, figures, prepared, trained
from benchmarks.paired import beyond
from distill.job.config import RunConfig
from distill.training.teaching import Memory
from optics.errors import OpticsError

SHARES = (0.05, 0.2, 1.0)
DISTILLED = "distilled"
HOW: dict[str, Any] = {"temperature": 2.0, "alpha": 0.9}


def measure(
    *,
    config: Path,
    directory: Path,
    shares: Sequence[float] = SHARES,
    epochs: int | None = None,
    seeds: int = 3,
    sets: Sequence[str] = (),
) -> dict[str, Any]:
    """Figure of merit of teacher and student at every share of the labels and seed.

    Args:
        config: a run file; its own `data.labelled` and distillation do not count.
        directory: of the teachers, a folder each share and seed; finished trainings are in its `labels.json`, and the
            same call goes on.
        shares: of the labels, above 0 to 1.
        epochs: of the students' trainings; the file's own by default.
        seeds: how many, from the file's own on.
        sets: `KEY=VALUE`, as of `sclc run`.

    Raises:
        OpticsError: a share that is none, or leaves fewer labels than a task needs; a file that `sclc run` would not
            take; a task whose figure compares with images of known people; a directory that holds other trainings.
    """
    for share in shares:
        if not 0 < share <= 1:
            raise OpticsError(f"a share of the labels is {share:g}; expected above 0, to 1.")
    base, about = run_file(config, sets, epochs)
    about |= {"distillation": HOW}
    kept = Kept(directory / "labels.json", about)
    every = [base.seed + k for k in range(seeds)]
    for seed in every:
        for share in shares:
            _one_share(kept, base.replace(seed=seed), directory, share)
    rows = []
    for share in shares:
        of = {
            row: [kept.done[_key(row, share, seed)] for seed in every]
            for row in ("teacher", ALONE, DISTILLED)
        }
        test = {row: [run["test"] for run in runs] for row, runs in of.items()}
        count = int(of["teacher"][0]["labels"])
        rows.append({"share": share, "labels": count, "test": test} | beyond(test[DISTILLED], test[ALONE]))
    return about | {"epochs": base.student.training.epochs, "seeds": seeds, "rows": rows}


def _key(row: str, share: float, seed: int) -> str:
    return f"{row}/{share:g}/{seed}"


def _one_share(kept: Kept, base: RunConfig, directory: Path, share: float) -> None:
    """Train what is not kept yet."""
    seed = base.seed
    ways: dict[str, dict[str, Any]] = {ALONE: {}, DISTILLED: {"distillation": HOW}}
    wanted = [row for row in ways if _key(row, share, seed) not in kept.done]
    if not wanted and _key("teacher", share, seed) in kept.done:
        return
    longer = {"teacher.training.epochs": round(base.teacher.training.epochs / share)}
    config = base.replace(**{"data.labelled": share if share < 1 else "all"}, **longer)
    job = prepared(config, directory / f"{share:g}-{seed}", [HOW])
    if (key := _key("teacher", share, seed)) not in kept.done:
        left = len(job.splits.train.labelled) + len(job.splits.validation.labelled)
        kept.keep(key, figures(job, job.teacher()) | {"labels": left})
    for row in wanted:
        kept.keep(_key(row, share, seed), trained(job, ways[row], Memory(most=0)))


def tables(result: dict[str, Any]) -> list[Table]:
    """A line a share."""
    table = Table(title=f"{result['name']}, {result['epochs']} epochs, {result['seeds']} seeds")
    for name in ("labels", "teacher, test %", "labels alone", "distilled", "gain"):
        table.add_column(name, justify="right")
    for row in result["rows"]:
        told = [", ".join(f"{100 * figure:.1f}" for figure in found) for found in row["test"].values()]
        error = "" if row["error"] is None else f" ± {100 * row['error']:.1f}"
        table.add_row(f"{row['labels']:,}", *told, f"{100 * row['gain']:+.1f}{error}")
    return [table]
