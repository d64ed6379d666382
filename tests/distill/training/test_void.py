"""Void pixels count nowhere: every loss and metric gives what it gives for the pixels that are left."""

from __future__ import annotations

import pytest
import torch

from distill.data.augmentation import Answers
from distill.data.dataset import UNLABELLED, VOID, Dataset
from distill.metrics.confusion import accuracy, confusion_matrix, share_right
from distill.training.losses.functions import cross_entropy, dice_loss, distillation_loss
from distill.training.losses.term import Setup
from distill.training.losses.terms import terms_of
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide
from distill.training.train_loop import fit
from tests.scenes import generator

GENERATOR = generator()
LOGITS = torch.randn(2, 3, 4, 5, generator=GENERATOR)
TEACHER = torch.randn(2, 3, 4, 5, generator=GENERATOR)
LABELS = torch.randint(0, 3, (2, 4, 5), generator=GENERATOR)
GONE = torch.zeros(2, 4, 5, dtype=torch.bool)
GONE[0, :, 3:], GONE[1, 0] = True, True  # not as many in both images
LOSSES = {
    "cross-entropy": lambda s, t, y: cross_entropy(s, y),
    "distillation": lambda s, t, y: distillation_loss(s, t, y, temperature=3.0, alpha=0.7),
    "teacher alone": lambda s, t, y: distillation_loss(s, t, y, temperature=3.0, alpha=1.0),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_that_of_the_pixels_left(name):
    loss = LOSSES[name]
    rows = [x.movedim(1, -1)[~GONE] for x in (LOGITS, TEACHER)]  # a list of pixels, as if they were images
    wanted = loss(*rows, LABELS[~GONE])
    logits = LOGITS.clone().requires_grad_(True)
    got = loss(logits, TEACHER, LABELS.masked_fill(GONE, VOID))
    assert float(got.detach()) == pytest.approx(float(wanted), rel=1e-5)
    got.backward()
    moved = logits.grad.abs().sum(1) > 0
    assert torch.equal(moved, ~GONE)


def test_dice_leaves_void_out():
    shown = dice_loss(LOGITS, LABELS.masked_fill(GONE, VOID))
    assert float(shown) == pytest.approx(
        float(dice_loss(LOGITS, LABELS.masked_fill(GONE, 9), ignore=9)), rel=1e-6
    )
    other = LOGITS.masked_fill(GONE[:, None], 50.0)
    assert float(dice_loss(other, LABELS.masked_fill(GONE, VOID))) == pytest.approx(float(shown), rel=1e-6)


def test_dice_is_a_mean_over_the_images_of_which_anything_counts():
    """Of three images the second is void and the third has no label: neither is a perfect one."""
    g = generator(2)
    logits, labels = torch.randn(3, 3, 4, 5, generator=g), torch.randint(0, 3, (3, 4, 5), generator=g)
    labels[1], labels[2], labels[0, 0] = VOID, UNLABELLED, VOID
    assert float(dice_loss(logits, labels)) == pytest.approx(
        float(dice_loss(logits[:1], labels[:1])), rel=1e-6
    )
    images = torch.rand(3, 1, 4, 5, generator=g)
    spec = TrainSpec(dice=1.0, distillation={"dice": 1.0})
    guide = Guide(torch.randn(3, 3, 4, 5, generator=g), images, moving=False)
    terms = terms_of(Setup(spec, guide, torch.nn.Identity(), images))
    over = {name: term.over(Answers(labels)) for name, term in terms.items()}
    assert over == {"labels": 15, "taught": 35, "overlap": 1, "taught_overlap": 2}


@pytest.mark.parametrize("name", [*LOSSES, "dice"])
def test_where_all_is_void_a_loss_is_finite(name):
    loss = LOSSES.get(name, lambda s, t, y: dice_loss(s, y))
    logits = LOGITS.clone().requires_grad_(True)
    got = loss(logits, TEACHER, torch.full_like(LABELS, VOID))
    got.backward()
    assert bool(torch.isfinite(got))
    assert not bool(logits.grad.any())


def test_metrics_leave_void_out():
    answers, labels = LOGITS.argmax(1), LABELS.masked_fill(GONE, VOID)
    counts = confusion_matrix(answers, labels, 3)
    assert int(counts.sum()) == int((~GONE).sum())
    assert torch.equal(counts, confusion_matrix(answers[~GONE], LABELS[~GONE], 3))
    right = (answers == LABELS)[~GONE].double().mean()
    assert float(share_right(answers[None], labels)[0]) == pytest.approx(float(right))
    flipped = torch.where(GONE, (answers + 1) % 3, answers)
    assert accuracy(flipped, labels, 3) == accuracy(answers, labels, 3)


def test_training_reports_the_share_of_the_pixels_that_count():
    images = torch.rand(4, 1, 4, 5, generator=GENERATOR)
    labels = torch.zeros(4, 4, 5, dtype=torch.int64)
    labels[:, :, 2:] = VOID
    model = torch.nn.Conv2d(1, 2, 1)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.copy_(torch.tensor([1.0, 0.0]))  # class 0 everywhere, which is right wherever it counts
    history = fit(
        model, (images, labels), (images, labels), TrainSpec(epochs=1, learning_rate=1e-6), directory=None
    )
    assert history.epochs[0].accuracy == 1.0
    assert Dataset(images, labels, ("a", "b"), "here").segmentation
