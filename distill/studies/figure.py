"""The figure of a study: a panel for each axis, the ranking, the yield; error bars are one standard error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from distill.studies.axes import Axis
from distill.studies.statistics import Share
from optics.plots import style
from optics.plots.charts import Curve, bars, curves, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from distill.studies.result import RowOf, Study

UNITS = {
    "m": (
        "wavelength pitch focal_length diameter width defocus decentre mask_shift mask_axial input_axial camera_axial "
        "camera_shift chromatic_shift"
    ),
    "rad": "mask_rotation flicker zernike curvature range source_width",
    "s": "exposure",
    "electrons": "read_noise full_well dsnu",
    "electrons/s": "dark_current",
    "electrons/count": "gain",
    "counts": "black_level",
    "photons a camera pixel": "photons",
    "SLM pixels": "crosstalk",
    "cycles/SLM pixel": "carrier",
    "frames/s": "frame_rate",
}
_OF = {name: unit for unit, names in UNITS.items() for name in names.split()}
_FLAWS = 14  # bars of a ranking that can be read


def unit_of(path: str) -> str:
    """The SI unit of a bench's field, by its name; empty where it is a number."""
    return next((_OF[name] for name in reversed(path.split(".")) if name in _OF), "")


def _figure(study: Study) -> str:
    return f"{study.plan.figure} (%)"


def draw(study: Study) -> Figure:
    """The figure; see `Study.figure`."""
    axes = [] if study.plan.grid else [a for a in study.plan.axes if study.along(a)]
    grid = study.plan.grid and len(study.plan.axes) > 0
    count = len(axes) + int(grid) + int(bool(study.of("drawn")))
    wide = [0.27 * min(_FLAWS, len(study.ranking)) + 0.8] if study.ranking else []
    figure, made = panels(count if count or wide else 1, wide)
    left = iter(made)
    for axis in axes:
        _axis(next(left), study, axis)
    if grid:
        _grid(next(left), study)
    if study.of("drawn"):
        _yield(next(left), study)
    if study.ranking:
        _ranking(next(left), study)
    if not (count or wide):
        _two(made[0], study)
    return figure


def _curves(rows: Sequence[RowOf], x: Sequence[float]) -> list[Curve]:
    lines = []
    for label, name in (("as it comes", "as_is"), ("back end refitted", "refit")):
        found = [(place, getattr(row, name)) for place, row in zip(x, rows, strict=True)]
        some = [(place, value) for place, value in found if value is not None]
        if some:
            lines.append(_curve(label, [p for p, _ in some], [v for _, v in some]))
    return lines


def _curve(label: str, x: Sequence[float], shares: Sequence[Share]) -> Curve:
    y, error = ([100 * getattr(s, part) for s in shares] for part in ("mean", "error"))
    return Curve(label, tuple(x), tuple(y), tuple(error))


def _axis(axes: Axes, study: Study, axis: Axis) -> None:
    """Accuracy along an axis; the exposures that are off are ringed, the ideal bench is a line."""
    rows = study.along(axis)
    numbers = axis.numbers
    x = numbers if numbers is not None else tuple(float(k) for k in range(len(rows)))
    lines = _curves(rows, x)
    curves(axes, lines, x=axis.path, unit=unit_of(axis.path), y=_figure(study), log=axis.log, legend=False)
    if numbers is None:
        axes.set_xticks(list(x), [str(v) for v in axis.values], fontsize=6, rotation=20)
    ideal = study.of("ideal")[0].best.mean
    axes.axhline(100 * ideal, color=style.INK, linewidth=0.6, linestyle=":", label="ideal bench")
    axes.legend(fontsize=style.TICK, frameon=False)
    off = [(place, 100 * row.best.mean) for place, row in zip(x, rows, strict=True) if row.notes]
    if off:
        factor = 1.0 if axis.log else style.prefix(max(map(abs, x)), unit_of(axis.path))[0]
        places = [place * factor for place, _ in off]
        axes.plot(places, [y for _, y in off], "o", markersize=8, fillstyle="none", color=style.INK)
        axes.set_title("ringed: exposure off, see the table", fontsize=6, loc="right")


def _grid(axes: Axes, study: Study) -> None:
    """Accuracy along the first axis, a line for each combination of the others."""
    first, *others = study.plan.axes
    numbers = first.numbers or tuple(float(k) for k in range(len(first.values)))
    groups: dict[str, list[tuple[float, Share]]] = {}
    for row in study.of("grid"):
        label = ", ".join(f"{a.path} = {row.cell.changes[a.path]}" for a in others) or study.plan.figure
        place = numbers[first.values.index(row.cell.changes[first.path])]
        groups.setdefault(label, []).append((place, row.best))
    lines = [_curve(label, [p for p, _ in v], [s for _, s in v]) for label, v in groups.items()]
    curves(axes, lines, x=first.path, unit=unit_of(first.path), y=_figure(study), log=first.log)


def _ranking(axes: Axes, study: Study) -> None:
    """What each flaw costs alone and what mending it earns, percentage points."""
    flaws = study.ranking[:_FLAWS]
    refit = study.plan.conditions.refit is not None
    named = ("refit_costs", "refit_earns") if refit else ("costs", "earns")
    lines = []
    for label, name in zip(("costs alone", "mending it earns"), named, strict=True):
        found = [(float(k), getattr(flaw, name)) for k, flaw in enumerate(flaws)]
        some = [(k, value) for k, value in found if value is not None]
        lines.append(_curve(label, [k for k, _ in some], [v for _, v in some]))
    x = f"{study.plan.figure}, percentage points" + (", refitted" if refit else "")
    bars(axes, [flaw.path for flaw in flaws], lines, x=x)


def _yield(axes: Axes, study: Study) -> None:
    refit = study.plan.conditions.refit is not None
    lines = []
    for label, wanted in (("as it comes", False), ("back end refitted", True)):
        if wanted and not refit:
            continue
        points = study.yield_curve(refit=wanted)
        x, y = tuple(100 * p[0] for p in points), tuple(100 * p[1] for p in points)
        lines.append(Curve(label, x, y, tuple(100 * p[2] for p in points)))
    for line, (colour, _, dash) in zip(lines, style.STYLES, strict=False):
        axes.plot(line.x, line.y, dash, color=colour, linewidth=1, label=line.label, drawstyle="steps-pre")
        low = [a - b for a, b in zip(line.y, line.error, strict=True)]
        high = [a + b for a, b in zip(line.y, line.error, strict=True)]
        axes.fill_between(line.x, low, high, color=colour, alpha=0.2, linewidth=0, step="pre")
    axes.set_xlabel(_figure(study), fontsize=style.LABEL)
    axes.set_ylabel("yield: benches that reach it (%)", fontsize=style.LABEL)
    axes.set_ylim(0, 102)
    axes.legend(fontsize=style.TICK, frameon=False)


def _two(axes: Axes, study: Study) -> None:
    rows = [*study.of("ideal"), *study.of("bench")]
    bars(axes, ["ideal bench", "the bench"], _curves(rows, (0.0, 1.0)), x=_figure(study))
