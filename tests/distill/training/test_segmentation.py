"""Training where every pixel has a class: the Dice loss, the score that chooses the epoch, mirrored masks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distill.data.augmentation import AugmentSpec, augment
from distill.metrics.confusion import accuracy
from distill.training.losses.functions import cross_entropy, dice_loss
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from distill.training.train_loop import fit
from optics.checks import ShapeError
from tests.scenes import generator


def scene(n: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A bright spot of 2x2 pixels on a noisy ground: 2 % of the pixels."""
    g = generator(seed)
    images, labels = 0.2 * torch.rand(n, 1, 14, 14, generator=g), torch.zeros(n, 14, 14, dtype=torch.int64)
    for k in range(n):
        top, left = (int(torch.randint(0, 12, (), generator=g)) for _ in range(2))
        images[k, 0, top : top + 2, left : left + 2] = 0.5
        labels[k, top : top + 2, left : left + 2] = 1
    return images, labels


def small() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Conv2d(1, 2, 1)


def test_the_first_loss_is_cross_entropy_and_so_much_dice():
    images, labels = scene()
    out = small()(images).detach()
    for weight in (0.0, 2.5):
        spec = TrainSpec(epochs=1, batch_size=12, learning_rate=1e-6, dice=weight)
        history = fit(small(), (images, labels), (images, labels), spec, directory=None)
        wanted = cross_entropy(out, labels) + weight * dice_loss(out, labels)
        assert history.epochs[0].loss == pytest.approx(float(wanted), rel=1e-5)


def test_pixels_are_scored_by_iou_and_dice_finds_a_small_object():
    images, labels = scene()
    held_out = scene(seed=1)
    spec = TrainSpec(epochs=40, batch_size=4, learning_rate=0.02, dice=1.0)
    model = small()
    history = fit(model, (images, labels), held_out, spec, directory=None)
    answers = logits(model, held_out[0]).argmax(1)
    assert history.best.validation_accuracy == pytest.approx(accuracy(answers, held_out[1], 2))
    assert history.epochs[0].validation_accuracy < 0.6 < 0.95 < history.best.validation_accuracy


def test_dice_needs_a_class_for_every_pixel():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    few = (torch.zeros(4, 1, 2, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ShapeError, match="Dice is for pixels"):
        fit(model, few, few, TrainSpec(epochs=1, dice=1.0), directory=None)


@pytest.mark.parametrize("spec", [AugmentSpec(flip=True), AugmentSpec(flip=True, shift=2.0)])
def test_masks_are_mirrored_with_their_images_every_other_time(spec):
    labels = torch.zeros(400, 5, 9, dtype=torch.int64)
    labels[:, 1:3, :2] = 1
    images = labels[:, None].float()
    moved, answers = augment(images, spec, generator(), labels=labels)
    assert ((moved[:, 0] > 0.5) == (answers == 1)).double().mean() > 0.99
    right = (moved[..., 5:].sum((1, 2, 3)) > moved[..., :4].sum((1, 2, 3))).double().mean()
    assert 0.4 < right < 0.6


def test_without_flip_the_draws_are_as_they_were():
    x = torch.rand(3, 1, 8, 8, generator=generator())
    once, twice = generator(5), generator(5)
    augment(x, AugmentSpec(shift=1.0), once)
    torch.rand(3, 4, generator=twice)
    assert torch.equal(once.get_state(), twice.get_state())
    assert AugmentSpec(flip=True).active and not AugmentSpec().active
