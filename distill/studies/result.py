"""What a study found, as one value: rows with their errors, the ranking, the yield, a table, a figure, files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from distill.studies.axes import Axis
from distill.studies.cells import Cell, Plan
from distill.studies.outcomes import CELLS, Outcome, read_outcome
from distill.studies.statistics import Share, difference, share, yield_above
from distill.studies.work import read_plan
from optics.checks import present
from optics.errors import OpticsError
from optics.notebook import image, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEPS = 200  # thresholds of a yield curve


@dataclass(frozen=True)
class RowOf:
    """One cell's figures.

    Attributes:
        cell: what it is.
        as_is: accuracy with the network's own back end; None where the electronics is another.
        refit: accuracy with the back end fitted there; None without.
        as_is_change: of `as_is` from the bench as it is, paired.
        refit_change: of `refit`, likewise.
        notes: what is wrong with the exposure.
    """

    cell: Cell
    as_is: Share | None
    refit: Share | None
    as_is_change: Share | None
    refit_change: Share | None
    notes: tuple[str, ...]

    @property
    def best(self) -> Share:
        """The refitted accuracy where there is one, else as it comes."""
        return present(self.refit or self.as_is, "an accuracy")

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        parts = ("as_is", "refit", "as_is_change", "refit_change")
        shares = {
            name: None if getattr(self, name) is None else getattr(self, name).model_dump() for name in parts
        }
        return {
            "role": self.cell.role,
            "changes": self.cell.changes,
            "key": self.cell.key,
            **shares,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Flaw:
    """What one flaw means.

    Attributes:
        path: its name.
        value: on the bench.
        costs: accuracy that it takes from the ideal bench when it stands there alone, paired; None where it cannot.
        earns: accuracy that the bench gains when it alone is mended.
        refit_costs: the same with the back end fitted on each bench; None without.
        refit_earns: likewise.
    """

    path: str
    value: Any
    costs: Share | None
    earns: Share | None
    refit_costs: Share | None = None
    refit_earns: Share | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        parts = ("costs", "earns", "refit_costs", "refit_earns")
        shares = {
            name: None if getattr(self, name) is None else getattr(self, name).model_dump() for name in parts
        }
        return {"path": self.path, "value": _plain(self.value), **shares}


def outcomes_of(folder: Path, plan: Plan) -> dict[str, Outcome]:
    """What every cell of a plan gave, by key.

    Raises:
        OpticsError: cells are missing.
    """
    read = {key: read_outcome(folder, key) for key in plan.by_key()}
    outcomes = {key: found for key, found in read.items() if found is not None}
    if len(outcomes) < len(read):
        raise OpticsError(
            f"{folder}: {len(read) - len(outcomes)} of {len(read)} benches are not done; the same command goes on with "
            "them."
        )
    images = Counter(found.scores.shape[1] for found in outcomes.values()).most_common(1)
    if plan.people is not None and len(plan.people) != images[0][0]:
        raise OpticsError(
            f"{folder} tells of {images[0][0]} images and {len(plan.people)} people; begin the study anew."
        )
    for key, found in outcomes.items():
        draws, count = found.scores.shape
        if count != images[0][0] or draws not in (1, plan.conditions.draws):
            raise OpticsError(
                f"{folder / CELLS / key}.h5 holds {draws} draws of {count} images, others {plan.conditions.draws} of "
                f"{images[0][0]}; delete that file, and the same command makes it again."
            )
    return outcomes


def people_of(plan: Plan) -> Tensor | None:
    """Who each test image shows, (images,), where the sample is one of people."""
    return None if plan.people is None else torch.tensor(plan.people)


class Study:
    """A study that is done, or as much of it as there is.

    Args:
        folder: where it was done.
        plan: what it consists of.

    Raises:
        OpticsError: cells are missing.
    """

    def __init__(self, folder: Path, plan: Plan | None = None) -> None:
        self.folder, self.plan = folder, plan or read_plan(folder)
        if not self.plan.of("bench") or not self.plan.of("ideal"):
            raise OpticsError(f"{folder} holds another plan than a study's; a comparison, perhaps.")
        self.outcomes = outcomes_of(folder, self.plan)

    # ------------------------------------------------------------------ figures

    @cached_property
    def rows(self) -> tuple[RowOf, ...]:
        """Every cell's figures, in the order of the plan."""
        base = self.outcomes[self.plan.of("bench")[0].key]
        return tuple(self._row(cell, base) for cell in self.plan.cells)

    def _row(self, cell: Cell, base: Outcome) -> RowOf:
        found = self.outcomes[cell.key]
        return RowOf(
            cell=cell,
            as_is=None if found.as_is is None else share(found.as_is, self._people),
            refit=None if found.refit is None else share(found.refit, self._people),
            as_is_change=self._change(found.as_is, base.as_is),
            refit_change=self._change(found.refit, base.refit),
            notes=found.exposure.notes(),
        )

    @cached_property
    def _people(self) -> Tensor | None:
        return people_of(self.plan)

    def _change(self, scores: Tensor | None, reference: Tensor | None) -> Share | None:
        return None if scores is None or reference is None else difference(scores, reference, self._people)

    def of(self, role: str) -> list[RowOf]:
        """The rows of one role, see `distill.studies.cells.Cell`."""
        return [row for row in self.rows if row.cell.role == role]

    def along(self, axis: Axis | str) -> list[RowOf]:
        """The rows along an axis, in the order of its values."""
        path = axis if isinstance(axis, str) else axis.path
        return [row for row in self.of("axis") if path in row.cell.changes]

    @cached_property
    def ranking(self) -> tuple[Flaw, ...]:
        """Every flaw of the bench, the one whose mending earns most first; empty where none was asked for."""
        ideal, base = (self.outcomes[self.plan.of(role)[0].key] for role in ("ideal", "bench"))
        alone = {next(iter(c.changes)): self.outcomes[c.key] for c in self.plan.of("alone")}
        mended = {next(iter(c.changes)): self.outcomes[c.key] for c in self.plan.of("mended")}
        values = {next(iter(c.changes)): next(iter(c.changes.values())) for c in self.plan.of("alone")}
        found = []
        for path in dict.fromkeys((*alone, *mended)):
            a, m = alone.get(path), mended.get(path)
            found.append(
                Flaw(
                    path,
                    values.get(path),
                    self._change(ideal.as_is, None if a is None else a.as_is),
                    self._change(None if m is None else m.as_is, base.as_is),
                    self._change(ideal.refit, None if a is None else a.refit),
                    self._change(None if m is None else m.refit, base.refit),
                )
            )
        return tuple(sorted(found, key=_weight, reverse=True))

    def yield_curve(self, *, refit: bool | None = None) -> list[tuple[float, float, float]]:
        """Share of the drawn benches that reach an accuracy: (accuracy, share, its standard error) triples.

        Raises:
            OpticsError: no benches were drawn.
        """
        rows = self.of("drawn")
        if not rows:
            raise OpticsError("this study drew no benches; give it --monte-carlo.")
        wanted = self.plan.conditions.refit is not None if refit is None else refit
        shares = [row.refit if wanted else row.as_is for row in rows]
        values = torch.tensor([s.mean for s in shares if s is not None], dtype=torch.float64)
        low, high = float(values.min()), float(values.max())
        margin = max(0.01, 0.1 * (high - low))
        steps = torch.linspace(max(0.0, low - margin), min(1.0, high + margin), _STEPS, dtype=torch.float64)
        return [(float(t), *yield_above(values, float(t))) for t in steps]

    # ------------------------------------------------------------------ shown

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "study": self.plan.name,
            "figure": self.plan.figure,
            "folder": str(self.folder),
            "conditions": self.plan.conditions.model_dump(mode="json"),
            "axes": [axis.model_dump(mode="json") for axis in self.plan.axes],
            "rows": [row.to_dict() for row in self.rows],
            "ranking": [flaw.to_dict() for flaw in self.ranking],
            "yield": [list(p) for p in self.yield_curve()] if self.plan.of("drawn") else [],
            "skipped": [s.model_dump() for s in self.plan.skipped],
        }

    def figure(self) -> Figure:
        """Curves with error bars, the ranking and the yield, as far as there are any; a matplotlib figure."""
        from distill.studies.figure import draw

        return draw(self)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and lines of text: every cell but those of the ranking and the drawn benches."""
        refit = self.plan.conditions.refit is not None
        head = ["bench", "as it comes", *(["refitted"] if refit else []), "change from the bench", "note"]
        lines = []
        for row in self.rows:
            if row.cell.role in ("alone", "mended", "drawn"):
                continue
            change = row.refit_change if refit else row.as_is_change
            shares: Sequence[Share | None] = (row.as_is, *([row.refit] if refit else []), change)
            lines.append([row.cell.title, *(_text(s) for s in shares), "; ".join(row.notes)])
        return head, lines

    def ranking_table(self) -> tuple[list[str], list[list[str]]]:
        """Head and lines of text of the ranking."""
        refit = self.plan.conditions.refit is not None
        head = ["flaw", "on this bench", "costs alone", "mending it earns"]
        head += ["costs, refitted", "earns, refitted"] if refit else []
        lines = []
        for f in self.ranking:
            shares = [f.costs, f.earns, *([f.refit_costs, f.refit_earns] if refit else [])]
            lines.append([f.path, _short(f.value), *(_text(s, sign=True) for s in shares)])
        return head, lines

    def __repr__(self) -> str:
        """A few lines."""
        c, (bench, ideal) = self.plan.conditions, (self.of("bench")[0], self.of("ideal")[0])
        lines = [
            f"Study of {self.plan.name!r}: {len(self.outcomes)} benches, {bench.best.sample}, {c.draws} draws",
            f"  the bench {bench.best}, the ideal bench {ideal.best}",
        ]
        lines += [
            f"  mending {f.path} earns {_text(f.refit_earns or f.earns, sign=True)}" for f in self.ranking[:3]
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = [
            image(self.figure(), about=f"{self.plan.figure} against what was varied"),
            table(*self.table()),
        ]
        if self.ranking:
            parts.append(table(*self.ranking_table()))
        return "".join(parts)


def _weight(flaw: Flaw) -> tuple[float, float]:
    earns, costs = flaw.refit_earns or flaw.earns, flaw.refit_costs or flaw.costs
    return (earns.mean if earns else -1.0, costs.mean if costs else -1.0)


def _text(value: Share | None, *, sign: bool = False) -> str:
    if value is None:
        return "-"
    return f"{100 * value.mean:{'+' if sign else ''}.2f} ± {100 * value.error:.2f} %"


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(_plain(value))
    return text if len(text) <= 32 else text[:29] + "..."


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return {str(k): _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
