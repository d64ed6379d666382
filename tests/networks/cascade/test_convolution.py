"""Convolution, directly and by transforms, against the sum that defines it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.cascade import convolution
from networks.cascade.convolution import convolve, mask_of_taps, taps_of_mask
from tests.scenes import generator


def defining_sum(x: torch.Tensor, taps: torch.Tensor, *, circular: bool) -> torch.Tensor:
    """`y[p] = sum_r h[r] x[p - (r - k // 2)]`, one tap at a time."""
    ny, nx = x.shape[-2:]
    ky, kx = taps.shape[-2:]
    dtype = torch.promote_types(x.dtype, taps.dtype)
    out = torch.zeros(len(x), len(taps), ny, nx, dtype=dtype)
    for ry in range(ky):
        for rx in range(kx):
            dy, dx = ry - ky // 2, rx - kx // 2
            shifted = torch.roll(x, (dy, dx), dims=(-2, -1))
            if not circular:
                rows, columns = torch.arange(ny) - dy, torch.arange(nx) - dx
                inside = ((rows >= 0) & (rows < ny))[:, None] & ((columns >= 0) & (columns < nx))
                shifted = shifted * inside
            out += torch.einsum("oi,biyx->boyx", taps[..., ry, rx].to(dtype), shifted.to(dtype))
    return out


sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=60, deadline=None)
@given(
    image=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    kernel=sizes,
    complex_x=st.booleans(),
    complex_taps=st.booleans(),
    circular=st.booleans(),
    transforms=st.booleans(),
)
def test_both_ways_are_the_defining_sum(image, kernel, complex_x, complex_taps, circular, transforms):
    kinds = {True: torch.complex128, False: torch.float64}
    x = torch.randn(2, 3, *image, dtype=kinds[complex_x], generator=generator(1))
    taps = torch.randn(2, 3, *kernel, dtype=kinds[complex_taps], generator=generator(2))
    boundary = "circular" if circular else "zero"
    if transforms:
        out = convolution._by_transforms(x, taps, boundary=boundary, grow=False)
    else:
        real, imag = convolution._directly(x, taps, boundary=boundary, grow=False)
        out = real if imag is None else torch.complex(real, imag)
    assert out.is_complex() == (complex_x or complex_taps)
    torch.testing.assert_close(out, defining_sum(x, taps, circular=circular), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("transforms", [False, True])
@pytest.mark.parametrize("kernel", [(3, 5), (4, 2), (9, 1)])
def test_growing_keeps_all_light_where_it_belongs(transforms, kernel):
    x = torch.randn(1, 2, 6, 5, dtype=torch.float64, generator=generator(1))
    taps = torch.randn(2, 2, *kernel, dtype=torch.float64, generator=generator(2))
    if transforms:
        out = convolution._by_transforms(x, taps, boundary="zero", grow=True)
    else:
        out, _ = convolution._directly(x, taps, boundary="zero", grow=True)
    ky, kx = kernel
    assert out.shape == (1, 2, 6 + ky - 1, 5 + kx - 1)
    inside = out[..., ky // 2 : ky // 2 + 6, kx // 2 : kx // 2 + 5]
    torch.testing.assert_close(inside, convolve(x, taps))
    torch.testing.assert_close(
        out.sum((-2, -1)), torch.einsum("oi,bi->bo", taps.sum((-2, -1)), x.sum((-2, -1)))
    )


def test_small_kernels_go_direct_and_large_ones_by_transforms():
    x = torch.zeros(1, 1, 64, 64)
    assert not convolution.transform_is_cheaper(x, torch.zeros(64, 1, 7, 7))
    assert not convolution.transform_is_cheaper(x, torch.zeros(16, 1, 11, 11))
    assert convolution.transform_is_cheaper(x, torch.zeros(16, 1, 21, 21))
    assert convolution.transform_is_cheaper(x, torch.zeros(16, 1, 64, 64))


@pytest.mark.parametrize("boundary", ["zero", "circular"])
def test_gradients_agree_between_the_two_ways(boundary):
    x = torch.randn(2, 2, 7, 6, dtype=torch.float64, generator=generator(1)).requires_grad_()
    taps = torch.randn(3, 2, 5, 3, dtype=torch.complex128, generator=generator(2)).requires_grad_()
    grads = []
    for way in ("direct", "transforms"):
        if way == "direct":
            field = torch.complex(*convolution._directly(x, taps, boundary=boundary, grow=False))
        else:
            field = convolution._by_transforms(x, taps, boundary=boundary, grow=False)
        loss = (field.real**3 + 2 * field.imag).sum()
        grads.append(torch.autograd.grad(loss, (x, taps)))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_masks_and_taps_are_each_others_inverse_and_keep_energy():
    taps = torch.randn(2, 3, 6, 5, dtype=torch.complex128, generator=generator())
    mask = mask_of_taps(taps, (6, 5))
    torch.testing.assert_close(taps_of_mask(mask), taps)
    energy = taps.abs().square().sum()
    torch.testing.assert_close(mask.abs().square().sum() / 30, energy)  # Parseval
    torch.testing.assert_close(mask_of_taps(taps, (6, 5), band=(3, 1)), mask[..., 2:5, 2:3])
