"""Rotation of a sampled plane by three shears, each a Fourier shift of lines: exact within the band, unitary.

Source: Unser, Thevenaz, Yaroslavsky, IEEE Trans. Image Processing 4, 1371 (1995).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.checks import OpticsError
from optics.conventions import cis


def _shear(plane: Tensor, slope: float, centre: float, *, along: int) -> Tensor:
    """Shift each line along axis `along` (-1: x, -2: y) by `slope` times its distance from `centre`, in samples."""
    n_along, n_other = plane.shape[along], plane.shape[-3 - along]
    line = torch.arange(n_other, dtype=torch.float64, device=plane.device) - centre
    frequency = torch.fft.fftfreq(n_along, dtype=torch.float64, device=plane.device)
    turns = frequency[None, :] * line[:, None] if along == -1 else line * frequency[:, None]
    ramp = cis(-2 * math.pi * slope * turns).to(plane.dtype)
    return torch.fft.ifft(torch.fft.fft(plane, dim=along) * ramp, dim=along)


def rotate(plane: Tensor, angle: float, *, centre: tuple[float, float] | None = None) -> Tensor:
    """Turn what a complex plane (..., y, x) shows by `angle` radians, from +x towards +y.

    Args:
        plane: complex samples.
        angle: radians; 0 returns the plane itself.
        centre: the point that stays, (y, x) in samples; the plane's origin `n // 2` when absent.

    Fourier interpolation: energy and gradients are kept; what leaves one edge comes in at the other. Same
        shape out.

    Raises:
        OpticsError: the plane is real.
    """
    if angle == 0.0:
        return plane
    if not plane.is_complex():
        raise OpticsError(f"rotate takes a complex plane, got {plane.dtype}; pass plane.to(torch.complex64).")
    cy, cx = centre or (plane.shape[-2] // 2, plane.shape[-1] // 2)
    # [x; y] -> R [x; y], R = [[c, -s], [s, c]] in (x, y): x-shear -tan(a/2), y-shear sin(a), x-shear
    # -tan(a/2)
    t, s = -math.tan(angle / 2), math.sin(angle)
    plane = _shear(plane, t, cy, along=-1)
    plane = _shear(plane, s, cx, along=-2)
    return _shear(plane, t, cy, along=-1)
