"""Trackers: each new epoch is told once, and TensorBoard and the user's function only where they are wanted."""

from __future__ import annotations

import csv
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
import torch

from distill.job import config
from distill.pipeline import main_job
from distill.training.history import Epoch
from distill.training.trackers import EVENTS, tensorboard
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


SETS = [
    "data.limit=60",
    "data.labelled='all'",
    "student.controls=[]",
    "refit.epochs=1",
    "teacher.training.epochs=1",
    "student.training.epochs=2",
    "student.repeats=2",
    "teacher.check=false",
]
# what a run up to its refit trains (the labels alone are not needed for it)
EPOCHS = {"teacher": [1], "linear_kd": [1, 2], "linear_kd/repeat-1": [1, 2], "refit": [1]}


def run(folder, *sets, last="refit", on_epoch=None):
    made = config.demo(fast=True, sets=[*SETS, *sets])
    main_job.run(made, folder, last=last, on_epoch=on_epoch)


class Told:
    """A function of the user's that remembers what it was told, and fails as it is told `fails`."""

    def __init__(self, fails=None):
        self.told, self.fails, self.inside = [], fails, 0

    def __call__(self, step, epoch):
        self.inside += 1
        assert self.inside == 1, "one call at a time"
        self.told.append((step, epoch))
        time.sleep(0.01)
        self.inside -= 1
        if (step, epoch.epoch) == self.fails:
            raise ZeroDivisionError("the tracker is gone")

    @property
    def epochs(self):
        found = {}
        for step, epoch in self.told:
            found.setdefault(step, []).append(epoch.epoch)
        return found


@pytest.mark.parametrize("board", [False, True])
@pytest.mark.parametrize("hook", [False, True])
def test_every_training_of_a_run_is_told_the_refit_too(board, hook, tmp_path, written):
    told = Told()
    place = tmp_path / "run"
    run(place, f"tensorboard={str(board).lower()}", on_epoch=told if hook else None)
    assert told.epochs == (EPOCHS if hook else {})
    assert {Path(folder).relative_to(place).as_posix() for folder, _, _ in written} == (
        set(EPOCHS) if board else set()
    )
    for step, epoch in told.told:
        with (place / step / "history.csv").open() as file:
            row = list(csv.DictReader(file))[epoch.epoch - 1]
        assert float(row["validation_loss"]) == epoch.validation_loss
        if board:
            assert written[str(place / step), "validation_loss", epoch.epoch] == epoch.validation_loss
    run(place, on_epoch=told)
    assert len(told.told) == (6 if hook else 0)  # what was done before is not told again


@pytest.mark.parametrize("fails", [("teacher", 1), ("linear_kd", 1), ("linear_kd/repeat-1", 2), ("refit", 1)])
def test_what_the_function_raises_ends_the_run_which_goes_on_after_it(fails, tmp_path):
    told = Told(fails)
    with pytest.raises(ZeroDivisionError, match="the tracker is gone"):
        run(tmp_path / "run", on_epoch=told)
    assert (told.told[-1][0], told.told[-1][1].epoch) == fails
    run(tmp_path / "run", on_epoch=told)
    assert told.epochs == EPOCHS


def test_students_side_by_side_are_told_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    told = Told()
    run(tmp_path / "run", "student.repeats=1", "refit.images=20", last="evaluate", on_epoch=told)
    assert told.epochs == {"teacher": [1], "linear": [1, 2], "linear_kd": [1, 2], "refit": [1]}


def test_without_the_package_its_name_and_its_extra_are_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(OpticsError, match=r"pip install 'spectral-cascade\[tensorboard\]'"):
        tensorboard(tmp_path)


def test_the_package_s_own_reader_finds_every_figure_of_every_epoch(tmp_path):
    """What is written with the package itself, while the training is under way and behind it."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read() -> dict[str, list[tuple[int, float]]]:
        found = EventAccumulator(str(tmp_path))
        found.Reload()
        return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}

    told, tell = [], tensorboard(tmp_path)

    def both(epoch: Epoch) -> None:
        tell(epoch)
        told.append(epoch)
        assert len(read()["loss"]) == len(told)  # as soon as it is told

    history = train(small(), blobs(), blobs(30, 1), SPEC.replace(epochs=3), directory=tmp_path, on_epoch=both)
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3]
    assert len(list(tmp_path.glob(EVENTS))) == 1
    found = read()
    assert set(found) == {field.name for field in fields(Epoch)} - {"epoch"}
    for tag, values in found.items():
        wanted = [(epoch.epoch, pytest.approx(getattr(epoch, tag), rel=1e-6)) for epoch in history.epochs]
        assert values == wanted, tag
