"""Inside the pixels: staircase and envelope of a pixelated blaze, and the mean that the SLM module gives."""

import math

import pytest
import torch

from optics.checks import OpticsError, SpecError
from optics.slm.panel import SLM, SLMSpec
from optics.slm.subpixel import fine_reflectance, superpixels
from tests.scenes import generator

pytestmark = pytest.mark.physics
S = 32


def amplitude(field, cycles, dim):
    """Complex amplitude at `cycles` per SLM pixel along `dim`; positions count from the middle of pixel 0."""
    x = (torch.arange(field.shape[dim], dtype=torch.float64) + 0.5) / S - 0.5
    return (field.mean(-3 - dim) * torch.exp(-2j * math.pi * cycles * x)).mean()


def blaze(shape, period, dim):
    n = torch.arange(shape[dim], dtype=torch.float64)
    line = 2 * math.pi * n / period
    return (line[None, :] if dim == -1 else line[:, None]).expand(shape).contiguous()


@pytest.mark.parametrize("dim", [-2, -1])
@pytest.mark.parametrize("period", [3, 4, 8])
def test_first_order_of_a_blaze_of_p_pixels_is_sinc_squared(period, dim):
    """A staircase of P steps: sinc^2(1/P); the envelope of the pixel at the order's angle. Goodman, eq. 8-38."""
    shape = (24, 48)
    slm = SLM(SLMSpec(shape=shape, pitch=8e-6, modulation="phase"), dtype=torch.float64)
    field = fine_reflectance(slm, blaze(shape, period, dim), S)
    got = amplitude(field, 1 / period, dim).abs() ** 2
    assert float(got) == pytest.approx(math.sin(math.pi / period) ** 2 * (period / math.pi) ** 2, abs=2e-3)
    assert float(amplitude(field, -1 / period, dim).abs()) < 1e-9
    # the next copy of the order, one cycle per pixel on, has the envelope's tail
    copy = amplitude(field, 1 / period - 1, dim).abs() ** 2
    assert float(copy) == pytest.approx(float(torch.sinc(torch.tensor(1 / period - 1)) ** 2), abs=2e-3)


def test_gap_reflects_into_the_zero_order_and_narrows_the_envelope():
    shape, fill = (16, 32), 0.81
    slm = SLM(SLMSpec(shape=shape, pitch=8e-6, modulation="phase", fill_factor=fill), dtype=torch.float64)
    field = fine_reflectance(slm, blaze(shape, 4, -1), S)
    assert float(amplitude(field, 0.0, -1).abs() ** 2) == pytest.approx((1 - fill) ** 2, rel=2e-2)
    expected = fill * float(torch.sinc(torch.tensor(0.9 / 4)))  # a square of side 0.9 inside the pixel
    assert float(amplitude(field, 0.25, -1).abs()) == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("fill_factor", [1.0, 0.765625])
def test_mean_over_a_pixel_is_what_the_slm_gives(fill_factor):
    """0.765625: the active side is 28 of the 32 cells."""
    spec = SLMSpec(
        shape=(9, 14),
        pitch=8e-6,
        modulation="phase",
        bits=8,
        fill_factor=fill_factor,
        crosstalk=(0.3, 0.7),
        reflectivity=0.8,
        curvature={4: 0.3},
    )
    slm = SLM(spec, dtype=torch.float64)
    target = torch.rand(2, 9, 14, generator=generator(), dtype=torch.float64) * 7
    fine = fine_reflectance(slm, target, S)
    mean = fine.reshape(2, 9, S, 14, S).mean((2, 4))
    difference = (mean - slm(target)).norm()
    effect = (slm(target) - SLM(spec.replace(crosstalk=0.0), dtype=torch.float64)(target)).norm()
    assert float(difference) < 0.02 * float(effect)
    plain = SLM(spec.replace(crosstalk=0.0), dtype=torch.float64)
    coarse = fine_reflectance(plain, target, 2).reshape(2, 9, 2, 14, 2).mean((2, 4))
    torch.testing.assert_close(coarse, plain(target))


def test_superpixels_repeat_each_sample():
    mask = torch.arange(6.0).reshape(1, 2, 3)
    big = superpixels(mask, (2, 3))
    assert big.shape == (1, 4, 9)
    assert torch.equal(big[:, ::2, ::3], mask)
    assert torch.equal(big[:, 1::2, 2::3], mask)


def test_what_has_no_inside_is_refused():
    slm = SLM(SLMSpec(shape=(4, 4), pitch=8e-6))
    with pytest.raises(OpticsError, match='only a "phase" device'):
        fine_reflectance(slm, torch.zeros(4, 4), 2)
    with pytest.raises(OpticsError, match="at least 1"):
        fine_reflectance(slm, torch.zeros(4, 4), 0)
    with pytest.raises(SpecError, match="block"):
        superpixels(torch.zeros(4, 4), (0, 1))
