"""Losses against sums done by hand."""

from __future__ import annotations

import math

import pytest
import torch

from distill.training.losses.functions import (
    cross_entropy,
    dice_loss,
    distillation_loss,
    peak_loss,
    soft_divergence,
)
from distill.training.losses.hints import Hint
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide
from distill.training.train_loop import fit
from networks import Student
from optics.checks import OpticsError
from tests.scenes import generator


def softmax(row, temperature):
    powers = [math.exp(v / temperature) for v in row]
    return [p / sum(powers) for p in powers]


STUDENT = [[1.0, -0.5, 2.0], [0.3, 0.0, -1.0]]
TEACHER = [[3.0, 0.0, 1.0], [-1.0, 2.0, 0.5]]
LABELS = [0, 1]


@pytest.mark.parametrize(("temperature", "alpha"), [(10.0, 0.5), (2.0, 0.9), (4.0, 0.0), (3.0, 1.0)])
def test_distillation_by_hand(temperature, alpha):
    soft = hard = 0.0
    for s, t, label in zip(STUDENT, TEACHER, LABELS, strict=True):
        p, q = softmax(t, temperature), softmax(s, temperature)
        soft += temperature**2 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 2
        hard += -math.log(softmax(s, 1.0)[label]) / 2
    wanted = alpha * soft + (1 - alpha) * hard
    got = distillation_loss(
        torch.tensor(STUDENT),
        torch.tensor(TEACHER),
        torch.tensor(LABELS),
        temperature=temperature,
        alpha=alpha,
    )
    assert float(got) == pytest.approx(wanted, rel=1e-5)


def test_teacher_and_student_are_not_interchangeable():
    s, t = torch.tensor(STUDENT), torch.tensor(TEACHER)
    there, back = soft_divergence(s, t, temperature=2.0), soft_divergence(t, s, temperature=2.0)
    assert abs(float(there - back)) > 0.05


def test_gradient_keeps_its_size_with_temperature():
    student = torch.tensor(STUDENT, dtype=torch.float64)
    teacher = torch.tensor(TEACHER, dtype=torch.float64)
    sizes = []
    for temperature in (50.0, 100.0):
        x = student.clone().requires_grad_()
        soft_divergence(x, teacher, temperature=temperature).backward()
        assert x.grad is not None
        sizes.append(float(x.grad.norm()))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.03)


def test_pixels_are_averaged_like_images():
    s = torch.randn(2, 3, 4, 5, generator=generator())
    t = torch.randn(2, 3, 4, 5, generator=generator(1))
    y = torch.randint(3, (2, 4, 5), generator=generator(2))
    flat = [x.movedim(1, -1).reshape(-1, 3) for x in (s, t)]
    torch.testing.assert_close(distillation_loss(s, t, y), distillation_loss(*flat, y.reshape(-1)))


def test_ignored_pixels_do_not_count():
    s = torch.randn(1, 3, 4, 4, generator=generator())
    y = torch.randint(2, (1, 4, 4), generator=generator(2))
    y[0, :2] = 2
    torch.testing.assert_close(cross_entropy(s, y, ignore=2), cross_entropy(s[:, :, 2:], y[:, 2:]))
    torch.testing.assert_close(dice_loss(s, y, ignore=2)[None], dice_loss(s[:, :, 2:], y[:, 2:])[None])


def test_dice_by_hand():
    labels = torch.tensor([[[0, 0], [1, 1]]])
    sure = torch.tensor([[[[50.0, 50.0], [-50.0, 50.0]], [[-50.0, -50.0], [50.0, -50.0]]]])
    # class 0: predicted 3 pixels, true 2, common 2; class 1: predicted 1, true 2, common 1
    wanted = 1 - ((2 * 2 + 1) / (3 + 2 + 1) + (2 * 1 + 1) / (1 + 2 + 1)) / 2
    assert float(dice_loss(sure, labels)) == pytest.approx(wanted, abs=1e-6)


def test_hint_is_zero_for_features_that_are_a_mix_of_the_students():
    hint = Hint(4, 2, generator=generator())
    student = torch.randn(3, 4, 2, 2, generator=generator(1))
    with torch.no_grad():
        teacher = torch.nn.functional.interpolate(hint.mix(student) * 7 + 3, scale_factor=3)
        assert float(hint(student, teacher)) < 1e-8
        assert float(hint(student, -teacher)) == pytest.approx(4.0, rel=1e-4)


@pytest.mark.parametrize("refit", [False, True])
def test_a_hint_at_a_part_that_computes_in_bfloat16_is_nearly_that_in_float32(monkeypatch, refit):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    teacher = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 5), torch.nn.Flatten(), torch.nn.Linear(144, 2))
    images, labels = torch.rand(8, 1, 10, 10, generator=generator()), torch.arange(8) % 2
    losses = []
    for precision in ("float32", "bf16"):
        model = Student.build(
            (1, 2, 3), image_shape=(10, 10), classes=2, bins=(2, 2), mix=4, generator=generator()
        )
        hint = {"student": "mix" if refit else "backend.mix", "teacher": "0", "weight": 5.0}
        told = {"epochs": 1, "distillation": {"hint": hint}, "step": {"precision": precision}}
        part = (model.features(images).detach() if refit else images, labels)
        learner, guide = model.backend if refit else model, Guide(teacher, images, moving=False)
        losses.append(
            fit(learner, part, part, TrainSpec(**told), directory=None, teacher=guide).epochs[0].loss
        )
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_peak_loss_is_the_light_that_a_passive_mask_loses():
    student = Student.build((1, 2, 3), image_shape=(8, 8), classes=2, bins=(2, 2), generator=generator())
    images = torch.rand(5, 1, 8, 8, generator=generator(1))
    with torch.no_grad():
        peaks = student.cascade.collapse((64, 64)).abs().amax((-2, -1))[:, 0]
        field = student.cascade(torch.nn.functional.pad(images, (4, 4, 4, 4))) / peaks[:, None, None]
        light = field.abs().square().sum((0, 2, 3)) / images.square().sum()
        wanted = float(-light.log().mean())
        assert wanted > 0.2
        assert float(peak_loss(student, images)) == pytest.approx(wanted, abs=0.1)
        student.cascade.layers[0].weight.mul_(3)  # a mask scaled by a constant wastes no more
        assert float(peak_loss(student, images)) == pytest.approx(wanted, abs=0.1)
        frozen = Student.random_masks((1, 2, 3), image_shape=(8, 8), classes=2, generator=generator())
        assert float(peak_loss(frozen, images)) == 0.0
    peak_loss(student, images).backward()
    assert student.cascade.layers[0].weight.grad.abs().max() > 0


def test_bad_input_is_told():
    s, t, y = torch.tensor(STUDENT), torch.tensor(TEACHER), torch.tensor(LABELS)
    for call, message in (
        (lambda: distillation_loss(s, t[:, :2], y), "same classes and the same resolution"),
        (lambda: distillation_loss(s, t, y, alpha=1.5), "alpha is 1.5"),
        (lambda: distillation_loss(s, t, y, temperature=0.0), "temperature is 0"),
        (lambda: cross_entropy(s, y[:1]), "logits have shape"),
        (lambda: dice_loss(s, y), "Dice is for pixels"),
    ):
        with pytest.raises(OpticsError, match=message):
            call()
