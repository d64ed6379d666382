"""`distill.compare`: one network on several benches, with what differs between them and what that means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from distill.pipeline import study as conduct
from distill.progress import Watcher
from distill.studies import store
from distill.studies.axes import flaw_with, flaws
from distill.studies.cells import Cell, Plan, flaws_of_ideal
from distill.studies.outcomes import Outcome
from distill.studies.result import outcomes_of, people_of
from distill.studies.statistics import Share, difference, share
from distill.studies.work import Subject
from distill.training.spec import TrainSpec
from networks.students.student import Student
from optics.bench.catalogue import dotted
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.checks import SpecError, present
from optics.errors import OpticsError
from optics.files import write_json
from optics.notebook import image, table
from optics.plan.planner import plan as planner

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IDEAL = "ideal"


@dataclass(frozen=True)
class Compared:
    """One bench of a comparison.

    Attributes:
        name: as it was asked for.
        bench: what it is.
        as_is: accuracy as it comes; refit: with the back end fitted there, None without.
        change: of the last of them from the first bench's, paired.
        gained, lost: images that this bench answers rightly and the first does not, by the majority of the exposures;
            and the other way round.
        flaws: what mending each of its flaws alone would earn, paired, the greatest first.
        images_per_second: by the slower of SLM and camera; exposures: camera frames an image; photons: mean of an
            unbinned camera pixel, None without a light budget.
        notes: what is wrong with the exposure.
    """

    name: str
    bench: BenchSpec
    as_is: Share
    refit: Share | None
    change: Share
    gained: tuple[int, ...]
    lost: tuple[int, ...]
    flaws: tuple[tuple[str, Share], ...]
    images_per_second: float
    exposures: int
    photons: float | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        plain = ("name", "images_per_second", "exposures", "photons")
        return {
            **{name: getattr(self, name) for name in plain},
            "as_is": self.as_is.model_dump(),
            "refit": None if self.refit is None else self.refit.model_dump(),
            "change": self.change.model_dump(),
            "gained": list(self.gained),
            "lost": list(self.lost),
            "flaws": [{"path": path, "earns": earns.model_dump()} for path, earns in self.flaws],
            "notes": list(self.notes),
        }


class Comparison:
    """A comparison that is done.

    Args:
        folder: where it was done.
        plan: its cells: "compared", the first of which the others are compared with, and "mended".
        subject: network and images.
    """

    def __init__(self, folder: Path, plan: Plan, subject: Subject) -> None:
        self.folder, self.plan, self.subject = folder, plan, subject
        self.outcomes = outcomes_of(folder, plan)

    @cached_property
    def rows(self) -> tuple[Compared, ...]:
        """Every bench, in the order in which they were asked for."""
        cells = self.plan.of("compared")
        return tuple(self._row(cell, self.outcomes[cells[0].key]) for cell in cells)

    def _row(self, cell: Cell, first: Outcome) -> Compared:
        found, name, people = self.outcomes[cell.key], str(cell.changes["bench"]), people_of(self.plan)
        mended = [c for c in self.plan.of("mended") if c.changes["bench"] == name]
        earned = [
            (path, difference(self.outcomes[c.key].scores, found.scores, people))
            for c in mended
            for path in c.changes
            if path != "bench"
        ]
        here, there = found.scores.mean(0) > 0.5, first.scores.mean(0) > 0.5
        rate, exposures = self._time(cell.bench)
        return Compared(
            name=name,
            bench=cell.bench,
            as_is=share(present(found.as_is, "an outcome"), people),
            refit=None if found.refit is None else share(found.refit, people),
            change=difference(found.scores, first.scores, people),
            gained=tuple((here & ~there).nonzero()[:, 0].tolist()),
            lost=tuple((there & ~here).nonzero()[:, 0].tolist()),
            flaws=tuple(sorted(earned, key=lambda pair: pair[1].mean, reverse=True)),
            images_per_second=rate,
            exposures=exposures,
            photons=found.exposure.photons,
            notes=found.exposure.notes(),
        )

    def _time(self, bench: BenchSpec) -> tuple[float, int]:
        student = self.subject.student
        cascade, shape = student.cascade, self.subject.test.images.shape[-2:]
        masks = cascade.out_channels * (cascade.in_channels if student.readout.channels_apart else 1)
        found = planner(
            bench,
            kernels=masks,
            taps=cascade.kernel_size,
            image_shape=(shape[0], shape[1]),
            readout=student.readout.name,  # type: ignore[arg-type]
        ).schedules[0]
        return found.images_per_second, found.exposures

    @cached_property
    def differences(self) -> list[tuple[str, list[str]]]:
        """Every key whose value differs between the benches, with its value on each; "-" where it has none."""
        tables = [dict(dotted(row.bench.model_dump(mode="json"))) for row in self.rows]
        keys = dict.fromkeys(key for table in tables for key in table if key != "name")
        lines = [(key, [_short(table.get(key)) for table in tables]) for key in keys]
        return [(key, values) for key, values in lines if len(set(values)) > 1]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "comparison": self.plan.name,
            "figure": self.plan.figure,
            "folder": str(self.folder),
            "conditions": self.plan.conditions.model_dump(mode="json"),
            "rows": [row.to_dict() for row in self.rows],
            "differences": [{"key": key, "values": values} for key, values in self.differences],
        }

    def figure(self) -> Figure:
        """Accuracies with error bars and the same input through each bench; a matplotlib figure."""
        from distill.comparison.page import draw

        return draw(self)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and lines of text."""
        refit = self.plan.conditions.refit is not None
        head = ["bench", "as it comes", *(["refitted"] if refit else []), f"change from {self.rows[0].name}"]
        head += ["images gained, lost", "images/s", "note"]
        lines = []
        for row in self.rows:
            line = [row.name, str(row.as_is), *([str(row.refit)] if refit else []), str(row.change)]
            line += [
                f"{len(row.gained)}, {len(row.lost)}",
                f"{row.images_per_second:.3g}",
                "; ".join(row.notes),
            ]
            lines.append(line)
        return head, lines

    def __repr__(self) -> str:
        """A line a bench."""
        return "\n".join(f"{row.name:<24} {row.refit or row.as_is}" for row in self.rows)

    def _repr_html_(self) -> str:
        about = "accuracies with error bars, and the same input through each bench"
        return image(self.figure(), about=about) + table(*self.table())


def compare(
    network: str | Path,
    benches: Sequence[str | Path | BenchSpec],
    *,
    flaw_costs: bool = True,
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
    ui: Watcher | None = None,
) -> Comparison:
    """One network on several benches; writes compare.html, compare.json and a figure.

    Args:
        network: a run's directory or the file of a network.
        benches: descriptions, shipped benches' names, files, "ideal" for the network's own bench without a flaw, or
            "own" for that bench as it is. The others are compared with the first.
        flaw_costs: what mending each flaw of each bench alone would earn.
        draws: as for `distill.study`, and so are all that follow.
        images: see `distill.study`.
        refit: see `distill.study`.
        refit_images: see `distill.study`.
        folder: `NAME-compare` beside the network by default.
        processes: see `distill.study`.
        dask: see `distill.study`.
        seed: see `distill.study`.
        device: see `distill.study`.
        config: see `distill.study`.
        sets: see `distill.study`.
        ui: told of the progress.

    Raises:
        OpticsError: fewer than two benches, the same one twice, or bad input as for `distill.study`.
    """
    given = {b.name: b for b in benches if isinstance(b, BenchSpec)}
    names = [b.name if isinstance(b, BenchSpec) else str(b) for b in benches]
    if len(names) < 2 or len(set(names)) != len(names):
        raise OpticsError(f"compare needs at least two different benches; got {', '.join(names) or 'none'}.")
    path = Path(network)
    home, subject, base = conduct.planned(
        path,
        bench=None,
        vary=(),
        grid=False,
        ranking=False,
        monte_carlo=0,
        tolerance=None,
        draws=draws,
        images=images,
        refit=refit,
        refit_images=refit_images,
        folder=folder if folder is not None else path.with_name(f"{path.stem}-compare"),
        seed=seed,
        device=device,
        config=config,
        sets=sets,
        ui=ui,
    )
    own = base.of("bench")[0].bench
    found = {name: given[name] if name in given else _bench(name, own) for name in names}
    for name, bench in found.items():
        _check(subject.student, bench, subject, name)
    plan = base.replace(cells=tuple(_cells(base, found, flaw_costs=flaw_costs)))
    with store.locked(home):
        conduct.complete(home, subject, plan, processes=processes, dask=dask, ui=ui)
        made = Comparison(home, plan, subject)
        write(made)
    return made


def write(made: Comparison) -> None:
    """compare.json, compare.html, compare.pdf and compare.png."""
    from distill.comparison.page import write_page

    write_json(made.folder / "compare.json", made.to_dict())
    write_page(made)


def _bench(name: str, own: BenchSpec) -> BenchSpec:
    if name == IDEAL:
        return own.ideal()
    return own if name == "own" else load_bench(name)


def _check(student: Student, bench: BenchSpec, subject: Subject, name: str) -> None:
    """Raise before anything is computed where the network does not fit a bench; the message names it."""
    shape = subject.test.images.shape
    try:
        with torch.no_grad():
            student.on(bench, image_shape=(shape[-2], shape[-1]))
    except OpticsError as error:
        raise OpticsError(f"--bench {name}: {error}") from None


def _cells(base: Plan, benches: dict[str, BenchSpec], *, flaw_costs: bool) -> list[Cell]:
    cells = [
        base.conditions.cell("compared", {"bench": name}, bench, None) for name, bench in benches.items()
    ]
    for name, bench in benches.items() if flaw_costs else ():
        perfect = flaws_of_ideal(bench)
        for path in flaws(bench):
            try:
                mended = flaw_with(bench, path, perfect[path], bench)
            except SpecError:
                continue  # this flaw cannot be mended without another
            cells.append(base.conditions.cell("mended", {"bench": name, path: perfect[path]}, mended, None))
    return cells


def _short(value: Any) -> str:
    text = "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
