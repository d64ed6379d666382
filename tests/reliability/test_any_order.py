"""A run's directory against a simple model of it, whatever is done to it in whatever order.

RELIABILITY_EXAMPLES=1000 tries more orders, RELIABILITY_STEPS=60 longer ones.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from distill.job.ledger import LEDGER, Ledger, key_of
from optics.errors import OpticsError
from optics.files import is_temporary, write_text, writing_folder

# step: its files, the steps it reads, whether it goes on from what was interrupted
STEPS = {
    "data": (("data.json",), (), False),
    "teacher": (("teacher/model",), ("data",), True),
    "export": (("export",), ("teacher",), False),
    "report": (("report.html",), ("export",), False),
}
AIDS = {"teacher": ("teacher/checkpoint",)}
KEPT = ("notes.txt", "teacher/notes.txt")  # of the user's, which hinder nothing
CONFIGS = ("a", "b", "c")


def keys(config: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, (_, reads, _) in STEPS.items():
        found[name] = key_of(name, config if name != "data" else "", [found[r] for r in reads])
    return found


class Directory(RuleBasedStateMachine):
    """What a run does with its ledger, with steps that only write; the model is what the user put there."""

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.run = self.home / "run"
        self.mine: dict[str, str] = {}
        self.config = ""

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def ledger(self) -> Ledger:
        return Ledger(self.run, {name: step[0] for name, step in STEPS.items()}, AIDS)

    def write(self, step: str, text: str, *, whole: bool) -> None:
        if step == "teacher":
            (self.run / "teacher").mkdir(exist_ok=True)
            write_text(self.run / "teacher/checkpoint", text)
            if whole:
                write_text(self.run / "teacher/model", text)
        elif step == "export" and whole:
            with writing_folder(self.run / "export") as folder:
                for name in ("manifest.json", "frame.png"):
                    (folder / name).write_text(text)
        elif whole:
            write_text(self.run / STEPS[step][0][0], text)

    @rule(
        config=st.sampled_from(CONFIGS), stop=st.none() | st.sampled_from(tuple(STEPS)), fresh=st.booleans()
    )
    def go(self, config: str, stop: str | None, fresh: bool) -> None:
        """Run, resume or begin anew with some configuration; perhaps interrupted within a step."""
        in_the_way = [name for name in self.mine if name not in KEPT]
        wanted = keys(config)
        try:
            book = self.ledger()
            with book.locked():
                book.check_free(STEPS, {} if fresh else wanted)
                book.begin()
                if fresh:
                    book.clear()
                book.drop_stale(wanted)
                for step, (_, _, keep) in STEPS.items():
                    if book.done(step, wanted[step]):
                        continue
                    with book.working(step, wanted[step], keep=keep):
                        if step == "teacher" and (self.run / "teacher/checkpoint").exists():
                            assert (self.run / "teacher/checkpoint").read_text() == wanted[step]
                        self.write(step, wanted[step], whole=step != stop)
                        if step == stop:
                            raise KeyboardInterrupt
        except KeyboardInterrupt:
            return
        except OpticsError as error:
            assert in_the_way or not (self.run / LEDGER).exists(), error
            return
        self.config = config
        for step in ("data.json", "teacher/model", "export/manifest.json", "report.html"):
            name = step.split("/")[0].split(".")[0]
            assert (self.run / step).read_text() == wanted[name]

    @rule(name=st.sampled_from((*KEPT, "export/mine.png")))
    def put(self, name: str) -> None:
        """The user puts a file of his own there."""
        if self.run.exists():
            (self.run / name).parent.mkdir(exist_ok=True)
            (self.run / name).write_text("mine")
            self.mine[name] = "mine"

    @rule()
    def take_away(self) -> None:
        """The user takes his files away again."""
        for name in self.mine:
            (self.run / name).unlink()
        self.mine = {}

    @rule(name=st.sampled_from(("data.json", "teacher/model", "teacher/checkpoint", "export/frame.png")))
    def delete(self, name: str) -> None:
        """A file of ours is deleted."""
        (self.run / name).unlink(missing_ok=True)

    @rule()
    def second_process(self) -> None:
        """Another process asks for the directory while one works there."""
        try:
            book = self.ledger()
            with book.locked():
                try:
                    with self.ledger().locked():
                        raise AssertionError("two at once")
                except OpticsError as error:
                    assert "another process" in str(error)
        except OpticsError:
            assert self.mine or not (self.run / LEDGER).exists()

    @rule()
    def left_by_a_kill(self) -> None:
        """A process that is gone left a half-written file."""
        if (self.run / LEDGER).exists():
            (self.run / ".report.html.999999999-0123abcd.sclc-part").write_text("half")

    @invariant()
    def nothing_of_the_user_s_is_lost(self) -> None:
        for name, text in getattr(self, "mine", {}).items():
            assert (self.run / name).read_text() == text

    @invariant()
    def nothing_is_half_there(self) -> None:
        if not getattr(self, "run", None) or not (self.run / LEDGER).exists():
            return
        book = self.ledger()
        for config in CONFIGS:
            for step, key in keys(config).items():
                if book.done(step, key):
                    for name in STEPS[step][0]:
                        path = self.run / name
                        files = (
                            [path] if path.is_file() else [p for p in path.iterdir() if p.name != "mine.png"]
                        )
                        assert files and all(p.read_text() == key for p in files if not is_temporary(p))


Directory.TestCase.settings = settings(
    max_examples=int(os.environ.get("RELIABILITY_EXAMPLES", "30")),
    stateful_step_count=int(os.environ.get("RELIABILITY_STEPS", "15")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestDirectory = Directory.TestCase
