"""The periodic 4f: equal to its plain form for every shape, its gradients too, and safe to keep in a training loop."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optics.checks import ShapeError
from optics.conventions import abs2
from optics.fourf.periodic import Periodic4F, periodic_intensity
from optics.wave.fourier import fft2c, ifft2c
from optics.wave.propagation import lens_transform
from tests.scenes import generator


def draw(*shape, dtype=torch.complex128, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=generator(seed))


def plain(images, masks):
    return abs2(ifft2c(masks * fft2c(images)[:, None]))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.booleans(), st.booleans()
)
def test_equals_the_plain_form_with_its_gradients(b, m, ny, nx, as_complex, single_precision):
    dtype = torch.complex128 if as_complex else torch.float64
    images, masks, weight = (
        draw(b, ny, nx, dtype=dtype),
        draw(m, ny, nx, seed=1),
        draw(b, m, ny, nx, seed=2).real,
    )
    if single_precision:
        images, masks, weight = (
            images.to(torch.complex64 if as_complex else torch.float32),
            masks.to(torch.complex64),
            weight.float(),
        )
    results = []
    for run in (periodic_intensity, plain):
        u, h = images.clone().requires_grad_(), masks.clone().requires_grad_()
        out = run(u, h)
        (out * weight).sum().backward()
        results.append((out.detach(), u.grad, h.grad))
    for got, want in zip(*results, strict=True):
        assert got.dtype == want.dtype
        assert float((got - want).abs().max()) <= (2e-5 if single_precision else 1e-12) * float(
            want.abs().max() + 1
        )


def test_two_lens_transforms_and_the_flip_of_the_axes():
    images, masks = draw(2, 24, 31, dtype=torch.float64), draw(3, 24, 31, seed=1)
    lens = {"wavelength": 532e-9, "pitch": 8e-6, "focal_length": 0.1}
    back = {"wavelength": 532e-9, "pitch": 8e-6, "focal_length": 0.1}
    field = lens_transform(lens_transform(images, **lens)[:, None] * masks, **back)
    # upright: sample j of the camera's axis is sample -j of the field's, about n // 2
    upright = torch.roll(torch.flip(field, (-2, -1)), (1, 0), (-2, -1))
    assert torch.allclose(periodic_intensity(images, masks), abs2(upright), atol=1e-10)


def test_large_planes_and_many_masks_go_in_blocks(monkeypatch):
    images, masks = draw(5, 8, 6, dtype=torch.float64), draw(7, 8, 6, seed=1)
    want = plain(images, masks)
    for block in (1, 48, 100, 200, 10**6):
        monkeypatch.setattr("optics.fourf.periodic._BLOCK", block)
        u, h = images.clone().requires_grad_(), masks.clone().requires_grad_()
        out = periodic_intensity(u, h)
        assert torch.allclose(out, want, atol=1e-12)
        out.sum().backward()
        v, k = images.clone().requires_grad_(), masks.clone().requires_grad_()
        plain(v, k).sum().backward()
        assert torch.allclose(u.grad, v.grad, atol=1e-10)
        assert torch.allclose(h.grad, k.grad, atol=1e-10)


def test_workspace_is_not_shared_between_graphs_that_live_at_once():
    system = Periodic4F()
    images, masks = draw(2, 6, 5, dtype=torch.float64), draw(2, 6, 5, seed=1)
    first, second = masks.clone().requires_grad_(), masks.clone().requires_grad_()
    a, b = system(images, first), system(2 * images, second)
    a.sum().backward(retain_graph=True)
    b.sum().backward()
    assert torch.allclose(second.grad, 4 * first.grad)
    a.sum().backward()
    assert torch.allclose(2 * second.grad, 4 * first.grad)


def test_workspace_is_used_again_and_is_no_state():
    system = Periodic4F()
    images, masks = draw(1, 8, 8, dtype=torch.float64), draw(1, 8, 8, seed=1).requires_grad_()
    for _ in range(4):
        system(images, masks).sum().backward()
    kept = [t for pile in system.workspace._free.values() for t in pile]
    assert 1 <= len(kept) <= 3
    assert not system.state_dict()
    for other in (copy.deepcopy(system), pickle.loads(pickle.dumps(system))):
        assert torch.equal(other(images, masks), system(images, masks))
        assert other.workspace is not system.workspace


def test_gradcheck():
    assert torch.autograd.gradcheck(
        periodic_intensity,
        (draw(2, 3, 4, dtype=torch.float64).requires_grad_(), draw(2, 3, 4, seed=1).requires_grad_()),
    )
    assert torch.autograd.gradcheck(
        periodic_intensity, (draw(1, 4, 3).requires_grad_(), draw(2, 4, 3, seed=1).requires_grad_())
    )


@pytest.mark.parametrize(
    ("images", "masks", "words"),
    [
        (torch.ones(4, 4), torch.ones(1, 4, 4, dtype=torch.complex64), "One channel"),
        (torch.ones(1, 4, 4), torch.ones(1, 4, 5, dtype=torch.complex64), "One sample"),
        (torch.ones(1, 4, 4), torch.ones(1, 4, 4), "complex64"),
        (torch.ones(1, 4, 4).double(), torch.ones(1, 4, 4, dtype=torch.complex64), "complex128"),
    ],
)
def test_bad_input_is_one_clear_error(images, masks, words):
    with pytest.raises(ShapeError, match=words):
        periodic_intensity(images, masks)
