"""One interface for what a cascade computes, whichever linear model it is; each model is a final class behind it.

unpooled.py  `ComposedKernels` (zero-padded or periodic), `ComposedMasks` (the same with free masks in a layer)
pooled.py    `PeriodicPools` (periodic), `SameSizePools` (same-size)

`networks.cascade.cascade` says what the three names mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from networks.cascade.convolution import ALL, Every
from networks.cascade.layer import SpectralConv2d
from networks.cascade.pooling import Size

ModelName = Literal["zero-padded", "periodic", "same-size"]
Layers = Sequence[SpectralConv2d]
Parts = tuple[Tensor, Tensor | None]


class LinearModel(nn.Module, ABC):
    """Spectral convolutions in a row evaluated as one linear map.

    It holds no parameters: the layers, which do, are passed to every method in the order of the light.

    Attributes:
        name: which model it is.
        kernel_size: taps per side of the collapsed kernels; the grid's larger side where they fill it.
        image_shape: (ny, nx), the one size of image that it is for; None where any will do.
    """

    name: ModelName
    kernel_size: int
    image_shape: Size | None

    @abstractmethod
    def output_shape(self, image_shape: Size) -> Size:
        """(ny, nx) of the field that images of `image_shape` give."""

    @abstractmethod
    def kernels(self, layers: Layers) -> Tensor:
        """Collapsed kernels (out, in, K, K), centred; real where all layers are.

        Raises:
            OpticsError: no kernel describes this model.
        """

    @abstractmethod
    def small_kernels(self, layers: Layers) -> Tensor | None:
        """As `kernels`; None where they fill a grid."""

    @abstractmethod
    def masks(self, layers: Layers, shape: Size) -> Tensor:
        """Collapsed masks (out, in, ny, nx), complex, centred, for a periodic grid of `shape`.

        Raises:
            OpticsError: no mask describes this model, or it has masks for another shape only.
        """

    @abstractmethod
    def maps(self, layers: Layers, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to the field (B, out, y, x); real where the image and all layers are."""

    @abstractmethod
    def parts(
        self,
        layers: Layers,
        x: Tensor,
        channel: int | None = None,
        every: Every = ALL,
        *,
        on_pixels: bool = False,
    ) -> Parts:
        """Real and imaginary part of `maps`, None for one that is zero; of one input channel alone, or of all.

        Of the maps' samples those that `every` names. `on_pixels`: of the field on every pixel of the image, where the
        maps are fewer samples of it; what a camera averages.
        """

    @abstractmethod
    def binned(self, layers: Layers, x: Tensor, bins: Size) -> Tensor:
        """The field averaged over `bins` = (by, bx) equal areas: (B, out, by, bx); that of `parts` on pixels."""

    @abstractmethod
    def layer_by_layer(self, layers: Layers, x: Tensor) -> Tensor:
        """`maps` computed one layer after another, every hidden channel for every image: slow, for proof."""


def one_channel(x: Tensor, channel: int | None) -> Tensor:
    """Images (B, in, y, x) with all other channels dark; `x` itself for None."""
    if channel is None:
        return x
    only = torch.zeros_like(x)
    only[:, channel] = x[:, channel]
    return only


def parts_of(maps: Tensor, every: Every = ALL) -> Parts:
    """A field's real and imaginary parts at the samples of `every`; None for the latter of a real one."""
    maps = every.of(maps)
    return (maps.real, maps.imag) if maps.is_complex() else (maps, None)
