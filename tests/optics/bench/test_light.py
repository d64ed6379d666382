"""The light: source points, spectrum, photon budget."""

from __future__ import annotations

import math

import pytest

from optics.bench.light import LightSpec, photon_energy, photons_per_pixel, power_for
from optics.checks import SpecError

GREEN = 532e-9


def test_photon_energy_of_green_light():
    assert photon_energy(GREEN) == pytest.approx(3.7339e-19, rel=1e-4)  # 2.3305 eV


def test_photon_budget_counts_every_photon_of_the_beam():
    # 1 uW for 1 ms is 1 nJ: 2.678e9 photons on 1 mm^2 of the display
    budget = {"wavelength": GREEN, "exposure": 1e-3, "beam_area": 1e-6, "pixel_pitch": 10e-6}
    photons = photons_per_pixel(1e-6, **budget)
    assert photons * (1e-3 / 10e-6) ** 2 == pytest.approx(1e-9 / 3.7339e-19, rel=1e-4)
    # an image twice as large spreads them over four times the pixels; half the light is lost on the way
    assert photons_per_pixel(1e-6, **budget, magnification=2.0) == pytest.approx(photons / 4)
    assert photons_per_pixel(1e-6, **budget, efficiency=0.5) == pytest.approx(photons / 2)
    assert power_for(photons, **budget) == pytest.approx(1e-6)


def test_photon_budget_refuses_what_is_not_physical():
    budget = {"wavelength": GREEN, "exposure": 1e-3, "beam_area": 1e-6, "pixel_pitch": 10e-6}
    with pytest.raises(SpecError, match="power"):
        photons_per_pixel(-1.0, **budget)
    with pytest.raises(SpecError, match="efficiency"):
        photons_per_pixel(1.0, **budget, efficiency=1.5)
    with pytest.raises(SpecError, match="wavelength"):
        photon_energy(0.0)


def test_coherent_light_is_one_point_on_the_axis():
    angles, weights = LightSpec(wavelength=GREEN).source()
    assert angles.tolist() == [[0.0, 0.0]] and weights.tolist() == [1.0]


@pytest.mark.parametrize("points", [4, 5, 21])
def test_source_points_fill_a_centred_disc(points):
    light = LightSpec(wavelength=GREEN, coherence="partial", source_width=2e-3, source_points=points)
    angles, weights = light.source()
    assert weights.sum() == pytest.approx(1.0)
    assert angles.mean(0).abs().max() < 1e-12
    assert angles.norm(dim=1).max() <= 1e-3
    # second moment of a uniform disc of radius r along one axis: r^2 / 4
    if points == 21:
        second = (weights[:, None] * angles**2).sum(0)
        assert second.tolist() == pytest.approx([1e-6 / 4] * 2, rel=0.03)


def test_lines_share_the_light():
    light = LightSpec(wavelength=GREEN, spectrum=((531e-9, 0.5), (533e-9, 0.5)))
    assert light.lines == ((GREEN, 0.5), (531e-9, 0.25), (533e-9, 0.25))
    assert light.ideal().lines == ((GREEN, 1.0),)


def test_incoherent_light_has_no_source_points():
    with pytest.raises(SpecError, match="psf"):
        LightSpec(wavelength=GREEN, coherence="incoherent").source()


@pytest.mark.parametrize(
    "bad",
    [
        {"wavelength": 0.0},
        {"wavelength": 532.0},
        {"wavelength": -GREEN},
        {"wavelength": math.inf},
        {"wavelength": GREEN, "photons": 0.0},
        {"wavelength": GREEN, "coherence": "laser"},
        {"wavelength": GREEN, "coherence": "partial"},
        {"wavelength": GREEN, "source_width": 1e-3},
        {"wavelength": GREEN, "spectrum": ((633.0, 1.0),)},
    ],
)
def test_bad_light_is_refused(bad):
    with pytest.raises(SpecError):
        LightSpec(**bad)
