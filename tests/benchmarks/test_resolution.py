"""The cost at equal accuracy: interpolated as stated, and one tiny run that goes on where it was."""

from __future__ import annotations

import json
import math

import h5py
import numpy as np
import pytest

from benchmarks.resolution import BINS, SETS, _every, measure, operations_at, tables
from optics.errors import OpticsError


@pytest.mark.parametrize(
    ("accuracies", "wanted", "found"),
    [
        ((0.6, 0.7, 0.8), 0.7, 1e4),
        ((0.6, 0.7, 0.8), 0.75, math.sqrt(1e4 * 1e6)),
        ((0.6, 0.7, 0.8), 0.5, 1e2),  # below the ladder: its first rung
        ((0.6, 0.7, 0.8), 0.81, None),  # above it: not told
        ((0.7, 0.6, 0.8), 0.75, math.sqrt(1e2 * 1e6)),  # a rung below a cheaper one is passed over
    ],
)
def test_operations_at_an_accuracy(accuracies, wanted, found):
    got = operations_at(accuracies, (1e2, 1e4, 1e6), wanted)
    assert got == (None if found is None else pytest.approx(found))


def test_a_tiny_run_counts_what_grows_and_goes_on_where_it_was(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "cats_vs_dogs.h5", "w") as file:
        for part, count in (("train", 60), ("test", 20)):
            file[f"{part}/images"] = rng.integers(0, 255, (count, 128, 128, 3), dtype=np.uint8)
            file[f"{part}/labels"] = np.arange(count) % 2
    options = {"data": tmp_path, "quick": True, "save": tmp_path / "kept.json"}
    rows = [measure(resolutions=[size], **options)["rows"][0] for size in (32, 64)]
    few = "linear, 8 x 8 bins"
    assert rows[1]["linears"][few]["operations"] == rows[0]["linear"]["operations"]  # bins fix them
    assert list(rows[0]["linears"]) == [few] and list(rows[1]["linears"]) == [few, "linear, 16 x 16 bins"]
    best = max(linear["validation"] for linear in rows[1]["linears"].values())
    assert rows[1]["linear"]["validation"] == best
    ladder = [row["ladder"]["full, width 4"]["operations"] for row in rows]
    assert 3.8 < ladder[1] / ladder[0] < 4.2  # pixels
    assert 3.9 < rows[1]["photons"] / rows[0]["photons"] < 4.1
    assert rows[0]["exposures"] == rows[1]["exposures"] == 24
    before = json.loads((tmp_path / "kept.json").read_text())["done"]
    assert "quarter, width 4" in rows[1]["ladder"] and len(rows[0]["ladder"]) == 2  # both stems at 64
    assert len(before) == 3 + 6  # the rungs and the linear networks at both resolutions
    assert measure(resolutions=[64], **options)["rows"][0] == rows[1]
    assert tables(measure(resolutions=[64], **options))[0].row_count == 1
    with pytest.raises(OpticsError, match="256 would be made up"):
        measure(resolutions=[256], **options)
    with pytest.raises(OpticsError, match="is of"):
        measure(epochs=3, data=tmp_path, save=tmp_path / "kept.json")


@pytest.mark.parametrize(
    "size", sorted({size for sizes in SETS.values() for size in sizes} | {50, 56, 80, 112})
)
def test_every_size_has_a_sampling_that_its_bins_hold(size):
    every = _every(size)
    assert every == {32: 2, 48: 2, 50: 1, 56: 2, 64: 4, 80: 2, 96: 6, 112: 2, 128: 8, 224: 14}[size]
    assert every == 1 or all(2 * size % (bins * every) == 0 for bins, sizes in BINS.items() if size in sizes)
