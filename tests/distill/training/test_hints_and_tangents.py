"""Losses that look inside the networks: feature hints and neural tangents, by hand and by differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distill.data.dataset import VOID
from distill.training.losses.hints import Hint
from distill.training.losses.tangent import alignment_loss, gram, gram_of_optics
from distill.training.run import Run
from distill.training.taps import Taps, last_maps
from distill.training.teaching import logits
from networks import Student, create_teacher, teacher_names
from tests.distill.training.one_method import linear_teacher, seen_by, spec_with, twelve, twelve_pixels
from tests.distill.training.test_options import parts
from tests.scenes import generator


def test_the_last_maps_of_each_teacher_are_found():
    found = {}
    for name in ("lenet5", "resnet-small", "unet"):
        teacher = create_teacher(name, 1, 3, (16, 16), generator=generator()).eval()
        found[name] = last_maps(teacher, torch.rand(2, 1, 16, 16, generator=generator()))
    assert found == {"lenet5": "body", "resnet-small": "groups", "unet": "up.0"}


@pytest.mark.parametrize(
    ("told", "student_part", "teacher_part"),
    [
        ({}, None, "body"),
        ({"teacher": "head.2", "student": "backend.root"}, "backend.root", "head.2"),
        ({"student": "backend.norm"}, "backend.norm", "body"),
    ],
)
def test_a_hint_compares_the_parts_it_names(told, student_part, teacher_part):
    model, data = twelve(), twelve_pixels()
    teacher = create_teacher("lenet5", 1, 3, (12, 12), generator=generator(9))
    run = Run(model, parts(data), parts(data), spec_with(hint=told), teacher)
    seen = seen_by(run)
    term = run.terms["hint"]
    with Taps(teacher, [teacher_part]).open() as wanted:
        logits(teacher, data.images[:16])
    if student_part is None:
        given = model.features(data.images[:16])
    else:
        with Taps(model, [student_part]).open() as features:
            model(data.images[:16])
        given = features[student_part]
    a, b = given.detach().double(), wanted[teacher_part].detach().double()
    a, b = (x[:, :, None, None] if x.ndim == 2 else x for x in (a, b))
    mix = term.hint.mix
    mixed = np.einsum("oi,biyx->boyx", mix.weight.detach().double().numpy()[:, :, 0, 0], a.numpy())
    mixed += mix.bias.detach().double().numpy()[:, None, None]
    b = nn.functional.adaptive_avg_pool2d(b, a.shape[-2:]).numpy()
    unit = [(x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True) for x in (mixed, b)]
    assert float(term.mean(seen).detach()) == pytest.approx(((unit[0] - unit[1]) ** 2).mean(), rel=1e-3)


def test_a_hint_moves_the_optics_and_trains_its_own_mix(tmp_path):
    data = twelve_pixels()
    teacher = create_teacher("lenet5", 1, 3, (12, 12), generator=generator(9))
    spec = spec_with(alpha=0.0, hint={"weight": 5.0})
    runs = [Run(twelve(), parts(data), parts(data), s, teacher) for s in (spec, spec_with(alpha=0.0))]
    before = runs[0].terms["hint"].hint.mix.weight.detach().clone()
    for run in runs:
        run.one_epoch(None)
    assert not torch.equal(before, runs[0].terms["hint"].hint.mix.weight)
    optics = [run.model.cascade.kernels() for run in runs]
    assert not torch.equal(*optics)
    assert isinstance(runs[0].terms["hint"].hint, Hint)


# ---------------------------------------------------------------------- neural tangents


def test_the_tangent_kernel_of_a_small_network_by_hand():
    """f = V tanh(W x + b) + c: every derivative is written out."""
    g = generator(5)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=g, dtype=torch.float64))
    x = torch.randn(5, 4, generator=g, dtype=torch.float64)
    w, b, v = (p.detach().numpy() for p in (net[0].weight, net[0].bias, net[2].weight))
    h = np.tanh(x.numpy() @ w.T + b)
    slope = 1 - h**2
    wanted = np.zeros((5, 5))
    for i in range(5):
        for j in range(5):
            for c in range(3):
                wanted[i, j] += h[i] @ h[j] + 1  # V and c
                inner = (v[c] * slope[i]) @ (v[c] * slope[j])
                wanted[i, j] += inner * (x[i].numpy() @ x[j].numpy() + 1)  # W and b
    directions = torch.eye(3, dtype=torch.float64)[:, None].expand(-1, 5, 3)
    np.testing.assert_allclose(gram(net, x, directions).detach().numpy(), wanted / 3, rtol=1e-10)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", teacher_names())
def test_the_tangent_kernel_of_every_teacher_is_that_of_a_gradient_an_image(name, channels):
    teacher = create_teacher(name, channels, 2, (32, 32), generator=generator(3)).eval()
    x = torch.rand(3, channels, 32, 32, generator=generator(4))
    with torch.no_grad():
        shape = teacher(x).shape[1:]
    direction = torch.rand(shape, generator=generator(5))
    rows = []
    for one in x:
        grads = torch.autograd.grad((teacher(one[None])[0] * direction).sum(), list(teacher.parameters()))
        rows.append(torch.cat([g.flatten() for g in grads]))
    wanted = torch.stack(rows) @ torch.stack(rows).mT
    got = gram(teacher, x, direction.expand(1, 3, *shape)).detach()
    np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=2e-3)


def test_alignment_by_hand_and_what_it_does_not_see():
    g = generator(6)
    a, b = (m @ m.T for m in (torch.randn(6, 4, generator=g, dtype=torch.float64) for _ in range(2)))
    c = np.eye(6) - 1 / 6
    k, m = c @ a.numpy() @ c, c @ b.numpy() @ c
    wanted = 1 - (k * m).sum() / (np.linalg.norm(k) * np.linalg.norm(m))
    assert float(alignment_loss(a, b)) == pytest.approx(wanted, rel=1e-10)
    assert float(alignment_loss(3 * a + 7, a)) == pytest.approx(0.0, abs=1e-12)
    assert wanted > 0.05


@pytest.mark.parametrize("of", ["electronics", "network"])
def test_the_tangent_loss_has_the_derivative_of_its_value(of):
    """Through the second derivatives of the optics too: against a difference quotient in double precision."""
    model, x = twelve().double(), twelve_pixels().images[:6].double()
    teacher = create_teacher("lenet5", 1, 3, (12, 12), generator=generator(9)).double()
    directions = torch.eye(3, dtype=torch.float64)[:, None].expand(-1, 6, 3)
    wanted = gram(teacher, x, directions).detach()

    def value() -> torch.Tensor:
        own = gram(model.backend, model.eval().features(x), directions)
        if of == "network":
            own = own + gram_of_optics(model, x, directions, model.cascade)
        return alignment_loss(own, wanted)

    optics = next(model.cascade.parameters())
    (slope,) = torch.autograd.grad(value(), optics)
    way = torch.randn(optics.shape, generator=generator(1), dtype=optics.dtype)
    step, at = 1e-5, optics.detach().clone()
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            optics.copy_(at + sign * step * way)
        ends.append(float(value().detach()))
    quotient = (ends[0] - ends[1]) / (2 * step)
    assert abs(quotient) > 1e-4
    assert float((slope.conj() * way).real.sum()) == pytest.approx(quotient, rel=1e-4)


def test_the_kernel_of_the_network_is_that_of_its_tangents():
    model, x = twelve().double().eval(), twelve_pixels().images[:4].double()
    directions = torch.eye(3, dtype=torch.float64)[:, None].expand(-1, 4, 3)
    got = gram_of_optics(model, x, directions, model.cascade).detach()
    wanted = torch.zeros(4, 4, dtype=torch.float64)
    step = 1e-6
    for p in model.cascade.parameters():
        flat = p.detach().view(-1) if not p.is_complex() else torch.view_as_real(p.detach()).view(-1)
        for k in range(flat.numel()):
            values = []
            for sign in (1, -1):
                flat[k] += sign * step
                values.append(logits(model, x))
                flat[k] -= sign * step
            tangent = (values[0] - values[1]) / (2 * step)
            wanted += tangent @ tangent.T / 3
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("pixels", [False, True])
def test_tangents_are_taken_of_what_counts(pixels):
    """Void images and pixels have no tangents; of more outputs than directions, random ones are taken."""
    g = generator(3)
    images = torch.rand(6, 1, 8, 8, generator=g)
    labels = torch.randint(0, 3, (6, 8, 8) if pixels else (6,), generator=g)
    labels[2] = VOID
    head = "segmenter" if pixels else "classifier"
    model = Student.build(
        (1, 2, 3), image_shape=(8, 8), classes=3, bins=(4, 4), head=head, generator=generator()
    )
    teacher = create_teacher("unet", 1, 3, (8, 8), generator=generator(9)) if pixels else linear_teacher()
    run = Run(
        model, (images, labels), (images, labels), spec_with(tangent={"images": 5, "directions": 4}), teacher
    )
    seen = seen_by(run, 6)
    directions = run.terms["tangent"]._directions(seen, 5)
    assert directions.shape[:2] == ((4, 5) if pixels else (3, 5))
    assert not directions[:, 2].any()
    assert directions[:, 3].abs().sum() > 0
    loss = run.terms["tangent"].mean(seen)
    loss.backward()
    assert 0 < float(loss.detach()) < 2
    assert all(bool(p.grad.abs().sum() > 0) for p in model.cascade.parameters())


# ---------------------------------------------------------------------- in a training
