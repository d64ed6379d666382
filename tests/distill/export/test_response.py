"""A known response reaches the frames, one that nobody knows does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from distill.job.config import RunConfig, changed
from optics.slm.encoding import encode
from optics.slm.panel import SLM
from tests.distill.exportbench import BENCH, network

RANGE = 7.5872  # 1.2075 x 2 pi
STAIRS = (math.sin(RANGE / 2) / (8 * math.sin(RANGE / 16))) ** 2  # 2.8 %
KNOWN = BENCH.replace(**{"slm.response.range": RANGE})
UNKNOWN = KNOWN.replace(**{"slm.assumed_response": {}})


def levels(bench):
    return network(bench).optics.levels()


def test_the_frames_follow_what_is_known_alone():
    nominal, known, unknown = levels(BENCH), levels(KNOWN), levels(UNKNOWN)
    assert int(nominal.max()) == 255
    assert int(known.max()) == round(256 * 2 * math.pi / RANGE) == 212
    assert torch.equal(unknown, nominal)
    back = levels(BENCH.replace(**{"slm.assumed_response": {"range": RANGE}}))
    assert torch.equal(back, known)  # levels do not know what the panel really does


@pytest.mark.parametrize(("bench", "zero"), [(KNOWN, 0.0), (UNKNOWN, STAIRS)])
def test_a_blaze_at_one_and_a_fifth_of_the_range_leaks_only_where_nobody_knows(bench, zero):
    """Eight steps of 2 pi r / 8 each: their mean phasor, which tends to sinc(r) for many (Goodman, section 8.8)."""
    spec = BENCH.slm.replace(
        crosstalk=(0.0, 0.0),
        flicker=0.0,
        fill_factor=1.0,
        reflectivity=1.0,
        shape=(128, 128),
        response=bench.slm.response,
        assumed_response=bench.slm.assumed_response,
    )
    panel = SLM(spec, dtype=torch.float64)
    ramp = encode(torch.ones(1, 128, 128, dtype=torch.complex128), BENCH.encoding, origin=(64, 64))
    shown = panel.of_levels(panel.levels(ramp))[0]
    assert float(shown.mean().abs() ** 2) == pytest.approx(zero, abs=1e-4)


def test_set_on_the_command_line_reaches_the_levels():
    told = changed(RunConfig(), sets=[f"bench.slm.response.range={RANGE}"], source="test").bench.resolve()
    assert told.slm.assumed.range == RANGE
    sets = [f"bench.slm.response.range={RANGE}", "bench.slm.assumed_response={}"]
    naive = changed(RunConfig(), sets=sets, source="test").bench.resolve()
    assert naive.slm.assumed.range == 2 * math.pi
    assert np.isclose(naive.slm.response.range, RANGE)
