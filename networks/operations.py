"""Counting multiply-accumulates of the electronic part, because accuracy alone is half the story."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from optics.devices import device_of
from optics.modules import evaluating


def multiply_accumulates(module: nn.Module, *inputs: Tensor | Sequence[int]) -> int:
    """Multiply-accumulates of one forward pass of `module`, by torch's own counter.

    Matrix products and convolutions count; additions of a bias, square roots, normalisation (which folds into the
    next matrix once trained) and pooling do not.

    Args:
        module: any module; it is evaluated in `eval` mode without gradients; each of its parts is left in its mode.
        inputs: tensors, or their shapes including the batch axis (batch 1 counts one image), of the parameters' type.
    """
    device = device_of(module)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
    tensors = [
        x.to(device) if isinstance(x, Tensor) else torch.zeros(*x, dtype=dtype, device=device) for x in inputs
    ]
    with evaluating(module), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*tensors)
    return counter.get_total_flops() // 2
