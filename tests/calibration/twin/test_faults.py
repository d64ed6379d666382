"""What is wrong with a bench or its frames is named by the twin's residuals; a good bench has nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from calibration.rigs.simulated import Faults, simulated_rig
from calibration.twin.faults import left_over
from calibration.twin.fit import fit
from calibration.twin.model import Model
from calibration.twin.parameters import bench_parameters
from tests.calibration import benches as small

NOMINAL = small.bench()
TRUTH = small.bench(
    **{
        "alignment.mask_shift": (20e-6, -10e-6),
        "alignment.camera_shift": (5e-6, 3e-6),
        "light.photons": 3.7e4,
    }
)
NAMES = ("alignment.mask_shift", "alignment.camera_shift", "alignment.mask_axial", "light.photons")
PARAMETERS = [p for p in bench_parameters(NOMINAL) if p.name.startswith(NAMES)]
RUN = 0.7  # seconds from the first of 8 frames to the last


def captured(truth=TRUTH, count=8, **faults):
    rig = simulated_rig(truth, NOMINAL, generator=small.generator(1), faults=Faults(**faults))
    return rig.capture(small.probes(count), region=small.region(NOMINAL))


def found(recording):
    model = Model(recording)
    return left_over(model, fit(model, TRUTH, PARAMETERS, steps=4), PARAMETERS)


def drifting(name, change):
    """The truth, of which one number changes by `change` from the first frame to the last."""
    field, _, index = name.partition(".")[2].partition(".")
    part = name.partition(".")[0]
    value = getattr(getattr(TRUTH, part), field)

    def at(time):
        moved = change * time / RUN
        new = (
            value + moved if not index else tuple(v + moved * (k == int(index)) for k, v in enumerate(value))
        )
        return TRUTH.replace(**{f"{part}.{field}": new})

    return at


DRIFTS = {"alignment.camera_shift.0": 2e-6, "alignment.mask_shift.1": -4e-6, "light.photons": -2000.0}


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_is_named_with_its_size(name):
    first, *_ = found(captured(drift=drifting(name, DRIFTS[name])))
    assert (first.kind, first.name) == ("drift", name)
    assert first.amount == pytest.approx(DRIFTS[name], rel=0.1)
    assert 0 < first.uncertainty < 0.1 * abs(first.amount)


def test_a_bench_that_stands_still_has_no_fault():
    assert found(captured()) == ()


def test_a_frame_that_shows_what_another_should_is_named():
    recording = captured()
    counts = recording.counts.clone()
    counts[4] = counts[3]
    (fault,) = found(replace(recording, counts=counts))
    assert (fault.kind, fault.name) == ("frame", "4") and "shows probe 3" in fault.what


def test_a_frame_that_belongs_to_none_is_named():
    recording = captured()
    counts = recording.counts.clone()
    counts[2] = 17 + 3 * torch.randn(counts[2].shape, generator=small.generator()).round()
    (fault,) = found(replace(recording, counts=counts))
    assert (fault.kind, fault.name) == ("frame", "2") and "leave it out" in fault.what
