"""Controls without optics: what the same back end reaches on the image itself, or behind electronic kernels.

The other controls, random masks and no mask, are students: `Student.random_masks`, `Student.no_mask`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from networks.axes import bin_area
from networks.backend import Backend
from networks.operations import multiply_accumulates
from networks.random import drawn


def matched_bins(image_shape: tuple[int, int], bins: tuple[int, int], times: float) -> tuple[int, int]:
    """(by, bx) with about `times` as many bins as `bins`, never more than pixels."""
    factor = math.sqrt(times)
    by, bx = (max(1, min(n, round(b * factor))) for n, b in zip(image_shape, bins, strict=True))
    return by, bx


class RawImage(nn.Module):
    """The image, averaged to about as many values as the student has features, then the same back end.

    Args:
        image_channels: channels of the image.
        image_shape: (ny, nx).
        values: features that the student's read-out gives, all maps together.
        classes: number of logits.
        hidden: widths of hidden layers.
        generator: draws the first values.
    """

    def __init__(
        self,
        image_channels: int,
        image_shape: tuple[int, int],
        values: int,
        classes: int,
        *,
        hidden: Sequence[int] = (),
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.bins = matched_bins(image_shape, (1, 1), values / image_channels)
        self.backend = Backend(
            (image_channels, *self.bins), classes, hidden=hidden, square_root=False, generator=generator
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to logits (B, classes)."""
        return self.backend(bin_area(x, self.bins))

    def operations(self) -> int:
        """Multiply-accumulates per image."""
        return self.backend.operations()


class ElectronicConvolution(nn.Module):
    """One electronic convolution of the collapsed student's size, its square, the same bins, the same back end.

    What the optics replace: the student's kernels are these, so its accuracy can be reached this way, for the
    multiply-accumulates that `operations` counts.

    Args:
        image_channels: channels of the image.
        image_shape: (ny, nx).
        kernels: output channels.
        kernel_size: taps per side of the collapsed kernels.
        classes: number of logits.
        bins: (by, bx) of the average pool that stands for the camera's binning.
        squared: square the maps, as a camera does; else they stay signed and linear.
        hidden: widths of hidden layers.
        generator: draws the first values.
    """

    def __init__(
        self,
        image_channels: int,
        image_shape: tuple[int, int],
        kernels: int,
        kernel_size: int,
        classes: int,
        *,
        bins: tuple[int, int] = (4, 4),
        squared: bool = True,
        hidden: Sequence[int] = (),
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.image = (image_channels, *image_shape)
        self.squared = squared
        self.bins = bins
        self.convolution = drawn(
            lambda: nn.Conv2d(image_channels, kernels, kernel_size, padding=kernel_size // 2, bias=False),
            generator,
        )
        self.backend = Backend(
            (kernels, *bins), classes, hidden=hidden, square_root=squared, generator=generator
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to logits (B, classes)."""
        maps = self.convolution(x)
        return self.backend(bin_area(maps.square() if self.squared else maps, self.bins))

    def operations(self) -> int:
        """Multiply-accumulates per image, the convolution included."""
        return multiply_accumulates(self, (1, *self.image))
