"""A network that was trained in Python and saved goes through the commands as a run's does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

import distill
from distill.cli.main import main
from distill.job import toml as settings
from networks import Student
from tests.distill.exportbench import BENCH
from tests.scenes import generator

QUICK = {
    "data.limit": 60,
    "data.size": [12, 12],
    "evaluation.draws": 2,
    "refit.epochs": 1,
    "export.count": 4,
    "verify.wave_images": 4,
    "verify.lightpipes_images": 0,
    "calibration.levels": 6,
}
SETS = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """Parameterisations, an electronic mix and a hidden layer that only Python could say before."""
    student = Student.build(
        (1, 3, 4),
        image_shape=(12, 12),
        bins=(3, 3),
        parameterisation=("mask", "complex"),
        mix=2,
        hidden=(5,),
        generator=generator(),
    )
    path = tmp_path_factory.mktemp("python") / "mine.safetensors"
    distill.save(student, path)
    return path


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Path:
    """The small bench as a file."""
    path = tmp_path_factory.mktemp("bench") / "small.toml"
    path.write_text(settings.dump(BENCH.model_dump(mode="json")), encoding="utf-8")
    return path


def document(capsys, *arguments):
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments) -> str:
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_evaluate_puts_it_on_a_bench_and_changes_nothing(capsys, network, bench):
    before = sorted(p.name for p in network.parent.iterdir())
    rows = document(capsys, "evaluate", network, "--bench", bench, *SETS)["rows"]
    assert list(rows) == ["given", "ideal_bench", "bench_as_is", "bench_refit"]
    assert rows["given"]["accuracy"] == pytest.approx(rows["ideal_bench"]["accuracy"], abs=0.05)
    assert sorted(p.name for p in network.parent.iterdir()) == before


def test_evaluate_takes_another_way_onto_the_bench(capsys, network):
    words = ["--bench", "ideal-200mm", "--set", "student.realisation.kind=staged", "--set", "data.limit=20"]
    student = Student.build((1, 2, 3), image_shape=(12, 12), bins=(3, 3), generator=generator())
    staged = network.with_name("staged.safetensors")
    distill.save(student, staged)
    found = document(capsys, "evaluate", staged, *SETS, *words)
    assert found["rows"]["ideal_bench"]["images"] == 20
    staged.unlink()


def test_export_writes_it_as_it_is_and_verify_proves_it(capsys, network, bench, tmp_path):
    words = ["--bench", bench, "--set", "data.size=[12, 12]", "--count", 4, "--output", tmp_path / "lab"]
    found = document(capsys, "export", network, *words)
    assert (found["slm_frames"], found["images"]) == (4, 4)
    back = distill.read_export(tmp_path / "lab")
    trained = distill.load(network).backend.state_dict()
    assert all(torch.equal(trained[name], value) for name, value in back.backend.state_dict().items())


def test_export_takes_every_back_end_that_answers_with_a_class(capsys, bench, tmp_path):
    options = {"image_shape": (12, 12), "bins": (3, 3), "generator": generator()}
    students = {
        "embedder": Student.build((1, 2), head="embedder", dimension=5, **options),
        "stacked": Student.no_mask((1, 4), mix=2, **options),
        "segmenter": Student.build((1, 2), head="segmenter", width=3, **options),
    }
    for name, student in students.items():
        file = tmp_path / f"{name}.safetensors"
        distill.save(student, file)
        words = [file, "--bench", bench, "--set", "data.size=[12, 12]", "--count", 2]
        if name == "segmenter":
            assert "one per pixel" in refused(capsys, "export", *words)
            continue
        lab = Path(document(capsys, "export", *words)["directory"])
        back = distill.read_export(lab)
        assert type(back.backend) is type(student.backend)
        verified = document(capsys, "verify", lab, "--wave-images", 2, "--lightpipes-images", 1)
        assert verified["wave"]["agreement"] == 1.0


def test_report_makes_a_run_of_it_that_the_other_commands_take(capsys, network, bench, tmp_path):
    folder = tmp_path / "run"
    page = Path(document(capsys, "report", network, "--directory", folder, "--bench", bench, *SETS)["report"])
    text = re.sub(r"data:image[^\"]*", "", page.read_text())
    assert "trained before" in text
    assert "Training</h2>" not in text
    result = json.loads((folder / "result.json").read_text())
    assert list(result["rows"]) == ["given", "ideal_bench", "bench_as_is", "bench_refit"]
    assert list(result["operations"]) == ["given", "optics_replaced"]
    assert result["config"]["student"]["cascade"]["parameterisation"] == ["mask", "complex"]
    assert not (folder / "teacher").exists()
    assert Path(document(capsys, "report", folder)["report"]).is_file()
    assert set(document(capsys, "evaluate", folder, "--set", "refit.epochs=2")["rows"]) == {
        "ideal_bench",
        "bench_as_is",
        "bench_refit",
    }


def test_a_run_without_files_evaluates_what_cannot_be_exported(capsys, network, tmp_path):
    (tmp_path / "mine.toml").write_text(
        "[student]\n"
        f"file = '{network}'\n"
        "realisation = 'tiled'\n"
        "[student.readout]\n"  # said again, as the file has it
        "bins = [3, 3]\n"
        "[bench]\nsource = 'ideal-200mm'\n"
    )
    sets = [w for k, w in enumerate(SETS) if "verify" not in SETS[k | 1] and "export" not in SETS[k | 1]]
    line = refused(capsys, "run", tmp_path / "mine.toml", "--directory", tmp_path / "run", *sets)
    assert "slm.bits" in line  # an SLM without levels has nothing to export
    assert "export.count = 0" in line
    assert not (tmp_path / "run").exists()
    words = [*sets, "--set", "export.count=0"]
    found = document(capsys, "run", tmp_path / "mine.toml", "--directory", tmp_path / "run", *words)
    assert found["verify"] is None
    assert not (tmp_path / "run" / "export").exists()
    assert "Verification" not in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--set", "data.size=[20, 20]"], ["(12, 12)", "(20, 20)", "data.size"]),
        (["--set", "student.bins=[2, 2]"], ["--set student.bins", "student.readout", "leave"]),
        (["--config", "no-such.toml"], ["no-such.toml"]),
        (["--bench", "pluto"], ["unknown bench 'pluto'"]),
    ],
)
def test_what_does_not_fit_it_is_one_line(capsys, network, words, parts):
    line = refused(capsys, "evaluate", network, *SETS, *words)
    for part in parts:
        assert part in line


def test_a_file_that_is_no_network_and_options_of_a_file_are_refused(capsys, network, tmp_path):
    (tmp_path / "it.safetensors").write_bytes(b"no")
    assert "it.safetensors" in refused(capsys, "evaluate", tmp_path / "it.safetensors")
    (tmp_path / "mine.toml").write_text("seed = 1\n")
    assert "file of a network" in refused(capsys, "evaluate", tmp_path, "--config", tmp_path / "mine.toml")
    assert "file of a network" in refused(capsys, "report", tmp_path, "--bench", "pluto2-200mm")
    assert "go with a file" in refused(capsys, "export", tmp_path, "--bench", "pluto2-200mm")
