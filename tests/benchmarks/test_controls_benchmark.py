"""`python -m benchmarks controls`: all rows are there, and all of them have the same back end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from distill.data.dataset import Dataset, Splits
from networks.students.student import Student
from tests.scenes import generator

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not part of this installation", allow_module_level=True)

bench = pytest.importorskip("benchmarks.controls")
ROWS, TASKS = bench.ROWS, bench.TASKS

SHAPES = {
    "digits": (1, 28, 28, 10),
    "cifar10": (3, 32, 32, 10),
    "cars": (3, 72, 96, 2),
    "faces": (3, 96, 84, 6),
    "people": (1, 56, 46, 40),
    "strangers": (1, 56, 46, 30),
}


def controls(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "controls", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_digits_have_every_row_and_need_no_data(tmp_path):
    kept = tmp_path / "kept.json"
    done = controls(
        "--quick",
        "--task",
        "digits",
        "--task",
        "cars",
        "--json",
        "--save",
        str(kept),
        SCLC_DATA=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["skipped"] == {"cars": f"camvid_cars.h5 is not in {tmp_path}"}
    task = result["tasks"]["digits"]
    assert list(task["rows"]) == list(ROWS)
    assert task["seeds"] == [0] and task["images"] == {"train": 540, "validation": 60, "test": 600}
    for name, row in task["rows"].items():
        assert row["mean"]["accuracy"] > 0.2, name  # two epochs of a few hundred images; a guess gives 0.1
        assert row["operations"] >= row["backend_operations"] > 0, name
        assert (row["exposures"] > 0) == (name not in ("raw_image", "electronic")), name
    stored = json.loads(kept.read_text())["tasks"]["digits"]
    assert stored["sha256"] == task["sha256"] and list(stored["rows"]) == list(ROWS)
    assert len(bench.tables(result)) == 2  # the task, and what was skipped


@pytest.mark.parametrize("name", TASKS)
def test_every_row_has_the_same_back_end(name):
    channels, ny, nx, classes = SHAPES[name]
    images = torch.rand(2, channels, ny, nx, generator=generator())
    labels = torch.zeros(2, dtype=torch.int64)
    if TASKS[name].head == "segmenter":
        labels = torch.zeros(2, ny, nx, dtype=torch.int64)
    part = Dataset(images, labels, tuple(map(str, range(classes))), "made here")
    made = {
        row: make() for row, make in bench.networks(TASKS[name], Splits(part, part, part), seed=0).items()
    }
    assert list(made) == list(ROWS)
    wanted = made["intensity"].backend
    for row, network in made.items():
        inner = getattr(network.backend, "backend", network.backend)
        # features, widths, everything but the square root, which only intensities need
        assert inner.config() | {"square_root": True} == wanted.config(), row
        assert bench._backend_operations(network, images) == made["intensity"].operations(images), row
        assert network(images).shape == made["intensity"](images).shape, row
        trained = network.cascade.parameters() if isinstance(network, Student) else ()
        assert any(p.requires_grad for p in trained) == (row in ("intensity", "linear")), row
    taps = made["electronic"].convolution.kernel_size
    assert taps == (made["intensity"].cascade.kernel_size,) * 2
    kernel = made["electronic"].operations(images) - bench._backend_operations(made["electronic"], images)
    assert kernel == made["intensity"].cascade.out_channels * channels * taps[0] ** 2 * ny * nx


def test_unknown_tasks_are_one_clear_error():
    done = controls("--task", "dogs")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "no task is called 'dogs'; choose from digits, cifar10" in done.stderr


def test_the_page_holds_the_stored_result():
    page = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")
    stored = json.loads((ROOT / "docs" / "controls-result.json").read_text(encoding="utf-8"))
    assert list(stored["tasks"]) == list(TASKS)
    for name, task in stored["tasks"].items():
        assert task["sha256"] in page and f"### {task['title']}" in page, name
        for row, values in task["rows"].items():
            main = next(iter(values["mean"]))
            assert values["mean"][main] == pytest.approx(sum(values["each"]) / len(task["seeds"]), abs=2e-4)
            figures = (
                f"| {ROWS[row]} | {100 * values['mean'][main]:.1f} | {100 * values['spread'][main]:.1f} |"
            )
            assert figures in page, (name, row)
