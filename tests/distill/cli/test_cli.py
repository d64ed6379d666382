"""The command line: exit codes, one clear line for bad input, JSON alone on stdout, nothing half-written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import typer

from distill.cli.main import app, main
from distill.job import config
from distill.pipeline import step_table
from optics.bench.catalogue import dotted

COMMANDS = (
    "demo",
    "run",
    "evaluate",
    "study",
    "compare",
    "export",
    "verify",
    "report",
    "schema",
    "devices",
    "encodings",
)


def refused(capsys, *arguments) -> str:
    """Run a command that must fail with exit code 2, an empty stdout and one line on stderr; that line."""
    assert main([str(a) for a in arguments]) == 2
    got = capsys.readouterr()
    assert got.out == ""
    lines = got.err.strip().splitlines()
    assert len(lines) == 1, got.err
    assert lines[0].startswith("sclc: ")
    assert not re.search(r"[?!:;,]\.(\s|$)|(?<!\.)\.\.(\s|$)", lines[0]), "two marks at a sentence's end"
    return lines[0]


def document(capsys, *arguments, code: int = 0):
    """The JSON that a command prints; stdout must hold nothing else."""
    assert main([*map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_with_an_example(capsys, command):
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"Examples?: sclc", re.sub(r"\s+", " ", text.replace("│", " ")))
    assert "--json" in text


def test_help_names_the_units_and_the_exit_codes(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for word in ("metres", "radians", "photons", "Exit codes", *COMMANDS):
        assert word in text


def test_the_module_runs_as_a_program_and_returns_its_exit_code():
    got = subprocess.run(
        [sys.executable, "-m", "distill.cli.main", "devices", "no-such-device"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (got.returncode, got.stdout) == (2, "")
    assert len(got.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["no-such-command"], ["no-such-command"]),
        (["desing"], ["Did you mean 'design'? `sclc"]),
        (["data", "chek"], ["Did you mean 'check'? `sclc"]),
        (["run"], ["CONFIG.toml"]),
        (["run", "absent.toml"], ["absent.toml"]),
        (["demo", "--nonsense"], ["--nonsense"]),
        (["demo", "--threads", "0"], ["threads"]),
        (["demo", "--set", "student.chanels=[1]"], ["'student.chanels'", "did you mean 'channels'?"]),
        (
            ["demo", "--set", "bench.slm.device=holoeye-plutto-2"],
            ["holoeye-plutto-2", "Nearest: holoeye-pluto-2"],
        ),
        (["demo", "--set", "bench.source=pluto"], ["'pluto'", "pluto2-200mm"]),
        (["demo", "--set", "data.source=digts"], ["digts", "digits"]),
        (["demo", "--set", "student.channels=[3,8,16]"], ["channels"]),
        (["demo", "--set", "bench.source=ideal-200mm"], ["SLM"]),
        (["demo", "--set", "student.readout=incoherent"], ["incoherent", "light.coherence"]),
        (["demo", "--set", "bench.lens1.diameter=5e-3"], ["lens1", "vignettes", "5 mm"]),
        (["demo", "--set", "bench.encoding.carrier=[0.4, 0.0]"], ["carrier", "camera"]),
        (["devices", "plutto"], ["plutto", "holoeye-pluto-2"]),
        (["devices", "--kind", "laser"], ["laser", "slm"]),
        (["verify", "nowhere"], ["nowhere", "export"]),
        (["report", "nowhere"], ["nowhere", "config.toml"]),
        (["evaluate", "nowhere"], ["nowhere", "config.toml"]),
        (["export", "nowhere"], ["nowhere", "config.toml"]),
        (["encodings", "--masks", "nowhere.h5"], ["there is no HDF5 file of masks nowhere.h5"]),
        (["encodings", "--count", "0"], ["'--count': expected greater than", "1. `sclc"]),
        (["devices", "pluto2-200mm"], ["is a bench", "sclc plan pluto2-200mm"]),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_no_files(capsys, tmp_path, monkeypatch, arguments, parts):
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, *arguments)
    for part in parts:
        assert part in line
    assert list(tmp_path.iterdir()) == []


def test_a_command_alone_shows_the_help_and_what_is_missing(capsys):
    assert main([]) == 2
    got = capsys.readouterr()
    assert "Usage" in got.out + got.err
    assert "a command is missing" in got.err


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))
def test_help_keeps_no_line_ends_of_the_docstring(capsys, command):
    work = typer.main.get_command(app).commands[command]
    assert all("\n" not in paragraph for paragraph in work.help.split("\n\n"))


def test_encodings_say_what_their_columns_mean(capsys):
    assert main(["encodings", "--bench", "dmd-200mm", "--count", "1", "--steps", "1"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "above 100 % where" in text


def test_a_typo_in_a_file_is_told_with_its_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("seed = 1\n\n[student.training]\nepoch = 3\n")
    line = refused(capsys, "run", "mine.toml")
    assert "mine.toml:4" in line
    assert "'epochs'" in line
    assert [p.name for p in tmp_path.iterdir()] == ["mine.toml"]


def test_hdf5_data_without_its_keys_is_told_before_anything_is_written(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("data.h5", "w") as file:
        file["train/images"] = np.zeros((4, 8, 8), dtype=np.uint8)
    line = refused(capsys, "demo", "--set", "data.source=data.h5", "--directory", "out")
    assert "data.h5" in line
    assert "labels" in line
    (tmp_path / "broken.h5").write_bytes((tmp_path / "data.h5").read_bytes()[:300])
    assert "broken.h5" in refused(capsys, "demo", "--set", "data.source=broken.h5", "--directory", "out")
    assert not (tmp_path / "out").exists()


def test_a_directory_with_other_things_is_not_touched(capsys, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    assert "not empty" in refused(capsys, "demo", "--fast", "--directory", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_devices_as_json_and_as_a_table(capsys):
    found = document(capsys, "devices")
    names = {d["name"] for d in found["devices"]}
    assert {"holoeye-pluto-2", "machine-vision-5mp"} <= names
    assert "pluto2-200mm" in found["benches"]
    one = document(capsys, "devices", "holoeye-pluto-2")
    assert one["figures"]["pitch"] == 8e-6
    assert {key for key, _ in dotted(one["figures"])} <= set(one["source"])
    assert main(["devices"]) == 0
    assert "holoeye-pluto-2" in capsys.readouterr().out


# ------------------------------------------------------------------ on a finished run


def test_a_second_run_needs_resume_or_fresh(capsys, fast_run, tmp_path):
    (tmp_path / "again.toml").write_text(config.demo(fast=True).to_toml())
    line = refused(capsys, "run", tmp_path / "again.toml", "--directory", fast_run)
    assert "--resume" in line
    assert "--fresh" in line


def test_run_resumed_prints_the_result_and_only_that(capsys, fast_run, tmp_path):
    (tmp_path / "again.toml").write_text(config.demo(fast=True).to_toml())
    found = document(capsys, "run", tmp_path / "again.toml", "--directory", fast_run, "--resume")
    assert found == json.loads((fast_run / "result.json").read_text())


def test_the_demo_ends_with_the_table_the_proof_the_report_and_the_seconds(capsys, fast_run):
    assert main(["demo", "--fast", "--directory", str(fast_run)]) == 0
    got = capsys.readouterr()
    for word in (
        "teacher",
        "bench_refit",
        "MACs",
        "wave path",
        "LightPipes",
        "report.html",
        "Seconds",
        "intensity",
        "± draws: standard deviation",
        "± sampling: standard error",
        "Trained on the labels alone",
    ):
        assert word in got.out
    assert got.err.count("kept") == len(step_table.steps_of(config.demo(fast=True)))


def test_verify_reads_the_exported_directory_alone(capsys, fast_run, tmp_path):
    shutil.copytree(fast_run / "export", tmp_path / "export")
    found = document(capsys, "verify", tmp_path / "export", "--wave-images", 8, "--lightpipes-images", 1)
    assert found["wave"]["agreement"] == 1.0
    assert found["wave"]["images"] == 8
    assert found["lightpipes"]["images"] == 1


def test_verify_fails_with_exit_code_1_below_the_agreement_asked_for(capsys, fast_run, monkeypatch):
    from distill.pipeline import single_steps as standalone

    true = standalone.verify

    def worse(*args, **options):
        return true(*args, **options).replace(**{"wave.agreement": 0.97})

    monkeypatch.setattr(standalone, "verify", worse)
    arguments = ["verify", str(fast_run), "--wave-images", "4", "--lightpipes-images", "1"]
    assert main(arguments) == 1
    assert main([*arguments, "--agreement", "0.9"]) == 0
    capsys.readouterr()


def test_a_truncated_frame_is_told_by_its_name(capsys, fast_run, tmp_path):
    shutil.copytree(fast_run / "export", tmp_path / "export")
    frame = tmp_path / "export" / "slm" / "frame-001.png"
    frame.write_bytes(frame.read_bytes()[:-20])
    assert "frame-001.png" in refused(capsys, "verify", tmp_path / "export")


def test_missing_hdf5_keys_of_an_export_are_told(capsys, fast_run, tmp_path):
    target = tmp_path / "export"
    shutil.copytree(fast_run / "export", target)
    with h5py.File(target / "reference.h5", "a") as file:
        del file["labels"]
    assert "reference.h5" in refused(capsys, "verify", target)


def test_export_writes_elsewhere_and_replaces_only_when_told(capsys, fast_run, tmp_path):
    found = document(capsys, "export", fast_run, "--output", tmp_path / "lab", "--count", 4)
    assert (tmp_path / "lab" / "manifest.json").is_file()
    assert found["slm_frames"] == len(list((tmp_path / "lab" / "slm").glob("*.png")))
    first = (fast_run / "export" / "slm" / "frame-000.png").read_bytes()
    assert (tmp_path / "lab" / "slm" / "frame-000.png").read_bytes() == first
    refused(capsys, "export", fast_run, "--output", tmp_path / "lab", "--count", 4)


def test_report_writes_the_page_again(capsys, fast_run, tmp_path):
    copy = tmp_path / "demo"
    shutil.copytree(fast_run, copy)
    (copy / "report.html").unlink()
    assert Path(document(capsys, "report", copy)["report"]).is_file()


def test_commands_on_an_unfinished_run_say_how_to_finish_it(capsys, fast_run, tmp_path):
    copy = tmp_path / "demo"
    shutil.copytree(fast_run, copy)
    (copy / "verify.json").unlink()
    line = refused(capsys, "report", copy)
    assert "'verify'" in line
    assert "--resume" in line


def test_a_damaged_model_is_one_line(capsys, fast_run, tmp_path):
    copy = tmp_path / "demo"
    shutil.copytree(fast_run, copy)
    model = copy / "linear_kd" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    assert "linear_kd" in refused(capsys, "evaluate", copy)


def test_evaluate_refuses_to_change_what_was_trained(capsys, fast_run):
    assert "student.bins" in refused(capsys, "evaluate", fast_run, "--set", "student.bins=[2, 2]")
