"""Options of designs, studies and calibrations that no bench has: refused in one line that names it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibration.twin.parameters import Tolerances, bench_parameters
from distill import design
from distill.pipeline import study as conduct
from optics.errors import OpticsError
from tests.calibration import benches as calibration
from tests.distill.designs.bench import SHAPE
from tests.distill.designs.bench import bench as design_bench
from tests.distill.studies.studybench import BENCH, splits, student

DESIGN_BENCH, BENCH_OF_TWIN, STUDENT, IMAGES = design_bench(), calibration.bench(), student(), splits()
ODD = (0, -1, 1e-300, 1e9, 1e19, 1e300, math.nan, math.inf)
Call = Callable[[Path], Any]


def designed(**options: Any) -> Call:
    usual = {"image_shape": SHAPE, "pictures": 0, "compare": False, "prove": False, "lab": False}
    return lambda place: design("sobel", bench=DESIGN_BENCH, directory=place / "d", **(usual | options))


def studied(tolerance: str = "", **options: Any) -> Call:
    usual: dict[str, Any] = {
        "bench": BENCH, "vary": (), "grid": False, "ranking": False, "monte_carlo": 0, "draws": 2, "images": None,
        "refit": False, "refit_images": None, "seed": 0, "config": None, "sets": (),
    }  # fmt: skip

    def plan(place: Path) -> Any:
        drawn = conduct.tolerances([tolerance] if tolerance else [])
        return conduct.planned(STUDENT, IMAGES, folder=place, tolerance=drawn, **(usual | options))

    return plan


def toleranced(**options: Any) -> Call:
    return lambda place: bench_parameters(BENCH_OF_TWIN, Tolerances(**options))


# what a refusal names, and the calls that must be refused
REFUSED: dict[str, list[Call]] = {
    "pitch": [designed(pitch=v) for v in ODD],
    "carrier": [designed(carrier=(0.25, v)) for v in ODD[3:]],
    "tiles": [designed(tiles=v) for v in (0, -1)],
    "side by side": [designed(tiles=v) for v in (3, 10**9)],
    "image_shape": [designed(image_shape=v) for v in ((0, 1), (-1, 2))],
    "vignettes": [designed(image_shape=v) for v in ((10**9, 10**9), (10**5, 3))],
    "pictures": [designed(pictures=-1)],
    "draws": [studied(draws=v) for v in (0, -1, 10**12)],
    "images": [studied(images=v) for v in (0, 1, -3)]
    + [studied(refit=True, refit_images=v) for v in (1, -3)],
    "monte_carlo": [studied(monte_carlo=-1)],
    "cells": [studied(monte_carlo=v) for v in (20001, 10**9)],
    "seed": [studied(seed=v) for v in (-1, 2**53, 2**63, 10**30)],
    "mask_rotation": [studied(f"mask_rotation={v}", monte_carlo=2) for v in (-1, 1e9, 1e300, "nan", "inf")],
    "mask_shift": [studied(f"mask_shift=[{v}, {v}]", monte_carlo=2) for v in (-1, 1e9, 1e300, "nan", "inf")],
    "photons": [studied(vary=f"light.photons={v}") for v in (0, -1, 1e-300, 1e300, "nan", "inf")],
    "also": [toleranced(also={"slm.reflectivity": v}) for v in (0, -1, 1e-300, 1e9, math.nan, math.inf)],
    "zernikes": [
        lambda place, j=j: bench_parameters(BENCH_OF_TWIN, zernikes=j)
        for j in ((0,), (3,), (-4,), (10**6,), (4, 4))
    ],
    **{
        name: [toleranced(**{name: v}) for v in (-1, 1e9, 1e300, math.nan, math.inf)]
        for name in Tolerances.model_fields
        if name != "also"
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_its_name(name, tmp_path):
    for k, call in enumerate(REFUSED[name]):
        with pytest.raises(OpticsError) as refused:
            call(tmp_path / str(k))
        assert name in str(refused.value), (k, str(refused.value))
        assert "\n" not in str(refused.value)
        assert not (tmp_path / str(k) / "d").exists()


FORMS = (
    "also",
    "table",
    "knots",
    "sections",
    "section_grid",
)  # which numbers there are, not how well they are known


@pytest.mark.parametrize("name", [n for n in Tolerances.model_fields if n not in FORMS])
def test_a_tolerance_of_zero_is_a_number_that_is_known(name):
    usual = bench_parameters(BENCH_OF_TWIN, Tolerances())
    fewer = bench_parameters(BENCH_OF_TWIN, Tolerances(**{name: 0}))
    assert 0 < len(fewer) < len(usual)
    for value in (0, 1e-300, 1e-30, 1e6):
        found = bench_parameters(BENCH_OF_TWIN, Tolerances(**{name: value}))
        assert all(0 < p.sigma < math.inf for p in found)
