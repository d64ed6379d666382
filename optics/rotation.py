"""Rotation of a sampled plane by three shears, each a Fourier shift of rows or columns: exact within the band, unitary.

Source: Unser, Thevenaz, Yaroslavsky, IEEE Trans. Image Processing 4, 1371 (1995).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.conventions import cis, real_dtype


def _shear(plane: Tensor, slope: float, *, along: int) -> Tensor:
    """Shift each line along axis `along` (-1: x, -2: y) by `slope` times its coordinate on the other axis, samples."""
    n_along, n_other = plane.shape[along], plane.shape[-3 - along]
    line = torch.arange(n_other, dtype=torch.float64, device=plane.device) - n_other // 2
    frequency = torch.fft.fftfreq(n_along, dtype=torch.float64, device=plane.device)
    phase = -2 * math.pi * slope * (frequency[None, :] * line[:, None] if along == -1 else line * frequency[:, None])
    ramp = cis(phase).to(plane.dtype)
    return torch.fft.ifft(torch.fft.fft(plane, dim=along) * ramp, dim=along)


def rotate(plane: Tensor, angle: float) -> Tensor:
    """Turn what a complex plane (..., y, x) shows about its centre `n // 2` by `angle` radians, from +x towards +y.

    Fourier interpolation: energy and gradients are kept; what leaves one edge comes in at the other. Same shape out.
    """
    if angle == 0.0:
        return plane
    if not plane.is_complex():
        raise TypeError(f"rotate takes a complex plane, got {plane.dtype}; real_dtype is {real_dtype(plane.dtype)}")
    # [x; y] -> R [x; y], R = [[c, -s], [s, c]] in (x, y): x-shear -tan(a/2), y-shear sin(a), x-shear -tan(a/2)
    t, s = -math.tan(angle / 2), math.sin(angle)
    plane = _shear(plane, t, along=-1)
    plane = _shear(plane, s, along=-2)
    return _shear(plane, t, along=-1)
