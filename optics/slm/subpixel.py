"""Several samples per SLM pixel, and several SLM pixels per mask sample.

`optics.slm.panel.SLM` gives the mean over each pixel, all that one order near the axis of the far field can see. What
lies inside a pixel shapes the envelope over the far field: the active square, the gap round it, the fringing field.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.checks import OpticsError, SpecError
from optics.conventions import cis
from optics.slm.fringing_field import shares
from optics.slm.panel import SLM


def superpixels(mask: Tensor, block: tuple[int, int]) -> Tensor:
    """One mask sample on `block` (y, x) SLM pixels each: (..., ny, nx) to (..., ny by, nx bx), same dtype.

    Raises:
        SpecError: a block without pixels.
    """
    if min(block) < 1:
        raise SpecError(f"block is {block}, expected at least one SLM pixel along y and x.")
    return mask.repeat_interleave(block[0], -2).repeat_interleave(block[1], -1)


def fine_reflectance(slm: SLM, target: Tensor, samples: int) -> Tensor:
    """What a phase device does inside its pixels: `samples` per pixel and axis, at the centres of equal cells.

    Args:
        slm: a phase device. The ripple is left at rest.
        target: radians, (..., ry, rx).
        samples: cells per pixel and axis; the active square's edge is anti-aliased over the cell it crosses.

    Returns:
        (..., ry samples, rx samples) complex. Its mean over a pixel is `slm(target)`, but for the quadrature of the
        fringing field and for the gap being where it is, around the active square.

    Raises:
        OpticsError: not a phase device, a bad target, or no samples.
    """
    if samples < 1:
        raise OpticsError(f"samples is {samples}, expected at least 1 per pixel.")
    phase = slm.phase(target)
    position = (torch.arange(samples, dtype=torch.float64) + 0.5) / samples - 0.5
    for dim, width in zip((-2, -1), slm.spec.crosstalk, strict=True):
        phase = _inside(phase, dim, position, width)
    side = math.sqrt(slm.spec.fill_factor)
    line = ((side / 2 - position.abs()) * samples + 0.5).clamp(0.0, 1.0).to(phase)
    ny, nx = slm.shape
    active = line.repeat(ny)[:, None] * line.repeat(nx)[None, :]
    field = cis(phase) * active + (1 - active) * slm.gap
    if slm.spec.zero_order:
        field = field * slm.spec.meeting + slm.spec.bypassing
    if slm.surface is not None:
        field = field * superpixels(slm.surface, (samples, samples))
    return field


def _inside(phase: Tensor, dim: int, position: Tensor, width: float) -> Tensor:
    """Phase at the positions inside each pixel along one axis, the neighbours' shares included; edges repeated."""
    n, s = phase.shape[dim], len(position)
    if width == 0.0:
        return phase.repeat_interleave(s, dim)
    table = shares(position, width).to(phase)
    reach = table.shape[1] // 2
    index = torch.arange(-reach, n + reach, device=phase.device).clamp(0, n - 1)
    neighbours = phase.index_select(dim, index).movedim(dim, -1).unfold(-1, 2 * reach + 1, 1)
    return (neighbours @ table.mT).flatten(-2).movedim(-1, dim)
