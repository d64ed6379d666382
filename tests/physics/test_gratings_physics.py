"""Gratings: how much light goes into which order, and where that order is."""

from __future__ import annotations

import math

import pytest
import torch

from optics.conventions import abs2, cis
from optics.wave.elements import amplitude_mask, binary_grating, blazed_grating, phase_mask
from optics.wave.fourier import fft2c
from optics.wave.propagation import fresnel_pitch, lens_transform

pytestmark = pytest.mark.physics


def orders(field):
    """Share of the light in each order of a one-line field that holds whole periods."""
    power = abs2(fft2c(field))[0]
    return power / power.sum()


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
def test_quantised_blaze(bits):
    # 8 periods of 2048 samples: fine enough for the steps to be areas
    phase = blazed_grating((1, 16384), 1e-6, 2048e-6, levels=2**bits)
    share = orders(cis(phase))
    first = float(share[8192 + 8])
    assert first == pytest.approx(
        float(torch.sinc(torch.tensor(2.0**-bits, dtype=torch.float64))) ** 2, abs=1e-3
    )
    # the light that is lost lies in orders 1 + m 2^b
    stray = 1 - 2**bits
    want = first / stray**2
    assert float(share[8192 + 8 * stray]) == pytest.approx(want, abs=1e-3) if abs(stray) < 100 else True


@pytest.mark.parametrize("samples", [2, 3, 4, 8, 16])
def test_first_order_against_pixel_pitch(samples):
    # each SLM pixel drawn with 32 sub-samples: sinc^2(pitch / period) of square pixels, not of points
    fine, periods = 32, 4
    pixels = blazed_grating((1, samples * periods), 8e-6, samples * 8e-6)
    share = orders(cis(pixels.repeat_interleave(fine, dim=-1)))
    middle = share.numel() // 2
    want = float(torch.sinc(torch.tensor(1 / samples, dtype=torch.float64))) ** 2
    assert float(share[middle + periods]) == pytest.approx(want, abs=1e-3)
    if samples > 2:
        assert float(share[middle - periods]) < want / 4


def test_depth_shares_the_light_between_orders():
    for depth in (0.5, 1.0, 1.5):
        share = orders(cis(blazed_grating((1, 8192), 1e-6, 2048e-6, depth=depth * 2 * math.pi)))
        for order in (-1, 0, 1, 2):
            want = float(torch.sinc(torch.tensor(order - depth, dtype=torch.float64))) ** 2
            assert float(share[4096 + 4 * order]) == pytest.approx(want, abs=1e-3)


def test_binary_amplitude_and_phase_gratings():
    bars = binary_grating((1, 8192), 1e-6, 2048e-6)
    light = torch.ones(1, 8192, dtype=torch.complex128)
    share = abs2(fft2c(amplitude_mask(light, bars)))[0] / 8192
    flat = abs2(fft2c(phase_mask(light, binary_grating((1, 8192), 1e-6, 2048e-6, high=math.pi))))[0] / 8192
    assert float(share[4096]) == pytest.approx(1 / 4, abs=1e-3)
    assert float(flat[4096]) == pytest.approx(0.0, abs=1e-3)
    for order in (-1, 1):
        assert float(share[4096 + 4 * order]) == pytest.approx(1 / math.pi**2, abs=1e-3)
        assert float(flat[4096 + 4 * order]) == pytest.approx(4 / math.pi**2, abs=1e-3)
    assert float(share[4096 + 8]) == pytest.approx(0.0, abs=1e-3)


def test_first_order_lies_at_lambda_f_over_period_towards_the_angle():
    shape, pitch, period, angle = (240, 300), 8e-6, 50e-6, 0.4
    u = cis(blazed_grating(shape, pitch, period, angle=angle))
    focus = abs2(lens_transform(u, wavelength=532e-9, pitch=pitch, focal_length=0.1))
    far = fresnel_pitch(shape, wavelength=532e-9, pitch=pitch, distance=0.1)
    iy, ix = divmod(int(focus.argmax()), shape[1])
    distance = 532e-9 * 0.1 / period
    assert (iy - 120) * far[0] == pytest.approx(distance * math.sin(angle), abs=far[0])
    assert (ix - 150) * far[1] == pytest.approx(distance * math.cos(angle), abs=far[1])
