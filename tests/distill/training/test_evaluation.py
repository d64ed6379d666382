"""Rows of the table: their definition, their noise, and a back end fitted to what the bench gives."""

from __future__ import annotations

import pytest
import torch

from distill.data.augmentation import AugmentSpec
from distill.data.dataset import Dataset
from distill.metrics.row import Row, score
from distill.training import evaluation
from distill.training.evaluation import evaluate, evaluate_draws, refit_backend
from distill.training.losses.tangent import gram, gram_of_optics
from distill.training.spec import TrainSpec
from distill.training.teaching import logits
from distill.training.train_loop import train
from networks import Student
from networks.onbench.network import OnBench
from optics.bench.files import bench_from_dict
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from tests.scenes import generator

SHAPE = (10, 10)


def bench(**changes) -> BenchSpec:
    """A small bench: complex modulator, coarse camera, few photons."""
    made = bench_from_dict(
        {
            "name": "small",
            "light": {"wavelength": 532e-9, "photons": 200.0},
            "input": {"pitch": 32e-6},
            "lens1": {"focal_length": 0.2},
            "lens2": {"focal_length": 0.2},
            "stop": {"width": [3.325e-3, 3.325e-3]},
            "slm": {"shape": [128, 128], "pitch": 32e-6},
            "camera": {"shape": [400, 400], "pitch": 16e-6, "shot_noise": True, "read_noise": 5.0},
        },
        source="a test",
    )
    return made.replace(**changes)


def shapes(n: int = 60, seed: int = 0) -> Dataset:
    labels = torch.arange(n) % 3
    images = 0.3 * torch.rand(n, 1, *SHAPE, generator=generator(seed))
    images[labels == 0, :, :4, :4] += 0.6
    images[labels == 1, :, 6:, 6:] += 0.6
    images[labels == 2, :, 4:6, :] += 0.6
    return Dataset(images, labels, ("corner", "other corner", "bar"), "made here")


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> Student:
    model = Student.build((1, 2, 3), image_shape=SHAPE, classes=3, bins=(2, 2), generator=generator())
    spec = TrainSpec(epochs=6, batch_size=16, learning_rate=1e-2)
    train(model, shapes(), shapes(30, 1), spec, directory=tmp_path_factory.mktemp("student"))
    return model


def test_accuracy_is_the_share_of_right_answers():
    data = shapes(6)

    class Guess(torch.nn.Module):
        def forward(self, x):
            out = torch.zeros(len(x), 3)
            out[:, 0] = 1
            out[:1, 1] = 2  # the first of each batch is called class 1
            return out

    row = evaluate(Guess(), data)
    assert row == Row(accuracy=1 / 6, spread=0.0, draws=1, images=6)
    # two right and two wrong more than there are
    assert row.uncertainty == pytest.approx((0.3 * 0.7 / 10) ** 0.5)
    table = evaluation.confusion(Guess(), data)
    assert table.tolist() == [[1, 1, 0], [2, 0, 0], [2, 0, 0]]  # row: true, column: answer
    assert evaluate(Guess(), data, batch_size=1).accuracy == pytest.approx(2 / 6)


def test_mean_and_spread_over_draws():
    answers = torch.tensor([[0, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]])
    row = score(answers, torch.tensor([0, 1, 1, 1]))
    assert row.accuracy == pytest.approx((0.75 + 1.0 + 0.5) / 3)
    assert row.spread == pytest.approx(0.25)
    assert (row.draws, row.images) == (3, 4)


def test_ideal_bench_is_the_ideal_row_without_spread(student):
    ideal = student.on(bench().ideal(), image_shape=SHAPE).eval()
    row = evaluate_draws(ideal, shapes(30, 2), draws=3)
    assert row.spread == 0.0
    assert row.accuracy == evaluate(ideal, shapes(30, 2)).accuracy
    assert row.accuracy == pytest.approx(evaluate(student, shapes(30, 2)).accuracy, abs=0.04)


@pytest.mark.parametrize("flicker", [0.0, 0.5])
def test_draws_are_independent_and_repeatable(student, flicker):
    # one path where the light is computed once, one where the SLM is drawn anew
    changes = {"slm.modulation": "phase", "slm.flicker": flicker} if flicker else {}
    made = bench(**changes)
    if flicker:
        made = made.replace(**{"encoding.method": "phase_only"})
    noisy = student.on(made, image_shape=SHAPE)
    data = shapes(12, 2)
    first = evaluation.record_features(noisy, data.images, draws=3, seed=5)
    again = evaluation.record_features(noisy, data.images, draws=3, seed=5)
    assert first.shape == (3, 12, 3, 2, 2)
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    shifted = evaluation.record_features(noisy, data.images, draws=2, seed=6)
    assert torch.equal(first[1:], shifted)
    alone = noisy.eval().features(data.images, generator=generator(5))
    torch.testing.assert_close(first[0], alone, rtol=1e-5, atol=1e-6)


def test_less_light_is_worse(student):
    data = shapes(60, 2)
    bright = evaluate_draws(student.on(bench(), image_shape=SHAPE), data, draws=4)
    dark = evaluate_draws(student.on(bench(**{"light.photons": 0.05}), image_shape=SHAPE), data, draws=4)
    assert dark.accuracy < bright.accuracy - 0.1
    assert dark.spread > 0
    table = evaluation.confusion(student.on(bench(), image_shape=SHAPE), data, draws=4, seed=0)
    assert int(table.sum()) == 4 * 60
    assert float(table.diagonal().sum()) / 240 == pytest.approx(bright.accuracy)


def test_refit_wins_back_what_a_shifted_camera_costs(student, tmp_path):
    # a camera shifted by a third of the image mixes up the bins; the back end can be taught the new ones
    made = bench(**{"alignment.camera_shift": (1e-4, -6e-5), "slm.reflectivity": 0.6})
    on_bench: OnBench = student.on(made, image_shape=SHAPE)
    before = [p.clone() for p in on_bench.backend.parameters()]
    spec = TrainSpec(epochs=20, batch_size=16, learning_rate=1e-2)
    refitted = refit_backend(
        on_bench, shapes(), shapes(30, 1), spec, teacher=student, seed=7, draws=2, directory=tmp_path
    )
    data = shapes(60, 2)
    as_is = evaluate_draws(on_bench, data, draws=3)
    after = evaluate_draws(refitted, data, draws=3)
    assert after.accuracy > as_is.accuracy + 0.05
    assert all(torch.equal(a, b) for a, b in zip(before, on_bench.backend.parameters(), strict=True))
    assert refitted.optics is on_bench.optics
    assert (tmp_path / "history.csv").is_file()
    again = refit_backend(
        on_bench, shapes(), shapes(30, 1), spec, teacher=student, seed=7, draws=2, directory=None
    )
    for a, b in zip(refitted.backend.parameters(), again.backend.parameters(), strict=True):
        assert torch.equal(a, b)


def test_bad_requests_are_told(student):
    on_bench = student.on(bench(), image_shape=SHAPE)
    data = shapes(6)
    with pytest.raises(OpticsError, match="draws is 0"):
        evaluate_draws(on_bench, data, draws=0)
    with pytest.raises(OpticsError, match="there are no images"):
        evaluate(student, data.take(torch.zeros(0, dtype=torch.int64)))
    with pytest.raises(OpticsError, match="set the refit's augmentation to zero"):
        refit_backend(on_bench, data, data, TrainSpec(augmentation=AugmentSpec(shift=1.0)))


def test_a_hint_of_the_back_end_alone_names_its_part(tmp_path):
    mixing = Student.build((1, 2, 4), image_shape=SHAPE, classes=3, bins=(2, 2), mix=3, generator=generator())
    on_bench, data = mixing.on(bench(), image_shape=SHAPE), shapes(12)

    def refit(hint):
        spec = TrainSpec(epochs=1, batch_size=6, distillation={"hint": hint})
        return refit_backend(on_bench, data, data, spec, teacher=mixing)

    with pytest.raises(
        OpticsError, match=r"is trained alone, .*; name one of its own parts, as hint\.student = 'mix'"
    ):
        refit({})
    refitted = refit({"student": "mix", "teacher": "backend.root"})
    assert not torch.equal(refitted.backend.mix.weight, on_bench.backend.mix.weight)


def _asked() -> dict:
    """Everything that asks a network something in `eval` mode, of a network and data."""
    directions = torch.eye(3)[:, None].expand(3, 4, 3)
    return {
        "logits": lambda net, data: logits(net, data.images),
        "a row": evaluate,
        "the tangents of the electronics": lambda net, data: gram(
            net.backend, net.features(data.images[:4]), directions
        ),
        "the tangents of the optics": lambda net, data: gram_of_optics(
            net, data.images[:4], directions, net.cascade
        ),
    }


@pytest.mark.parametrize("asked", _asked())
def test_what_is_asked_is_left_in_its_modes_frozen_parts_too(asked):
    net = Student.build((1, 2), image_shape=SHAPE, classes=3, bins=(2, 2), generator=generator()).train()
    frozen = net.backend.norm.eval()
    modes = {name: part.training for name, part in net.named_modules()}
    assert sum(modes.values()) == len(modes) - 1 and not frozen.training
    _asked()[asked](net, shapes(12))
    assert {name: part.training for name, part in net.named_modules()} == modes
