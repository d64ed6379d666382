"""Counting multiply-accumulates of the electronic part, because accuracy alone is half the story."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from optics.devices import device_of


def multiply_accumulates(module: nn.Module, *inputs: Tensor | Sequence[int]) -> int:
    """Multiply-accumulates of one forward pass of `module`, by torch's own counter.

    Matrix products and convolutions count; additions of a bias, square roots, normalisation (which folds into the
    next matrix once trained) and pooling do not.

    Args:
        module: any module; it is evaluated in `eval` mode without gradients and left in its mode.
        inputs: tensors, or their shapes including the batch axis (batch 1 counts one image).
    """
    device = device_of(module)
    tensors = [x.to(device) if isinstance(x, Tensor) else torch.zeros(*x, device=device) for x in inputs]
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*tensors)
    finally:
        module.train(training)
    return counter.get_total_flops() // 2
