"""Narrow fringing fields by products, against the mean on a fine grid and against the general quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

import optics.slm.fringing_narrow
from optics.slm.fringing_field import Fringing, mean_phasor, shares
from optics.slm.fringing_narrow import REACH, SPAN, fit_weights, narrow_phasor


def fine_mean(plane, widths, samples=61, active=61):
    """The mean of the middle of a fine grid under a sampled Gaussian; the outer pixels are not to be trusted."""
    fine = np.kron(plane, np.ones((samples, samples)))
    for axis, width in enumerate(widths):
        if width:
            fine = gaussian_filter1d(fine, width * samples / 2.35482, axis=axis, mode="nearest", truncate=6)
    ny, nx = plane.shape
    inside = slice((samples - active) // 2, (samples + active) // 2)
    return np.exp(1j * fine).reshape(ny, samples, nx, samples)[:, inside, :, inside].mean((1, 3))


def scenes():
    y, x = np.mgrid[:14, :18]
    return {
        "random": np.random.default_rng(1).uniform(0, 2 * np.pi, (14, 18)),
        "blaze": (2 * np.pi * (0.125 * x + 0.03 * y)) % (2 * np.pi),
        "lens": (np.pi * ((y - 4.0) ** 2 + (x - 9.0) ** 2) / 30) % (2 * np.pi),
    }


@pytest.mark.parametrize("active", [61, 57])
@pytest.mark.parametrize("scene", ["random", "blaze", "lens"])
@pytest.mark.parametrize(
    ("widths", "bound"),
    [
        ((0.15, 0.15), 0.0015),
        ((0.3, 0.3), 0.002),
        ((0.3, 0.6), 0.0045),
        ((0.5, 0.0), 0.002),
        ((0.7, 0.7), 0.0085),
    ],
)
def test_within_the_stated_share_of_the_true_mean(scene, widths, bound, active):
    plane = scenes()[scene]
    fringing = Fringing(widths, fill_factor=(active / 61) ** 2)
    assert fringing.narrow is not None
    ours, truth = mean_phasor(torch.tensor(plane), fringing).numpy(), fine_mean(plane, widths, active=active)
    inner = (slice(2, -2), slice(2, -2))
    assert np.linalg.norm((ours - truth)[inner]) < bound * np.linalg.norm(truth[inner])


@pytest.mark.parametrize("side", [1.0, 0.9])
def test_weights_add_up_and_keep_the_mean_share_of_a_neighbour(side):
    widths = (0.2, 0.6)
    w = fit_weights(shares, widths, side)
    assert w.centre + 2 * sum(w.y) + 2 * sum(w.x) + 4 * sum(w.corner) == pytest.approx(1.0, abs=1e-12)
    position = side * ((torch.arange(20000, dtype=torch.float64) + 0.5) / 20000 - 0.5)
    for width, edge in zip(widths, (w.y, w.x), strict=True):
        towards = sum(a * u for a, u in zip(edge, (1 / 6, 1 / 3, 1 / 2), strict=True))
        towards += 2 * sum(a * u for a, u in zip(w.corner, (1 / 4, 1 / 2), strict=True))
        table = shares(position, width).mean(0)
        offset = torch.arange(len(table)) - len(table) // 2
        assert towards == pytest.approx(float((table * offset.clamp(min=0)).sum()), rel=1e-3)


def test_without_crosstalk_along_an_axis_nothing_is_shared_along_it():
    w = fit_weights(shares, (0.0, 0.4))
    assert w.y == (0.0, 0.0, 0.0) and w.corner == (0.0, 0.0) and min(w.x) > 0


def test_small_phases_are_blurred_as_the_kernel_does():
    # to first order the mean phasor is 1 + i (blurred phase): the mean shares, exact by construction
    plane = torch.zeros(5, 5, dtype=torch.float64)
    plane[2, 2] = 1e-4
    out = mean_phasor(plane, Fringing((0.5, 0.3))).imag / 1e-4
    position = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000 - 0.5
    y, x = shares(position, 0.5).mean(0)[:3], shares(position, 0.3).mean(0)
    assert float(out[1, 2]) == pytest.approx(float(y[0] * x[1]), rel=0.02)
    assert float(out[2, 1]) == pytest.approx(float(y[1] * x[0]), rel=0.02)
    assert float(out[2, 1]) < 0.7 * float(out[1, 2])


def test_wide_kernels_and_long_ranges_take_the_general_way():
    assert Fringing((0.0, 0.0)).narrow is None
    assert Fringing((REACH, 0.1)).narrow is not None
    assert Fringing((REACH + 0.01, 0.1)).narrow is None
    assert Fringing((0.3, 0.3), span=SPAN + 0.1).narrow is None
    plane = torch.tensor(scenes()["random"])
    narrow, general = Fringing((0.6, 0.6)), Fringing((0.6, 0.6), span=8.0)
    a, b = mean_phasor(plane, narrow), mean_phasor(plane, general)
    assert 1e-6 < float((a - b).norm() / b.norm()) < 0.01


def test_strips_of_rows_change_nothing(monkeypatch):
    phase = (6 * torch.rand(2, 13, 7, dtype=torch.float64)).requires_grad_()
    weights = fit_weights(shares, (0.3, 0.5))
    weight = torch.randn(2, 11, 5, dtype=torch.complex128)
    results = []
    for block in (10**6, 15):
        monkeypatch.setattr(optics.slm.fringing_narrow, "_BLOCK", block)
        out = narrow_phasor(phase, weights)
        (grad,) = torch.autograd.grad((out * weight).real.sum(), phase)
        results.append((out.detach(), grad))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("widths", [(0.3, 0.3), (0.6, 0.2), (0.0, 0.5)])
def test_gradient(widths):
    phase = (2 * math.pi * torch.rand(2, 6, 5, dtype=torch.float64)).requires_grad_()
    weights = fit_weights(shares, widths)
    assert torch.autograd.gradcheck(lambda p: narrow_phasor(p, weights), (phase,))
