"""Several processes are one: the same losses and weights, one writer, and a killed one costs nothing but time."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from distill.data.dataset import UNLABELLED, VOID, Dataset
from distill.training.processes import Processes
from distill.training.run import Run
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from distill.training.train_loop import CHECKPOINT, METRICS, train
from networks import Student, create_teacher
from optics.checks import OpticsError
from tests.distill.training.test_train_loop import blobs
from tests.scenes import generator

FORK = multiprocessing.get_context("fork")  # torch is loaded once
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def part(n: int, seed: int, pixels: bool) -> Dataset:
    data = blobs(n, seed)
    data = data.with_images(nn.ZeroPad2d(1)(data.images))
    if not pixels:
        return data
    labels = (data.images[:, 0] > 0.5).long()
    labels[: n // 3, :, :7] = VOID
    return Dataset(data.images, labels, ("dark", "bright"), "here")


def work(told: dict[str, Any], directory: Path, processes: Processes) -> None:
    """One training, its losses and last weights in `final.pt`."""
    torch.set_num_threads(1)
    pixels = told.get("pixels", False)
    options = {"epochs": 5, "batch_size": 20, "learning_rate": 5e-3, "seed": 3} | told
    options.pop("pixels", None)
    data, held, classes = part(80, 0, pixels), part(30, 1, pixels), 2 if pixels else 3
    if options.pop("few", False):  # five, and each epoch has twelve shares of its batches in three processes
        hidden = torch.arange(len(data.labels)) % 16 > 0
        hidden = hidden.reshape(-1, *[1] * (data.labels.ndim - 1))
        data = Dataset(data.images, data.labels.masked_fill(hidden, UNLABELLED), data.class_names, "here")
    teacher = create_teacher("unet" if pixels else "lenet5", 1, classes, (12, 12), generator=generator(9))
    head = "segmenter" if pixels else "classifier"
    sizes = {"image_shape": (12, 12), "classes": classes, "bins": (4, 4), "head": head}
    model = Student.build((1, 2, 3), **sizes, generator=generator())
    if options.pop("dropout", False):
        model = create_teacher("lenet5", 1, classes, (12, 12), generator=generator())
    losses: list[float] = []
    gradient = Run._gradient

    def watched(self, *args):
        value, right = gradient(self, *args)
        losses.append(value)
        return value, right

    Run._gradient = watched
    try:
        train(
            model, data, held, TrainSpec(**options), directory=directory, teacher=teacher, processes=processes
        )
    finally:
        Run._gradient = gradient
    if processes.first:
        answers = logits(model, held.images)
        torch.save(
            {"model": model.state_dict(), "losses": losses, "answers": answers}, directory / "final.pt"
        )


def joined(rank: int, size: int, port: int, told: dict[str, Any], directories: list[Path]) -> None:
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    for directory in directories:
        work(told, directory, Processes.joined())


def start(size: int, told: dict[str, Any], *directories: Path) -> list[Any]:
    """Processes as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = [FORK.Process(target=joined, args=(r, size, port, told, list(directories))) for r in range(size)]
    for process in found:
        process.start()
    return found


def ended(processes: list[Any]) -> None:
    for process in processes:
        process.join(120)
    assert [p.exitcode for p in processes] == [0] * len(processes)


def rows(directory: Path) -> list[list[str]]:
    path = directory / METRICS
    return [row[:-1] for row in csv.reader(path.read_text().splitlines())] if path.is_file() else []


PIXELS = {
    "pixels": True,
    "dice": 0.5,
    "augmentation": {"crop": 2},
    "distillation": {"dice": 0.5, "temperature": 2.0},
}
MANY = {"augmentation": {"shift": 1.0, "mixup": 0.5}, "step": {"accumulate": 2, "clip": 0.5, "ema": 0.9}}
METHODS = {"distillation": {"hint": {}, "decoupled": {}, "temperature": 2.0}, "label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("size", "told", "within"),
    [
        (2, {}, 1e-5),
        (3, MANY, 1e-5),
        (3, {"dropout": True, "batch_size": 16}, 1e-5),  # which does not divide by three
        (2, METHODS, 1e-5),
        (3, {"few": True, "distillation": {"alpha": 0.3}}, 1e-5),
        (3, PIXELS | {"few": True}, 5e-5),
        # maps that hardly vary: torch's own normalisation is 3e-5 off there, the shared one agrees with float64
        (2, PIXELS, 5e-5),
    ],
)
def test_losses_and_answers_are_those_of_one_process(tmp_path, size, told, within):
    one, several = tmp_path / "one", tmp_path / "several"
    work(told, one, Processes())
    ended(start(size, told, several))
    alone, together = (torch.load(d / "final.pt", weights_only=True) for d in (one, several))
    assert len(alone["losses"]) in (20, 25)
    torch.testing.assert_close(
        torch.tensor(together["losses"]), torch.tensor(alone["losses"]), rtol=within, atol=within
    )
    # a bias before a normalisation has no gradient but rounding, which Adam enlarges to whole steps
    torch.testing.assert_close(together["answers"], alone["answers"], rtol=0.0, atol=2e-2)
    assert sorted(p.name for p in several.iterdir()) == sorted([CHECKPOINT, METRICS, "final.pt"])


@pytest.mark.parametrize("victim", [0, 1])
def test_after_a_kill_of_any_process_a_run_goes_on_bit_for_bit(tmp_path, victim):
    told = {"epochs": 12, "augmentation": {"shift": 1.0}}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    processes = start(2, told, broken)
    limit = time.monotonic() + 120
    while len(rows(broken)) < 3:
        assert time.monotonic() < limit, "no epoch was finished in time"
        time.sleep(0.002)
    os.kill(processes[victim].pid, signal.SIGKILL)
    for process in processes:
        process.join(60)  # the other one finds itself alone, and ends
    assert all(process.exitcode not in (0, None) for process in processes)
    assert 2 <= len(rows(broken)) - 1 < 12
    ended(start(2, told, broken, whole))
    first, second = (torch.load(d / "final.pt", weights_only=True)["model"] for d in (whole, broken))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert rows(whole) == rows(broken)


def test_shares_cover_a_batch_once_and_differ_by_at_most_one():
    for count in range(3, 40):
        shares = [Processes(rank, 3).share(count) for rank in range(3)]
        assert [i for s in shares for i in range(count)[s]] == list(range(count))
        sizes = [s.stop - s.start for s in shares]
        assert max(sizes) - min(sizes) <= 1
    with pytest.raises(OpticsError, match="2 images cannot be shared by 3 processes"):
        Processes(0, 3).share(2)


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Processes.joined() == Processes()
    assert Processes().told(lambda: 7) == 7
