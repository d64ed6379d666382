"""Charts with error bars: a quantity against what was varied, and bars beside each other. One style for all.

Values are SI; an axis is labelled with its unit and a prefix that reads well. Figures print in grey: lines differ in
marker and dash, not in colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optics.plots import style
from optics.plots.style import STYLES, prefix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

_SIDE = 1.25  # inches: width of one picture of a strip
_HEIGHT = 2.6  # inches: of a panel one column wide


@dataclass(frozen=True)
class Curve:
    """One line of a chart: values y against x, with their standard errors; none where there are none.

    joined: with a line from one to the next.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    error: tuple[float, ...]
    joined: bool = True


@dataclass(frozen=True)
class Mark:
    """One row of a chart of marks: its label, value and standard error, the value in words, and which kind it is."""

    label: str
    value: float
    error: float
    text: str
    kind: int = 0


def panels(small: int, wide: Sequence[float] = ()) -> tuple[Figure, list[Axes]]:
    """A figure two journal columns wide: `small` panels of one column, then panels of both with these heights, inches.

    Where there is one panel in all it has one column.
    """
    columns = 2 if small > 1 or (small and wide) else 1
    rows = -(-small // columns) if small else 0
    heights = [_HEIGHT] * rows + list(wide)
    across = columns if small else 1.5
    figure = style.new_figure(style.COLUMN * across, sum(heights), layout="constrained")
    places = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    made = [figure.add_subplot(places[k // columns, k % columns]) for k in range(small)]
    made += [figure.add_subplot(places[rows + k, :]) for k in range(len(wide))]
    for axes in made:
        style.dress(axes)
    return figure, made


def strip(pictures: Sequence[Tensor], names: Sequence[str]) -> Figure:
    """Images (C, H, W) of 0 to 1 side by side, names above; three channels are colour, else their mean is grey."""
    ny, nx = pictures[0].shape[-2:]
    figure = style.new_figure(max(_SIDE * len(pictures), 2.0), 0.35 + _SIDE * ny / nx, layout="compressed")
    for axes, picture, name in zip(
        figure.subplots(1, len(pictures), squeeze=False)[0], pictures, names, strict=True
    ):
        axes.set_axis_off()
        axes.set_title(name, fontsize=style.TICK)
        shown = picture.detach().cpu()
        if len(shown) == 3:
            axes.imshow(shown.permute(1, 2, 0).numpy(), vmin=0, vmax=1, interpolation="nearest")
        else:
            axes.imshow(shown.mean(0).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return figure


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
            yerr=line.error or None,
            color=colour,
            marker=marker,
            linestyle=dash if line.joined else "none",
            markersize=3,
            linewidth=1,
            capsize=2,
            label=line.label,
        )
    if log:
        axes.set_xscale("log")
    axes.set_xlabel(f"{x} ({shown})" if shown else x, fontsize=style.LABEL)
    axes.set_ylabel(y, fontsize=style.LABEL)
    if legend and lines:
        axes.legend(fontsize=style.TICK, frameon=False)


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
            edgecolor="white",
            linewidth=0.3,
            label=line.label,
            error_kw={"linewidth": 0.8, "capsize": 2},
        )
    axes.set_yticks(range(len(names)), names, fontsize=style.TICK)
    axes.invert_yaxis()
    if zero:
        axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_xlabel(x, fontsize=style.LABEL)
    axes.legend(fontsize=style.TICK, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)


def marks(
    rows: Sequence[Mark], *, x: str, kinds: Sequence[str] = (), zero: bool = False, log: bool = False
) -> Figure:
    """A figure one column wide: a mark with its error bar (one standard error) a row, its label above it.

    The axis begins near the smallest value, for a mark, unlike a bar, does not promise that it begins at zero.

    Args:
        rows: from the top.
        x: label of the values.
        kinds: names of the kinds, for a legend.
        zero: draw a line at zero.
        log: logarithmic axis, for values above zero.
    """
    figure = style.new_figure(
        style.COLUMN, 0.36 * len(rows) + 0.62 + (0.18 if kinds else 0), layout="constrained"
    )
    axes = style.dress(figure.add_subplot())
    axes.grid(visible=False, axis="y")
    for k, row in enumerate(rows):
        colour, marker, _ = STYLES[row.kind % len(STYLES)]
        axes.errorbar(
            [row.value],
            [k],
            xerr=[row.error],
            color=colour,
            marker=marker,
            markersize=4,
            capsize=2.5,
            linewidth=1,
        )
    low = min((r.value - r.error for r in rows), default=0.0)
    high = max((r.value + r.error for r in rows), default=1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
        axes.axvline(0.0, color=style.SOFT, linewidth=0.7)
    margin = 0.06 * (high - low) or 1.0
    if log and low > 0:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.5, high * 1.5)
    else:
        axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(len(rows) - 0.4, -0.85)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for k, row in enumerate(rows):
        place: dict[str, Any] = {
            "fontsize": style.TICK,
            "va": "bottom",
            "transform": axes.get_yaxis_transform(),
        }
        place |= {"bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6}, "color": style.INK}
        axes.text(0.0, k - 0.22, row.label, **place)
        axes.text(1.0, k - 0.22, row.text, ha="right", **place)
    axes.set_xlabel(x, fontsize=style.LABEL)
    if len(kinds) > 1:
        shown = [
            axes.plot([], [], STYLES[k % len(STYLES)][1], color=STYLES[k % len(STYLES)][0], markersize=4)[0]
            for k in range(len(kinds))
        ]
        figure.legend(shown, kinds, fontsize=style.TICK, frameon=False, loc="outside upper left", ncols=2)
    return figure
