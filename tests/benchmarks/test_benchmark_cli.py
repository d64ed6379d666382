"""`python -m benchmarks`: the JSON that machines read, and errors that scripts can trust."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not part of this installation", allow_module_level=True)


def benchmarks(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


NEEDED = {
    "beam": ["network.safetensors", "--config", "run.toml"],
    "depth": ["run.toml"],
    "labels": ["run.toml", "-o", "out"],
    "methods": ["run.toml", "-o", "out"],
    "tuning": ["run.toml", "-o", "out"],
}  # arguments that a command cannot go without


def commands():
    from benchmarks.__main__ import app

    return sorted(str(command.callback.__name__) for command in app.registered_commands)


@pytest.mark.parametrize("name", commands())
def test_every_command_hands_its_options_to_a_measurement_that_takes_them(name, monkeypatch):
    import benchmarks.__main__ as cli

    real, called = cli._module(name), []

    def measure(**options):
        inspect.signature(real.measure).bind(**options)
        called.append(options)
        return {}

    monkeypatch.setattr(
        cli, "_module", lambda wanted: SimpleNamespace(measure=measure, tables=lambda result: [])
    )
    done = CliRunner().invoke(cli.app, [name, *NEEDED.get(name, [])])
    assert done.exit_code == 0, (done.output, done.exception)
    assert len(called) == 1


def test_airy_errors_ours_and_theirs():
    done = benchmarks("airy", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for label, row in result["ours"].items():
        assert row["error"] < 5e-5, label
        assert row["absolute"] < 5e-5 or "exact" in label, label
    assert min(row["error"] for row in result["peers"]["LightPipes"].values()) > 1e-4


def test_the_processor_time_of_a_start_has_a_reference_in_the_same_run():
    done = benchmarks("start", "--json", "--quick")
    assert done.returncode == 0, done.stderr
    first, *rows = json.loads(done.stdout)["rows"]
    assert first["ratio"] == 1.0 and {row["command"] for row in rows} >= {"sclc --help", "sclc --version"}
    assert all(row["seconds"] > 0.0 and row["ratio"] > 0.0 for row in rows)


def test_the_steps_of_a_dilated_convolution_have_the_librarys_in_the_same_run():
    done = benchmarks("depthwise", "--json", "--quick")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["reference"] == "library" and {row["dilation"] for row in result["rows"]} == {2, 4}
    assert all(row["times_faster"] > 0.0 and row["library_us_an_image"] > 0.0 for row in result["rows"])
    assert result["reference_of_backends"] == "channels outermost"
    assert all(row["times_faster"] > 0.0 for row in result["backends"].values())


def test_an_unknown_benchmark_is_one_clear_error():
    done = benchmarks("nothing")
    assert done.returncode == 2
    assert "nothing" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_fourf_reports_every_ratio():
    done = benchmarks("fourf", "--json", "--quick")
    assert done.returncode == 0, done.stderr
    ratios = json.loads(done.stdout)["ratios"]
    scenes = ("ideal_512", "ideal_1024", "ideal_batch", "realistic_512")
    wanted = {f"{scene}_{kind}" for scene in scenes for kind in ("forward", "train")}
    assert wanted | {"psf_over_wave", "psf_error"} <= set(ratios)
    assert ratios["psf_error"] < 1e-3
    assert ratios["psf_over_wave"] > 10
    assert ratios["padded_over_psf"] > 3
    assert ratios["cascade_over_collapsed"] > 0.5


@pytest.mark.slow
def test_every_method_of_distillation_has_its_speed():
    done = benchmarks("training", "--json", "--quick")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert all(row["images_a_second"] > 0 for row in result["methods"].values())
    assert result["methods"]["labels"]["times_the_step_on_labels"] == 1.0
    assert "teacher" not in result["parts"]["labels"]
    assert result["parts"]["plain, moved images"]["teacher"] > 0


@pytest.mark.slow
def test_a_studys_cell_is_cheaper_than_every_pixel_and_draw():
    done = benchmarks("study", "--json", "--quick")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [row["cells"] for row in result["rows"]] == [4, 6, 4, 6]
    assert all(row["cpu_seconds"] > 0 for row in result["rows"])


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_run_file_that_is_not_there_is_one_line(name):
    done = benchmarks(name, *NEEDED[name])
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"benchmarks {name}: cannot read run.toml: No such file or directory."
    ]
