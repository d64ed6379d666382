"""`sclc study` on the finished run that tests share."""

from __future__ import annotations

import json
import re

import pytest

from distill.cli.main import main
from distill.studies.outcomes import CELLS

SMALL = ["--images", "40", "--draws", "2", "--processes", "1"]


def refused(capsys, *arguments) -> str:
    assert main([str(a) for a in arguments]) == 2
    got = capsys.readouterr()
    lines = got.err.strip().splitlines()
    assert got.out == ""
    assert len(lines) == 1
    return lines[0]


@pytest.fixture(scope="module")
def folder(fast_run, tmp_path_factory):
    place = tmp_path_factory.mktemp("command") / "s"
    words = ["study", fast_run, "--vary", "camera.read_noise=0,300", *SMALL, "-o", place]
    assert main([str(w) for w in words]) == 0
    return place


def test_the_table_the_figure_and_the_json(capsys, fast_run, folder):
    words = ["study", str(fast_run), "--vary", "camera.read_noise=0,300", *SMALL, "-o", str(folder)]
    assert main(words) == 0
    got = capsys.readouterr()
    assert "camera.read_noise = 300" in got.out
    assert "study.pdf" in got.out
    assert "kept" in got.err
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["changes"] for row in told["rows"]] == [
        {},
        {},
        {"camera.read_noise": 0},
        {"camera.read_noise": 300},
    ]
    assert told["rows"][0]["as_is"]["images"] == 40


def test_one_command_a_bench_for_slurm(capsys, fast_run, folder, tmp_path):
    words = ["study", fast_run, "--vary", "camera.read_noise=0,300", *SMALL, "-o", tmp_path / "s"]
    assert main([*map(str, words), "--cells"]) == 0
    commands = capsys.readouterr().out.splitlines()
    assert len(commands) == 4
    for command in commands:
        assert main(command.split()[1:]) == 0
    assert len(list((tmp_path / "s" / CELLS).glob("*.h5"))) == 4
    assert main([*map(str, words), "--json"]) == 0
    mine = json.loads(capsys.readouterr().out)["rows"]
    assert mine == json.loads((folder / "study.json").read_text())["rows"]


def test_help_shows_examples(capsys):
    assert main(["study", "--help"]) == 0
    assert re.search(r"Examples: sclc", re.sub(r"\s+", " ", capsys.readouterr().out.replace("│", " ")))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--vary", "slm.bitz=1..3"], ["'bitz'", "bits"]),
        (["--vary", "slm.bits=one..3"], ["'one'"]),
        (["--tolerance", "mask_shif=1e-5", "--monte-carlo", "2"], ["mask_shif"]),
        (["--cell", "nonsense"], ["plan.json"]),
        (["--bench", "pluto"], ["pluto2-200mm"]),
    ],
)
def test_bad_input_is_one_line(capsys, fast_run, tmp_path, words, parts):
    line = refused(capsys, "study", fast_run, *words, "-o", tmp_path / "s")
    for part in parts:
        assert part in line
    assert not (tmp_path / "s").exists()
