"""A cascade with spectral pools, evaluated only where its detector looks.

Each layer acts on rows and columns through small real matrices (`networks.axes`), then mixes channels in one product.
Every hidden map is held in the few coordinates that reach the detector, so a 224 x 224 image costs no more than its
last layers at 13 x 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from networks.axes import AxisChain, axis_chain, bin_area, bin_matrix
from networks.collapse import Kept, compose_spectra, through_window
from networks.convolution import convolve
from networks.pooling import Pools
from networks.spectral import SpectralConv2d
from optics.checks import ShapeError


class Field(NamedTuple):
    """Maps in the layout that products want: `values` (channels, parts * B, ry, rx); parts 2 holds re, then im."""

    values: Tensor
    parts: int


class PooledLayers(nn.Module):
    """The layers of a pooled cascade for one image size and one detector; holds matrices, no parameters.

    Args:
        shape: (ny, nx) of the image.
        taps: taps per side of each layer.
        pools: (my, mx) that each layer's pool leaves, or None.
        circular: the periodic model, else every layer crops to its own size in darkness.
        last: (left, right) matrices applied to the last map's rows and columns; None keeps its samples.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        taps: Sequence[int],
        pools: Sequence[tuple[int, int] | None],
        *,
        circular: bool,
        last: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.taps = tuple(taps)
        self.circular = circular
        chains = [
            axis_chain(
                shape[k],
                taps,
                [None if p is None else p[k] for p in pools],
                circular=circular,
                last=None if last is None else last[k],
            )
            for k in (0, 1)
        ]
        self.whole = self._is_whole(chains, pools[-1], last)
        for axis, chain in zip("yx", chains, strict=True):
            matrices = [layer.matrix for layer in chain.layers]
            matrices[0] = matrices[0] @ chain.first  # the image's own samples
            for k, matrix in enumerate(matrices):
                self._hold(f"{axis}{k}", matrix)

    def _is_whole(self, chains: Sequence[AxisChain], pool: object, last: object) -> bool:
        """Whether the last layer convolves whole maps: an ordinary convolution, for which there are fast routines."""
        dense = all(c.layers[-1].matrix.shape[1] == c.layers[-1].outputs for c in chains)
        return len(self.taps) > 1 and dense and pool is None and last is None

    def _hold(self, name: str, matrix: Tensor) -> None:
        self.register_buffer(name, matrix.contiguous(), persistent=False)

    def _matrix(self, name: str, like: Tensor) -> Tensor:
        return self.get_buffer(name).to(like.dtype)

    def forward(self, kernels: Sequence[Tensor], x: Tensor) -> Tensor:
        """Images (B, in, ny, nx) through `kernels` [(out, in, k, k), ...] to the last map (B, out, ry, rx).

        Real if the image and all kernels are, else complex.
        """
        parts = 2 if x.is_complex() else 1
        values = torch.cat((x.real, x.imag)) if x.is_complex() else x
        field = Field(values.transpose(0, 1), parts)
        narrow = kernels[:-1] if self.whole else kernels
        for k, kernel in enumerate(narrow):
            field = self._layer(k, kernel, field)
        out = field.values.transpose(0, 1)
        maps = torch.complex(*out.chunk(2)) if field.parts == 2 else out
        if self.whole:
            maps = convolve(maps.contiguous(), kernels[-1], boundary="circular" if self.circular else "zero")
        return maps

    def _layer(self, k: int, kernel: Tensor, field: Field) -> Field:
        left, right = self._matrix(f"y{k}", field.values), self._matrix(f"x{k}", field.values)
        taps = self.taps[k]
        channels, batch = field.values.shape[:2]
        rows, columns = len(left) // taps, len(right) // taps
        shifted = left @ (field.values @ right.mT)
        shifted = shifted.view(channels, batch, taps, rows, taps, columns).permute(0, 2, 4, 1, 3, 5)
        shifted = shifted.reshape(channels * taps * taps, batch * rows * columns)
        out, parts = mix(kernel.flatten(1), shifted, field.parts)
        return Field(out.view(len(kernel), -1, rows, columns), parts)


def mix(weight: Tensor, values: Tensor, parts: int) -> tuple[Tensor, int]:
    """`weight` (..., out, K) times `values` (..., K, parts * N), complex numbers as two halves of the columns.

    Returns:
        (..., out, parts * N) and the number of parts: 1 only if the weight and the values are real.
    """
    if not weight.is_complex():
        return weight @ values, parts
    both = torch.cat((weight.real, weight.imag), dim=-2) @ values
    by_real, by_imag = both.chunk(2, dim=-2)
    if parts == 1:
        return torch.cat((by_real, by_imag), dim=-1), 2
    rr, ri = by_real.chunk(2, dim=-1)
    ir, ii = by_imag.chunk(2, dim=-1)
    return torch.cat((rr - ii, ri + ir), dim=-1), 2


class PooledOptics(nn.Module):
    """Everything a cascade with pools does; the layers, which hold the parameters, are passed in.

    Args:
        pools: grids and stops.
        taps: taps per side of each layer; None where a layer holds free masks.
        circular: the periodic model (one mask), else every layer crops its map in darkness.
    """

    def __init__(self, pools: Pools, taps: Sequence[int] | None, *, circular: bool) -> None:
        super().__init__()
        self.pools = pools
        self.taps = None if taps is None else tuple(taps)
        self.circular = circular
        self.narrow = (
            None if taps is None else PooledLayers(pools.grids[0], taps, pools.sizes, circular=circular)
        )
        self._binned: tuple[tuple[int, int], PooledLayers] | None = None
        self._kept = Kept()

    def maps(self, layers: Sequence[SpectralConv2d], x: Tensor) -> Tensor:
        """Images (B, in, ny, nx) to the last map (B, out, my, mx); real where image and layers are."""
        self._check(x)
        training = torch.is_grad_enabled() and any(
            p.requires_grad for layer in layers for p in layer.parameters()
        )
        few = training and len(x) <= layers[0].in_channels  # then the layers cost less than their response
        if self.narrow is not None and (not self.circular or few):
            return self.narrow([layer.taps() for layer in layers], x)
        real = not x.is_complex() and all(layer.parameterisation == "real" for layer in layers)
        return through_window(x, self.spectrum(layers), self.pools.grids[-1], real=real)

    def binned(self, layers: Sequence[SpectralConv2d], x: Tensor, bins: tuple[int, int]) -> Tensor:
        """`maps`, averaged over `bins` equal areas."""
        if self.circular or self.taps is None:
            return bin_area(self.maps(layers, x), bins)
        self._check(x)
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

    def spectrum(self, layers: Sequence[SpectralConv2d]) -> Tensor:
        """Collapsed masks (out, in, wy, wx) on the frequencies that survive, centred; periodic model only."""
        return self._kept.of(nn.ModuleList(layers), "spectrum", lambda: self._make_spectrum(layers))

    def _make_spectrum(self, layers: Sequence[SpectralConv2d]) -> Tensor:
        grids, window = self.pools.grids, self.pools.window
        if self.narrow is None:
            return compose_spectra(layers, grids[:-1], window)
        # the response to a point of light in each channel, for all channels at once
        (ny, nx), (my, mx) = grids[0], grids[-1]
        weight, channels = layers[0].weight, layers[0].in_channels
        points = torch.zeros(channels, channels, ny, nx, dtype=weight.dtype, device=weight.device)
        points[:, :, 0, 0] = torch.eye(channels)
        response = self.narrow([layer.taps() for layer in layers], points)
        spectrum = torch.fft.fftshift(torch.fft.fft2(response), dim=(-2, -1)) * (ny * nx / (my * mx))
        top, left = my // 2 - window[0] // 2, mx // 2 - window[1] // 2
        return spectrum[..., top : top + window[0], left : left + window[1]].transpose(0, 1)

    def _check(self, x: Tensor) -> None:
        if tuple(x.shape[-2:]) != self.pools.grids[0]:
            raise ShapeError(f"images are {tuple(x.shape[-2:])}; this cascade is for {self.pools.grids[0]}.")
