"""Rotation of a sampled plane by shears, each a Fourier shift of lines: unitary, exact within the band.

Three shears, along x, y and x, are a rotation. Two of them, along x and y, stretch the plane by `1 - angle^2 / 2`
along x and by its inverse along y as well; where that moves no sample by more than a thousandth of the pitch, two do.
Source: Unser, Thevenaz, Yaroslavsky, IEEE Trans. Image Processing 4, 1371 (1995).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from optics.checks import OpticsError, check_range, check_shape
from optics.conventions import cis
from optics.numbers import holds_tensor, is_plainly, plain

_NEGLIGIBLE = 1e-3
"""Displacement that two shears may leave, samples."""


def _ramp(shape: tuple[int, int], slope: float | Tensor, centre: float, *, along: int) -> Tensor:
    """What shifts each line along axis `along` (-1: x, -2: y) by `slope` times its distance from `centre`, samples.

    (ny, nx) complex128, a factor of the lines' spectra.
    """
    n_along, n_other = shape[along], shape[-3 - along]
    line = torch.arange(n_other, dtype=torch.float64) - centre
    frequency = torch.fft.fftfreq(n_along, dtype=torch.float64)
    cycles = frequency[None, :] * line[:, None] if along == -1 else line * frequency[:, None]
    return cis(-2 * math.pi * slope * cycles)


def _shears(
    shape: tuple[int, int], angle: float, centre: tuple[float, float] | None
) -> list[tuple[int, Tensor]]:
    """The shears of a rotation by `angle`, in order: the axis (-1: x, -2: y) and the ramp of each, complex128."""
    check_range("angle", angle, -math.pi / 2, math.pi / 2, fix="Pass radians.")
    cy, cx = centre or (shape[0] // 2, shape[1] // 2)
    farthest = max(cy, shape[0] - cy, cx, shape[1] - cx)
    if angle * angle / 2 * farthest < _NEGLIGIBLE:
        slope = math.sin(angle)
        return [(-1, _ramp(shape, -slope, cy, along=-1)), (-2, _ramp(shape, slope, cx, along=-2))]
    # [x; y] -> R [x; y], R = [[c, -s], [s, c]]: x-shear -tan(a/2), y-shear sin(a), x-shear -tan(a/2)
    along_x = _ramp(shape, -math.tan(angle / 2), cy, along=-1)
    return [(-1, along_x), (-2, _ramp(shape, math.sin(angle), cx, along=-2)), (-1, along_x)]


def _turn(plane: Tensor, shears: Sequence[tuple[int, Tensor]], *, back: bool = False) -> Tensor:
    """Shift lines along each axis in turn; `back` undoes that."""
    for dim, ramp in reversed(shears) if back else shears:
        plane = torch.fft.fft(plane, dim=dim)
        plane = torch.fft.ifft(plane.mul_(ramp.conj() if back else ramp), dim=dim)
    return plane


class _Turn(torch.autograd.Function):
    """`_turn`, whose gradient is turned back."""

    @staticmethod
    def forward(ctx: Any, plane: Tensor, shears: Sequence[tuple[int, Tensor]]) -> Tensor:
        ctx.shears = shears
        return _turn(plane, shears)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _turn(grad, ctx.shears, back=True), None


def rotate(plane: Tensor, angle: float, *, centre: tuple[float, float] | None = None) -> Tensor:
    """Turn what a complex plane (..., y, x) shows by `angle` radians, from +x towards +y.

    Args:
        plane: complex samples.
        angle: radians; 0 returns the plane itself. A scalar tensor carries a gradient.
        centre: the point that stays, (y, x) in samples; the plane's origin `n // 2` when absent.

    Fourier interpolation: energy and gradients are kept; what leaves one edge comes in at the other. Same
        shape out.

    Raises:
        OpticsError: the plane is real, or the angle beyond a right one.
    """
    if is_plainly(angle, 0.0):
        return plane
    if not plane.is_complex():
        raise OpticsError(f"rotate takes a complex plane, got {plane.dtype}; pass plane.to(torch.complex64).")
    if holds_tensor((angle, centre)):
        return _turned(plane, angle, centre)
    shears = _shears((plane.shape[-2], plane.shape[-1]), angle, centre)
    return _Turn.apply(
        plane, [(dim, ramp.to(device=plane.device, dtype=plane.dtype)) for dim, ramp in shears]
    )


def _turned(plane: Tensor, angle: Any, centre: Any) -> Tensor:
    """`rotate` with a gradient to the angle and the point that stays: by three shears, whatever the angle.

    The ramps of two shears and of three agree to the displacement that two may leave; the derivatives do too.
    """
    shape, size = (plane.shape[-2], plane.shape[-1]), abs(float(plain(angle)))
    check_range("angle", size, 0.0, math.pi / 2, fix="Pass radians.")
    turn = torch.as_tensor(angle, dtype=torch.float64)
    cy, cx = centre or (shape[0] // 2, shape[1] // 2)
    outer, inner = -torch.tan(turn / 2), torch.sin(turn)
    for dim, slope, about in ((-1, outer, cy), (-2, inner, cx), (-1, outer, cy)):
        ramp = _ramp(shape, slope, about, along=dim).to(device=plane.device, dtype=plane.dtype)
        plane = torch.fft.ifft(torch.fft.fft(plane, dim=dim) * ramp, dim=dim)
    return plane


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
        self.axes: list[int] = []
        if angle != 0.0:
            shears = _shears(shape, angle, centre)
            self.axes = [dim for dim, _ in shears]
            self.register_buffer("along_x", shears[0][1].to(dtype), persistent=False)
            self.register_buffer("along_y", shears[1][1].to(dtype), persistent=False)

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
        return _Turn.apply(plane, [(dim, self.along_x if dim == -1 else self.along_y) for dim in self.axes])
