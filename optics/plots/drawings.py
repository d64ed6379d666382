"""Drawings of a 4f bench: from the side, to scale along its axis, and a sketch without scale that names every plane.

Figures of matplotlib, which is imported by the functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optics.bench.spec import BenchSpec
from optics.plots import style
from optics.plots.side_view import Element, layout
from optics.plots.style import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RAYS = tuple(style.STYLES[k][0] for k in (1, 0, 2))  # from above, the middle, below
_GLASS, _PANEL = style.STYLES[2][0], style.STYLES[1][0]


def bench(spec: BenchSpec, image_shape: tuple[int, int], *, across: str | None = None) -> Figure:
    """A bench from the side, to scale along the optical axis; heights have a scale of their own.

    Rays from the top, middle and bottom of the display through the stop's edges; the un-modulated zero order is
    dashed. Heights are as on the bench: the camera's image is inverted.

    Args:
        spec: the bench.
        image_shape: (H, W) pixels on its display.
        across: "y" or "x"; the axis along which the signal order leaves the optical axis when absent.
    """
    drawing = layout(spec, image_shape, across=across)
    figure = style.new_figure(2 * style.COLUMN, 2.7, layout="constrained")
    axes = style.dress(figure.add_subplot(), grid=False)
    axes.plot([0.0, drawing.length * 1e3], [0.0, 0.0], color=style.FAINT, linewidth=0.8, linestyle="-.")
    for ray in drawing.rays:
        colour = _RAYS[1] if ray.source == 0.0 else _RAYS[0] if ray.source > 0 else _RAYS[2]
        wanted: dict[str, Any] = {"linewidth": 0.9, "alpha": 0.85}
        zero: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.5, "linestyle": "--"}
        z, height = zip(*ray.points, strict=True)
        options = wanted if ray.order else zero
        axes.plot([v * 1e3 for v in z], [v * 1e3 for v in height], color=colour, **options)
    for element in drawing.elements:
        _element(axes, element, before=drawing.length * 8)  # mm: 0.8 % of the length
    ends = {order: [ray.points[-1] for ray in drawing.rays if ray.order == order] for order in (0, 1)}
    for order, name in enumerate(("zero order", "image")):
        if ends[order]:
            z, height = (sum(v) / len(ends[order]) * 1e3 for v in zip(*ends[order], strict=True))
            axes.annotate(
                name, (z, height), (7, 0), textcoords="offset points", va="center", fontsize=style.TICK
            )
    axes.margins(x=0.03, y=0.16)
    axes.set_xlim(-0.06 * drawing.length * 1e3, drawing.length * 1e3 * 1.12)
    axes.set_xlabel("along the optical axis (mm)", fontsize=style.LABEL)
    axes.set_ylabel(f"{drawing.across} (mm)", fontsize=style.LABEL)
    f1, f2 = spec.lens1.focal_length * 1e3, spec.lens2.focal_length * 1e3
    top = axes.get_ylim()[1]
    for start, length, name in ((0, f1, "f₁"), (f1, f1, "f₁"), (2 * f1, f2, "f₂"), (2 * f1 + f2, f2, "f₂")):
        axes.text(
            start + length / 2,
            top,
            f"{name} = {length:g} mm",
            ha="center",
            va="top",
            fontsize=style.TICK,
            color=style.SOFT,
        )
    title = (
        f"{spec.name}: {spec.light.wavelength * 1e9:g} nm, unfolded at the SLM; heights have their own scale"
    )
    axes.set_title(title, fontsize=style.TITLE, ha="left", x=0.0)
    return figure


def _element(axes: Axes, element: Element, *, before: float) -> None:
    """One element: a lens as a double arrow, a stop as two bars just before the SLM, others as a thick line."""
    z, centre, half = element.z * 1e3, element.centre * 1e3, element.half * 1e3
    if element.name == "stop":
        for side in (-1, 1):
            axes.plot(
                [z - before, z - before],
                [side * half, side * 1.8 * half],
                color=style.INK,
                linewidth=2.5,
                solid_capstyle="butt",
            )
        return
    if element.name.startswith("lens"):
        _lens(axes, z, centre, half)
    else:
        colour = _PANEL if element.name == "SLM" else style.INK
        axes.plot([z, z], [centre - half, centre + half], color=colour, linewidth=3, solid_capstyle="butt")
    axes.annotate(
        element.name,
        (z, centre - half),
        (0, -4),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=style.LABEL,
    )


def _lens(axes: Axes, z: float, centre: float, half: float) -> None:
    arrow = {"arrowstyle": "<->", "color": _GLASS, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (z, centre + half), (z, centre - half), arrowprops=arrow)
    axes.plot([z, z], [centre - half, centre + half], alpha=0.0)  # annotations do not widen the limits


# ------------------------------------------------------------------ the sketch


def sketch(spec: BenchSpec, image_shape: tuple[int, int]) -> Figure:
    """A bench as one sketches it: every plane at equal steps, not to scale, with its name, pixels and focal lengths.

    For a page or a slide, where benches of any size look alike and only their figures differ.

    Args:
        spec: the bench.
        image_shape: (H, W) pixels on its display.
    """
    figure = style.new_figure(1.15 * style.COLUMN, 2.15)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_xlim(-0.52, 4.52)
    axes.set_ylim(-2.35, 1.75)
    axes.plot([-0.2, 4.2], [0, 0], color=style.SOFT, linewidth=0.6, linestyle="-.")
    for height, colour in ((0.28, _RAYS[0]), (-0.28, _RAYS[2])):  # a point's light: spread, parallel, focused
        for beam in (-0.35, 0.35):
            corners = [height, beam + height, beam - height, -height]
            axes.plot([0, 1, 3, 4], corners, color=colour, linewidth=0.8, alpha=0.85)
    for z, half, colour in ((0, 0.45, style.INK), (2, 0.75, _PANEL), (4, 0.6, style.INK)):
        axes.plot([z, z], [-half, half], color=colour, linewidth=3, solid_capstyle="butt")
    for z in (1, 3):
        _lens(axes, z, 0.0, 0.95)
    if spec.stop is not None:
        for low, high in ((0.5, 0.9), (-0.9, -0.5)):
            axes.plot([1.93, 1.93], [low, high], color=style.INK, linewidth=2, solid_capstyle="butt")
    for z, lines in enumerate(planes(spec, image_shape)):
        name, *rest = lines
        axes.text(z, -1.08, name, ha="center", va="top", fontsize=style.LABEL, weight="bold", color=style.INK)
        axes.text(z, -1.38, "\n".join(rest), ha="center", va="top", fontsize=style.TICK, color=style.INK)
    for z, lens, name in (
        (0, spec.lens1, "f₁"),
        (1, spec.lens1, "f₁"),
        (2, spec.lens2, "f₂"),
        (3, spec.lens2, "f₂"),
    ):
        double = {"arrowstyle": "<->", "color": style.SOFT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (z + 0.97, 1.12), (z + 0.03, 1.12), arrowprops=double)
        told = f"{name} = {quantity(lens.focal_length, 'm')}"
        axes.text(z + 0.5, 1.2, told, ha="center", va="bottom", fontsize=style.TICK, color=style.SOFT)
    light = (
        f"{spec.light.wavelength * 1e9:g} nm, {spec.light.coherence} light; not to scale, unfolded at the SLM"
    )
    axes.text(-0.48, 1.68, light, va="top", fontsize=style.TICK, color=style.SOFT)
    return figure


def planes(spec: BenchSpec, image_shape: tuple[int, int]) -> list[list[str]]:
    """The five planes of a bench in the order of the light: a name and then what it is, in a few words each."""
    slm, camera = spec.slm, spec.camera

    def lens(diameter: float | None) -> str:
        return "no edge" if diameter is None else f"⌀ {quantity(diameter, 'm')}"

    depth = "continuous" if slm.bits is None else f"{slm.bits} bit"
    panel = [
        f"{slm.shape[0]} × {slm.shape[1]}",
        f"{quantity(slm.pitch, 'm')} pixels",
        f"{slm.modulation}, {depth}",
    ]
    if spec.stop is not None:
        (height, width) = spec.stop.width
        wide = (
            quantity(height, "m") if height == width else f"{quantity(height, 'm')} × {quantity(width, 'm')}"
        )
        panel.append(f"stop {wide}")
    bins = f"binned {camera.binning} × {camera.binning}" if camera.binning > 1 else ""
    bits = "no converter" if camera.adc.bits is None else f"{camera.adc.bits} bit"
    sensor = [f"{camera.shape[0]} × {camera.shape[1]}", f"{quantity(camera.pitch, 'm')} pixels", bins, bits]
    return [
        ["display", f"{image_shape[0]} × {image_shape[1]}", f"{quantity(spec.input.pitch, 'm')} pixels"],
        ["lens 1", lens(spec.lens1.diameter)],
        ["SLM", *panel],
        ["lens 2", lens(spec.lens2.diameter)],
        ["camera", *(line for line in sensor if line)],
    ]
