"""Spectral pooling: a stop in the Fourier plane, then fewer samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from optics.checks import ShapeError
from optics.conventions import complex_dtype

Size = tuple[int, int]


class Pools(NamedTuple):
    """Where a cascade's maps are pooled.

    sizes: (my, mx) that the pool behind each layer leaves, or None. grids: (ny, nx) of the image, then of the map
    behind each layer. band: (wy, wx) frequencies that survive all stops; odd where there is one.
    """

    sizes: tuple[Size | None, ...]
    grids: tuple[Size, ...]
    band: Size


def plan_pools(pool: Sequence[int | None], layers: int, image_shape: Size | None) -> Pools:
    """Check the pools of a cascade and work out its grids.

    Raises:
        ShapeError: a wrong number of pools, no image size, or a pool larger than its map.
    """
    if image_shape is None:
        raise ShapeError("pools belong to one image size; give image_shape=(ny, nx).")
    if len(pool) != layers:
        raise ShapeError(
            f"pool has {len(pool)} values for {layers} layers; give one per layer, None for no pool."
        )
    sizes: list[Size | None] = []
    grids: list[Size] = [image_shape]
    for k, size in enumerate(pool):
        before = grids[-1]
        if size is not None and not 1 <= size <= min(before):
            raise ShapeError(
                f"pool {k} leaves {size} of {before} samples; choose between 1 and {min(before)}."
            )
        sizes.append(None if size is None else (size, size))
        grids.append(before if size is None else (size, size))
    stops = [(g, p) for g, p in zip(grids[:-1], sizes, strict=True) if p is not None]
    band = tuple(  # a pool that leaves a side as it is stops nothing along it
        min([n] + [2 * ((p[k] - 1) // 2) + 1 for g, p in stops if p[k] != g[k]])
        for k, n in enumerate(image_shape)
    )
    return Pools(tuple(sizes), tuple(grids), (band[0], band[1]))


def spectral_pool(x: Tensor, size: Size) -> Tensor:
    """Crop the spectrum of maps (..., y, x) to `size` = (my, mx) and return to that many samples.

    Frequencies `|f| < m / 2` are kept, amplitudes too: the result is the band-limited map sampled at `j n / m`, real
    for a real map. `networks.cascade.separable.resampling_matrix` is the same as one matrix per axis.
    """
    half = [(m - 1) // 2 for m in size]
    for n, m in zip(x.shape[-2:], size, strict=True):
        if not 1 <= m <= n:
            raise ShapeError(f"cannot pool {n} samples to {m}; choose between 1 and {n}.")
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    spectrum = torch.fft.fftshift(torch.fft.fft2(x.to(complex_dtype(x.dtype)), norm="forward"), dim=(-2, -1))
    whole = list(x.shape[-2:])
    for k, dim in ((0, -2), (1, -1)):
        if size[k] != whole[k]:
            spectrum = spectrum.narrow(dim, whole[k] // 2 - half[k], 2 * half[k] + 1)
    top, left = (m // 2 - n // 2 for m, n in zip(size, spectrum.shape[-2:], strict=True))
    bottom, right = size[0] - spectrum.shape[-2] - top, size[1] - spectrum.shape[-1] - left
    spectrum = F.pad(spectrum, (left, right, top, bottom))
    pooled = torch.fft.ifft2(torch.fft.ifftshift(spectrum, dim=(-2, -1)), norm="forward")
    return pooled if x.is_complex() else pooled.real
