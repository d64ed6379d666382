"""What the command loads to start: help and version take the command line's own libraries, none that computes.

How long that takes is `python -m benchmarks start`'s to say: seconds of a busy machine prove nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from distill.cli.main import app
from distill.environment import version

# what help may load beside Python's own: this project's border, and what typer and rich bring or look for (attr)
LIGHT = {
    "distill",
    "optics",
    "lazy_loader",
    "typer",
    "rich",
    "pygments",
    "markdown_it",
    "mdurl",
    "shellingham",
    "click",
}
LIGHT |= {
    "attr",
    "annotated_doc",
    "annotated_types",
    "typing_extensions",
    "typing_inspection",
    "pydantic",
    "pydantic_core",
}
COMMANDS = tuple(command.name for command in app.registered_commands)
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


def test_help_of_every_command_and_the_version_load_the_command_line_alone():
    asked = [["--version"], ["--help"], *([command, "--help"] for command in COMMANDS)]
    script = (
        "import contextlib, io, json, sys\n"
        "before = set(sys.modules)\n"
        "from distill.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    codes = [main(arguments) for arguments in {asked!r}]\n"
        "print(json.dumps([codes, sorted(set(sys.modules) - before)]))\n"
    )
    got = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    codes, modules = json.loads(got.stdout)
    assert codes == [0] * len(asked)
    assert len(COMMANDS) >= 9
    loaded = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)
    assert {name for name in loaded if not name.startswith("_sysconfigdata")} <= LIGHT


@pytest.mark.parametrize("arguments", [["--version"], ["--version", "demo"]], ids=" ".join)
def test_version_is_printed_alone(arguments):
    got = subprocess.run(
        [sys.executable, "-m", "distill.cli.main", *arguments], capture_output=True, text=True, check=True
    )
    assert (got.stdout, got.stderr) == (version() + "\n", "")
