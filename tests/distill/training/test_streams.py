"""What a training draws beside its order of images: seeds of any size and parity, steps and processes draw apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distill.training.processes import Processes, shared_statistics
from distill.training.run import Run
from distill.training.spec import TrainSpec
from distill.training.thinning import Thinning
from distill.training.train_loop import CHECKPOINT, train
from networks.seeded import Dropout
from optics.checks import OpticsError
from tests.distill.training.test_train_loop import blobs, small
from tests.scenes import generator

SEEDS = (*range(20), 1000, 2000, 2**31, 2**32, 2**32 + 1, 2**40, 2**52)


def masks(seed: int) -> torch.Tensor:
    layer = Dropout(0.5, generator()).train()
    layer.seed.fill_(seed)
    return torch.stack([layer(torch.ones(60)) for _ in range(3)])


def places(seed: int) -> torch.Tensor:
    student = small()
    thinning, found = Thinning(student, blobs().images, 5, seed=seed), []
    for made in range(40):
        with thinning.open(made, 500):
            found.append(student.readout.camera.every.first)
    return torch.tensor(found)


def noises(seed: int) -> torch.Tensor:
    data, found = blobs(6), []
    for rank in range(2):
        run = Run(
            nn.Sequential(nn.Flatten(), nn.Linear(100, 3)),
            (data.images, data.labels),
            (data.images, data.labels),
            TrainSpec(seed=seed, batch_size=6),
            None,
            Processes(rank, 2),
        )
        for _ in range(2):
            found.append(torch.rand(20, generator=run._own_draws()))
            run.epochs.append(None)
    return torch.stack(found)


@pytest.mark.parametrize("draw", [masks, places, noises])
def test_every_seed_has_draws_of_its_own(draw):
    found = [draw(seed) for seed in SEEDS]
    assert len({tuple(draws.flatten().tolist()) for draws in found}) == len(SEEDS)
    assert all(len(draws.unique(dim=0)) > 2 for draws in found)  # from step to step, in each process
    assert all(torch.equal(draw(seed), draws) for seed, draws in zip(SEEDS[:3], found, strict=False))


def test_each_process_drops_its_own_rows_of_what_one_alone_drops(monkeypatch):
    monkeypatch.setattr(Processes, "sum", lambda self, values: torch.tensor([2, 2, 1]))
    model = nn.Sequential(Dropout(0.5, generator()), nn.BatchNorm1d(30)).train()
    whole, found = model[0](torch.ones(5, 30)), []
    for rank in range(3):
        model[0].draws.zero_()
        processes = Processes(rank, 3)
        with shared_statistics(model, processes):
            found.append(model[0](torch.ones(5, 30)[processes.share(5)]))
    assert torch.equal(torch.cat(found), whole)
    assert len(whole.unique(dim=0)) == 5
    model[0].draws.zero_()
    assert torch.equal(model[0](torch.ones(5, 30)), whole)  # alone again


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path):
    train(small(), blobs(), blobs(30, 1), TrainSpec(epochs=1), directory=tmp_path)
    held = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    torch.save({key: held[key] for key in ("key", "state")}, tmp_path / CHECKPOINT)  # as it was written
    with pytest.raises(
        OpticsError, match=r"checkpoint\.pt was written by another version, .*delete it to begin"
    ):
        train(small(), blobs(), blobs(30, 1), TrainSpec(epochs=1), directory=tmp_path)
