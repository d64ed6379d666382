"""Distillation methods: each against its formula in numpy, for classes and for pixels, void and unlabelled ones too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distill.data.augmentation import Answers
from distill.data.dataset import UNLABELLED, VOID
from distill.training.losses.term import Seen, Setup
from distill.training.losses.terms import terms_of
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide
from tests.scenes import generator

T, K = 3.0, 4


def case(pixels: bool):
    g = generator(2)
    shape = (5, 3, 2) if pixels else (5,)
    out, taught = (2 * torch.randn(5, K, *shape[1:], generator=g) for _ in range(2))
    labels = torch.randint(0, K, shape, generator=g)
    labels.view(-1)[1], labels.view(-1)[3] = VOID, UNLABELLED
    return out, taught, labels


def rows(values: torch.Tensor) -> np.ndarray:
    return np.moveaxis(values.double().numpy(), 1, -1).reshape(-1, values.shape[1])


def softened(z: np.ndarray, temperature: float) -> np.ndarray:
    p = np.exp(z / temperature - (z / temperature).max())
    return p / p.sum()


def plain(z, t, y, temperature=T):
    p, q = softened(t, temperature), softened(z, temperature)
    return temperature**2 * (p * np.log(p / q)).sum()


def decoupled(z, t, y, target=1.0, rest=8.0):
    p, q = softened(t, T), softened(z, T)
    y = int(np.argmax(t)) if y < 0 else y
    others = [k for k in range(K) if k != y]
    tckd = sum(a * np.log(a / b) for a, b in ((p[y], q[y]), (1 - p[y], 1 - q[y])))
    hat_p, hat_q = p[others] / (1 - p[y]), q[others] / (1 - q[y])
    return T**2 * (target * tckd + rest * (hat_p * np.log(hat_p / hat_q)).sum())


def hard(z, t, y):
    return -np.log(softened(z, 1.0)[y])


def mean(out, taught, labels, each, counts):
    found = [
        each(z, t, y)
        for z, t, y in zip(rows(out), rows(taught), labels.reshape(-1).tolist(), strict=True)
        if counts(y)
    ]
    return float(np.mean(found))


def dice_to_teacher(out, taught, labels):
    p, t = (torch.softmax(x.double(), 1).numpy() for x in (out, taught))
    counts = (labels != VOID).numpy()[:, None]
    both, total = (p * t * counts).sum((2, 3)), ((p + t) * counts).sum((2, 3))
    return float(1 - ((2 * both + 1) / (total + 1)).mean())


def kd_part(out, taught, labels, **options):
    share = options.pop("alpha", 0.5)
    each = options.pop("each", plain)
    guided = mean(out, taught, labels, each, lambda y: y != VOID)
    return share * guided + (1 - share) * mean(out, taught, labels, hard, lambda y: y >= 0)


METHODS = {
    "plain": ({"alpha": 0.7}, lambda *x: kd_part(*x, alpha=0.7)),
    "decoupled": ({"decoupled": {}, "alpha": 0.6}, lambda *x: kd_part(*x, alpha=0.6, each=decoupled)),
    "decoupled, other weights": (
        {"decoupled": {"target": 0.5, "rest": 2.0}, "alpha": 1.0},
        lambda *x: kd_part(*x, alpha=1.0, each=lambda z, t, y: decoupled(z, t, y, 0.5, 2.0)),
    ),
    "a ramp of alpha": (
        {"alpha": {"begin": 1.0, "end": 0.2, "over": 0.5}},  # at 3/8: three quarters of the way
        lambda *x: kd_part(*x, alpha=0.4),
    ),
    "a ramp of the temperature": (
        {"temperature": {"begin": 9.0, "end": 1.0, "shape": "cosine"}},
        lambda *x: kd_part(
            *x, each=lambda z, t, y: plain(z, t, y, 9.0 - 8.0 * 0.5 * (1 - np.cos(np.pi * 0.375)))
        ),
    ),
    "dice with the teacher": (
        {"dice": 0.3, "alpha": 0.5},
        lambda *x: kd_part(*x) + 0.3 * dice_to_teacher(*x),
    ),
    "dice and decoupled": (
        {"dice": 0.3, "decoupled": {}, "alpha": 0.5},
        lambda *x: kd_part(*x, each=decoupled) + 0.3 * dice_to_teacher(*x),
    ),
    "function matching": ({"function_matching": True, "alpha": 0.1}, lambda *x: kd_part(*x, alpha=1.0)),
}


def loss_of(spec: TrainSpec, out, taught, answers: Answers, done: float = 0.375) -> float:
    model, images = nn.Identity(), torch.zeros(5, 1, 2, 2)
    guide = Guide(taught, images, moving=False)
    terms = terms_of(Setup(spec, guide, model, images[:2]))
    index = torch.arange(5)
    seen = Seen(model, images, answers, out, index, done, guide, generator())
    return float(sum(t.weight(done) * t.mean(seen) for t in terms.values()))


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_its_formula(name, pixels):
    told, wanted = METHODS[name]
    if "dice" in told and not pixels:
        pytest.skip("Dice is for pixels")
    out, taught, labels = case(pixels)
    spec = TrainSpec(distillation={"temperature": T} | told)
    assert loss_of(spec, out, taught, Answers(labels)) == pytest.approx(wanted(out, taught, labels), rel=1e-5)


def test_plain_distillation_is_a_sum_of_the_decoupled_parts():
    """KL = TCKD + (1 - p_t) NCKD for one image (equation 7 of the source)."""
    g = generator(8)
    for _ in range(5):
        z, t = (2 * torch.randn(1, K, generator=g) for _ in range(2))
        y = torch.randint(0, K, (1,), generator=g)
        certain = float((t / T).softmax(1)[0, y])
        spec = {"temperature": T, "alpha": 1.0}
        whole = loss_of(TrainSpec(distillation=spec), *(x.expand(5, K) for x in (z, t)), Answers(y.expand(5)))
        apart = spec | {"decoupled": {"target": 1.0, "rest": 1 - certain}}
        both = loss_of(TrainSpec(distillation=apart), *(x.expand(5, K) for x in (z, t)), Answers(y.expand(5)))
        assert whole == pytest.approx(both, rel=1e-5)


def test_a_sure_teacher_gives_finite_gradients():
    out = torch.randn(5, K, generator=generator(), requires_grad=True)
    taught = torch.zeros(5, K).index_fill(1, torch.tensor([2]), 500.0)
    answers = Answers(torch.full((5,), 2))
    for told in ({"decoupled": {}}, {}):
        spec = TrainSpec(distillation={"temperature": 0.5, "alpha": 1.0} | told)
        images = torch.zeros(5, 1, 2, 2)
        guide = Guide(taught, images, moving=False)
        term = terms_of(Setup(spec, guide, nn.Identity(), images[:2]))["taught"]
        index = torch.arange(5)
        term.mean(Seen(nn.Identity(), images, answers, out, index, 0.0, guide, generator())).backward()
        assert bool(torch.isfinite(out.grad).all())


# ---------------------------------------------------------------------- hints
