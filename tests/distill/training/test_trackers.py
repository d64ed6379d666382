"""Trackers: each new epoch is told once, and TensorBoard is asked for only where it is wanted."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

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


def test_tensorboard_gets_every_figure(tmp_path, monkeypatch):
    written = {}

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def add_scalar(self, name, value, step):
            written[self.folder, name, step] = value

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
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


def test_without_the_package_its_name_and_its_extra_are_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(OpticsError, match=r"pip install 'spectral-cascade\[tensorboard\]'"):
        tensorboard(tmp_path)
