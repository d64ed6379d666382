"""The bench in the loop: its forward pass, its twin's gradient; and back ends fitted to what it gave."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from calibration.rigs.captures import capture_images
from calibration.rigs.simulated import simulated_rig
from distill.data.dataset import Dataset
from distill.training.captured import (
    captured_accuracy,
    features_of_captures,
    learning_curve,
    refit_on_captures,
)
from distill.training.in_the_loop import InTheLoop, measured_forward, train_in_the_loop
from distill.training.spec import TrainSpec
from optics.checks import OpticsError
from tests.scenes import REAL, SHAPE, error, generator, lopsided, on, student

TWIN = REAL.replace(
    **{
        "slm.crosstalk": (0.0, 0.0),
        "slm.shape": (120, 128),
        "slm.pitch": 16e-6,
        "alignment": {},
        "camera.adc.bits": None,
        "camera.full_well": None,
        "camera.adc.gain": 1.0,
    }
)
TRUE = TWIN.replace(
    **{
        "alignment.mask_shift": (60e-6, -40e-6),
        "alignment.camera_shift": (20e-6, 30e-6),
        "slm.response.gamma": 1.3,
    }
)
SPEC = TrainSpec(epochs=2, batch_size=8, learning_rate=5e-3)


def data(count, seed=3):
    x = lopsided(count, 1, *SHAPE, seed=seed)
    labels = torch.arange(count) % 2
    x[labels == 1] = x[labels == 1].flip(-1)
    return Dataset(x, labels, class_names=("left", "right"), source="made", licence="none")


def really(model, **options):
    """The network on the true bench, its levels those that the twin's response asks for."""
    return on(model, TRUE, assumed_response=TWIN.slm.response, **options)


def loss(out, labels):
    return torch.nn.functional.cross_entropy(out, labels)


def gradients(model, forward, images):
    model.zero_grad(set_to_none=True)
    loss(forward(images.images), images.labels).backward()
    return torch.cat([p.grad.flatten().to(torch.complex64) for p in model.parameters()])


def test_value_is_what_was_measured_and_gradient_what_was_predicted():
    p = torch.tensor([2.0, 3.0], requires_grad=True)
    out = measured_forward(torch.tensor([5.0, 7.0]), p**2)
    assert out.tolist() == [5.0, 7.0]
    assert torch.autograd.grad(out.sum(), p)[0].tolist() == [4.0, 6.0]


def test_with_the_bench_as_its_own_twin_it_is_ordinary_training():
    model, images = student((1, 3), classes=2), data(4)
    loop = InTheLoop(model, TRUE, simulated_rig(TRUE, TWIN)).train()
    ordinary = on(model, TRUE).train()
    assert error(loop.features(images.images).detach(), ordinary.features(images.images).detach()) < 5e-3
    got = gradients(model, loop, images)
    assert error(got, gradients(model, ordinary, images)) < 0.02
    assert loop.images == 8


def test_with_a_wrong_twin_the_loss_on_the_bench_still_falls():
    model, images = student((1, 3), classes=2), data(6)
    loop = InTheLoop(model, TWIN, simulated_rig(TRUE, TWIN)).train()
    true = gradients(model, really(model).train(), images)
    got = gradients(model, loop, images)
    along = float((got.conj() * true).sum().real / got.norm() / true.norm())
    assert along > 0.8
    with torch.no_grad():
        before = float(loss(really(model)(images.images), images.labels))
    gradients(model, loop, images)
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.02 * p.grad / got.norm()
        assert float(loss(really(model)(images.images), images.labels)) < before


def test_training_in_the_loop_learns_what_the_bench_shows_and_counts_what_it_asked(tmp_path):
    model = student((1, 3), classes=2)
    rig = simulated_rig(TRUE, TWIN, generator=generator())
    trained, history, shown = train_in_the_loop(
        model, TWIN, rig, data(24), data(8, 5), SPEC.replace(epochs=4, learning_rate=2e-2), directory=tmp_path
    )
    assert shown == 4 * (24 + 8) and history.epochs[-1].validation_loss < history.epochs[0].validation_loss
    truly = really(model).eval()
    test = data(16, 7)
    assert float((truly(test.images).argmax(1) == test.labels).float().mean()) > 0.75
    assert trained.backend is model.backend


def test_a_stopped_training_goes_on_with_the_same_bench_and_with_no_other(tmp_path):
    class Stop(Exception):
        pass

    def stopping(done, total, _note):
        if done == total:
            raise Stop

    def go(twin=TWIN, true=TRUE, progress=None):
        rig, spec = simulated_rig(true, twin), SPEC.replace(epochs=2)
        options = {"directory": tmp_path, "progress": progress}
        return train_in_the_loop(student((1, 3), classes=2), twin, rig, data(8), data(4, 5), spec, **options)

    with pytest.raises(Stop):
        go(progress=stopping)
    other = TWIN.replace(**{"alignment.mask_shift": (10e-6, 0.0)})
    for changed, said in (({"true": TWIN}, "another rig"), ({"twin": other}, "another twin")):
        with pytest.raises(OpticsError, match=f"a run with {said}; use another directory"):
            go(**changed)
    assert go()[2] == 12  # of the second epoch alone


def test_the_example_learns_on_a_bench_that_nobody_described():
    path = Path(__file__).parents[3] / "examples" / "in_the_loop.py"
    before, after = runpy.run_path(str(path))["main"]()
    assert before < 0.85 and after > before + 0.1


def captured(model, count, labels=True):
    network, images = on(model, TWIN), data(count)
    fourf = network.optics.fourf
    corner = (fourf.rows.start, fourf.cols.start)
    captures = capture_images(
        simulated_rig(TRUE, TWIN, generator=generator()),
        network.optics.levels()[:, fourf.rows, fourf.cols].contiguous(),
        images.images[:, 0],
        region=network.recorders[0].region,
        panel_corner=corner,
        labels=images.labels if labels else None,
    )
    return network, captures


@pytest.fixture(scope="module")
def session():
    return captured(student((1, 3), classes=2), 60)


def test_features_of_captures_are_those_of_the_true_bench(session):
    network, captures = session
    truly = really(student((1, 3), classes=2))
    wanted = truly.features(data(60).images).detach()
    assert error(features_of_captures(network, captures), wanted) < 0.03


@pytest.mark.parametrize("taught", ["labels", "both", "teacher"])
def test_a_back_end_is_fitted_on_labels_or_distilled(session, taught):
    network, captures = session
    teacher = 8.0 * torch.nn.functional.one_hot(captures.labels, 2).float()
    given = captured(student((1, 3), classes=2), 60, labels=taught != "teacher")[1]
    spec = SPEC.replace(epochs=8)
    fitted = refit_on_captures(network, given, spec, teacher=None if taught == "labels" else teacher)
    features = features_of_captures(network, captures)
    assert captured_accuracy(fitted.backend, features, captures.labels) > 0.9
    assert captured_accuracy(network.backend, features, captures.labels) < 0.9
    assert fitted.optics is network.optics


def test_a_learning_curve_begins_with_the_back_end_as_it_came(session):
    network, captures = session
    curve = learning_curve(network, captures, (20, 40), SPEC.replace(epochs=8), held=20)
    assert [p.images for p in curve] == [0, 20, 40]
    assert curve[-1].accuracy > curve[0].accuracy


def test_what_does_not_belong_together_is_refused(session):
    network, captures = session
    with pytest.raises(OpticsError, match="other masks"):
        features_of_captures(on(student((1, 4), classes=2), TWIN), captures)
    with pytest.raises(OpticsError, match="20 or more"):
        refit_on_captures(network, captures, SPEC, count=5)
    with pytest.raises(OpticsError, match="Capture more"):
        learning_curve(network, captures, (50,), SPEC, held=20)
    with pytest.raises(OpticsError, match="reference beam"):
        InTheLoop(student((1, 3), readout="homodyne"), TWIN, simulated_rig(TRUE, TWIN))
    bare = captured(student((1, 3), classes=2), 20, labels=False)[1]
    with pytest.raises(OpticsError, match="no labels"):
        refit_on_captures(network, bare, SPEC)
