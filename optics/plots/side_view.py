"""Where the elements of a 4f bench stand and which way its rays go, for a drawing to scale along the axis.

Paraxial rays. One that leaves the display at height `y` and meets the Fourier plane at `xi` crosses lens 1
at `y + xi` and lens 2 at `xi + X`, where `X` is its height at the camera (Goodman, Introduction to Fourier
Optics, 3rd ed., appendix B: ray matrices). Heights are real ones: the camera's image is inverted, as on the
bench.
"""

from __future__ import annotations

from dataclasses import dataclass

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError


@dataclass(frozen=True)
class Element:
    """One element: its name, position along the axis, half height, and height of its centre, all metres."""

    name: str
    z: float
    half: float
    centre: float = 0.0


@dataclass(frozen=True)
class Ray:
    """Corners (z, height) of one ray, metres; height of its source on the display; order 1 wanted, 0 not."""

    points: tuple[tuple[float, float], ...]
    source: float
    order: int


@dataclass(frozen=True)
class Layout:
    """A bench seen from the side that shows axis `across`."""

    across: str
    elements: tuple[Element, ...]
    rays: tuple[Ray, ...]

    @property
    def length(self) -> float:
        """From the display to the camera, metres."""
        return self.elements[-1].z


def layout(bench: BenchSpec, image_shape: tuple[int, int], *, across: str | None = None) -> Layout:
    """Elements and rays of `bench` in the plane of the optical axis and `across`.

    Args:
        bench: the bench.
        image_shape: (H, W) pixels on its display.
        across: "y" or "x"; the axis along which the signal order leaves the optical axis further when absent.

    Raises:
        OpticsError: another axis.
    """
    if across not in (None, "y", "x"):
        raise OpticsError(f'across is {across!r}, expected "y" or "x".')
    offset = bench.image_offset
    k = (0 if abs(offset[0]) >= abs(offset[1]) else 1) if across is None else "yx".index(across)
    f1, f2 = bench.lens1.focal_length, bench.lens2.focal_length
    half = image_shape[k] * bench.input.pitch / 2
    panel = bench.slm.shape[k] * bench.slm.pitch / 2
    stop = panel if bench.stop is None else bench.stop.width[k] / 2
    sensor = bench.camera.shape[k] * bench.camera.pitch / 2
    align = bench.alignment
    elements = [Element("display", 0.0, half)]
    for name, z, lens in (("lens 1", f1, bench.lens1), ("lens 2", 2 * f1 + f2, bench.lens2)):
        reach = (
            panel + half + abs(offset[k]) * bench.magnification
            if lens.diameter is None
            else lens.diameter / 2
        )
        elements.append(Element(name, z, reach, lens.decentre[k]))
    elements.insert(2, Element("SLM", 2 * f1 + align.mask_axial, panel, align.mask_shift[k]))
    if bench.stop is not None:
        elements.insert(2, Element("stop", 2 * f1, stop))
    elements.append(Element("camera", 2 * (f1 + f2), sensor, -align.camera_shift[k]))
    rays = []
    for source in (-half, 0.0, half):
        for order in (0, 1) if offset[k] else (1,):
            for xi in (-stop, 0.0, stop):
                # the reported axes are flipped: an order at +offset lies below the axis
                end = -bench.magnification * (source + order * offset[k])
                points = (
                    (0.0, source),
                    (f1, source + xi),
                    (2 * f1, xi),
                    (2 * f1 + f2, xi + end),
                    (2 * (f1 + f2), end),
                )
                rays.append(Ray(points, source, order))
    return Layout("yx"[k], tuple(elements), tuple(rays))
