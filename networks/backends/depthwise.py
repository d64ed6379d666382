"""A depthwise 3x3 convolution that looks some bins far; on a CPU trained without that library's slow gradient.

A training step of a dilated depthwise convolution takes the CPU's library (oneDNN, torch 2.13) some five times as long
as one that is not dilated, for its gradient. So it has the same sums in another order (`python -m benchmarks depthwise`
measures each):

| maps | as |
| --- | --- |
| no larger than the dilation | their own tap alone: the others look beyond the edge |
| of at most `_SMALL` bins | one matrix a channel, from all bins to all bins |
| whose every `dilation`-th bins are `_WIDE` or more a side | the interleaved maps of these bins, not dilated |
| others | the library's |

Answers without a gradient are the library's, as is everything on an accelerator. The maps' channels are best innermost
in memory, see `innermost`: the interleaved maps are made so, and the library takes them as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.channels_last import channels_last

_QUICK = ("cuda", "mps")  # devices whose own gradient is not slow
_SMALL = 64
_WIDE = 4


def innermost(x: Tensor) -> Tensor:
    """Maps (B, channels, y, x) as steps on them are trained fastest: on a CPU the channels innermost in memory."""
    return x if x.device.type in _QUICK else channels_last(x)


class Depthwise(nn.Conv2d):
    """A depthwise 3x3 convolution that looks `dilation` far; where it is dilated, in float32 on a CPU.

    In bfloat16 the CPU's library (oneDNN, torch 2.13) reads beyond the maps for the weights' gradient of a dilated one
    from about 28 x 28 bins on: values of any size, from memory that belongs to others.
    """

    def __init__(self, width: int, *, dilation: int = 1) -> None:
        super().__init__(width, width, 3, padding=dilation, dilation=dilation, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        if self.dilation == (1, 1) or x.device.type in _QUICK:
            return super().forward(x)
        if not torch.is_autocast_enabled("cpu"):
            return self._dilated(x)
        with torch.autocast("cpu", enabled=False):
            return self._dilated(x.float())

    def _dilated(self, x: Tensor) -> Tensor:
        (ny, nx), far, bias = x.shape[-2:], self.dilation[0], self.bias
        followed = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        program = torch.compiler.is_compiling() or torch.jit.is_tracing()  # for any number of images
        if bias is None or not followed or program or x.ndim != 4:
            return super().forward(x)
        if max(ny, nx) <= far:
            return x * self.weight[:, :, 1, 1, None] + bias[:, None, None]
        if ny * nx <= _SMALL:
            return _as_matrices(x, self.weight, bias, far)
        if min(ny, nx) > (_WIDE - 1) * far:
            return _interleaved(x, self.weight, bias, far)
        return super().forward(x)


def _as_matrices(x: Tensor, weight: Tensor, bias: Tensor, far: int) -> Tensor:
    ny, nx = x.shape[-2:]
    matrices = (weight.flatten(1) @ _taps(ny, nx, far, weight)).unflatten(1, (ny * nx, ny * nx))
    maps = torch.baddbmm(bias[:, None, None], x.flatten(2).transpose(0, 1), matrices)
    return maps.transpose(0, 1).unflatten(2, (ny, nx))


def _taps(ny: int, nx: int, far: int, like: Tensor) -> Tensor:
    """(9, bins in x bins out): 1 where a tap takes a bin to a bin."""
    places = torch.eye(ny * nx, dtype=like.dtype, device=like.device).view(-1, 1, ny, nx)
    kernels = torch.eye(9, dtype=like.dtype, device=like.device).view(9, 1, 3, 3)
    return F.conv2d(places, kernels, padding=far, dilation=far).transpose(0, 1).flatten(1)


def _interleaved(x: Tensor, weight: Tensor, bias: Tensor, far: int) -> Tensor:
    ny, nx = x.shape[-2:]
    whole = F.pad(x, (0, -nx % far, 0, -ny % far)).permute(0, 2, 3, 1)
    parts = whole.unflatten(2, (-1, far)).unflatten(1, (-1, far)).permute(0, 2, 4, 1, 3, 5)
    maps = F.conv2d(parts.flatten(0, 2).permute(0, 3, 1, 2), weight, bias, padding=1, groups=len(weight))
    back = maps.permute(0, 2, 3, 1).unflatten(0, (len(x), far, far)).permute(0, 3, 1, 4, 2, 5)
    return back.flatten(3, 4).flatten(1, 2)[:, :ny, :nx].permute(0, 3, 1, 2)
