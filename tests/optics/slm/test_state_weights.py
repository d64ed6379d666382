"""An intensity under any ripple is the mixture of the intensities in a few states of the panel."""

from __future__ import annotations

import math

import pytest
import torch

from optics.slm.ripple import ripple_states, rippled, state_weights


def intensity(phase: torch.Tensor, ripple: float) -> torch.Tensor:
    """Of a far field made of pixels with these phases, lopsided."""
    kernel = torch.exp(1j * torch.linspace(0, 3, phase.numel(), dtype=torch.float64))
    return (torch.exp(1j * rippled(phase, ripple)) * kernel).sum().abs() ** 2


@pytest.mark.physics
@pytest.mark.parametrize(("flicker", "within"), [(0.06, 3e-3), (0.25, 0.05), (0.6, 7e-3), (1.2, 5e-3)])
def test_one_panel(flicker, within):
    phase = torch.rand(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 * math.pi
    states = ripple_states(flicker)
    at_states = torch.stack([intensity(phase, place[0]) for place, _ in states])
    bright = at_states.mean()
    for sides in (-1.5, -0.4, 0.0, 0.8, 1.5):  # standard deviations
        ripple = sides * flicker / (2 * math.pi)
        weights = state_weights(states, torch.tensor([[ripple]], dtype=torch.float64))[0]
        assert weights.sum().item() == pytest.approx(1.0)
        error = (weights * at_states).sum() - intensity(phase, ripple)
        assert abs(error.item()) < within * bright, sides


@pytest.mark.parametrize(("flicker", "panels"), [(0.0, 1), (0.1, 1), (0.5, 1), (1.0, 1), (0.3, 2), (0.3, 3)])
def test_the_mean_over_the_ripple_is_the_weighted_mean_of_the_states(flicker, panels):
    states = ripple_states(flicker, panels)
    g = torch.Generator().manual_seed(1)
    ripple = torch.randn(200_000, panels, generator=g, dtype=torch.float64) * flicker / (2 * math.pi)
    found = state_weights(states, ripple).mean(0)
    wanted = torch.tensor([w for _, w in states], dtype=torch.float64)
    torch.testing.assert_close(found, wanted, atol=0.02, rtol=0)


def test_at_a_state_its_own_weight_is_one():
    states = ripple_states(0.6)
    places = torch.tensor([place for place, _ in states], dtype=torch.float64)
    torch.testing.assert_close(state_weights(states, places), torch.eye(3, dtype=torch.float64))
