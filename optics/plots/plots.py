"""Pictures of planes and benches: matplotlib figures, drawn without a display and without global state.

Every function returns a `matplotlib.figure.Figure` (`figure.savefig("field.png")`; a notebook shows it).
Axes are in millimetres or micrometres, whichever reads better; the first row of a tensor is at the top, its
origin is at index `n // 2`. Complex planes have hue for phase and brightness for amplitude, and a wheel
that says so: the hues are equally bright (a circle in the OKLab colour space, Ottosson 2020), so that no
phase looks stronger than another. matplotlib is imported by the functions, never by this module.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, ShapeError, check_finite
from optics.conventions import Point, abs2
from optics.plots.side_view import Element, layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Array = npt.NDArray[np.floating[Any]]
Pitch = float | tuple[float, float]

_OKLAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
_LIGHTNESS, _CHROMA = 0.75, 0.125  # the largest circle of equally bright hues that a screen can show


def phase_colours(amplitude: Array, phase: Array) -> Array:
    """Hue for phase, brightness for amplitude.

    Args:
        amplitude: (ny, nx), 0 (black) to 1 (full colour).
        phase: (ny, nx) radians; 0 is red, +pi/2 yellow-green, pi cyan, -pi/2 violet.

    Returns:
        (ny, nx, 3) sRGB, 0 to 1.
    """
    hue = phase + math.radians(25.0)  # so that zero is red
    lab = np.stack([np.full_like(hue, _LIGHTNESS), _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)], -1)
    linear = ((lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T).clip(0, 1) * np.asarray(amplitude)[..., None] ** 2
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


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
    return _complex(plane, full=top or 1.0, pitch=pitch, offset=offset, title=title, of="relative")


def mask(plane: Tensor, *, pitch: Pitch, title: str = "") -> Figure:
    """A complex mask (ny, nx) of a Fourier plane, `|mask| <= 1`: as `field`, but full brightness is 1."""
    return _complex(plane, full=1.0, pitch=pitch, offset=(0.0, 0.0), title=title, of="absolute")


def levels(
    plane: Tensor, *, pitch: Pitch, bits: int = 8, offset: Point = (0.0, 0.0), title: str = ""
) -> Figure:
    """SLM levels (ny, nx), integers `0 .. 2**bits - 1`, on a cyclic map: the last level is next to the first.

    Raises:
        OpticsError: a level is out of range.
    """
    array = _plane(plane)
    if array.size and (array.min() < 0 or array.max() > 2**bits - 1):
        raise OpticsError(
            f"levels span {array.min():g} to {array.max():g}, expected 0 to {2**bits - 1} ({bits} bit)."
        )
    figure, axes = _new(title)
    image = _image(
        axes, array, pitch, offset, cmap="twilight", vmin=0, vmax=2**bits - 1, interpolation="nearest"
    )
    bar = figure.colorbar(image, ax=axes, label="level", shrink=0.8)
    bar.set_ticks([0, 2 ** (bits - 2), 2 ** (bits - 1), 3 * 2 ** (bits - 2), 2**bits - 1])
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
    figure, axes = _new(title)
    floor = 10.0**-decades
    norm = LogNorm(vmin=floor, vmax=1.0)
    image = _image(axes, (array / peak).clip(floor, 1.0), pitch, offset, cmap="magma", norm=norm)
    figure.colorbar(image, ax=axes, label="intensity / peak", shrink=0.8)
    return figure


def frame(
    counts: Tensor,
    *,
    pitch: Pitch,
    offset: Point = (0.0, 0.0),
    full_scale: float | None = None,
    title: str = "",
) -> Figure:
    """A camera frame (ny, nx) in counts, or in any linear unit; saturated pixels are red.

    Args:
        counts: (ny, nx).
        pitch: of the (binned) pixels, metres; one number or (y, x).
        offset: (y, x) coordinates of the origin pixel, metres.
        full_scale: counts at which a pixel saturates; None marks none.
        title: above the picture.
    """
    import matplotlib as mpl

    array = _plane(counts)
    figure, axes = _new(title)
    colours = mpl.colormaps["gray"].with_extremes(over="red")
    top = float(array.max()) if array.size else 1.0
    saturated = full_scale is not None and top >= full_scale
    if full_scale is not None and saturated:
        top = full_scale * (1 - 1e-6)  # the full scale itself is over
    image = _image(axes, array, pitch, offset, cmap=colours, vmin=0, vmax=top or 1.0, interpolation="nearest")
    figure.colorbar(image, ax=axes, label="counts", shrink=0.8, extend="max" if saturated else "neither")
    return figure


def bench(spec: BenchSpec, image_shape: tuple[int, int], *, across: str | None = None) -> Figure:
    """A bench from the side, to scale along the optical axis; heights have a scale of their own.

    Rays from the top, middle and bottom of the display through the stop's edges; the un-modulated zero order is
    dashed. Heights are as on the bench: the camera's image is inverted.

    Args:
        spec: the bench.
        image_shape: (H, W) pixels on its display.
        across: "y" or "x"; the axis along which the signal order leaves the optical axis when absent.
    """
    from matplotlib.figure import Figure as NewFigure

    drawing = layout(spec, image_shape, across=across)
    figure = NewFigure(figsize=(10.0, 3.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0.0, drawing.length * 1e3], [0.0, 0.0], color="0.7", linewidth=0.7, linestyle="-.")
    for ray in drawing.rays:
        middle = ray.source == 0.0
        colour = "tab:green" if middle else "tab:red" if ray.source > 0 else "tab:blue"
        style = (
            {"linewidth": 1.0, "alpha": 0.8}
            if ray.order
            else {"linewidth": 0.7, "alpha": 0.35, "linestyle": "--"}
        )
        z, height = zip(*ray.points, strict=True)
        axes.plot([v * 1e3 for v in z], [v * 1e3 for v in height], color=colour, **style)
    for element in drawing.elements:
        _element(axes, element, before=drawing.length * 8)  # mm: 0.8 % of the length
    for order, name in enumerate(("zero order", "image")):
        ends = [ray.points[-1] for ray in drawing.rays if ray.order == order]
        if ends:
            z, height = (sum(v) / len(ends) * 1e3 for v in zip(*ends, strict=True))
            axes.annotate(name, (z, height), (6, 0), textcoords="offset points", va="center", fontsize=8)
    axes.margins(x=0.07, y=0.12)
    axes.set_xlabel("along the optical axis (mm)")
    axes.set_ylabel(f"{drawing.across} (mm)")
    f1, f2 = spec.lens1.focal_length * 1e3, spec.lens2.focal_length * 1e3
    top = axes.get_ylim()[1]
    for start, length, name in ((0, f1, "f₁"), (f1, f1, "f₁"), (2 * f1, f2, "f₂"), (2 * f1 + f2, f2, "f₂")):
        axes.text(
            start + length / 2,
            top,
            f"{name} = {length:g} mm",
            ha="center",
            va="top",
            fontsize=8,
            color="0.35",
        )
    axes.set_title(f"{spec.name}: {spec.light.wavelength * 1e9:g} nm, unfolded at the SLM", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _element(axes: Axes, element: Element, *, before: float) -> None:
    """One element: a lens as a double arrow, a stop as two bars just before the SLM, others as a thick line."""
    z, centre, half = element.z * 1e3, element.centre * 1e3, element.half * 1e3
    if element.name == "stop":
        for side in (-1, 1):
            axes.plot(
                [z - before, z - before],
                [side * half, side * 1.8 * half],
                color="black",
                linewidth=3,
                solid_capstyle="butt",
            )
        return
    if element.name.startswith("lens"):
        arrow = {"arrowstyle": "<->", "color": "tab:cyan", "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (z, centre + half), (z, centre - half), arrowprops=arrow)
        axes.plot([z, z], [centre - half, centre + half], alpha=0.0)  # annotations do not widen the limits
    else:
        colour = "tab:purple" if element.name == "SLM" else "black"
        axes.plot([z, z], [centre - half, centre + half], color=colour, linewidth=3.5, solid_capstyle="butt")
    axes.annotate(
        element.name,
        (z, centre - half),
        (0, -4),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=9,
    )


# ------------------------------------------------------------------ what they share


def length_unit(extent: float) -> tuple[float, str]:
    """The unit for lengths up to `extent` metres: (metres per unit, its name)."""
    return (1e-3, "mm") if extent >= 1e-3 else (1e-6, "µm")


def _complex(plane: Tensor, *, full: float, pitch: Pitch, offset: Point, title: str, of: str) -> Figure:
    check_finite(plane, name="the plane to draw")
    array = _plane(plane)
    figure, axes = _new(title)
    colours = phase_colours((np.abs(array) / full).clip(0, 1), np.angle(array))
    _image(axes, colours, pitch, offset, interpolation="nearest")
    wheel = figure.add_axes((0.795, 0.37, 0.15, 0.22), projection="polar")
    _wheel(wheel, of)
    return figure


def _wheel(axes: Axes, of: str) -> None:
    """The legend of complex colours: angle is phase, radius is amplitude."""
    radius = np.linspace(0, 1, 33)
    angle = np.linspace(-math.pi, math.pi, 181)
    middle = (radius[:-1] + radius[1:]) / 2
    colours = phase_colours(*np.meshgrid(middle, (angle[:-1] + angle[1:]) / 2, indexing="ij"))
    axes.pcolormesh(angle, radius, colours, rasterized=True)
    axes.set_xticks([0, math.pi / 2, math.pi, 3 * math.pi / 2], ["0", "π/2", "π", "−π/2"], fontsize=8)
    axes.tick_params(pad=-2)
    axes.set_yticks([])
    axes.grid(False)
    axes.set_title(f"hue: phase\nbrightness:\namplitude ({of})", fontsize=8)


def _plane(plane: Tensor) -> Any:
    """A tensor (ny, nx) as a numpy array on the CPU."""
    if plane.ndim != 2:
        raise ShapeError(
            f"the plane to draw has shape {tuple(plane.shape)}, expected (y, x). Choose one: plane[0]."
        )
    array = plane.detach().cpu()
    return array.to(torch.complex128 if array.is_complex() else torch.float64).numpy()


def _new(title: str) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, room for a legend at its right."""
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=(6.0, 4.2), dpi=150)
    axes = figure.add_axes((0.12, 0.13, 0.64, 0.77))
    axes.set_title(title, fontsize=10)
    return figure, axes


def _image(axes: Axes, array: Any, pitch: Pitch, offset: Point, **options: Any) -> AxesImage:
    """Draw an array (ny, nx[, 3]) with its origin at index `n // 2`, axes in a readable unit of length."""
    pair = pitch if isinstance(pitch, tuple) else (pitch, pitch)
    (ny, nx), (dy, dx) = array.shape[:2], pair
    top, left = (offset[0] - (ny // 2 + 0.5) * dy, offset[1] - (nx // 2 + 0.5) * dx)
    factor, unit = length_unit(max(ny * dy, nx * dx))
    extent = tuple(v / factor for v in (left, left + nx * dx, top + ny * dy, top))
    axes.set_xlabel(f"x ({unit})")
    axes.set_ylabel(f"y ({unit})")
    return axes.imshow(array, extent=extent, origin="upper", aspect="equal", **options)
