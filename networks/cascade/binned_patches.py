"""Binning before mixing: with a linear read-out the camera's bins act on the image or the kernels, not on the maps.

A bin of a map is `sum_t kernel[t] * (bin of the image shifted by t)`. The binned shifts of an image are few numbers
that no parameter touches; the kernels then mix them in one small product, and the maps are never formed. Where bins are
small, `sum_t (kernel averaged over the bin)[t] * image` has fewer products still.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from networks.cascade.convolution import (
    Edges,
    Every,
    convolve,
    correlate_parts,
    surrounded,
    to_correlation,
    transform_is_cheaper,
    wrap,
)
from networks.cascade.separable import bin_area, bin_matrix, tap_matrix

# binning the shifts first pays while the bins are at most this share of the samples, and all shifts' bins at most so
# many times the samples of an axis
_SMALL_BIN = 4  # pixels a side of bins that kernels are averaged over rather than the image's shifts
_BINS_SHARE = 0.5
_SHIFTS_PER_SAMPLE = 4


def binned_patches(x: Tensor, taps: int, bins: tuple[int, int], *, boundary: Edges) -> Tensor:
    """The image's `taps` x `taps` shifts, each binned: (B, in * taps * taps, by * bx), for kernels.flatten(1).

    Args:
        x: images (B, in, ny, nx), real or complex.
        taps: taps per side of the kernels to come, odd.
        bins: (by, bx) equal areas that the camera averages over.
        boundary: what surrounds the image, see `networks.cascade.convolution.convolve`.
    """
    ny, nx = x.shape[-2:]
    by, bx = bins
    left = _binned_shifts(ny, taps, by, boundary).to(x.device, x.dtype)
    right = _binned_shifts(nx, taps, bx, boundary).to(x.device, x.dtype)
    both = left @ (x @ right.mT)
    both = both.unflatten(3, (taps, bx)).unflatten(2, (taps, by)).transpose(3, 4)
    return both.reshape(len(x), -1, by * bx)


@functools.lru_cache(maxsize=64)
def _binned_shifts(n: int, taps: int, bins: int, boundary: Edges) -> Tensor:
    """(taps * bins, n) float64, one axis of `binned_patches`; kept, since every step asks for it."""
    around = taps // 2 if boundary == "surrounded" else 0
    with torch.inference_mode(False):  # what is kept must serve training too
        inside = F.pad(bin_matrix(n - 2 * around, bins, dtype=torch.float64), (around, around))
        return tap_matrix(n, taps, circular=boundary == "circular", then=inside)


def convolve_binned(x: Tensor, kernels: Tensor, bins: tuple[int, int], *, boundary: Edges) -> Tensor:
    """`bin_area(convolve(x, kernels), bins)`, (B, out, by, bx), by the cheapest way; exact.

    Small bins of whole pixels: one correlation in steps of a bin, with the kernels averaged over it. Larger bins: the
    binned shifts. Else all maps are formed.
    """
    side = _small_bin(x, kernels, bins, boundary)
    if side is not None:
        real, imag = correlate_parts(surrounded(x, kernels, boundary), _over_bin(kernels, side), stride=side)
        return real if imag is None else torch.complex(real, imag)
    taps = kernels.shape[-1]
    if kernels.shape[-2] != taps or taps % 2 == 0 or not patches_are_cheaper(x, taps, bins):
        return bin_area(convolve(x, kernels, boundary=boundary), bins)
    shifts = binned_patches(x, taps, bins, boundary=boundary)
    if kernels.is_complex() and not shifts.is_complex():
        both = torch.cat((kernels.real, kernels.imag)).flatten(1) @ shifts
        return torch.complex(*both.unflatten(2, bins).chunk(2, dim=1))
    dtype = torch.promote_types(kernels.dtype, shifts.dtype)
    return (kernels.flatten(1).to(dtype) @ shifts.to(dtype)).unflatten(2, bins)


def _small_bin(x: Tensor, kernels: Tensor, bins: tuple[int, int], boundary: Edges) -> int | None:
    """Pixels a side of square bins of few whole pixels, where steps over them pay; else None."""
    inside = [k // 2 * 2 if boundary == "surrounded" else 0 for k in kernels.shape[-2:]]
    ny, nx = (n - around for n, around in zip(x.shape[-2:], inside, strict=True))
    side = ny // max(1, bins[0])
    whole = (ny, nx) == (side * bins[0], side * bins[1])
    pays = whole and 1 < side <= _SMALL_BIN and not transform_is_cheaper(x, kernels, Every(side))
    return side if pays else None


def _over_bin(kernels: Tensor, side: int) -> Tensor:
    """Correlation weights (out, in, ky + side - 1, kx + side - 1): the kernels' mean over the pixels of a bin."""
    weight = to_correlation(kernels)
    parts = torch.view_as_real(weight).movedim(-1, 0) if weight.is_complex() else weight
    pixels = weight.real.new_full((1, 1, side, side), 1 / side**2)
    means = F.conv2d(parts.flatten(0, -3)[:, None], pixels, padding=side - 1)
    means = means.view(*parts.shape[:-2], *means.shape[-2:])
    return torch.complex(*means) if weight.is_complex() else means


def patches_are_cheaper(x: Tensor, taps: int, bins: tuple[int, int]) -> bool:
    """Whether binning the shifts first saves work against forming the maps."""
    by, bx = bins
    ny, nx = x.shape[-2:]
    fit = taps * by <= _SHIFTS_PER_SAMPLE * ny and taps * bx <= _SHIFTS_PER_SAMPLE * nx
    return by * bx <= _BINS_SHARE * ny * nx and fit


def patch_moments(x: Tensor, taps: int, *, circular: bool) -> tuple[Tensor, Tensor]:
    """Mean (K,) and covariance (K, K) over batch and positions of the shifts of real images; K = in * taps * taps.

    The mean of a map is `kernel @ mean`, its variance `kernel @ covariance @ kernel`: what a batch normalisation of
    the full-resolution maps needs, without the maps and without the shifts. Products are summed along rows, for every
    pair of rows at most `taps - 1` apart; what any two shifts have in common is then a sum over a run of rows.

    Args:
        x: images (B, in, ny, nx), real.
        taps: taps per side of the kernels to come, odd; at most the image's size when circular.
        circular: the image repeats; else it is zero-padded.
    """
    batch, channels, ny, nx = x.shape
    reach = taps // 2
    margin = (reach, reach)
    padded = wrap(x, margin, margin) if circular else F.pad(x, (reach, reach, reach, reach))
    width, wide = channels * taps, padded.shape[-2]
    # rows of the image, each shifted along x by every tap: row r of `rows` belongs to padded row r // width
    shifted = torch.stack([padded[..., taps - 1 - t : taps - 1 - t + nx] for t in range(taps)])
    rows = shifted.permute(3, 2, 0, 1, 4).reshape(wide * width, batch * nx)
    beyond = torch.cat((rows, rows.new_zeros((taps - 1) * width, batch * nx)))
    step = width * batch * nx
    below = beyond.as_strided((wide, taps * width, batch * nx), (step, batch * nx, 1))
    products = (rows.view(wide, width, -1) @ below.mT).view(wide, width, taps, width)
    # the run of padded rows that tap t sees; later taps look further back
    runs = torch.stack([F.pad(rows.new_ones(ny), (taps - 1 - t, t)) for t in range(taps)])
    sums = (runs @ products.flatten(1)).view(taps, width, taps, width)
    second = rows.new_zeros(taps, width, taps, width)
    for late in range(taps):
        for early in range(late + 1):
            block = sums[late, :, late - early]  # (width of late, width of early)
            second[late, :, early] = block
            second[early, :, late] = block.mT
    count = batch * ny * nx
    mean = (runs @ rows.view(wide, width, -1).sum(-1)) / count
    order = torch.arange(taps * width, device=x.device).view(taps, channels, taps).transpose(0, 1).flatten()
    mean = mean.flatten()[order]
    second = second.flatten(2).flatten(0, 1)[order][:, order] / count
    return mean, second - torch.outer(mean, mean)
