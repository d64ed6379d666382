"""Sampling limits of fields, lenses and free space, and checks whose messages say what would satisfy them.

A sampled field of pitch p holds spatial frequencies up to `1 / (2 p)`: angles up to `sin = lambda / (2 p)`.
Over a distance z the steepest of them moves sideways by its *reach*, `z tan`. A transform is periodic, so
what is moved past the window's edge comes in at the other side, and the transfer function of free space is
itself sampled finely enough only while the reach is at most half of the (padded) window. Both limits are the
same geometry seen from two sides: Matsushima & Shimobaba, Optics Express 17, 19662 (2009); Voelz & Roggemann,
Applied Optics 48, 6132 (2009).
"""

from __future__ import annotations

import math

from optics.checks import SamplingError, ShapeError, SpecError, check_range
from optics.conventions import Point
from optics.wave.fourier import Pitch, as_pair, fast_length

LARGEST_PADDING = 4.0
"""How many times longer than the field, per axis, a padded window may be before a check refuses it."""


def check_wavelength(wavelength: float) -> None:
    """Raise SpecError unless the wavelength is one of light, 10 nm to 1 mm."""
    check_range("wavelength", wavelength, 1e-8, 1e-3, fix="Pass metres: 532 nm is 532e-9.")


def check_distance(distance: float) -> None:
    """Raise SpecError unless the distance is finite; it may be negative (back towards the source)."""
    if not math.isfinite(distance):
        raise SpecError(
            f"distance is {distance}, expected metres along the axis, finite; negative goes back."
        )


def check_samples(shape: tuple[int, int]) -> None:
    """Raise ShapeError unless `shape` is (ny, nx) with at least one sample each."""
    if len(shape) != 2 or min(shape) < 1:
        raise ShapeError(f"shape is {tuple(shape)}, expected two counts of samples (y, x), each at least 1.")


def steepest_sine(wavelength: float, pitch: float) -> float:
    """Sine of the steepest angle that samples `pitch` metres apart can hold; at most 1."""
    return min(1.0, wavelength / (2 * pitch))


def reach(distance: float, *, wavelength: float, pitch: Pitch, paraxial: bool = False) -> Point:
    """How far sideways the steepest sampled angle travels over `distance`, (y, x) metres.

    Infinite at 90 degrees.
    """
    sines = [steepest_sine(wavelength, p) for p in as_pair("pitch", pitch)]
    if paraxial:
        y, x = (abs(distance) * s for s in sines)
    else:
        y, x = (abs(distance) * s / math.sqrt(1 - s * s) if s < 1 else math.inf for s in sines)
    return (y, x) if distance else (0.0, 0.0)


def longest_distance(size: float, *, wavelength: float, pitch: float) -> float:
    """Distance over which the reach of samples of this pitch is `size` metres."""
    s = steepest_sine(wavelength, pitch)
    return size * math.sqrt(1 - s * s) / s


def padded_shape(
    shape: tuple[int, int],
    *,
    wavelength: float,
    pitch: Pitch,
    distance: float,
    paraxial: bool = False,
    band_limited: bool = False,
) -> tuple[int, int]:
    """Samples of the window on which free space is neither wrapped around nor aliased.

    Field plus reach, and at least twice the reach, rounded up to lengths that transform fast. `band_limited`:
    the frequencies that reach further than the field's own size are dropped, so that twice the field is
    enough.

    Raises:
        SamplingError: more than `LARGEST_PADDING` times the field's own samples would be needed along an
            axis.
    """
    check_samples(shape)
    pair = as_pair("pitch", pitch)
    moved = reach(distance, wavelength=wavelength, pitch=pair, paraxial=paraxial)
    window = []
    for k, name in enumerate("yx"):
        size = shape[k] * pair[k]
        far = min(moved[k], size) if band_limited else moved[k]
        needed = max(size + far, 2 * far) / pair[k]
        if needed > LARGEST_PADDING * shape[k]:
            most = longest_distance(LARGEST_PADDING * size / 2, wavelength=wavelength, pitch=pair[k])
            raise SamplingError(
                f"over {distance:.4g} m the steepest angle of a pitch of {pair[k]:.4g} m moves {far:.4g} m "
                f"along {name}, so the transfer function needs a window of {needed:.4g} samples, more than "
                f"{LARGEST_PADDING:g} times the field's {shape[k]}. Use a distance of at most {most:.4g} m, "
                f"pad the field to {math.ceil(needed / LARGEST_PADDING)} samples, or use propagate, which chooses "
                "(band_limited_angular_spectrum, fresnel_transform)."
            )
        window.append(fast_length(math.ceil(needed - 1e-9)))
    return (window[0], window[1])


def fresnel_distance(shape: tuple[int, int], *, wavelength: float, pitch: Pitch) -> Point:
    """`n p^2 / lambda`, (y, x) metres: the shortest distance whose quadratic phase is well sampled."""
    check_samples(shape)
    py, px = as_pair("pitch", pitch)
    return (shape[0] * py * py / wavelength, shape[1] * px * px / wavelength)


def check_fresnel_transform(
    shape: tuple[int, int], *, wavelength: float, pitch: Pitch, distance: float
) -> None:
    """Raise SamplingError unless `exp(i pi x^2 / (lambda z))` turns by at most pi per sample.

    The limit is `|z| >= n p^2 / lambda` (Voelz & Roggemann 2009, section 3).
    """
    pair = as_pair("pitch", pitch)
    for k, limit in enumerate(fresnel_distance(shape, wavelength=wavelength, pitch=pitch)):
        if abs(distance) < limit * (1 - 1e-9):
            finest = math.sqrt(wavelength * abs(distance) / shape[k])
            raise SamplingError(
                f"the single-transform Fresnel phase is under-sampled along {'yx'[k]}: the distance is "
                f"{abs(distance):.4g} m, its limit n p^2 / lambda is {limit:.4g} m. Use a distance of at "
                f"least {limit:.4g} m, a pitch of at most {finest:.4g} m (now {pair[k]:.4g}) with as many "
                "samples, or angular_spectrum, which has no such limit."
            )


def paraxial_error(shape: tuple[int, int], *, pitch: Pitch, wavelength: float, distance: float) -> float:
    """Largest phase error of the Fresnel approximation between two points of the window, radians.

    `k rho^4 / (8 z^3)` with rho the window's diagonal (Goodman, 3rd ed., section 4.2.2).
    """
    py, px = as_pair("pitch", pitch)
    rho2 = (shape[0] * py) ** 2 + (shape[1] * px) ** 2
    return 2 * math.pi / wavelength * rho2 * rho2 / (8 * abs(distance) ** 3)


def check_far_window(
    *,
    wavelength_distance: float,
    pitch: Pitch,
    out_pitch: Pitch,
    out_shape: tuple[int, int],
    out_centre: Point,
) -> None:
    """Raise SamplingError unless a far window lies within `lambda z / (2 p)` of the axis.

    Args:
        wavelength_distance: `lambda z` (`lambda f` behind a lens), square metres.
        pitch: of the near field, metres.
        out_pitch: of the window, metres.
        out_shape: (my, mx) samples of the window.
        out_centre: (y, x) metres.
    """
    near, far = as_pair("pitch", pitch), as_pair("out_pitch", out_pitch)
    check_samples(out_shape)
    for k, name in enumerate("yx"):
        below = out_shape[k] // 2
        ends = (out_centre[k] - below * far[k], out_centre[k] + (out_shape[k] - 1 - below) * far[k])
        edge = max(abs(end) for end in ends)
        limit = wavelength_distance / (2 * near[k])
        if edge > limit * (1 + 1e-9):
            raise SamplingError(
                f"along {name} the window ends {edge:.4g} m from the axis, but samples {near[k]:.4g} m apart "
                f"give a far field only out to lambda z / (2 p) = {limit:.4g} m; beyond, it repeats. Use a "
                f"near pitch of at most {wavelength_distance / (2 * edge):.4g} m or a window that ends by "
                f"{limit:.4g} m."
            )


def check_lens_sampling(
    shape: tuple[int, int],
    *,
    wavelength: float,
    pitch: Pitch,
    focal_length: float,
    diameter: float | None,
    centre: Point = (0.0, 0.0),
) -> None:
    """Raise SamplingError unless the lens's phase changes by at most pi per sample out to its rim.

    The phase's frequency at a distance r from the lens's centre is `r / (lambda f)`; it must not exceed
    `1 / (2 pitch)` (Voelz, Computational Fourier Optics, section 6.4). Where the window ends before the stop, r goes
    to the window's edge.
    """
    check_wavelength(wavelength)
    check_samples(shape)
    pair = as_pair("pitch", pitch)
    for k, name in enumerate("yx"):
        window = shape[k] * pair[k] + 2 * abs(centre[k])
        width = window if diameter is None else min(diameter, window)
        limit = wavelength * abs(focal_length) / pair[k]
        if width > limit * (1 + 1e-9):
            raise SamplingError(
                f"along {name} the lens (f = {focal_length:.4g} m) is {width:.4g} m wide, but its phase is "
                f"sampled only out to {limit:.4g} m. Use a pitch of at most {limit * pair[k] / width:.4g} m "
                f"(now {pair[k]:.4g}), a focal length of at least {width * pair[k] / wavelength:.4g} m, or a "
                f"diameter of at most {limit:.4g} m."
            )


def check_carrier(period: float, *, pitch: float, name: str = "period") -> None:
    """Raise SamplingError unless a grating's period covers at least two samples."""
    if not math.isfinite(period) or period == 0:
        raise SpecError(
            f"{name} is {period}, expected a length in metres, not 0; negative mirrors the blaze."
        )
    if abs(period) < 2 * pitch * (1 - 1e-9):
        raise SamplingError(
            f"{name} is {abs(period):.4g} m, less than two samples of {pitch:.4g} m, so it would appear as a "
            f"coarser grating. Use a period of at least {2 * pitch:.4g} m or a pitch of at most "
            f"{abs(period) / 2:.4g} m."
        )
