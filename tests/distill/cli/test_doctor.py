"""`sclc doctor` and `sclc calibrate --only`: a page, a bench, numbers; at home from kept frames; errors in one line."""

from __future__ import annotations

import json

import pytest

from distill.cli.main import main
from optics.bench.files import load_bench
from optics.bench.write import bench_text
from tests.calibration import benches as small


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("doctor")
    (where / "nominal.toml").write_text(bench_text(small.bench()))
    (where / "truth.toml").write_text(bench_text(small.bench(**{"alignment.camera_shift": (40e-6, -25e-6)})))
    return where


def arguments(folder, command, rig, *more):
    return [command, "--bench", str(folder / "nominal.toml"), "--rig", rig, *more]


def test_a_bench_is_examined_and_examined_again_at_home(folder, capsys):
    out = folder / "found.html"
    options = ["--only", "orientation", "--only", "display", "-o", str(out)]
    assert main(arguments(folder, "doctor", f"sim:{folder / 'truth.toml'}", *options)) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Mend first: alignment.camera_shift" in text and "camera_shift_y" in text
    assert load_bench(folder / "found.toml").alignment.camera_shift[0] == pytest.approx(40e-6, abs=1e-6)
    assert out.read_text().count("data:image/png;base64,") == 2
    home = ["--only", "display", "-o", str(folder / "home.html"), "--json"]
    assert main(arguments(folder, "doctor", f"kept:{folder / 'found.frames'}", *home)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "poor" and told["troubles"][0]["name"] == "alignment.camera_shift"


def test_one_measurement_takes_the_place_of_the_fit(folder, capsys):
    out = folder / "calibrated.toml"
    sim = f"sim:{folder / 'truth.toml'}"
    assert main(arguments(folder, "calibrate", sim, "--only", "display", "-o", str(out), "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert [f["name"] for f in told["findings"]] == ["display"] and told["files"]["bench"] == str(out)
    assert load_bench(out).alignment.camera_shift[1] == pytest.approx(-25e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("rig", "only", "message"),
    [
        ("sim:truth.toml", "lamp", "no measurement 'lamp'"),
        ("lamp:x", "display", "kept:FOLDER"),
        ("kept:absent", "display", "there is no such folder"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder, capsys, monkeypatch, rig, only, message):
    monkeypatch.chdir(folder)
    assert main(arguments(folder, "doctor", rig, "--only", only)) == 2
    told = capsys.readouterr().err.strip()
    assert message in told and len(told.splitlines()) == 1
