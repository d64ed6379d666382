"""A bench on a periodic grid: the ideal one is the plain 4f, flaws do what FourF says they do, misfits are refused."""

from __future__ import annotations

import math

import pytest
import torch

from optics.bench.light import LightSpec
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.checks import SpecError
from optics.conventions import axis
from optics.fourf.camera_window import CameraWindow
from optics.fourf.periodic import periodic_intensity
from optics.fourf.periodic_bench import PeriodicBench
from optics.fourf.system import FourF
from optics.slm.panel import SLMSpec
from optics.wave.lens import LensSpec
from tests.scenes import generator

N, PITCH = 72, 30e-6
SCALE = 532e-9 * 0.2
SLM_PITCH = SCALE / (N * PITCH)  # 49 um


def bench(**changes):
    spec = BenchSpec(
        name="periodic",
        light=LightSpec(wavelength=532e-9),
        input={"pitch": PITCH},
        lens1=LensSpec(focal_length=0.2, diameter=2e-2),
        lens2=LensSpec(focal_length=0.2, diameter=2e-2),
        slm=SLMSpec(shape=(N, N), pitch=SLM_PITCH, modulation="complex"),
        camera=CameraSpec(shape=(N, N), pitch=PITCH),
    )
    return spec.replace(**changes)


def images():
    """Off-centre and lopsided, with room around it."""
    draws = generator(3)
    out = torch.zeros(2, N, N, dtype=torch.float64)
    out[:, 24:40, 28:50] = torch.rand(2, 16, 22, dtype=torch.float64, generator=draws)
    return out


def mask():
    """A soft low pass that also displaces and blurs, so that its PSF is compact and has no symmetry."""
    y, x = axis(N, 1 / N)[:, None], axis(N, 1 / N)[None, :]
    soft = torch.exp(-(x**2 + y**2) / 0.15**2)
    h = soft * torch.polar(torch.ones_like(soft), 2 * math.pi * (3 * x - 2 * y) + 40 * x * y)
    return (0.9 * h)[None]


def test_ideal_bench_is_the_plain_periodic_system():
    system = PeriodicBench(bench(), (N, N), dtype=torch.float64)
    pixel = torch.sinc(axis(N, 1 / N))  # square display pixels
    want = periodic_intensity(images(), mask() * pixel[:, None] * pixel[None, :])
    assert torch.allclose(system(images(), mask()), want, atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"lens1.zernike": {4: 3.0, 8: 2.0}, "lens2.zernike": {7: -2.5, 5: 1.5}},
        {"alignment.mask_shift": (1.3e-4, -0.7e-4)},
        {"alignment.mask_rotation": 0.3},
        {"alignment.mask_axial": 0.15},
        {"alignment.input_axial": 2e-2, "alignment.camera_axial": -3e-2},
        {"alignment.camera_shift": (4.1e-5, -2.3e-5)},
        {"lens1.decentre": (5e-5, 2e-5), "lens2.decentre": (-3e-5, 4e-5)},
        {"input.fill_factor": 0.6, "lens1.transmission": 0.8},
        {"slm.fill_factor": 0.9, "slm.reflectivity": 0.7, "slm.curvature": {5: 0.4}},
    ],
)
def test_flaws_do_what_the_unlimited_model_says(change):
    spec = bench(**change)
    ours = PeriodicBench(spec, (N, N), dtype=torch.float64)
    theirs = FourF(spec, CameraWindow((N, N), margin=0, oversampling=1), dtype=torch.float64)
    shown = theirs.psf(ours.slm(mask()))
    got, want = ours(images(), mask()), theirs.intensity(images(), shown)
    # theirs adds the envelope of the SLM's own pixels, of up to a per cent over this small image
    error = float((got - want).norm() / want.norm())
    plain = PeriodicBench(bench(), (N, N), dtype=torch.float64)(images(), mask())
    effect = float((got - plain).norm() / plain.norm())
    assert error < 0.02
    assert effect > 5 * error or not change


def test_gradient_reaches_the_slm_through_everything():
    spec = bench(
        **{
            "slm.modulation": "phase",
            "slm.crosstalk": (0.4, 0.3),
            "alignment.mask_rotation": 0.02,
            "alignment.mask_shift": (1e-4, 0.0),
            "camera.quantum_efficiency": 0.6,
        }
    )
    system = PeriodicBench(spec, (N, N), dtype=torch.float64)
    target = (mask().angle() + 0.3).requires_grad_()  # no pixel at the fly-back
    direction = torch.randn(target.shape, dtype=torch.float64, generator=generator(1))
    loss = lambda t: (system(images(), t) ** 2).sum()  # noqa: E731
    loss(target).backward()
    step = 1e-6
    slope = (loss(target.detach() + step * direction) - loss(target.detach() - step * direction)) / (2 * step)
    assert float((target.grad * direction).sum()) == pytest.approx(float(slope), rel=1e-5)


def test_light_and_noise():
    spec = bench(**{"light.photons": 900.0, "camera.shot_noise": True, "camera.quantum_efficiency": 0.5})
    system = PeriodicBench(spec, (N, N), dtype=torch.float64)
    clear = torch.ones(1, N, N, dtype=torch.complex128)
    flat = torch.ones(1, N, N, dtype=torch.float64)
    draws = generator()
    counts = system(flat, clear, generator=draws)
    assert float(system(flat, clear).mean()) == pytest.approx(450.0)
    assert float(counts.mean()) == pytest.approx(450.0, rel=5e-3)
    assert float(counts.var()) == pytest.approx(450.0, rel=0.1)
    again = system(flat, clear, generator=generator())
    assert torch.equal(counts, again)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input.pitch": 31e-6}, "Use that pitch"),
        ({"camera.pitch": 31e-6}, "camera.pitch = 3e-05"),
        ({"alignment.magnification": 1.01}, "1.01 times"),
        ({"light.coherence": "incoherent"}, "coherent light"),
        ({"slm.shape": (N - 2, N)}, "slm.shape"),
        ({"camera.shape": (N, N - 2)}, "camera.shape"),
    ],
)
def test_misfits_are_refused(change, words):
    with pytest.raises(SpecError, match=words):
        PeriodicBench(bench(**change), (N, N))
