"""How quickly the command starts: help and version load no library that computes, and take little processor time."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from distill.cli.main import app
from distill.environment import version

HEAVY = ("torch", "numpy", "scipy", "h5py", "matplotlib", "PIL", "LightPipes")
COMMANDS = tuple(command.name for command in app.registered_commands)
MOST_SECONDS = 0.7  # of processor time, user and system, of the whole process


def seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# what a command may call the same thing; hidden ones are former names
ONE_NAME = {
    "--directory": "--output",
    "-d": "-o",
    "--count": "--images",
}


def test_one_option_for_one_thing_and_former_names_still_taken():
    from typer.main import get_command

    commands = get_command(app).commands
    shown = {
        n: {o for p in c.params if not getattr(p, "hidden", False) for o in p.opts}
        for n, c in commands.items()
    }
    taken = {n: {o for p in c.params for o in p.opts} for n, c in commands.items()}
    for old, new in ONE_NAME.items():
        assert [n for n, options in shown.items() if old in options and n != "encodings"] == []
        assert all(new in options for n, options in shown.items() if old in taken[n] and n != "encodings")
    assert {"--directory", "-d"} <= taken["run"] & taken["demo"] & taken["report"]
    assert "--count" in taken["export"]
    assert "--bench" in taken["plan"]
    assert "--images" in taken["design"] - shown["design"]


def test_help_of_every_command_and_the_version_load_no_heavy_library():
    asked = [["--version"], ["--help"], *([command, "--help"] for command in COMMANDS)]
    script = (
        "import contextlib, io, json, sys\n"
        "from distill.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    codes = [main(arguments) for arguments in {asked!r}]\n"
        "print(json.dumps([codes, sorted(sys.modules)]))\n"
    )
    got = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    codes, modules = json.loads(got.stdout)
    assert codes == [0] * len(asked)
    assert len(COMMANDS) >= 9
    assert set(HEAVY) & set(modules) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_a_whole_process_takes_little_processor_time(arguments):
    before = seconds_of_children()
    got = subprocess.run(
        [sys.executable, "-m", "distill.cli.main", *arguments], capture_output=True, check=True
    )
    assert got.stdout
    assert seconds_of_children() - before <= MOST_SECONDS


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "demo"]], ids=" ".join)
def test_version_is_printed_alone(arguments):
    got = subprocess.run(
        [sys.executable, "-m", "distill.cli.main", *arguments], capture_output=True, text=True, check=True
    )
    assert (got.stdout, got.stderr) == (version() + "\n", "")
