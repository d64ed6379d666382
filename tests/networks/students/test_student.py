"""The student, its controls and its back end."""

from __future__ import annotations

import pytest
import torch

from networks import RawImage, Student, create_teacher, teacher_names
from networks.cascade.separable import bin_area
from networks.students.spec import StudentSpec
from optics import load_bench
from optics.checks import OpticsError
from tests.scenes import generator


@pytest.mark.parametrize("readout", ["intensity", "homodyne", "incoherent"])
def test_shapes_and_gradients(readout):
    student = Student.build(
        (2, 3, 4), image_shape=(12, 10), classes=5, readout=readout, generator=generator()
    )
    x = torch.rand(3, 2, 12, 10, generator=generator(1))
    student(x).square().sum().backward()
    assert student(x).shape == (3, 5)
    assert student.field(x).shape == (3, 4, 12, 10)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in student.cascade.parameters())


def test_controls():
    options = {"image_shape": (28, 28), "classes": 10, "bins": (4, 4)}
    student = Student.build((1, 8, 16), generator=generator(), **options)
    frozen = Student.random_masks((1, 8, 16), generator=generator(), **options)
    lens = Student.no_mask((1, 8, 16), generator=generator(), **options)
    raw = RawImage.build(1, (28, 28), 256, 10, generator=generator())
    x = torch.rand(2, 1, 28, 28, generator=generator(1))
    assert not any(p.requires_grad for p in frozen.cascade.parameters())
    torch.testing.assert_close(frozen.cascade.kernels(), student.cascade.kernels())
    torch.testing.assert_close(lens.features(x), bin_area(x**2, (16, 16)))
    assert student.operations(x) == lens.operations(x) == raw.operations(x) == 2560


@pytest.mark.parametrize(
    "options",
    [
        {"bins": (4, 4), "mix": 6, "hidden": (9,)},
        {"bins": (6, 8), "head": "segmenter", "width": 8},
        {"bins": (6, 8), "head": "segmenter", "width": 8, "readout": "homodyne"},
    ],
)
def test_a_plain_lens_has_the_very_back_end_of_a_student_that_mixes_or_decodes(options):
    shared = {"image_shape": (24, 32), "classes": 3}
    student = Student.build((1, 8, 16), generator=generator(), **shared, **options)
    lens = Student.no_mask((1, 8, 16), generator=generator(), **shared, **options).eval()
    x = torch.rand(2, 1, 24, 32, generator=generator(1))
    assert lens.operations(x) == student.operations(x)
    assert lens(x).shape == student(x).shape
    again = Student.from_spec(StudentSpec.model_validate_json(lens.spec.model_dump_json()))
    again.load_state_dict(lens.state_dict())
    torch.testing.assert_close(again.eval()(x), lens(x), rtol=0, atol=0)


def test_a_plain_lens_bins_no_finer_than_pixels():
    lens = Student.no_mask((1, 64), image_shape=(12, 20), bins=(6, 5), mix=4, generator=generator())
    assert lens.readout.camera.bins == (12, 10)
    assert lens(torch.rand(2, 1, 12, 20)).shape == (2, 10)


@pytest.mark.parametrize("kind", ["build", "random_masks", "no_mask"])
@pytest.mark.parametrize("readout", ["intensity", "homodyne", "incoherent"])
def test_a_student_is_built_again_from_its_configuration(kind, readout):
    make = getattr(Student, kind)
    options = {"hidden": (7,), "readout": readout, "bins": (3, 2), "generator": generator()}
    student = make((2, 3, 4), image_shape=(12, 10), classes=5, **options).eval()
    again = Student.from_spec(StudentSpec.model_validate_json(student.spec.model_dump_json()))
    assert again.spec == student.spec
    again.load_state_dict(student.state_dict())
    x = torch.rand(3, 2, 12, 10, generator=generator(1))
    torch.testing.assert_close(again.eval()(x), student(x), rtol=0, atol=0)
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in student.parameters()]


def test_square_root_makes_shot_noise_uniform():
    from networks.backends import SquareRoot

    root = SquareRoot(0.25)
    levels = torch.tensor([100.0, 10000.0]).expand(20000, 2)
    spread = root(torch.poisson(levels, generator=generator())).std(0)
    torch.testing.assert_close(spread, torch.full((2,), 0.5), rtol=0.03, atol=0)


def test_teachers_by_name():
    before = torch.get_rng_state()
    for name in teacher_names():
        teacher = create_teacher(name, 1, 10, (28, 28), generator=generator())
        again = create_teacher(name, 1, 10, (28, 28), generator=generator())
        x = torch.rand(2, 1, 28, 28, generator=generator(1))
        torch.testing.assert_close(teacher(x), again(x), rtol=0, atol=0)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(OpticsError, match="lenet5"):
        create_teacher("lenet", 1, 10, (28, 28), generator=generator())


@pytest.fixture(scope="module")
def digits():
    from distill.data.sources import load

    return load("digits", limit=1500)


@pytest.mark.parametrize(
    ("readout", "optics"),
    [
        ("intensity", {}),
        ("homodyne", {"parameterisation": "real"}),
        ("incoherent", {"parameterisation": "real"}),
        ("homodyne", {"boundary": "circular", "pool": (21, 13)}),
    ],
)
def test_a_strictly_linear_cascade_learns_digits(readout, optics, digits):
    """Without its ReLU the published digits student falls to 11 %; ours has none to begin with."""
    options = {"readout": readout, "bins": (6, 6), "generator": generator()}
    student = Student.build((1, 6, 8), **options, **optics)
    optimiser = torch.optim.Adam(student.parameters(), lr=0.01)
    train, draw = digits.train, generator(1)
    for _ in range(60):
        some = torch.randint(len(train.images), (128,), generator=draw)
        loss = torch.nn.functional.cross_entropy(student(train.images[some]), train.labels[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    student.eval()
    with torch.no_grad():
        right = student(digits.validation.images).argmax(1) == digits.validation.labels
    assert right.double().mean() > 0.8


def test_a_bench_may_be_named():
    student = Student.build((1, 2), image_shape=(12, 10), classes=3, bins=(2, 2), generator=generator())
    assert student.on("pluto2-200mm").bench == load_bench("pluto2-200mm")
    with pytest.raises(OpticsError, match=r"unknown bench 'pluto3-200mm'\. Nearest: pluto2-200mm"):
        student.on("pluto3-200mm")
