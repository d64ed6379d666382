"""The thin lens: its spec, its factor, its checks."""

from __future__ import annotations

import math

import pytest
import torch

from optics.checks import SamplingError, ShapeError, SpecError
from optics.conventions import axis
from optics.wave.lens import Lens, LensSpec, lens_phase, lens_transmission, thin_lens
from optics.wave.zernike_polynomials import zernike_phase
from tests.scenes import generator

GRID = {"wavelength": 532e-9, "pitch": 8e-6}
SHAPE = (60, 90)


def test_phase_is_negative_quadratic_about_the_centre():
    phase = lens_phase(SHAPE, focal_length=0.2, centre=(40e-6, -80e-6), **GRID)
    y, x = axis(60, 8e-6) - 40e-6, axis(90, 8e-6) + 80e-6
    want = -math.pi * (y[:, None] ** 2 + x[None, :] ** 2) / (532e-9 * 0.2)
    assert torch.allclose(phase, want)
    assert torch.allclose(lens_phase(SHAPE, focal_length=-0.2, centre=(40e-6, -80e-6), **GRID), -want)


def test_transmission_is_power_and_the_stop_follows_the_centre():
    factor = lens_transmission(
        SHAPE, focal_length=0.2, diameter=2e-4, centre=(1e-4, -2e-4), transmission=0.64, **GRID
    )
    lit = factor.abs() > 1e-12
    assert float(factor.abs()[lit].max()) == pytest.approx(0.8)
    y, x = lit.nonzero().double().mean(0)
    assert (float(y) - 30) * 8e-6 == pytest.approx(1e-4, abs=4e-6)
    assert (float(x) - 45) * 8e-6 == pytest.approx(-2e-4, abs=4e-6)


def test_aberrations_add_to_the_phase():
    options = {"focal_length": 0.2, "diameter": 4e-4, "centre": (2e-5, 1e-5), **GRID}
    with_, without = (lens_transmission(SHAPE, zernike=z, **options) for z in ({7: 0.3, 5: -0.2}, None))
    want = zernike_phase({7: 0.3, 5: -0.2}, SHAPE, 8e-6, 4e-4, centre=(2e-5, 1e-5))
    lit = without.abs() > 1e-3
    assert torch.allclose((with_ / without)[lit].angle(), want[lit], atol=1e-9)


def test_the_module_is_the_function():
    spec = LensSpec(
        focal_length=0.2,
        diameter=4e-4,
        transmission=0.9,
        defocus=1e-3,
        decentre=(2e-5, -3e-5),
        zernike={"4": 0.1},  # as TOML gives it
    )
    field = torch.randn(2, *SHAPE, dtype=torch.complex128, generator=generator())
    module = Lens(spec, SHAPE, dtype=torch.complex128, **GRID)
    want = thin_lens(
        field,
        focal_length=0.201,
        diameter=4e-4,
        centre=(2e-5, -3e-5),
        zernike={4: 0.1},
        transmission=0.9,
        **GRID,
    )
    assert torch.equal(module(field), want)
    assert dict(module.named_buffers()) and not module.state_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"focal_length": 0.21},
        {"diameter": 3e-4},
        {"transmission": 0.5},
        {"defocus": 1e-3},
        {"decentre": (1e-5, 0.0)},
        {"zernike": {4: 0.2}},
    ],
)
def test_every_field_changes_the_lens_and_ideal_undoes_the_flaws(change):
    ideal = LensSpec(focal_length=0.2, diameter=4e-4)
    changed = ideal.replace(**change)
    a, b = (Lens(s, SHAPE, **GRID).factor for s in (ideal, changed))
    assert not torch.equal(a, b)
    if next(iter(change)) in LensSpec.flaws():
        assert torch.equal(Lens(changed.ideal(), SHAPE, **GRID).factor, a)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"focal_length": -0.1}, "expected metres, 0.001 to 10"),
        ({"focal_length": 200.0}, r"if 200 mm was meant, write 0\.2"),
        ({"focal_length": float("nan")}, "finite"),
        ({"focal_length": 0.1, "zernike": {4: 0.1}}, "needs a diameter"),
        ({"focal_length": 0.1, "diameter": 0.01, "zernike": {0: 0.1}}, "start at 1"),
        ({"focal_length": 0.1, "transmission": 1.2}, "less than or equal to 1"),
        ({"focal_length": 0.1, "defocus": -0.1}, "negative"),
        ({"focal_length": 0.1, "focus": 1.0}, "did you mean 'defocus'"),
    ],
)
def test_a_wrong_spec_is_refused(fields, words):
    with pytest.raises(SpecError, match=words):
        LensSpec(**fields)


def test_a_coarse_pitch_is_refused_and_each_advice_works():
    field = torch.ones(1300, 4)
    with pytest.raises(SamplingError, match="pitch of at most") as caught:
        thin_lens(field, focal_length=0.1, **GRID)
    words = str(caught.value)
    pitch = float(words.split("pitch of at most ")[1].split(" m")[0])
    focal = float(words.split("focal length of at least ")[1].split(" m")[0])
    diameter = float(words.split("diameter of at most ")[1].split(" m")[0])
    width = 1300 * 8e-6
    thin_lens(torch.ones(int(width / pitch), 4), wavelength=532e-9, pitch=pitch * 0.999, focal_length=0.1)
    thin_lens(field, focal_length=focal * 1.001, **GRID)
    thin_lens(field, focal_length=0.1, diameter=diameter * 0.999, **GRID)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: thin_lens(torch.ones(4, 4), wavelength=0.0, pitch=8e-6, focal_length=0.1),
            SpecError,
            "532e-9",
        ),
        (
            lambda: thin_lens(torch.ones(4, 4), wavelength=5e-7, pitch=-8e-6, focal_length=0.1),
            SpecError,
            "8e-6",
        ),
        (lambda: lens_phase((4, 4), focal_length=0.0, **GRID), SpecError, "not 0"),
        (
            lambda: lens_transmission((4, 4), focal_length=0.1, zernike={4: 1.0}, **GRID),
            SpecError,
            "diameter",
        ),
        (lambda: thin_lens(torch.ones(4), focal_length=0.1, **GRID), ShapeError, "ny, nx"),
        (
            lambda: Lens(LensSpec(focal_length=0.1), (4, 5), **GRID)(torch.ones(5, 4)),
            ShapeError,
            "made for|this lens",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_gradients():
    u = torch.randn(5, 4, dtype=torch.complex128, generator=generator(1)).requires_grad_()
    c = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def through(u, c):
        return thin_lens(u, focal_length=0.1, diameter=3e-5, zernike={8: c}, **GRID)

    assert torch.autograd.gradcheck(through, (u, c))
