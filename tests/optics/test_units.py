"""Lengths typed in another unit are refused with the unit that was probably meant; sizes are those of real devices."""

from __future__ import annotations

import re

import pytest

from optics.bench.files import load_bench
from optics.bench.tolerance import ToleranceSpec
from optics.checks import SpecError

BENCH = load_bench("pluto2-200mm")


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("light.wavelength", 532, "532 nm was meant, write 5.32e-07"),
        ("light.wavelength", 0.532, "0.532 um was meant, write 5.32e-07"),
        ("lens1.focal_length", 200, "200 mm was meant, write 0.2"),
        ("lens2.focal_length", 75, "75 mm was meant, write 0.075"),
        ("lens1.diameter", 25.4, "25.4 mm was meant, write 0.0254"),
        ("lens2.decentre", (0.0, 50.0), "50 um was meant, write 5e-05"),
        ("lens1.defocus", -800, "-800 um was meant, write -0.0008"),
        ("stop.width", (3.3, 3.3), "3.3 mm was meant, write 0.0033"),
        ("slm.pitch", 8, "8 um was meant, write 8e-06"),
        ("slm.pitch", 8e-3, "expected metres, 1e-07 to 0.001"),
        ("input.pitch", 32, "32 um was meant, write 3.2e-05"),
        ("camera.pitch", 5.5, "5.5 um was meant, write 5.5e-06"),
        ("alignment.mask_shift", (-16, 8), "-16 um was meant, write -1.6e-05"),
        ("alignment.camera_axial", 2, "2 mm was meant, write 0.002"),
    ],
)
def test_the_unit_is_guessed(key, value, meant):
    with pytest.raises(SpecError, match=re.escape(meant)) as told:
        BENCH.replace(**{key: value})
    assert "\n" not in str(told.value) and len(str(told.value)) < 160


@pytest.mark.parametrize("key", ["slm.shape", "camera.shape"])
@pytest.mark.parametrize("shape", [(1200, 10**6), (0, 1000), (10**9, 10**9)])
def test_no_panel_or_sensor_is_that_large(key, shape):
    with pytest.raises(SpecError, match=r"pixels \(y, x\) from 1 to 32768"):
        BENCH.replace(**{key: shape})


def test_tolerances_are_metres_too():
    with pytest.raises(SpecError, match="20 um was meant, write 2e-05"):
        ToleranceSpec(mask_shift=(20, 20))
