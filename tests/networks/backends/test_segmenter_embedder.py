"""Back ends beside the classifier, the controls without optics, and the counting of their operations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from networks import (
    ElectronicConvolution,
    RawImage,
    Student,
    create_teacher,
    multiply_accumulates,
    teacher_names,
)
from networks.backends import registry as backends
from networks.backends.classifier import Backend
from networks.backends.segmenter_embedder import Embedder, Segmenter
from networks.backends.space_to_depth import Stacked
from networks.cascade.separable import bin_area
from networks.students.spec import StudentSpec
from optics.checks import OpticsError, ShapeError
from tests.scenes import generator


def test_operations_counted_by_hand():
    # 8 maps of 3x4, mixed to 5, one hidden layer of 7, 10 classes
    mlp = Backend((8, 3, 4), 10, hidden=(7,), mix=5, generator=generator())
    assert mlp.operations() == 8 * 5 * 12 + 5 * 12 * 7 + 7 * 10
    # 6 maps of 4x4 to masks of 16x16 by two doublings, width 3, 2 classes
    decoder = Segmenter((6, 4, 4), 2, image_shape=(16, 16), width=3, generator=generator())
    steps = [(3 * 9 + 3 * 3) * side**2 for side in (8, 16)]
    assert decoder.operations() == 6 * 3 * 16 + sum(steps) + 3 * 2 * 16**2
    # in either precision; what was frozen in eval mode stays so
    decoder.train().norm.eval()
    modes = [part.training for part in decoder.modules()]
    assert decoder.double().operations() == decoder.float().operations()
    assert [part.training for part in decoder.modules()] == modes


def test_counting_leaves_the_module_as_it_was():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 36, 4)).train()
    before = module[1].running_mean.clone()
    assert multiply_accumulates(module, (3, 1, 8, 8)) == 3 * (2 * 9 * 36 + 2 * 36 * 4)
    assert module.training and torch.equal(module[1].running_mean, before)


def test_a_segmenter_gives_full_resolution_masks_and_learns_where():
    student = Student.build(
        (1, 4, 6),
        image_shape=(24, 20),
        classes=1,
        bins=(6, 5),
        head="segmenter",
        width=8,
        generator=generator(),
    )
    x = torch.zeros(16, 1, 24, 20)
    draw = generator(1)
    for image in x:
        top, left = (int(torch.randint(0, n, (), generator=draw)) for n in (16, 12))
        image[0, top : top + 8, left : left + 8] = 1
    assert student(x).shape == (16, 1, 24, 20)
    optimiser = torch.optim.Adam(student.parameters(), lr=0.02)
    for _ in range(60):
        loss = nn.functional.binary_cross_entropy_with_logits(student(x), x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    overlap = ((student(x) > 0) & (x > 0)).sum() / ((student(x) > 0) | (x > 0)).sum()
    assert overlap > 0.6
    assert all(p.grad.abs().max() > 0 for p in student.cascade.parameters())


@pytest.mark.parametrize(("context", "reach"), [(0, 0), (1, 1), (2, 3), (3, 7)])
def test_each_step_of_context_looks_twice_as_far(context, reach):
    size = (17, 19)
    head = Segmenter((2, *size), 1, image_shape=size, width=4, context=context, generator=generator()).eval()
    x = torch.rand(1, 2, *size, generator=generator(1)).requires_grad_()
    head(x)[0, 0, 8, 9].backward()
    rows, columns = x.grad.abs().sum((0, 1)).nonzero().T
    assert (int(rows.min()), int(rows.max())) == (8 - reach, 8 + reach)
    assert (int(columns.min()), int(columns.max())) == (9 - reach, 9 + reach)
    assert head.operations() == 17 * 19 * (2 * 4 + context * (9 * 4 + 4 * 4) + 4)


def test_an_embedder_gives_unit_vectors_and_cosine_logits():
    student = Student.build(
        (1, 4),
        image_shape=(12, 12),
        classes=5,
        head="embedder",
        hidden=(9,),
        dimension=7,
        scale=4.0,
        generator=generator(),
    ).eval()
    x = torch.rand(3, 1, 12, 12, generator=generator(1))
    vectors = student.embed(x)
    torch.testing.assert_close(vectors.square().sum(1), torch.ones(3))
    prototypes = nn.functional.normalize(student.backend.prototypes)
    torch.testing.assert_close(student(x), 4 * vectors @ prototypes.mT)
    with pytest.raises(OpticsError, match="embedder"):
        Student.build((1, 4), generator=generator()).embed(torch.zeros(1, 1, 28, 28))


@pytest.mark.parametrize("kind", ["build", "random_masks", "no_mask"])
@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("segmenter", {"width": 4}),
        ("segmenter", {"width": 4, "context": 2}),
        ("embedder", {"dimension": 6, "scale": 8.0}),
    ],
)
def test_students_with_other_heads_are_built_again(kind, head, options):
    student = getattr(Student, kind)(
        (1, 3, 4), image_shape=(12, 10), classes=3, head=head, generator=generator(), **options
    ).eval()
    again = Student.from_spec(StudentSpec.model_validate_json(student.spec.model_dump_json()))
    again.load_state_dict(student.state_dict())
    x = torch.rand(2, 1, 12, 10, generator=generator(1))
    torch.testing.assert_close(again.eval()(x), student(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    "optics",
    [
        {"parameterisation": "phase", "boundary": "circular"},
        {"parameterisation": ["real", "mask"], "mask_shape": (20, 21)},
        {"boundary": "circular", "pool": (9, None)},
        {"pool": (None, 6), "parameterisation": "real"},
    ],
)
def test_students_with_other_optics_are_built_again_and_learn(optics):
    student = Student.build(
        (1, 3, 4), image_shape=(12, 13), classes=3, bins=(3, 2), generator=generator(), **optics
    )
    again = Student.from_spec(StudentSpec.model_validate_json(student.spec.model_dump_json()))
    again.load_state_dict(student.state_dict())
    x = torch.rand(4, 1, 12, 13, generator=generator(1))
    torch.testing.assert_close(again(x), student(x), rtol=0, atol=0)
    student(x).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in student.cascade.parameters())


def test_an_option_that_nothing_takes_is_refused():
    with pytest.raises(OpticsError, match=r"no option 'pools'; choose from .*kernel_size"):
        Student.build((1, 2), pools=(4,), generator=generator())
    with pytest.raises(OpticsError, match="width belongs to segmenter, not to classifier"):
        Student.build((1, 2), width=4, generator=generator())
    with pytest.raises(OpticsError, match="signed belongs to incoherent, not to intensity"):
        Student.build((1, 2), signed=True, generator=generator())
    Student.build((1, 2), head="segmenter", hidden=[], mix=None, generator=generator())  # nothing asked for


def test_unknown_heads_and_wrong_features_are_refused():
    with pytest.raises(OpticsError, match="classifier, segmenter, embedder"):
        backends.create("decoder", (1, 2, 2), 3, generator=generator())
    for head in (
        Segmenter((2, 4, 4), 1, image_shape=(8, 8), generator=generator()),
        Embedder((2, 4, 4), 3, generator=generator()),
    ):
        with pytest.raises(ShapeError, match=r"\(any, 2, 4, 4\)"):
            head(torch.zeros(1, 2, 4, 5))


def test_controls_without_optics():
    x = torch.rand(3, 2, 12, 10, generator=generator(1))
    raw = RawImage.build(2, (12, 10), 24, 5, generator=generator()).eval()
    torch.testing.assert_close(raw(x), raw.backend(bin_area(x, raw.bins)))
    electronic = ElectronicConvolution.build(2, 4, 5, 3, bins=(3, 2), generator=generator()).eval()
    maps = nn.functional.conv2d(x, electronic.convolution.weight, padding=2).square()
    torch.testing.assert_close(electronic(x), electronic.backend(bin_area(maps, (3, 2))))
    assert electronic.operations(x) == 2 * 4 * 25 * 120 + 4 * 6 * 3


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("classifier", {"mix": 5, "hidden": (6,)}),
        ("segmenter", {"width": 4}),
        ("segmenter", {"width": 4, "context": 2}),
        ("embedder", {"dimension": 6, "hidden": (9,)}),
    ],
)
def test_controls_beside_a_student_have_its_back_end(head, options):
    student = Student.build(
        (2, 3, 8), image_shape=(12, 16), bins=(3, 4), classes=3, head=head, generator=generator(), **options
    )
    raw = RawImage.matching(student.backend, 2, generator=generator(1)).eval()
    electronic = ElectronicConvolution.matching(student.backend, 2, 5, generator=generator(1)).eval()
    x = torch.rand(3, 2, 12, 16, generator=generator(2))
    assert raw.bins == (6, 8)  # 2 channels of 2x2 neighbours are 8 maps
    assert raw.operations(x) == student.operations(x)
    assert electronic.operations(x) == student.operations(x) + 2 * 8 * 25 * 12 * 16
    for control in (raw, electronic):
        inner = getattr(control.backend, "backend", control.backend)
        # the same but for the square root, which a raw image needs no more than a homodyne's fields do
        assert inner.config() | {"square_root": True} == student.backend.config()
        assert control(x).shape == student(x).shape
    if head == "embedder":
        torch.testing.assert_close(raw.embed(x).square().sum(1), torch.ones(3))
        torch.testing.assert_close(electronic.embed(x).square().sum(1), torch.ones(3))


def test_stacked_neighbours_are_where_they_were():
    stacked = Stacked(2, nn.Identity())
    x = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    y = stacked(x)
    assert y.shape == (1, 8, 2, 3)
    assert torch.equal(y[0, 4:, 1, 2], x[0, 1, 2:, 4:].reshape(-1))  # second channel, lower right corner
    with pytest.raises(OpticsError, match="Identity cannot be built again"):
        RawImage.matching(nn.Identity(), 1, generator=generator())


@pytest.mark.parametrize("name", teacher_names())
def test_teachers_have_the_right_output_and_a_gradient_everywhere(name):
    teacher = create_teacher(name, 3, 4, (32, 40), generator=generator())
    logits = teacher(torch.rand(2, 3, 32, 40, generator=generator(1)))
    assert logits.shape == ((2, 4, 32, 40) if name == "unet" else (2, 4))
    logits.square().sum().backward()
    assert all(p.grad is not None for p in teacher.parameters())
