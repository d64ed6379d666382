"""`sclc info`: what a run, an export or a file is, also after it was moved; and a moved run's network works."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

import distill
from distill.cli.main import main
from distill.data import load
from distill.environment import version
from distill.export.write import export
from distill.job.about import about
from distill.job.rows import Rows
from distill.keeping import keep
from optics.checks import OpticsError
from tests.distill.exportbench import dataset, network


@pytest.fixture(scope="module")
def moved(fast_run, tmp_path_factory):
    """A run in another place, under another name, whose old place nobody knows."""
    place = tmp_path_factory.mktemp("elsewhere") / "another name"
    shutil.copytree(fast_run, place)
    config = place / "config.toml"
    config.write_text(config.read_text().replace(str(fast_run), "/nowhere"))
    return place


def test_a_moved_run_is_told_and_its_network_answers_the_same(moved, fast_run, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["info", str(moved), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["what"] == "a run"
    assert told["seed"] == 0
    assert told["data"] == "digits"
    assert told["classes"] == 10
    assert told["made by"] == f"spectral-cascade {version()}"
    assert "train" in told["images"]
    assert any("accuracy" in str(value) for value in told.values())
    assert {"teacher", "linear_kd", "evaluate"} <= set(told["steps done"])
    assert main(["info", str(moved)]) == 0
    assert "a run" in capsys.readouterr().out
    x = load("digits", limit=50).test.images
    there, here = distill.load(fast_run), distill.load(moved)
    assert torch.equal(there(x), here(x))
    assert not here.training


def test_a_moved_run_goes_on_in_the_commands(moved, capsys):
    assert main(["verify", str(moved / "export"), "--wave-images", "2", "--lightpipes-images", "1"]) in (0, 1)
    capsys.readouterr()
    assert main(["report", str(moved), "--json"]) == 0
    assert str(moved) in capsys.readouterr().out


def test_a_kept_run_is_told_and_gives_the_network_of_the_bench(fast_run, tmp_path, capsys):
    keep(fast_run, tmp_path)
    (place,) = (p for p in tmp_path.iterdir() if p.is_dir())
    assert main(["info", str(place), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["what"], told["seed"], told["data"]) == ("a kept run", 0, "digits")
    assert told["on the realistic bench as it comes"] == about(fast_run)["on the realistic bench as it comes"]
    x = load("digits", limit=50).test.images
    assert torch.equal(distill.load(place)(x), distill.load(fast_run)(x))


def test_rows_are_told_in_their_order_whichever_was_evaluated_last(fast_run, tmp_path):
    keep(fast_run, tmp_path)
    (place,) = (p for p in tmp_path.iterdir() if p.is_dir())
    before = about(place)
    data = json.loads((place / "result.json").read_text())
    data["rows"] = dict(reversed(data["rows"].items()))
    (place / "result.json").write_text(json.dumps(data))
    titles = [field.title for field in Rows.model_fields.values() if field.title in before]
    assert len(titles) > 3
    assert [key for key in about(place) if key in titles] == titles


def test_files_are_told(tmp_path, fast_run):
    facts = about(fast_run / "linear_kd" / "model.safetensors")
    assert facts["what"] == "a student's network"
    assert facts["classes"] == 10
    assert facts["parameters"] > 0
    assert facts["operations an image"] > 0
    assert about(fast_run / "teacher" / "model.safetensors")["what"] == "a teacher's network"
    assert about(fast_run / "config.toml")["what"] == "a run's configuration"
    export(network(), tmp_path / "out", inputs=dataset(), count=2)
    told = about(tmp_path / "out")
    assert told["what"] == "an export"
    assert told["SLM frames"] == 4
    assert told["images"] == 2
    assert about(tmp_path / "out" / "masks.h5")["what"] == "an HDF5 file"


@pytest.mark.parametrize("name", ["nothing", "empty", "README.md"])
def test_what_is_nothing_of_ours_is_one_line(name, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").write_text("hello")
    with pytest.raises(OpticsError):
        about(tmp_path / name)
    with pytest.raises(OpticsError):
        distill.load(tmp_path / "empty")
