"""The response of a modulator: which phase (or amplitude) a level really gives, and which level to send for a phase.

A level `k` of `2**b` is the drive `v = k / 2**b` (phase) or `v = k / (2**b - 1)` (amplitude). A phase device answers

    phase(v) = section(y, x) * range * v**gamma        or        section(y, x) * lut[k]

and nominally `2 pi v`. `range` below `2 pi` leaves a gap of phases that cannot be shown, above it the levels wrap.
Sub-sections (8 x 8 of them, say) are given by their centres' factors and interpolated bilinearly over the panel.
Sources: Xun & Cohn, Applied Optics 43, 6400 (2004) for a response that differs over the panel; the sinc law of a blaze
whose range is not `2 pi`: Goodman, Introduction to Fourier Optics, 3rd ed., section 8.8.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import field_validator
from torch import Tensor
from torch.autograd.function import once_differentiable

from optics.numbers import GRADIENT, is_plainly, is_tensor
from optics.slm.level_search import LevelSearch
from optics.spec import Spec, flaw

TWO_PI = 2 * math.pi


_LARGEST = 8 * math.pi


def not_radians(values: Sequence[float]) -> str:
    """Why numbers of one value per level cannot be phases in radians (or amplitudes); empty where they can."""
    low, high = min(values), max(values)
    if low >= -_LARGEST and high <= _LARGEST:
        return ""
    whole = all(v == round(v) for v in values)
    likely = (
        "a driver's table of levels or voltages, which belongs in the driver"
        if whole and high >= 255 and high != 360
        else "degrees"
        if high <= 1440
        else "another unit"
    )
    return f"values go from {low:.4g} to {high:.4g}: too far for radians (8 pi at most), likely {likely}"


class ResponseSpec(Spec):
    """What the panel does with a level. The defaults are the nominal response.

    range: phase at full drive, radians. gamma: exponent of the drive. lut: one value per level (radians for a phase
    device, amplitude for an amplitude device), in place of range and gamma. sections: factors of the phase in
    equal sub-sections of the panel, rows of columns, (y, x). source: where the lut comes from, in words. Its
    numbers may be tensors that carry a gradient, see `optics.numbers`.
    """

    range: Annotated[float, GRADIENT] = flaw(TWO_PI, gt=0.0, le=8 * math.pi)
    gamma: Annotated[float, GRADIENT] = flaw(1.0, gt=0.05, le=20.0)
    lut: Annotated[tuple[float, ...] | None, GRADIENT] = flaw(None)
    sections: Annotated[tuple[tuple[float, ...], ...] | None, GRADIENT] = flaw(None)
    source: str = ""

    @field_validator("lut")
    @classmethod
    def _one_way(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is None:
            return None
        if len(value) < 2:
            raise ValueError("lut must hold one value per level, at least 2")
        if wrong := not_radians(value):
            raise ValueError(wrong)
        way, told = (
            (-1, ("never rising", "rises")) if value[-1] < value[0] else (1, ("never falling", "falls"))
        )
        for level, (a, b) in enumerate(itertools.pairwise(value)):
            if way * (b - a) < 0:
                raise ValueError(
                    f"lut must be {told[0]}; it {told[1]} after level {level}, from {a:.4g} to {b:.4g}. A measured "
                    "table may be given as response.file, which takes noise out"
                )
        return value

    @field_validator("sections")
    @classmethod
    def _rectangle(cls, value: Any) -> Any:
        if value is None:
            return None
        if not value or not value[0] or any(len(row) != len(value[0]) for row in value):
            raise ValueError("sections must be rows of equal length, one factor per sub-section")
        if not all(0.05 <= factor <= 20.0 for row in value for factor in row):
            raise ValueError("sections are factors of the phase, expected between 0.05 and 20")
        return value

    @property
    def largest(self) -> float:
        """Phase that the levels go through, before the sub-sections' factors, radians; of a table from 0 at least."""
        return self.range if self.lut is None else max(self.lut) - min(0.0, *self.lut)

    def value(self, drive: Tensor) -> Tensor:
        """Phase (radians) of a drive in [0, 1], before the sub-sections' factors; not for a LUT. Same shape out."""
        return self.range * (drive if is_plainly(self.gamma, 1.0) else drive**self.gamma)

    def table(self, bits: int) -> Tensor:
        """Phase of each of `2**bits` levels, radians, before the sub-sections' factors; (2**bits,) float64."""
        if self.lut is not None:
            return _tensor(self.lut)
        return self.value(torch.arange(2**bits, dtype=torch.float64) / 2**bits)

    def amplitudes(self, bits: int) -> Tensor:
        """Amplitude of each of `2**bits` levels of an amplitude device: `v**gamma` or the LUT; (2**bits,) float64."""
        if self.lut is not None:
            return _tensor(self.lut)
        return (torch.arange(2**bits, dtype=torch.float64) / (2**bits - 1)) ** self.gamma

    def section_map(self, shape: tuple[int, int]) -> Tensor | None:
        """Factors of the phase on a panel of `shape` (y, x), bilinear between centres; float64, or None if uniform."""
        if self.sections is None:
            return None
        coarse = _tensor(self.sections)
        return torch.nn.functional.interpolate(
            coarse[None, None], size=shape, mode="bilinear", align_corners=False
        )[0, 0]


def _tensor(values: Any) -> Tensor:
    """Numbers, or the tensor that they are, in float64."""
    return values.double() if is_tensor(values) else torch.tensor(values, dtype=torch.float64)


def nearest_level(
    phase: Tensor, table: Tensor, factor: Tensor | None = None, *, search: LevelSearch | None = None
) -> Tensor:
    """Level whose phase is nearest on the circle.

    Args:
        phase: radians, (..., y, x), any real values.
        table: phase of each level, radians, never falling or never rising, (levels,).
        factor: (y, x) factor of the table at each pixel, or None for 1.
        search: the table made ready; worked out here where absent.

    Returns:
        int32 levels, same shape as `phase`.
    """
    found = search or LevelSearch.of(table, phase.dtype)
    if factor is None:
        above = torch.remainder(phase - found.lowest if found.lowest else phase, TWO_PI)
        level, nearer = found.level(above), (found.span + TWO_PI) / 2
        if nearer >= TWO_PI:
            return level
        return level.masked_fill_(above > nearer, found.first)
    scale = factor.to(phase.dtype)
    above = torch.remainder(phase - found.lowest * scale, TWO_PI)
    # past the middle between the last phase and the first one of the next turn, that one is nearer
    return found.level(above / scale).masked_fill_(above > (found.span * scale + TWO_PI) / 2, found.first)


def nominal_level(phase: Tensor, bits: int) -> Tensor:
    """`round(phase 2**bits / 2 pi)` modulo `2**bits`: the level of the nominal response; int32, same shape."""
    return torch.round(phase * (2**bits / TWO_PI)).to(torch.int32) & (2**bits - 1)


def nearest_amplitude(target: Tensor, table: Tensor, *, search: LevelSearch | None = None) -> Tensor:
    """Level whose amplitude is nearest to `target` (..., y, x) in [0, 1]; int32.

    table: (levels,), never falling or never rising. search: the table made ready; worked out here where absent.
    """
    found = search or LevelSearch.of(table, target.dtype)
    return found.level((target - found.lowest).clamp(min=0.0))


def slopes(actual: Tensor, assumed: Tensor) -> Tensor | None:
    """How fast the shown value grows with the wanted one at each level; None where that is 1 for all of them."""
    steps = torch.gradient(assumed)[0] * (-1.0 if assumed[-1] < assumed[0] else 1.0)
    rise = torch.gradient(actual)[0] / steps.clamp(min=1e-9) * (-1.0 if assumed[-1] < assumed[0] else 1.0)
    rise = rise.clamp(0.0, 10.0)
    return None if torch.allclose(rise, torch.ones_like(rise), rtol=0, atol=1e-12) else rise


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, target: Tensor, level: Tensor, table: Tensor, slope: Tensor | None) -> Tensor:
        ctx.save_for_backward(*(() if slope is None else (level, slope)))
        return look_up(table, level)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        if ctx.saved_tensors:
            level, slope = ctx.saved_tensors
            grad = grad * look_up(slope, level)
        return grad, None, None, None


def straight_through(target: Tensor, level: Tensor, table: Tensor, slope: Tensor | None) -> Tensor:
    """Show the value of a level; let the gradient through as if the response were continuous.

    Args:
        target: what was wanted, real (..., y, x); only its gradient is used.
        level: int32, same shape.
        table: value of each level, (levels,) in target's dtype.
        slope: how fast the shown value grows with the wanted one, (levels,), or None for 1.

    Returns:
        `table[level]`; the gradient of target is `slope[level]` times its own. Source: Bengio et al., arXiv 1308.3432.
    """
    shown: Tensor = _StraightThrough.apply(target, level, table.detach(), slope)
    if table.requires_grad:  # the value is there already; this carries the table's own gradient
        shown = shown + (look_up(table, level) - look_up(table.detach(), level))
    return shown


def look_up(table: Tensor, level: Tensor) -> Tensor:
    """`table[level]` for an integer tensor of any shape."""
    return torch.index_select(table, 0, level.reshape(-1)).reshape(level.shape)
