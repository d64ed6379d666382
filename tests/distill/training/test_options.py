"""The options of a training: each against its formula, each resumed bit for bit, alone and all together."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from distill.data.augmentation import Answers
from distill.data.dataset import UNLABELLED, VOID
from distill.training.losses.functions import cross_entropy, dice_loss
from distill.training.run import Run
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide, Memory
from distill.training.thinning import Thinning
from distill.training.train_loop import fit, train
from networks import Student
from networks.cascade.convolution import ALL as ALL_PIXELS
from networks.cascade.convolution import Every
from optics.checks import OpticsError, SpecError
from optics.devices import multiplies_bfloat16
from tests.distill.training.test_train_loop import blobs, same, small
from tests.scenes import generator

DATA, HELD = blobs(), blobs(30, 1)
SPEC = TrainSpec(epochs=4, batch_size=16, learning_rate=1e-2, seed=3)
OPTIONS = {
    "ema": {"step.ema": 0.9},
    "smoothing": {"label_smoothing": 0.1},
    "mixup": {"augmentation.mixup": 0.4},
    "cutout": {"augmentation.cutout": 3},
    "crop": {"augmentation.crop": 1},
    "light": {"augmentation.brightness": 0.5, "augmentation.gamma": 0.3, "augmentation.colour": 0.1},
    "accumulate": {"step.accumulate": 4},
    "clip": {"step.clip": 0.1},
    "bf16": {"step.precision": "bf16"},
    "patience": {"patience": 3},
    "every": {"step.every": 5},
    "rates": {"step.rates": {"optics": 0.3, "backend": 2.0}},
}
ALL = {key: value for option in OPTIONS.values() for key, value in option.items()}


@pytest.fixture(autouse=True)
def products(monkeypatch):
    """This processor multiplies bfloat16, whichever it is; what a name in the dictionary says where it does not."""
    there = {"avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: there)
    return there


class Stop(Exception):
    pass


@pytest.mark.parametrize("name", [*OPTIONS, "all"])
def test_an_option_matters_and_a_stopped_run_goes_on_bit_for_bit(tmp_path, name):
    spec = SPEC.replace(**OPTIONS.get(name, ALL))
    whole, part = small(), small()
    history = train(whole, DATA, HELD, spec, directory=tmp_path / "whole")

    def stopping(done, _total, _note):
        if done == 15:
            raise Stop

    with pytest.raises(Stop):
        train(part, DATA, HELD, spec, directory=tmp_path / "part", progress=stopping)
    resumed = small()
    again = train(resumed, DATA, HELD, spec, directory=tmp_path / "part")
    assert same(whole, resumed)
    assert [e.loss for e in again.epochs] == [e.loss for e in history.epochs]
    if name != "patience":
        plain = small()
        train(plain, DATA, HELD, SPEC, directory=tmp_path / "plain")
        assert not same(whole, plain)


def linear(seed: int = 0, pixels: bool = False) -> nn.Module:
    layers = (nn.Identity(), nn.Conv2d(1, 3, 3, padding=1)) if pixels else (nn.Flatten(), nn.Linear(100, 3))
    made = nn.Sequential(*layers)
    with torch.no_grad():
        made[1].weight.copy_(torch.randn(made[1].weight.shape, generator=generator(seed)) * 0.1)
        made[1].bias.zero_()
    return made


def parts(data):
    return data.images, data.labels


def of_pixels(data):
    """Bright pixels; the upper half of a third of the images is void, every fifth image without a label."""
    labels = (data.images[:, 0] > 0.5).long()
    labels[: len(labels) // 3, :5], labels[::5] = VOID, UNLABELLED
    return data.images, labels


def with_few_labels(data):
    return data.images, data.labels.where(torch.arange(len(data.labels)) % 5 == 0, UNLABELLED)


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (parts, {}),
        (with_few_labels, {"distillation.alpha": 0.3}),
        (with_few_labels, {"distillation.alpha": 0.3, "distillation.hint": {"student": "1", "teacher": "1"}}),
        (of_pixels, {"dice": 0.5, "distillation": {"alpha": 0.3, "dice": 0.5}, "augmentation.crop": 1}),
    ],
)
def test_accumulated_batches_make_the_step_of_one_large_batch(shown, told):
    """The two orders of the images are the same draws; a linear model has no statistics of a batch."""
    small_steps, large, teacher = (linear(seed, shown is of_pixels) for seed in (0, 0, 5))
    spec = SPEC.replace(epochs=2, **told)
    taught = {"directory": None, "teacher": teacher if told else None}
    held = HELD.images, shown(HELD)[1].clamp(min=0)
    many = spec.replace(batch_size=15, **{"step.accumulate": 3})
    first = fit(small_steps, shown(DATA), held, many, **taught)
    second = fit(large, shown(DATA), held, spec.replace(batch_size=45), **taught)
    torch.testing.assert_close(small_steps[1].weight, large[1].weight, atol=1e-6, rtol=1e-5)
    assert first.epochs[0].loss == pytest.approx(second.epochs[0].loss, rel=1e-5)
    assert first.epochs[1].learning_rate == pytest.approx(second.epochs[1].learning_rate)


def test_the_average_of_the_weights_by_hand():
    model = linear()
    run = Run(model, parts(DATA), parts(HELD), SPEC.replace(**{"step.ema": 0.6}), None)
    average, n, weights = model[1].weight.detach().double().numpy().copy(), 0, []
    step = run.stepper.step

    def watched():
        step()
        weights.append(model[1].weight.detach().double().numpy().copy())

    run.stepper.step = watched
    for _ in range(3):
        run.one_epoch(None)
    for value in weights:
        decay = min(0.6, (1 + n) / (10 + n))
        average, n = decay * average + (1 - decay) * value, n + 1
    kept = run.stepper.kept()["1.weight"].double().numpy()
    np.testing.assert_allclose(kept, average, atol=1e-6)
    assert np.abs(kept - weights[-1]).max() > 1e-4
    shown = copy.deepcopy(model)
    shown.load_state_dict(run.stepper.kept())
    loss = float(cross_entropy(shown(HELD.images), HELD.labels).detach())
    assert run.epochs[-1].validation_loss == pytest.approx(loss, rel=1e-6)  # it is what is validated
    np.testing.assert_array_equal(
        model[1].weight.detach().double().numpy(), weights[-1]
    )  # and not what is trained


def test_a_clipped_gradient_has_the_norm_it_may_have():
    model = linear()
    run = Run(model, parts(DATA), parts(HELD), SPEC.replace(**{"step.clip": 0.05}), None)
    seen = []
    run.stepper.optimiser.register_step_pre_hook(
        lambda *_: seen.append(float(sum(p.grad.square().sum() for p in model.parameters()).sqrt()))
    )
    run.one_epoch(None)
    assert seen == pytest.approx([0.05] * 6, rel=1e-3)


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("mixing", [False, True])
def test_labels_smoothed_and_mixed_by_hand(pixels, smoothing, mixing):
    g, k = generator(4), 5
    shape = (6, 3, 4) if pixels else (6,)
    logits = torch.randn(6, k, *shape[1:], generator=g)
    labels, others = (torch.randint(0, k, shape, generator=g) for _ in range(2))
    labels.view(-1)[1], others.view(-1)[2] = VOID, UNLABELLED
    share = 0.5 + 0.5 * torch.rand(6, generator=g)
    answers = Answers(labels, others, share) if mixing else Answers(labels)
    z = np.moveaxis(logits.double().numpy(), 1, -1).reshape(-1, k)
    log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
    wanted, count = 0.0, 0
    for i, (y, o) in enumerate(zip(labels.reshape(-1).tolist(), others.reshape(-1).tolist(), strict=True)):
        if y < 0 or (mixing and o < 0):
            continue
        lam = float(share[i * 6 // len(z)]) if mixing else 1.0
        target = np.full(k, smoothing / k)
        target[y] += (1 - smoothing) * lam
        target[o if mixing else y] += (1 - smoothing) * (1 - lam)
        wanted, count = wanted - (target * log_p[i]).sum(), count + 1
    got = cross_entropy(logits, answers, smoothing=smoothing)
    assert float(got) == pytest.approx(wanted / count, rel=1e-5)


def test_dice_of_mixed_masks_by_hand():
    g = generator(4)
    logits, share = torch.randn(2, 3, 4, 5, generator=g), torch.tensor([0.7, 0.9])
    labels, others = (torch.randint(0, 3, (2, 4, 5), generator=g) for _ in range(2))
    labels[0, 0], others[1, :, 1] = VOID, VOID
    p = np.exp(logits.double().numpy())
    p /= p.sum(1, keepdims=True)
    each = []
    for b in range(2):
        counts = (labels[b] >= 0).numpy() & (others[b] >= 0).numpy()
        for c in range(3):
            t = float(share[b]) * (labels[b] == c).numpy() + (1 - float(share[b])) * (others[b] == c).numpy()
            q = p[b, c] * counts
            t = t * counts
            each.append(1 - (2 * (q * t).sum() + 1) / (q.sum() + t.sum() + 1))
    got = dice_loss(logits, Answers(labels, others, share))
    assert float(got) == pytest.approx(np.mean(each), rel=1e-5)


def test_rates_scale_the_steps_of_their_parts():
    before = small()
    frozen = small()
    fit(frozen, parts(DATA), parts(HELD), SPEC.replace(**{"step.rates": {"optics": 0.0}}), directory=None)
    for (name, a), (_, b) in zip(before.named_parameters(), frozen.named_parameters(), strict=True):
        assert torch.equal(a, b) == name.startswith("cascade."), name
    with pytest.raises(OpticsError, match=r"rates names 'lens', .* it has optics, backend"):
        fit(small(), parts(DATA), parts(HELD), SPEC.replace(**{"step.rates": {"lens": 0.1}}), directory=None)
    run = Run(
        small(),
        parts(DATA),
        parts(HELD),
        SPEC.replace(**{"step.rates": {"backend": 0.5, "backend.norm": 2}}),
        None,
    )
    run.one_epoch(None)
    rate, sizes = (
        run.stepper.rate,
        {g["initial_lr"]: len(g["params"]) for g in run.stepper.optimiser.param_groups},
    )
    assert [g["lr"] for g in run.stepper.optimiser.param_groups] == pytest.approx(
        [rate, 0.5 * rate, 2 * rate]
    )
    assert sizes[2e-2] == 2


def test_patience_ends_a_run_that_learns_no_more():
    spec = SPEC.replace(epochs=50, patience=3)
    history = fit(small(), parts(DATA), parts(HELD), spec, directory=None)
    assert history.idle == 3
    assert 3 < len(history.epochs) < 50
    order = [(e.validation_accuracy, -e.validation_loss) for e in history.epochs]
    assert order.index(max(order)) == len(order) - 4


@pytest.mark.parametrize(
    ("there", "multiplies"),
    [
        ({"architecture": "x86_64", "avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"architecture": "x86_64", "avx512_bf16": True, "amx_bf16": False}, True),
        ({"architecture": "x86_64", "avx512_bf16": False, "amx_bf16": True}, True),
        ({"architecture": "aarch64", "bf16": True}, True),
        ({"architecture": "aarch64"}, False),
    ],
)
def test_low_precision_is_for_processors_that_multiply_it(products, there, multiplies):
    """Elsewhere the same training is the one in float32, bit for bit, teacher and student."""
    products.clear()
    products.update(there)
    assert multiplies_bfloat16(torch.device("cpu")) == multiplies
    assert multiplies_bfloat16(torch.device("cuda"))
    made = []
    for precision in ("float32", "bf16"):
        model, teacher = small(), linear()
        keys = {"epochs": 1, "step.precision": precision, "augmentation.crop": 1, "distillation.alpha": 0.5}
        fit(model, parts(DATA), parts(HELD), SPEC.replace(**keys), directory=None, teacher=teacher)
        made.append(model)
    assert same(*made) != multiplies


def test_low_precision_is_of_the_electronics_alone():
    model = small()
    seen: dict[str, list[torch.dtype]] = {"backend.classifier": [], "cascade": []}
    for name in seen:
        model.get_submodule(name).register_forward_hook(lambda _m, _x, out, n=name: seen[n].append(out.dtype))
    fit(model, parts(DATA), parts(HELD), SPEC.replace(epochs=1, **{"step.precision": "bf16"}), directory=None)
    assert seen["backend.classifier"][:6] == [torch.bfloat16] * 6  # six training steps
    assert set(seen["backend.classifier"][6:]) == {torch.float32}  # validation
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model(HELD.images).dtype == torch.float32
    assert not model.backend._forward_hooks


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_low_precision_is_of_the_teachers_answers_for_moved_images(precision):
    teacher, seen = linear(), []
    teacher[1].register_forward_hook(lambda _m, _x, out: seen.append(out.dtype))
    keys = {"epochs": 1, "step.precision": precision, "augmentation.crop": 1}
    fit(small(), parts(DATA), parts(HELD), SPEC.replace(**keys), directory=None, teacher=teacher)
    assert seen == [torch.bfloat16 if precision == "bf16" else torch.float32] * 6


def test_students_that_see_the_same_moves_share_the_teachers_answers():
    teacher, asked = linear(), []
    teacher[1].register_forward_hook(lambda _m, _x, out: asked.append(len(out)))
    spec, memory, made = SPEC.replace(epochs=2, **{"augmentation.crop": 1, "step.every": 5}), Memory(), []
    for shared in (memory, None, memory):  # the second time from the start, the third from the memory
        model = small()
        guide = Guide(teacher, DATA.images, moving=True, memory=shared)
        fit(model, parts(DATA), parts(HELD), spec, directory=None, teacher=guide)
        made.append((model, len(asked)))
    assert same(made[0][0], made[1][0]) and same(made[0][0], made[2][0])
    assert [count for _, count in made] == [12, 24, 24]
    control = linear(1)  # without a camera: other draws would show it other images
    fit(control, parts(DATA), parts(HELD), spec, directory=None, teacher=guide)
    assert len(asked) == 24
    small_memory = Memory(most=1000)
    for _ in range(2):
        guide = Guide(teacher, DATA.images, moving=True, memory=small_memory)
        fit(small(), parts(DATA), parts(HELD), spec, directory=None, teacher=guide)
    assert small_memory.held <= 1000
    assert len(asked) == 24 + 2 * 12 - small_memory.held // (15 * 3 * 4)


@pytest.mark.parametrize("channel_sum", ["coherent", "incoherent"])
@pytest.mark.parametrize(("samples", "step"), [(1, 2), (2, 2), (2, 4)])
def test_bins_of_some_samples_are_those_of_all_in_the_mean(channel_sum, samples, step):
    parts = {"bins": (2, 2), "channel_sum": channel_sum, "oversampling": samples}
    student = Student.build((2, 3), image_shape=(12, 8), classes=3, **parts, generator=generator())
    images, thinning = (
        torch.rand(4, 2, 12, 8, generator=generator(1)),
        Thinning(student, DATA.images, 1, seed=0),
    )
    whole = student.features(images)
    found = []
    for y in range(step):
        for x in range(step):
            with student.readout.camera.thinned(Every(step, (y, x))):
                found.append(student.features(images))
    assert not torch.allclose(found[0], found[3], rtol=0.01)
    torch.testing.assert_close(torch.stack(found).mean(0), whole)
    with thinning.open(0, 10):
        assert torch.equal(student.features(images), whole)


def test_thinning_draws_every_place_and_ends_before_the_last_steps():
    student = small()
    thinning, camera = Thinning(student, DATA.images, 5, seed=3), student.readout.camera
    places: list[tuple[int, int]] = []
    for made in range(400):
        with thinning.open(made, 500):
            places.append(camera.every.first)
            assert camera.every.step == 5
    assert set(places) == {(y, x) for y in range(5) for x in range(5)}
    assert all(places.count(place) < 40 for place in places)  # 16 each
    assert camera.every == ALL_PIXELS
    with thinning.open(14, 20):  # a short training ends on them too
        assert camera.every == ALL_PIXELS
    with thinning.open(490, 500):
        assert camera.every == ALL_PIXELS
    with Thinning(student, DATA.images, 5, seed=4).open(0, 500):
        other = camera.every.first
    with thinning.open(1, 500):
        assert (other, camera.every.first) != (places[0], places[0])


def test_frozen_masks_see_every_sample_in_the_last_fifty_steps_at_most():
    """What the averages of the electronics forget of the thinned steps: 0.9 a step."""
    student = small()
    student.cascade.requires_grad_(False)
    for frozen, steps, first in (
        (True, 10_000, 9_950),
        (True, 1_000, 980),
        (True, 20, 10),
        (False, 10_000, 9_800),
    ):
        student.cascade.requires_grad_(not frozen)
        thinning, camera = Thinning(student, DATA.images, 5, seed=3), student.readout.camera
        for made, whole in ((first - 1, False), (first, True)):
            with thinning.open(made, steps):
                assert (camera.every == ALL_PIXELS) == whole


def test_thinning_asks_for_bins_of_whole_groups_and_leaves_other_models_alone():
    with pytest.raises(
        OpticsError, match=r"10 x 10 camera pixels in 2 x 2 bins are not whole groups of 2 x 2"
    ):
        Thinning(small(), DATA.images, 2, seed=0)
    finer = Student.from_spec(small().spec.replace(**{"readout.oversampling": 2}), generator=generator())
    with pytest.raises(
        OpticsError, match=r"10 x 10 camera pixels of 2 x 2 samples in 2 x 2 bins are not whole"
    ):
        Thinning(finer, DATA.images, 4, seed=0)
    with pytest.raises(
        OpticsError, match=r"every is 5, and readout.oversampling 2: .* a multiple of 2, or 1"
    ):
        Thinning(finer, DATA.images, 5, seed=0)
    assert Thinning(finer, DATA.images, 2, seed=0).step == 2
    assert Thinning(linear(), DATA.images, 2, seed=0).camera is None
    sizes = {"image_shape": (12, 12), "classes": 3, "generator": generator()}
    control = Student.no_mask((1, 4), bins=(2, 2), **sizes)
    assert control.readout.camera.bins == (4, 4)  # as many numbers as the student's
    assert Thinning(control, torch.zeros(2, 1, 12, 12), 6, seed=0).step == 3
    homodyne = Student.build(
        (1, 2), image_shape=(10, 10), classes=3, bins=(2, 2), readout="homodyne", generator=generator()
    )
    assert Thinning(homodyne, DATA.images, 2, seed=0).camera is None


def test_options_of_steps_are_found_by_their_names():
    with pytest.raises(SpecError, match=r"'step\.ema'"):
        TrainSpec(ema=0.9)


def test_per_pixel_training_with_every_option_is_finite_and_learns():
    images = torch.rand(20, 1, 8, 8, generator=generator())
    labels = (images[:, 0] < 0.5).long()
    labels[:, 0], labels[3] = VOID, UNLABELLED
    model = Student.build(
        (1, 2, 3), image_shape=(8, 8), classes=2, bins=None, head="segmenter", generator=generator()
    )
    keys = {k: v for k, v in ALL.items() if k not in ("patience", "step.every")} | {"dice": 0.5, "epochs": 3}
    history = fit(model, (images, labels), (images[:3], labels[:3]), SPEC.replace(**keys), directory=None)
    assert all(np.isfinite(e.loss) for e in history.epochs)
