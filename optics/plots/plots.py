"""Pictures of planes: matplotlib figures, drawn without a display and without global state.

Every function returns a `matplotlib.figure.Figure` (`figure.savefig("field.png")`; a notebook shows it).
Axes are in millimetres or micrometres, whichever reads better; the first row of a tensor is at the top, its
origin is at index `n // 2`. The legend stands beside the picture and is never higher than it. Complex planes have hue
for phase and brightness for amplitude, and a wheel that says so; colours and sizes are those of `optics.plots.style`.
matplotlib is imported by the functions, never by this module.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from optics.checks import OpticsError, ShapeError, check_finite
from optics.conventions import Point, abs2
from optics.plots import style
from optics.plots.drawings import bench, sketch
from optics.plots.style import length_unit, phase_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = [
    "bench",
    "field",
    "frame",
    "length_unit",
    "levels",
    "lit_part",
    "mask",
    "phase_colours",
    "psf",
    "sketch",
]

Pitch = float | tuple[float, float]

_WIDTH, _LEFT, _BOTTOM, _TOP, _RIGHT = 4.4, 0.62, 0.46, 0.12, 0.12  # inches
_GAP, _BAR, _BAR_LABELS, _PHASES, _WHEEL = 0.12, 0.12, 0.55, 0.3, 0.62
_HIGHEST, _THINNEST = 4.2, 0.15  # of a picture
_LOW = 1.75  # of a figure: a legend needs as much
_LINE, _LETTER = 0.16, 0.076  # height of a line of a title and width of its letters, inches
_STAMP = 0.4  # share of a panel's area below which its lit part is drawn alone, with a map of the panel
_MARGIN = 0.06  # of the lit part, around it


def field(plane: Tensor, *, pitch: Pitch, offset: Point = (0.0, 0.0), title: str = "") -> Figure:
    """A complex field (ny, nx): hue for phase, brightness for amplitude relative to its largest.

    Args:
        plane: (ny, nx), complex, or real and then drawn with phases 0 and pi.
        pitch: metres; one number or (y, x).
        offset: (y, x) coordinates of the origin sample, metres.
        title: above the picture.

    Raises:
        ShapeError: not two axes. OpticsError: NaN or infinity.
    """
    top = float(plane.abs().max()) if plane.numel() else 0.0
    return _complex(plane, full=top or 1.0, pitch=pitch, offset=offset, title=title, of="of the largest")


def mask(plane: Tensor, *, pitch: Pitch, title: str = "") -> Figure:
    """A complex mask (ny, nx) of a Fourier plane, `|mask| <= 1`: as `field`, but full brightness is 1."""
    return _complex(plane, full=1.0, pitch=pitch, offset=(0.0, 0.0), title=title, of="0 to 1")


def levels(
    plane: Tensor, *, pitch: Pitch, bits: int = 8, offset: Point = (0.0, 0.0), title: str = ""
) -> Figure:
    """SLM levels (ny, nx), integers `0 .. 2**bits - 1`, in the cyclic colours of a phase of `2 pi level / 2**bits`.

    Where only a small part of a panel differs from the level around it, that part is drawn and its place is shown on a
    map of the panel.

    Raises:
        OpticsError: a level is out of range.
    """
    array = _plane(plane)
    top = 2**bits - 1
    if array.size and (array.min() < 0 or array.max() > top):
        raise OpticsError(
            f"levels span {array.min():g} to {array.max():g}, expected 0 to {top} ({bits} bit)."
        )
    whole = _Box.of(array, pitch, offset)
    rows, columns = lit_part(plane)
    shown = array[rows, columns]
    stamp = shown.size < array.size
    box = whole.part(rows, columns) if stamp else whole
    figure, axes, beside = _new(title, box, legend=_BAR + _BAR_LABELS + _PHASES)
    options = {"cmap": style.cyclic_map(), "vmin": 0, "vmax": top, "interpolation": "nearest"}
    image = _image(axes, shown, box, **options)
    if stamp:
        beside = _map(figure, beside, whole, box, "part of the\npanel shown")
    bar = _bar(figure, image, beside, "level (nominal phase)")
    quarter = 2 ** (bits - 2) if bits >= 2 else 1
    turns = ["0", "π/2", "π", "3π/2"]
    ticks = [(k * quarter, f"{k * quarter} ({turn})") for k, turn in enumerate(turns) if k * quarter <= top]
    bar.set_ticks([t for t, _ in ticks], labels=[said for _, said in ticks])
    return figure


def psf(
    plane: Tensor, *, pitch: Pitch, offset: Point = (0.0, 0.0), decades: float = 4.0, title: str = ""
) -> Figure:
    """A point-spread function (ny, nx): its intensity, relative to the peak, over `decades` powers of ten.

    A complex plane is squared; a real one is taken as an intensity already.
    """
    from matplotlib.colors import LogNorm

    array = _plane(abs2(plane) if plane.is_complex() else plane)
    peak = float(array.max()) if array.size else 0.0
    if peak <= 0:
        raise OpticsError("the point-spread function is zero everywhere: there is nothing to draw.")
    box = _Box.of(array, pitch, offset)
    figure, axes, beside = _new(title, box, legend=_BAR + _BAR_LABELS)
    floor = 10.0**-decades
    norm = LogNorm(vmin=floor, vmax=1.0)
    image = _image(axes, (array / peak).clip(floor, 1.0), box, cmap=style.DECADES, norm=norm)
    _bar(figure, image, beside, "intensity / peak", extend="min" if array.min() < floor * peak else "neither")
    return figure


def frame(
    counts: Tensor,
    *,
    pitch: Pitch,
    offset: Point = (0.0, 0.0),
    full_scale: float | None = None,
    title: str = "",
    unit: str = "counts",
) -> Figure:
    """A camera frame (ny, nx) in counts, or in any linear unit; saturated pixels are red, and their number is told.

    Args:
        counts: (ny, nx).
        pitch: of the (binned) pixels, metres; one number or (y, x).
        offset: (y, x) coordinates of the origin pixel, metres.
        full_scale: counts at which a pixel saturates; None marks none.
        title: above the picture.
        unit: of the values, beside the colour bar: "counts" of a camera with a converter, "electrons" or "photons" of
            one without.
    """
    import matplotlib as mpl

    array = _plane(counts)
    box = _Box.of(array, pitch, offset)
    colours = mpl.colormaps[style.INTENSITY].with_extremes(over="red")
    top = float(array.max()) if array.size else 1.0
    saturated = full_scale is not None and top >= full_scale
    if full_scale is not None and saturated:
        over = int((array >= full_scale).sum())
        told = f"{over} of {array.size} pixels saturated (red)"
        title = f"{title}\n{told}" if title else told
        top = full_scale * (1 - 1e-6)  # the full scale itself is over
    figure, axes, beside = _new(title, box, legend=_BAR + _BAR_LABELS)
    image = _image(axes, array, box, cmap=colours, vmin=0, vmax=top or 1.0, interpolation="nearest")
    _bar(figure, image, beside, unit, extend="max" if saturated else "neither")
    return figure


def lit_part(plane: Tensor) -> tuple[slice, slice]:
    """Rows and columns of what differs from the level all around, with a margin; all of them where that is much.

    Args:
        plane: (ny, nx) levels of a panel.
    """
    array = _plane(plane)
    ny, nx = array.shape
    whole = (slice(0, ny), slice(0, nx))
    around = np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])
    differs = array != array[0, 0]
    if (around != array[0, 0]).any() or not differs.any():
        return whole
    part = []
    for along, n in ((1, ny), (0, nx)):
        found = np.flatnonzero(differs.any(along))
        margin = max(1, round(_MARGIN * (found[-1] - found[0])))
        part.append(slice(max(0, int(found[0]) - margin), min(n, int(found[-1]) + 1 + margin)))
    rows, columns = part
    size = (rows.stop - rows.start) * (columns.stop - columns.start)
    return (rows, columns) if size < _STAMP * ny * nx else whole


# ------------------------------------------------------------------ what they share


@dataclass(frozen=True)
class _Box:
    """Where a plane (ny, nx) lies: its upper left corner and its pixels, metres."""

    left: float
    top: float
    pitch: tuple[float, float]
    shape: tuple[int, int]

    @classmethod
    def of(cls, array: Any, pitch: Pitch, offset: Point) -> _Box:
        """Of an array (ny, nx[, 3]) with its origin at index `n // 2`."""
        (ny, nx), (dy, dx) = array.shape[:2], pitch if isinstance(pitch, tuple) else (pitch, pitch)
        return cls(offset[1] - (nx // 2 + 0.5) * dx, offset[0] - (ny // 2 + 0.5) * dy, (dy, dx), (ny, nx))

    def part(self, rows: slice, columns: slice) -> _Box:
        """Of some rows and columns."""
        (dy, dx), shape = self.pitch, (rows.stop - rows.start, columns.stop - columns.start)
        return _Box(self.left + columns.start * dx, self.top + rows.start * dy, self.pitch, shape)

    @property
    def size(self) -> tuple[float, float]:
        """Height and width, metres."""
        return self.shape[0] * self.pitch[0], self.shape[1] * self.pitch[1]

    def extent(self, unit: float) -> tuple[float, float, float, float]:
        """Left, right, bottom, top in that many metres."""
        height, width = self.size
        return tuple(v / unit for v in (self.left, self.left + width, self.top + height, self.top))  # type: ignore[return-value]


def _complex(plane: Tensor, *, full: float, pitch: Pitch, offset: Point, title: str, of: str) -> Figure:
    check_finite(plane, name="the plane to draw")
    array = _plane(plane)
    box = _Box.of(array, pitch, offset)
    figure, axes, beside = _new(title, box, legend=_WHEEL + 0.36)
    colours = phase_colours((np.abs(array) / full).clip(0, 1), np.angle(array))
    _image(axes, colours, box, interpolation="nearest")
    left, bottom, _, height = beside
    top = bottom + height - 0.62  # below the words above the wheel and the label of pi/2
    place = (left + 0.15, max(0.25, top - _WHEEL), _WHEEL, _WHEEL)
    circle = figure.add_axes(_shares(figure, place), projection="polar")
    style.wheel(circle, of)
    return figure


def _plane(plane: Tensor) -> Any:
    """A tensor (ny, nx) as a numpy array on the CPU."""
    if plane.ndim != 2:
        raise ShapeError(
            f"the plane to draw has shape {tuple(plane.shape)}, expected (y, x). Choose one: plane[0]."
        )
    array = plane.detach().cpu()
    return array.to(torch.complex128 if array.is_complex() else torch.float64).numpy()


Place = tuple[float, float, float, float]  # left, bottom, width, height; inches


def _new(title: str, box: _Box, *, legend: float) -> tuple[Figure, Axes, Place]:
    """A figure that is as high as its picture needs, the picture's axes, and the place for a legend beside it.

    Args:
        title: above the picture; broken where it is too long.
        box: what is drawn.
        legend: width of the legend, inches.
    """
    height, width = box.size
    room = _WIDTH - _LEFT - _GAP - legend - _RIGHT
    scale = min(room / width, _HIGHEST / height)
    high, wide = max(_THINNEST, scale * height), max(_THINNEST, scale * width)
    across = _LEFT + wide + _GAP + legend + _RIGHT
    lines = [part for line in title.split("\n") for part in textwrap.wrap(line, int(across / _LETTER))]
    above = _TOP + _LINE * len(lines)
    figure = style.new_figure(across, max(_BOTTOM + high + above, _LOW))
    bottom = (figure.get_figheight() + _BOTTOM - above - high) / 2
    axes = figure.add_axes(_shares(figure, (_LEFT, bottom, wide, high)))
    axes.set_title("\n".join(lines), fontsize=style.TITLE, ha="left", x=-0.45 / wide)
    axes.tick_params(labelsize=style.TICK)
    return figure, axes, (_LEFT + wide + _GAP, bottom, legend, high)


def _shares(figure: Figure, place: Place) -> Place:
    """A place as shares of the figure."""
    wide, tall = figure.get_size_inches()
    left, bottom, width, height = place
    return left / wide, bottom / tall, width / wide, height / tall


def _image(axes: Axes, array: Any, box: _Box, **options: Any) -> AxesImage:
    """Draw an array (ny, nx[, 3]), axes in a readable unit of length."""
    unit, name = length_unit(max(box.size))
    axes.set_xlabel(f"x ({name})", fontsize=style.LABEL)
    axes.set_ylabel(f"y ({name})", fontsize=style.LABEL)
    wide, tall = axes.get_position().size * axes.figure.get_size_inches()  # type: ignore[union-attr]
    axes.locator_params(axis="x", nbins=max(2, min(6, int(wide / 0.4))))
    axes.locator_params(axis="y", nbins=max(2, min(6, int(tall / 0.3))))
    aspect: Literal["auto", "equal"] = (
        "auto" if min(wide, tall) <= _THINNEST else "equal"
    )  # a line is drawn thicker than it is
    return axes.imshow(array, extent=box.extent(unit), origin="upper", aspect=aspect, **options)


def _bar(figure: Figure, image: AxesImage, beside: Place, label: str, *, extend: str = "neither") -> Any:
    """A colour bar as high as the place beside the picture."""
    left, bottom, _, height = beside
    axes = figure.add_axes(_shares(figure, (left, bottom, _BAR, height)))
    bar = figure.colorbar(image, cax=axes, extend=extend)
    bar.set_label(label, fontsize=style.LABEL)
    bar.ax.tick_params(labelsize=style.TICK)
    return bar


def _map(figure: Figure, beside: Place, whole: _Box, part: _Box, words: str) -> Place:
    """A small map of a panel with the part that is shown, at the top of a place; what is left of the place."""
    left, bottom, width, height = beside
    tall, wide = whole.size
    across = width
    high = across * tall / wide
    axes = figure.add_axes(_shares(figure, (left, bottom + height - high, across, high)))
    axes.set_xlim(whole.left, whole.left + wide)
    axes.set_ylim(whole.top + tall, whole.top)
    axes.set_xticks([])
    axes.set_yticks([])
    y, x = part.size
    axes.fill_between([part.left, part.left + x], part.top, part.top + y, color=style.STYLES[0][0])
    axes.set_xlabel(words, fontsize=style.TICK, labelpad=2)
    return left, bottom, width, height - high - 0.45
