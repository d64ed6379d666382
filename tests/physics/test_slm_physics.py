"""The modulator against closed forms: zero order, levels, blaze, response, fringing, ripple.

Gratings run along one axis of a non-square panel, so a swapped axis or a flipped sign puts the light elsewhere.
"""

import math

import pytest
import torch

from optics.slm.panel import SLM, SLMSpec
from optics.slm.response import ResponseSpec
from tests.scenes import generator

pytestmark = pytest.mark.physics
PLAIN = SLMSpec(shape=(48, 512), pitch=8e-6, modulation="phase")


def ramp(period, shape=(48, 512), axis=1):
    """Phase 2 pi n / period, rising along `axis`."""
    n = torch.arange(shape[axis], dtype=torch.float64) - shape[axis] // 2
    line = 2 * math.pi * n / period
    return (line[None, :] if axis == 1 else line[:, None]).expand(shape).contiguous()


def order(reflectance, period, k, axis=1):
    """Complex amplitude of order k of a grating of `period` pixels along `axis`."""
    phase = ramp(period, tuple(reflectance.shape[-2:]), axis)
    return (reflectance * torch.exp(-1j * k * phase)).mean((-2, -1))


def efficiency(spec, period, k, axis=1, **options):
    slm = SLM(spec, dtype=torch.float64)
    return float(order(slm(ramp(period, spec.shape, axis), **options), period, k, axis).abs() ** 2)


@pytest.mark.parametrize("fill", [0.93, 0.90, 0.87])
def test_zero_order_is_the_square_of_the_gap(fill):
    """(1 - F)^2 of the light stays in the zero order, F^2 goes where the blaze sends it."""
    spec = PLAIN.replace(fill_factor=fill, reflectivity=0.8)
    assert efficiency(spec, 8, 0) == pytest.approx(0.8 * (1 - fill) ** 2, rel=1e-9)
    assert efficiency(spec, 8, 1) == pytest.approx(0.8 * fill**2, rel=1e-9)
    assert efficiency(spec, 8, -1) < 1e-20
    flat = SLM(spec, dtype=torch.float64)(torch.full(spec.shape, math.pi, dtype=torch.float64))
    assert complex(flat[0, 0]) == pytest.approx(math.sqrt(0.8) * (1 - 2 * fill))


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
def test_rms_error_of_the_levels(bits):
    """2 pi / (2^b sqrt(12)): a uniform error of one level's width."""
    target = torch.rand(200, 300, generator=generator(), dtype=torch.float64) * 20 - 10
    slm = SLM(SLMSpec(shape=(200, 300), pitch=8e-6, modulation="phase", bits=bits), dtype=torch.float64)
    error = (slm(target) * torch.exp(-1j * target)).angle()
    assert float(error.mean()) == pytest.approx(0.0, abs=0.03 * 2 * math.pi / 2**bits)
    assert float(error.square().mean().sqrt()) == pytest.approx(
        2 * math.pi / (2**bits * math.sqrt(12)), rel=0.01
    )


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
@pytest.mark.parametrize("axis", [0, 1])
def test_quantised_blaze_has_efficiency_sinc_squared(bits, axis):
    """sinc^2(1 / 2^b), and the light is on the +1 order. Goodman, 3rd ed., equation 8-38."""
    shape = (4, 512) if axis == 1 else (512, 4)
    spec = PLAIN.replace(shape=shape, bits=bits)
    expected = float(torch.sinc(torch.tensor(1 / 2**bits, dtype=torch.float64)) ** 2)
    assert efficiency(spec, 256, 1, axis) == pytest.approx(expected, abs=1e-3)
    if bits > 1:
        assert efficiency(spec, 256, -1, axis) < 1e-3


@pytest.mark.parametrize("share", [0.7, 0.9, 1.2])
@pytest.mark.parametrize("bits", [None, 8])
def test_wrong_range_sends_light_into_the_other_orders(share, bits):
    """A sawtooth of height 2 pi r has order amplitudes sinc(k - r): the zero order rises to sinc^2(r)."""
    spec = PLAIN.replace(
        shape=(4, 512),
        bits=bits,
        response=ResponseSpec(range=2 * math.pi * share),
        assumed_response=ResponseSpec(),
    )
    for k in (-1, 0, 1, 2):
        expected = float(torch.sinc(torch.tensor(k - share, dtype=torch.float64)) ** 2)
        assert efficiency(spec, 256, k) == pytest.approx(expected, abs=4e-3)


def test_who_knows_the_range_gets_the_light_back():
    response = ResponseSpec(range=2.2 * math.pi, gamma=1.3)
    spec = PLAIN.replace(bits=8, response=response)
    target = ramp(32)
    informed = order(SLM(spec, dtype=torch.float64)(target), 32, 1).abs() ** 2
    unknown = spec.replace(assumed_response=ResponseSpec())
    naive = order(SLM(unknown, dtype=torch.float64)(target), 32, 1).abs() ** 2
    assert float(informed) > 0.999
    assert float(naive) < 0.95


def test_gamma_bends_the_phase():
    spec = PLAIN.replace(bits=8, response=ResponseSpec(range=6.0, gamma=2.0), assumed_response=ResponseSpec())
    shown = SLM(spec, dtype=torch.float64)(torch.full(PLAIN.shape, math.pi, dtype=torch.float64))
    assert float(shown[0, 0].angle()) == pytest.approx(6.0 * 0.25)


def test_sections_scale_the_phase_where_they_lie():
    """Four quarters; the factor at the centre of each is the one given, (y, x)."""
    spec = PLAIN.replace(
        shape=(40, 60),
        response=ResponseSpec(sections=((0.5, 0.6), (0.7, 0.8))),
        assumed_response=ResponseSpec(),
    )
    shown = SLM(spec, dtype=torch.float64)(torch.full((40, 60), 1.0, dtype=torch.float64)).angle()
    for (y, x), factor in {(2, 3): 0.5, (2, 55): 0.6, (37, 3): 0.7, (37, 55): 0.8}.items():
        assert float(shown[y, x]) == pytest.approx(factor, abs=1e-9)


def test_crosstalk_costs_a_fine_grating_more_and_along_its_wide_axis_more():
    spec = SLMSpec(shape=(64, 96), pitch=8e-6, modulation="phase", crosstalk=(0.2, 0.7))
    along_x = [efficiency(spec, p, 1, axis=1) for p in (4, 8, 16, 32)]
    along_y = [efficiency(spec, p, 1, axis=0) for p in (4, 8, 16, 32)]
    assert along_x == sorted(along_x)
    assert along_y == sorted(along_y)
    assert all(x < y for x, y in zip(along_x, along_y, strict=True))
    assert along_x[0] < 0.7 < along_x[3]


def test_crosstalk_smears_the_fly_back():
    """Fly-back of rms-like width w over a period P costs about 2 w / P; the same whichever way the blaze rises."""
    wide = PLAIN.replace(crosstalk=(0.0, 0.5))
    loss = [1 - efficiency(wide, p, 1) for p in (16, 32, 64)]
    assert loss[0] / loss[1] == pytest.approx(2.0, rel=0.1)
    assert loss[1] / loss[2] == pytest.approx(2.0, rel=0.1)
    falling = SLM(wide, dtype=torch.float64)(-ramp(16))
    assert float(order(falling, 16, -1).abs() ** 2) == pytest.approx(1 - loss[0], abs=5e-3)


def test_mean_over_the_exposure_is_the_mean_over_many_ripples():
    """First order of a blaze under a ripple of relative rms e: 1 - pi^2 e^2 / 3, sampled and averaged alike."""
    flicker = 0.6
    sigma = flicker / (2 * math.pi)
    spec = PLAIN.replace(shape=(1, 256), flicker=flicker)
    slm = SLM(spec, dtype=torch.float64)
    target = ramp(256, (1, 256))
    mean = sum(w * float(order(slm(target, ripple=e), 256, 1).abs() ** 2) for e, w in slm.states)
    drawn = slm(target.expand(4000, 1, 256), generator=generator(2))
    sampled = float((order(drawn, 256, 1).abs() ** 2).mean())
    assert mean == pytest.approx(1 - math.pi**2 * sigma**2 / 3, abs=2e-3)
    assert sampled == pytest.approx(mean, abs=2e-3)


def test_curvature_is_a_lens_over_the_panel():
    """Noll 4, a radians rms: sqrt(3) a (2 rho^2 - 1) over the circumscribed circle; tilts point along their axis."""
    spec = SLMSpec(shape=(60, 80), pitch=8e-6, modulation="phase", curvature={4: 0.2})
    shown = SLM(spec)(torch.zeros(60, 80)).angle()
    assert float(shown[30, 40]) == pytest.approx(-math.sqrt(3) * 0.2, abs=1e-5)
    rho2 = (40**2) / (50**2)
    assert float(shown[30, 0]) == pytest.approx(math.sqrt(3) * 0.2 * (2 * rho2 - 1), abs=1e-5)
    tilt = SLM(spec.replace(curvature={2: 0.2}))(torch.zeros(60, 80)).angle()
    assert float(tilt[30, 60]) == pytest.approx(2 * 0.2 * 20 / 50, abs=1e-5)
    assert float(tilt[45, 40]) == pytest.approx(0.0, abs=1e-5)
