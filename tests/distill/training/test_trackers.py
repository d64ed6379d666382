"""Trackers: each new epoch is told once, and TensorBoard is asked for only where it is wanted."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from distill.job import config
from distill.pipeline import main_job
from distill.training.trackers import tensorboard
from distill.training.train_loop import train
from optics.checks import OpticsError
from tests.distill.training.test_train_loop import SPEC, blobs, small


def test_each_new_epoch_is_told_once(tmp_path):
    told = []
    spec = SPEC.replace(epochs=3)
    history = train(small(), blobs(), blobs(30, 1), spec, directory=tmp_path, on_epoch=told.append)
    assert told == list(history.epochs)
    train(small(), blobs(), blobs(30, 1), spec, directory=tmp_path, on_epoch=told.append)
    assert len(told) == 3  # what was done before is not told again


@pytest.fixture
def written(monkeypatch) -> Iterator[dict]:
    """What goes to a stand-in for TensorBoard, by folder, curve and epoch."""
    found, opened = {}, []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

            self.told, self.closed = {}, False
            opened.append(self)

        def add_scalar(self, name, value, step):
            assert not self.closed
            self.told[self.folder, name, step] = value

        def flush(self):
            found.update(self.told)

        def close(self):
            self.closed = True

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    yield found
    gc.collect()
    assert len(opened) == len({writer.folder for writer in opened}), "one file a training"
    assert all(writer.closed for writer in opened)


def test_tensorboard_gets_every_figure(tmp_path, written):
    history = train(
        small(),
        blobs(),
        blobs(30, 1),
        SPEC.replace(epochs=2),
        directory=tmp_path,
        on_epoch=tensorboard(tmp_path),
    )
    assert written[str(tmp_path), "validation_loss", 2] == history.epochs[1].validation_loss
    assert len(written) == 12


def test_every_training_of_a_run_is_told_the_refit_too(tmp_path, written):
    sets = [
        "tensorboard=true",
        "data.limit=60",
        "data.labelled='all'",
        "student.controls=[]",
        "refit.epochs=1",
    ]
    sets += [
        "teacher.training.epochs=1",
        "student.training.epochs=1",
        "student.repeats=1",
        "teacher.check=false",
    ]
    main_job.run(config.demo(fast=True, sets=sets), tmp_path / "run", last="refit")
    folders = {Path(folder).name for folder, _, _ in written}
    assert folders == {"teacher", "linear_kd", "refit"}  # the labels alone are not needed for it


def test_without_the_package_its_name_and_its_extra_are_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(OpticsError, match=r"pip install 'spectral-cascade\[tensorboard\]'"):
        tensorboard(tmp_path)
