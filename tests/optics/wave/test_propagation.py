"""Free space and the 2f lens: the methods agree, compose, keep energy and dtype, and refuse what they cannot do."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optics.checks import SamplingError, ShapeError, SpecError
from optics.conventions import axis
from optics.wave.fourier import fft2c
from optics.wave.propagation import (
    FreeSpace,
    angular_spectrum,
    band_limited_angular_spectrum,
    choose_propagation,
    fresnel_pitch,
    fresnel_transfer,
    fresnel_transform,
    lens_transform,
    propagate,
    transfer_function,
)

GRID = {"wavelength": 532e-9, "pitch": 8e-6}


def blob(shape=(120, 100), pitch=8e-6, width=60e-6, centre=(96e-6, -64e-6), tilt=(900.0, -2500.0)):
    """A Gaussian off the axis, travelling sideways (cycles per metre): no symmetry to hide behind."""
    y, x = axis(shape[0], pitch)[:, None], axis(shape[1], pitch)[None, :]
    r2 = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    return torch.polar(torch.exp(-r2 / width**2), 2 * math.pi * (tilt[0] * y + tilt[1] * x))


def difference(a, b):
    return float((a - b).norm() / b.norm())


def test_all_methods_agree_where_all_apply():
    u, z = blob(), 0.016
    exact = angular_spectrum(u, distance=z, **GRID)
    assert difference(band_limited_angular_spectrum(u, distance=z, **GRID), exact) < 1e-12
    assert difference(fresnel_transfer(u, distance=z, **GRID), exact) < 1e-4
    assert difference(fresnel_transform(u, distance=z, out_pitch=8e-6, **GRID), exact) < 1e-4
    assert difference(propagate(u, distance=z, paraxial=False, **GRID)[0], exact) < 1e-12


@settings(max_examples=15, deadline=None)
@given(st.integers(90, 101), st.integers(90, 101), st.floats(-0.008, 0.008), st.booleans())
@example(90, 91, 5e-324, True)  # times a wavelength it is 0
def test_steps_compose_go_back_and_keep_energy(ny, nx, z, paraxial):
    u = blob((ny, nx), centre=(40e-6, -30e-6))
    one, _ = propagate(u, distance=z, paraxial=paraxial, **GRID)
    half, _ = propagate(u, distance=z / 2, paraxial=paraxial, **GRID)
    two, _ = propagate(half, distance=z / 2, paraxial=paraxial, **GRID)
    back, _ = propagate(one, distance=-z, paraxial=paraxial, **GRID)
    # what diffracts past the window's edge is lost to the next step
    assert difference(two, one) < 1e-6
    assert difference(back, u) < 1e-6
    assert float(one.abs().square().sum()) == pytest.approx(float(u.abs().square().sum()), rel=1e-6)


def test_plane_wave_gains_k_z():
    z = 1e-3 + 532e-9 / 4
    out = angular_spectrum(torch.ones(6, 5, dtype=torch.complex128), distance=z, periodic=True, **GRID)
    cycles = z / 532e-9
    want = torch.full_like(out, complex(math.cos(2 * math.pi * cycles), math.sin(2 * math.pi * cycles)))
    assert torch.allclose(out, want, atol=1e-8)


def test_evanescent_waves_are_dropped_and_the_band_limit_is_matsushimas():
    fine = transfer_function((64, 64), wavelength=532e-9, pitch=2e-7, distance=1e-6)
    f = torch.fft.fftfreq(64, 2e-7, dtype=torch.float64)
    assert torch.equal(fine.abs() > 0.5, (f[:, None] ** 2 + f[None, :] ** 2) < 532e-9**-2)
    z = 0.05
    limited = transfer_function((64, 96), distance=z, band_limited=True, **GRID)
    fy, fx = (torch.fft.fftfreq(n, 8e-6, dtype=torch.float64).abs() for n in (64, 96))
    ly, lx = (1 / (532e-9 * math.sqrt((2 * z / (n * 8e-6)) ** 2 + 1)) for n in (64, 96))
    assert torch.equal(limited.abs() > 0.5, (fy <= ly)[:, None] & (fx <= lx)[None, :])
    assert 10 < int((limited.abs() > 0.5).sum()) < 64 * 96


@pytest.mark.parametrize(
    ("pitch", "z", "method", "paraxial"),
    [
        (8e-6, 0.0, "none", False),
        (8e-6, 0.005, "fresnel_transfer", True),
        (8e-6, -0.1, "fresnel_transform", True),
        (2e-6, 1e-4, "angular_spectrum", False),
        (2e-6, 0.003, "band_limited", False),
        (2e-6, 1.0, "fresnel_transform", True),
    ],
)
def test_the_chooser_says_what_it_chose(pitch, z, method, paraxial):
    u = blob((120, 100), pitch, width=8 * pitch, centre=(10 * pitch, -9 * pitch), tilt=(0.0, 0.0))
    out, choice = propagate(u, wavelength=532e-9, pitch=pitch, distance=z)
    assert (choice.method, choice.paraxial) == (method, paraxial)
    assert choice == choose_propagation((120, 100), wavelength=532e-9, pitch=pitch, distance=z)
    assert "distance is 0" in choice.reason or "steepest sampled angle" in choice.reason
    assert out.shape == u.shape and out.dtype == u.dtype


def test_free_space_keeps_its_transfer_function():
    u = blob()
    for paraxial in (True, False):
        space = FreeSpace((120, 100), distance=0.01, paraxial=paraxial, dtype=torch.complex128, **GRID)
        assert difference(space(u), propagate(u, distance=0.01, paraxial=paraxial, **GRID)[0]) < 1e-12
    assert FreeSpace((120, 100), distance=0.01, **GRID).paraxial
    assert not space.state_dict() and space.transfer.shape == space.window
    nothing = FreeSpace((120, 100), distance=0.0, dtype=torch.complex128, **GRID)
    assert difference(nothing(u), u) < 1e-14
    with pytest.raises(ShapeError, match=r"\(100, 120\)"):
        space(u.mT)


def test_lens_transform_is_unitary_times_minus_i():
    u = blob((30, 44))
    out = lens_transform(u, focal_length=0.1, **GRID)
    assert torch.allclose(out, -1j * fft2c(u))
    far = fresnel_pitch((30, 44), distance=0.1, **GRID)
    assert far == pytest.approx((532e-9 * 0.1 / (30 * 8e-6), 532e-9 * 0.1 / (44 * 8e-6)))
    window = lens_transform(
        u, focal_length=0.1, out_pitch=far, out_shape=(5, 9), out_centre=(3 * far[0], -4 * far[1]), **GRID
    )
    assert torch.allclose(window, out[15 + 3 - 2 : 15 + 3 + 3, 22 - 4 - 4 : 22 - 4 + 5], atol=1e-12)
    whole = lens_transform(u, focal_length=0.1, out_shape=(30, 44), **GRID)
    assert torch.allclose(whole, out, atol=1e-12)


@pytest.mark.parametrize(
    "step",
    [
        lambda u: angular_spectrum(u, distance=0.002, **GRID),
        lambda u: band_limited_angular_spectrum(u, distance=0.01, **GRID),
        lambda u: fresnel_transfer(u, distance=0.002, **GRID),
        lambda u: fresnel_transform(u, distance=0.02, **GRID),
        lambda u: lens_transform(u, focal_length=0.1, **GRID),
        lambda u: propagate(u, distance=0.004, **GRID)[0],
    ],
)
def test_single_precision_follows_and_gradients_are_right(step):
    u = blob((40, 30))
    assert difference(step(u.to(torch.complex64)), step(u)) < 3e-6
    assert step(u.to(torch.complex64)).dtype == torch.complex64
    assert step(u.real.float()).dtype == torch.complex64
    small = blob((8, 6), centre=(0.0, 0.0)).requires_grad_()
    assert torch.autograd.gradcheck(step, (small,))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda u: angular_spectrum(u, distance=1.0, **GRID), SamplingError, "Use a distance of at most"),
        (lambda u: fresnel_transform(u, distance=1e-3, **GRID), SamplingError, "n p"),
        (
            lambda u: fresnel_transform(u, distance=0.1, out_pitch=1e-4, **GRID),
            SamplingError,
            "it repeats",
        ),
        (
            lambda u: lens_transform(u, focal_length=0.1, out_pitch=1e-4, **GRID),
            SamplingError,
            "near pitch",
        ),
        (lambda u: lens_transform(u, focal_length=-0.1, **GRID), SpecError, "positive lens"),
        (lambda u: propagate(u, wavelength=0.0, pitch=8e-6, distance=0.1), SpecError, "wavelength"),
        (lambda u: propagate(u, wavelength=532e-9, pitch=-8e-6, distance=0.1), SpecError, "pitch"),
        (lambda u: propagate(u, distance=math.nan, **GRID), SpecError, "distance"),
        (lambda u: propagate(u[0], distance=0.1, **GRID), ShapeError, "ny, nx"),
    ],
)
def test_bad_input_is_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call(blob())
