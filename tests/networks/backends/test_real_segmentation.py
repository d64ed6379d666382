"""Linear optics before a small decoder on real pictures: cars and parts of faces are found, people are told apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from distill.data import hdf5
from distill.data import sources as data
from distill.data.dataset import Dataset
from distill.metrics.confusion import accuracy, confusion_matrix, intersection_over_union
from distill.metrics.recognition import rank_one
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from distill.training.train_loop import fit
from networks.students.student import Student
from tests.scenes import generator

DATA = Path(os.environ.get("SCLC_DATA", Path(__file__).parents[4] / "shared" / "data"))
CARS, PARTS, PEOPLE = (DATA / f"{name}.h5" for name in ("camvid_cars", "fasseg_faces", "orl_faces"))


def needs(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not path.exists(), reason=f"{path.name} is not beside the checkout")


def segmenter(images: Dataset, bins: tuple[int, int]) -> Student:
    return Student.build(
        (3, 8, 12),
        kernel_size=5,
        image_shape=images.image_shape,
        classes=images.classes,
        bins=bins,
        head="segmenter",
        width=12,
        generator=generator(),
    )


def learn(student: Student, train: Dataset, test: Dataset, epochs: int) -> torch.Tensor:
    """Answers for the test images; two images choose no epoch, so that it is the last."""
    spec = TrainSpec(epochs=epochs, batch_size=8, learning_rate=1e-2, dice=1.0 if train.segmentation else 0.0)
    fit(student, (train.images, train.labels), (train.images[:2], train.labels[:2]), spec, directory=None)
    return logits(student, test.images).argmax(1)


@pytest.mark.data
@needs(CARS)
def test_cars_are_found_where_nothing_anywhere_would_be_nearly_always_right():
    splits = data.load(CARS, size=(36, 48), target="masks", limit=100)
    student = segmenter(splits.train, (9, 12))
    answers = learn(student, splits.train, splits.test, epochs=18)
    each = intersection_over_union(confusion_matrix(answers, splits.test.labels, 2))
    everywhere = splits.test.labels.double().mean()  # what "car everywhere" would have; "nowhere" has 0
    assert each[1] > 3 * everywhere


@pytest.mark.data
@needs(PARTS)
def test_parts_of_a_face_are_found():
    found = hdf5.read(PARTS, size=(48, 36), target="masks")
    train, test = found["train"], found["test"]  # 20 faces to learn from, 44 to answer
    student = segmenter(train, (12, 9))
    answers = learn(student, train, test, epochs=40)
    majority = torch.full_like(test.labels, int(test.labels.flatten().mode().values))
    assert (answers == test.labels).double().mean() > (majority == test.labels).double().mean() + 0.2
    assert accuracy(answers, test.labels, 6) > 2 * accuracy(majority, test.labels, 6)


@pytest.mark.data
@needs(PEOPLE)
def test_forty_people_are_told_apart():
    splits = data.load(PEOPLE, size=(28, 23), validation=0.125)
    student = Student.build(
        (1, 8, 16),
        image_shape=(28, 23),
        classes=40,
        bins=(4, 4),
        head="embedder",
        dimension=32,
        generator=generator(),
    )
    learn(student, splits.train, splits.test, epochs=12)
    with torch.no_grad():
        gallery, probes = (student.embed(part.images) for part in (splits.train, splits.test))
    assert rank_one(gallery, splits.train.labels, probes, splits.test.labels) > 0.8  # a guess: 0.025
