"""Sub-sections of a response: fitted, written to the bench file, and obeyed by the levels that are made for it."""

from __future__ import annotations

import math

import pytest
import torch

from calibration.rigs.simulated import simulated_rig
from calibration.twin.calibrate import calibrate
from calibration.twin.parameters import Tolerances
from optics.bench.files import load_bench
from optics.slm.panel import SLM
from tests.calibration import benches as small

NOMINAL = small.bench()
SECTIONS = ((0.93, 1.05), (0.98, 1.07))
TRUTH = small.bench(**{"slm.response.sections": SECTIONS})
LIT = (slice(80, 160), slice(125, 195))
KNOWN = dict.fromkeys(("mask_shift", "camera_shift", "mask_rotation", "axial", "magnification"), 0.0)
KNOWN |= dict.fromkeys(("crosstalk", "fill_factor", "flicker", "gamma", "range"), 0.0)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    seen = simulated_rig(TRUTH, NOMINAL, generator=small.generator(1)).capture(
        small.probes(3), region=small.region(NOMINAL)
    )
    tolerances = Tolerances(section_grid=(2, 2), **KNOWN)
    found = calibrate(seen, NOMINAL, zernikes=(), tolerances=tolerances)
    toml, _ = found.save(tmp_path_factory.mktemp("calibrated") / "calibrated.toml")
    return found, load_bench(toml)


def test_factors_of_sections_are_found_and_written(calibrated):
    found, bench = calibrated
    assert bench == found.bench and bench.slm.response.sections is not None
    errors = {e.name: e.uncertainty for e in found.estimates}
    for i in (0, 1):
        for j in (0, 1):
            away = bench.slm.response.sections[i][j] - SECTIONS[i][j]
            assert abs(away) < 4 * errors[f"slm.response.sections.{i}.{j}"] < 0.05


def shown(bench, target):
    """Phase errors (ny, nx), radians, of the true panel that is sent the levels which `bench` makes of a target."""
    levels = SLM(bench.slm, region=LIT).levels(target)
    phasor = SLM(TRUTH.slm.replace(fill_factor=1.0), region=LIT).of_levels(levels)
    return (phasor * torch.polar(torch.ones_like(target), -target)).angle()


def test_levels_made_for_the_calibrated_bench_show_the_phase_that_was_asked_for(calibrated):
    _, bench = calibrated
    # phases that every sub-section reaches
    target = 5.5 * torch.rand(80, 70, generator=small.generator(2))
    step = 2 * math.pi / 256
    assert float(shown(TRUTH, target).abs().max()) < 0.6 * 1.07 * step
    assert float(shown(bench, target).pow(2).mean().sqrt()) < 0.6 * step
    assert float(shown(NOMINAL, target).pow(2).mean().sqrt()) > 2 * step
