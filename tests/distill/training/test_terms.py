"""Every term of the loss: what asks for it, what it weighs, and that it moves the network."""

from __future__ import annotations

import pytest
import torch

from distill.training.losses.terms import TERMS
from distill.training.run import Run
from distill.training.spec import TrainSpec
from networks import Student, create_teacher
from tests.distill.training.one_method import seen_by
from tests.scenes import generator

# name of a term to: what asks for it; whether a teacher is there; pixels or whole images; the other terms then
ASKED = {
    "labels": ({}, False, False, []),
    "taught": ({}, True, False, ["labels"]),
    "overlap": ({"dice": 0.5}, False, True, ["labels"]),
    "taught_overlap": ({"distillation": {"dice": 0.5}}, True, True, ["labels", "taught"]),
    "hint": ({"distillation": {"hint": {}}}, True, False, ["labels", "taught"]),
    "tangent": ({"distillation": {"tangent": {"images": 4}}}, True, False, ["labels", "taught"]),
    "light": ({"light": 0.1}, False, False, ["labels"]),
}


def run_of(told: dict, taught: bool, pixels: bool) -> Run:
    g = generator(3)
    images = torch.rand(8, 1, 12, 12, generator=g)
    labels = torch.randint(0, 3, (8, 12, 12) if pixels else (8,), generator=g)
    head = "segmenter" if pixels else "classifier"
    model = Student.build(
        (1, 2, 3), image_shape=(12, 12), classes=3, bins=(3, 3), head=head, generator=generator()
    )
    name = "unet" if pixels else "lenet5"
    teacher = create_teacher(name, 1, 3, (12, 12), generator=generator(9)) if taught else None
    return Run(model, (images, labels), (images, labels), TrainSpec(**told), teacher)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_there_where_it_is_asked_for_and_moves_the_network(name):
    told, taught, pixels, others = ASKED[name]
    run = run_of(told, taught, pixels)
    assert set(run.terms) == {name, *others}
    if told:
        assert set(run_of({}, taught, pixels).terms) == set(others)
    term, seen = run.terms[name], seen_by(run, 8)
    assert term.weight(0.5) > 0
    assert term.over(seen.answers) > 0
    loss = term.mean(seen)
    loss.backward()
    assert loss.ndim == 0
    assert bool(torch.isfinite(loss.detach()))
    slopes = [p.grad for p in run.model.cascade.parameters()]
    assert all(bool(torch.isfinite(s).all()) and bool(s.abs().sum() > 0) for s in slopes)
