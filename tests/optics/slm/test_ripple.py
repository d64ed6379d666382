"""The ripple's states: their moments are those of normal ripples, and intensities add up to the closed form."""

from __future__ import annotations

import math

import pytest
import torch

from distill.verify.reference_panel import reflectance, ripples
from optics.bench.files import load_bench
from optics.conventions import abs2
from optics.slm.panel import SLM, SLMSpec
from optics.slm.ripple import ripple_states
from tests.scenes import generator


@pytest.mark.parametrize("panels", [1, 2, 3])
@pytest.mark.parametrize("flicker", [0.06, 0.5, 1.2])
def test_moments_up_to_the_third_are_those_of_independent_normal_ripples(flicker, panels):
    states = ripple_states(flicker, panels)
    sigma = flicker / (2 * math.pi)
    e = torch.tensor([ripple for ripple, _ in states], dtype=torch.float64) / sigma
    w = torch.tensor([weight for _, weight in states], dtype=torch.float64)
    assert float(w.sum()) == pytest.approx(1.0, abs=1e-12)
    for power in (1, 3):
        assert float((w @ e**power).abs().max()) < 1e-12
    torch.testing.assert_close((w[:, None] * e).mT @ e, torch.eye(panels).double(), rtol=0, atol=1e-12)


def test_without_flicker_there_is_one_state_at_rest():
    assert ripple_states(0.0, 2) == (((0.0, 0.0), 1.0),)


@pytest.mark.parametrize("flicker", [0.1, 0.4, 1.2])
@pytest.mark.parametrize("phases", [(0.4, 2.9), (5.6, 1.1)])
def test_two_interfering_pixels_have_the_mean_fringe(flicker, phases):
    """`<|exp(i a (1 + e)) + exp(i b (1 + e))|^2> / 4 = (1 + exp(-(a - b)^2 <e^2> / 2) cos(a - b)) / 2`."""
    a, b = phases
    slm = SLM(SLMSpec(shape=(1, 2), pitch=8e-6, modulation="phase", flicker=flicker), dtype=torch.float64)
    target = torch.tensor([[a, b]], dtype=torch.float64)
    seen = sum(w * float(abs2(slm(target, ripple=e).mean())) for e, w in slm.states)
    damped = math.exp(-(((a - b) * flicker / (2 * math.pi)) ** 2) / 2)
    assert seen == pytest.approx((1 + damped * math.cos(a - b)) / 2, abs=2e-4)
    field = float(abs2(slm(target).mean()))  # the square of the mean field is another thing
    if flicker == 1.2:
        assert abs(field - seen) > 0.02


def test_energy_is_kept_over_all_orders():
    """A lossless panel that ripples sends all light somewhere: the mean intensity over all orders is 1."""
    slm = SLM(SLMSpec(shape=(8, 8), pitch=8e-6, modulation="phase", flicker=1.0), dtype=torch.float64)
    target = 6 * torch.rand(8, 8, generator=generator(), dtype=torch.float64)
    orders = sum(w * abs2(torch.fft.fft2(slm(target, ripple=e), norm="ortho")) for e, w in slm.states)
    assert float(orders.sum()) == pytest.approx(64.0, rel=1e-12)


def test_the_panel_worked_out_twice_has_the_same_mean_intensity():
    bench = load_bench("pluto2-200mm").replace(**{"slm.flicker": 0.7, "slm.shape": (24, 30)})
    levels = torch.randint(0, 256, (1, 24, 30), generator=generator(1)).to(torch.int32)
    whole = (slice(0, 24), slice(0, 30))
    slm = SLM(bench.slm)
    ours = sum(w * abs2(torch.fft.fft2(slm.of_levels(levels, ripple=e))) for e, w in slm.states)
    panels = [
        (torch.from_numpy(reflectance(levels, bench, whole, ripple=e)[0]), w) for e, w in ripples(bench.slm)
    ]
    theirs = sum(w * abs2(torch.fft.fft2(panel)) for panel, w in panels)
    assert float((ours - theirs).norm() / ours.norm()) < 5e-3
    at_rest = abs2(torch.fft.fft2(SLM(bench.slm.replace(flicker=0.0)).of_levels(levels)))
    assert float((ours - at_rest).norm() / ours.norm()) > 0.05
