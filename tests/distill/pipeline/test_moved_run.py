"""A run whose images and teacher have moved: what is in the files counts, and they are found where one works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from distill import load
from distill.cli.main import main
from distill.job import config
from distill.job.job import Job
from distill.pipeline import main_job, step_table
from distill.pipeline import single_steps as standalone
from optics.errors import OpticsError

NET = """
import torch
class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 2))
"""
RUN = """
name = "moved"
[data]
source = "SOURCE"
[teacher]
module = "my.py:Net"
weights = "my.pt"
check = false
[student]
channels = [1, 2]
kernel_size = 3
bins = [2, 2]
controls = []
[student.training]
epochs = 1
[refit]
epochs = 1
[evaluation]
draws = 2
[export]
count = 0
[flaws]
images = 0
"""


def project(folder: Path, *, seed: int = 0) -> Path:
    """A folder with images, a teacher and a run's file."""
    folder.mkdir()
    drawn = np.random.default_rng(seed)
    labels = np.arange(40) % 2
    images = (drawn.random((40, 8, 8)) * 100 + 100 * labels[:, None, None]).astype(np.uint8)
    np.savez(
        folder / "set.npz",
        train_images=images[:30],
        train_labels=labels[:30],
        test_images=images[30:],
        test_labels=labels[30:],
    )
    (folder / "my.py").write_text(NET)
    torch.manual_seed(0)
    torch.save(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2)).state_dict(), folder / "my.pt")
    (folder / "run.toml").write_text(RUN.replace("SOURCE", "set.npz"))
    return folder


def keys(folder: Path) -> dict[str, str]:
    return step_table.keys(Job.prepare(config.load(folder / "run.toml"), folder / "runs"))


def test_the_steps_of_a_run_know_what_is_in_its_files_and_not_where_they_are(tmp_path):
    one, same, other = (keys(project(tmp_path / n, seed=s)) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    changes = {name for name in one if one[name] != same[name]}
    assert changes <= {"report"}  # which shows the names
    assert one["data"] != other["data"] and one["linear"] != other["linear"]


def test_a_moved_run_is_used_where_its_files_are_and_goes_on_there(tmp_path, monkeypatch):
    here, there = project(tmp_path / "here"), tmp_path / "there"
    main_job.run(config.load(here / "run.toml"), here / "runs" / "moved")
    weights = (here / "runs" / "moved" / "linear_kd" / "model.safetensors").read_bytes()
    stored = (here / "runs" / "moved" / "config.toml").read_text()
    shutil.move(here, there)
    run = there / "runs" / "moved"
    assert load(run) is not None
    with pytest.raises(
        OpticsError, match=r"no longer at .*set.npz; call this from the folder that holds 'set.npz'"
    ):
        standalone.bench_rows(run)
    monkeypatch.chdir(there)
    assert {"ideal_bench", "bench_as_is", "bench_refit"} <= set(standalone.bench_rows(run)["rows"])
    before = json.loads((run / "steps.json").read_text())["steps"]
    main_job.run(config.load(there / "run.toml"), run, resume=True)
    after = json.loads((run / "steps.json").read_text())["steps"]
    assert {n for n in after if after[n] != before[n]} <= {"report"}
    assert (run / "linear_kd" / "model.safetensors").read_bytes() == weights
    shutil.move(there / "run.toml", there / "other.toml")  # its own configuration is enough
    (run / "steps.json").write_text(json.dumps({"version": 1, "steps": before}))
    (run / "config.toml").write_text(stored)
    assert main(["run", str(run / "config.toml"), "-o", str(run), "--resume"]) == 0
    assert (run / "linear_kd" / "model.safetensors").read_bytes() == weights


def test_other_images_under_the_same_name_are_not_taken_for_those_of_a_run(tmp_path, monkeypatch):
    here, other = project(tmp_path / "here"), project(tmp_path / "other", seed=1)
    main_job.run(config.load(here / "run.toml"), here / "runs" / "moved", last="linear")
    run = shutil.move(here / "runs" / "moved", tmp_path / "moved")
    shutil.rmtree(here)
    monkeypatch.chdir(other)
    with pytest.raises(OpticsError, match="'linear' is not done, or was done from other inputs"):
        standalone.open_run(run, ["linear"])
