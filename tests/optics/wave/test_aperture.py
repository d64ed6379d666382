"""Anti-aliased apertures: exact areas, in the right place."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optics.checks import ShapeError, SpecError
from optics.conventions import axis
from optics.wave.aperture import circular_aperture, polar_coordinates, rectangular_aperture


@settings(max_examples=60, deadline=None)
@given(st.floats(0.3, 20), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.5, 1.5), st.floats(0.5, 1.5))
def test_area_of_a_disc_is_exact(diameter, cy, cx, py, px):
    mask = circular_aperture((64, 65), (py * 1e-6, px * 1e-6), diameter * 1e-6, centre=(cy * 1e-6, cx * 1e-6))
    assert float(mask.sum()) * py * px == pytest.approx(math.pi * diameter**2 / 4, rel=1e-9)
    assert float(mask.min()) >= 0.0 and float(mask.max()) <= 1.0


def test_coverage_of_every_sample():
    shape, pitch, diameter, centre = (20, 26), (8e-6, 7e-6), 9.1e-5, (13.3e-6, -21e-6)
    mask = circular_aperture(shape, pitch, diameter, centre=centre)
    fine = 101
    y, x = (
        (axis(n, p)[:, None] + ((torch.arange(fine).double() + 0.5) / fine - 0.5) * p - c).flatten()
        for n, p, c in zip(shape, pitch, centre, strict=True)
    )
    inside = (y[:, None] ** 2 + x[None, :] ** 2 < (diameter / 2) ** 2).double()
    counted = inside.reshape(shape[0], fine, shape[1], fine).mean((1, 3))
    assert float((mask - counted).abs().max()) < 2e-3


def test_disc_smaller_than_a_sample_and_larger_than_the_window():
    assert float(circular_aperture((3, 3), 8e-6, 3e-6)[1, 1]) == pytest.approx(math.pi * 2.25 / 64)
    assert bool((circular_aperture((4, 6), 1e-6, 1e-3) == 1).all())
    assert bool((circular_aperture((4, 6), 1e-6, 2e-6, centre=(1e-3, 0.0)) == 0).all())


def test_centroid_is_the_centre_asked_for():
    centre = (-17e-6, 41e-6)
    masks = (
        circular_aperture((40, 60), 4e-6, 60e-6, centre=centre),
        rectangular_aperture((40, 60), 4e-6, (30e-6, 50e-6), centre=centre),
    )
    for mask in masks:
        y = float((mask.sum(1) * axis(40, 4e-6)).sum() / mask.sum())
        x = float((mask.sum(0) * axis(60, 4e-6)).sum() / mask.sum())
        assert (y, x) == pytest.approx(centre, abs=0.1e-6)


def test_rectangle_is_y_by_x_with_partial_edges():
    mask = rectangular_aperture((4, 5), 1e-3, (2.5e-3, 1.2e-3), centre=(0.2e-3, -0.7e-3))
    along_y, along_x = torch.tensor([0.0, 0.55, 1.0, 0.95]), torch.tensor([0.0, 0.8, 0.4, 0.0, 0.0])
    assert torch.allclose(mask, (along_y[:, None] * along_x[None, :]).double(), atol=1e-6)


def test_angle_runs_from_x_towards_y():
    rho, theta = polar_coordinates((5, 7), 1e-3, 2e-3)
    assert float(rho[2, 4]) == pytest.approx(1.0)
    assert float(theta[2, 4]) == pytest.approx(0.0)
    assert float(theta[3, 3]) == pytest.approx(math.pi / 2)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: circular_aperture((4, 4), -1e-6, 1e-3), SpecError),
        (lambda: circular_aperture((4, 4), 1e-6, 0.0), SpecError),
        (lambda: circular_aperture((4, 4), 1e-6, float("nan")), SpecError),
        (lambda: circular_aperture((0, 4), 1e-6, 1e-3), ShapeError),
        (lambda: circular_aperture((4, 4), 1e-6, 1e-3, centre=(0.0, math.inf)), SpecError),
        (lambda: rectangular_aperture((4, 4), 1e-6, (1e-3, -1e-3)), SpecError),
    ],
)
def test_bad_input_is_one_clear_error(call, error):
    with pytest.raises(error):
        call()
