"""Binning before mixing: with a linear read-out the camera's bins act on the shifted images, not on the maps.

A bin of a map is `sum_t kernel[t] * (bin of the image shifted by t)`. The binned shifts of an image are few numbers
that no parameter touches; the kernels then mix them in one small product, and the maps are never formed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from networks.axes import bin_area, bin_matrix, tap_matrix
from networks.convolution import Boundary, convolve, wrap


def binned_patches(x: Tensor, taps: int, bins: tuple[int, int], *, circular: bool) -> Tensor:
    """The image's `taps` x `taps` shifts, each binned: (B, in * taps * taps, by * bx), for kernels.flatten(1).

    Args:
        x: images (B, in, ny, nx), real or complex.
        taps: taps per side of the kernels to come, odd.
        bins: (by, bx) equal areas that the camera averages over.
        circular: the image repeats; else it lies in darkness.
    """
    ny, nx = x.shape[-2:]
    by, bx = bins
    left = tap_matrix(ny, taps, circular=circular, after=bin_matrix(ny, by, dtype=torch.float64))
    right = tap_matrix(nx, taps, circular=circular, after=bin_matrix(nx, bx, dtype=torch.float64))
    left, right = left.to(x.device, x.dtype), right.to(x.device, x.dtype)
    both = left @ (x @ right.mT)
    both = both.unflatten(3, (taps, bx)).unflatten(2, (taps, by)).transpose(3, 4)
    return both.reshape(len(x), -1, by * bx)


def convolve_binned(x: Tensor, kernels: Tensor, bins: tuple[int, int], *, boundary: Boundary) -> Tensor:
    """`bin_area(convolve(x, kernels), bins)`, (B, out, by, bx), by the cheaper way; exact."""
    taps = kernels.shape[-1]
    if kernels.shape[-2] != taps or taps % 2 == 0 or not patches_are_cheaper(x, taps, bins):
        return bin_area(convolve(x, kernels, boundary=boundary), bins)
    shifts = binned_patches(x, taps, bins, circular=boundary == "circular")
    dtype = torch.promote_types(kernels.dtype, shifts.dtype)
    return (kernels.flatten(1).to(dtype) @ shifts.to(dtype)).unflatten(2, bins)


def patches_are_cheaper(x: Tensor, taps: int, bins: tuple[int, int]) -> bool:
    """Whether binning the shifts first saves work against forming the maps."""
    by, bx = bins
    ny, nx = x.shape[-2:]
    return 2 * by * bx <= ny * nx and taps * by <= 4 * ny and taps * bx <= 4 * nx


def patches(x: Tensor, taps: int, *, circular: bool) -> Tensor:
    """All shifts of real images (B, in, ny, nx): (in * taps * taps, B * ny * nx); one matrix product is a bank."""
    before, behind = taps - 1 - taps // 2, taps // 2
    batch, channels, ny, nx = x.shape
    if circular:
        padded = wrap(x, (before, before), (behind, behind))
    else:
        padded = torch.nn.functional.pad(x, (before, behind, before, behind))
    wide = padded.shape[-1]
    step = padded.shape[-2] * wide
    # tap t of a centred kernel looks at sample p - (t - taps // 2): shifts run backwards
    view = (
        padded.flip((-2, -1))
        .contiguous()
        .as_strided((channels, taps, taps, batch, ny, nx), (step, wide, 1, channels * step, wide, 1))
    )
    return view.flip((-2, -1)).reshape(channels * taps * taps, -1)


def patch_moments(x: Tensor, taps: int, *, circular: bool) -> tuple[Tensor, Tensor]:
    """Mean (K,) and covariance (K, K) of the shifts over batch and positions; K = in * taps * taps.

    The mean of a map is `kernel @ mean`, its variance `kernel @ covariance @ kernel`: what a batch normalisation of
    the full-resolution maps needs, without the maps.
    """
    shifts = patches(x, taps, circular=circular)
    mean = shifts.mean(1)
    return mean, shifts @ shifts.mT / shifts.shape[1] - torch.outer(mean, mean)
