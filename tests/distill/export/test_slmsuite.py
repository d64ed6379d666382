"""slmsuite takes the exported files as they are and shows them on its simulated SLM; nothing in between.

It drives real devices by the same calls. Needs the extra `slmsuite` (`pip install spectral-cascade[slmsuite]`).
"""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distill.export.read import read_export
from distill.export.write import export
from tests.distill.exportbench import BENCH, dataset, network


def slmsuite(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of optional parts of its own
        try:
            return importlib.import_module(f"slmsuite.{name}")
        except ImportError:
            pytest.skip("slmsuite is not installed: pip install 'slmsuite>=0.5'")


@pytest.mark.parametrize("bits", [8, 10])
def test_frames_are_shown_as_they_are(bits, tmp_path):
    simulated = slmsuite("hardware.slms.simulated")
    export(network(BENCH.replace(**{"slm.bits": bits})), tmp_path / "out", inputs=dataset(), count=2)
    back = read_export(tmp_path / "out")
    rows, columns = back.bench.slm.shape
    pitch = back.bench.slm.pitch * 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slm = simulated.SimulatedSLM((columns, rows), pitch_um=(pitch, pitch), bitdepth=bits, wav_um=0.532)
        for name, levels in zip(back.manifest.slm_frames, back.levels, strict=True):
            with Image.open(Path(tmp_path / "out" / name)) as image:
                grey = np.array(image)
            assert grey.dtype == slm.dtype
            shown = slm.set_phase(grey)
            assert np.array_equal(shown, levels.numpy())
            # its convention: a higher level is less phase
            apart = np.angle(np.exp(1j * (slm.phase + 2 * np.pi * levels.numpy() / 2**bits)))
            assert np.abs(apart).max() < 1e-4


def test_the_signal_order_of_what_it_shows_is_where_the_manifest_says(tmp_path):
    """A grating shown by slmsuite, its far field by a plain transform: the order lies `places` apart on the sensor."""
    simulated = slmsuite("hardware.slms.simulated")
    bench = BENCH.replace(**{"encoding.carrier": (0.125, 0.0625)})
    export(network(bench), tmp_path / "out", inputs=dataset(), count=2)
    back = read_export(tmp_path / "out")
    rows, columns = bench.slm.shape
    with Image.open(tmp_path / "out" / "lab" / "slm-grating.png") as image:
        grey = np.array(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        slm = simulated.SimulatedSLM((columns, rows), pitch_um=(8, 8), bitdepth=8, wav_um=0.532)
        slm.set_phase(grey)
    field = np.exp(-1j * slm.phase)
    lit = np.zeros(field.shape)
    lit[10:110, 25:125] = 1.0
    power = np.abs(np.fft.fft2(field * lit, (800, 800))) ** 2
    power[0, 0] = 0.0
    y, x = (np.fft.fftfreq(800)[k] for k in np.unravel_index(int(power.argmax()), power.shape))
    # cycles per SLM pixel to sensor pixels; lens 2 inverts, and the reported axes turn that back
    per_cycle = 532e-9 * bench.lens2.focal_length / bench.slm.pitch / bench.camera.pitch
    places = back.manifest.places
    found = [-f * per_cycle for f in (y, x)]
    told = [s - z for s, z in zip(places.signal_order, places.zero_order, strict=True)]
    assert found == pytest.approx(told, abs=0.01 * per_cycle)
