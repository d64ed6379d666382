"""Apertures and field stops, anti-aliased: each sample holds the share of its own area that is open.

A staircase edge costs more accuracy than single precision does; the area coverage is exact here (closed
form), so `sum(aperture) * pitch^2` is the open area to rounding. Multiply a field's amplitude by it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from optics.checks import ShapeError, SpecError, check_range
from optics.conventions import Point, axis
from optics.numbers import plain
from optics.wave.fourier import Pitch, as_pair

_LEAST = 1e-300  # under a root, where its derivative would be infinite
_OFF_CENTRE = 1e-9  # of a disc: how far off its centre the angle is taken, which has no derivative there


def circular_aperture(
    shape: tuple[int, int], pitch: Pitch, diameter: float, *, centre: Point = (0.0, 0.0)
) -> Tensor:
    """A disc, (ny, nx) float64 in [0, 1]: the share of each sample's area inside the circle, exact.

    Args:
        shape: (ny, nx) samples; the origin is at index `n // 2`.
        pitch: metres; one number or (y, x).
        diameter: metres.
        centre: (y, x) of the disc, metres.

    Raises:
        SpecError: a length that is not positive and finite.
        ShapeError: a shape without samples.
    """
    py, px = as_pair("pitch", pitch)
    check_range("diameter", diameter, 1e-12, 10.0, fix="Pass metres: 2 mm is 2e-3.")
    y, x = _coordinates(shape, (py, px), centre)
    radius = diameter / 2
    nearest = torch.hypot((y.abs() - py / 2).clamp(min=0)[:, None], (x.abs() - px / 2).clamp(min=0)[None, :])
    furthest = torch.hypot((y.abs() + py / 2)[:, None], (x.abs() + px / 2)[None, :])
    mask = (furthest <= radius).double()
    edge = ((nearest < radius) & (furthest > radius)).nonzero()
    if len(edge):
        iy, ix = edge[:, 0], edge[:, 1]
        # in units of the radius; a mirror image has the same area
        area = _disc_in_rectangle(y[iy].abs() / radius, x[ix].abs() / radius, py / diameter, px / diameter)
        mask[iy, ix] = (area * radius**2 / (py * px)).clamp(0.0, 1.0)
    return mask


def _disc_in_rectangle(y: Tensor, x: Tensor, half_y: float, half_x: float) -> Tensor:
    """Area of the unit disc inside rectangles centred at (y, x) with half sides (half_y, half_x)."""
    low, high = y - half_y, y + half_y
    left, right = (x - half_x).clamp(-1, 1), (x + half_x).clamp(-1, 1)

    def below(level: Tensor) -> Tensor:
        """Integral over x of the disc's part under `level`, measured from the x axis (odd in `level`)."""
        size = level.abs().clamp(max=1.0)
        reach = torch.sqrt(
            (1 - size * size).clamp(min=_LEAST)
        )  # |x| < reach: the level cuts the disc; outside, the arc does
        flat = right.clamp(-reach, reach) - left.clamp(-reach, reach)
        arc = (_arc(right) - _arc(left)) - (
            _arc(right.clamp(-reach, reach)) - _arc(left.clamp(-reach, reach))
        )
        return torch.sign(level) * (size * flat + arc)

    return below(high) - below(low)


class _Arc(torch.autograd.Function):
    """Antiderivative of `sqrt(1 - x^2)`; its terms' own derivatives are infinite at the ends, their sum's is not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        root = torch.sqrt((1 - x * x).clamp(min=0))
        ctx.save_for_backward(root)
        return (x * root + torch.asin(x)) / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return grad * root


def _arc(x: Tensor) -> Tensor:
    made: Tensor = _Arc.apply(x)
    return made


def rectangular_aperture(
    shape: tuple[int, int], pitch: Pitch, width: Point, *, centre: Point = (0.0, 0.0)
) -> Tensor:
    """A rectangle, (ny, nx) float64 in [0, 1]: the share of each sample's area inside it, exact.

    Args:
        shape: (ny, nx) samples; the origin is at index `n // 2`.
        pitch: metres; one number or (y, x).
        width: (y, x) full widths, metres.
        centre: (y, x) of the rectangle, metres.

    Raises:
        SpecError: a length that is not positive and finite.
        ShapeError: a shape without samples.
    """
    pitches = as_pair("pitch", pitch)
    widths = tuple(float(w) for w in width)
    for w in widths:
        check_range("width", w, 1e-12, 10.0, fix="Pass two lengths in metres (y, x).")
    coordinates = _coordinates(shape, pitches, centre)
    along_y, along_x = (_overlap(coordinates[k], pitches[k] / 2, widths[k] / 2) / pitches[k] for k in (0, 1))
    return along_y[:, None] * along_x[None, :]


def _overlap(position: Tensor, half_sample: float, half_width: float) -> Tensor:
    return (
        torch.clamp(position + half_sample, max=half_width)
        - torch.clamp(position - half_sample, min=-half_width)
    ).clamp(min=0)


def _coordinates(shape: tuple[int, int], pitch: Point, centre: Point) -> tuple[Tensor, Tensor]:
    """Coordinates of the samples relative to `centre`, (ny,) and (nx,) float64, metres."""
    if len(shape) != 2 or min(shape) < 1:
        raise ShapeError(f"shape is {tuple(shape)}, expected two counts of samples (y, x), each at least 1.")
    if len(centre) != 2 or not all(math.isfinite(plain(c)) for c in centre):
        raise SpecError(f"centre is {centre}, expected two finite lengths (y, x), metres.")
    return axis(shape[0], pitch[0]) - centre[0], axis(shape[1], pitch[1]) - centre[1]


def polar_coordinates(
    shape: tuple[int, int], pitch: Pitch, diameter: float, *, centre: Point = (0.0, 0.0)
) -> tuple[Tensor, Tensor]:
    """Radius in units of `diameter / 2` and angle from +x towards +y (radians) of every sample.

    Two tensors (ny, nx) float64; the origin is at index `n // 2`, `centre` is (y, x) in metres.
    """
    pair = as_pair("pitch", pitch)
    check_range("diameter", diameter, 1e-12, 10.0, fix="Pass metres: 2 mm is 2e-3.")
    y, x = _coordinates(shape, pair, centre)
    if y.requires_grad or x.requires_grad:  # neither radius nor angle has a derivative at the very centre
        y = torch.where(y.detach() == 0.0, y + _OFF_CENTRE * diameter, y)
    y, x = torch.broadcast_tensors(y[:, None], x[None, :])
    return torch.hypot(y, x) / (diameter / 2), torch.atan2(y, x)
