"""The cost at equal accuracy: interpolated as stated, and one tiny run that goes on where it was."""

from __future__ import annotations

import json
import math

import h5py
import numpy as np
import pytest
import torch

from benchmarks.resolution import BINS, SETS, _every, measure, tables
from benchmarks.resolution_cost import (
    BATCH,
    SIGNED,
    Cost,
    as_good,
    at_accuracy,
    bench_of,
    of_converted,
    of_electronic,
    of_linear,
)
from networks import Student
from networks.teachers.resnet import ResNet
from optics.bench.files import load_bench
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
    operations = (1e2, 1e4, 1e6)
    ladder = list(zip(accuracies, operations, strict=True))
    got = at_accuracy(ladder, operations, wanted)
    assert got == (None if found is None else pytest.approx(found))


def test_every_cost_at_an_accuracy_is_of_the_same_rungs():
    ladder = [(0.6, 1e2), (0.5, 1e3), (0.8, 1e4)]
    costs = [Cost(1e2, 1, 0.1, 0, 1e-3), Cost(1e3, 9, 0.9, 0, 9e-3), Cost(1e4, 4, 0.4, 0, 4e-3)]
    assert as_good(ladder, costs, 0.7) == pytest.approx(
        (1e3, 2, 0.2, 0, 2e-3)
    )  # a worse, dearer rung counts in none
    assert as_good(ladder, costs, 0.9) == pytest.approx(costs[2])  # above the ladder: too small


def test_what_an_image_costs_by_hand():
    bench, shape = bench_of("pluto2-200mm"), (3, 64, 64)
    network = ResNet(3, 2, widths=(2, 4), blocks=1, large_images=False, generator=torch.Generator())
    electronic, converted = of_electronic(network, shape), of_converted(network, shape, bench)
    # 3 x 3: stem of 2 maps, two of 2, at 64 x 64; then 4 from 64 x 64 and 4 at 32 x 32; 1 x 1 to 4 beside; 2 classes
    threes = 9 * (3 * 2 + 2 * 2 + 2 * 2) * 64**2 + 9 * (2 * 4 + 4 * 4) * 32**2
    rest = 2 * 4 * 32**2 + 4 * 2
    assert electronic[:4] == (threes + rest, 0, 0, 0)
    assert converted.operations == rest
    assert converted.exposures == SIGNED * (2 + 2 + 2 + 4 + 4)
    student = Student.build(
        (3, 6), kernel_size=5, image_shape=(64, 64), classes=2, bins=(8, 8), generator=torch.Generator()
    )
    linear = of_linear(student, bench)
    assert linear.exposures == 6 and linear.operations == student.operations(torch.zeros(1, *shape))
    one = linear.photons / 6  # an exposure of 64 x 64
    assert converted.photons == pytest.approx(one * SIGNED * (2 + 2 + 2 + 4 + 4 / 4))
    pixels = (64 * 13e-6 * 0.14 / 0.2 / 3.45e-6) ** 2  # the image at the camera, in its unbinned pixels
    assert one == pytest.approx(3e4 * pixels)
    frame = (
        0.015 + 0.010
    )  # the panel settles, the camera exposes; a second exposure waits for the panel's next frame
    assert linear.bench_seconds == pytest.approx(6 * frame)
    assert converted.bench_seconds == pytest.approx(14 * (frame + 1 / 60))
    photon = 6.62607015e-34 * 299792458.0 / 532e-9
    assert linear.joules(bench) == pytest.approx(4.6e-12 * linear.operations + photon * linear.photons)
    assert linear.seconds == linear.bench_seconds + linear.electronics_seconds


def test_images_that_do_not_fit_the_bench_have_no_costs():
    student = Student.build(
        (3, 6), kernel_size=5, image_shape=(128, 128), classes=2, generator=torch.Generator()
    )
    with pytest.raises(OpticsError, match=r"images of \(128, 128\) pixels do not fit the bench: .*sensor"):
        of_linear(student, load_bench("pluto2-200mm"))


def test_electronics_time_is_an_images_and_begins_with_binning(monkeypatch):
    ticks = iter(float(n) for n in range(1000))
    monkeypatch.setattr("benchmarks.resolution_cost.time.process_time", lambda: next(ticks))
    seen = []
    student = Student.build(
        (1, 6), kernel_size=5, image_shape=(32, 32), classes=2, bins=(8, 8), generator=torch.Generator()
    )
    student.backend.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    found = of_linear(student, bench_of("pluto2-200mm")).electronics_seconds
    assert found == pytest.approx(1 / BATCH)  # a second each time, of a whole batch
    assert set(seen[-3:]) == {(BATCH, 6, 8, 8)}


def _row(saved_ms: float, saved_joules: float, *, above: bool) -> dict:
    """Costs of which the electronic network's are so much more than the linear one's."""
    linear = {"operations": 10, "exposures": 24, "bench_seconds": 0.5, "photons": 1e10}
    linear |= {"electronics_seconds": 1e-3, "joules": 1e-6}
    electronic = linear | {"electronics_seconds": 1e-3 * (1 + saved_ms), "joules": 1e-6 + saved_joules}
    costs = {"linear": linear, "converted": linear | {"exposures": 480}, "electronic": electronic}
    return {"resolution": 32, "equal_operations": None if above else 1e5, "costs": costs}


@pytest.mark.parametrize(
    ("row", "ends"),
    [
        (_row(0.5, 1e-5, above=False), ["24 / 480", "50,000", "0.02"]),  # 24 in 0.5 ms; 10 uJ in 0.5 s
        (_row(0.5, 1e-5, above=True), ["24 / > 480", "< 50,000", "> 0.02"]),
        (_row(-0.5, -1e-7, above=False), ["24 / 480", "never", "never"]),
    ],
)
def test_where_the_crossing_is(row, ends):
    from docs.resolution_page import costs

    cells = costs({"rows": [row]}).splitlines()[2].strip("| ").split(" | ")
    assert [cells[1], *cells[-2:]] == ends


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
    costs = [row["costs"]["linear"] for row in rows]
    assert costs[1]["photons"] / costs[0]["photons"] == pytest.approx(4.0)
    assert costs[0]["exposures"] == costs[1]["exposures"] == 24
    assert all(row["costs"]["converted"]["exposures"] >= 124 for row in rows)  # the first rung's
    before = json.loads((tmp_path / "kept.json").read_text())["done"]
    assert "quarter, width 4" in rows[1]["ladder"] and len(rows[0]["ladder"]) == 2  # both stems at 64
    assert len(before) == 3 + 6  # the rungs and the linear networks at both resolutions
    again = measure(resolutions=[64], **options)["rows"][0]
    for row in (again, rows[1]):
        for cost in row["costs"].values():  # electronics' time is measured anew
            del cost["electronics_seconds"], cost["seconds"]
    assert again == rows[1]
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
