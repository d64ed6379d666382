"""Frames as a differentiable function of a bench's numbers, for whatever else is trained or designed through a twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from calibration.twin.derivatives import linearise
from calibration.twin.model import Model
from calibration.twin.parameters import Parameter
from calibration.twin.values import set_values
from optics.bench.spec import BenchSpec
from optics.checks import check_shape


class _Counts(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, own: Tensor, model: Model, bench: BenchSpec, parameters: Sequence[Parameter]
    ) -> Tensor:
        values = own.detach().double().tolist()
        there = set_values(bench, {p.name: p.number(v) for p, v in zip(parameters, values, strict=True)})
        if not ctx.needs_input_grad[0]:
            return model.predict(there).counts
        frames, jacobian = linearise(model, there, parameters)
        ctx.save_for_backward(jacobian)
        ctx.dtype = own.dtype
        return frames.counts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (jacobian,) = ctx.saved_tensors
        return torch.einsum("npyx,nyx->p", jacobian.double(), grad.double()).to(ctx.dtype), None, None, None


def counts_of(own: Tensor, model: Model, bench: BenchSpec, parameters: Sequence[Parameter]) -> Tensor:
    """Mean counts (n, cy, cx) float64 that a bench predicts, with a gradient by its numbers.

    Args:
        own: (p,) own variables of the parameters; see `Parameter.own`.
        model: predicts the frames of its recording's probes.
        bench: everything else.
        parameters: which numbers.

    Raises:
        ShapeError: not one value a parameter.
    """
    check_shape(own, (len(parameters),), name="own", fix="One value for each parameter.")
    return _Counts.apply(own, model, bench, parameters)
