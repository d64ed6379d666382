"""An exposure with a gradient, for training: shot and read noise as one Gaussian, saturation, rounding.

Poisson counts have no useful gradient. Here the noise of a pixel of `e` expected electrons and read noise `sigma` is

    sqrt(e + sigma^2) n,      n drawn from the normal distribution

whose gradient in `e` goes through the root as well (Kingma & Welling, arXiv 1312.6114). Rounding passes the gradient
straight through; a saturated pixel passes none. One pass over the frame, and one product backwards.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from optics import draws

_STEEPEST = 1 / 8
"""Standard deviation, electrons, below which the root's gradient grows no further: it is infinite in the dark."""


class Chain(NamedTuple):
    """The numbers of one exposure, for binned pixels: electrons, electrons per count, counts."""

    shot: bool
    read: float
    well: float
    offset: Tensor | None
    gain: float
    black: float
    ceiling: float


class _Counts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, electrons: Tensor, chain: Chain, generator: torch.Generator | None) -> Tensor:
        """Expected electrons (..., y, x) to counts; keeps how fast each count grows with them."""
        slope: Tensor | None = None
        out = electrons.clone()
        if generator is not None and (chain.shot or chain.read):
            draw = draws.normal(out.shape, generator, like=out)
            if chain.shot:
                deviation = out.clamp(min=0.0).add_(chain.read**2).sqrt_()
                out.addcmul_(deviation, draw)
                slope = draw.div_(deviation.clamp_(min=_STEEPEST)).mul_(0.5).add_(1.0)
            else:
                out.add_(draw, alpha=chain.read)
        inside: Tensor | None = None
        if math.isfinite(chain.well):
            inside = out <= chain.well
            out.clamp_(max=chain.well)
        if chain.offset is not None:
            out.add_(chain.offset.to(out.dtype))
        if chain.gain != 1.0:
            out.div_(chain.gain)
        if chain.black != 0.0:
            out.add_(chain.black)
        if math.isfinite(chain.ceiling):
            in_range = torch.logical_and(out >= 0.0, out <= chain.ceiling)
            inside = in_range if inside is None else inside.logical_and_(in_range)
            out.clamp_(0.0, chain.ceiling).round_()
        if ctx.needs_input_grad[0]:
            if inside is not None:
                slope = inside.to(out.dtype) if slope is None else slope.mul_(inside)
            ctx.gain = chain.gain
            ctx.save_for_backward(*(() if slope is None else (slope,)))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """One product."""
        for slope in ctx.saved_tensors:
            grad = grad * slope
        return (grad / ctx.gain if ctx.gain != 1.0 else grad), None, None


def noisy_counts(electrons: Tensor, chain: Chain, generator: torch.Generator | None) -> Tensor:
    """Counts of expected electrons (..., y, x), same shape and dtype; no generator draws no noise.

    Differentiable once, in the electrons.
    """
    return _Counts.apply(electrons, chain, generator)
