"""The validation images of a training: a network whose masks are frozen answers as if it were asked anew each time."""

from __future__ import annotations

import pytest
import torch

from distill.training.held_out import HeldOut
from distill.training.run import Run
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from networks import Student
from networks.students.controls import shuffled
from networks.students.student import Student as Asked
from tests.distill.training.test_train_loop import blobs, small
from tests.scenes import generator

SIZES = {"image_shape": (10, 10), "classes": 3, "bins": (2, 2), "generator": generator(4)}
FROZEN = {
    "random masks": lambda: Student.random_masks((1, 2, 3), **SIZES),
    "plain lens": lambda: Student.no_mask((1, 2, 3), **SIZES),
    "optics shuffled": lambda: shuffled(small(), generator=generator(1)),
    "random masks, its classes by pixel": lambda: Student.random_masks(
        (1, 2, 3), **SIZES | {"head": "segmenter", "bins": (5, 5)}
    ),
    "linear in the field": lambda: Student.random_masks((1, 2, 3), **SIZES, readout="homodyne"),
}


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images' features were worked out, each time that any were."""
    seen: list[int] = []
    whole = Asked.features

    def features(self: Student, x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return whole(self, x)

    monkeypatch.setattr(Asked, "features", features)
    return seen


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_optics_is_asked_once_and_the_answers_are_the_same(name, monkeypatch):
    model, images = FROZEN[name](), blobs(300).images  # more than one batch
    asked = HeldOut(model, images)
    for _ in range(3):
        with torch.no_grad():
            for p in model.backend.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=generator(2)))
        assert torch.equal(asked.logits(), logits(model, images))
    seen = counted(monkeypatch)
    asked.logits()
    assert seen == [] and not asked.many


def test_masks_that_learn_are_asked_each_time():
    model, images = small(), blobs(30).images
    asked = HeldOut(model, images)
    before = asked.logits()
    with torch.no_grad():
        for p in model.cascade.parameters():
            p.mul_(1.5)
    assert not torch.equal(asked.logits(), before)
    assert torch.equal(asked.logits(), logits(model, images))


def test_more_features_than_may_be_kept_are_worked_out_each_time(monkeypatch):
    model, images = FROZEN["random masks"](), blobs(300).images
    most = 300 * 3 * 2 * 2 * 4
    kept, not_kept = HeldOut(model, images, most=most), HeldOut(model, images, most=most - 1)
    assert torch.equal(kept.logits(), not_kept.logits())
    assert (kept.many, not_kept.many) == (False, True)
    seen = counted(monkeypatch)
    kept.logits()
    assert seen == []
    not_kept.logits()
    assert sum(seen) == 300


def test_a_training_asks_frozen_optics_for_its_validation_images_once(monkeypatch):
    seen = counted(monkeypatch)
    train, held = blobs(90), blobs(30, 1)
    spec = TrainSpec(epochs=3, batch_size=45, learning_rate=1e-2)
    run = Run(FROZEN["random masks"](), (train.images, train.labels), (held.images, held.labels), spec, None)
    while not run.finished:
        run.one_epoch(None)
    assert seen == [45, 45, 30, 45, 45, 45, 45]


def test_weights_that_are_loaded_are_asked_anew():
    train, held = blobs(90), blobs(30, 1)
    parts = (train.images, train.labels), (held.images, held.labels)
    spec = TrainSpec(epochs=2, batch_size=45, learning_rate=1e-2)
    first, other = (Run(FROZEN["random masks"](), *parts, spec, None) for _ in range(2))
    first.one_epoch(None)
    other.one_epoch(None)
    state = first.state()
    other.restore(state)
    assert torch.equal(other.held_out.logits(), logits(first.model, held.images))


def with_learning_readout(model: Student) -> None:
    model.readout.register_parameter("scale", torch.nn.Parameter(torch.ones(())))


def with_averages(model: Student) -> None:
    model.readout.register_buffer("running_mean", torch.zeros(2))


def with_a_hook(model: Student) -> None:
    model.register_forward_hook(lambda module, inputs, out: 2 * out)


@pytest.mark.parametrize("change", [with_learning_readout, with_averages, with_a_hook])
def test_what_may_change_before_the_back_end_is_asked_each_time(change, monkeypatch):
    model, images = FROZEN["random masks"](), blobs(30).images
    change(model)
    asked, seen = HeldOut(model, images), counted(monkeypatch)
    first = asked.logits()
    assert torch.equal(first, asked.logits()) and torch.equal(first, logits(model, images))
    assert len(seen) == 3
