"""Pixel integration weights: what they average, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from optics.checks import SamplingError, SpecError
from optics.conventions import axis
from optics.wave.pixel_integration import pixel_weights
from tests.scenes import generator


def test_rows_sum_to_one_inside_the_window():
    samples = axis(400, 2e-6)
    weights = pixel_weights(samples, torch.tensor([-1e-4, 3e-6, 1.3e-4]), 13e-6)
    assert weights.shape == (3, 400) and weights.dtype == torch.float64
    assert (weights.sum(1) - 1).abs().max() < 5e-3


def test_width_zero_interpolates_and_keeps_the_samples():
    samples = axis(9, 1e-6)
    assert torch.allclose(pixel_weights(samples, samples, 0.0), torch.eye(9, dtype=torch.float64), atol=1e-12)


def test_pixels_side_by_side_average_like_one_large_pixel():
    samples = axis(101, 1e-6)
    signal = torch.rand(101, dtype=torch.float64, generator=generator())
    two = pixel_weights(samples, torch.tensor([1e-6, 4e-6]), 3e-6) @ signal
    one = pixel_weights(samples, torch.tensor([2.5e-6]), 6e-6) @ signal
    assert torch.allclose(two.mean(), one[0], rtol=1e-12)


def test_shifted_window_keeps_the_weights():
    centres = torch.tensor([-2.2e-6, 1.7e-6], dtype=torch.float64)
    here = pixel_weights(axis(31, 1e-6), centres, 2e-6)
    there = pixel_weights(axis(31, 1e-6) + 5e-3, centres + 5e-3, 2e-6)
    assert torch.allclose(here, there, atol=1e-9)


def test_bad_samples_are_refused():
    with pytest.raises(SamplingError, match="uniform"):
        pixel_weights(torch.tensor([0.0, 1.0, 3.0]), torch.tensor([0.0]), 1.0)
    with pytest.raises(SamplingError, match="ascending"):
        pixel_weights(torch.tensor([1.0, 0.0]), torch.tensor([0.0]), 1.0)
    with pytest.raises(SpecError, match="width"):
        pixel_weights(axis(4, 1.0), torch.tensor([0.0]), -1.0)
