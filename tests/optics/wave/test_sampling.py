"""Sampling checks: they name the limit, and what they advise passes."""

from __future__ import annotations

import math
import re

import pytest

from optics.checks import SamplingError, ShapeError, SpecError
from optics.wave.sampling import (
    check_carrier,
    check_distance,
    check_far_window,
    check_fresnel_transform,
    check_wavelength,
    fresnel_distance,
    longest_distance,
    padded_shape,
    paraxial_error,
    reach,
)

GRID = {"wavelength": 532e-9, "pitch": 8e-6}


def advice(caught, before):
    """The number that follows `before` in the message."""
    return float(re.search(before + r" ([0-9.e+-]+)", str(caught.value)).group(1).rstrip("."))


def test_reach_is_distance_times_tangent():
    y, x = reach(0.1, wavelength=532e-9, pitch=(8e-6, 1e-6))
    assert y == pytest.approx(0.1 * math.tan(math.asin(532e-9 / 16e-6)))
    assert x == pytest.approx(0.1 * math.tan(math.asin(0.266)))
    assert reach(-0.1, wavelength=532e-9, pitch=8e-6)[0] == pytest.approx(y)
    assert reach(1e-3, wavelength=532e-9, pitch=2e-7) == (math.inf, math.inf)
    assert reach(0.1, paraxial=True, **GRID)[0] == pytest.approx(0.1 * 532e-9 / 16e-6)


def test_padding_is_just_the_reach_and_at_least_twice_it():
    moved = reach(0.1, **GRID)[0]
    ny, nx = padded_shape((512, 300), distance=0.1, **GRID)
    assert 512 + moved / 8e-6 <= ny <= 1.1 * (512 + moved / 8e-6)
    assert 2 * moved / 8e-6 <= nx <= 1.1 * 2 * moved / 8e-6
    assert padded_shape((512, 512), distance=0.0, **GRID) == (512, 512)
    assert padded_shape((512, 512), distance=50.0, band_limited=True, **GRID) == (1024, 1024)


def test_too_long_a_distance_is_refused_and_each_advice_works():
    with pytest.raises(SamplingError, match=r"more than 4 times the field's 64") as caught:
        padded_shape((64, 64), distance=1.0, **GRID)
    padded_shape((64, 64), distance=advice(caught, "distance of at most") * 0.999, **GRID)
    n = int(advice(caught, "pad the field to")) + 1
    padded_shape((n, n), distance=1.0, **GRID)


def test_longest_distance_inverts_reach():
    z = longest_distance(3e-3, wavelength=532e-9, pitch=8e-6)
    assert reach(z, **GRID)[0] == pytest.approx(3e-3)


def test_short_fresnel_transforms_are_refused_and_each_advice_works():
    limit = 512 * 64e-12 / 532e-9
    assert fresnel_distance((512, 256), **GRID) == pytest.approx((limit, limit / 2))
    check_fresnel_transform((512, 512), distance=-limit, **GRID)
    with pytest.raises(SamplingError, match="angular_spectrum") as caught:
        check_fresnel_transform((512, 512), distance=0.03, **GRID)
    check_fresnel_transform((512, 512), distance=advice(caught, "distance of at least") * 1.001, **GRID)
    pitch = advice(caught, "pitch of at most")
    check_fresnel_transform((512, 512), wavelength=532e-9, pitch=pitch * 0.999, distance=0.03)


def test_far_windows_beyond_the_repetition_are_refused():
    scale = 532e-9 * 0.1
    edge = scale / 16e-6
    window = {"wavelength_distance": scale, "pitch": 8e-6, "out_pitch": 1e-5}
    check_far_window(out_shape=(100, 100), out_centre=(edge - 50e-5, 0.0), **window)
    with pytest.raises(SamplingError, match="along x") as caught:
        check_far_window(out_shape=(100, 100), out_centre=(0.0, -edge), **window)
    pitch = advice(caught, "near pitch of at most") * 0.999
    check_far_window(
        wavelength_distance=scale, pitch=pitch, out_pitch=1e-5, out_shape=(100, 100), out_centre=(0.0, -edge)
    )


def test_paraxial_error_is_the_next_term_of_the_root():
    shape, z = (100, 200), 0.02
    rho2 = (100 * 8e-6) ** 2 + (200 * 8e-6) ** 2
    exact = math.sqrt(z * z + rho2) - z - rho2 / (2 * z)
    want = 2 * math.pi / 532e-9 * abs(exact)
    assert paraxial_error(shape, distance=z, **GRID) == pytest.approx(want, rel=0.01)


def test_gratings_need_two_samples_a_period():
    check_carrier(-16e-6, pitch=8e-6)
    with pytest.raises(SamplingError, match=r"at least 1\.6e-05"):
        check_carrier(12e-6, pitch=8e-6)
    for period in (0.0, math.nan):
        with pytest.raises(SpecError, match="not 0"):
            check_carrier(period, pitch=8e-6)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: check_wavelength(0.0), SpecError),
        (lambda: check_wavelength(532.0), SpecError),
        (lambda: check_distance(math.inf), SpecError),
        (lambda: padded_shape((0, 4), distance=0.1, **GRID), ShapeError),
        (lambda: padded_shape((4, 4), wavelength=532e-9, pitch=-8e-6, distance=0.1), SpecError),
    ],
)
def test_bad_input_is_one_clear_error(call, error):
    with pytest.raises(error):
        call()
