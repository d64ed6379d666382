"""Propagation by one transform: Fresnel over a long distance, and the 2f lens.

Paraxial, as the thin lens is. Fields are (..., ny, nx), energy per sample is kept, lengths are metres, and
phases are built in float64 and cast last.

Sources: Goodman, Introduction to Fourier Optics, 3rd ed., equations 4-17 (Fresnel) and 5-19 (lens); sampling:
Voelz & Roggemann, Applied Optics 48, 6132 (2009).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.checks import SpecError
from optics.conventions import Point, axis, cis, complex_dtype
from optics.wave.fourier import Pitch, as_pair, check_plane, fft2c, window_fourier
from optics.wave.sampling import check_distance, check_far_window, check_fresnel_transform, check_wavelength


def fresnel_pitch(shape: tuple[int, int], *, wavelength: float, pitch: Pitch, distance: float) -> Point:
    """`lambda z / (n p)`, (y, x) metres: pitch of `fresnel_transform`.

    With f for z, that of `lens_transform`.
    """
    py, px = as_pair("pitch", pitch)
    scale = wavelength * abs(distance)
    return (scale / (shape[0] * py), scale / (shape[1] * px))


def fresnel_transform(
    field: Tensor,
    *,
    wavelength: float,
    pitch: Pitch,
    distance: float,
    out_pitch: Pitch | None = None,
    out_shape: tuple[int, int] | None = None,
    out_centre: Point = (0.0, 0.0),
) -> Tensor:
    """Paraxial propagation by one transform; for long distances, onto any window. Keeps no periodic edges.

    The intensity is right at any `out_pitch`; the *phase* of the result turns by more than pi per sample
    where `out_pitch * x > lambda z / 2`, so choose a finer pitch before carrying it on.

    Args:
        field: (..., ny, nx), real or complex.
        wavelength: metres.
        pitch: of the field, metres.
        distance: metres, not 0.
        out_pitch: of the result, metres; absent: `fresnel_pitch`.
        out_shape: (my, mx) samples of the result; absent: the field's shape.
        out_centre: (y, x) of the result's sample `n // 2`, metres.

    Raises:
        SamplingError: the distance is shorter than `n p^2 / lambda`, or the window wider than the far field.
    """
    shape = check_field(field, wavelength, distance)
    check_fresnel_transform(shape, wavelength=wavelength, pitch=pitch, distance=distance)
    near = as_pair("pitch", pitch)
    default = fresnel_pitch(shape, wavelength=wavelength, pitch=near, distance=distance)
    far = default if out_pitch is None else as_pair("out_pitch", out_pitch)
    out_shape = out_shape or shape
    scale = wavelength * abs(distance)
    check_far_window(
        wavelength_distance=scale, pitch=near, out_pitch=far, out_shape=out_shape, out_centre=out_centre
    )
    dtype = complex_dtype(field.dtype)
    before = _quadratic(shape, near, (0.0, 0.0), wavelength * distance)
    after = _quadratic(out_shape, far, out_centre, wavelength * distance)
    phasor = cis(torch.tensor(2 * math.pi * math.fmod(distance / wavelength, 1.0), dtype=torch.float64))
    after = after * phasor * (-1j if distance > 0 else 1j)
    out = window_fourier(
        field * before.to(device=field.device, dtype=dtype),
        pitch=near,
        scale=scale,
        out_pitch=far,
        out_shape=out_shape,
        out_centre=out_centre,
        sign=-1 if distance > 0 else 1,
    )
    return out * after.to(device=field.device, dtype=dtype)


def _quadratic(shape: tuple[int, int], pitch: Point, centre: Point, scale: float) -> Tensor:
    """`exp(i pi r^2 / scale)`, (ny, nx) complex128."""
    y, x = (cis(math.pi / scale * (axis(shape[k], pitch[k]) + centre[k]) ** 2) for k in (0, 1))
    return y[:, None] * x[None, :]


def lens_transform(
    field: Tensor,
    *,
    wavelength: float,
    pitch: Pitch,
    focal_length: float,
    out_pitch: Pitch | None = None,
    out_shape: tuple[int, int] | None = None,
    out_centre: Point = (0.0, 0.0),
) -> Tensor:
    """From the front to the back focal plane of a lens: a unitary Fourier transform times `1/i`.

    Args:
        field: (..., ny, nx), real or complex, in the front focal plane.
        wavelength: metres.
        pitch: of the field, metres.
        focal_length: metres, positive.
        out_pitch: of the result, metres; absent: `lambda f / (n pitch)` (`fresnel_pitch`), one FFT.
        out_shape: (my, mx) samples of the result; absent: the field's shape.
        out_centre: (y, x) of the result's sample `n // 2`, metres.

    Returns:
        (..., my, mx) complex of the field's precision. The constant phase `exp(2 i k f)` is left out.

    Raises:
        SamplingError: the window is wider than the far field of this pitch.
        SpecError: a focal length or wavelength that is not positive.
    """
    shape = check_field(field, wavelength, focal_length)
    if focal_length <= 0:
        raise SpecError(
            f"focal_length is {focal_length}, expected metres > 0: only a positive lens transforms."
        )
    near = as_pair("pitch", pitch)
    if out_pitch is None and out_shape is None and out_centre == (0.0, 0.0):
        return -1j * fft2c(field)
    default = fresnel_pitch(shape, wavelength=wavelength, pitch=near, distance=focal_length)
    far = default if out_pitch is None else as_pair("out_pitch", out_pitch)
    scale = wavelength * focal_length
    check_far_window(
        wavelength_distance=scale,
        pitch=near,
        out_pitch=far,
        out_shape=out_shape or shape,
        out_centre=out_centre,
    )
    return -1j * window_fourier(
        field, pitch=near, scale=scale, out_pitch=far, out_shape=out_shape or shape, out_centre=out_centre
    )


def check_field(field: Tensor, wavelength: float, distance: float) -> tuple[int, int]:
    """Raise unless `field` is a plane, the wavelength one of light and the distance finite.

    Returns (ny, nx).
    """
    check_plane(field)
    check_wavelength(wavelength)
    check_distance(distance)
    return (field.shape[-2], field.shape[-1])
