"""What the pictures of measurements share: the one style of `optics.plots.style`, lengths in SI units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from optics.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MARK = style.STYLES[1][0]  # of what is pointed at in an image


def chart(axes: Axes, x: str, y: str, title: str = "") -> Axes:
    """Axes of a chart: sizes, colours, and what is along them, each with its unit."""
    axes.set_prop_cycle(color=[colour for colour, _, _ in style.STYLES])
    axes.set_xlabel(x, fontsize=style.LABEL)
    axes.set_ylabel(y, fontsize=style.LABEL)
    _titled(axes, title)
    return style.dress(axes)


def legend(axes: Axes) -> None:
    """Names of the lines."""
    axes.legend(fontsize=style.TICK, frameon=False)


def plane(axes: Axes, values: Tensor, pitch: float, title: str = "") -> AxesImage:
    """An image (ny, nx), black to white.

    Args:
        axes: what it is drawn on.
        values: 0 is black where none is below; for frames their root, so that what is dim is seen.
        pitch: metres between samples; the origin is at index n // 2.
        title: above it.
    """
    ny, nx = values.shape
    (top, left), step, name = place(0, 0, values, pitch), *_unit(values, pitch)
    box = (left - step / 2, left + (nx - 0.5) * step, top + (ny - 0.5) * step, top - step / 2)
    axes.set_xlabel(f"x ({name})", fontsize=style.LABEL)
    axes.set_ylabel(f"y ({name})", fontsize=style.LABEL)
    axes.tick_params(labelsize=style.TICK, color=style.SOFT)
    axes.locator_params(nbins=5)
    _titled(axes, title)
    return axes.imshow(values.numpy(), cmap=style.INTENSITY, extent=box, interpolation="nearest")


def place(y: float, x: float, values: Tensor, pitch: float) -> tuple[float, float]:
    """Where the sample (y, x) of an image lies on the axes of `plane`."""
    step, _ = _unit(values, pitch)
    ny, nx = values.shape
    return (y - ny // 2) * step, (x - nx // 2) * step


def _unit(values: Tensor, pitch: float) -> tuple[float, str]:
    """A sample's pitch in the unit of the axes, and its name."""
    unit, name = style.length_unit(max(values.shape) * pitch)
    return pitch / unit, name


def _titled(axes: Axes, title: str) -> None:
    if title:
        axes.set_title(title, fontsize=style.TITLE, loc="left")
