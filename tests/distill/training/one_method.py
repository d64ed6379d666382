"""A small student, its teacher and what a loss sees of them, for the tests of every way of distilling."""

from __future__ import annotations

import torch
from torch import nn

from distill.data.augmentation import Answers
from distill.training.losses.term import Seen
from distill.training.run import Run
from distill.training.spec import TrainSpec
from networks import Student
from tests.distill.training.test_train_loop import blobs
from tests.scenes import generator


def linear_teacher() -> nn.Module:
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with torch.no_grad():
        made[1].weight.copy_(torch.randn(3, 64, generator=generator(1)))
        made[1].bias.zero_()
    return made


def twelve(seed: int = 0) -> Student:
    return Student.build((1, 2, 3), image_shape=(12, 12), classes=3, bins=(2, 2), generator=generator(seed))


def twelve_pixels(n: int = 48):
    data = blobs(n)
    return data.with_images(nn.ZeroPad2d(1)(data.images))


def spec_with(**told) -> TrainSpec:
    return TrainSpec(epochs=3, batch_size=16, learning_rate=1e-2, seed=3, distillation=told)


def seen_by(run: Run, n: int = 16) -> Seen:
    index = torch.arange(n)
    inputs, answers = run.inputs[index], Answers(run.labels[index])
    with run.taps.open() as features:
        out = run.model(inputs)
    return Seen(run.model, inputs, answers, out, index, 0.0, run.guide, generator(), features)
