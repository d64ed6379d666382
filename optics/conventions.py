"""The conventions every module of this project follows, and the few helpers that hold them.

Units
    SI everywhere: metres, radians, seconds, photons, electrons. `nm`, `um`, `mm` are constants to multiply with.
Axes
    Tensors are `(..., y, x)`, sizes and points are `(y, x)`; batch first, then channel: `(batch, channel, y, x)`.
Centring
    A plane's origin is at index `n // 2` of each axis, for odd `n` too; coordinates are
    `(arange(n) - n // 2) * pitch`. Stored masks, fields and point-spread functions are centred.
    Un-centred spectra live only inside a function.
Time and phase
    `exp(-i omega t)`: propagation over `z > 0` adds phase `+k z`; a positive lens multiplies by
    `exp(-i pi (x^2 + y^2) / (wavelength f))`; a positive SLM phase is a retardation, `exp(+i phase)`.
Field scale
    `abs(u)**2` is energy per sample (photons per exposure, once a light budget is set); energy is
    `sum(abs(u)**2)`, pitch does not enter, every lossless element conserves it.
2f transform
    `U(xf) = 1/(i lambda f) * integral u(x) exp(-i 2 pi x xf / (lambda f)) dx`; the far pitch is
    `lambda f / (n pitch)`; on samples a unitary (`norm="ortho"`) transform times `1/i`.
4f output
    Two forward transforms invert the image. The camera plane's axes are reported flipped (and scaled by
    `f2 / f1`), so that an empty 4f system returns the input upright, and a mask `H` acts as a
    *convolution* with its point-spread function `h`.
SLM levels
    `b` bits give levels `0 .. 2**b - 1`; the nominal phase of level `k` is `2 pi k / 2**b`.
PyTorch convolution
    `torch.nn.functional.conv2d` is a correlation. Kernels in this package are convolution kernels;
    `to_correlation` is the one place that flips them.
dtype
    complex64 / float32 by default, complex128 / float64 follow the input; nothing casts silently. Large
    phases are built in float64 and cast last.
Randomness
    Every random draw takes a `torch.Generator`; no generator means the noiseless mean. No global seed is set or read.
"""

from __future__ import annotations

import torch
from torch import Tensor

nm = 1e-9
um = 1e-6
mm = 1e-3

Point = tuple[float, float]
"""A position, size or carrier in a plane, (y, x)."""


def axis(n: int, pitch: float, *, device: torch.device | str | None = None) -> Tensor:
    """Coordinates of `n` samples `pitch` metres apart, origin at index `n // 2`; (n,) float64, metres."""
    return (torch.arange(n, dtype=torch.float64, device=device) - n // 2) * pitch


def to_correlation(kernel: Tensor) -> Tensor:
    """Flip convolution kernels (..., y, x) into the correlation weights `conv2d` takes."""
    return torch.flip(kernel, (-2, -1))


def real_dtype(dtype: torch.dtype) -> torch.dtype:
    """The real dtype of the same precision: complex64 -> float32; a real dtype is returned as it is."""
    return {torch.complex64: torch.float32, torch.complex128: torch.float64}.get(dtype, dtype)


def complex_dtype(dtype: torch.dtype) -> torch.dtype:
    """The complex dtype of the same precision: float32 -> complex64; a complex dtype is returned as it is."""
    return {torch.float32: torch.complex64, torch.float64: torch.complex128}.get(dtype, dtype)


def cis(phase: Tensor) -> Tensor:
    """`exp(+i phase)` from cosine and sine (a complex `exp` costs more); complex of `phase`'s precision."""
    return torch.complex(torch.cos(phase), torch.sin(phase))


def abs2(field: Tensor) -> Tensor:
    """`re^2 + im^2` of a complex field; real, same shape. A real input is squared."""
    if not field.is_complex():
        return field * field
    return field.real * field.real + field.imag * field.imag
