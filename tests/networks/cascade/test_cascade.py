"""The cascade: linear, and equal to its layers one after another."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.cascade.cascade import Cascade
from networks.cascade.convolution import convolve, taps_of_mask
from networks.cascade.separable import bin_area
from optics.checks import OpticsError
from tests.scenes import generator


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


free_cascades = st.builds(
    lambda seed, kinds, boundary, grid: Cascade(
        (2, 3, 2, 4),
        3,
        parameterisation=kinds,
        boundary=boundary,
        image_shape=(6, 7),
        mask_shape=grid if boundary == "zero" else None,
        generator=generator(seed),
    ),
    st.integers(0, 99),
    st.lists(st.sampled_from(["real", "complex", "mask", "phase"]), min_size=2, max_size=2).map(
        lambda kinds: [*kinds, "mask"]
    ),
    st.sampled_from(["zero", "circular"]),
    st.sampled_from([None, (6, 7), (8, 9), (20, 15)]),
)


@settings(max_examples=30, deadline=None)
@given(free_cascades, st.booleans())
def test_free_masks_collapse_too(cascade, as_complex):
    dtype = torch.complex64 if as_complex else torch.float32
    x = torch.randn(2, 2, 6, 7, dtype=dtype, generator=generator(1))
    field = cascade(x)
    assert difference(field, cascade.layer_by_layer(x)) < 1e-5
    assert difference(cascade.separate(x).sum(2), field) < 1e-5
    grads = [
        torch.autograd.grad(form(x).abs().square().sum(), list(cascade.parameters()))
        for form in (cascade.forward, cascade.layer_by_layer)
    ]
    for fast, slow in zip(*grads, strict=True):
        assert difference(fast, slow) < 1e-5
    if cascade.grid[0] >= 11 and cascade.grid[1] >= 13:  # nothing wraps: an ordinary convolution, zero-padded
        assert difference(convolve(x, cascade.kernels()), field) < 1e-5


def test_a_phase_only_mask_has_constant_modulus_and_its_own_grid():
    cascade = Cascade((1, 3), parameterisation="phase", image_shape=(6, 7), generator=generator())
    masks = cascade.collapse((12, 14))
    torch.testing.assert_close(masks.abs(), torch.ones(3, 1, 12, 14))
    assert cascade.kernels().shape == (3, 1, 12, 14)
    x = torch.randn(1, 1, 6, 7, generator=generator(1))
    padded = torch.zeros(1, 1, 12, 14)
    padded[..., 3:9, 3:10] = x
    spectrum = torch.fft.fftshift(torch.fft.fft2(padded), dim=(-2, -1))
    out = torch.fft.ifft2(torch.fft.ifftshift(masks[:, 0] * spectrum[0], dim=(-2, -1)))
    assert difference(cascade(x)[0], out[:, 3:9, 3:10]) < 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameterisation": "mask"}, "image_shape"),
        ({"parameterisation": "free"}, "choose one of real, complex, mask, phase"),
        ({"parameterisation": ["real"]}, "one per layer"),
        ({"kernel_size": 4}, "odd"),
        ({"boundary": "wrap"}, "zero, circular"),
        ({"parameterisation": "mask", "image_shape": (8, 8), "mask_shape": (7, 8)}, "smaller than the image"),
        (
            {"parameterisation": "mask", "image_shape": (8, 8), "mask_shape": (9, 9), "boundary": "circular"},
            "it is the image's",
        ),
        ({"parameterisation": "mask", "image_shape": (8, 8), "pool": (4, None)}, "circular"),
    ],
)
def test_bad_cascades_are_refused_in_one_line(options, message):
    with pytest.raises(OpticsError, match=message) as error:
        Cascade((1, 2, 3), generator=generator(), **options)
    assert "\n" not in str(error.value)


def test_a_frozen_cascade_keeps_its_kernels_until_they_change():
    cascade = Cascade((1, 2, 3), generator=generator())
    x = torch.randn(1, 1, 8, 8, generator=generator(1))
    with torch.no_grad():
        before = cascade(x)
        assert cascade.kernels_or_none() is cascade.kernels_or_none()
        cascade.layers[0].weight.mul_(2)
        torch.testing.assert_close(cascade(x), 2 * before)
    assert cascade(x).requires_grad
    cascade(x).abs().sum().backward()


@pytest.mark.parametrize("boundary", ["zero", "circular"])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_shifting_the_image_shifts_the_field(boundary, kind):
    cascade = Cascade((1, 3, 2), 3, parameterisation=kind, boundary=boundary, generator=generator())
    x = torch.zeros(1, 1, 14, 13)
    x[..., 4:8, 5:9] = torch.randn(4, 4, generator=generator(1))
    moved = cascade(torch.roll(x, (2, -1), dims=(-2, -1)))
    assert difference(moved, torch.roll(cascade(x), (2, -1), dims=(-2, -1))) < 1e-5
    assert difference(moved, torch.roll(cascade(x), (-1, 2), dims=(-2, -1))) > 0.1


@settings(max_examples=15, deadline=None)
@given(cascades, st.integers(1, 4), st.integers(1, 5))
def test_binning_first_equals_binning_last(cascade, by, bx):
    x = torch.randn(2, cascade.in_channels, 12, 11, generator=generator(1))
    assert difference(cascade.binned(x, (by, bx)), bin_area(cascade(x), (by, bx))) < 1e-5


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch.func.jvp's own
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"parameterisation": "mask", "image_shape": (8, 8)},
        {"boundary": "circular", "image_shape": (8, 8), "pool": (5, None)},
    ],
)
def test_functional_derivatives_see_the_parameters_they_are_given(options):
    cascade = Cascade((1, 2, 2), generator=generator(), **options)
    x = torch.rand(3, 1, 8, 8, generator=generator(1))
    with torch.no_grad():
        cascade(x)  # something is kept
    values = {name: p.detach() for name, p in cascade.named_parameters()}
    direction = {name: torch.randn(p.shape, generator=generator(2)) for name, p in values.items()}

    def energy(parameters):
        return torch.func.functional_call(cascade, parameters, (x,)).abs().square().sum()

    gradient = torch.func.grad(energy)(values)
    _, forward = torch.func.jvp(energy, (values,), (direction,))
    expected = torch.autograd.grad(cascade(x).abs().square().sum(), list(cascade.parameters()))
    for one, two in zip(gradient.values(), expected, strict=True):
        assert difference(one, two) < 1e-5
    along = sum((one * two).sum() for one, two in zip(expected, direction.values(), strict=True))
    torch.testing.assert_close(forward, along, rtol=1e-4, atol=1e-4)
