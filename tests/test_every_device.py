"""Everything that computes, on every device: one list of subjects, one list of devices, the CPU's numbers on each.

Two fake devices are always there (`tests.fake_device`): one with CUDA's rules, one without 64-bit numbers, as "mps".
Whatever is pinned to the CPU raises on them where it stands, and they give the CPU's numbers bit for bit. A real "cuda"
or "mps" is asked the same where there is one, to single precision.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distill.training import losses
from distill.training.losses import functions
from networks.students.adjustable import Adjustable
from networks.students.noise_aware import NoiseAware
from networks.teachers.registry import create_teacher
from optics.bench.tolerance import ToleranceSpec
from optics.camera.camera import Camera
from tests.distill.job.test_every_student import CASES as STUDENTS
from tests.distill.job.test_every_student import images as images_of
from tests.networks.onbench.test_every_way_onto_a_bench import WAYS
from tests.optics.test_modules import MODULES, SHAPE
from tests.physics.test_gradients import CASES as FUNCTIONS
from tests.places import Place, params
from tests.scenes import REAL, generator, student

To = Callable[[Tensor], Tensor]


@pytest.fixture(params=params())
def place(request, monkeypatch) -> Iterator[Place]:
    with request.param.here(monkeypatch) as found:
        yield found


@dataclass(frozen=True)
class Subject:
    """Something that computes: what makes its module, and what is asked of it; `to` puts a tensor where it belongs."""

    make: Callable[[], nn.Module]
    ask: Callable[[Any, To], Tensor]
    backward: bool = True
    double: bool = False  # it needs 64 bits
    loose: float = 1.0  # how much less near than others a real device may be


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, generator=generator(seed))


def masks(*shape: int) -> Tensor:
    return torch.polar(drawn(*shape), 6 * drawn(*shape, seed=2))


def on_grid(m: Any) -> tuple[int, ...]:
    return (m.rows.stop - m.rows.start, m.cols.stop - m.cols.start)


def noisy(m: Any, to: To, x: Tensor) -> Tensor:
    with torch.no_grad():
        return m(to(x), generator=generator(2))


OPTICS = {
    "FourF": lambda m, to: m(to(drawn(2, *SHAPE)), to(masks(1, *m.pupil.shape))),
    "FourF, wave": lambda m, to: m.wave(to(drawn(2, *SHAPE)), to(masks(1, *m.pupil.shape))),
    "PlaneByPlane": lambda m, to: m.wave(to(drawn(2, *SHAPE)), to(masks(1, *on_grid(m)))),
    "Illumination": lambda m, to: m(to(drawn(2, *SHAPE)), to(masks(1, *m.lines[0].pupil.shape))),
    "Recorder": lambda m, to: m.expose(to(drawn(2, m.rows.shape[1], m.cols.shape[1])), generator=generator()),
    "SLM": lambda m, to: m(to(6 * drawn(60, 60)), generator=generator()),
    "PeriodicBench": lambda m, to: m(to(drawn(1, 8, 8)), to(6 * drawn(1, 8, 8)), generator=generator()),
}
SUBJECTS: dict[str, Subject] = {
    name: Subject(lambda n=name: MODULES[n.split(",")[0]](torch.float32), ask) for name, ask in OPTICS.items()
}
SUBJECTS["Camera"] = Subject(
    lambda: Camera(REAL.camera), lambda m, to: m(to(900 * drawn(2, *m.shape)), generator=generator()), False
)
for name, way in WAYS.items():
    SUBJECTS |= {
        f"{name}: noisy": Subject(
            way.on,
            lambda m, to, w=way: noisy(m, to, w.images()),
            False,
            # hundreds of steps down a slope carry rounding along
            loose=3.0 if "by gradient" in name else 1.0,
        ),
        f"{name}: training": Subject(
            lambda w=way: w.on().train(),
            lambda m, to, w=way: m(to(w.images()), generator=generator(2)),
            not way.rebuilt,
        ),
    }
for i, make in enumerate(STUDENTS):
    x = images_of(make())
    SUBJECTS |= {
        f"student {i}": Subject(make, lambda m, to, x=x: m.eval()(to(x))),
        f"student {i}: training": Subject(make, lambda m, to, x=x: m.train()(to(x))),
    }
TEACHERS = {
    "lenet5": (1, 28, 28),
    "resnet-small": (3, 32, 32),
    "resnet10-half": (3, 72, 72),
    "resnet18": (3, 32, 32),
    "unet": (3, 16, 16),
}
for name, shape in TEACHERS.items():
    SUBJECTS[f"teacher {name}"] = Subject(
        lambda n=name, s=shape: create_teacher(n, s[0], 3, s[1:], generator=generator()).train(),
        lambda m, to, s=shape: m(to(drawn(2, *s))),
    )
SUBJECTS["light"] = Subject(lambda: student(), lambda m, to: losses.peak_loss(m, to(drawn(2, 1, 12, 10))))
SUBJECTS["a bench's numbers as parameters"] = Subject(
    lambda: Adjustable(student(), REAL, {"alignment.mask_shift": 1e-5, "lens1.zernike": 0.1}),
    lambda m, to: m(to(drawn(2, 1, 12, 10))),
    double=True,
)
SUBJECTS["bench in the loop"] = Subject(
    lambda: NoiseAware(
        student().train(), REAL, tolerance=ToleranceSpec(mask_shift=(1e-5, 1e-5)), image_shape=(12, 10)
    ),
    lambda m, to: m(to(drawn(2, 1, 12, 10)), generator=generator(3)),
)


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_subject_gives_the_numbers_of_the_cpu(name, place):
    subject = SUBJECTS[name]
    if not place.double and (subject.double or name.endswith(": noisy")):
        return  # noisy: the same code as in training, where this device is asked
    module = subject.make()
    want = subject.ask(module, lambda t: t).detach()
    module = subject.make().to(place.name)
    got = subject.ask(module, lambda t: t.to(place.name))
    place.same(got, want, loose=subject.loose)
    if subject.backward and got.requires_grad:
        got.abs().sum().backward()
        slopes = [p.grad for p in module.parameters() if p.requires_grad and p.grad is not None]
        assert slopes and all(g.device.type == place.name for g in slopes)


LABELS = torch.tensor([0, 2, 1, -100])
LOSSES: dict[str, Callable[[To], Tensor]] = {
    "cross entropy": lambda to: losses.cross_entropy(to(drawn(4, 3)), to(LABELS)),
    "soft divergence": lambda to: losses.soft_divergence(
        to(drawn(4, 3)), to(drawn(4, 3, seed=2)), temperature=3.0, void=functions.void_of(to(LABELS))
    ),
    "distillation": lambda to: losses.distillation_loss(to(drawn(4, 3)), to(drawn(4, 3, seed=2)), to(LABELS)),
    "dice": lambda to: losses.dice_loss(to(drawn(4, 3, 5, 5)), to(LABELS[:, None, None].expand(4, 5, 5))),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name, place):
    place.same(LOSSES[name](lambda t: t.to(place.name)), LOSSES[name](lambda t: t))


# those of fourf are methods of modules that a test shares, and SUBJECTS has them; a lens is a constant, on the CPU
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if not n.startswith(("fourf.", "wave.lens.lens_tr"))])
def test_every_function_of_tensors(name, place):
    if not place.double:
        pytest.skip("these are asked in double precision, which this device has not")
    function, inputs = FUNCTIONS[name]()
    want = function(*inputs)
    owner = getattr(function, "__self__", function)
    if isinstance(owner, nn.Module):
        owner = copy.deepcopy(owner).to(place.name)
        function = getattr(owner, function.__name__) if hasattr(function, "__self__") else owner
    got = function(*(x.detach().to(place.name).requires_grad_() for x in inputs))
    for a, b in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
        place.same(a, b.detach())
        if a.requires_grad:
            a.abs().sum().backward(retain_graph=True)
