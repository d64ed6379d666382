"""A display beside slmsuite's panel and camera: what it is sent, and a whole calibration through it.

The devices are stand-ins with slmsuite's face, so that slmsuite need not be installed; the light between them is
that of a simulated bench.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from calibration.rigs import opening, slmsuite_driver
from calibration.rigs.recording import RigError
from calibration.rigs.simulated import SimulatedDriver
from calibration.rigs.slmsuite_driver import Screen, open_slmsuite, slmsuite_rig
from distill.cli.main import main
from optics.bench.write import bench_text
from tests.calibration import benches as small

FLAWS = {"alignment.mask_shift": (60e-6, -30e-6), "slm.response.gamma": 1.15}
GAMMA = 2.2


class Panel:
    """Takes whole frames of grey values, as slmsuite's panels and screens do; keeps the last."""

    settle_time_s = 0.0

    def __init__(self, shape, bitdepth=8, dtype=np.uint8):
        self.shape, self.bitdepth, self.dtype, self.shown, self.closed = shape, bitdepth, dtype, None, False

    def set_phase(self, phase, *, phase_correct, settle):
        assert phase.dtype == self.dtype and phase.shape == tuple(self.shape) and not phase_correct
        self.shown = phase

    def close(self):
        self.closed = True


class Eye:
    """A camera that looks at a panel lit by a screen, through a simulated bench."""

    def __init__(self, panel, screen, truth, image_shape):
        self.panel, self.screen, self.image_shape = panel, screen, image_shape
        self.driver = SimulatedDriver(truth, generator=small.generator(1), settling=0.0)
        self.shape, self.exposure, self.closed = truth.camera.shape, 0.0, False
        self.binning = truth.camera.binning

    def get_exposure(self):
        return self.exposure

    def set_exposure(self, seconds):
        self.exposure = seconds

    def get_image(self, timeout_s):
        h, w = self.image_shape
        r, c = (n // 2 - k // 2 for n, k in zip(self.screen.shape, self.image_shape, strict=True))
        grey = self.screen.shown[r : r + h, c : c + w] / 255
        intensity = torch.from_numpy(grey) ** GAMMA
        self.driver.show(torch.from_numpy(self.panel.shown.astype(np.int64)), (0, 0))
        self.driver.display(intensity.sqrt().float())
        inner = tuple(slice(2, n // self.binning - 2) for n in self.shape)  # the model wants a margin
        binned = torch.nn.functional.pad(self.driver.expose(self.exposure, inner, timeout_s), (2, 2, 2, 2))
        return (
            (binned / self.binning**2).repeat_interleave(self.binning, 0).repeat_interleave(self.binning, 1)
        )

    def close(self):
        self.closed = True


def lab(nominal, truth, gamma):
    panel, screen = Panel(nominal.slm.shape, dtype=np.int64), Panel((30, 40))
    eye = Eye(panel, screen, truth, (9, 11))
    return slmsuite_rig(panel, eye, nominal, Screen(screen, gamma=gamma)), (panel, screen, eye)


def test_a_bench_of_slmsuites_devices_with_a_display_is_calibrated(tmp_path, monkeypatch, capsys):
    nominal, truth = small.bench(), small.bench(**FLAWS)
    rig, devices = lab(nominal, truth, GAMMA)
    monkeypatch.setitem(opening.OPENERS, "slmsuite", ("slmsuite:LAB.toml", lambda *_: rig))
    (tmp_path / "nominal.toml").write_text(bench_text(nominal))
    told = ["--bench", str(tmp_path / "nominal.toml"), "--rig", "slmsuite:lab.toml", "--zernikes", "3"]
    more = ["--image", "9x11", "--frames", "6", "--hold-back", "1", "-o", str(tmp_path / "found.toml")]
    assert main(["calibrate", *told, *more, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "good"
    from optics.bench.files import load_bench

    found = load_bench(tmp_path / "found.toml")
    assert found.slm.response.gamma == pytest.approx(1.15, abs=0.02)
    assert found.alignment.mask_shift == pytest.approx((60e-6, -30e-6), abs=1e-6)
    assert all(device.closed for device in devices)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(
    ("options", "corner", "power"),
    [({}, (13, 18), 1.0), ({"gamma": 2.0}, (13, 18), 1.0), ({"gamma": 1.0, "corner": (3, 5)}, (3, 5), 2.0)],
)
def test_what_the_display_is_sent(options, corner, power, bits):
    """Grey values by hand: the amplitude's power `2 / gamma` of full scale, row 0 first, dark around."""
    screen = Panel((30, 40), bits, np.uint8 if bits == 8 else np.uint16)
    picture = np.linspace(0, 1, 20).reshape(4, 5)
    Screen(screen, **options)(picture)
    expected = np.zeros((30, 40))
    expected[corner[0] : corner[0] + 4, corner[1] : corner[1] + 5] = np.round(picture**power * (2**bits - 1))
    assert np.array_equal(screen.shown, expected)


def test_an_image_pixel_may_be_several_of_the_display():
    screen = Panel((30, 40))
    Screen(screen, pixels=3, corner=(0, 1))(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert screen.shown[0:3, 4:7].min() == 255 and screen.shown[3:6, 1:4].min() == 255
    assert int((screen.shown > 0).sum()) == 18


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("pixels = 0", r"display\.pixels is 0, expected 1 or more"),
        ("pixels = 1.5", "expected display.pixels as a whole number"),
        ("corner = 5", r"display\.corner as \[row, column\]"),
        ("corner = [1]", r"display\.corner as \[row, column\]"),
        ("gamma = 22", r"display\.gamma is 22, expected 0\.2 to 5"),
        ("gamma = 'x'", "display.gamma is 'x', expected a number"),
        ("contrast = 3", "Panel did not open: .*contrast"),
    ],
)
def test_a_display_that_cannot_be_is_one_line(table, message, tmp_path, monkeypatch):
    real = slmsuite_driver.importlib.import_module
    fake = type("module", (), {"Panel": Panel})

    def imported(name):
        return fake if name.startswith("slmsuite.hardware.") else real(name)

    monkeypatch.setattr(slmsuite_driver.importlib, "import_module", imported)
    nominal = small.bench()
    device = f'class = "stand_in.Panel"\nshape = {list(nominal.slm.shape)}\n'
    (tmp_path / "lab.toml").write_text(f"[slm]\n{device}[camera]\n{device}[display]\n{device}{table}\n")
    with pytest.raises(RigError, match=message):
        open_slmsuite(tmp_path / "lab.toml", nominal)


def test_an_image_larger_than_the_display_is_told():
    with pytest.raises(RigError, match=r"20 x 10 display pixels at row -5.* leaves the display of 10 x 20"):
        Screen(Panel((10, 20)))(np.ones((20, 10)))
