"""The examples of calibration: each runs, and its number is what its header says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("calibrate_a_hidden_bench", 0.8, 1.3), ("calibrate_from_a_recording", 0.0, 0.1)],
)
def test_the_example_gives_its_number(name, low, high):
    found = runpy.run_path(str(FOLDER / f"{name}.py"))["main"](say=False)
    assert low <= found < high
