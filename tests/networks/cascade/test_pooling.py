"""Spectral pools, and cascades that have them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.cascade.cascade import Cascade
from networks.cascade.pooling import spectral_pool
from networks.cascade.separable import bin_area, resampling_matrix, shift_matrix
from optics.checks import OpticsError, ShapeError
from tests.scenes import generator, on_pixels


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 20), st.integers(4, 20), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_a_pool_is_the_band_limited_map_sampled_more_coarsely(ny, nx, my, mx, as_complex):
    my, mx = min(my, ny), min(mx, nx)
    # a map made of known frequencies: those that pass, and one that does not
    y, x = torch.arange(ny, dtype=torch.float64), torch.arange(nx, dtype=torch.float64)

    def wave(fy: int, fx: int, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        phase = 2 * math.pi * (fy * y[:, None] / ny + fx * x[None, :] / nx)
        value = torch.polar(torch.ones_like(phase), phase + 0.4)
        return value if as_complex else value.real

    passes = [(0, 0), ((my - 1) // 2, -((mx - 1) // 2))]
    stopped = [((my - 1) // 2 + 1, 0)] if my < ny and 2 * ((my - 1) // 2 + 1) < ny else []
    full = sum(wave(*f, y, x) for f in passes + stopped)
    j, i = torch.arange(my, dtype=torch.float64) * ny / my, torch.arange(mx, dtype=torch.float64) * nx / mx
    if my == ny and ny % 2 == 0 and as_complex:
        stopped = []
    torch.testing.assert_close(spectral_pool(full, (my, mx)), sum(wave(*f, j, i) for f in passes))


def test_a_pool_is_one_matrix_per_axis():
    x = torch.randn(2, 3, 15, 12, dtype=torch.float64, generator=generator())
    for size in ((7, 6), (15, 5), (4, 12), (1, 1)):
        left, right = resampling_matrix(15, size[0]), resampling_matrix(12, size[1])
        torch.testing.assert_close(spectral_pool(x, size), left @ x @ right.mT)


def test_shifts_are_those_of_a_convolution_kernel():
    x = torch.arange(5.0, dtype=torch.float64)
    assert (shift_matrix(5, 1, circular=True) @ x).tolist() == [4, 0, 1, 2, 3]
    assert (shift_matrix(5, -2, circular=False) @ x).tolist() == [2, 3, 4, 0, 0]


cascades = st.builds(
    lambda seed, kinds, boundary, shape, pools: Cascade(
        (2, 3, 2, 4),
        3,
        parameterisation=kinds,
        boundary=boundary,
        image_shape=shape,
        pool=[None if p is None else min(p, *shape) for p in sorted(pools, key=lambda p: -(p or 99))],
        generator=generator(seed),
    ),
    st.integers(0, 99),
    st.lists(st.sampled_from(["real", "complex"]), min_size=3, max_size=3),
    st.sampled_from(["zero", "circular"]),
    st.sampled_from([(9, 9), (12, 10), (11, 16)]),
    st.lists(
        st.sampled_from([None, 3, 5, 6, 9, 12]), min_size=3, max_size=3
    ),  # 12: the smaller side as it is
)


@settings(max_examples=40, deadline=None)
@given(cascades, st.booleans(), st.sampled_from([1, 2, 5]))
def test_pooled_cascades_equal_their_layers_one_after_another(cascade, as_complex, batch):
    dtype = torch.complex64 if as_complex else torch.float32
    x = torch.randn(batch, 2, *cascade.image_shape, dtype=dtype, generator=generator(1))
    slow = cascade.layer_by_layer(x)
    assert difference(cascade(x), slow) < 1e-5
    bins = (min(2, slow.shape[-2]), min(3, slow.shape[-1]))
    assert difference(cascade.binned(x, bins), bin_area(on_pixels(cascade, slow), bins)) < 2e-5
    with torch.no_grad():
        assert difference(cascade(x), slow) < 1e-5
    fast = torch.autograd.grad(cascade(x).abs().square().sum(), list(cascade.parameters()))
    slow_gradients = torch.autograd.grad(slow.abs().square().sum(), list(cascade.parameters()))
    for a, b in zip(fast, slow_gradients, strict=True):
        assert difference(a, b) < 2e-5


@pytest.mark.parametrize("kinds", ["real", "complex", "mask"])
@pytest.mark.parametrize(
    ("shape", "pool"), [((12, 12), (12, None)), ((20, 12), (12, None)), ((12, 18), (12, 7))]
)
def test_a_pool_that_leaves_an_even_side_as_it_is_stops_nothing_there(kinds, shape, pool):
    options = {"parameterisation": kinds, "boundary": "circular", "image_shape": shape, "pool": pool}
    cascade = Cascade((2, 3, 2), 3, **options, generator=generator())
    for batch in (1, 5):  # few images go through the layers, many through the mask
        x = torch.randn(batch, 2, *shape, generator=generator(1))
        assert difference(cascade(x), cascade.layer_by_layer(x)) < 1e-5


@pytest.mark.parametrize("kinds", ["real", "complex", "mask", ["complex", "phase", "mask"]])
def test_a_periodic_pooled_cascade_is_one_mask_behind_a_stop(kinds):
    cascade = Cascade(
        (2, 3, 2, 4),
        3,
        parameterisation=kinds,
        boundary="circular",
        image_shape=(14, 12),
        pool=(9, None, 5),
        generator=generator(),
    )
    x = torch.randn(3, 2, 14, 12, generator=generator(1))
    masks = cascade.collapse((14, 12))
    assert masks.shape == (4, 2, 14, 12)
    assert masks[:, :, 5:10, 4:9].abs().min() > 0
    assert int((masks != 0).sum()) == 4 * 2 * 5 * 5  # nothing passes beside the stop
    spectrum = torch.fft.fftshift(torch.fft.fft2(x), dim=(-2, -1))
    full = torch.fft.ifft2(
        torch.fft.ifftshift(torch.einsum("oiyx,biyx->boyx", masks, spectrum), dim=(-2, -1))
    )
    assert difference(cascade(x), spectral_pool(full, (5, 5))) < 1e-5
    assert difference(cascade.layer_by_layer(x), spectral_pool(full, (5, 5))) < 1e-5


def test_what_is_not_one_mask_says_so():
    cascade = Cascade((1, 2, 2), 3, image_shape=(8, 8), pool=(4, None), generator=generator())
    assert cascade.model == "same-size"
    with pytest.raises(OpticsError, match="circular"):
        cascade.collapse((8, 8))
    with pytest.raises(OpticsError, match="not one mask"):
        cascade.kernels()
    with pytest.raises(ShapeError, match="image_shape"):
        Cascade((1, 2), 3, pool=(4,), generator=generator())
    with pytest.raises(ShapeError, match="one per layer"):
        Cascade((1, 2, 2), 3, pool=(4,), image_shape=(8, 8), generator=generator())
    with pytest.raises(ShapeError, match="between 1 and 8"):
        Cascade((1, 2), 3, pool=(9,), image_shape=(8, 8), generator=generator())
    with pytest.raises(ShapeError, match=r"\(8, 8\)"):
        cascade(torch.zeros(1, 1, 9, 8))


def test_shifting_the_image_shifts_a_periodic_cascade_and_not_a_same_size_one():
    for boundary, covariant in (("circular", True), ("zero", False)):
        cascade = Cascade(
            (1, 3, 2), 3, boundary=boundary, image_shape=(12, 12), pool=(6, None), generator=generator()
        )
        x = torch.randn(1, 1, 12, 12, generator=generator(1))
        moved = cascade(torch.roll(x, (4, -2), dims=(-2, -1)))
        expected = torch.roll(cascade(x), (2, -1), dims=(-2, -1))
        assert (difference(moved, expected) < 1e-5) == covariant


@pytest.mark.parametrize("options", [{}, {"image_shape": (12, 12), "pool": (7, None)}])
def test_what_inference_keeps_serves_training_too(options):
    cascade = Cascade((1, 2, 3), 3, generator=generator(), **options)
    x = torch.rand(2, 1, 12, 12, generator=generator(1))
    with torch.inference_mode():
        expected = cascade.binned(x, (2, 3)), cascade(x)
    cascade.requires_grad_(False)
    x.requires_grad_()
    for seen, before in zip((cascade.binned(x, (2, 3)), cascade(x)), expected, strict=True):
        torch.testing.assert_close(seen.detach(), before)
        seen.abs().sum().backward()
    assert x.grad.abs().max() > 0
