"""`sclc calibrate`: a simulated bench and a recording of it, files that other commands take, errors in one line."""

from __future__ import annotations

import json

import pytest

from calibration.rigs.mounted import to_pictures
from calibration.rigs.simulated import simulated_rig
from distill.cli.main import main
from optics.bench.files import load_bench
from optics.bench.write import bench_text
from tests.calibration import benches as small
from tests.calibration.rigs.test_rig import as_pictures

FLAWS = {"alignment.mask_shift": (60e-6, -30e-6), "slm.response.gamma": 1.15, "slm.crosstalk": (0.5, 0.3)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("calibrate")
    (where / "nominal.toml").write_text(bench_text(small.bench()))
    (where / "truth.toml").write_text(bench_text(small.bench(**FLAWS)))
    (where / "tolerances.toml").write_text("gamma = 0.2\n")
    return where


def arguments(folder, rig, *more):
    return ["calibrate", "--bench", str(folder / "nominal.toml"), "--rig", rig, "--zernikes", "3", *more]


def test_a_bench_is_calibrated_captured_and_calibrated_again_from_the_recording(folder, capsys):
    out = folder / "out" / "calibrated.toml"
    sim = arguments(
        folder, f"sim:{folder / 'truth.toml'}", "-o", str(out), "--keep", str(folder / "frames.h5")
    )
    assert main([*sim, "--image", "9x11", "--frames", "6", "--hold-back", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "good" and found["frames"] == 5
    assert found["held_back"][0] < 0.1 * found["nominal_residual"]
    bench = load_bench(out)
    assert bench.slm.response.gamma == pytest.approx(1.15, abs=0.02)
    assert bench.alignment.mask_shift[0] == pytest.approx(60e-6, abs=1e-6)
    assert {p.name for p in out.parent.iterdir()} == {
        "calibrated.toml",
        "calibrated.json",
        "calibrated.html",
    }
    again = arguments(folder, f"recorded:{folder / 'frames.h5'}", "-o", str(folder / "again.toml"))
    assert main([*again, "--hold-back", "1", "--tolerances", str(folder / "tolerances.toml")]) == 0
    text = capsys.readouterr().out
    assert "slm.response.gamma" in text and "Frames held back are predicted to" in text and "good" in text


def test_pictures_of_turned_devices_are_calibrated_by_a_bench_that_says_so(folder, tmp_path, capsys):
    mounting = {
        "display": {"turned": 2},
        "slm": {"mirrored": True},
        "camera": {"mirrored": True, "turned": 1},
    }
    truth, nominal = (small.bench(**flaws).replace(mounting=mounting) for flaws in (FLAWS, {}))
    with simulated_rig(truth, nominal, generator=small.generator(1)) as rig:
        seen = rig.capture(small.probes(6), region=small.region(nominal))
    frames = as_pictures(to_pictures(seen, nominal), tmp_path)
    bench, out = tmp_path / "mounted.toml", tmp_path / "out.toml"
    bench.write_text(bench_text(nominal))
    options = ["--zernikes", "3", "--hold-back", "1", "-o", str(out), "--json"]
    assert main(["calibrate", "--bench", str(bench), "--rig", f"recorded:{frames}", *options]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "good"
    assert load_bench(out).mounting == nominal.mounting


@pytest.mark.parametrize(
    ("rig", "more", "message"),
    [
        ("lab", [], "expected recorded:PATH, kept:FOLDER, slmsuite:LAB.toml or sim:TRUTH.toml"),
        ("recorded:absent.h5", [], "is no recording"),
        ("sim:absent.toml", [], "absent.toml"),
        ("sim:absent.toml", ["--image", "big"], "--image is 'big'"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder, rig, more, message, capsys):
    assert main([*arguments(folder, rig, "-o", str(folder / "x.toml")), *more]) == 2
    told = capsys.readouterr().err.strip()
    assert message in told and len(told.splitlines()) == 1


def test_a_bench_that_falls_silent_leaves_its_frames(folder, tmp_path, capsys, monkeypatch):
    from calibration.rigs import opening
    from calibration.rigs.simulated import Faults

    def silent(where, nominal, generator):
        return simulated_rig(load_bench(where), nominal, generator=generator, faults=Faults(silent_after=5))

    monkeypatch.setitem(opening.OPENERS, "sim", ("sim:TRUTH.toml", silent))
    out = tmp_path / "x.toml"
    options = ["-o", str(out), "--image", "9x11", "--frames", "8"]
    assert main(arguments(folder, f"sim:{folder / 'truth.toml'}", *options)) == 2
    told = capsys.readouterr().err
    kept = tmp_path / "x.partial.h5"
    assert "no frame within" in told and f"recorded:{kept}" in told and kept.is_file()
    again = arguments(folder, f"recorded:{kept}", "-o", str(out), "--hold-back", "0")
    assert main(again) == 0
