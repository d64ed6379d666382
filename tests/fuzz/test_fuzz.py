"""A sample of damaged inputs in every run of the tests, thousands with `slow`; the harness sees what it must see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optics.errors import OpticsError
from tests.fuzz import harness
from tests.fuzz.checks import Accepted
from tests.fuzz.harness import BAD, Case, Fuzzer, put, read
from tests.fuzz.readers import READERS, Reader

ROOT = Path(__file__).resolve().parents[2]


def fuzzed(*arguments: str, seconds: float = 300) -> dict:
    """What `python -m tests.fuzz` finds; in a process of its own, which forks."""
    got = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--json", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        timeout=seconds,
        check=False,
    )
    assert got.stdout, got.stderr
    return json.loads(got.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_sample_of_damaged_inputs_is_read_right_or_refused():
    found = fuzzed("--count", "300", "--seed", "7")
    assert sum(found["total"].values()) == 300
    assert {verdict: found["findings"] for verdict in BAD if found["total"].get(verdict)} == {}
    assert found["total"]["refused"] > 100
    assert found["total"]["right"] > 30


@pytest.mark.slow
def test_thousands_of_damaged_inputs_are_read_right_or_refused():
    found = fuzzed("--count", "5000", "--seed", "11", seconds=3000)
    assert {verdict: found["findings"] for verdict in BAD if found["total"].get(verdict)} == {}


@pytest.fixture(scope="module")
def seeds():
    return Fuzzer().seeds


@pytest.mark.parametrize("name", READERS)
def test_every_seed_is_right_as_it_is(seeds, name, tmp_path):
    reader = READERS[name]
    for k, files in enumerate(seeds[reader.corpus]):
        assert read(reader, put(Case(k, name, files), tmp_path / str(k), reader)) == ("right", "")


def test_an_input_is_the_same_each_time(seeds):
    one, other = Fuzzer(3), Fuzzer(3)
    other.seeds = one.seeds  # of archives, whose bytes hold the time
    assert [one.damaged(k) for k in range(20)] == [other.damaged(k) for k in range(20)]
    assert one.damaged(5) != one.damaged(6)


# ------------------------------------------------------------------ the harness sees it


def foreign(path: Path) -> None:
    raise KeyError("x")


def long_winded(path: Path) -> None:
    raise OpticsError("x" * 301)


def hang(path: Path) -> None:
    time.sleep(60)


def crash(path: Path) -> None:
    os.abort()


def devour(path: Path) -> bytes:
    return b"x" * (harness.BYTES + harness.BYTES // 8)


def takes_it(found: object, path: Path) -> None:
    raise Accepted("nonsense")


READS = {
    "foreign error": (foreign, None),
    "poor refusal": (long_winded, None),
    "accepted": (lambda path: 1, takes_it),
    "memory": (devour, None),
    "hang": (hang, None),
    "crash": (crash, None),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_each_kind_of_failure_is_seen_and_charged_to_its_input():
    """In one process: every second input is fine, so that whoever comes after a crash is read, too."""
    code = """
import sys
from tests.fuzz import harness, test_fuzz as t
from tests.fuzz.readers import READERS, Reader
harness.SECONDS, harness.BYTES = 4.0, 2**26
READERS.clear()
for name, (reads, checks) in t.READS.items():
    READERS[name] = Reader(reads, checks or (lambda found, path: None), "text")
READERS["fine"] = Reader(lambda path: 1, lambda found, path: None, "text")
class Each(harness.Fuzzer):
    def __init__(self): self.seed, self.names, self.seeds = 0, [], {}
    def damaged(self, number):
        names = list(t.READS)
        return harness.Case(number, names[number // 2] if number % 2 else "fine", {"x": b""})
sys.stdout.write(Each().run(12).to_json())
"""
    got = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert got.stdout, got.stderr
    found = json.loads(got.stdout)
    assert {name: list(counts) for name, counts in found["verdicts"].items() if name != "fine"} == {
        name: [name] for name in READS
    }
    assert found["verdicts"]["fine"] == {"right": 6}


def test_a_refusal_is_one_short_line(tmp_path):
    assert read(Reader(long_winded, takes_it, "text"), tmp_path)[0] == "poor refusal"
    assert str(OpticsError("a\n  b\n")) == "a b"
    said = str(OpticsError(f"x is {'y' * 5000!r}, expected the bench's own"))
    assert len(said) < 200 and said.endswith("...', expected the bench's own")
