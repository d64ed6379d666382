"""Kernels side by side in one camera frame: where their images can stand, and what that costs in light.

One panel can show the sum of several masks, each tilted by a carrier of its own: their images then stand
side by side on the camera. A place is free where the image lies within the panel's unaliased field, on the
sensor, inside lens 2's beam, away from the un-modulated zero order, and where no neighbour's kernel spills
into it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from optics.bench.spec import BenchSpec, Point

GUARD = 2  # input pixels left dark between two images, for the tails of real point-spread functions
EULER = 0.5772


def field_width(bench: BenchSpec) -> float:
    """Width of the unaliased output field of the panel, `lambda f1 / slm pitch`, metres in input units."""
    return bench.scale / bench.slm.pitch


def spacing(bench: BenchSpec, image_shape: tuple[int, int], taps: int) -> Point:
    """Distance between two images at which no kernel spills into the other, (y, x) metres in input units."""
    return (
        (image_shape[0] + taps // 2 + GUARD) * bench.input.pitch,
        (image_shape[1] + taps // 2 + GUARD) * bench.input.pitch,
    )


def beam_corner(bench: BenchSpec) -> float:
    """Greatest distance from the axis at which light passes the Fourier plane, metres."""
    if bench.stop is None:
        return math.hypot(
            *(
                n * bench.slm.pitch / 2 + abs(bench.alignment.mask_shift[k])
                for k, n in enumerate(bench.slm.shape)
            )
        )
    return bench.stop.width[0] / 2 if bench.stop.shape == "circle" else math.hypot(*bench.stop.width) / 2


def lens_needed(bench: BenchSpec, image_shape: tuple[int, int], offset: Point) -> Point:
    """Diameters that lens 1 and lens 2 need to pass the whole beam of an image at `offset`, metres.

    A ray from height y on the display through height xi of the Fourier plane crosses lens 1 at `y + xi`,
    lens 2 at `xi + X` with X its height on the camera.
    """
    half = [n * bench.input.pitch / 2 for n in image_shape]
    far = bench.magnification * math.hypot(*(abs(o) + h for o, h in zip(offset, half, strict=True)))
    corner = beam_corner(bench)
    return (
        2 * (corner + math.hypot(*half) + math.hypot(*bench.lens1.decentre)),
        2 * (corner + far + math.hypot(*bench.lens2.decentre)),
    )


def is_free(bench: BenchSpec, image_shape: tuple[int, int], taps: int, offset: Point) -> bool:
    """Whether an image centred at `offset`, (y, x) metres in input units, can be read there."""
    pitch, m = bench.input.pitch, bench.magnification
    for k in (0, 1):
        half = image_shape[k] * pitch / 2
        if abs(offset[k]) + half + (taps // 2) * pitch > field_width(bench) / 2:
            return False
        if (abs(offset[k]) + half) * m > bench.camera.shape[k] * bench.camera.pitch / 2:
            return False
    if bench.lens2.diameter is not None and lens_needed(bench, image_shape, offset)[1] > bench.lens2.diameter:
        return False
    return clears_zero_order(bench, image_shape, offset)


def clears_zero_order(bench: BenchSpec, image_shape: tuple[int, int], offset: Point) -> bool:
    """Whether an image at `offset` lies beside the un-modulated one on the axis; true if complex."""
    if bench.slm.modulation == "complex":
        return True
    return any(abs(offset[k]) >= (image_shape[k] + GUARD) * bench.input.pitch * (1 - 1e-9) for k in (0, 1))


def positions(bench: BenchSpec, image_shape: tuple[int, int], taps: int) -> tuple[Point, ...]:
    """Centres of as many images as one frame holds, (y, x) metres in input units, nearest to the axis first.

    A square lattice, on the axis or half a step beside it along either axis: the one that holds most. The
    encodings arrizon, interferogram and lee make a mirrored twin of every image: they may use half of the plane.
    """
    step = spacing(bench, image_shape, taps)
    best: tuple[Point, ...] = ()
    for start in ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5)):
        found = [p for p in _lattice(bench, step, start) if is_free(bench, image_shape, taps, p)]
        if bench.slm.modulation != "complex" and bench.encoding.twin:
            found = [p for p in found if p > (0.0, 0.0)]
        if len(found) > len(best):
            best = tuple(sorted(found, key=lambda p: (math.hypot(*p), p)))
    return best


def _lattice(bench: BenchSpec, step: Point, start: Point) -> Iterator[Point]:
    reach = [math.ceil(field_width(bench) / 2 / s) + 1 for s in step]
    for i in range(-reach[0], reach[0] + 1):
        for j in range(-reach[1], reach[1] + 1):
            yield ((i + start[0]) * step[0], (j + start[1]) * step[1])


def carrier_of(bench: BenchSpec, offset: Point) -> Point:
    """Carrier that puts the image at `offset`, (y, x) cycles per SLM pixel; see `BenchSpec.image_offset`."""
    return (-offset[0] / field_width(bench), -offset[1] / field_width(bench))


def order_gain(bench: BenchSpec, offset: Point) -> float:
    """Amplitude of the image at `offset` relative to an ideal modulator's: by the data sheets.

    Fill factor, reflectivity, lens transmissions, the encoding's gain, and the envelope that the area of an
    SLM pixel puts on the camera plane, `sinc(side X / (lambda f1))` per axis.
    """
    side = math.sqrt(bench.slm.fill_factor) * bench.slm.pitch
    power = bench.slm.reflectivity * bench.lens1.transmission * bench.lens2.transmission
    gain = bench.slm.fill_factor * math.sqrt(power)
    if bench.slm.modulation != "complex":
        gain *= bench.encoding.gain
    for o in offset:
        z = math.pi * side * o / bench.scale
        gain *= math.sin(z) / z if z else 1.0
    return abs(gain)


def mask_share(taps: int) -> float:
    """Mean of `|M|^2` over its largest value, for the mask of a random complex kernel: an estimate, to 15 %.

    `|M|^2` at one frequency is exponentially distributed (a sum of many random phasors; Goodman, Speckle
    Phenomena in Optics, section 3.2); with about four independent values per tap the largest of them is
    `ln(4 taps^2) + 0.58` times the mean.
    """
    return 1.0 if taps == 1 else 1.0 / (math.log(4 * taps**2) + EULER)


def tile_share(bench: BenchSpec, taps: int, tiles: int) -> float:
    """Share of its light that a kernel keeps when `tiles` are shown as one sum: an estimate, to 25 %.

    The sum must not exceed 1 anywhere. Few masks can add up, `1 / tiles^2`; many add like random phasors,
    whose largest power over N lit pixels grows as `tiles mean |M|^2 ln N`.
    """
    if tiles == 1:
        return 1.0
    panel = [n * bench.slm.pitch for n in bench.slm.shape]
    stop = panel if bench.stop is None else bench.stop.width
    lit = math.prod(max(2.0, min(w, p) / bench.slm.pitch) for w, p in zip(stop, panel, strict=True))
    many = tiles * mask_share(taps) * max(1.0, math.log(lit) - 1.7)
    return min(1.0, math.hypot(1 / many, 1 / tiles**2))
