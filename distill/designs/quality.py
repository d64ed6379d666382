"""How good a design is, in numbers, on the bench that it is for.

error       min over complex c of |c f - t| / |t|: predicted field f of a point, field t of the target itself
efficiency  share of the light that a clear panel would send to the camera which carries the target
zero order  share of it that the panel does not modulate; it lands on the axis
neighbour   light of another order, or of another tile, in a window of the same size; relative to the mask's own
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from distill.designs.frames import Layout, Shown, point_fields, show
from distill.designs.targets import Target
from distill.verify.point_sources import point_images
from networks.cascade.convolution import circular_difference, convolve
from optics.bench.geometry import field_width
from optics.conventions import Point, abs2, axis
from optics.fourf.pupil import illuminated_pixels
from optics.slm.encoding import ON_AXIS, methods
from optics.spec import Validated
from optics.wave.fourier import dft_matrix

_ORDERS = (-2, -1, 0, 2, 3)  # beside the signal's own, which is order 1
COMPARED = 2  # frames that the encodings are compared on


class Neighbour(Validated):
    """Light that lands elsewhere. name: of what. place: (y, x) metres from the axis, input units, upright.

    distance: metres between its middle and the mask's. energy: relative to the mask's own window.
    """

    name: str
    place: Point
    distance: float
    energy: float = Field(ge=0)


class MaskQuality(Validated):
    """One mask of a design.

    Attributes:
        mask: which one.
        frame: of the SLM.
        place: where its image lands, (y, x) metres from the axis, input units, upright.
        error: relative L2 difference of the predicted point-spread function (a field) from the target, after the
            best complex factor; 0 to 1.
        intensity_error: the same of their intensities, after the best real factor.
        efficiency: share of the light that carries the target.
        zero_order: share that stays un-modulated; None where the mask is on the axis, too.
        neighbour: the brightest other order or tile.
    """

    mask: int
    frame: int
    place: Point
    error: float = Field(ge=0, le=1)
    intensity_error: float = Field(ge=0, le=1)
    efficiency: float = Field(ge=0)
    zero_order: float | None
    neighbour: Neighbour | None


class CircularDifference(Validated):
    """How far a network that multiplies spectra on a mask's grid is from what a bench does with the mask.

    grid: (y, x) of the mask. uncorrelated: relative rms difference of the fields for images of uncorrelated pixels,
    all masks together. worst: of one mask. images: relative L2 difference for the user's images; None without.
    """

    grid: tuple[int, int]
    uncorrelated: float = Field(ge=0, le=1)
    worst: float = Field(ge=0, le=1)
    images: float | None = None


class EncodingQuality(Validated):
    """One encoding on the first frames: means over their masks. chosen: whether the files are made with it."""

    method: str
    chosen: bool
    masks: int
    error: float
    intensity_error: float
    efficiency: float
    zero_order: float | None
    worst_neighbour: float | None


@dataclass(frozen=True, eq=False)
class _Light:
    """What arrives at the lit pixels of a point in the middle. plane: (ny, nx) complex. weight: of energies."""

    plane: Tensor
    weight: float


def measure(layout: Layout, shown: Shown, asked: Tensor) -> tuple[MaskQuality, ...]:
    """Every mask of what is shown.

    Args:
        layout: where the masks stand.
        shown: what the panel does.
        asked: (M, oy, ox) fields of the target itself.
    """
    tiles = len(layout.places)
    fields = point_fields(layout, shown.reflectance)[0].to(torch.complex128)
    sy, sx = layout.fourfs[0].oversampling
    light = _light(layout)
    clear = float(abs2(light.plane).sum()) * light.weight
    zero = _zero_orders(layout, shown, light)
    found = []
    for m, field in enumerate(fields):
        target, frame, place = asked[m].to(torch.complex128), m // tiles, layout.places[m % tiles]
        error, carried = _difference(field, target)
        found.append(
            MaskQuality(
                mask=m,
                frame=frame,
                place=place,
                error=error,
                intensity_error=_difference(abs2(field), abs2(target))[0],
                efficiency=carried / (sy * sx) / clear,
                zero_order=zero[frame],
                neighbour=_worst(layout, shown.reflectance[frame], light, m % tiles),
            )
        )
    return tuple(found)


def circular(target: Target, images: Tensor | None) -> CircularDifference | None:
    """Of masks over the display's band; None for kernels, which have no circle, and masks over a panel.

    Args:
        target: what is to be shown.
        images: (N, H, W) of the user.
    """
    taps = target.taps
    if taps is None or target.kind == "kernel":
        return None
    each = circular_difference(taps[:, 0], target.image_shape)
    energy = abs2(taps[:, 0]).double().sum((-2, -1))
    measured = None
    if images is not None:
        (ny, nx), (h, w) = taps.shape[-2:], target.image_shape
        x = images[:, None]
        wide = torch.nn.functional.pad(x, (0, nx - w, 0, ny - h))
        around = convolve(wide, taps, boundary="circular")[..., :h, :w]
        straight = convolve(x, taps, boundary="zero")
        measured = float((around - straight).norm() / around.norm())
    return CircularDifference(
        grid=(taps.shape[-2], taps.shape[-1]),
        uncorrelated=float((each.square() * energy).sum().div(energy.sum()).sqrt()),
        worst=float(each.max()),
        images=measured,
    )


def every_encoding(layout: Layout, asked: Tensor) -> tuple[EncodingQuality, ...]:
    """Every encoding that the panel and the carrier allow, on the first `COMPARED` frames."""
    bench, carrier = layout.bench, layout.bench.encoding.carrier
    rows = []
    for method in methods(bench.slm.modulation):
        if carrier == (0.0, 0.0) and method not in ON_AXIS:
            continue
        rows_of = measure(layout, show(layout, method, COMPARED), asked)
        zeros = [r.zero_order for r in rows_of if r.zero_order is not None]
        beside = [r.neighbour.energy for r in rows_of if r.neighbour is not None]
        rows.append(
            EncodingQuality(
                method=method,
                chosen=method == bench.encoding.method,
                masks=len(rows_of),
                error=_mean([r.error for r in rows_of]),
                intensity_error=_mean([r.intensity_error for r in rows_of]),
                efficiency=_mean([r.efficiency for r in rows_of]),
                zero_order=_mean(zeros) if zeros else None,
                worst_neighbour=max(beside, default=None),
            )
        )
    return tuple(rows)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _difference(found: Tensor, wanted: Tensor) -> tuple[float, float]:
    """`min_c |c f - t| / |t|` of planes (y, x), and the energy of the part of `found` that is `wanted`."""
    overlap = complex((wanted.conj() * found).sum())
    energy, power = float(abs2(wanted).sum()), float(abs2(found).sum())
    carried = abs(overlap) ** 2 / energy
    share = carried / power if power > 0 else 0.0
    return math.sqrt(max(0.0, 1.0 - min(1.0, share))), carried


def _light(layout: Layout) -> _Light:
    fourf, bench = layout.fourfs[0], layout.bench
    point = point_images(layout.points[:1], layout.target.image_shape)
    plane = (fourf.at_slm(point)[0] * fourf.pupil).to(torch.complex128)
    # Parseval: sum of |field|^2 over camera samples = weight times sum of |plane|^2 over SLM pixels
    per_axis = bench.input.pitch * bench.slm.pitch / bench.true_scale
    return _Light(plane, (per_axis / bench.distortion) ** 2)


def _zero_orders(layout: Layout, shown: Shown, light: _Light) -> list[float | None]:
    if layout.bench.encoding.carrier == (0.0, 0.0):
        return [None] * len(shown.reflectance)
    power = abs2(light.plane)
    mean = (shown.reflectance.to(torch.complex128) * power).sum((-2, -1)) / power.sum()
    return [float(v) for v in abs2(mean)]


def _worst(layout: Layout, reflectance: Tensor, light: _Light, tile: int) -> Neighbour | None:
    """The brightest other order or tile of one frame, as seen from one of its tiles."""
    bench, here = layout.bench, layout.places[tile]
    half = [n * bench.input.pitch / 2 for n in layout.target.image_shape]
    candidates = [(f"tile {n}", place) for n, place in enumerate(layout.places) if n != tile]
    wide = field_width(bench)
    for order in _ORDERS:
        y, x = (math.remainder(order * p, wide) for p in here)
        candidates.append(("zero order" if order == 0 else f"order {order}", (y, x)))
    plane = reflectance.to(torch.complex128) * light.plane
    own = _energy(layout, plane, here)
    worst: Neighbour | None = None
    for name, place in candidates:
        if all(abs(a - b) < h for a, b, h in zip(place, here, half, strict=True)):
            continue  # they overlap: its light counts as error
        energy = _energy(layout, plane, place) / own
        if worst is None or energy > worst.energy:
            worst = Neighbour(name=name, place=place, distance=math.dist(place, here), energy=energy)
    return worst


def _energy(layout: Layout, plane: Tensor, place: Point) -> float:
    """Energy of a plane behind the panel (ny, nx) in an image's window about `place`, without lens 2's phases."""
    bench = layout.bench
    sides = []
    active = math.sqrt(bench.slm.fill_factor) * bench.slm.pitch
    for k in (0, 1):
        step = bench.input.pitch / layout.fourfs[0].oversampling[k]
        n = layout.target.image_shape[k] * layout.fourfs[0].oversampling[k]
        xi = illuminated_pixels(bench, k)[1] - bench.lens1.decentre[k]
        where = axis(n, step) + place[k]
        envelope = torch.sinc(active * where / bench.true_scale)  # of an SLM pixel's area
        sides.append(envelope[:, None] * dft_matrix(where, xi, scale=bench.true_scale, sign=+1))
    return float(abs2(sides[0] @ plane @ sides[1].mT).sum())
