"""A filter of three taps as four products of half its size: the same maps, gradients and derivatives of those."""

from __future__ import annotations

import pytest
import torch

from networks.cascade import pooled_layers
from networks.cascade.cascade import Cascade
from networks.cascade.minimal_filtering import TAPS, Halves, convolve_halves, convolve_taps, halves
from networks.cascade.separable import axis_chain, resampling_matrix, shift_matrix
from tests.scenes import generator


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


@pytest.fixture
def always(monkeypatch):
    """Few channels go by halves too."""
    monkeypatch.setattr(pooled_layers, "_MANY", 1)
    monkeypatch.setattr(pooled_layers, "_MANY_PER_SIDE", 0)


@pytest.mark.parametrize(("n", "m"), [(13, 13), (27, 13), (24, 11), (12, 6), (9, 9)])
@pytest.mark.parametrize("circular", [True, False])
def test_four_brackets_of_half_the_rank_are_the_three_shifts(n, m, circular):
    pool = resampling_matrix(n, m)
    shifts = torch.stack([pool @ shift_matrix(n, d, circular=circular) for d in (-1, 0, 1)])
    found = halves(shifts, pool.flip(0))
    size = (m - 1) // 2 * 2 + 1 if m < n else m  # frequencies that pass
    border = 0 if circular else 2  # two of the shifts lose a sample
    assert sum(found.ranks) <= 2 * size + border
    parts = [
        g @ e
        for g, e in zip(found.gather.split(found.ranks, 1), found.expand.split(found.ranks), strict=True)
    ]
    for shift, weights in zip(shifts, TAPS.T, strict=True):
        total = sum(w * part for w, part in zip(weights, parts, strict=True))
        torch.testing.assert_close(total, shift, rtol=0, atol=1e-12)
    assert max(float(torch.linalg.matrix_norm(part, 2)) for part in parts) <= 2 + 1e-9  # rounding stays small


def test_what_saves_nothing_is_refused():
    shifts = torch.randn(3, 8, 9, dtype=torch.float64, generator=generator())
    assert halves(shifts, torch.randn(8, 9, dtype=torch.float64, generator=generator(1))) is None
    assert axis_chain(12, (5, 3), (7, None), circular=True).layers[0].halves is None  # five taps


def axes(dtype: torch.dtype) -> tuple[list[Halves], list[torch.Tensor]]:
    """Rows of a periodic and columns of a same-size layer, by halves and directly."""
    layers = [
        axis_chain(11, (3, 3), (7, None), circular=True).layers[0],
        axis_chain(14, (3, 3), (9, None), circular=False).layers[1],
    ]
    made = [
        Halves(a.halves.expand.to(dtype), a.halves.gather.to(dtype), a.halves.ranks)
        for a in layers
        if a.halves is not None
    ]
    return made, [layer.matrix.to(dtype) for layer in layers]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("count", [2, 11])
def test_a_layer_by_halves_is_the_layer_by_taps(dtype, tolerance, count):
    (y, x), (left, right) = axes(dtype)
    values = torch.randn(right.shape[1], left.shape[1], count, 3, dtype=dtype, generator=generator(1))
    kernels = torch.randn(4, 3, 3, 3, dtype=dtype, generator=generator(2))
    inputs = (values.requires_grad_(), kernels.requires_grad_())
    ours, theirs = convolve_halves(values, kernels, y, x), convolve_taps(values, kernels, left, right)
    assert ours.shape == theirs.shape and difference(ours, theirs) < tolerance
    weight = torch.randn(theirs.shape, dtype=dtype, generator=generator(3))
    for one, two in zip(
        torch.autograd.grad((ours * weight).sum(), inputs),
        torch.autograd.grad((theirs * weight).sum(), inputs),
        strict=True,
    ):
        assert difference(one, two) < tolerance


def test_its_derivatives_are_right_forwards_backwards_and_twice():
    (y, x), (left, right) = axes(torch.float64)
    values = torch.randn(right.shape[1], left.shape[1], 1, 2, dtype=torch.float64, generator=generator(1))
    kernels = torch.randn(1, 2, 3, 3, dtype=torch.float64, generator=generator(2))
    inputs = (values.requires_grad_(), kernels.requires_grad_())

    def layer(values: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        return convolve_halves(values, kernels, y, x)

    assert torch.autograd.gradcheck(layer, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(layer, inputs)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("kinds", ["real", "complex", ["real", "complex", "real"]])
@pytest.mark.parametrize("boundary", ["zero", "circular"])
@pytest.mark.parametrize("as_complex", [False, True])
def test_cascades_by_halves_equal_their_layers_one_after_another(kinds, boundary, as_complex):
    cascade = Cascade(
        (2, 3, 2, 4),
        3,
        parameterisation=kinds,
        boundary=boundary,
        image_shape=(15, 12),
        pool=(9, None, 6),
        generator=generator(),
    ).double()
    assert all(ranks is not None for ranks in cascade._model.narrow.ranks)
    dtype = torch.complex128 if as_complex else torch.float64
    x = torch.randn(2, 2, 15, 12, dtype=dtype, generator=generator(1))
    fast, slow = cascade.maps(x), cascade.layer_by_layer(x)
    assert difference(fast, slow) < 1e-10
    parameters = list(cascade.parameters())
    for one, two in zip(
        torch.autograd.grad(fast.abs().square().sum(), parameters),
        torch.autograd.grad(slow.abs().square().sum(), parameters),
        strict=True,
    ):
        assert difference(one, two) < 1e-10


@pytest.mark.usefixtures("always")
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # torch.func.jvp's own
@pytest.mark.parametrize("boundary", ["zero", "circular"])
def test_functional_derivatives_of_such_cascades(boundary):
    cascade = Cascade(
        (2, 3, 2), 3, boundary=boundary, image_shape=(8, 8), pool=(5, None), generator=generator()
    )
    cascade.double()
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=generator(1))
    values = {name: p.detach() for name, p in cascade.named_parameters()}
    along = {name: torch.randn(p.shape, dtype=p.dtype, generator=generator(2)) for name, p in values.items()}

    def energy(parameters):
        return torch.func.functional_call(cascade, parameters, (x,)).abs().pow(3).sum()

    gradient = torch.func.grad(energy)
    _, ours = torch.func.jvp(gradient, (values,), (along,))
    parameters = list(cascade.parameters())
    slow = torch.autograd.grad(cascade.layer_by_layer(x).abs().pow(3).sum(), parameters, create_graph=True)
    for one, two in zip(gradient(values).values(), slow, strict=True):
        assert difference(one, two) < 1e-10
    slope = sum((g * d).sum() for g, d in zip(slow, along.values(), strict=True))
    for one, two in zip(ours.values(), torch.autograd.grad(slope, parameters), strict=True):
        assert difference(one, two) < 1e-10
