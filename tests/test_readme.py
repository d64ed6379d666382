"""The README's files load, its Python runs, its commands and links exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from distill.cli.main import app
from distill.job.config import load
from optics.bench.files import load_bench

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ +(?:\.venv/bin/)?(sclc .*?)(?:  +#.*)?$", README, re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_configuration_and_the_bench_load(tmp_path):
    mine, bench = blocks("toml")
    (tmp_path / "mine.toml").write_text(mine)
    (tmp_path / "bench.toml").write_text(bench)
    assert load_bench(tmp_path / "bench.toml").slm.shape == (1080, 1920)
    assert load(tmp_path / "mine.toml").name == "mine"


def test_the_python_runs():
    (code,) = blocks("python")
    names: dict[str, object] = {}
    exec(code, names)
    assert names["logits"].shape == (4, 10)
    assert names["counts"].shape[:2] == (4, 16)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_and_option_exists(line):
    _, name, *arguments = shlex.split(line)
    command = typer.main.get_command(app).commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {a for a in arguments if a.startswith("--")} <= known


def test_there_are_commands_and_every_link_leads_to_a_file():
    assert len(COMMANDS) >= 9
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).is_file(), link


def test_make_targets_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^ +make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_version_is_the_same_everywhere():
    version = re.search(
        r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )[1]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
