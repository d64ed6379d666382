"""The formulation of the paper's network, in our own words: every layer, every channel, every image, in the spectrum.

Xiang, Colburn, Majumdar, Shlizerman, Applied Optics 61(9) 2173 (2022). Each layer transforms the zero-padded kernels
and maps, multiplies them in a product broadcast over batch x out x in, sums over in, transforms back and crops. Its
kernels are real, as they are in effect there (the imaginary ones get no gradient), and there is no ReLU anywhere,
neither between the layers nor in the pools.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def layer(x: Tensor, kernels: Tensor, *, crop: bool = True) -> Tensor:
    """Maps (B, in, n, n) through kernels (out, in, k, k): (B, out, n, n), or the grown n + k - 1 without `crop`."""
    n, k = x.shape[-1], kernels.shape[-1]
    size = (n + k - 1, n + k - 1)
    maps = torch.fft.rfft2(x, s=size)
    filters = torch.fft.rfft2(kernels, s=size)
    product = maps[:, None] * filters[None]  # batch x out x in
    full = torch.fft.irfft2(product.sum(2), s=size)
    first = k // 2
    return full[..., first : first + n, first : first + n] if crop else full


def spectral_pool(x: Tensor, size: int) -> Tensor:
    """Keep the `size` x `size` lowest frequencies of maps (size odd); amplitudes stay."""
    n, half = x.shape[-1], size // 2
    kept = torch.cat((torch.arange(half + 1), torch.arange(n - half, n)))
    spectrum = torch.fft.fft2(x, norm="forward")[..., kept, :][..., kept]
    return torch.fft.ifft2(spectrum, norm="forward").real


def digits(x: Tensor, kernels: Sequence[Tensor], *, crop: bool) -> Tensor:
    """The 28 x 28 network's maps. With `crop` every layer crops; without, only the last, which a cascade equals."""
    n = x.shape[-1]
    for kernel in kernels:
        x = layer(x, kernel, crop=crop)
    first = (x.shape[-1] - n) // 2
    return x[..., first : first + n, first : first + n]


def photographs(x: Tensor, kernels: Sequence[Tensor], pools: Sequence[int | None]) -> Tensor:
    """The 224 x 224 network's maps, with a spectral pool behind its layers."""
    for kernel, pool in zip(kernels, pools, strict=True):
        x = layer(x, kernel)
        x = x if pool is None else spectral_pool(x, pool)
    return x
