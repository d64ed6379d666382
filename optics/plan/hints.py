"""What to know of a bench before it is simulated or built: light too weak for its converter, pixels nobody needs.

Each line says what was found, how much, and the key with the number that would do. Nothing is refused: a dim or a
slow bench is a bench.
"""

from __future__ import annotations

import math

from optics.bench import geometry
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec

FEW_COUNTS = 10.0  # of the converter, at full scale, below which rounding shapes the answers
MANY_COUNTS = 100.0  # what the advice comes to
TURN = 0.3  # radians between channels that add as fields: a twentieth of a wave
FINE = 2.0  # camera pixels to an input pixel and axis from which binning is worth a line


def hints(bench: BenchSpec) -> list[str]:
    """What is worth knowing of the bench's light and camera, a line each; empty where there is nothing."""
    return no_light(bench) + dim(bench) + unbinned(bench)


def no_light(bench: BenchSpec) -> list[str]:
    """A line where the bench names no light, so that the camera's noise has nothing to be compared with."""
    if bench.light.photons is not None:
        return []
    return [
        "light.photons is absent: photons and signal-to-noise are not known, and counts have no scale. Set the photons "
        "that one camera pixel receives at full scale."
    ]


def dim(bench: BenchSpec) -> list[str]:
    """A line where a full-scale binned pixel through a clear mask gives fewer than `FEW_COUNTS` converter steps."""
    photons, camera = bench.light.photons, bench.camera
    if photons is None or camera.adc.bits is None:
        return []
    counts = full_scale(bench, photons) * camera.quantum_efficiency / camera.gain
    if counts >= FEW_COUNTS:
        return []
    needed = photons * MANY_COUNTS / counts if counts > 0.0 else math.inf
    return [
        f"the brightest camera pixel gives {counts:.2g} counts (one count is {camera.gain:.3g} electrons): rounding by "
        f"the converter and read noise hide the image. Use light.photons of about {needed:.2g} (now {photons:g})."
    ]


def unbinned(bench: BenchSpec) -> list[str]:
    """A line where many camera pixels see one input pixel, which costs time and read noise and resolves nothing."""
    pixels = bench.input.pitch * bench.magnification / bench.camera.binned_pitch
    if pixels < FINE:
        return []
    binning = bench.camera.binning * math.floor(pixels)
    return [
        f"an input pixel covers {pixels:.3g} x {pixels:.3g} camera pixels: simulation takes about "
        f"{math.floor(pixels) ** 2} times as long as with camera.binning = {binning}, and read noise counts as often."
    ]


def colours(bench: BenchSpec, aside: int, channels: int) -> list[str]:
    """A line where channels side by side, `aside` input pixels apart, add as fields: how well a mask must stand.

    A mask that stands `d` aside turns light that it moves by `D` by `2 pi d D / (lambda f1)`.
    """
    if channels == 1:
        return []
    moved = aside * bench.input.pitch
    most = TURN * bench.scale / (2 * math.pi * moved)
    a, known = bench.alignment.mask_shift[1], bench.alignment_as_assumed.mask_shift[1]
    turn = 2 * math.pi * abs(a - known) * moved / bench.scale
    told = (
        ""
        if turn <= TURN
        else f" Here the mask stands {abs(a - known) * 1e6:.2g} um from where it is thought to, which turns them by "
        f"{turn:.2g} rad: put what `sclc calibrate` finds into assumed_alignment."
    )
    return [
        f"{channels} channels side by side add as fields, each {moved * 1e3:.3g} mm from the next: a mask must be "
        f"known to {most * 1e6:.2g} um along x, or it turns neighbours by more than {TURN:g} rad.{told}"
    ]


def full_scale(bench: BenchSpec, photons: float) -> float:
    """Photons on a binned camera pixel where image and mask are 1, from those on a sensor pixel of an ideal bench."""
    camera: CameraSpec = bench.camera
    return photons * camera.binning**2 * geometry.order_gain(bench, bench.image_offset) ** 2
