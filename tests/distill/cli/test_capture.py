"""`sclc capture`: an exported network's frames on a simulated bench, and what cannot be captured in one line."""

from __future__ import annotations

import json

import pytest
import torch

from calibration.rigs.captures import load_captures
from distill.cli.main import main
from distill.export.read import read_export
from optics.bench.write import bench_text


@pytest.fixture(scope="module")
def truth(fast_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("capture") / "truth.toml"
    path.write_text(bench_text(read_export(fast_run / "export").bench))
    return path


@pytest.mark.parametrize("part", ["reference", "train"])
def test_captures_are_what_the_export_expects_of_that_bench(fast_run, truth, tmp_path, capsys, part):
    out = tmp_path / "captures.h5"
    options = ["--rig", f"sim:{truth}", "--images", "2", "--part", part, "-o", str(out), "--json"]
    assert main(["capture", str(fast_run), *options]) == 0
    told = json.loads(capsys.readouterr().out)
    found, exported = load_captures(out), read_export(fast_run / "export")
    assert told["images"] == len(found) == 2 and [p.name for p in tmp_path.iterdir()] == ["captures.h5"]
    assert len(found.levels) == told["patterns"] == len(exported.levels)
    if part == "reference":
        assert torch.equal(found.labels, exported.labels[:2])
        wanted = exported.camera_counts[:2] - exported.bench.camera.black
        signal = found.counts - exported.bench.camera.black
        assert float((signal - wanted).norm() / wanted.norm()) < 0.1  # its noise


def test_what_cannot_be_captured_is_told(fast_run, truth, tmp_path, capsys):
    for options, words in (
        (["--part", "train"], "needs a run's directory"),
        (["--part", "all"], "expected reference, train or test"),
        (["--images", "100000"], "reference images"),
    ):
        arguments = ["capture", str(fast_run / "export"), "--rig", f"sim:{truth}", *options]
        assert main([*arguments, "-o", str(tmp_path / "c.h5")]) == 2
        assert words in capsys.readouterr().err
    assert main(["capture", str(fast_run), "--rig", "lamp", "-o", str(tmp_path / "c.h5")]) == 2
    assert "sim:TRUTH.toml" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
