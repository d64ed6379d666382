"""Rotation of a sampled plane by three shears, each a Fourier shift of lines: exact within the band, unitary.

Source: Unser, Thevenaz, Yaroslavsky, IEEE Trans. Image Processing 4, 1371 (1995).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from optics.checks import OpticsError, check_range, check_shape
from optics.conventions import cis


def _ramp(shape: tuple[int, int], slope: float, centre: float, *, along: int) -> Tensor:
    """What shifts each line along axis `along` (-1: x, -2: y) by `slope` times its distance from `centre`, samples.

    (ny, nx) complex128, a factor of the lines' spectra.
    """
    n_along, n_other = shape[along], shape[-3 - along]
    line = torch.arange(n_other, dtype=torch.float64) - centre
    frequency = torch.fft.fftfreq(n_along, dtype=torch.float64)
    turns = frequency[None, :] * line[:, None] if along == -1 else line * frequency[:, None]
    return cis(-2 * math.pi * slope * turns)


def _ramps(shape: tuple[int, int], angle: float, centre: tuple[float, float] | None) -> tuple[Tensor, Tensor]:
    """Ramps of the x-shear and of the y-shear of a rotation by `angle`; the x-shear comes first and last."""
    check_range("angle", angle, -math.pi / 2, math.pi / 2, fix="Pass radians.")
    cy, cx = centre or (shape[0] // 2, shape[1] // 2)
    # [x; y] -> R [x; y], R = [[c, -s], [s, c]] in (x, y): x-shear -tan(a/2), y-shear sin(a), x-shear
    # -tan(a/2)
    return (
        _ramp(shape, -math.tan(angle / 2), cy, along=-1),
        _ramp(shape, math.sin(angle), cx, along=-2),
    )


def _turn(plane: Tensor, along_x: Tensor, along_y: Tensor) -> Tensor:
    for dim, ramp in ((-1, along_x), (-2, along_y), (-1, along_x)):
        plane = torch.fft.ifft(torch.fft.fft(plane, dim=dim) * ramp, dim=dim)
    return plane


def rotate(plane: Tensor, angle: float, *, centre: tuple[float, float] | None = None) -> Tensor:
    """Turn what a complex plane (..., y, x) shows by `angle` radians, from +x towards +y.

    Args:
        plane: complex samples.
        angle: radians; 0 returns the plane itself.
        centre: the point that stays, (y, x) in samples; the plane's origin `n // 2` when absent.

    Fourier interpolation: energy and gradients are kept; what leaves one edge comes in at the other. Same
        shape out.

    Raises:
        OpticsError: the plane is real, or the angle beyond a right one.
    """
    if angle == 0.0:
        return plane
    if not plane.is_complex():
        raise OpticsError(f"rotate takes a complex plane, got {plane.dtype}; pass plane.to(torch.complex64).")
    along_x, along_y = (
        r.to(device=plane.device, dtype=plane.dtype)
        for r in _ramps((plane.shape[-2], plane.shape[-1]), angle, centre)
    )
    return _turn(plane, along_x, along_y)


class Rotation(nn.Module):
    """`rotate` by a fixed angle for planes of a fixed shape: its phases are built once and kept.

    Args:
        shape: (ny, nx) samples.
        angle: radians, from +x towards +y; 0 returns the plane itself.
        centre: the point that stays, (y, x) in samples; the plane's origin `n // 2` when absent.
        dtype: complex64 or complex128, of the planes.
    """

    along_x: Tensor
    along_y: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        angle: float,
        *,
        centre: tuple[float, float] | None = None,
        dtype: torch.dtype = torch.complex64,
    ) -> None:
        super().__init__()
        self.angle = angle
        if angle != 0.0:
            along_x, along_y = _ramps(shape, angle, centre)
            self.register_buffer("along_x", along_x.to(dtype), persistent=False)
            self.register_buffer("along_y", along_y.to(dtype), persistent=False)

    def forward(self, plane: Tensor) -> Tensor:
        """Complex plane (..., ny, nx), turned; same shape."""
        if self.angle == 0.0:
            return plane
        check_shape(
            plane,
            (*plane.shape[:-2], *self.along_x.shape),
            name="plane",
            fix="Make the rotation with this shape.",
        )
        return _turn(plane, self.along_x, self.along_y)
