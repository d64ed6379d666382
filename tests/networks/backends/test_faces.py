"""Recognising people never seen in training, from an intensity read-out of linear optics."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import pytest
import torch

from networks.cascade.separable import bin_area
from networks.students.student import Student
from tests.scenes import generator

FACES = Path(os.environ.get("SCLC_DATA", Path(__file__).parents[4] / "shared" / "data")) / "orl_faces.h5"


@pytest.mark.data
@pytest.mark.skipif(not FACES.exists(), reason="the ORL faces are not here")
def test_people_outside_the_training_set_are_recognised():
    parts = []
    with h5py.File(FACES) as file:
        for split in ("train", "test"):
            parts.append((file[split]["images"][:], file[split]["labels"][:]))
    images = torch.cat([torch.from_numpy(i).float() / 255 for i, _ in parts])[:, None]
    labels = torch.cat([torch.from_numpy(n).long() for _, n in parts])
    images = bin_area(images, (28, 23))
    known = labels < 30
    train, who = images[known], labels[known]
    student = Student.build(
        (1, 8, 16),
        image_shape=(28, 23),
        classes=30,
        bins=(7, 6),
        head="embedder",
        dimension=48,
        generator=generator(),
    )
    optimiser = torch.optim.Adam(student.parameters(), lr=8e-3, weight_decay=1e-4)
    draw = generator(1)
    for _ in range(40):
        some = torch.randint(len(train), (64,), generator=draw)
        logits = student(train[some])
        loss = torch.nn.functional.cross_entropy(logits, who[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        vectors = student.eval().embed(images[~known])
    likeness = (vectors @ vectors.mT).fill_diagonal_(-2)
    same = labels[~known][likeness.argmax(1)] == labels[~known]
    assert same.double().mean() > 0.95  # ten people, ten pictures each; a guess gives 0.09
