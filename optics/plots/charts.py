"""Charts with error bars: a quantity against what was varied, and bars beside each other. One style for all.

Values are SI; an axis is labelled with its unit and a prefix that reads well. Figures print in grey: lines differ in
marker and dash, not in colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = (("#1f4e79", "o", "-"), ("#c55a11", "s", "--"), ("#3b7d23", "^", "-."), ("#7f3f98", "D", ":"))
_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M"}
_PREFIXED = ("m", "rad", "s")  # units that take one
_WIDTH, _HEIGHT = 3.4, 2.6  # inches: one column of a journal


@dataclass(frozen=True)
class Curve:
    """One line of a chart: values y against x, with their standard errors."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    error: tuple[float, ...]


def panels(small: int, wide: Sequence[float] = ()) -> tuple[Figure, list[Axes]]:
    """A figure two journal columns wide: `small` panels of one column, then panels of both with these heights, inches.

    Where there is one panel in all it has one column.
    """
    from matplotlib.figure import Figure as NewFigure

    columns = 2 if small > 1 or (small and wide) else 1
    rows = -(-small // columns) if small else 0
    heights = [_HEIGHT] * rows + list(wide)
    across = columns if small else 1.5
    figure = NewFigure(figsize=(_WIDTH * across, sum(heights)), dpi=200, layout="constrained")
    places = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    made = [figure.add_subplot(places[k // columns, k % columns]) for k in range(small)]
    made += [figure.add_subplot(places[rows + k, :]) for k in range(len(wide))]
    for axes in made:
        axes.tick_params(labelsize=7)
        axes.grid(visible=True, linewidth=0.3, alpha=0.6)
        axes.set_axisbelow(True)
    return figure, made


def prefix(largest: float, unit: str) -> tuple[float, str]:
    """Factor by which to multiply values of up to `largest`, and the unit with its prefix: `(1e6, "µm")`."""
    if unit not in _PREFIXED or largest == 0 or not math.isfinite(largest):
        return 1.0, unit
    power = min(6, max(-9, 3 * math.floor(math.log10(abs(largest)) / 3)))
    return 10.0**-power, _PREFIXES[power] + unit


def curves(
    axes: Axes,
    lines: Sequence[Curve],
    *,
    x: str,
    unit: str = "",
    y: str,
    log: bool = False,
    legend: bool = True,
) -> None:
    """Lines with error bars (one standard error) against a quantity in SI units.

    Args:
        axes: where.
        lines: what.
        x: name of the quantity.
        unit: of its values, SI.
        y: label of the values.
        log: logarithmic axis; values of zero or less then stand at its left end.
        legend: name the lines.
    """
    largest = max((abs(v) for line in lines for v in line.x), default=0.0)
    factor, shown = (1.0, unit) if log else prefix(largest, unit)
    for line, (colour, marker, dash) in zip(lines, STYLES * len(lines), strict=False):
        axes.errorbar(
            [v * factor for v in line.x],
            line.y,
            yerr=line.error,
            color=colour,
            marker=marker,
            linestyle=dash,
            markersize=3,
            linewidth=1,
            capsize=2,
            label=line.label,
        )
    if log:
        axes.set_xscale("log")
    axes.set_xlabel(f"{x} ({shown})" if shown else x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    if legend and lines:
        axes.legend(fontsize=7, frameon=False)


def bars(axes: Axes, names: Sequence[str], lines: Sequence[Curve], *, x: str, zero: bool = True) -> None:
    """Horizontal bars beside each other, one group a name, the first name on top; errors are one standard error."""
    thick = 0.8 / max(1, len(lines))
    for k, (line, (colour, _, _)) in enumerate(zip(lines, STYLES * len(lines), strict=False)):
        places = [n + (k - (len(lines) - 1) / 2) * thick for n in line.x]
        axes.barh(
            places,
            line.y,
            height=thick,
            xerr=line.error,
            color=colour,
            alpha=1.0 - 0.35 * k,
            label=line.label,
            error_kw={"linewidth": 0.8, "capsize": 2},
        )
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.invert_yaxis()
    if zero:
        axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_xlabel(x, fontsize=8)
    axes.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
