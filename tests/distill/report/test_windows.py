"""Exposures of two benches are compared pixel by pixel of the sensor, also where their windows differ."""

from __future__ import annotations

import torch

from distill.report.figures import _shared


def test_windows_that_differ_show_the_same_pixels():
    sensor = torch.arange(20 * 30).reshape(20, 30)
    one, other = (slice(3, 12), slice(5, 25)), (slice(2, 12), slice(6, 26))
    mine, theirs = _shared(one, other)
    a, b = sensor[one][mine[0], mine[1]], sensor[other][theirs[0], theirs[1]]
    assert torch.equal(a, b)
    assert a.shape == (9, 19)
