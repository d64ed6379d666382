"""The real pipeline at its smallest, in any order: run, resume, kill, edit, export, verify, delete, a second process.

`tests/reliability/test_any_order.py` tries thousands of orders with steps that only write; here every step is the real
one, so that an order takes seconds. RELIABILITY_REAL=20 tries so many orders, RELIABILITY_LAST=export goes as far.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from distill.pipeline import main_job, single_steps, step_table
from optics.errors import OpticsError
from tests.reliability.faults import Disk
from tests.reliability.jobs import STEPS, small
from tests.reliability.points import Files, in_child, state

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are killed in forked children"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

LAST = os.environ.get("RELIABILITY_LAST", "linear")
CONFIGS = {"a": (), "b": ("student.training.epochs=2",), "c": ("data.limit=30",)}
LASTS = tuple(STEPS[: STEPS.index(LAST) + 1])
OURS = ("data.json", "teacher/model.safetensors", "linear/model.safetensors", "config.toml")
ROUGH = (
    "steps.json",
    "history.csv",
    "config.toml",
    "checkpoint.pt",
)  # not the same whenever a run is stopped


def run(config: str, place: Path, last: str, *, fresh: bool = False) -> None:
    main_job.run(small(*CONFIGS[config]), place, resume=not fresh, last=last)


@cache
def reference(config: str) -> Files:
    """All that a run leaves that nothing disturbs."""
    with tempfile.TemporaryDirectory() as place:
        for last in LASTS:  # a step needs some of those before it, not all
            run(config, Path(place) / "run", last)
        return state(Path(place) / "run")


class RealDirectory(RuleBasedStateMachine):
    """The model: what the user put there, and what undisturbed runs leave."""

    @initialize()
    def begin(self) -> None:
        self.home = Path(tempfile.mkdtemp()).resolve()
        self.run = self.home / "run"
        self.mine: set[Path] = set()
        self.exported = False

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    @rule(config=st.sampled_from(tuple(CONFIGS)), last=st.sampled_from(LASTS), fresh=st.booleans())
    def go(self, config: str, last: str, fresh: bool) -> None:
        """Run, resume or begin anew with some configuration: what was asked for is there, bit by bit."""
        run(config, self.run, last, fresh=fresh)
        now, wanted = state(self.run), reference(config)
        for step in step_table.needed(last):
            for name in (n for n in wanted if n.startswith(step) and not n.endswith(ROUGH)):
                assert now.get(name) == wanted[name], name

    @rule(
        config=st.sampled_from(tuple(CONFIGS)),
        last=st.sampled_from(LASTS),
        at=st.integers(1, 60),
        fresh=st.booleans(),
    )
    def killed(self, config: str, last: str, at: int, fresh: bool) -> None:
        """A run is killed at one of its operations on the disk, or ends before."""
        ended = in_child(lambda: run(config, self.run, last, fresh=fresh), Disk(self.home, "kill", at))
        assert ended.how in ("done", "killed"), ended.text

    @rule(last=st.sampled_from(LASTS))
    def second_process(self, last: str) -> None:
        """While one process works there, another one is refused."""
        self.run.mkdir(exist_ok=True)
        with step_table.ledger(self.run).locked():
            ended = in_child(lambda: run("a", self.run, last), Disk(self.home))
        assert ended.how == "refused" and "another process" in ended.text, ended

    @rule(name=st.sampled_from(OURS))
    def delete(self, name: str) -> None:
        """One of our files is deleted."""
        (self.run / name).unlink(missing_ok=True)

    @rule(name=st.sampled_from(("notes.txt", "teacher/notes.txt")))
    def put(self, name: str) -> None:
        """The user keeps a file of his own there, once there is a run."""
        if (self.run / "steps.json").exists():
            (self.run / name).parent.mkdir(exist_ok=True)
            (self.run / name).write_text("mine")
            self.mine.add(self.run / name)

    @rule(count=st.integers(1, 2))
    def export(self, count: int) -> None:
        """Files for the SLM, once the network is refitted; refused in one line before."""
        try:
            single_steps.export_network(self.run, output=self.home / "lab", count=count, overwrite=True)
        except OpticsError as error:
            assert "\n" not in str(error)
            return
        self.exported = True

    @rule()
    def verify(self) -> None:
        """What was exported verifies, whatever became of the run."""
        if self.exported:
            single_steps.verify_directory(self.home / "lab", wave_images=1, lightpipes_images=0)

    @invariant()
    def nothing_of_the_user_s_is_lost(self) -> None:
        assert all(path.read_text() == "mine" for path in getattr(self, "mine", ()))

    @invariant()
    def what_is_there_is_whole(self) -> None:
        if not getattr(self, "run", None) or not self.run.exists():
            return
        for name, data in state(self.run).items():
            if self.run / name not in self.mine and not name.endswith(ROUGH):
                assert any(data == reference(config).get(name) for config in CONFIGS), name


RealDirectory.TestCase.settings = settings(
    max_examples=int(os.environ.get("RELIABILITY_REAL", "2")),
    stateful_step_count=int(os.environ.get("RELIABILITY_STEPS", "5")),
    deadline=None,
    derandomize="RELIABILITY_REAL" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
TestRealDirectory = RealDirectory.TestCase
