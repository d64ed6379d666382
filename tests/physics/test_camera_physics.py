"""A camera against the laws of photon statistics, and its pixels against the analytic transfer function."""

from __future__ import annotations

import math

import pytest
import torch

from optics.camera.camera import ADCSpec, Camera, CameraSpec, UniformitySpec
from optics.wave.pixel_integration import pixel_weights
from tests.scenes import generator

pytestmark = pytest.mark.physics


def camera(**changes: object) -> Camera:
    return Camera(CameraSpec(shape=(40, 60), pitch=5e-6).replace(**changes))


def frames(cam: Camera, photons: float, count: int = 100, **options: object) -> torch.Tensor:
    """Counts (count, y, x) in float64 of a flat field."""
    light = torch.full((count, *cam.shape), photons, dtype=torch.float64)
    return cam.expose(light, generator=generator(7), **options)


@pytest.mark.parametrize("differentiable", [False, True])
def test_relative_noise_is_one_over_root_photons(differentiable):
    cam = camera(shot_noise=True)
    for photons in (100.0, 2500.0, 40000.0):
        counts = frames(cam, photons, differentiable=differentiable)
        assert counts.mean() == pytest.approx(photons, rel=1e-3)
        assert counts.std() / counts.mean() == pytest.approx(1 / math.sqrt(photons), rel=5e-3)


def test_noise_of_both_paths_agrees_and_evaluation_is_poisson():
    cam = camera(shot_noise=True, quantum_efficiency=0.5, read_noise=1.5, adc=ADCSpec(gain=2.0))
    for photons in (20.0, 800.0):
        true, smooth = (frames(cam, photons, differentiable=d) for d in (False, True))
        assert true.mean() == pytest.approx(
            smooth.mean().item(), rel=4e-3
        )  # four standard errors of the darker
        assert true.std() == pytest.approx(smooth.std().item(), rel=5e-3)
    few = frames(camera(shot_noise=True), 2.0)
    # Poisson, not a Gaussian: P(0) = exp(-2), third central moment = mean
    assert (few == 0).double().mean() == pytest.approx(math.exp(-2), rel=0.02)
    assert (few - few.mean()).pow(3).mean() == pytest.approx(2.0, rel=0.05)


def test_photon_transfer_slope_is_the_gain():
    cam = camera(
        shot_noise=True, quantum_efficiency=0.6, read_noise=4.0, adc=ADCSpec(gain=2.5, black_level=20.0)
    )
    means, variances = [], []
    for photons in (200.0, 1000.0, 3000.0, 6000.0):
        counts = frames(cam, photons)
        means.append(counts.mean().item())
        variances.append(counts.var().item())
    slope = (variances[-1] - variances[0]) / (means[-1] - means[0])
    assert 1 / slope == pytest.approx(2.5, rel=0.01)
    # intercept at the black level: read noise in counts
    assert variances[0] - slope * (means[0] - 20.0) == pytest.approx((4.0 / 2.5) ** 2, rel=0.1)
    assert (means[-1] - 20.0) * 2.5 / 6000.0 == pytest.approx(0.6, rel=1e-3)


def test_rounding_error_is_one_twelfth_of_a_step():
    cam = camera(adc=ADCSpec(bits=10, gain=3.7))
    ramp = torch.linspace(100.0, 3000.0, 40 * 60, dtype=torch.float64).reshape(40, 60)
    rms = (cam.photons_of(cam.expose(ramp)) - ramp).pow(2).mean()
    assert rms == pytest.approx(3.7**2 / 12, rel=0.01)


def test_binned_pixels_have_the_rounding_error_of_all_their_converters():
    cam = Camera(CameraSpec(shape=(80, 120), pitch=5e-6, binning=4, adc=ADCSpec(bits=10, gain=3.7)))
    ramp = torch.linspace(1e4, 4e4, 20 * 30, dtype=torch.float64).reshape(20, 30).expand(100, -1, -1)
    error = cam.photons_of(cam.expose(ramp, generator=generator())) - ramp
    assert error.pow(2).mean() == pytest.approx(16 * 3.7**2 / 12, rel=0.02)


def test_binning_adds_noise_in_quadrature_and_signal_linearly():
    one = camera(read_noise=3.0, dark_current=200.0)
    four = Camera(one.spec.replace(binning=4))
    assert frames(one, 0.0).std() == pytest.approx(3.0, rel=0.01)
    assert frames(four, 0.0).std() == pytest.approx(12.0, rel=0.01)
    assert frames(one, 0.0).mean() == pytest.approx(2.0, rel=0.02)  # 200 e/s for 10 ms
    assert frames(four, 0.0).mean() == pytest.approx(32.0, rel=0.02)


def test_full_well_stops_the_signal_and_its_noise():
    cam = camera(shot_noise=True, full_well=1000.0)
    assert frames(cam, 1500.0).max() == 1000.0
    assert frames(cam, 1500.0).std() == 0.0
    assert frames(cam, 500.0).std() == pytest.approx(math.sqrt(500), rel=0.01)


def test_dark_signal_has_shot_noise_and_grows_with_exposure():
    for exposure in (0.1, 0.4):
        dark = frames(camera(shot_noise=True, dark_current=300.0, exposure=exposure), 0.0)
        assert dark.mean() == pytest.approx(300 * exposure, rel=0.01)
        assert dark.var() == pytest.approx(300 * exposure, rel=0.02)


def test_fixed_patterns_have_their_rms_and_do_not_average_out():
    spec = CameraSpec(shape=(200, 300), pitch=5e-6, uniformity=UniformitySpec(prnu=0.03, dsnu=4.0))
    cam = Camera(spec)
    assert cam.expose(torch.zeros(200, 300)).std() == pytest.approx(4.0, rel=0.02)
    assert cam.expose(torch.full((200, 300), 1e5)).std() == pytest.approx(3000.0, rel=0.02)
    binned = Camera(spec.replace(binning=2))
    assert binned.expose(torch.zeros(100, 150)).std() == pytest.approx(8.0, rel=0.03)
    assert binned.expose(torch.full((100, 150), 1e5)).std() == pytest.approx(1500.0, rel=0.03)


@pytest.mark.parametrize("cycles", [3.0, 11.5, 23.0, 41.0])
@pytest.mark.parametrize("centre", [0.0, 17.3e-6, -61.9e-6])
def test_pixel_integration_is_a_sinc_in_the_spectrum(cycles, centre):
    # a cosine with a phase, in a window that fades out, so that nothing is cut off; width 12.4 um
    n, step, width = 512, 1e-6, 12.4e-6
    x = (torch.arange(n, dtype=torch.float64) - n // 2) * step
    frequency = cycles / (128 * step)
    # Gaussian envelope of 30 um: the pixel sees a band around `frequency`; compare with the analytic integral
    sigma, fine = 30e-6, torch.linspace(-0.5, 0.5, 20001, dtype=torch.float64) * width + centre

    def signal(t: torch.Tensor) -> torch.Tensor:
        return torch.exp(-(t**2) / (2 * sigma**2)) * torch.cos(2 * math.pi * frequency * t + 0.7)

    got = pixel_weights(x, torch.tensor([centre]), width) @ signal(x)
    want = torch.trapezoid(signal(fine), fine) / width
    assert got.item() == pytest.approx(want.item(), abs=2e-7)


def test_modulation_transfer_of_a_row_of_pixels_is_the_sinc():
    # an endless cosine (whole periods in the window, wrapped twice to feed the sinc's tails)
    n, step, width = 240, 1e-6, 7e-6
    x = (torch.arange(21 * n, dtype=torch.float64) - 21 * n // 2) * step
    centres = torch.arange(40, dtype=torch.float64) * 6e-6 - 1.17e-4
    weights = pixel_weights(x, centres, width)
    for cycles in (5, 20, 30, 47):
        f = cycles / (n * step)
        seen = weights @ torch.cos(2 * math.pi * f * x + 0.4)
        want = (
            math.sin(math.pi * f * width) / (math.pi * f * width) * torch.cos(2 * math.pi * f * centres + 0.4)
        )
        assert (seen - want).abs().max() < 2e-3
