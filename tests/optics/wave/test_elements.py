"""Masks, stops and gratings: what they multiply by, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from optics.checks import OpticsError, SamplingError, ShapeError, SpecError
from optics.wave.aperture import circular_aperture, rectangular_aperture
from optics.wave.elements import (
    Mask,
    amplitude_mask,
    binary_grating,
    blazed_grating,
    complex_mask,
    field_stop,
    phase_mask,
)
from tests.scenes import generator


def random_field(*shape, dtype=torch.complex128):
    return torch.randn(*shape, dtype=dtype, generator=generator(3))


def test_masks_multiply_and_keep_the_fields_precision():
    u = random_field(2, 3, 4, dtype=torch.complex64)
    amplitude = torch.rand(3, 4, dtype=torch.float64, generator=generator())
    phase = torch.linspace(-3, 9, 12, dtype=torch.float64).reshape(3, 4)
    mask = torch.polar(amplitude, phase)
    for out, factor in (
        (amplitude_mask(u, amplitude), amplitude),
        (phase_mask(u, phase), torch.polar(torch.ones_like(phase), phase)),
        (complex_mask(u, mask), mask),
    ):
        assert out.dtype == torch.complex64
        assert torch.allclose(out, (u * factor).to(torch.complex64), atol=1e-6)
    assert amplitude_mask(u.real, amplitude).dtype == torch.float32


@pytest.mark.parametrize("kind", ["amplitude", "phase", "complex"])
def test_mask_module_trains_a_parameter_and_keeps_a_buffer(kind):
    value = torch.full((3, 4), 0.5, dtype=torch.complex64 if kind == "complex" else torch.float32)
    trained, kept = Mask(nn.Parameter(value), kind=kind), Mask(value, kind=kind)
    assert list(trained.state_dict()) == list(kept.state_dict()) == ["value"]
    u = random_field(2, 3, 4, dtype=torch.complex64)
    assert torch.equal(trained(u), kept(u))
    trained(u).abs().square().sum().backward()
    assert trained.value.grad is not None
    assert not list(kept.parameters())


def test_stops_are_the_apertures():
    u = random_field(2, 20, 30)
    circle = field_stop(u, pitch=1e-5, diameter=1e-4, centre=(2e-5, -3e-5))
    assert torch.allclose(circle, u * circular_aperture((20, 30), 1e-5, 1e-4, centre=(2e-5, -3e-5)))
    rectangle = field_stop(u, pitch=1e-5, width=(1e-4, 5e-5), centre=(2e-5, -3e-5))
    want = u * rectangular_aperture((20, 30), 1e-5, (1e-4, 5e-5), centre=(2e-5, -3e-5))
    assert torch.allclose(rectangle, want)


def test_blaze_grows_along_its_direction_and_wraps():
    phase = blazed_grating((8, 8), 1e-6, 4e-6)
    assert torch.allclose(phase[0], math.pi / 2 * torch.tensor([0, 1, 2, 3, 0, 1, 2, 3]).double())
    assert torch.allclose(blazed_grating((8, 8), 1e-6, 4e-6, angle=math.pi / 2), phase.mT, atol=1e-6)
    mirrored = blazed_grating((8, 8), 1e-6, -4e-6)
    assert torch.allclose(torch.cos(mirrored + phase), torch.ones(8, 8).double())


def test_blaze_levels_and_depth():
    phase = blazed_grating((1, 64), 1e-6, 16e-6, levels=4, depth=3.0)
    assert sorted(set(phase.flatten().tolist())) == pytest.approx([0.0, 0.75, 1.5, 2.25])


def test_binary_bars_have_their_duty_and_values():
    bars = binary_grating((2, 32), 1e-6, 8e-6, duty=0.25, low=-1.0, high=2.0)
    assert float((bars == 2.0).double().mean()) == 0.25
    assert float(bars[0, 16]) == 2.0
    assert torch.equal(bars[0], bars[1])
    assert torch.equal(
        binary_grating((32, 2), 1e-6, 8e-6, angle=math.pi / 2, duty=0.25, low=-1.0, high=2.0), bars.mT
    )


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda u: phase_mask(u, torch.ones(3, 4, dtype=torch.complex64)), OpticsError, "mask.angle"),
        (lambda u: phase_mask(u, torch.full((3, 4), math.nan)), OpticsError, r"index \(0, 0\)"),
        (lambda u: phase_mask(u, torch.ones(4, 3)), ShapeError, r"\(3, 4\)"),
        (lambda u: phase_mask(u, torch.ones(1, 4)), ShapeError, "Expand"),
        (lambda u: amplitude_mask(u, torch.full((3, 4), 1.5)), OpticsError, "adds no light"),
        (lambda u: amplitude_mask(u, torch.full((3, 4), -0.5)), OpticsError, "phase of pi"),
        (lambda u: amplitude_mask(u, torch.ones(3, 4, dtype=torch.complex64)), OpticsError, "abs"),
        (lambda u: complex_mask(u, torch.ones(3, 4)), OpticsError, "expected complex"),
        (lambda u: complex_mask(u, torch.full((3, 4), 2j)), OpticsError, "magnitude of 2"),
        (lambda u: complex_mask(u, torch.full((3, 4), complex(math.nan, 0))), OpticsError, "finite"),
        (lambda u: field_stop(u, pitch=1e-6), SpecError, "either"),
        (lambda u: field_stop(u, pitch=1e-6, diameter=1e-6, width=(1e-6, 1e-6)), SpecError, "either"),
        (lambda u: field_stop(u, pitch=-1e-6, diameter=1e-6), SpecError, "pitch"),
        (lambda u: blazed_grating((4, 4), 8e-6, 12e-6), SamplingError, "two samples"),
        (lambda u: blazed_grating((4, 4), 8e-6, 0.0), SpecError, "not 0"),
        (lambda u: blazed_grating((4, 4), 8e-6, 32e-6, levels=1), SpecError, "at least 2"),
        (lambda u: blazed_grating((4, 4), 8e-6, 32e-6, angle=math.nan), SpecError, "angle"),
        (lambda u: binary_grating((4, 4), 8e-6, 32e-6, duty=1.5), SpecError, "duty"),
        (lambda u: Mask(torch.ones(3, 4), kind="phases"), SpecError, "amplitude, phase, complex"),
        (lambda u: Mask(torch.ones(2, 3, 4), kind="phase"), ShapeError, "one plane"),
    ],
)
def test_bad_input_is_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call(random_field(2, 3, 4))


def test_gradients():
    u = random_field(3, 4).requires_grad_()
    amplitude = torch.full((3, 4), 0.5, dtype=torch.float64, requires_grad=True)
    phase = torch.linspace(0, 5, 12, dtype=torch.float64).reshape(3, 4).requires_grad_()
    mask = (0.5 * torch.polar(torch.ones(3, 4).double(), phase.detach())).requires_grad_()
    assert torch.autograd.gradcheck(amplitude_mask, (u, amplitude))
    assert torch.autograd.gradcheck(phase_mask, (u, phase))
    assert torch.autograd.gradcheck(complex_mask, (u, mask))
    assert torch.autograd.gradcheck(lambda v: field_stop(v, pitch=1e-6, diameter=3e-6), (u,))
