"""Photon transfer recovers the hidden camera within its own uncertainties, and what it recovers is of use."""

from __future__ import annotations

import json
import re

import pytest
import torch

from calibration.measurements.radiometry import measure_radiometry
from calibration.rigs.flat_field import SimulatedCamera, unit_to_unit
from optics.camera.camera import ADCSpec, Camera, CameraSpec, UniformitySpec
from optics.checks import OpticsError
from tests.scenes import generator

NOMINAL = CameraSpec(
    shape=(300, 400),
    pitch=3.45e-6,
    binning=4,
    quantum_efficiency=0.6,
    shot_noise=True,
    read_noise=2.3,
    dark_current=5.0,
    full_well=10500.0,
    adc=ADCSpec(bits=12, black_level=16.0),
    uniformity=UniformitySpec(prnu=0.01, dsnu=1.0, hot_pixels=2e-4),
)


def measured(truth: CameraSpec, seed: int = 0, **options: object):
    return measure_radiometry(SimulatedCamera(truth, NOMINAL), generator=generator(seed), **options)


def truths(spec: CameraSpec) -> dict[str, float]:
    return {
        "gain": spec.gain,
        "quantum_efficiency": spec.quantum_efficiency,
        "responsivity": spec.quantum_efficiency / spec.gain,
        "black_level": spec.adc.black_level,
        "read_noise": spec.read_noise,
        "dark_current": spec.dark_current,
        "dsnu": spec.uniformity.dsnu,
    }


@pytest.mark.physics
@pytest.mark.parametrize("seed", range(4))
def test_hidden_figures_are_found_within_their_uncertainty(seed):
    truth = unit_to_unit(NOMINAL, generator=generator(100 + seed), spread=0.1)
    result = measured(truth, seed)
    for name, want in truths(truth).items():
        got = getattr(result, name)
        assert abs(got.value - want) < 4 * got.uncertainty, name
        assert got.uncertainty < 0.02 * want, name
    assert result.gain_measured


@pytest.mark.physics
def test_error_bars_hold_the_truth_as_often_as_they_should():
    """One standard error holds 68 %; 60 sensors, each with a pattern of its own: 14 % at two standard deviations."""
    held: dict[str, int] = {}
    for seed in range(60):
        truth = NOMINAL.replace(**{"uniformity.seed": seed, "uniformity.prnu": 0.02})
        result = measured(truth, seed, levels=6, frames=4, dark_exposures=(1.0,))
        for name, want in truths(truth).items():
            got = getattr(result, name)
            held[name] = held.get(name, 0) + (abs(got.value - want) < got.uncertainty)
    for name in ("gain", "responsivity", "quantum_efficiency"):
        assert 0.5 * 60 < held[name] < 0.84 * 60, held
    assert min(held.values()) > 0.5 * 60, held


@pytest.mark.physics
def test_a_shaded_lamp_is_no_photo_response():
    truth = NOMINAL.replace(**{"uniformity.prnu": 0.004})
    rig = SimulatedCamera(truth, NOMINAL, shading=0.2)
    result = measure_radiometry(rig, generator=generator(1), levels=8, frames=4)
    assert abs(result.prnu.value - 0.004) < 4 * result.prnu.uncertainty
    assert result.prnu.uncertainty < 2e-4


@pytest.mark.physics
def test_uncertainty_is_that_of_repeated_measurements():
    results = [measured(NOMINAL, seed, levels=8, frames=3, dark_exposures=()) for seed in range(24)]
    for name in ("gain", "read_noise"):
        values = torch.tensor([getattr(r, name).value for r in results], dtype=torch.float64)
        stated = getattr(results[0], name).uncertainty
        # 24 draws give a spread to 15 %
        assert 0.55 < float(values.std()) / stated < 1.6, name


@pytest.mark.physics
def test_full_well_is_found_where_the_well_ends_first_and_where_the_adc_does():
    well = measured(NOMINAL.replace(full_well=8000.0, **{"adc.gain": 2.6}))
    assert well.full_well.value == pytest.approx(8000.0, rel=0.01)
    assert well.saturation.value == pytest.approx(8000 / 2.6 + 16, rel=1e-3)
    adc = measured(NOMINAL.replace(full_well=2e4, **{"adc.gain": 2.6}))
    assert adc.saturation.value == 4095.0
    assert adc.full_well.value == pytest.approx((4095 - 16) * 2.6, rel=0.01)


def test_camera_that_is_not_saturated_keeps_the_data_sheet_full_well():
    result = measured(NOMINAL, levels=(0.05, 0.1, 0.2, 0.3, 0.4))
    assert result.saturation is None and result.full_well is None
    assert result.corrected(NOMINAL).full_well == NOMINAL.full_well
    assert result.gain.value == pytest.approx(NOMINAL.gain, rel=0.02)


def test_corrected_camera_turns_counts_into_photons_where_the_nominal_one_errs():
    truth = unit_to_unit(NOMINAL, generator=generator(7), spread=0.1).replace(
        **{"uniformity.hot_pixels": 0.0}
    )
    corrected = measured(truth).corrected(NOMINAL)
    assert corrected.binning == NOMINAL.binning and corrected.exposure == NOMINAL.exposure
    photons = torch.full((8, *truth.binned_shape), 3e4)
    counts = Camera(truth).expose(photons, generator=generator(1))
    assumed = {name: Camera(truth, assumed=s) for name, s in (("nominal", NOMINAL), ("measured", corrected))}
    error = {name: abs(float(c.photons_of(counts).mean()) / 3e4 - 1) for name, c in assumed.items()}
    assert error["measured"] < 1e-3
    assert error["nominal"] > 20 * error["measured"]


def test_result_is_plain_json():
    result = measured(NOMINAL)
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["gain"]["unit"] == "e-/DN"
    assert len(data["photons"]) == len(data["mean"]) == len(data["variance"]) == 24
    assert data["linearity"]["value"] < 1e-3
    assert 0 < data["hot_pixels"] < 2e-3


def test_black_level_of_zero_clips_the_dark_and_is_still_found():
    truth = NOMINAL.replace(**{"adc.black_level": 0.0})
    corrected = measured(truth).corrected(NOMINAL)
    assert corrected.adc.black_level == pytest.approx(0.0, abs=0.2)
    assert corrected.gain == pytest.approx(truth.gain, rel=0.01)


def test_camera_without_shot_noise_keeps_the_nominal_gain_but_its_responsivity_is_measured():
    result = measured(NOMINAL.replace(shot_noise=False, **{"adc.gain": 3.0}))
    assert not result.gain_measured
    assert result.gain.value == NOMINAL.gain
    assert result.responsivity.value == pytest.approx(0.6 / 3.0, rel=1e-3)
    corrected = result.corrected(NOMINAL)
    assert corrected.quantum_efficiency / corrected.gain == pytest.approx(0.6 / 3.0, rel=1e-3)


def test_ideal_camera_is_measured_as_ideal():
    ideal = NOMINAL.ideal()
    corrected = measure_radiometry(SimulatedCamera(ideal), generator=generator()).corrected(ideal)
    assert corrected.gain / corrected.quantum_efficiency == pytest.approx(1.0, abs=1e-5)
    assert corrected.read_noise == pytest.approx(0.0, abs=1e-3) and corrected.black == 0.0


def test_bad_plans_and_dead_cameras_are_refused():
    rig = SimulatedCamera(NOMINAL)
    with pytest.raises(OpticsError, match="at least 2"):
        measure_radiometry(rig, frames=1)
    with pytest.raises(OpticsError, match="four light levels"):
        measure_radiometry(rig, levels=3)
    with pytest.raises(OpticsError, match="four light levels"):
        measure_radiometry(rig, levels=(0.0, 0.1, 0.2, 0.3))
    with pytest.raises(OpticsError, match="below saturation"):
        measure_radiometry(rig, levels=(5.0, 6.0, 7.0, 8.0))


@pytest.mark.physics
def test_what_contradicts_the_data_sheet_is_told():
    truth = NOMINAL.replace(**{"adc.gain": 3.5, "read_noise": 4.0, "full_well": 7000.0})
    found = measured(truth, 1).contradictions(NOMINAL)
    assert [line.split()[0] for line in found] == ["gain", "read_noise", "full_well"]
    assert "the data sheet says 2.56" in found[0]
    assert (
        measured(unit_to_unit(NOMINAL, generator=generator(3), spread=0.02), 2).contradictions(NOMINAL) == ()
    )


@pytest.mark.physics
def test_more_electrons_than_photons_are_the_lamp_s_fault_and_the_corrected_camera_still_can_be():
    class TooBright(SimulatedCamera):
        def flat_field(self, photons, *args, **kwargs):
            return super().flat_field(2 * photons, *args, **kwargs)

    result = measure_radiometry(TooBright(NOMINAL), generator=generator())
    told = result.contradictions(NOMINAL)
    assert re.match(
        r"quantum_efficiency is 1\.[12]\d* by photon transfer, no camera has more than 1", told[0]
    )
    spec = result.corrected(NOMINAL)
    assert spec.quantum_efficiency == 1.0
    assert spec.quantum_efficiency / spec.gain == pytest.approx(result.responsivity.value)


@pytest.mark.physics
def test_a_converter_that_ends_first_says_nothing_against_the_well():
    truth = NOMINAL.replace(**{"adc.gain": 2.0})  # 4095 counts are 8190 electrons, the well holds 10500
    result = measured(truth, 0)
    assert result.full_well.value < 9000
    assert result.corrected(NOMINAL).full_well == NOMINAL.full_well
    assert not any("full_well" in line for line in result.contradictions(NOMINAL))
