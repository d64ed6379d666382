"""The calibration's benchmark: benches within the stated ranges, and figures that mean what they say."""

from __future__ import annotations

import math

import pytest
import torch

from calibration.twin.values import get_value

calibration = pytest.importorskip("benchmarks.calibration")


def test_random_benches_have_every_flaw_within_its_range():
    nominal = calibration.nominal_bench(full=False)
    drawn = [calibration.random_bench(nominal, torch.Generator().manual_seed(s)) for s in range(20)]
    for name, (centre, half) in calibration.RANGES.items():
        values = [get_value(b, name) for b in drawn]
        assert all(abs(v - centre) <= half for v in values), name
        assert max(values) - min(values) > half, name
    assert len({b.lens2.zernike[15] for b in drawn}) == 20


def test_a_wavefronts_error_is_in_waves_and_knows_no_shift_of_the_mask():
    nominal = calibration.nominal_bench(full=False)
    probes = calibration.probe_candidates(nominal, (9, 11), 2, generator=torch.Generator().manual_seed(0))
    region = calibration.default_region(nominal, (9, 11))
    blank = torch.ones(2, *(part.stop - part.start for part in region), dtype=torch.float64)
    recording = calibration.Recording(probes, blank, (region[0].start, region[1].start), binning=4)
    bent = nominal.replace(**{"slm.curvature": {4: 5.0}})
    moved = bent.replace(**{"alignment.mask_shift": (3e-5, 0.0)})
    assert calibration.wavefront_error(recording, moved, bent) == pytest.approx(0.0, abs=1e-9)
    error = calibration.wavefront_error(recording, nominal, bent)
    assert 2 * error == pytest.approx(
        calibration.wavefront_error(recording, nominal, nominal.replace(**{"slm.curvature": {4: 10.0}})),
        rel=1e-3,
    )
    # a defocus of 5 rad rms over the panel's 1.6 mm circle, seen through 0.66 x 0.6 mm: its part without tilt
    sides = (0.33e-3, 0.3e-3)
    spread = math.sqrt(sum(s**4 * 4 / 45 for s in sides))
    wanted = 5 * 2 * math.sqrt(3) * spread / (math.hypot(240, 320) * 4e-6) ** 2 / (2 * math.pi)
    assert error == pytest.approx(wanted, rel=0.03)


@pytest.mark.slow
def test_two_benches_are_found():
    result = calibration.measure(quick=True)
    assert [r["verdict"] for r in result["runs"]] == ["good", "good"]
    assert result["summary"]["wavefront, waves rms, worst"] < 1 / 200
    assert result["summary"]["mask shift, SLM pixels, worst"] < 0.1
