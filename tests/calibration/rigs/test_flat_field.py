"""The simulated camera: frames of the hidden camera, nothing else."""

from __future__ import annotations

import pytest
import torch

from calibration.rigs.flat_field import FlatField, SimulatedCamera, unit_to_unit
from optics.camera.camera import ADCSpec, CameraSpec, UniformitySpec
from optics.checks import OpticsError
from tests.scenes import generator

TRUTH = CameraSpec(
    shape=(100, 140),
    pitch=5e-6,
    binning=4,
    quantum_efficiency=0.5,
    shot_noise=True,
    read_noise=3.0,
    dark_current=100.0,
    full_well=1e4,
    adc=ADCSpec(bits=12, gain=2.0, black_level=10.0),
    uniformity=UniformitySpec(dsnu=2.0),
)


def test_frames_are_unbinned_counts_of_the_true_camera():
    rig: FlatField = SimulatedCamera(TRUTH, window=64)
    frames = rig.flat_field(2000.0, 5, generator=generator())
    assert frames.shape == (5, 64, 64)
    assert float(frames.mean()) == pytest.approx(2000 * 0.5 / 2.0 + 10 + 0.5, rel=0.005)
    assert float(rig.flat_field(0.0, 2, exposure=1.0).mean()) == pytest.approx(100 / 2.0 + 10, abs=1.0)


def test_shading_is_smooth_and_keeps_the_mean():
    rig = SimulatedCamera(TRUTH.ideal(), window=64, shading=0.2)
    frame = rig.flat_field(1000.0, 1)[0]
    assert float(frame.mean()) == pytest.approx(1000.0, rel=1e-5)
    assert float(frame[0, 0] / frame[32, 32]) == pytest.approx(0.8, abs=0.01)


def test_frames_repeat_with_their_generator():
    rig = SimulatedCamera(TRUTH)
    first, second = (rig.flat_field(100.0, 2, generator=generator(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_small_sensors_are_read_out_whole():
    assert SimulatedCamera(TRUTH).flat_field(1.0, 1).shape == (1, 100, 128)


def test_unit_to_unit_spread_is_repeatable_and_leaves_ideal_figures_alone():
    assert unit_to_unit(TRUTH, generator=generator(1)) == unit_to_unit(TRUTH, generator=generator(1))
    units = [unit_to_unit(TRUTH, generator=generator(s), spread=0.05) for s in range(200)]
    gains = torch.tensor([u.gain for u in units], dtype=torch.float64)
    assert float(gains.mean()) == pytest.approx(2.0, rel=0.02)
    assert float(gains.std()) == pytest.approx(0.1, rel=0.2)
    ideal = TRUTH.ideal()
    assert unit_to_unit(ideal, generator=generator()) == ideal


def test_bad_requests_are_refused():
    with pytest.raises(OpticsError, match="window"):
        SimulatedCamera(TRUTH, window=1)
    with pytest.raises(OpticsError, match="negative"):
        SimulatedCamera(TRUTH).flat_field(-1.0, 2)
