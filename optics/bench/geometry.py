"""Kernels side by side in one camera frame: where their images can stand, and what that costs in light.

One panel can show the sum of several masks, each tilted by a carrier of its own: their images then stand
side by side on the camera. A place is free where the image lies within the panel's unaliased field, on the
sensor, inside lens 2's beam, away from the un-modulated zero order, and where no neighbour's kernel spills
into it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import Point

GUARD = 2  # input pixels left dark between two images, for the tails of real point-spread functions
FEW = (
    4  # kernels side by side that a phase-only panel shows about as well as one; eight err by a third or more
)
ROUNDING = 1e-9  # relative: lengths this close are the same
EULER = 0.5772
MOST_ASIDE = 32  # tiles on either side of the axis that are looked at: more than any panel has light for
EXTREME = 1.7  # fitted: how far the logarithm of the largest of N correlated powers stays behind ln N


def field_width(bench: BenchSpec) -> float:
    """Width of the unaliased output field of the panel, `lambda f1 / slm pitch`, metres in input units."""
    return bench.scale / bench.slm.pitch


def camera_pixel(bench: BenchSpec) -> float:
    """Side of a binned camera pixel in input units, metres, by the alignment that is assumed."""
    return bench.camera.binned_pitch / bench.magnification / bench.alignment_as_assumed.magnification


def image_edges(bench: BenchSpec, pixels: int, offset: float) -> tuple[float, float]:
    """Where an image of `pixels` input pixels begins and ends along an axis, its origin at `offset`; metres."""
    low = offset - (pixels // 2 + 0.5) * bench.input.pitch
    return low, low + pixels * bench.input.pitch


def sensor_edges(bench: BenchSpec, k: int) -> tuple[float, float]:
    """Where the binned sensor begins and ends along axis k, input units, metres.

    The sensor pixel `n // 2` stands on the axis whatever the binning: binning reads a camera, it does not move it. By
    the alignment that is assumed, see `BenchSpec.looked_at`.
    """
    n, pixel, assumed = (
        bench.camera.shape[k] // bench.camera.binning,
        camera_pixel(bench),
        bench.alignment_as_assumed,
    )
    edge = -(bench.camera.shape[k] // 2 + 0.5) * bench.camera.pitch + assumed.camera_shift[k]
    low = edge / bench.magnification / assumed.magnification
    return low, low + n * pixel


def camera_pixels(bench: BenchSpec, k: int) -> Tensor:
    """Assumed centres of the binned camera pixels along axis k, input units, metres; (n,) float64."""
    n = bench.camera.shape[k] // bench.camera.binning
    return (torch.arange(n, dtype=torch.float64) + 0.5) * camera_pixel(bench) + sensor_edges(bench, k)[0]


def spacing(bench: BenchSpec, image_shape: tuple[int, int], taps: int) -> Point:
    """Least distance between two tiles, (y, x) metres in input units: no kernel spills into the neighbour.

    Whole binned camera pixels, so that each tile is seen by as many pixels, at the same places within it.
    """
    pixel = camera_pixel(bench)
    y, x = (
        math.ceil((n + taps // 2 + GUARD) * bench.input.pitch / pixel - ROUNDING) * pixel for n in image_shape
    )
    return (y, x)


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


def on_sensor(bench: BenchSpec, pixels: int, offset: float, k: int) -> bool:
    """Whether an image of `pixels` input pixels whose origin is at `offset` lies on the sensor along axis k."""
    (low, high), (first, last) = image_edges(bench, pixels, offset), sensor_edges(bench, k)
    slack = ROUNDING * camera_pixel(bench)
    return low >= first - slack and high <= last + slack


def vignetting(
    bench: BenchSpec, image_shape: tuple[int, int], offset: Point
) -> Iterator[tuple[str, float, float]]:
    """Each lens that does not pass the whole beam of an image at `offset`: its name, its diameter, the one needed."""
    needed = lens_needed(bench, image_shape, offset)
    for name, lens, diameter in zip(("lens1", "lens2"), (bench.lens1, bench.lens2), needed, strict=True):
        if lens.diameter is not None and diameter > lens.diameter:
            yield name, lens.diameter, diameter


def is_free(bench: BenchSpec, image_shape: tuple[int, int], taps: int, offset: Point) -> bool:
    """Whether an image centred at `offset`, (y, x) metres in input units, can be read there."""
    pitch = bench.input.pitch
    for k in (0, 1):
        half = image_shape[k] * pitch / 2
        if abs(offset[k]) + half + (taps // 2) * pitch > field_width(bench) / 2:
            return False
        if not on_sensor(bench, image_shape[k], offset[k], k):
            return False
    if any(name == "lens2" for name, _, _ in vignetting(bench, image_shape, offset)):
        return False
    return clears_zero_order(bench, image_shape, offset)


def clears_zero_order(bench: BenchSpec, image_shape: tuple[int, int], offset: Point) -> bool:
    """Whether an image at `offset` lies beside the un-modulated one on the axis; true if complex."""
    if bench.slm.modulation == "complex":
        return True
    return any(abs(offset[k]) >= (image_shape[k] + GUARD) * bench.input.pitch * (1 - 1e-9) for k in (0, 1))


def positions(bench: BenchSpec, image_shape: tuple[int, int], taps: int) -> tuple[Point, ...]:
    """Centres of as many tiles as one frame holds, (y, x) metres in input units, nearest to the bench's carrier first.

    There the tiles' higher diffraction orders, which meet around the axis, disturb them least. A square lattice, on the
    axis or half a step beside it along either axis: the one that holds most. The encodings arrizon, interferogram and
    lee make a mirrored twin of every image: they may use the half of the plane that the bench's carrier points to.
    None where the light is not coherent and of one wavelength.
    """
    if not bench.light.simple:
        return ()
    step, (y, x) = spacing(bench, image_shape, taps), bench.image_offset
    best: tuple[Point, ...] = ()
    for start in ((0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5)):
        found = [p for p in _lattice(bench, step, start) if is_free(bench, image_shape, taps, p)]
        if bench.slm.modulation != "complex" and bench.encoding.twin:
            upper = (y, x) > (0.0, 0.0)
            found = [p for p in found if p != (0.0, 0.0) and (p > (0.0, 0.0)) == upper]
        if len(found) > len(best):
            best = tuple(sorted(found, key=lambda p: (math.hypot(p[0] - y, p[1] - x), p)))
    return best


def most_tiles(kernels: int, places: int) -> int:
    """How many of `kernels` share a frame with `places` for them: the most with which every frame is full."""
    return max(n for n in range(1, max(1, min(kernels, places)) + 1) if kernels % n == 0)


def tile_positions(
    bench: BenchSpec, image_shape: tuple[int, int], taps: int, *, kernels: int, tiles: int | None = None
) -> tuple[Point, ...]:
    """Where the tiles of one frame stand, (y, x) metres in input units: the rule of the planner and of the tiled way.

    Args:
        bench: the bench.
        image_shape: (H, W) input pixels that the display shows at once.
        taps: per side of a kernel.
        kernels: how many there are; a frame's tiles divide them.
        tiles: how many stand side by side; None: as many as fit, but no more than `FEW`. One stands where the bench's
            carrier puts it.

    Raises:
        SpecError: so many do not fit, or do not fill their frames.
    """
    places = positions(bench, image_shape, taps)
    tiles = most_tiles(kernels, min(FEW, len(places))) if tiles is None else tiles
    if not isinstance(tiles, int) or tiles < 1:
        raise SpecError(f"tiles is {tiles}; expected how many kernels share a frame, 1 or more.")
    if tiles > max(1, len(places)):
        raise SpecError(
            f"{tiles} kernels side by side on bench {bench.name!r}: one frame has room for {len(places)}; use "
            f"{most_tiles(kernels, len(places))}."
        )
    if kernels % tiles:
        raise SpecError(
            f"{tiles} kernels side by side do not fill the frames of {kernels}; use a number that divides {kernels}, "
            f"such as {most_tiles(kernels, tiles)}."
        )
    return places[:tiles] if tiles > 1 else (bench.image_offset,)


def _lattice(bench: BenchSpec, step: Point, start: Point) -> Iterator[Point]:
    reach = [min(MOST_ASIDE, math.ceil(field_width(bench) / 2 / s) + 1) for s in step]
    for i in range(-reach[0], reach[0] + 1):
        for j in range(-reach[1], reach[1] + 1):
            yield ((i + start[0]) * step[0], (j + start[1]) * step[1])


def carrier_of(bench: BenchSpec, offset: Point) -> Point:
    """Carrier that puts the image at `offset`, (y, x) cycles per SLM pixel; see `BenchSpec.image_offset`."""
    return (-offset[0] / field_width(bench), -offset[1] / field_width(bench))


def side_by_side(image_shape: tuple[int, int], channels: int, gap: int) -> tuple[int, int]:
    """(H, W) of so many channels of (H, W) pixels beside each other along x, `gap` dark pixels between neighbours."""
    height, width = image_shape
    return (height, channels * width + (channels - 1) * gap)


def order_gain(bench: BenchSpec, offset: Point) -> float:
    """Amplitude of the image at `offset` relative to an ideal modulator's: by the data sheets.

    Fill factor, reflectivity, zero order, beam splitter, lens transmissions, the encoding's gain, and the envelope
    that the area of an SLM pixel puts on the camera plane, `sinc(side X / (lambda f1))` per axis.
    """
    side = math.sqrt(bench.slm.fill_factor) * bench.slm.pitch
    gain = bench.slm.signal_amplitude * math.sqrt(bench.lens1.transmission * bench.lens2.transmission)
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
    whose largest power over N illuminated pixels grows as `tiles mean |M|^2 (ln N - 1.7)`.
    """
    if tiles == 1:
        return 1.0
    panel = [n * bench.slm.pitch for n in bench.slm.shape]
    stop = panel if bench.stop is None else bench.stop.width
    pixels = math.prod(max(2.0, min(w, p) / bench.slm.pitch) for w, p in zip(stop, panel, strict=True))
    many = tiles * mask_share(taps) * max(1.0, math.log(pixels) - EXTREME)
    return min(1.0, math.hypot(1 / many, 1 / tiles**2))
