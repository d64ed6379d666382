"""Free space against closed forms: Gaussian beams, Talbot, discs from Fresnel to Fraunhofer, the direct integral."""

from __future__ import annotations

import cmath
import math

import pytest
import torch

from optics.conventions import abs2, axis, cis
from optics.wave.aperture import circular_aperture
from optics.wave.elements import binary_grating, complex_mask
from optics.wave.fourier import fft2c
from optics.wave.lens import thin_lens
from optics.wave.propagation import (
    angular_spectrum,
    band_limited_angular_spectrum,
    choose_propagation,
    fresnel_transfer,
    fresnel_transform,
    propagate,
)
from tests.physics.analytic import gaussian_beam, on_axis_behind_disc, rayleigh_sommerfeld
from tests.scenes import generator

pytestmark = pytest.mark.physics

WAVELENGTH = 532e-9
BEAM = {"wavelength": WAVELENGTH, "waist": 100e-6, "centre": (220e-6, -90e-6), "tilt": (-2e-3, 3e-3)}
RANGE = math.pi * BEAM["waist"] ** 2 / WAVELENGTH  # 59 mm


def difference(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("z", [-0.5 * RANGE, 0.3 * RANGE, 0.9 * RANGE])
@pytest.mark.parametrize("method", [angular_spectrum, band_limited_angular_spectrum, fresnel_transfer])
def test_tilted_gaussian_beam_off_the_axis(method, z):
    # complex field: a sign, a factor 2, an exchanged axis or a mirror each change it by order 1
    y, x = axis(300, 5e-6), axis(320, 5e-6)
    start = gaussian_beam(y, x, 0.0, **BEAM)
    out = method(start, wavelength=WAVELENGTH, pitch=5e-6, distance=z)
    assert difference(out, gaussian_beam(y, x, z, **BEAM)) < 5e-4


def test_tilted_gaussian_beam_by_one_transform_onto_a_window():
    z = 4 * RANGE
    near, far = (axis(300, 5e-6), axis(320, 5e-6)), (axis(90, 8e-6) - 3e-4, axis(110, 6e-6) + 5e-4)
    out = fresnel_transform(
        gaussian_beam(*near, 0.0, **BEAM),
        wavelength=WAVELENGTH,
        pitch=5e-6,
        distance=z,
        out_pitch=(8e-6, 6e-6),
        out_shape=(90, 110),
        out_centre=(-3e-4, 5e-4),
    )
    want = gaussian_beam(*far, z, **BEAM) * math.sqrt(8e-6 * 6e-6) / 5e-6
    assert difference(out, want) < 1e-6


def test_width_and_gouy_phase_over_five_rayleigh_ranges():
    y, x = axis(512, 6e-6), axis(500, 6e-6)
    start = gaussian_beam(y, x, 0.0, wavelength=WAVELENGTH, waist=100e-6)
    for ratio in (-2.0, 0.25, 1.0, 3.0):
        z = ratio * RANGE
        out, _ = propagate(start, wavelength=WAVELENGTH, pitch=6e-6, distance=z)
        power = abs2(out)
        width = 2 * float((power.sum(1) * y**2).sum() / power.sum()) ** 0.5
        assert width == pytest.approx(100e-6 * math.hypot(1, ratio), rel=1e-3)
        peak = complex(out[256, 250]) * cmath.exp(-2j * math.pi * math.fmod(z / WAVELENGTH, 1))
        assert cmath.phase(peak) == pytest.approx(-math.atan(ratio), abs=1e-3)
        assert abs(peak) == pytest.approx(1 / math.hypot(1, ratio), rel=1e-3)


def test_exact_propagation_is_the_diffraction_integral_at_large_angles():
    # pitch of two wavelengths, angles to 15 degrees: the paraxial form is far off here
    pitch, z = 1e-6, 300e-6
    y, x = axis(180, pitch), axis(200, pitch)
    r2 = (y[:, None] - 12e-6) ** 2 + (x[None, :] + 20e-6) ** 2
    u = torch.exp(-r2 / (9e-6) ** 2) * cis(2 * math.pi * (0.15e6 * x[None, :] - 0.22e6 * y[:, None]))
    out, choice = propagate(u, wavelength=WAVELENGTH, pitch=pitch, distance=z)
    assert choice.method == "angular_spectrum"
    samples = [(64, 105), (66, 100), (70, 110), (58, 104), (100, 60)]
    want = rayleigh_sommerfeld(
        u, y, x, [(float(y[i]), float(x[j])) for i, j in samples], z, wavelength=WAVELENGTH
    )
    got = torch.stack([out[i, j] for i, j in samples])
    assert float((got - want).abs().max() / want.abs().max()) < 1e-5
    paraxial = fresnel_transfer(u, wavelength=WAVELENGTH, pitch=pitch, distance=z)
    assert difference(paraxial, out) > 0.1


def test_talbot_self_image_shifted_image_and_half_period():
    period, pitch, n = 128e-6, 4e-6, 256
    bars = binary_grating((4, n), pitch, period, duty=0.25)
    bars = torch.roll(bars, 5, dims=-1)  # not symmetric about the axis
    talbot = 2 * period**2 / WAVELENGTH
    options = {"wavelength": WAVELENGTH, "pitch": pitch, "periodic": True}
    image = abs2(fresnel_transfer(bars, distance=talbot, **options))
    assert difference(image, bars) < 1e-9
    half = abs2(fresnel_transfer(bars, distance=talbot / 2, **options))
    assert difference(half, torch.roll(bars, n // 16, dims=-1)) < 1e-9
    # halfway to that: two images of half the light, a quarter period away on either side
    quarter = abs2(fresnel_transfer(bars, distance=talbot / 4, **options))
    assert difference(quarter, bars / 2 + torch.roll(bars, n // 16, dims=-1) / 2) < 1e-9
    # and off the Talbot length there is no image
    assert difference(abs2(fresnel_transfer(bars, distance=talbot * 0.9, **options)), bars) > 0.3


@pytest.mark.parametrize("fresnel_number", [0.05, 0.5, 1.0, 2.0, 3.5, 8.0])
def test_on_axis_light_behind_a_disc_from_fraunhofer_to_fresnel(fresnel_number):
    # complex, so that the direction of the phase is seen; the disc stands off the array's origin
    diameter, pitch, n, centre = 1.6e-3, 8e-6, 400, (160e-6, -400e-6)
    z = diameter**2 / (4 * WAVELENGTH * fresnel_number)
    disc = circular_aperture((n, n + 20), pitch, diameter, centre=centre)
    out, _ = propagate(disc, wavelength=WAVELENGTH, pitch=pitch, distance=z, paraxial=True)
    turn = cmath.exp(-2j * math.pi * math.fmod(z / WAVELENGTH, 1))
    got = complex(out[n // 2 + 20, n // 2 + 10 - 50]) * turn
    assert abs(got - on_axis_behind_disc(fresnel_number)) < 2e-3 * (1 + fresnel_number)


def test_far_from_the_disc_the_pattern_is_its_fourier_transform():
    pitch, shape, z = 8e-6, (200, 240), 40.0
    disc = circular_aperture(shape, pitch, 0.9e-3, centre=(2e-4, -1e-4))
    far = fresnel_transform(disc, wavelength=WAVELENGTH, pitch=pitch, distance=z)
    assert difference(abs2(far), abs2(fft2c(disc))) < 0.02
    near = fresnel_transform(disc, wavelength=WAVELENGTH, pitch=pitch, distance=z / 40)
    assert difference(abs2(near), abs2(fft2c(disc))) > 0.3


def test_reciprocity_through_lens_and_mask():
    # the light that a source at A sends to B is the light that a source at B sends to A, elements in reverse order
    grid = {"wavelength": WAVELENGTH, "pitch": 8e-6}
    draws = generator(2)
    mask = 0.7 * torch.randn(70, 80, dtype=torch.complex128, generator=draws) / 4
    mask = mask / mask.abs().max()
    lens = {"focal_length": 0.05, "diameter": 4.5e-4, "centre": (5e-5, -3e-5), "zernike": {8: 0.4}}

    def forth(u):
        u = thin_lens(propagate(u, distance=0.004, **grid)[0], **lens, **grid)
        return propagate(complex_mask(propagate(u, distance=0.006, **grid)[0], mask), distance=0.002, **grid)[
            0
        ]

    def back(u):
        u = complex_mask(propagate(u, distance=0.002, **grid)[0], mask)
        u = thin_lens(propagate(u, distance=0.006, **grid)[0], **lens, **grid)
        return propagate(u, distance=0.004, **grid)[0]

    a, b = (torch.randn(70, 80, dtype=torch.complex128, generator=draws) for _ in range(2))
    there, here = (b * forth(a)).sum(), (a * back(b)).sum()
    assert abs(complex(there - here)) < 1e-9 * abs(complex(there))
    assert abs(complex((b * back(a)).sum() - there)) > 1e-2 * abs(complex(there))


def test_energy_through_every_method():
    y, x = axis(300, 5e-6), axis(320, 5e-6)
    start = gaussian_beam(y, x, 0.0, **BEAM)
    energy = float(abs2(start).sum())
    grid = {"wavelength": WAVELENGTH, "pitch": 5e-6}
    for out in (
        angular_spectrum(start, distance=0.03, **grid),
        band_limited_angular_spectrum(start, distance=0.03, **grid),
        fresnel_transfer(start, distance=0.03, **grid),
        fresnel_transform(start, distance=0.03, **grid),
        thin_lens(start, focal_length=0.1, **grid),
    ):
        assert float(abs2(out).sum()) == pytest.approx(energy, rel=1e-6)
    assert choose_propagation((300, 320), distance=0.03, **grid).paraxial is False
