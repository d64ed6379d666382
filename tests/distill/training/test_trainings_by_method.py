"""A training by every method: stopped it goes on bit for bit; what cannot be is refused; ramps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distill.training.distillation import DistillationSpec, Ramp
from distill.training.run import Run
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from networks import create_teacher
from optics.checks import OpticsError, SpecError
from tests.distill.training.one_method import spec_with, twelve, twelve_pixels
from tests.distill.training.test_options import parts
from tests.distill.training.test_train_loop import blobs, same, small
from tests.scenes import generator

TRAININGS = {
    "decoupled": {"decoupled": {}},
    "hint": {"hint": {"weight": {"begin": 1.0, "end": 0.0}}},
    "tangent": {"tangent": {"images": 8}},
    "tangent of the network": {"tangent": {"images": 4, "of": "network"}},
    "function matching": {"function_matching": True},
    "hint, tangent and function matching": {
        "function_matching": True,
        "hint": {"weight": 0.5, "teacher": "head.2"},
        "tangent": {"images": 4},
    },
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_method_trains_and_a_stopped_run_goes_on_bit_for_bit(tmp_path, name):
    from distill.training.train_loop import train

    class Stop(Exception):
        pass

    def stopping(done, _total, _note):
        if done == 5:
            raise Stop

    data, teacher = twelve_pixels(), create_teacher("lenet5", 1, 3, (12, 12), generator=generator(9))
    before = [p.detach().clone() for p in teacher.parameters()]
    spec = spec_with(**TRAININGS[name])
    whole, part, plain_one = twelve(), twelve(), twelve()
    history = train(whole, data, data, spec, directory=tmp_path / "whole", teacher=teacher)
    assert all(np.isfinite(e.loss) for e in history.epochs)
    with pytest.raises(Stop):
        train(part, data, data, spec, directory=tmp_path / "part", teacher=teacher, progress=stopping)
    resumed = twelve()
    train(resumed, data, data, spec, directory=tmp_path / "part", teacher=teacher)
    assert same(whole, resumed)
    train(plain_one, data, data, spec_with(), directory=tmp_path / "plain", teacher=teacher)
    assert not same(whole, plain_one)
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in (*whole.modules(), *teacher.modules()))


def test_function_matching_shows_teacher_and_student_the_same_mixed_images():
    seen: dict[str, list[torch.Tensor]] = {"teacher": [], "student": []}

    class Watching(nn.Module):
        def __init__(self, name: str):
            super().__init__()
            self.name, self.body = name, nn.Sequential(nn.Flatten(), nn.Linear(144, 3))

        def forward(self, x):
            seen[self.name].append(x.detach().clone())
            return self.body(x)

    data = twelve_pixels()
    run = Run(
        Watching("student"), parts(data), parts(data), spec_with(function_matching=True), Watching("teacher")
    )
    run.one_epoch(None)
    originals = {x.numpy().tobytes() for x in data.images}
    for a, b in zip(seen["student"][:3], seen["teacher"], strict=False):
        assert torch.equal(a, b)
        assert sum(x.numpy().tobytes() in originals for x in a) < 5  # one may be mixed with itself
    assert len(seen["teacher"]) == 3
    seen["student"].clear()
    Run(Watching("student"), parts(data), parts(data), spec_with(function_matching=True), None).one_epoch(
        None
    )
    assert all(x.numpy().tobytes() in originals for x in torch.cat(seen["student"][:3]))


def test_without_a_teacher_the_methods_ask_for_nothing():
    told = {"decoupled": {}, "hint": {}, "tangent": {}, "dice": 0.5}
    model = small()
    run = Run(model, parts(blobs()), parts(blobs()), TrainSpec(distillation=told), None)
    assert list(run.terms) == ["labels"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"temperature": 0.0}, "temperature is 0"),
        ({"temperature": {"begin": 4.0, "end": -1.0}}, "temperature is -1"),
        ({"alpha": {"begin": 0.5, "end": 1.5}}, "alpha is 1.5"),
        ({"hint": {"weight": -1.0}}, "hint.weight is -1"),
        ({"tangent": {"images": 2}}, "images"),
        ({"decoupled": {}, "function_matching": True}, "mixes two"),
        ({"hints": {}}, "hints', did you mean 'hint'"),
    ],
)
def test_a_method_that_cannot_be_is_refused(told, said):
    with pytest.raises(SpecError, match=said):
        TrainSpec(distillation=told)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"hint": {"teacher": "tail"}}, "LeNet5 has no part called 'tail'; it has body"),
        ({"hint": {"student": "eye"}}, "Student has no part called 'eye'"),
        ({"hint": {}}, "hint needs the teacher itself"),
        ({"tangent": {}}, "tangent needs the teacher itself"),
        ({"function_matching": True}, "moved images need a teacher module"),
    ],
)
def test_a_teacher_that_does_not_do_is_refused(told, said):
    data = twelve_pixels()
    teacher = create_teacher("lenet5", 1, 3, (12, 12), generator=generator(9))
    given = logits(teacher, data.images) if "needs" in said or "need" in said else teacher
    with pytest.raises(OpticsError, match=said):
        Run(twelve(), parts(data), parts(data), spec_with(**told), given)


def test_ramps_begin_end_and_stay():
    ramp = Ramp(begin=2.0, end=6.0, over=0.5)
    assert [ramp.at(x) for x in (0.0, 0.25, 0.5, 0.9)] == [2.0, 4.0, 6.0, 6.0]
    assert Ramp(begin=2.0, end=6.0, shape="cosine").at(0.5) == pytest.approx(4.0)
    assert Ramp(begin=2.0, end=6.0, shape="cosine").at(0.25) == pytest.approx(2 + 4 * 0.14644660940672627)
    assert DistillationSpec(alpha={"begin": 1, "end": 0}).share == Ramp(begin=1.0, end=0.0)
