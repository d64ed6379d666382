"""Cascades with spectral pools: the periodic model, which is one mask, and the same-size one, which is none."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from networks.cascade.collapse import Kept, compose_spectra, through_band
from networks.cascade.convolution import ALL, Every, taps_of_mask
from networks.cascade.model import Layers, LinearModel, Parts, one_channel, parts_of
from networks.cascade.pooled_layers import PooledLayers
from networks.cascade.pooling import Pools, Size, spectral_pool
from networks.cascade.separable import bin_matrix, spreading_matrix
from optics.checks import OpticsError, ShapeError
from optics.conventions import real_dtype


class PeriodicPools(LinearModel):
    """Pools in the discrete 4f system: stops in one Fourier plane, so one mask on the frequencies that survive.

    Args:
        pools: grids and stops.
        taps: taps per side of each layer; None where a layer holds free masks.
    """

    def __init__(self, pools: Pools, taps: Sequence[int] | None) -> None:
        super().__init__()
        self.name = "periodic"
        self.kernel_size = max(pools.grids[0])
        self.image_shape = pools.grids[0]
        self.pools = pools
        self.narrow = None if taps is None else PooledLayers(pools.grids[0], taps, pools.sizes, circular=True)
        self._kept_band, self._kept_kernels = Kept(), Kept()

    def output_shape(self, image_shape: Size) -> Size:
        """What the last pool leaves."""
        return self.pools.grids[-1]

    def kernels(self, layers: Layers) -> Tensor:
        """As large as the images, complex."""
        shape = self.pools.grids[0]
        return self._kept_kernels.of(layers, lambda: taps_of_mask(self.masks(layers, shape)))

    def small_kernels(self, layers: Layers) -> Tensor | None:
        """None: they fill the images' grid."""
        return None

    def masks(self, layers: Layers, shape: Size) -> Tensor:
        """For images of this cascade's size; zero outside the smallest stop."""
        if shape != self.pools.grids[0]:
            raise ShapeError(f"this pooled cascade has masks for {self.pools.grids[0]}, not for {shape}.")
        band = self._band(layers)
        full = band.new_zeros(*band.shape[:2], *shape)
        top, left = (n // 2 - w // 2 for n, w in zip(shape, band.shape[-2:], strict=True))
        full[..., top : top + band.shape[-2], left : left + band.shape[-1]] = band
        return full

    def _band(self, layers: Layers) -> Tensor:
        """Collapsed masks (out, in, wy, wx) on the frequencies that survive, centred."""
        return self._kept_band.of(layers, lambda: self._make_band(layers))

    def _make_band(self, layers: Layers) -> Tensor:
        grids, band = self.pools.grids, self.pools.band
        if self.narrow is None:
            return compose_spectra(layers, grids[:-1], band)
        # the response to a point of light in each channel, for all channels at once
        (ny, nx), (my, mx) = grids[0], grids[-1]
        weight, channels = layers[0].weight, layers[0].in_channels
        points = torch.zeros(channels, channels, ny, nx, dtype=weight.dtype, device=weight.device)
        points[:, :, 0, 0] = torch.eye(channels)
        response = self.narrow([layer.taps() for layer in layers], points)
        spectrum = torch.fft.fftshift(torch.fft.fft2(response), dim=(-2, -1)) * (ny * nx / (my * mx))
        top, left = my // 2 - band[0] // 2, mx // 2 - band[1] // 2
        return spectrum[..., top : top + band[0], left : left + band[1]].transpose(0, 1)

    def maps(self, layers: Layers, x: Tensor) -> Tensor:
        """Through the mask; through the layers where a training batch is smaller than the points that make a mask."""
        training = torch.is_grad_enabled() and any(
            p.requires_grad for layer in layers for p in layer.parameters()
        )
        if self.narrow is not None and training and len(x) <= layers[0].in_channels:
            return self.narrow([layer.taps() for layer in layers], x)
        real = not x.is_complex() and all(layer.parameterisation == "real" for layer in layers)
        return through_band(x, self._band(layers), self.pools.grids[-1], real=real)

    def parts(
        self,
        layers: Layers,
        x: Tensor,
        channel: int | None = None,
        every: Every = ALL,
        *,
        on_pixels: bool = False,
    ) -> Parts:
        """Those of `maps`, or on every pixel, which these samples determine."""
        maps = self.maps(layers, one_channel(x, channel))
        if not on_pixels:
            return parts_of(maps, every)
        left, right = self._to_pixels(x)
        real, imag = parts_of(maps)
        return every.of(left @ real @ right.mT), None if imag is None else every.of(left @ imag @ right.mT)

    def binned(self, layers: Layers, x: Tensor, bins: Size) -> Tensor:
        """`maps` on every pixel, then binned."""
        maps = self.maps(layers, x)
        left, right = (
            (bin_matrix(len(to), b, dtype=to.dtype).to(to) @ to).to(maps.dtype)
            for to, b in zip(self._to_pixels(x), bins, strict=True)
        )
        return left @ maps @ right.mT

    def _to_pixels(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What takes samples of the field behind the last pool to its values on all pixels: (ny, my), (nx, mx) real."""
        sizes = zip(self.pools.grids[0], self.pools.grids[-1], strict=True)
        left, right = (spreading_matrix(n, m).to(x.device, real_dtype(x.dtype)) for n, m in sizes)
        return left, right

    def layer_by_layer(self, layers: Layers, x: Tensor) -> Tensor:
        """Each layer, then its pool."""
        return _one_after_another(layers, self.pools, x)


class SameSizePools(LinearModel):
    """Pools between layers that zero-pad their own map and keep its size: linear, but no one mask.

    Args:
        pools: grids and stops.
        taps: taps per side of each layer.
    """

    def __init__(self, pools: Pools, taps: Sequence[int]) -> None:
        super().__init__()
        self.name = "same-size"
        self.kernel_size = max(pools.grids[0])
        self.image_shape = pools.grids[0]
        self.pools = pools
        self.taps = tuple(taps)
        self.narrow = PooledLayers(pools.grids[0], taps, pools.sizes, circular=False)
        self._binned: tuple[Size, PooledLayers] | None = None

    def output_shape(self, image_shape: Size) -> Size:
        """What the last pool leaves."""
        return self.pools.grids[-1]

    def kernels(self, layers: Layers) -> Tensor:
        """Refused."""
        raise _not_one_mask()

    def small_kernels(self, layers: Layers) -> Tensor | None:
        """None: there are none."""
        return None

    def masks(self, layers: Layers, shape: Size) -> Tensor:
        """Refused."""
        raise _not_one_mask()

    def maps(self, layers: Layers, x: Tensor) -> Tensor:
        """Through the layers, each in the few coordinates that reach the detector."""
        return self.narrow([layer.taps() for layer in layers], x)

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
        """Through layers made for these bins, which are kept until others are asked for."""
        if self._binned is None or self._binned[0] != bins:
            my, mx = self.pools.grids[-1]
            last = (
                bin_matrix(my, bins[0], dtype=torch.float64),
                bin_matrix(mx, bins[1], dtype=torch.float64),
            )
            with torch.inference_mode(False):  # what is kept must serve training too
                made = PooledLayers(
                    self.pools.grids[0], self.taps, self.pools.sizes, circular=False, last=last
                )
            self._binned = (bins, made.to(x.device))
        return self._binned[1]([layer.taps() for layer in layers], x)

    def layer_by_layer(self, layers: Layers, x: Tensor) -> Tensor:
        """Each layer, its map cropped to the size it had, then its pool."""
        return _one_after_another(layers, self.pools, x)


def _not_one_mask() -> OpticsError:
    return OpticsError(
        "a cascade with pools and zero boundary crops each map to its own size, so it is not one mask; "
        "use boundary='circular', the model of a 4f system."
    )


def _one_after_another(layers: Layers, pools: Pools, x: Tensor) -> Tensor:
    field = x
    for layer, size in zip(layers, pools.sizes, strict=True):
        field = layer(field)
        field = field if size is None else spectral_pool(field, size)
    return field
