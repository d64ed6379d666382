"""Bins of a convolution without its maps: each way there against the average of the defining sum's maps."""

from __future__ import annotations

import pytest
import torch

from networks.cascade import binned_patches
from networks.cascade.binned_patches import convolve_binned
from networks.cascade.separable import bin_area
from optics.checks import ShapeError
from tests.networks.cascade.test_convolution import defining_sum
from tests.scenes import generator

KERNELS = [(7, 7), (3, 5), (4, 2), (1, 1), (21, 21)]
BINS = [(12, 8), (6, 4), (3, 2), (4, 2), (1, 1), (5, 3), (24, 16)]  # of 24 x 16 pixels


def of_maps(x: torch.Tensor, taps: torch.Tensor, bins: tuple[int, int], boundary: str) -> torch.Tensor:
    maps = defining_sum(x, taps, circular=boundary == "circular")
    if boundary == "surrounded":
        ky, kx = taps.shape[-2:]
        ny, nx = x.shape[-2:]
        maps = maps[..., ky // 2 : ny - ky // 2, kx // 2 : nx - kx // 2]
    return bin_area(maps, bins)


@pytest.mark.parametrize("boundary", ["zero", "circular", "surrounded"])
@pytest.mark.parametrize("bins", BINS, ids=str)
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("kind", ["real", "complex kernels", "complex image", "complex"])
def test_bins_are_those_of_the_defining_sum(boundary, bins, kernel, kind):
    ky, kx = kernel
    if boundary == "surrounded" and ky % 2 + kx % 2 < 2:
        pytest.skip("an image that brings its surroundings needs a kernel with a middle")
    around = (ky - 1, kx - 1) if boundary == "surrounded" else (0, 0)
    image = torch.complex128 if kind in ("complex image", "complex") else torch.float64
    weights = torch.complex128 if kind in ("complex kernels", "complex") else torch.float64
    x = torch.randn(2, 3, 24 + around[0], 16 + around[1], dtype=image, generator=generator(1))
    taps = torch.randn(5, 3, *kernel, dtype=weights, generator=generator(2)).requires_grad_()
    got, expected = convolve_binned(x, taps, bins, boundary=boundary), of_maps(x, taps, bins, boundary)
    torch.testing.assert_close(got, expected)
    upstream = torch.randn(got.shape, dtype=got.dtype, generator=generator(3))
    slopes = [torch.autograd.grad(y, taps, upstream)[0] for y in (got, expected)]
    torch.testing.assert_close(*slopes)


def test_small_bins_of_whole_pixels_go_in_steps(monkeypatch):
    sides = []
    correlate = binned_patches.correlate_parts

    def seen(x, weight, *, stride):
        sides.append(stride)
        return correlate(x, weight, stride=stride)

    monkeypatch.setattr(binned_patches, "correlate_parts", seen)
    x, taps = torch.randn(2, 3, 24, 16), torch.randn(5, 3, 7, 7)
    for bins in BINS:
        convolve_binned(x, taps, bins, boundary="zero")
    convolve_binned(x, torch.randn(5, 3, 63, 63), (12, 8), boundary="zero")  # large kernels: by transforms
    assert sides == [2, 4]  # of (12, 8) and (6, 4)


@pytest.mark.parametrize("bins", [(0, 1), (2, -1), (33, 2)], ids=str)
def test_bins_that_an_image_has_not_are_refused(bins):
    with pytest.raises(ShapeError, match="cannot bin"):
        convolve_binned(torch.zeros(1, 1, 24, 16), torch.zeros(2, 1, 3, 3), bins, boundary="zero")
