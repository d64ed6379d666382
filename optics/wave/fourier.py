"""Fourier transforms of centred planes: the unitary FFT pair, and transforms onto any window of any pitch.

`fft2c` gives the whole far plane at the pitch `scale / (n pitch)`, where `scale` is `lambda f`. The other
transforms give any window of it at any pitch: `matrix_fourier` by two matrix products, `chirp_z` by
Bluestein's convolution; `window_fourier` takes the cheaper one. All keep the project's field scale
(`abs(u)**2` is energy per sample), so a window that holds the whole far field holds all of its energy.
Without the `1/i` of a lens: see `optics.wave.propagation.lens_transform`.

Sources: Soummer, Pueyo, Sivaramakrishnan, Vanderbei, Optics Express 15, 15935 (2007); Bluestein, IEEE Trans.
Audio Electroacoustics 18, 451 (1970).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from optics.checks import ShapeError, SpecError, check_range
from optics.conventions import Point, axis, cis, complex_dtype
from optics.devices import doubles
from optics.numbers import plain

Pitch = float | Point

_PLANE = (-2, -1)


def as_pair(name: str, value: Pitch) -> Point:
    """A length for both axes, or (y, x) lengths, as (y, x); metres.

    Raises:
        SpecError: a length is zero, negative, not finite or longer than a metre.
    """
    pair = (float(value), float(value)) if isinstance(value, int | float) else tuple(float(v) for v in value)
    if len(pair) != 2:
        raise SpecError(f"{name} is {value}, expected one length or two (y, x), in metres.")
    for length in pair:
        check_range(name, length, 1e-12, 1.0, fix="Pass metres: 8 um is 8e-6.")
    return (pair[0], pair[1])


def check_plane(field: Tensor, *, name: str = "field") -> None:
    """Raise ShapeError unless `field` is floating point or complex, (..., ny, nx), and has samples."""
    if field.ndim < 2 or 0 in field.shape[-2:]:
        raise ShapeError(
            f"{name} has shape {tuple(field.shape)}, expected (..., ny, nx). Batch first, then y, then x."
        )
    if not (field.is_complex() or field.is_floating_point()):
        raise ShapeError(
            f"{name} has dtype {field.dtype}, expected floating point or complex. Call .float() first."
        )


def fft2c(field: Tensor) -> Tensor:
    """Centred unitary transform of (..., ny, nx), exponent sign -1; origin at `n // 2` on both sides."""
    check_plane(field)
    spectrum = torch.fft.fft2(torch.fft.ifftshift(field, dim=_PLANE), norm="ortho")
    return torch.fft.fftshift(spectrum, dim=_PLANE)


def ifft2c(field: Tensor) -> Tensor:
    """Inverse of `fft2c`: centred unitary transform of (..., ny, nx), sign +1 in the exponent."""
    check_plane(field)
    plane = torch.fft.ifft2(torch.fft.ifftshift(field, dim=_PLANE), norm="ortho")
    return torch.fft.fftshift(plane, dim=_PLANE)


def fast_length(n: int) -> int:
    """The smallest length >= n whose factors are 2, 3 and 5.

    Raises:
        ShapeError: n is less than one.
    """
    if n < 1:
        raise ShapeError(f"fast_length of {n}: a transform has at least one sample.")
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


def _cis_cycles(cycles: Tensor, sign: int) -> Tensor:
    """`exp(sign 2 pi i cycles)` with whole cycles removed first, so that large phases keep their digits."""
    return cis(sign * 2 * math.pi * (cycles - cycles.round()))


def dft_matrix(
    out: Tensor, inp: Tensor, *, scale: float, sign: int = -1, dtype: torch.dtype = torch.complex128
) -> Tensor:
    """`exp(sign 2 pi i out_j inp_k / scale)`, (n_out, n_in).

    Args:
        out: coordinates of the transform's samples, (n_out,) float64, metres.
        inp: coordinates of the plane's samples, (n_in,) float64, metres.
        scale: `lambda f`, square metres (1 if `out` are spatial frequencies, 1/m).
        sign: -1 forward, +1 inverse.
        dtype: complex dtype of the result; the phase is built in float64 and cast last.
    """
    _check_transform(scale, sign)
    cycles = out.double()[:, None] * inp.double()[None, :] / scale
    return _cis_cycles(cycles, sign).to(dtype)


def _check_transform(scale: float, sign: int) -> None:
    scale = plain(scale)
    if not (math.isfinite(scale) and scale > 0):
        raise SpecError(f"scale is {scale}, expected lambda f > 0, square metres.")
    if sign not in (-1, 1):
        raise SpecError(f"sign is {sign}, expected -1 (forward) or +1 (inverse).")


def _window(n: int, pitch: float, centre: float, device: torch.device) -> Tensor:
    return axis(n, pitch, device=device) + centre


def matrix_fourier(
    field: Tensor,
    *,
    pitch: Pitch,
    scale: float,
    out_pitch: Pitch,
    out_shape: tuple[int, int],
    out_centre: Point = (0.0, 0.0),
    sign: int = -1,
) -> Tensor:
    """Transform onto any window and pitch of the far plane, by one matrix product per axis.

    Args:
        field: (..., ny, nx), real or complex.
        pitch: of the field, metres; one number or (y, x).
        scale: `lambda f`, square metres.
        out_pitch: of the window, metres; one number or (y, x).
        out_shape: (my, mx) samples of the window.
        out_centre: (y, x) position of the window's sample `n // 2`, metres.
        sign: -1 forward, +1 inverse.

    Returns:
        (..., my, mx) complex of the field's precision: `sqrt(p q / scale)` per axis times the sum, so that
        energy per sample is kept; equals `fft2c` where the pitch is `scale / (n pitch)`.

    Raises:
        SpecError, ShapeError: lengths that are not positive, a field that is not a plane.
    """
    near, far = _check_window(field, pitch, scale, out_pitch, out_shape, sign)
    dtype, where = complex_dtype(field.dtype), doubles(field.device)
    matrices = [
        math.sqrt(near[k] * far[k] / scale)
        * dft_matrix(
            _window(out_shape[k], far[k], out_centre[k], where),
            axis(field.shape[-2 + k], near[k], device=where),
            scale=scale,
            sign=sign,
        )
        for k in (0, 1)
    ]
    along_y, along_x = (m.to(field.device, dtype) for m in matrices)
    u = field.to(dtype)
    # the product that shrinks the plane more goes first
    if out_shape[0] * field.shape[-1] <= out_shape[1] * field.shape[-2]:
        return (along_y @ u) @ along_x.mT
    return along_y @ (u @ along_x.mT)


def chirp_z(
    field: Tensor,
    *,
    pitch: Pitch,
    scale: float,
    out_pitch: Pitch,
    out_shape: tuple[int, int],
    out_centre: Point = (0.0, 0.0),
    sign: int = -1,
) -> Tensor:
    """The same transform as `matrix_fourier`, by Bluestein's chirp convolution: cheaper for large windows."""
    near, far = _check_window(field, pitch, scale, out_pitch, out_shape, sign)
    u = field.to(complex_dtype(field.dtype))
    for k in (1, 0):
        u = _chirp_axis(u, -2 + k, near[k], far[k], out_shape[k], out_centre[k], scale, sign)
    return u


def _chirp_axis(
    u: Tensor, dim: int, near: float, far: float, m: int, centre: float, scale: float, sign: int
) -> Tensor:
    n, device = u.shape[dim], doubles(u.device)
    size = fast_length(n + m - 1)
    rate = near * far / scale
    j = torch.arange(m, dtype=torch.float64, device=device) - m // 2
    k = torch.arange(n, dtype=torch.float64, device=device) - n // 2
    # centre k near / scale + j k rate, and j k = (j^2 + k^2 - (j - k)^2) / 2
    before = _cis_cycles(centre * near / scale * k + rate * k * k / 2, sign)
    after = math.sqrt(rate) * _cis_cycles(rate * j * j / 2, sign)
    lag = torch.arange(n + m - 1, dtype=torch.float64, device=device) - (n - 1 - n // 2) - m // 2
    kernel = torch.fft.fft(_cis_cycles(rate * lag * lag / 2, -sign), n=size)
    column = (-1, 1) if dim == -2 else (-1,)
    before, after, kernel = (t.to(u.device, u.dtype).reshape(column) for t in (before, after, kernel))
    spectrum = torch.fft.fft(u * before, n=size, dim=dim) * kernel
    return torch.fft.ifft(spectrum, dim=dim).narrow(dim, n - 1, m) * after


def cheaper_transform(in_shape: tuple[int, int], out_shape: tuple[int, int]) -> Literal["matrix", "chirp"]:
    """Which of `matrix_fourier` and `chirp_z` costs less for one plane, from counts of their operations.

    A matrix product does about ten times more operations per second than a transform (measured, complex64).
    """
    (ny, nx), (my, mx) = in_shape, out_shape
    matrix = 8.0 * min(my * ny * nx + my * nx * mx, ny * nx * mx + ny * my * mx)
    long_x, long_y = fast_length(nx + mx - 1), fast_length(ny + my - 1)
    chirp = 2 * 5.0 * (ny * long_x * math.log2(long_x + 1) + mx * long_y * math.log2(long_y + 1))
    return "matrix" if matrix <= 10.0 * chirp else "chirp"


def window_fourier(
    field: Tensor,
    *,
    pitch: Pitch,
    scale: float,
    out_pitch: Pitch,
    out_shape: tuple[int, int],
    out_centre: Point = (0.0, 0.0),
    sign: int = -1,
) -> Tensor:
    """`matrix_fourier` or `chirp_z`, whichever costs less (see `cheaper_transform`); arguments as there."""
    check_plane(field)
    method = cheaper_transform((field.shape[-2], field.shape[-1]), out_shape)
    transform = matrix_fourier if method == "matrix" else chirp_z
    return transform(
        field,
        pitch=pitch,
        scale=scale,
        out_pitch=out_pitch,
        out_shape=out_shape,
        out_centre=out_centre,
        sign=sign,
    )


def _check_window(
    field: Tensor, pitch: Pitch, scale: float, out_pitch: Pitch, out_shape: tuple[int, int], sign: int
) -> tuple[Point, Point]:
    check_plane(field)
    _check_transform(scale, sign)
    if len(out_shape) != 2 or min(out_shape) < 1:
        raise ShapeError(
            f"out_shape is {tuple(out_shape)}, expected two counts of samples (y, x), each at least 1."
        )
    return as_pair("pitch", pitch), as_pair("out_pitch", out_pitch)
