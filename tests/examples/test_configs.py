"""Configurations of the paper's tasks: each reads, keeps its budget, fits its bench; one of each task runs, tiny."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from distill.job import config
from distill.pipeline import main_job
from docs import configs_page
from networks import Student, create_teacher
from optics.plan import plan

FOLDER = Path(__file__).parents[2] / "examples" / "configs"
# images (channels, H, W), classes, multiply-accumulates at most
SETS = {
    "mnist": ((1, 28, 28), 10, 50_000),
    "fashion-mnist": ((1, 28, 28), 10, 50_000),
    "cifar10-grey": ((1, 32, 32), 10, 125_000),
    "cifar10-small": ((3, 32, 32), 10, 125_000),
    "cifar10": ((3, 32, 32), 10, 300_000),
    "cifar10-large": ((3, 32, 32), 10, 1_600_000),
    "cifar10-linear": ((3, 32, 32), 10, 300_000),
    "cifar100": ((3, 32, 32), 100, 550_000),
    "cats-dogs": ((3, 128, 128), 2, 7_000_000),  # a hundredth of AlexNet's 7e8
    "imagenette": ((3, 112, 112), 10, 7_000_000),
    "cars": ((3, 72, 96), 2, 15_000_000),
    "faces": ((3, 96, 84), 6, 17_000_000),
    "voc2012": ((3, 96, 96), 21, 10_000_000),
    "carvana": ((3, 80, 120), 2, 8_000_000),
    "people": ((1, 56, 46), 40, 50_000),
    "strangers": ((1, 56, 46), 30, 50_000),
}
TINY = (
    "teacher.training.epochs=1",
    "student.training.epochs=1",
    "refit.epochs=1",
    "refit.taught_by=network",  # every task: by the teacher is the demo
    "evaluation.draws=2",
    "calibration.levels=6",
    "calibration.exposures=3",
    "export.count=0",
)


DATA = Path(os.environ.get("SCLC_DATA", FOLDER.parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _no_data(monkeypatch):
    monkeypatch.delenv("SCLC_DATA", raising=False)


def test_every_configuration_is_in_the_table():
    assert {p.stem for p in FOLDER.glob("*.toml")} == set(SETS)


@pytest.mark.parametrize("name", SETS)
def test_its_head_says_how_long_the_kept_runs_took(name):
    """After other runs are kept: `python docs/configs_page.py`."""
    path = FOLDER / f"{name}.toml"
    text = path.read_text(encoding="utf-8")
    assert configs_page.written(path) == text
    kept = any((FOLDER.parents[1] / "results").glob(f"{name}-seed[0-9]*"))
    assert ("\n# Took " in text) is kept


@pytest.mark.parametrize("name", SETS)
def test_it_reads_keeps_its_budget_and_fits_its_bench(name):
    (channels, ny, nx), classes, most = SETS[name]
    told = config.load(FOLDER / f"{name}.toml")
    assert told.name == name
    assert set(told.student.controls) == {"random_masks", "no_mask", "raw_image", "shuffled"}
    spec = told.student.spec((ny, nx), classes)
    assert spec.cascade.channels[0] == channels
    assert told.data.size in (None, (ny, nx))
    student = Student.from_spec(spec, generator=torch.Generator().manual_seed(0))
    x = torch.rand(1, channels, ny, nx, generator=torch.Generator().manual_seed(1))
    assert 0 < student.operations(x) <= most
    for control in told.student.controls:
        spec.as_control(control)
    teacher = create_teacher(
        told.teacher.name, channels, classes, (ny, nx), generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        assert teacher.eval()(x).shape == student.eval()(x).shape
    masks, taps = spec.cascade.channels[-1], student.cascade.kernel_size
    readout, bench = spec.readout.kind, told.bench.resolve()
    found = plan(bench, kernels=masks, taps=taps, image_shape=(ny, nx), readout=readout, channels=channels)
    assert found.problems == ()
    # a bench of unknown alignment would set colours out of phase
    assert not any("thought to" in note for note in found.notes)


RUNS = {  # one of each task: smaller images, fewer of them
    "cars": (
        "cars",
        ("data.size=[24, 32]", "student.bins=[6, 8]", "student.channels=[3, 4]"),
        "mean IoU",
        40,
    ),
    "strangers": ("strangers", ("data.size=[28, 23]", "student.channels=[1, 4]"), "rank one", None),
    "cifar10": ("cifar10", ('data.source="mini_cifar10.h5"', "student.channels=[3, 4]"), "accuracy", 40),
}


@pytest.mark.parametrize("name", RUNS)
def test_one_of_each_task_runs_end_to_end_at_tiny_size(name, tmp_path, monkeypatch):
    stem, sets, metric, limit = RUNS[name]
    monkeypatch.setenv("SCLC_DATA", str(DATA))
    limits = () if limit is None else (f"data.limit={limit}",)
    told = config.load(FOLDER / f"{stem}.toml", sets=[*TINY, *sets, *limits, 'bench.source="ideal-200mm"'])
    if not Path(told.data.source).is_file():
        pytest.skip(f"{told.data.source} is not in {DATA}")
    rows = main_job.run(told, tmp_path / "run")["rows"]
    assert set(rows) >= {"teacher", "linear_kd", "random_masks", "shuffled", "raw_image", "bench_refit"}
    assert {row["metric"] for row in rows.values()} == {metric}
    flaws = json.loads((tmp_path / "run" / "flaws.json").read_text())
    assert flaws["reason"] == "" and flaws["images"] >= 2 and 0 <= flaws["bench"] <= 1
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
