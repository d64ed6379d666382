"""A tiny study: the small bench and network of the export's tests, few lopsided images."""

from __future__ import annotations

from pathlib import Path

import torch

from distill.data.dataset import Dataset, Splits
from networks import Student
from tests.distill.exportbench import BENCH, SHAPE, dataset

NETWORK_SEED = 1


def student(
    readout: str = "intensity", bins: tuple[int, int] | None = (3, 3), head: str = "classifier"
) -> Student:
    """Untrained but for its normalisation, which has seen the images: its answers differ from image to image."""
    made = Student.build(
        (1, 4, 4),
        image_shape=SHAPE,
        classes=3,
        bins=bins,
        readout=readout,
        head=head,
        generator=torch.Generator().manual_seed(NETWORK_SEED),
    )
    with torch.no_grad():
        features = made.features(dataset().images)
        norm = made.backend.norm
        rooted = made.backend.root(features)
        if isinstance(norm, torch.nn.BatchNorm1d):
            rooted = rooted.flatten(1)
            norm.running_mean.copy_(rooted.mean(0))
            norm.running_var.copy_(rooted.var(0))
    return made.eval()


def splits(n: int = 24) -> Splits:
    whole = dataset(n)
    index = torch.arange(n)
    return Splits(whole.take(index), whole.take(index[: n // 2]), whole.take(index))


def quick(folder: Path, **options):
    """A study in this process."""
    from distill import study

    words = {"bench": BENCH, "draws": 3, "folder": folder, "processes": 1, "ranking": False}
    return study(
        options.pop("network", None) or student(), options.pop("data", splits()), **(words | options)
    )


__all__ = ["BENCH", "Dataset", "quick", "splits", "student"]
