"""Progress: a bar in a terminal, in a notebook, nothing in a pipe; lines only where they are asked for."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from distill import progress
from distill.progress import Bars, Silent, told, watched

STEPS = """
import sys, time
from distill.progress import Bars
with Bars(lambda line: print(line, file=sys.stderr, flush=True)) as bars:
    bars.begin("a", "Training the teacher")
    for i in range(5):
        time.sleep(0.12)
        bars.progress("a", i + 1, 5, f"epoch {i + 1}")
    bars.begin("b", "Beside it")
    bars.progress("b", 1, 2)
    bars.end("a", 1.25)
    bars.kept("c", "Done before")
"""


def ran(stderr: int) -> None:
    subprocess.run([sys.executable, "-c", STEPS], stderr=stderr, check=True, timeout=120)


def in_a_terminal() -> str:
    fcntl, pty, struct, termios = (pytest.importorskip(n) for n in ("fcntl", "pty", "struct", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))  # rows, columns
    ran(theirs)
    os.close(theirs)
    told = b""
    with open(ours, "rb", buffering=0) as out:
        try:
            while part := out.read(65536):
                told += part
        except OSError:  # the terminal is closed
            pass
    return told.decode()


def test_a_pipe_gets_lines_and_no_bar():
    out = subprocess.run(
        [sys.executable, "-c", STEPS], capture_output=True, text=True, check=True, timeout=120
    ).stderr
    assert out.splitlines() == [f"{'Training the teacher':<44}     1.2 s", f"{'Done before':<44}    kept"]


def test_a_terminal_gets_bars_that_are_taken_away():
    out = in_a_terminal()
    assert "100% |" in out and "epoch 5" in out and "Beside it" in out
    assert "Training the teacher" in out


@pytest.mark.parametrize(("lines", "shown"), [(True, False), (True, True), (False, True), (False, False)])
def test_a_note_is_one_line_wherever_lines_are_asked_for_or_somebody_watches(lines, shown, monkeypatch):
    told, err = [], io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    with Bars(told.append if lines else None, shown=shown) as bars:
        bars.note("perhaps")
    assert told == (["note: perhaps"] if lines else [])
    assert err.getvalue() == ("note: perhaps\n" if shown and not lines else "")
    Silent().note("perhaps")


def test_bars_count_what_was_done_from_anywhere(monkeypatch):
    """A step that goes on begins in its middle; another total begins another bar."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Bars(shown=True) as bars:
        bars.begin("a", "A step")
        bars.progress("a", 7, 10)
        bar = bars._bars["a"]
        bars.progress("a", 9, 10, "note")
        assert bars._bars["a"] is bar and (bar.n, bar.total) == (9, 10)
        bars.progress("a", 1, 4)
        assert (bars._bars["a"].n, bars._bars["a"].total) == (1, 4)
        bars.progress("unknown", 1, 4)
    assert bars._bars == {}


def test_a_watcher_that_is_given_is_asked_and_nobody_is_by_default():
    class Heard(Silent):
        pass

    with watched(heard := Heard()) as found:
        assert found is heard
    with watched(None) as found:
        assert isinstance(found, Bars) and not found.shown and found.say is None
    calls = []
    with told(lambda *said: calls.append(said), "title") as tell:
        tell(1, 2, "x")
    with told(None, "title") as tell:
        tell(1, 2, "x")
    assert calls == [(1, 2, "x")]


def test_a_notebook_is_one_who_watches(monkeypatch):
    class Shell:
        def __init__(self) -> None:
            self.config = {"IPKernelApp": {}}

    module = type(sys)("IPython")
    module.get_ipython = Shell
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert progress.seen()
    module.get_ipython = lambda: None
    assert not progress.seen()


def test_training_in_a_pipe_says_nothing(tmp_path, capsys):
    from distill import TrainSpec, train
    from networks import Student
    from tests.distill.training.test_evaluation import SHAPE, shapes
    from tests.scenes import generator

    model = Student.build((1, 2), image_shape=SHAPE, classes=3, bins=(2, 2), generator=generator())
    train(model, shapes(), shapes(30, 1), TrainSpec(epochs=1), directory=tmp_path)
    assert capsys.readouterr() == ("", "")
