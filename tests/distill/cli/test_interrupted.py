"""What the user reads when a command is stopped, a disk is full, or a name looks like markup."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

from distill.cli import main as cli
from distill.cli import show
from distill.cli.process import goes_on
from distill.metrics.row import Row
from optics.files import write_json
from tests.distill.exportbench import BENCH

ROW = {"accuracy": 0.5, "spread": 0.1, "draws": 2, "images": 4}
MARKUP = ("x [/red]", "Cam [/rev2]", "[bold]b", "a [link=x]", "[0, 1]", ":smile:", "\\[a]")


@pytest.mark.parametrize("name", MARKUP)
def test_text_of_the_user_s_is_shown_as_it_is(name, capsys):
    bench = BENCH.replace(name=name).model_dump(mode="json")
    show.show_bench_rows({"bench": bench, "rows": {"bench_as_is": ROW}})
    show.show_device({"title": name, "figures": {"pitch": name}, "source": {"pitch": name}, "note": name})
    show.show_encodings(name, [])
    show.show_devices([{"name": name, "kind": "slm", "title": name, "figures": {}}], [name])
    said = capsys.readouterr().out
    assert said.count(name) >= 8
    bars = show.Bars()
    bars.begin("step", name)
    bars.end("step", 1.0)
    bars.kept("step", name)
    assert capsys.readouterr().err.count(name) == 2
    assert Row(**ROW).accuracy == 0.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "x.toml"], "the same command with --resume goes on"),
        (["run", "x.toml", "--resume"], "the same command goes on"),
        (["run", "x.toml", "--fresh"], "with --resume in place of --fresh goes on"),
        (["demo"], "the same command goes on"),
        (["demo", "--fresh"], "the same command without --fresh goes on"),
        (["evaluate", "runs/a"], "the same command goes on"),
        (["verify", "runs/a"], "no file is left half written"),
    ],
    ids=lambda a: " ".join(a) if isinstance(a, list) else "",
)
def test_ctrl_c_says_how_to_go_on(arguments, words, tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text('name = "x"\n')
    for name in ("main_job.run", "single_steps.bench_rows", "single_steps.verify_directory"):
        monkeypatch.setattr(f"distill.pipeline.{name}", stop)
    assert cli.main(arguments) == 130
    said = capsys.readouterr().err
    assert said.startswith("sclc: interrupted; ")
    assert words in said
    assert said.count("\n") == 1


def test_only_ctrl_c_is_put_into_words():
    with pytest.raises(typer.Exit), goes_on("again"):
        raise typer.Exit(1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_output_is_told_in_one_line():
    with open("/dev/full", "wb", buffering=0) as full:
        got = subprocess.run(
            [sys.executable, "-m", "distill.cli.start", "devices"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert got.stderr == "sclc: a file or the output: No space left on device\n"
    assert got.returncode == 2


def test_what_the_terminal_cannot_show_is_no_error():
    surroundings = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    got = subprocess.run(
        [sys.executable, "-m", "distill.cli.start", "devices"], capture_output=True, env=surroundings
    )
    assert (got.returncode, got.stderr) == (0, b"")
    assert b"\\xb5m" in got.stdout


def test_ctrl_c_while_libraries_are_read_is_one_line():
    script = (
        "import sys\n"
        "class Stops:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stops())\n"
        "from distill.cli.start import main\n"
        "sys.exit(main())\n"
    )
    got = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (got.returncode, got.stderr) == (130, "sclc: interrupted; no file is left half written.\n")


def test_the_refit_of_an_evaluation_goes_on(tmp_path):
    from distill.pipeline.unfinished import kept

    for network in (tmp_path, tmp_path / "mine.safetensors"):
        if network != tmp_path:
            network.write_bytes(b"weights")
        seen = []
        for key, stops in (("k", True), ("k", True), ("other", True), ("other", False), ("other", False)):
            try:
                with kept(network, "evaluate", key) as folder:
                    assert folder is not None
                    seen.append((folder / "checkpoint.pt").exists())
                    with kept(network, "evaluate", key) as second:
                        assert second is None  # another process is at it
                    folder.mkdir(exist_ok=True)
                    write_json(folder / "checkpoint.pt", {})
                    if stops:
                        raise KeyboardInterrupt
            except KeyboardInterrupt:
                pass
        assert seen == [False, True, False, True, False]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.safetensors"]


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.isdir("/proc"), reason="needs a place nobody can write")
def test_an_evaluation_needs_no_place_to_write():
    from pathlib import Path

    from distill.pipeline.unfinished import kept

    with kept(Path("/proc/version"), "evaluate", "k") as folder:
        assert folder is None
