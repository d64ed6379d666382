"""The homodyne reference's zero of phase: set with light, whatever the alignment does to an order."""

from __future__ import annotations

import cmath
import math

import pytest
import torch

from tests.networks.onbench.test_realisations import WIDE
from tests.scenes import REAL, error, images, on, student

SHIFT = (12e-6, -5e-6)


def moved(bench, carrier=(0.125, 0.07)):
    return bench.ideal().replace(
        **{
            "slm.modulation": "phase",
            "encoding.method": "blazed",
            "encoding.carrier": carrier,
            "alignment.mask_shift": SHIFT,
        }
    )


def test_the_turn_is_that_of_a_grating_which_moves():
    bench = moved(WIDE)
    (turn,) = on(student(readout="homodyne"), bench).optics.reference_turns()
    (still,) = on(student(readout="homodyne"), bench.replace(alignment={})).optics.reference_turns()
    want = 2 * math.pi * (0.125 * SHIFT[0] + 0.07 * SHIFT[1]) / bench.slm.pitch
    # a carrier exp(2 pi i c xi / pitch) that moves by s is exp(2 pi i c (xi - s) / pitch)
    assert cmath.phase(turn / still * cmath.exp(1j * want)) == pytest.approx(0.0, abs=0.03)
    assert abs(turn) == pytest.approx(1.0)
    (ideal,) = on(student(readout="homodyne"), WIDE.ideal()).optics.reference_turns()
    assert abs(cmath.phase(ideal)) < 1e-4


@pytest.mark.parametrize("realisation", ["collapsed", "tiled", "staged"])
def test_fields_are_read_right_behind_a_mask_that_stands_aside(realisation):
    model, x = student((1, 3, 4), readout="homodyne"), images()
    bench = moved(WIDE, carrier=(0.25, 0.0))
    with torch.no_grad():
        seen = on(model, bench, realisation=realisation)
        want = on(model, bench.replace(alignment={}), realisation=realisation).features(x)
        assert error(seen.features(x), want) < 0.15
        unset = on(model, bench, realisation=realisation)
        unset.optics.reference_turns = lambda: torch.ones(len(unset.optics.windows))
        assert error(unset.features(x), want) > 1.0


def test_the_demo_bench_reads_fields_as_well_as_intensities():
    model, x = student(readout="homodyne"), images()
    with torch.no_grad():
        assert error(on(model, REAL).features(x), model.features(x)) < 0.15
