"""Calibration files of slmsuite without slmsuite: what is written, what is refused, and why."""

from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
import torch

from calibration.rigs.recording import RigError
from calibration.rigs.slmsuite_files import read_slmsuite, write_slmsuite
from optics.slm.panel import SLM
from tests.calibration import benches as small

CURVATURE = {4: 0.6, 5: -0.4, 7: 0.5, 8: 0.3, 11: -0.2, 14: 0.1}
LENSES = {
    "lens2.zernike": {5: 0.3, 7: 0.2},
    "alignment.input_axial": 3e-4,
    "alignment.mask_shift": (4e-5, -3e-5),
}


@pytest.fixture
def kept(tmp_path):
    write_slmsuite(tmp_path / "w.h5", small.bench(**{"slm.curvature": CURVATURE}), "wavefront_superpixel")
    return tmp_path / "w.h5"


@pytest.mark.parametrize("others", [{}, LENSES], ids=["panel", "lenses"])
def test_a_wavefront_comes_back(others, tmp_path):
    write_slmsuite(
        tmp_path / "w.h5", small.bench(**{"slm.curvature": CURVATURE, **others}), "wavefront_superpixel"
    )
    found = read_slmsuite(tmp_path / "w.h5", small.bench(**others))["slm.curvature"]
    assert found == pytest.approx({j: CURVATURE.get(j, 0.0) for j in range(4, 16)}, abs=0.01)


def test_a_superpixels_blaze_and_phase_are_the_panels_wavefront(kept):
    """By slmsuite's formula, 2 pi (kx X + ky Y) + phase, X and Y in wavelengths from the panel's middle."""
    with h5py.File(kept) as file:
        kx, ky, phase = (np.asarray(file[k])[0].astype(float) for k in ("kx", "ky", "phase"))
        size = int(file["superpixel_size"][()])
    bench = small.bench(**{"slm.curvature": CURVATURE})
    y, x = ((np.arange(n) - (n - 1) / 2) * bench.slm.pitch / bench.light.wavelength for n in bench.slm.shape)
    row, column = np.arange(240)[:, None] // size, np.arange(320)[None, :] // size
    made = 2 * math.pi * (kx[row, column] * x[None, :] + ky[row, column] * y[:, None]) + phase[row, column]
    surface = SLM(bench.slm).surface
    left = surface * torch.polar(torch.ones(240, 320), -torch.from_numpy(made).float())
    assert float(left.mean().abs()) > 0.99


def test_fringes_that_are_not_trusted_do_not_count(kept):
    with h5py.File(kept, "r+") as file:
        file["phase"][0, :4] += 1.0
        file["r2_fit"][0, :4] = 0.5
        file["kx"][0, 8, 9] = np.nan
    assert read_slmsuite(kept, small.bench())["slm.curvature"][4] == pytest.approx(0.6, abs=0.03)


def _noise(file):
    file["phase"][0] = np.random.default_rng(0).uniform(0, 2 * math.pi, file["phase"].shape[1:])


def _before(file):
    del file["previous_phase_correction"]
    file["previous_phase_correction"] = np.zeros((240, 320))


REFUSED = {
    "noise": (_noise, r"leave .* rad rms of the superpixels' phases"),
    "no fringes": (
        lambda file: file["r2_fit"].write_direct(np.zeros(file["r2_fit"].shape)),
        "0 of .* superpixels",
    ),
    "another panel": (lambda file: file["slm_supershape"].write_direct(np.array([9, 9])), "no panel of"),
    "on top of another": (_before, "on top of another correction"),
    "no blaze": (lambda file: file.__delitem__("kx"), "expected gamma and levels"),
}


@pytest.mark.parametrize(("spoil", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_wavefront_of_this_panel_is_refused(spoil, message, kept):
    with h5py.File(kept, "r+") as file:
        spoil(file)
    with pytest.raises(RigError, match=message):
        read_slmsuite(kept, small.bench())


def test_a_panel_that_is_not_upright_is_refused(kept):
    turned = small.bench(mounting={"slm": {"turned": 2}})
    with pytest.raises(RigError, match="mounted upright"):
        read_slmsuite(kept, turned)


def response(tmp_path, turns):
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["levels"], file["gamma"] = np.arange(256), turns
    return read_slmsuite(tmp_path / "p.h5", small.bench())


def test_a_response_that_falls_stays_one_that_falls(tmp_path):
    found = small.bench().replace(**response(tmp_path, -0.9 * np.arange(256) / 256))
    assert found.slm.response.lut[-1] == pytest.approx(-2 * math.pi * 0.9 * 255 / 256)
    assert "slmsuite's pixel calibration" in found.slm.response.source


def test_noise_of_a_response_is_taken_out_and_said_and_a_fold_is_refused(tmp_path):
    level = np.arange(256) / 256
    noisy = response(tmp_path, level + 0.01 * np.sin(300 * level))
    assert "noise of up to 0.0" in noisy["slm.response.source"]
    assert bool((np.diff(noisy["slm.response.lut"]) >= 0).all())
    with pytest.raises(RigError, match="A response that folds has two levels"):
        response(tmp_path, np.where(level < 0.7, level, 1.4 - level))
