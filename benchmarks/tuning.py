"""Every row of a run file at several learning rates, on the validation images: controls tuned as the result is.

The student on labels alone, distilled, and every control of a run file are trained at multiples of the file's learning
rate, all from the same teacher, in the directory of one run, whose teacher is kept. Nothing looks at the test images.
A figure is the last epoch's, whose learning rate is zero.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.kept import run_file
from distill.job.rows import STUDENTS, title_of
from distill.pipeline import main_job, step_table
from optics.errors import OpticsError
from optics.files import write_text

FACTORS = (0.3, 1.0, 3.0)


def measure(
    *,
    config: Path,
    directory: Path,
    factors: Sequence[float] = FACTORS,
    epochs: int | None = None,
    sets: Sequence[str] = (),
) -> dict[str, Any]:
    """Validation figure of every row at every learning rate.

    Args:
        config: a run file.
        directory: of the run that trains; finished trainings are in its `tuning.json`, and the same call goes on.
        factors: of the file's learning rate.
        epochs: of the students' trainings; the file's own by default.
        sets: `KEY=VALUE`, as of `sclc run`.

    Raises:
        OpticsError: a file that `sclc run` would not take, or a directory that holds other trainings.
    """
    base, about = run_file(config, sets, epochs)
    about |= {"seed": base.seed}
    rate, kept = base.student.training.learning_rate, directory / "tuning.json"
    done: dict[str, dict[str, float]] = {}
    if kept.is_file():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["about"] != about:
            raise OpticsError(f"{kept} is of {found['about']}, not of {about}; use another directory.")
        done = found["rows"]
    rows = [name for name in STUDENTS if name in step_table.steps_of(base)]
    for factor in factors:
        tried = base.replace(**{"student.training.learning_rate": factor * rate})
        for row in rows:
            key = f"{factor * rate:.3g}"
            if key in done.get(row, {}):
                continue
            main_job.run(tried, directory, last=row)
            done.setdefault(row, {})[key] = _last_figure(directory / row / "history.csv")
            write_text(kept, json.dumps({"about": about, "rows": done}, indent=1) + "\n")
    return {**about, "epochs": base.student.training.epochs, "rows": done}


def _last_figure(path: Path) -> float:
    """Validation accuracy of the last epoch."""
    with path.open(newline="", encoding="utf-8") as file:
        return float(list(csv.DictReader(file))[-1]["validation_accuracy"])


def tables(result: dict[str, Any]) -> list[Table]:
    """A line a row, a column a learning rate; the best of each line in bold."""
    rates = sorted({rate for row in result["rows"].values() for rate in row}, key=float)
    table = Table(title=f"{result['name']}, seed {result['seed']}, {result['epochs']} epochs: validation, %")
    table.add_column("row")
    for rate in rates:
        table.add_column(rate, justify="right")
    for name, row in result["rows"].items():
        best = max(row.values())
        cells = [f"{100 * row[rate]:.2f}" if rate in row else "-" for rate in rates]
        cells = [f"[bold]{c}[/bold]" if row.get(r) == best else c for c, r in zip(cells, rates, strict=True)]
        table.add_row(title_of(name), *cells)
    return [table]
