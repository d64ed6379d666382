"""Residual networks: a small one for small images, and ResNet-18."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.channels_last import channels_last
from networks.seeded import initialise


class Projection(nn.Conv2d):
    """A 1x1 convolution of every `stride`-th row and column, which are taken first.

    With the stride inside, the CPU's library (oneDNN, torch 2.13, AVX2) writes beyond its memory for the weights'
    gradient of fewer than eight channels that are innermost: the process ends, or goes on with spoilt numbers.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, y, x) to (B, out, ceil(y / stride), ceil(x / stride))."""
        sy, sx = self.stride
        return F.conv2d(channels_last(x[..., ::sy, ::sx]), self.weight, self.bias)


class Residual(nn.Module):
    """Two 3x3 convolutions with normalisation, beside the identity or a 1x1 convolution where the size changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(out_channels)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(out_channels)
        self.beside: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.beside = nn.Sequential(
                Projection(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, y, x) to (B, out, ceil(y / stride), ceil(x / stride))."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.beside(x))


class ResNet(nn.Module):
    """Residual blocks in groups, each group at half the resolution and its own width. Source: He et al., CVPR 2016.

    Args:
        in_channels: channels of the image.
        classes: number of logits.
        widths: channels of each group.
        blocks: blocks per group.
        large_images: begin with a 7x7 convolution and a pool, both of stride 2, as for 224 x 224.
        generator: draws the first values.
    """

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        widths: Sequence[int],
        blocks: int,
        large_images: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        first = widths[0]
        size, stride = (7, 2) if large_images else (3, 1)
        # the constructors of torch.nn draw values that are replaced below
        with torch.random.fork_rng(devices=[]):
            stem: list[nn.Module] = [
                nn.Conv2d(in_channels, first, size, stride, padding=size // 2, bias=False),
                nn.BatchNorm2d(first),
                nn.ReLU(),
            ]
            if large_images:
                stem.append(nn.MaxPool2d(3, 2, padding=1))
            self.stem = nn.Sequential(*stem)
            groups: list[nn.Module] = []
            before = first
            for k, width in enumerate(widths):
                for b in range(blocks):
                    groups.append(Residual(before, width, 2 if b == 0 and k > 0 else 1))
                    before = width
            self.groups = nn.Sequential(*groups)
            self.head = nn.Linear(before, classes)
        initialise(self, generator)
        # every block begins as the identity: deep ones train without warm-up
        for part in self.modules():
            if isinstance(part, Residual):
                nn.init.zeros_(part.second_norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, y, x) to logits (B, classes)."""
        return self.head(self._pooled(x))

    def embed(self, x: Tensor) -> Tensor:
        """(B, in, y, x) to unit vectors (B, widths[-1]): what the last layer sees, for comparing faces."""
        return F.normalize(self._pooled(x))

    def _pooled(self, x: Tensor) -> Tensor:
        return self.groups(self.stem(channels_last(x))).mean((-2, -1))
