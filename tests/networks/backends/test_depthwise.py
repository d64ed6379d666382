"""Dilated convolutions in bfloat16: gradients against float64, over memory that is not clean."""

from __future__ import annotations

import pytest
import torch

from networks.backends.parts import Depthwise
from networks.channels_last import channels_last

# at 16 x 16 bfloat16 is right by itself; from 32 x 32 on its weights' gradient was 1e17 and more
BINS = [(16, 16), (21, 24), (32, 32), (48, 36)]


@pytest.mark.parametrize("dilation", [1, 2, 4, 8])
@pytest.mark.parametrize("bins", BINS, ids=str)
def test_gradients_of_a_step_in_bfloat16_are_those_of_float64(bins, dilation):
    """Of the weights and of the maps, within bfloat16's eight bits."""
    draws = torch.Generator().manual_seed(dilation)
    convolution = Depthwise(16, dilation=dilation)
    x = channels_last(torch.randn(8, 16, *bins, generator=draws)).requires_grad_()
    upstream = channels_last(torch.randn(8, 16, *bins, generator=draws))
    dirty = [torch.full((1 << 18,), 3e38) for _ in range(8)]  # what the allocator hands out again
    del dirty
    with torch.autocast("cpu", torch.bfloat16):
        y = convolution(x)
    y.backward(upstream.to(y.dtype))
    exact_x = x.detach().double().requires_grad_()
    weight = convolution.weight.detach().double().requires_grad_()
    bias = convolution.bias.detach().double()
    exact = torch.nn.functional.conv2d(exact_x, weight, bias, padding=dilation, dilation=dilation, groups=16)
    exact.backward(upstream.double())
    for got, truth in ((y, exact), (convolution.weight.grad, weight.grad), (x.grad, exact_x.grad)):
        assert torch.linalg.norm(got.double() - truth) < 1e-2 * torch.linalg.norm(truth)
