"""What a study computes, cell by cell: a cell is one bench (and one back end) by all draws and all images.

Which cells there are follows from what is asked; two questions that lead to the same bench share one. A cell is known
by a key, the hash of everything that its numbers depend on, so that a study which is begun again finds what it has.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from pydantic import Field, model_validator

from distill.job.ledger import key_of
from distill.studies.axes import Axis, bench_with, flaw_with, flaws, student_with
from distill.training.spec import TrainSpec
from networks import StudentSpec
from networks.students.parts import RealisationSpec
from optics.bench.spec import BenchSpec
from optics.bench.tolerance import ToleranceSpec
from optics.checks import SpecError
from optics.spec import Seed, Validated

Role = Literal["bench", "ideal", "axis", "grid", "alone", "mended", "drawn", "compared"]
VERSION = 1
MOST = 20000


class Cell(Validated):
    """One cell.

    role: "bench" as it is, "ideal" without any flaw, on an "axis" or in a "grid" of several, a flaw "alone" on the
    ideal bench or "mended" on the real one, "drawn" within the tolerances,
    "compared" with others.
    changes: path to value. key: names its result.
    """

    key: str = Field(pattern=r"^[0-9a-f]{16}$")
    role: Role
    changes: dict[str, Any]
    bench: BenchSpec
    student: StudentSpec | None = None

    @model_validator(mode="after")
    def _changed(self) -> Cell:
        if self.role not in ("bench", "ideal") and not self.changes:
            raise ValueError(f"a cell that is {self.role} changes nothing")
        if self.role == "compared" and not isinstance(self.changes.get("bench"), str):
            raise ValueError("a cell that is compared names no bench")
        return self

    @property
    def title(self) -> str:
        """A few words."""
        said = ", ".join(f"{path} = {value}" for path, value in self.changes.items())
        return {"bench": "the bench as it is", "ideal": "the ideal bench"}.get(
            self.role, f"{self.role}: {said}"
        )


class Conditions(Validated):
    """What all cells share and their numbers depend on.

    network, images: hashes. seed, draws: draw `k` of every cell has the noise of (seed, k). refit: how the back end is
    fitted anew on each bench; None: it stays. realisation: the way onto the bench. version: of this arithmetic.
    """

    network: str
    images: str
    seed: Seed = 0
    draws: int = 10
    refit: TrainSpec | None = None
    realisation: RealisationSpec = RealisationSpec()
    version: int = VERSION

    def cell(
        self, role: Role, changes: dict[str, Any], bench: BenchSpec, student: StudentSpec | None
    ) -> Cell:
        """A cell with its key; the bench's name does not matter."""
        parts = [self.model_dump(mode="json"), bench.replace(name="").model_dump(mode="json")]
        changes = json.loads(json.dumps(changes))  # as a plan that is read again has them
        told = None if student is None else student.model_dump(mode="json")
        return Cell(key=key_of(*parts, told), role=role, changes=changes, bench=bench, student=student)


class Skipped(Validated):
    """A bench that was asked for and cannot be: what, and why."""

    what: str
    reason: str


class Plan(Validated):
    """All cells of a study.

    axes: what is varied. ranking: whether each flaw is taken alone and mended. tolerance: of the Monte Carlo draws.
    device: what computes; no cell's key depends on it. figure: what the scores are. people: who each test image shows,
    where the sample is one of people.
    """

    conditions: Conditions
    axes: tuple[Axis, ...]
    grid: bool
    cells: tuple[Cell, ...]
    skipped: tuple[Skipped, ...] = ()
    tolerance: ToleranceSpec | None = None
    name: str = "study"
    device: str = "cpu"
    figure: str = "accuracy"
    people: tuple[int, ...] | None = None

    def by_key(self) -> dict[str, Cell]:
        """One cell of every key."""
        return {cell.key: cell for cell in self.cells}

    def of(self, role: Role) -> list[Cell]:
        """The cells of one role, in order."""
        return [cell for cell in self.cells if cell.role == role]

    def on_axis(self, axis: Axis) -> list[Cell]:
        """The cells along an axis, in the order of its values."""
        return [c for c in self.cells if c.role == "axis" and axis.path in c.changes]


def make_plan(
    conditions: Conditions,
    bench: BenchSpec,
    student: StudentSpec,
    *,
    axes: Sequence[Axis] = (),
    grid: bool = False,
    ranking: bool = True,
    tolerance: ToleranceSpec | None = None,
    benches: int = 0,
    name: str = "study",
) -> Plan:
    """The cells that answer what is asked.

    Args:
        conditions: what all share.
        bench: as it is.
        student: the network's description.
        axes: what is varied, one at a time.
        grid: all combinations of the axes instead.
        ranking: each flaw of the bench alone, and each mended alone.
        tolerance: of benches that are drawn.
        benches: how many are drawn.
        name: of the study.

    Raises:
        SpecError: a path or a value that bench or student does not take, or more than 20000 cells.
    """
    if len({axis.path for axis in axes}) != len(axes):
        raise SpecError("the same quantity is varied twice; give all its values at once.")
    if conditions.refit is None and any(axis.of_student for axis in axes):
        raise SpecError("other electronics must be fitted first: add --refit to vary a student's part.")
    combinations = _combinations(axes, grid=grid)
    size = 2 + sum(1 for _ in combinations) + benches
    if size > MOST:
        raise SpecError(f"{size} cells are more than {MOST}; use fewer values.")
    cells = [conditions.cell("bench", {}, bench, None), conditions.cell("ideal", {}, bench.ideal(), None)]
    for changes in _combinations(axes, grid=grid):
        here, electronics = _changed(bench, student, changes)
        cells.append(conditions.cell("grid" if grid else "axis", changes, here, electronics))
    skipped: list[Skipped] = []
    if ranking:
        found, skipped = _ranked(conditions, bench)
        cells += found
    if benches:
        cells += _drawn(conditions, bench, tolerance or ToleranceSpec(), benches)
    return Plan(
        conditions=conditions,
        axes=tuple(axes),
        grid=grid,
        cells=tuple(cells),
        skipped=tuple(skipped),
        tolerance=tolerance,
        name=name,
    )


def _combinations(axes: Sequence[Axis], *, grid: bool) -> list[dict[str, Any]]:
    if not axes:
        return []
    if grid:
        size = 1
        for axis in axes:
            size *= len(axis.values)
        if size > MOST:
            raise SpecError(
                f"a grid of {size} cells is more than {MOST}; use fewer values, or one axis at a time."
            )
        paths = [axis.path for axis in axes]
        every = itertools.product(*(axis.values for axis in axes))
        return [dict(zip(paths, values, strict=True)) for values in every]
    return [{axis.path: value} for axis in axes for value in axis.values]


def _changed(
    bench: BenchSpec, student: StudentSpec, changes: dict[str, Any]
) -> tuple[BenchSpec, StudentSpec | None]:
    electronics: StudentSpec | None = None
    for path, value in changes.items():
        if path.startswith("student."):
            electronics = student_with(electronics or student, path.removeprefix("student."), value)
        else:
            bench = bench_with(bench, path, value)
    return bench, electronics


def _ranked(conditions: Conditions, bench: BenchSpec) -> tuple[list[Cell], list[Skipped]]:
    """Each flaw alone on the ideal bench, and each mended alone on the real one; what cannot be is told."""
    ideal, cells, skipped = bench.ideal(), [], []
    perfect = flaws_of_ideal(bench)
    for path, value in flaws(bench).items():
        tried: Iterable[tuple[Role, BenchSpec, Any]] = (
            ("alone", ideal, value),
            ("mended", bench, perfect[path]),
        )
        for role, start, new in tried:
            try:
                here = flaw_with(start, path, new, bench)
                cells.append(conditions.cell(role, {path: new}, here, None))
            except SpecError as error:
                skipped.append(Skipped(what=f"{path} {role}", reason=str(error)))
    return cells, skipped


def flaws_of_ideal(bench: BenchSpec) -> dict[str, Any]:
    """The ideal value of every flaw that the bench has, by its path."""
    ideal = bench.ideal()
    found: dict[str, Any] = {}
    for path in flaws(bench):
        value: Any = ideal
        for name in path.split("."):
            value = getattr(value, name)
        found[path] = value
    return found


def _drawn(conditions: Conditions, bench: BenchSpec, tolerance: ToleranceSpec, count: int) -> list[Cell]:
    """Benches within the tolerances; the `i`-th is the same however many there are."""
    cells = []
    for i in range(count):
        generator = torch.Generator().manual_seed(1_000_003 * (conditions.seed + 1) + i)
        cells.append(conditions.cell("drawn", {"draw": i}, tolerance.draw(bench, generator), None))
    return cells
