"""Long jobs on every device: a training that goes on elsewhere, rows of a bench, a study, a twin, a whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from calibration.twin.derivatives import linearise
from calibration.twin.model import Model
from calibration.twin.start import coarse_start
from distill.cli.main import main
from distill.data.augmentation import AugmentSpec
from distill.job import config
from distill.job.job import Job
from distill.pipeline import main_job
from distill.training.checkpoint import save
from distill.training.evaluation import evaluate, evaluate_draws, refit_backend
from distill.training.spec import TrainSpec
from distill.training.train_loop import train
from networks import Student
from networks.teachers.registry import create_teacher
from optics import devices
from optics.checks import SpecError
from tests.calibration.twin import test_model as twin
from tests.distill.studies import studybench
from tests.distill.training.test_evaluation import SHAPE, bench, shapes
from tests.places import PLACES, Place, params
from tests.scenes import generator

SPEC = TrainSpec(epochs=2, batch_size=32, learning_rate=1e-2, augmentation=AugmentSpec(shift=1.0, flip=True))


@pytest.fixture(params=params("fake", "cuda", "mps"))
def place(request, monkeypatch) -> Iterator[Place]:
    with request.param.here(monkeypatch) as found:
        yield found


def model() -> Student:
    return Student.build((1, 2, 3), image_shape=SHAPE, classes=3, bins=(2, 2), generator=generator())


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().cpu().flatten() for p in module.parameters()])


def test_a_training_begins_on_one_device_and_ends_on_the_other(place, tmp_path):
    """Distilled, with moved images: the same weights wherever its two epochs were made."""
    teacher = create_teacher("lenet5", 1, 3, (28, 28), generator=generator())
    teacher = torch.nn.Sequential(torch.nn.Upsample((28, 28)), teacher)

    def trained(first: str, then: str) -> torch.Tensor:
        made, folder = model().to(first), tmp_path / f"{first}-{then}"
        options = {"directory": folder, "teacher": teacher}
        stop = iter(range(10**6))

        def once(done: int, total: int, note: str) -> None:
            if next(stop) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(made, shapes(), shapes(30, 1), SPEC, progress=once, **options)
        made = model().to(then)
        history = train(made, shapes(), shapes(30, 1), SPEC, **options)
        assert len(history.epochs) == 2 and devices.device_of(made).type == then
        return weights(made)

    want = trained("cpu", "cpu")
    for first, then in ((place.name, place.name), (place.name, "cpu"), ("cpu", place.name)):
        place.near_to(trained(first, then), want)


def test_the_rows_of_a_bench(place):
    """Ideal, noisy over draws, and with a refitted back end."""
    rows = []
    for name in ("cpu", place.name):
        made = model().to(name)
        on_bench = made.on(bench(), image_shape=SHAPE).eval()
        assert devices.device_of(on_bench).type == name
        refitted = refit_backend(on_bench, shapes(), shapes(30, 1), SPEC.replace(augmentation=AugmentSpec()))
        rows.append(
            (evaluate(made, shapes()), *(evaluate_draws(b, shapes(), draws=2) for b in (on_bench, refitted)))
        )
    if place.near == 0.0:
        assert rows[0] == rows[1]


def test_a_study(place, tmp_path):
    found = [
        studybench.quick(tmp_path / name, device=name, vary=["slm.flicker=0,0.3"], refit=TrainSpec(epochs=1))
        for name in ("cpu", place.name)
    ]
    assert found[1].plan.device == place.name
    for a, b in zip(found[0].rows, found[1].rows, strict=True):
        assert a.cell.key == b.cell.key
        assert (a.as_is, a.refit) == (b.as_is, b.refit) or place.near > 0.0


@pytest.mark.parametrize("place", params(), indirect=True)
def test_a_twin_predicts_and_knows_its_derivatives(place):
    parameters = twin.PARAMETERS[::5]
    for refined in (False, True):
        made = []
        for where in (devices.CPU, torch.device(place.name)):
            model = Model(twin.blank(1), where)
            if refined:
                model.refine(twin.BENCH)
            made.append(linearise(model, twin.BENCH, parameters))
        place.near_to(made[1][0].counts, made[0][0].counts)
        place.near_to(made[1][1], made[0][1])
    starts = [
        coarse_start(twin.BENCH, twin.blank(2), twin.Tolerances(mask_shift=2e-5), device=d)
        for d in (devices.CPU, torch.device(place.name))
    ]
    assert [s[0] for s in starts[0]] == [s[0] for s in starts[1]] or place.near > 0.0


@pytest.mark.slow
def test_a_whole_run_has_the_rows_of_the_cpu(place, tmp_path, capsys):
    """The main job with few images: every step computes on the device, files are made on the CPU."""
    few = [
        "data.limit=40",
        "teacher.training.epochs=1",
        "student.training.epochs=1",
        "refit.epochs=1",
        "student.repeats=1",
    ]
    few += ["evaluation.draws=2", "export.count=2", "verify.wave_images=2", "verify.lightpipes_images=0"]
    few += ["verify.agreement=0.0", "student.channels=[1, 2, 3]", "student.bins=[2, 2]"]
    found = []
    for name in ("cpu", place.name):
        sets = [*few, f'device="{name}"']
        found.append(main_job.run(config.demo(fast=True, sets=sets), tmp_path / name))
        assert Job.prepare(config.demo(fast=True, sets=sets), tmp_path).device.type == name
    if place.near == 0.0:
        assert found[0]["rows"] == found[1]["rows"]
        assert found[0]["verify"]["wave"]["accuracy"] == found[1]["verify"]["wave"]["accuracy"]
    assert main(["evaluate", str(tmp_path / place.name), "--device", "cpu", "--json"]) == 0


# ---------------------------------------------------------------------- a device that is not there


@pytest.mark.parametrize("name", ["cuda:7", "tpu", "cpu:3"])
def test_a_device_that_is_not_there_is_told_in_one_line(name):
    with pytest.raises(SpecError, match=rf"device '{name}' is not here.*; there is .*cpu") as told:
        devices.find(name)
    assert "\n" not in str(told.value)


def test_auto_is_the_first_accelerator(monkeypatch):
    assert devices.find("auto").type == devices.available()[0].split(":")[0]
    monkeypatch.setattr(devices, "available", lambda: ("cuda:0", "cuda:1", "cpu"))
    assert [str(devices.find(n)) for n in ("auto", "cuda", "cuda:1", "cpu")] == [
        "cuda:0",
        "cuda",
        "cuda:1",
        "cpu",
    ]


@pytest.mark.parametrize("command", ["run", "evaluate", "study", "compare", "calibrate", "demo", "report"])
def test_every_command_says_which_devices_are_there(command, tmp_path, capsys):
    network, told = tmp_path / "mine.safetensors", tmp_path / "mine.toml"
    save(Student.build((1, 2), image_shape=(28, 28), classes=10, generator=generator()), network)
    told.write_text("[data]\nlimit = 40\n")
    rest = {
        "run": [str(told), "-d", str(tmp_path / "a")],
        "demo": ["--fast", "-d", str(tmp_path / "b")],
        "evaluate": [str(network)],
        "report": [str(network), "-d", str(tmp_path / "r")],
        "study": [str(network), "-o", str(tmp_path / "c")],
        "compare": [str(network), "--bench", "ideal", "--bench", "own", "-o", str(tmp_path / "d")],
        "calibrate": ["--bench", "pluto2-200mm", "--rig", "sim:none.toml", "-o", str(tmp_path / "e.toml")],
    }[command]
    assert main([command, *rest, "--device", "tpu"]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and "device 'tpu' is not here" in told[0] and "cpu" in told[0]
    assert not any(p.name in "abcdr" for p in tmp_path.iterdir())


def test_a_word_that_is_no_device_is_refused_with_the_words_that_are():
    with pytest.raises(SpecError, match="expected cpu, cuda, cuda:1, mps or auto"):
        config.demo(sets=["device='GPU 0'"])


def test_the_list_of_places_has_a_fake_of_each_kind():
    assert {place.double for place in PLACES.values() if place.enter is not None} == {True, False}
