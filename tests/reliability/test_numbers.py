"""Numbers that look like others: each is computed with rightly, or refused in one line that names the key."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from distill.data.dataset import Dataset
from distill.job.config import RunConfig
from distill.pipeline.steps import REPEATS_APART, RUNS_APART
from distill.training.spec import TrainSpec
from distill.training.train_loop import train
from networks import Student
from optics.bench.spec import BenchSpec
from optics.camera.camera import Camera, CameraSpec
from optics.errors import OpticsError
from tests.distill.exportbench import BENCH, SHAPE, dataset


def student(**sizes: Any) -> Student:
    given = {"image_shape": SHAPE, "bins": (2, 2), "classes": 3} | sizes
    return Student.build((1, 2, 3), generator=torch.Generator().manual_seed(0), **given).eval()


def noise() -> torch.Generator:
    return torch.Generator().manual_seed(0)


STUDENT = student()
IMAGES = dataset(4).images
NETWORKS = {
    "the network": STUDENT,
    "on the bench": STUDENT.on(BENCH, image_shape=SHAPE).eval(),
    "on the ideal bench": STUDENT.on(BENCH.ideal(), image_shape=SHAPE).eval(),
}


def with_pixel(value: float) -> torch.Tensor:
    images = IMAGES.clone()
    images[1, 0, 2, 3] = value
    return images


# images, and what a refusal says; None where they are computed with
REFUSED = {
    "float16": (IMAGES.half(), "float16"),
    "bfloat16": (IMAGES.bfloat16(), "bfloat16"),
    "float64": (IMAGES.double(), "float64"),
    "int64": ((255 * IMAGES).long(), "int64"),
    "uint8": ((255 * IMAGES).to(torch.uint8), "uint8"),
    "bool": (IMAGES > 0.5, "bool"),
    "NaN": (with_pixel(float("nan")), r"images is nan at index \(1, 0, 2, 3\)"),
    "infinite": (with_pixel(float("inf")), r"images is inf at index \(1, 0, 2, 3\)"),
    "three axes": (IMAGES[0], "has shape"),
    "two channels": (IMAGES.repeat(1, 2, 1, 1), "has shape"),
}


@pytest.mark.parametrize("where", NETWORKS)
@pytest.mark.parametrize("case", REFUSED)
def test_images_that_are_none(case, where):
    images, said = REFUSED[case]
    with pytest.raises(OpticsError, match=said) as error:
        NETWORKS[where](images)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("where", NETWORKS)
def test_every_precision_after_conversion(where):
    network = NETWORKS[where]
    want = network(IMAGES)
    assert torch.allclose(network(IMAGES.half().float()), want, atol=0.05 * float(want.detach().abs().max()))
    assert torch.allclose(network(IMAGES + 0j), want, rtol=1e-4, atol=1e-4)


def test_no_images():
    assert STUDENT(IMAGES[:0]).shape == (0, 3)
    with pytest.raises(OpticsError, match="there is no image"):
        NETWORKS["on the bench"](IMAGES[:0])


SIZES = [
    {"bins": (0, 1)},
    {"bins": (-1, 2)},
    {"bins": (2,)},
    {"bins": (10**9, 10**9)},
    {"classes": 0},
    {"classes": -1},
    {"classes": 10**12},
    {"hidden": (0,)},
    {"hidden": (10**12,)},
    {"mix": 0},
    {"mix": -1},
]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_size_that_is_none_names_its_key(size):
    with pytest.raises(OpticsError, match=next(iter(size))) as error:
        student(**size)
    assert "\n" not in str(error.value)


# ---------------------------------------------------------------------- seeds and training


@pytest.mark.parametrize("seed", [-1, 2**53, 2**63, 2**64, 10**30])
@pytest.mark.parametrize("kind", [RunConfig, TrainSpec])
def test_a_seed_that_no_generator_takes_is_refused(kind, seed):
    with pytest.raises(OpticsError, match="seed"):
        kind(seed=seed)


def test_all_that_is_counted_on_from_the_largest_seed_fits():
    seed = RunConfig(seed=2**53 - 1).seed
    most = RUNS_APART * seed + REPEATS_APART * RUNS_APART + RUNS_APART
    assert torch.rand(1, generator=torch.Generator().manual_seed(most)).isfinite()
    shuffled = RunConfig(seed=2**53 - 1).seed + TrainSpec(seed=2**53 - 1).seed + RUNS_APART * 100
    torch.Generator().manual_seed(shuffled)


def test_without_validation_images_training_says_so(tmp_path):
    data = dataset(12)
    with pytest.raises(OpticsError, match="no validation images"):
        train(student(), data, data.take(torch.arange(0)), TrainSpec(epochs=1), directory=tmp_path)


@pytest.mark.parametrize("case", ["NaN", "infinite", "float16", "float64", "uint8"])
def test_images_to_train_with_are_checked_before_training(case):
    images, _ = REFUSED[case]
    with pytest.raises(OpticsError, match="images"):
        Dataset(images, torch.zeros(len(images), dtype=torch.int64), ("a", "b"), source="made")


# ---------------------------------------------------------------------- hardware


def numbers(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where numbers stand in a bench's description."""
    if isinstance(value, bool):
        return []
    if isinstance(value, (int, float)):
        return [path]
    if isinstance(value, dict):
        return [p for key, part in value.items() for p in numbers(part, (*path, key))]
    if isinstance(value, (list, tuple)):
        return [p for key, part in enumerate(value) for p in numbers(part, (*path, key))]
    return []


def changed(value: Any, path: tuple[str | int, ...], number: float) -> Any:
    if not path:
        return number
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return value | {key: changed(value[key], rest, number)}
    return [changed(part, rest, number) if k == key else part for k, part in enumerate(value)]


TABLE = BENCH.model_dump()
EXTREMES = (1e-300, 1e-30, 1e9, 1e19, 1e300, -1.0, -1e300, float("nan"), float("inf"))


@pytest.mark.parametrize("path", numbers(TABLE), ids=lambda p: ".".join(map(str, p)))
def test_an_extreme_figure_is_right_or_refused(path):
    for number in EXTREMES:
        try:
            bench = BenchSpec.model_validate(changed(TABLE, path, number))
        except (ValidationError, OpticsError):
            continue
        try:
            network = STUDENT.on(bench, image_shape=SHAPE).eval()
            counts, answer = network.frames(IMAGES[:1], generator=noise()), network(IMAGES[:1])
        except OpticsError as error:
            assert "\n" not in str(error), number
            continue
        assert torch.isfinite(counts).all() and torch.isfinite(answer).all(), number


@pytest.mark.parametrize("photons", [1e9, 1e15, 1e18, 1e19, 1e25])
def test_more_light_than_can_be_counted_saturates(photons):
    spec = CameraSpec(shape=(2, 3), pitch=4e-6, shot_noise=True, full_well=1e4)
    camera = Camera(spec)
    counts = camera.expose(torch.full((2, 3), photons), generator=noise())
    assert (counts == camera.expose(torch.full((2, 3), 1e6))).all()
    free = Camera(spec.replace(full_well=None)).expose(torch.full((2, 3), photons), generator=noise())
    assert torch.allclose(free, torch.full((2, 3), photons), rtol=1e-3)
