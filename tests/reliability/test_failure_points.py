"""Some failure points of every kind, in every run of the tests; `python -m tests.reliability` takes them all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.reliability.faults import HOW
from tests.reliability.points import Bench

# job, and how many of its points each way of breaking is tried at
SAMPLED = {
    "run: data": 3,
    "run: linear": 2,
    "fresh": 2,
    "export --overwrite": 2,
    "report": 2,
    "capture": 2,
    "design --overwrite": 2,
}

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the points are broken in forked children")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("points").resolve()


def test_hdf5_is_written_in_memory_first():
    """The library ignores an error of some writes to a disk: half a file would then be moved into place."""
    found = [
        str(path.relative_to(ROOT))
        for package in ("optics", "networks", "calibration", "distill")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"""h5py\.File\((?!out, "w").*["']([wax]|r\+)""", path.read_text())
    ]
    assert found == []


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", SAMPLED)
def test_a_broken_operation_is_survived(name, root):
    bench, found = Bench(name, root), {}
    operations = len(bench.kinds)
    assert {"open", "write", "fsync", "rename"} <= set(bench.kinds)
    for i, how in enumerate(HOW):
        for k in range(SAMPLED[name]):  # spread, and shifted from one way of breaking to the next
            at = 1 + (k * operations // SAMPLED[name] + i * 7) % operations
            found[how, at, bench.kinds[at - 1]] = bench.problems(how, at)
    assert {point: said for point, said in found.items() if said} == {}
