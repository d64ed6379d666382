"""A user's own training loop in mixed precision: light stays in the precision of its tensors, electronics may not.

One list of what computes (`tests.test_every_device`) by one property: `torch.autocast` around it changes no bit of
the light.
"""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from networks.onbench.network import OnBench
from networks.students.student import Student
from tests.scenes import generator, student
from tests.test_every_device import OPTICS, SUBJECTS, drawn

CAMERAS = {"Camera", "light"}
LIGHT = [name for name in SUBJECTS if name in {*OPTICS, *CAMERAS} or not name.startswith("teacher")]


class Seen:
    """What the back end of a module was given."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.features: list[torch.Tensor] = []
        for part in module.modules():
            if isinstance(part, Student | OnBench):
                part.backend.register_forward_pre_hook(
                    lambda _, inputs: self.features.append(inputs[0].detach())
                )


def light_of(name: str, *, lowered: bool) -> list[torch.Tensor]:
    subject = SUBJECTS[name]
    module = copy.deepcopy(subject.make())
    seen = Seen(module)
    with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
        answer = subject.ask(module, lambda t: t)
    return seen.features or [answer.detach()]


@pytest.mark.parametrize("name", LIGHT)
def test_light_is_in_its_own_precision_within_autocast(name):
    want, got = light_of(name, lowered=False), light_of(name, lowered=True)
    assert len(want) == len(got)
    for a, b in zip(want, got, strict=True):
        assert b.dtype == a.dtype
        assert torch.equal(a, b)


def test_a_loop_in_mixed_precision_trains_optics_and_electronics():
    network = student().train()
    x, labels = drawn(8, 1, 12, 10), torch.randint(3, (8,), generator=generator())
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x)
            loss = F.cross_entropy(logits, labels)
        assert logits.dtype == torch.bfloat16
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.cascade.parameters())
