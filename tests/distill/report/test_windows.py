"""Exposures of two benches are compared pixel by pixel of the image, also where their windows on the sensor differ."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from distill.report.figures import _shared
from optics.bench.files import load_bench
from optics.bench.spec import AlignmentSpec, BenchSpec
from optics.fourf.recorder import Recorder

_BENCH = load_bench("pluto2-200mm")


def _known(**alignment: Any) -> BenchSpec:
    return _BENCH.replace(alignment=AlignmentSpec(**alignment), assumed_alignment=AlignmentSpec(**alignment))


#: benches whose windows lie elsewhere: no carrier, moved by a part of a pixel, by more than a window, and turned
ASIDE = {
    "ideal": _BENCH.ideal(),
    "part of a pixel": _known(camera_shift=(2e-6, -1e-6)),
    "far": _known(camera_shift=(0.4e-3, -0.7e-3)),
    "turned": _known(mask_rotation=0.02),
}


@pytest.mark.parametrize("aside", ASIDE.values(), ids=ASIDE)
def test_windows_show_the_same_part_of_the_image(aside):
    one, other = Recorder(_BENCH, (28, 28)), Recorder(aside, (28, 28))
    mine, theirs = _shared(one, other)
    for k in (0, 1):
        here = one.nominal[k][mine[k]] - one.offset[k]
        there = other.nominal[k][theirs[k]] - other.offset[k]
        assert here.shape == there.shape
        assert len(here) >= one.shape[k] - 1
        torch.testing.assert_close(here, there, atol=0.51 * one.pixel, rtol=0)
