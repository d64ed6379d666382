"""Kept runs side by side: those of one recipe are one line, with mean and spread over their seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.job.about import KEPT
from distill.job.config import RunConfig
from distill.job.ledger import RESULT
from distill.job.result import Result, controls_of_labels
from distill.job.rows import ROWS, is_on_bench, title_of
from distill.keeping.kept_run import KeptRun, keep, read_kept, recipe_of
from distill.metrics.row import Row
from distill.metrics.tasks import Difference
from optics.errors import OpticsError
from optics.files import is_temporary
from optics.notebook import table


@dataclass(frozen=True)
class Figure:
    """A figure of merit over seeds.

    mean, spread: over the runs' figures; spread is 0 of one. sampling: mean standard error from the number of test
    images. The seeds share these where the source brings a test part that is taken whole; where the seed draws it
    (`data.strangers`, `data.limit`, a source without parts) the spread holds that, too.
    """

    mean: float
    spread: float
    sampling: float
    seeds: int

    def __str__(self) -> str:
        """In per cent: the mean, and the spread over seeds where there are several."""
        shown = f"{100 * self.mean:.1f}"
        return f"{shown} ± {100 * self.spread:.1f}" if self.seeds > 1 else shown


@dataclass(frozen=True)
class Line:
    """All runs of one recipe, of each seed the one that ended last.

    rows: each row's figure, over the runs that have it; of a control that some distilled and others trained on the
    labels alone, over the former. having: the seeds of these runs. others: each row's further figures by name, a
    value for each of them. on_labels: the controls whose figure is of the labels alone. gain: distilled less labels
    alone, on the same images, and its standard error from seeds and images; None where one is absent.
    operations: electronic multiply-accumulates of each row's network. parameters: of the network on the bench,
    (optics, electronics). exposures: camera exposures for one image.
    """

    name: str
    metric: str
    grey: bool
    image_shape: tuple[int, int]
    images: int
    masks: int
    readout: str
    rows: dict[str, Figure]
    having: dict[str, tuple[int, ...]]
    others: dict[str, dict[str, tuple[float, ...]]]
    on_labels: tuple[str, ...]
    gain: tuple[float, float] | None
    operations: dict[str, int]
    parameters: tuple[int, int]
    exposures: int
    seeds: tuple[int, ...]
    folders: tuple[str, ...]

    def cell(self, row: str) -> str | None:
        """A row's figure in a table, with its learning and its seeds where they are not the line's; None without it."""
        if row not in self.rows:
            return None
        having = self.having[row]
        apart = ["labels"] if row in self.on_labels else []
        if having != self.seeds:
            apart.append(f"seed{'s' * (len(having) > 1)} {', '.join(map(str, having))}")
        return f"{self.rows[row]} ({', '.join(apart)})" if apart else str(self.rows[row])


@dataclass(frozen=True)
class Table:
    """Lines in the order of their names. `markdown()` for a page; a notebook shows it as a table."""

    folder: Path
    lines: tuple[Line, ...]

    def head(self) -> list[str]:
        """Titles of the columns."""
        return [
            "set",
            "figure",
            "images",
            *(_SHORT[row] for row in self._rows()),
            "operations",
            "masks",
            "seeds",
        ]

    def body(self) -> list[list[str]]:
        """Cells, a list a line."""
        return [
            [
                line.name,
                line.metric,
                f"{line.images} test, {'grey' if line.grey else 'colour'} {'x'.join(map(str, line.image_shape))}",
                *(line.cell(row) or "-" for row in self._rows()),
                f"{line.operations.get('linear_kd', line.operations.get('given', 0)):,}",
                f"{line.masks} {line.readout}",
                str(len(line.seeds)),
            ]
            for line in self.lines
        ]

    def markdown(self) -> str:
        """A Markdown table."""
        head, body = self.head(), self.body()
        rule = ["---"] * len(head)
        return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *body)) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Every number, for `--json`."""
        return {
            "lines": [
                {
                    **{k: v for k, v in vars(line).items() if k != "rows"},
                    "rows": {name: vars(figure) for name, figure in line.rows.items()},
                }
                for line in self.lines
            ]
        }

    def __repr__(self) -> str:
        """What is in it."""
        return f"Table({self.folder}: {', '.join(line.name for line in self.lines) or 'nothing kept'})"

    def _repr_html_(self) -> str:
        return table(self.head(), self.body())

    def _rows(self) -> list[str]:
        return [row for row in ROWS if any(row in line.rows for line in self.lines)]


_SHORT = {row: title_of(row).removeprefix("control: ") for row in ROWS} | {
    "teacher": "teacher",
    "linear": "labels alone",
    "linear_kd": "distilled",
    "ideal_bench": "ideal bench",
    "bench_as_is": "bench as it comes",
    "bench_refit": "bench, refitted",
}


def results(
    runs: Sequence[str | Path] = (), *, folder: str | Path = "results", overwrite: bool = False
) -> Table:
    """Keep finished runs in `folder`, and the table of everything that is kept there.

    Args:
        runs: directories of finished runs; none only reads.
        folder: holds one folder a run, see `distill.keeping.kept_run`.
        overwrite: replace runs that were kept under the same name and seed.

    Raises:
        OpticsError: a run that is not finished; something else of the same name; a kept file that was changed.
    """
    folder = Path(folder)
    for run in runs:
        keep(Path(run), folder, overwrite=overwrite)
    places = sorted(p.parent for p in folder.glob(f"*/{KEPT}") if not is_temporary(p.parent))
    if not places:
        raise OpticsError(
            f"{folder} holds no kept runs; name finished ones: sclc results runs/NAME -o {folder}."
        )
    recipes: dict[str, list[tuple[Path, KeptRun]]] = {}
    for place in places:
        kept = read_kept(place)
        config = RunConfig.model_validate(Result.read(place / RESULT).config)
        recipes.setdefault(recipe_of(config), []).append((place, kept))
    lines = [_line(found) for found in recipes.values()]
    return Table(folder, tuple(sorted(lines, key=lambda line: (line.name, line.folders))))


def _line(found: Sequence[tuple[Path, KeptRun]]) -> Line:
    read = _one_a_seed([(place, kept, Result.read(place / RESULT)) for place, kept in found])
    _, kept, first = read[0]
    named, on_labels = _alike([result for _, _, result in read])
    names = [row for row in ROWS if any(row in rows for rows in named)]
    seeds = tuple(k.seed for _, k, _ in read)
    each = {name: [rows[name] for rows in named if name in rows] for name in names}
    return Line(
        name=first.name,
        metric=first.rows.bench_refit.metric,
        grey=kept.channels == 1,
        image_shape=kept.image_shape,
        images=first.rows.bench_refit.images,
        masks=kept.masks,
        readout=first.readout,
        rows={name: _figure(name, rows) for name, rows in each.items()},
        having={
            name: tuple(seed for seed, rows in zip(seeds, named, strict=True) if name in rows)
            for name in names
        },
        others={name: _others(rows) for name, rows in each.items()},
        on_labels=on_labels,
        gain=_gain([result.gain for _, _, result in read]),
        operations={name: _operations(name, [result for _, _, result in read]) for name in names},
        parameters=kept.parameters.get("refit", (0, 0)),
        exposures=first.light.exposures,
        seeds=seeds,
        folders=tuple(place.name for place, _, _ in read),
    )


def _one_a_seed(read: Sequence[tuple[Path, KeptRun, Result]]) -> list[tuple[Path, KeptRun, Result]]:
    """Of the runs of one recipe and one seed the one that ended last: the others are the same training once more."""
    latest: dict[int, tuple[Path, KeptRun, Result]] = {}
    for one in sorted(read, key=lambda each: each[2].finished):
        latest[one[1].seed] = one
    return [one for one in read if latest[one[1].seed] is one]


def _alike(results: Sequence[Result]) -> tuple[list[dict[str, Row]], tuple[str, ...]]:
    """Each run's rows without the controls that learned otherwise than others; and those of the labels alone."""
    named = [result.rows.by_name() for result in results]
    alone = [controls_of_labels(vars(result)) for result in results]
    on_labels = {name for rows, names in zip(named, alone, strict=True) for name in names if name in rows}
    distilled = {name for rows, names in zip(named, alone, strict=True) for name in rows if name not in names}
    for rows, names in zip(named, alone, strict=True):
        for name in distilled.intersection(names):
            rows.pop(name, None)
    return named, tuple(name for name in ROWS if name in on_labels - distilled)


def _gain(found: Sequence[Difference | None]) -> tuple[float, float] | None:
    """Mean over the runs, and its standard error: of the test images, and of the seeds.

    Where the seed draws the test images (see `Figure`) both hold them: the error is too large then, never too small.
    """
    each = [gain for gain in found if gain is not None]
    if len(each) < len(found):
        return None
    mean = statistics.fmean(gain.mean for gain in each)
    sampling = statistics.fmean(gain.sampling for gain in each)
    if len(each) == 1:
        return mean, each[0].error
    return mean, math.hypot(sampling, statistics.stdev(gain.mean for gain in each) / math.sqrt(len(each)))


def _operations(row: str, results: Sequence[Result]) -> int:
    """Of the first run that has the row."""
    return next(result.operations.of(row) for result in results if row in result.rows.by_name())


def _figure(name: str, rows: Sequence[Row]) -> Figure:
    """Over runs; a single run's repeats of a training are seeds as good as others, its noise draws are not."""
    values = [row.accuracy for row in rows]
    sampling = statistics.fmean(row.uncertainty for row in rows)
    if len(rows) == 1:
        repeats = 1 if is_on_bench(name) else rows[0].draws
        return Figure(values[0], rows[0].spread if repeats > 1 else 0.0, sampling, repeats)
    return Figure(statistics.fmean(values), statistics.stdev(values), sampling, len(rows))


def _others(rows: Sequence[Row]) -> dict[str, tuple[float, ...]]:
    """The further figures that all have, a value a run."""
    return {
        name: tuple(row.figures[name] for row in rows)
        for name in rows[0].figures
        if all(name in row.figures for row in rows)
    }
