"""Cascades without pools: one convolution per (output, input) channel, on the kernels' taps or on a grid of masks."""

from __future__ import annotations

import functools

from torch import Tensor
from torch.nn import functional as F

from networks.cascade.binned_patches import convolve_binned
from networks.cascade.collapse import Kept, compose, compose_spectra
from networks.cascade.convolution import (
    ALL,
    Boundary,
    Every,
    convolve,
    convolve_parts,
    mask_of_taps,
    taps_of_mask,
)
from networks.cascade.layer import on_grid
from networks.cascade.model import Layers, LinearModel, Parts, one_channel, parts_of
from networks.cascade.pooling import Size
from networks.cascade.separable import bin_area


class ComposedKernels(LinearModel):
    """Small kernels, composed tap by tap before a batch is touched.

    Args:
        kernel_size: taps per side of the collapsed kernels.
        boundary: "zero" is the model "zero-padded", in which light that spills over an inner border is kept until the
            last layer; "circular" is "periodic".
    """

    def __init__(self, kernel_size: int, boundary: Boundary) -> None:
        super().__init__()
        self.name = "periodic" if boundary == "circular" else "zero-padded"
        self.kernel_size = kernel_size
        self.image_shape = None
        self.boundary: Boundary = boundary
        self._kept = Kept()

    def output_shape(self, image_shape: Size) -> Size:
        """The images' own."""
        return image_shape

    def kernels(self, layers: Layers) -> Tensor:
        """(out, in, K, K), real where all layers are; kept while no gradient is needed."""
        return self._kept.of(layers, lambda: functools.reduce(compose, [layer.taps() for layer in layers]))

    def small_kernels(self, layers: Layers) -> Tensor | None:
        """`kernels`."""
        return self.kernels(layers)

    def masks(self, layers: Layers, shape: Size) -> Tensor:
        """The kernels' transform on the grid `shape`."""
        return mask_of_taps(self.kernels(layers), shape)

    def maps(self, layers: Layers, x: Tensor) -> Tensor:
        """One convolution."""
        return convolve(x, self.kernels(layers), boundary=self.boundary)

    def parts(
        self,
        layers: Layers,
        x: Tensor,
        channel: int | None = None,
        every: Every = ALL,
        *,
        on_pixels: bool = False,
    ) -> Parts:
        """As the convolution gives them, without a complex map between."""
        kernels = self.kernels(layers)
        if channel is not None:
            kernels, x = kernels[:, channel : channel + 1], x[:, channel : channel + 1]
        return convolve_parts(x, kernels, boundary=self.boundary, every=every)

    def binned(self, layers: Layers, x: Tensor, bins: Size) -> Tensor:
        """Binning is linear, so it is applied to the shifted images, before the kernels mix them."""
        return convolve_binned(x, self.kernels(layers), bins, boundary=self.boundary)

    def layer_by_layer(self, layers: Layers, x: Tensor) -> Tensor:
        """Each layer's convolution; zero-padded, its border grows, and all borders are cut off at the end."""
        grow = self.boundary == "zero"
        field = x
        for layer in layers:
            field = layer(field, grow=grow)
        return _cut(field, x, self.kernel_size // 2 if grow else 0)


class ComposedMasks(LinearModel):
    """Free masks in at least one layer, all composed frequency by frequency on one grid.

    Args:
        grid: (gy, gx) of the masks.
        image_shape: (ny, nx) of the images.
        boundary: "zero" is the model "zero-padded", on a grid larger than the image; "circular" is "periodic".
    """

    def __init__(self, grid: Size, image_shape: Size, boundary: Boundary) -> None:
        super().__init__()
        self.name = "periodic" if boundary == "circular" else "zero-padded"
        self.kernel_size = max(grid)
        self.image_shape = image_shape if boundary == "circular" else None
        self.grid = grid
        self._kept_masks, self._kept_kernels = Kept(), Kept()

    def output_shape(self, image_shape: Size) -> Size:
        """The images' own."""
        return image_shape

    def kernels(self, layers: Layers) -> Tensor:
        """As large as the grid, complex."""
        return self._kept_kernels.of(layers, lambda: taps_of_mask(self._on_own_grid(layers)))

    def small_kernels(self, layers: Layers) -> Tensor | None:
        """None: they fill the grid."""
        return None

    def masks(self, layers: Layers, shape: Size) -> Tensor:
        """On another grid than their own the masks are resampled: their point-spread functions are kept."""
        return self._on_own_grid(layers) if shape == self.grid else mask_of_taps(self.kernels(layers), shape)

    def _on_own_grid(self, layers: Layers) -> Tensor:
        grids = [self.grid] * len(layers)
        return self._kept_masks.of(layers, lambda: compose_spectra(layers, grids, self.grid))

    def maps(self, layers: Layers, x: Tensor) -> Tensor:
        """One product of spectra, complex."""
        return on_grid(x, self._on_own_grid(layers))

    def parts(
        self,
        layers: Layers,
        x: Tensor,
        channel: int | None = None,
        every: Every = ALL,
        *,
        on_pixels: bool = False,
    ) -> Parts:
        """Those of `maps`."""
        return parts_of(self.maps(layers, one_channel(x, channel)), every)

    def binned(self, layers: Layers, x: Tensor, bins: Size) -> Tensor:
        """`maps`, then binned."""
        return bin_area(self.maps(layers, x), bins)

    def layer_by_layer(self, layers: Layers, x: Tensor) -> Tensor:
        """Each layer's mask on the whole grid; its part outside the image is cut off at the end."""
        (ny, nx), (gy, gx) = x.shape[-2:], self.grid
        field = F.pad(x, (0, gx - nx, 0, gy - ny))
        for layer in layers:
            field = on_grid(field, layer.mask(self.grid))
        return _cut(field, x, 0)


def _cut(field: Tensor, x: Tensor, margin: int) -> Tensor:
    """The part of the field that lies on the image `x`, which begins `margin` samples inside."""
    ny, nx = x.shape[-2:]
    return field[..., margin : margin + ny, margin : margin + nx]
