"""Real devices through slmsuite, tested on its simulated panel and camera: physics that this project did not write."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

slmsuite = pytest.importorskip(
    "slmsuite", reason="slmsuite is not installed: pip install 'spectral-cascade[slmsuite]'"
)
pytestmark = pytest.mark.filterwarnings("ignore")

from calibration.doctor.examination import examine  # noqa: E402
from calibration.measurements.registry import measurement  # noqa: E402
from calibration.measuring.conduct import measure  # noqa: E402
from calibration.rigs.opening import open_rig  # noqa: E402
from calibration.rigs.recording import RigError  # noqa: E402
from calibration.rigs.slmsuite_driver import slmsuite_rig  # noqa: E402
from calibration.rigs.slmsuite_files import read_slmsuite, write_slmsuite  # noqa: E402
from optics.bench.files import bench_from_dict  # noqa: E402
from optics.slm.panel import SLM  # noqa: E402
from tests.scenes import generator  # noqa: E402

FOCAL, PITCH, CAMERA, SHAPE = 0.05, 8e-6, 6e-6, (120, 160)
THETA, SHIFT = 0.012, (3.4, -5.7)  # radians from +x to +y; camera pixels (y, x)
GAMMA, RANGE = 1.2, 0.94  # exponent, and turns at full drive, of the hidden response


def bench(**changes):
    tables = {
        "name": "slmsuite",
        "light": {"wavelength": 633e-9},
        "input": {"pitch": 20e-6, "fill_factor": 0.001},  # a plane wave
        "lens1": {"focal_length": FOCAL},
        "lens2": {"focal_length": FOCAL},
        "slm": {"shape": SHAPE, "pitch": PITCH, "modulation": "phase", "bits": 8},
        "encoding": {"carrier": [0.05, -0.03]},
        "camera": {"shape": [160, 200], "pitch": CAMERA, "read_noise": 0.5, "adc": {"bits": 12, "gain": 1.0}},
    }
    return bench_from_dict(tables, source="slmsuite").replace(**changes)


def devices():
    from slmsuite.hardware.cameras.simulated import SimulatedCamera
    from slmsuite.hardware.slms.simulated import SimulatedSLM

    response = RANGE * (np.arange(256) / 256) ** GAMMA
    slm = SimulatedSLM(SHAPE[::-1], pitch_um=(8, 8), wav_um=0.633, gamma_sim=response)
    camera = SimulatedCamera(slm, resolution=(200, 160), bitdepth=12, pitch_um=(6, 6))
    matrix, start = camera.build_affine(FOCAL * 1e6, units="um", theta=0.0)
    c, s = math.cos(THETA), math.sin(THETA)
    turned = np.array([[c, -s], [s, c]]) @ np.asarray(matrix)  # pictures are (x, y): +x goes towards +y
    camera.set_affine(turned, np.asarray(start) + np.array([[SHIFT[1]], [SHIFT[0]]]))
    return slm, camera


@pytest.fixture(scope="module")
def found():
    names = ("panel", "response", "zero_order")
    rig = slmsuite_rig(*devices(), bench())
    return {name: measure(measurement(name), rig).finding for name in names}


@pytest.mark.parametrize(
    ("name", "number", "true"),
    [
        ("panel", "rotation", THETA),
        ("panel", "scale", 1.0),
        ("panel", "zero_order_y", SHIFT[0] * CAMERA),
        ("panel", "zero_order_x", SHIFT[1] * CAMERA),
        ("response", "range", 2 * math.pi * RANGE),
        ("response", "gamma", GAMMA),
    ],
)
def test_what_slmsuites_bench_hides_is_found(found, name, number, true):
    n = found[name].number(number)
    assert abs(n.value - true) < 4 * n.uncertainty, (n, true)
    assert n.uncertainty < {"rotation": 2e-3, "scale": 2e-3, "range": 0.1, "gamma": 0.05}.get(number, 1e-6)


def test_its_panel_has_no_gaps(found):
    assert (
        found["zero_order"].verdict == "failed"
        or abs(found["zero_order"].number("fill_factor").value - 1) < 0.01
    )


def test_what_needs_a_display_is_left_out_and_said():
    rig = slmsuite_rig(*devices(), bench())
    diagnosis = examine(rig, ["orientation", "radiometry", "display", "panel"])
    assert set(diagnosis.skipped) == {"orientation", "radiometry", "display"}
    assert "no display" in diagnosis.skipped["display"]


def test_another_panel_or_camera_is_named():
    with pytest.raises(RigError, match=r"wrong panel or camera\? The slm .*\(120, 160\)"):
        slmsuite_rig(*devices(), bench(**{"slm.shape": (1080, 1920)}))


def test_a_file_names_the_devices(tmp_path):
    (tmp_path / "lab.toml").write_text(
        '[slm]\nclass = "simulated.SimulatedSLM"\nresolution = [160, 120]\nwav_um = 0.633\n'
        '[camera]\nclass = "simulated.SimulatedCamera"\nresolution = [200, 160]\nbitdepth = 12\npitch_um = [6, 6]\n'
        '[affine]\nf_eff = 5e4\nunits = "um"\n'
    )
    with open_rig(f"slmsuite:{tmp_path / 'lab.toml'}", bench(), generator=generator(0)) as rig:
        assert measure(measurement("panel"), rig).finding.number("rotation").value == pytest.approx(
            0, abs=2e-3
        )
    with_display = (tmp_path / "lab.toml").read_text() + (
        '[display]\nclass = "simulated.SimulatedSLM"\nresolution = [64, 48]\ngamma = 2.2\n'
    )
    (tmp_path / "display.toml").write_text(with_display)
    with open_rig(f"slmsuite:{tmp_path / 'display.toml'}", bench(), generator=generator(0)) as rig:
        assert rig.driver.abilities.display
        rig.driver.display(torch.full((4, 6), 0.5))
    (tmp_path / "bad.toml").write_text('[slm]\nclass = "os.system"\n[camera]\nclass = "x"\n')
    with pytest.raises(RigError, match="cannot be loaded"):
        open_rig(f"slmsuite:{tmp_path / 'bad.toml'}", bench(), generator=generator(0))


@pytest.mark.parametrize("kind", ["pixel", "fourier"])
def test_calibration_files_are_slmsuites_own(kind, tmp_path):
    from slmsuite.hardware.cameraslms import FourierSLM

    slm, camera = devices()
    system = FourierSLM(camera, slm)
    truth = bench(
        **{
            "slm.response.gamma": GAMMA,
            "slm.response.range": 2 * math.pi * RANGE,
            "alignment.mask_rotation": THETA,
            "alignment.camera_shift": (-SHIFT[0] * CAMERA, -SHIFT[1] * CAMERA),
        }
    )
    write_slmsuite(tmp_path / "ours.h5", truth, kind)
    system.load_calibration(kind, str(tmp_path / "ours.h5"))
    if kind == "pixel":
        assert np.allclose(np.ravel(slm.gamma), slm.gamma_sim, atol=1e-6)
    else:
        assert np.allclose(system.calibrations[kind]["M"], camera.M, rtol=1e-6)
        assert np.allclose(np.ravel(system.calibrations[kind]["b"]), np.ravel(camera.b), atol=1e-6)
    theirs = system.save_calibration(kind, path=str(tmp_path), name="theirs")
    changes = read_slmsuite(theirs, bench())
    corrected = bench().replace(**changes)
    if kind == "pixel":
        assert corrected.slm.response.lut == pytest.approx(truth.slm.response.table(8).tolist(), abs=1e-6)
    else:
        assert corrected.alignment.mask_rotation == pytest.approx(THETA)
        assert corrected.alignment.camera_shift == pytest.approx(truth.alignment.camera_shift)
        assert corrected.alignment.magnification == pytest.approx(1.0)


def test_slmsuite_corrects_the_wavefront_that_we_write():
    """Its processing of our file, on its own panel: the levels that it sends make our bench's wavefront flat."""
    import tempfile

    from slmsuite.hardware.cameraslms import FourierSLM

    slm, camera = devices()
    system = FourierSLM(camera, slm)
    truth = bench(**{"slm.curvature": {4: 0.6, 5: -0.4, 7: 0.5, 8: -0.3}})
    with tempfile.TemporaryDirectory() as folder:
        write_slmsuite(f"{folder}/ours.h5", truth, "wavefront_superpixel")
        system.load_calibration("wavefront_superpixel", f"{folder}/ours.h5")
        theirs = system.save_calibration("wavefront_superpixel", path=folder, name="theirs")
        again = read_slmsuite(theirs, bench())["slm.curvature"]
    assert again == pytest.approx({j: dict(truth.slm.curvature).get(j, 0.0) for j in again}, abs=0.02)
    system.wavefront_calibration_superpixel_process(plot=0, smooth=False, remove_blaze=False)
    slm.set_phase(np.zeros(slm.shape), phase_correct=True)
    levels = torch.from_numpy(np.asarray(slm.display).astype(np.int64))
    panel = SLM(truth.slm)
    for corrected, flat in ((levels, True), (torch.zeros_like(levels), False), ((-levels) % 256, False)):
        phasor = panel.of_levels(corrected).flatten()
        assert (float(phasor.mean().abs()) > 0.98) is flat
