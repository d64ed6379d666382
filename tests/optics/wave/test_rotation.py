"""Rotation by shears: which way, about which point, and kept phases equal to those built anew."""

from __future__ import annotations

import math

import pytest
import torch

import optics.wave.rotation
from optics.checks import OpticsError
from optics.conventions import axis
from optics.wave.rotation import Rotation, rotate


def blob(cy, cx, shape=(64, 80)):
    y, x = axis(shape[0], 1.0)[:, None] - cy, axis(shape[1], 1.0)[None, :] - cx
    return torch.exp(-(y**2 / 18 + x**2 / 8)).to(torch.complex128)


def centroid(plane):
    weight = plane.abs()
    y, x = axis(plane.shape[-2], 1.0), axis(plane.shape[-1], 1.0)
    return float((weight.sum(1) * y).sum() / weight.sum()), float((weight.sum(0) * x).sum() / weight.sum())


def test_turns_from_x_towards_y_about_the_origin():
    angle = 0.3
    turned = rotate(blob(0.0, 15.0), angle)
    assert centroid(turned) == pytest.approx((15 * math.sin(angle), 15 * math.cos(angle)), abs=1e-3)


def test_turns_about_another_point():
    # centre in samples: index (40, 30) is coordinate (8, -10)
    angle = -0.2
    turned = rotate(blob(8.0, 5.0), angle, centre=(40.0, 30.0))
    want = (8 + 15 * math.sin(angle), -10 + 15 * math.cos(angle))
    assert centroid(turned) == pytest.approx(want, abs=1e-3)


def test_module_keeps_its_phases_and_goes_back():
    plane = blob(3.0, -7.0)[None]
    there = Rotation((64, 80), 0.1, centre=(30.0, 45.0), dtype=torch.complex128)
    assert torch.equal(there(plane), rotate(plane, 0.1, centre=(30.0, 45.0)))
    assert not there.state_dict()
    assert float(there(plane).abs().square().sum()) == pytest.approx(float(plane.abs().square().sum()))
    back = rotate(there(plane), -0.1, centre=(30.0, 45.0))
    assert torch.allclose(back, plane, atol=1e-6)
    assert Rotation((64, 80), 0.0)(plane) is plane and rotate(plane, 0.0) is plane


def test_real_planes_are_refused():
    with pytest.raises(OpticsError, match="complex64"):
        rotate(torch.ones(4, 4), 0.1)


def test_gradients():
    plane = blob(0.0, 0.0, (5, 4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rotate(p, 0.3), (plane,))


def test_two_shears_do_for_a_small_angle(monkeypatch):
    noise, angle = torch.randn(48, 64, dtype=torch.complex128), 5e-3
    band = [torch.fft.fftfreq(n, dtype=torch.float64).abs() < 0.4 for n in noise.shape]
    smooth = torch.fft.ifft2(torch.fft.fft2(noise) * (band[0][:, None] & band[1][None, :]))
    plane = smooth * torch.hann_window(48, dtype=torch.float64)[:, None] * torch.hann_window(64).double()
    two = rotate(plane, angle)
    monkeypatch.setattr(optics.wave.rotation, "_NEGLIGIBLE", 0.0)
    three = rotate(plane, angle)
    assert 0 < float((two - three).norm() / three.norm()) < 5e-4
    assert float((three - plane).norm() / plane.norm()) > 0.05


def test_gradient_of_two_shears():
    plane = blob(0.0, 0.0, (5, 4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: rotate(p, 1e-2), (plane,))
