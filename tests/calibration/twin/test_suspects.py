"""Frames of another bench than the one described: which one is named; a bench that moves is told."""

from __future__ import annotations

import pytest

from calibration.rigs.simulated import Faults, simulated_rig
from calibration.twin.calibrate import calibrate
from calibration.twin.parameters import Tolerances
from calibration.twin.suspects import another_bench
from tests.calibration import benches as small

NOMINAL = small.bench()
TOLERANCES = Tolerances(mask_shift=20e-6)
FLAWS = {"slm.crosstalk": (0.3, 0.2), "slm.response.gamma": 1.1}


def recording(truth, faults=None, count=4):
    # so much of the sensor that a mirrored image is on it, too
    region = tuple(slice(8, n - 8) for n in NOMINAL.camera.binned_shape)
    rig = simulated_rig(truth, NOMINAL, generator=small.generator(1), faults=faults)
    return rig.capture(small.probes(count), region=region)


CASES = {
    "the camera is mirrored": {"mounting": {"camera": {"mirrored": True}}},
    "the camera is turned by half a turn": {"mounting": {"camera": {"turned": 2}}},
    "the panel (SLM) is mirrored": {"mounting": {"slm": {"mirrored": True}}},
    "the display is turned by half a turn": {"mounting": {"display": {"turned": 2}}},
    "slm.pitch = 9.2e-06 m": {"slm.pitch": 9.2e-6},
    "": {},
}


@pytest.mark.parametrize("words", CASES)
def test_the_bench_that_the_frames_come_from_is_named(words):
    found = another_bench(recording(small.bench(**FLAWS, **CASES[words])), NOMINAL, TOLERANCES)
    assert words in found and bool(found) == bool(words)


def test_a_calibration_of_a_moving_bench_says_that_it_moved():
    def moving(seconds):
        return small.bench(**FLAWS, **{"alignment.camera_shift": (0.0, -2e-6 * seconds)})

    rig = simulated_rig(NOMINAL, NOMINAL, generator=small.generator(1), faults=Faults(drift=moving))
    seen = rig.capture(small.probes(8), region=small.region(NOMINAL))
    found = calibrate(seen, NOMINAL, zernikes=(), hold_back=(3,))
    assert found.verdict != "good" and "drift during the run" in found.advice and "along x" in found.advice
    assert any("drift" in fault for fault in found.to_dict()["faults"])
