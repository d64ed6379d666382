"""Controls of one description: the raw image before the student's electronics, and the student's kernels shuffled."""

from __future__ import annotations

import pytest
import torch

from distill.training.checkpoint import load_network, load_student, save
from networks import RawImage, Student, StudentSpec
from networks.students.controls import shuffled
from optics.errors import OpticsError

SPECS = {
    "classifier": StudentSpec.of(channels=(1, 4, 9), kernel_size=3, bins=(4, 4), image_shape=(24, 24)),
    "colour, mixed": StudentSpec.of(
        channels=(3, 12), kernel_size=5, bins=(8, 8), mix=6, hidden=(7,), image_shape=(32, 32)
    ),
    "homodyne": StudentSpec.of(channels=(1, 8), readout="homodyne", bins=(4, 4), image_shape=(16, 16)),
    "segmenter": StudentSpec.of(
        channels=(1, 4), bins=(6, 6), head="segmenter", image_shape=(24, 24), classes=3
    ),
    "embedder": StudentSpec.of(
        channels=(1, 4), bins=(4, 4), head="embedder", dimension=5, image_shape=(16, 16), classes=6
    ),
}


def _images(spec: StudentSpec) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(3, spec.cascade.channels[0], *spec.image_shape, generator=generator)


def _student(spec: StudentSpec) -> Student:
    return Student.from_spec(spec, generator=torch.Generator().manual_seed(5)).eval()


@pytest.mark.parametrize("name", SPECS)
def test_the_raw_image_has_about_the_students_operations_and_no_square_law(name, tmp_path):
    spec = SPECS[name]
    raw = RawImage.from_spec(spec.as_control("raw_image"), generator=torch.Generator().manual_seed(5)).eval()
    student, x = _student(spec), _images(spec)
    assert raw(x).shape == student(x).shape
    assert raw.operations(x) == pytest.approx(student.operations(x), rel=0.35)
    # what the back end takes is linear in the image: no square, no root
    taken = []
    hook = raw.backend.register_forward_pre_hook(lambda module, given: taken.append(given[0]))
    raw(x), raw(0.25 * x)
    hook.remove()
    assert torch.allclose(taken[1], 0.25 * taken[0])
    save(raw, tmp_path / "raw.safetensors")
    again = load_network(tmp_path / "raw.safetensors")
    assert torch.equal(again(x), raw(x))
    with pytest.raises(OpticsError, match="raw_image"):
        load_student(tmp_path / "raw.safetensors")
    with pytest.raises(OpticsError, match="no optics"):
        Student.from_spec(raw.spec)


@pytest.mark.parametrize("options", [{}, {"mix": 4}])
def test_a_plain_lens_beside_pools_without_bins_has_about_the_students_operations(options):
    shared = {"pool": (None, 6), "boundary": "circular", "image_shape": (24, 24), **options}
    spec = StudentSpec.of(channels=(1, 4, 9), **shared)
    x = _images(spec)
    assert _student(spec.as_control("no_mask")).operations(x) == pytest.approx(
        _student(spec).operations(x), rel=0.1
    )


@pytest.mark.parametrize("name", SPECS)
def test_shuffled_optics_keep_every_kernels_values_and_lose_their_places(name, tmp_path):
    student = _student(SPECS[name])
    made = shuffled(student, generator=torch.Generator().manual_seed(1)).eval()
    before, after = student.cascade.kernels().flatten(2), made.cascade.kernels().flatten(2)
    assert not torch.allclose(before, after)

    def sizes(kernels):
        return kernels.abs().sort(-1).values

    assert torch.allclose(sizes(before), sizes(after))
    assert torch.allclose(before.sum(-1), after.sum(-1), atol=1e-5)  # complex values moved, not changed
    assert not any(p.requires_grad for p in made.cascade.parameters())
    x = _images(SPECS[name])
    assert made.operations(x) == student.operations(x)
    save(made, tmp_path / "s.safetensors")
    assert torch.equal(load_student(tmp_path / "s.safetensors")(x), made(x))


def test_each_kernel_is_shuffled_in_its_own_order():
    student = _student(SPECS["classifier"])
    with torch.no_grad():
        for layer in student.cascade.layers:
            layer.weight.copy_(layer.weight[:1, :1].expand_as(layer.weight))  # all kernels alike
    kernels = (
        shuffled(student, generator=torch.Generator().manual_seed(1)).cascade.kernels().detach().flatten(2)
    )
    assert len({tuple(k.real.tolist()) for k in kernels[:, 0]}) == len(kernels)


@pytest.mark.parametrize("options", [{"parameterisation": "phase"}, {"boundary": "circular", "pool": (8, 8)}])
def test_what_has_no_taps_is_not_shuffled(options):
    spec = StudentSpec.of(channels=(1, 4, 4), image_shape=(16, 16), bins=(2, 2), **options)
    with pytest.raises(OpticsError, match="shuffled"):
        spec.as_control("shuffled")
