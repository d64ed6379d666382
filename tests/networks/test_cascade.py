"""The cascade: linear, and equal to its layers one after another."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.cascade import Cascade
from networks.spectral import taps_of_mask


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


cascades = st.builds(
    lambda seed, inner, size, kind, boundary: Cascade(
        (inner[0], *inner), size, parameterisation=kind, boundary=boundary, generator=generator(seed)
    ),
    st.integers(0, 99),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from([1, 3, 5]),
    st.sampled_from(["real", "complex"]),
    st.sampled_from(["zero", "circular"]),
)


@settings(max_examples=30, deadline=None)
@given(cascades, st.integers(5, 12), st.integers(5, 12), st.booleans())
def test_collapsed_equals_layer_by_layer(cascade, ny, nx, as_complex):
    dtype = torch.complex64 if as_complex else torch.float32
    x = torch.randn(2, cascade.in_channels, ny, nx, dtype=dtype, generator=generator(1))
    assert difference(cascade(x), cascade.layer_by_layer(x)) < 1e-5


@settings(max_examples=20, deadline=None)
@given(cascades)
def test_superposition(cascade):
    a, b = torch.randn(2, 1, cascade.in_channels, 9, 8, generator=generator(1))
    together = cascade(2 * a - 3 * b)
    assert difference(together, 2 * cascade(a) - 3 * cascade(b)) < 1e-5


def test_kernels_are_convolution_kernels_and_the_mask_is_their_transform():
    cascade = Cascade((1, 2, 3), 3, generator=generator())
    point = torch.zeros(1, 1, 11, 12)
    point[0, 0, 4, 5] = 1
    field = cascade(point)
    kernels = cascade.kernels()
    assert kernels.shape == (3, 1, 5, 5)
    torch.testing.assert_close(field[0, :, 2:7, 3:8], kernels[:, 0])
    masks = cascade.collapse((11, 12))
    torch.testing.assert_close(masks[:, :, 5, 6], kernels.sum((-2, -1)))
    torch.testing.assert_close(taps_of_mask(masks)[:, 0, 3:8, 4:9], kernels[:, 0], rtol=1e-4, atol=1e-6)


def test_a_centred_mask_on_a_centred_spectrum_is_the_circular_cascade():
    cascade = Cascade((2, 2, 3), 3, boundary="circular", generator=generator())
    x = torch.randn(2, 2, 8, 9, generator=generator(1))
    spectrum = torch.fft.fftshift(torch.fft.fft2(x), dim=(-2, -1))
    out = torch.einsum("oiyx,biyx->boyx", cascade.collapse((8, 9)), spectrum)
    out = torch.fft.ifft2(torch.fft.ifftshift(out, dim=(-2, -1)))
    assert difference(cascade(x), out) < 1e-5


@pytest.mark.parametrize("boundary", ["zero", "circular"])
def test_every_layer_gets_the_same_gradient_either_way(boundary):
    cascade = Cascade((2, 3, 4, 2), 3, boundary=boundary, generator=generator())
    x = torch.randn(2, 2, 8, 9, generator=generator(1))
    grads = []
    for form in (cascade.forward, cascade.layer_by_layer):
        field = form(x)
        loss = (field.real**2 + 2 * field.imag).sum()
        grads.append(torch.autograd.grad(loss, list(cascade.parameters())))
    for fast, slow in zip(*grads, strict=True):
        assert difference(fast, slow) < 1e-5
        assert fast[..., 1].abs().min() > 0  # imaginary taps learn


def test_identity_images_its_input():
    x = torch.randn(2, 3, 6, 5, generator=generator())
    torch.testing.assert_close(Cascade.identity(3)(x), x.to(torch.complex64))
