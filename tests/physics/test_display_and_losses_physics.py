"""Light, display, losses and stray light against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.camera.camera import Camera, CameraSpec
from optics.conventions import abs2
from optics.fourf.camera_window import CameraWindow
from optics.fourf.display import emitted, illumination_profile
from optics.fourf.illumination import incoherent
from optics.fourf.system import FourF
from optics.slm.panel import SLM, SLMSpec
from optics.slm.subpixel import fine_reflectance
from tests.scenes import generator

pytestmark = pytest.mark.physics
PITCH = 20e-6
BENCH = load_bench("ideal-200mm").replace(**{"input.pitch": PITCH})
SHAPE = (31, 40)


def test_a_gaussian_beam_has_exp_minus_two_at_its_radius_from_its_centre():
    bench = BENCH.replace(**{"light.beam_radius": 8 * PITCH, "light.beam_centre": (3 * PITCH, -5 * PITCH)})
    profile = illumination_profile(bench, SHAPE)
    j, i = 15 + 3, 20 - 5
    assert float(profile[j, i]) == pytest.approx(1.0)
    for dj, di in ((8, 0), (0, -8), (-8, 0)):
        assert float(profile[j + dj, i + di]) == pytest.approx(math.exp(-2), rel=1e-12)
    assert float(profile[j + 4, i]) == pytest.approx(math.exp(-0.5), rel=1e-12)


def test_a_map_covers_the_image_and_multiplies_the_beam():
    bench = BENCH.replace(**{"light.beam_map": ((1.0, 0.5), (0.2, 0.4), (0.8, 0.6))})
    profile = illumination_profile(bench, (33, 42))
    for j in range(3):
        for i in range(2):
            assert float(profile[11 * j + 5, 21 * i + 10]) == pytest.approx(bench.light.beam_map[j][i])
    both = illumination_profile(bench.replace(**{"light.beam_radius": 1e-3}), (33, 42))
    alone = illumination_profile(BENCH.replace(**{"light.beam_radius": 1e-3}), (33, 42))
    torch.testing.assert_close(both, alone * profile)


@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
def test_contrast_and_gamma_act_on_the_intensity(kind):
    bench = BENCH.replace(**{"input.contrast": 40.0, "input.gamma": 2.2})
    asked = torch.tensor([[[0.0, 0.5**0.5, 1.0]]], dtype=kind) * (1j if kind.is_complex else 1)
    shown = emitted(bench, asked)
    want = torch.tensor([1 / 40, 1 / 40 + 39 / 40 * 0.5**2.2, 1.0], dtype=torch.float64)
    torch.testing.assert_close(abs2(shown)[0, 0], want, rtol=1e-6, atol=1e-9)
    if kind.is_complex:
        assert float(shown[0, 0, 1].angle()) == pytest.approx(math.pi / 2)


def test_every_path_shows_what_the_display_emits():
    bench = BENCH.replace(
        **{
            "input.contrast": 30.0,
            "input.gamma": 1.6,
            "light.beam_radius": 3e-4,
            "light.beam_centre": (1e-4, 0.0),
        }
    )
    x = torch.rand(2, 9, 12, generator=generator(), dtype=torch.float64)
    real, even = (FourF(b, CameraWindow((9, 12)), dtype=torch.float64) for b in (bench, BENCH))
    mask = torch.polar(
        torch.ones(1, *real.pupil.shape, dtype=torch.float64), torch.rand(1, *real.pupil.shape).double()
    )
    psf, shown = even.psf(mask), emitted(bench, x)
    torch.testing.assert_close(real.wave(x, mask), even.wave(shown, mask))
    torch.testing.assert_close(real.convolve(x, psf), even.convolve(shown, psf))
    torch.testing.assert_close(real.intensity(x, psf), even.intensity(shown, psf))
    torch.testing.assert_close(incoherent(real, x, psf), incoherent(even, shown, psf))
    torch.testing.assert_close(real.at_slm(x), even.at_slm(shown))


def test_zero_order_beside_the_gaps_and_a_splitter_s_loss():
    """A blaze of 8 pixels: `(1 - z) F^2` goes into the order, `(1 - z)(1 - F)^2 + z` stays; a mirror keeps all."""
    fill, bypass = 0.9, 0.04
    spec = SLMSpec(
        shape=(16, 64),
        pitch=8e-6,
        modulation="phase",
        fill_factor=fill,
        zero_order=bypass,
        reflectivity=0.7,
        beam_splitter=0.25,
    )
    slm = SLM(spec, dtype=torch.float64)
    n = torch.arange(64, dtype=torch.float64)
    shown = slm((2 * math.pi * n / 8).expand(16, 64).contiguous())
    loss = 0.7 * 0.25
    zero = abs2(shown.mean())
    order = abs2((shown * torch.exp(-2j * math.pi * n / 8)).mean())
    assert float(zero) == pytest.approx(loss * ((1 - bypass) * (1 - fill) ** 2 + bypass), rel=1e-9)
    assert float(order) == pytest.approx(loss * (1 - bypass) * fill**2, rel=1e-9)
    assert float(order) == pytest.approx(spec.signal_amplitude**2, rel=1e-9)
    assert float(abs2(slm(torch.zeros(16, 64, dtype=torch.float64)).mean())) == pytest.approx(loss)
    target = torch.rand(16, 64, dtype=torch.float64)
    fine = fine_reflectance(slm, target, 20)
    mean = fine.reshape(16, 20, 64, 20).mean((1, 3))
    torch.testing.assert_close(mean, slm(target), rtol=0, atol=0.02)


def test_stray_light_adds_photons_that_the_electronics_subtracts():
    spec = CameraSpec(shape=(8, 12), pitch=5e-6, binning=2, quantum_efficiency=0.5, background=30.0)
    camera, photons = Camera(spec), torch.full((4, 6), 100.0)
    counts = camera.expose(photons)
    torch.testing.assert_close(counts, torch.full((4, 6), 0.5 * (100.0 + 4 * 30.0)))
    torch.testing.assert_close(camera.photons_of(counts), photons)


@pytest.mark.parametrize("binning", [1, 5])
def test_fringes_have_their_period_and_bins_average_them(binning):
    pitch, period = 5e-6, (0.0, 1e-4)
    uniformity = {"fringes": 0.1, "fringe_period": period}
    spec = CameraSpec(shape=(50, 400), pitch=pitch, binning=binning, uniformity=uniformity)
    counts = Camera(spec).expose(torch.ones(spec.binned_shape, dtype=torch.float64))
    assert float((counts - counts[:1]).abs().max()) < 1e-7  # none along y
    cells = torch.arange(spec.binned_shape[1], dtype=torch.float64)
    centre = ((cells + 0.5) * binning - 0.5 - 200) * pitch
    # the mean of `binning` equal steps of a cosine: the Dirichlet kernel
    step = math.pi * pitch / period[1]
    seen = 0.1 * math.sin(binning * step) / (binning * math.sin(step))
    want = 1 + seen * torch.cos(2 * math.pi * centre / period[1])
    torch.testing.assert_close(counts[0], want, rtol=0, atol=1e-6)


def test_a_bench_of_other_losses_is_dimmer_by_just_that():
    assert isinstance(BENCH, BenchSpec)
    quarter = BENCH.replace(**{"slm.beam_splitter": 0.25})
    assert quarter.slm.signal_amplitude == pytest.approx(0.5 * BENCH.slm.signal_amplitude)
