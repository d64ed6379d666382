"""What the controls are compared on: real images, the network's sizes, the schedule, and the score of the test part.

The sizes let the raw image have exactly the student's back end: with `k² x channels` maps, `k x k` neighbours of the
image averaged to `k` times finer bins are as many values. Epochs are chosen on a validation part that is cut from the
training part (CamVid brings its own); the test part is scored once.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

import h5py
import torch
from torch import Tensor, nn

from distill.data import hdf5
from distill.data import sources as data
from distill.data.augmentation import AugmentSpec
from distill.data.dataset import Dataset, Splits
from distill.metrics.confusion import accuracy, confusion_matrix, intersection_over_union
from distill.metrics.recognition import equal_error_rate, rank_one
from distill.training.spec import TrainSpec
from distill.training.teaching import logits

Score = dict[str, float]


@dataclass(frozen=True)
class Task:
    """One comparison. load: (file, seed, quick) to images; score: of a trained network, the main figure first."""

    title: str
    about: str
    file: str | None
    load: Callable[[Path, int, bool], Splits]
    channels: tuple[int, ...]
    kernel_size: int
    bins: tuple[int, int]
    head: str
    spec: TrainSpec
    score: Callable[[nn.Module, Splits], Score]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def taps(self) -> int:
        """Taps per side of the collapsed kernels."""
        return 1 + (len(self.channels) - 1) * (self.kernel_size - 1)


def digest(path: Path | None) -> str:
    """First 16 digits of a file's sha256; None is the file of digits that is shipped with the package."""
    shipped = resources.files("distill") / "assets" / "digits.h5"
    return hashlib.sha256((path or shipped).read_bytes()).hexdigest()[:16]


# ------------------------------------------------------------------ images


def _digits(path: Path, seed: int, quick: bool) -> Splits:
    return data.load("digits", seed=seed, limit=600 if quick else None)


def _cifar10(path: Path, seed: int, quick: bool) -> Splits:
    return data.load(path, seed=seed, limit=300 if quick else None)


def _cars(path: Path, seed: int, quick: bool) -> Splits:
    return data.load(path, seed=seed, limit=24 if quick else None, size=(72, 96), target="masks")


def _faces(path: Path, seed: int, quick: bool) -> Splits:
    """The multi-pose groups; two of the ten training people, in all their poses, are the validation part."""
    found = hdf5.read(path, size=(96, 84), target="masks")
    with h5py.File(path) as file:
        names = [bytes(n).decode() for n in file["multipose_train/names"][()]]
    people = torch.tensor([int(re.sub(r".*personne(\d\d).*", r"\1", n)) for n in names])
    train, test = found["multipose_train"], found["multipose_test"]
    chosen = _some(people, 2, seed)
    splits = Splits(train.take(~chosen), train.take(chosen), test)
    return _fewer(splits, 16) if quick else splits


def _people(path: Path, seed: int, quick: bool) -> Splits:
    """Eight pictures of each of 40 people, one of them for validation; two of each are the test."""
    return data.load(path, seed=seed, validation=0.125, size=(56, 46), limit=120 if quick else None)


def _strangers(path: Path, seed: int, quick: bool) -> Splits:
    """All ten pictures of 10 people are the test, of the other 30 one in eight is the validation part."""
    found = hdf5.read(path, size=(56, 46))
    images = torch.cat([found["train"].images, found["test"].images])
    labels = torch.cat([found["train"].labels, found["test"].labels])
    every = Dataset(images, labels, found["train"].class_names, found["train"].source)
    unseen = _some(labels, 10, seed)
    known, test = every.take(~unseen), every.take(unseen)
    known = Dataset(
        known.images, known.labels.unique(return_inverse=True)[1], every.class_names[:30], every.source
    )
    held_out = torch.zeros(len(known), dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    for person in range(30):
        members = (known.labels == person).nonzero()[:, 0]
        held_out[members[torch.randint(len(members), (1,), generator=generator)]] = True
    return Splits(known.take(~held_out), known.take(held_out), test)


def _some(labels: Tensor, count: int, seed: int) -> Tensor:
    """(N,) bool: the images of `count` classes drawn with `seed`."""
    kinds = labels.unique()
    order = torch.randperm(len(kinds), generator=torch.Generator().manual_seed(seed))
    return torch.isin(labels, kinds[order[:count]])


def _fewer(splits: Splits, count: int) -> Splits:
    some = torch.arange(count)
    return Splits(*(part.take(some[: len(part)]) for part in (splits.train, splits.validation, splits.test)))


# ------------------------------------------------------------------ scores


def _accuracy(model: nn.Module, splits: Splits) -> Score:
    answers = logits(model, splits.test.images).argmax(1)
    return {"accuracy": accuracy(answers, splits.test.labels, splits.test.classes)}


def _iou(model: nn.Module, splits: Splits) -> Score:
    """Intersection over union of all test pixels: the object's, or the mean over classes and each of them."""
    test = splits.test
    answers = logits(model, test.images, 16).argmax(1)
    each = intersection_over_union(confusion_matrix(answers, test.labels, test.classes))
    if test.classes == 2:
        return {"IoU": float(each[1].nan_to_num())}
    # a class that no pixel has and no answer is has none
    named = {n: v for n, v in zip(test.class_names, each.tolist(), strict=True) if not math.isnan(v)}
    return {"mean IoU": float(each.nanmean())} | named


def _embedded(model: Any, images: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval().embed(images)


def _closed_set(model: nn.Module, splits: Splits) -> Score:
    gallery = [splits.train, splits.validation]
    known = torch.cat([part.labels for part in gallery])
    vectors = _embedded(model, torch.cat([part.images for part in gallery]))
    return {"rank one": rank_one(vectors, known, _embedded(model, splits.test.images), splits.test.labels)}


def _verification(model: nn.Module, splits: Splits) -> Score:
    vectors, labels = _embedded(model, splits.test.images), splits.test.labels
    alike = (vectors @ vectors.mT).fill_diagonal_(-2).argmax(1)
    right = float((labels[alike] == labels).double().mean())
    return {"1 - EER": 1 - equal_error_rate(vectors, labels), "rank one": right}


# ------------------------------------------------------------------ the tasks

_SHAKEN = AugmentSpec(shift=4.0, rotation=0.1, zoom=0.1, flip=True)

_PEOPLE = Task(
    title="ORL, which of 40 people is it",
    about="grey, reduced from 112x92 to 56x46; validation: one of the 8 training pictures of each person",
    file="orl_faces.h5",
    load=_people,
    channels=(1, 8, 16),
    kernel_size=5,
    bins=(4, 4),
    head="embedder",
    spec=TrainSpec(
        epochs=40, batch_size=40, learning_rate=5e-3, augmentation=AugmentSpec(shift=2.0, flip=True)
    ),
    score=_closed_set,
    options={"dimension": 32},
)

TASKS = {
    "digits": Task(
        title="Digits (MNIST subset of the package)",
        about="28x28 grey, 10 classes",
        file=None,
        load=_digits,
        channels=(1, 8, 16, 16),
        kernel_size=5,
        bins=(2, 2),
        head="classifier",
        spec=TrainSpec(epochs=16, learning_rate=1.5e-2),
        score=_accuracy,
    ),
    "cifar10": Task(
        title="CIFAR-10",
        about="32x32 RGB, 10 classes",
        file="cifar10.h5",
        load=_cifar10,
        channels=(3, 48),
        kernel_size=5,
        bins=(8, 8),
        head="classifier",
        spec=TrainSpec(epochs=5, batch_size=100, learning_rate=2e-3),
        score=_accuracy,
        options={"mix": 16, "hidden": (192,)},
    ),
    "cars": Task(
        title="CamVid, cars against the rest",
        about="RGB reduced from 360x480 to 72x96, masks too; validation: CamVid's own",
        file="camvid_cars.h5",
        load=_cars,
        channels=(3, 24, 12),
        kernel_size=5,
        bins=(18, 24),
        head="segmenter",
        spec=TrainSpec(epochs=16, batch_size=8, learning_rate=5e-3, dice=1.0, augmentation=_SHAKEN),
        score=_iou,
        options={"width": 16},
    ),
    "faces": Task(
        title="FASSEG faces in all poses, 6 classes",
        about="RGB reduced from 512x448 to 96x84, masks too; validation: 2 of the training people",
        file="fasseg_faces.h5",
        load=_faces,
        channels=(3, 24, 12),
        kernel_size=5,
        bins=(24, 21),
        head="segmenter",
        spec=TrainSpec(epochs=30, batch_size=8, learning_rate=5e-3, dice=1.0, augmentation=_SHAKEN),
        score=_iou,
        options={"width": 16},
    ),
    "people": _PEOPLE,
    "strangers": replace(
        _PEOPLE,
        title="ORL, are two pictures of people never seen in training of the same person",
        about="grey, reduced from 112x92 to 56x46; 30 people to learn from, 10 others (by seed) are the test",
        load=_strangers,
        score=_verification,
    ),
}
