"""Distillation methods: each against its formula in numpy, for classes and for pixels, void and unlabelled ones too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distill.data.augmentation import Answers
from distill.data.dataset import UNLABELLED, VOID
from distill.training.distillation import DistillationSpec, Ramp
from distill.training.losses.hints import Hint
from distill.training.losses.tangent import alignment_loss, gram, gram_of_optics
from distill.training.losses.term import Seen, Setup
from distill.training.losses.terms import terms_of
from distill.training.run import Run
from distill.training.spec import TrainSpec
from distill.training.taps import Taps, last_maps
from distill.training.teaching import Guide, logits
from networks import Student, create_teacher, teacher_names
from optics.checks import OpticsError, SpecError
from tests.distill.training.test_options import parts
from tests.distill.training.test_train_loop import blobs, same, small
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
