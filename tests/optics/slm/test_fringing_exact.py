"""The exact fringing mean against a dense sum over the pixel's active square, and where the quick rules are good."""

from __future__ import annotations

import math

import pytest
import torch

from optics.slm.fringing_exact import exact_reflectance
from optics.slm.fringing_field import shares
from optics.slm.panel import SLM
from optics.slm.response import ResponseSpec
from optics.slm.spec import SLMSpec
from tests.scenes import generator


def panel(widths: tuple[float, float], fill: float = 0.9, **more: object) -> SLM:
    response = ResponseSpec(range=6.0, gamma=1.2)
    spec = SLMSpec(
        shape=(12, 17), pitch=8e-6, modulation="phase", bits=8, fill_factor=fill, response=response
    )
    return SLM(spec.replace(crosstalk=widths, **more), dtype=torch.float64)


def levels() -> torch.Tensor:
    return torch.randint(0, 256, (2, 12, 17), generator=generator(3), dtype=torch.int32)


def dense(slm: SLM, shown: torch.Tensor, samples: int = 60) -> torch.Tensor:
    """The mean by the midpoint rule, `samples` a side."""
    side = math.sqrt(slm.spec.fill_factor)
    place = ((torch.arange(samples, dtype=torch.float64) + 0.5) / samples - 0.5) * side
    tables = [shares(place, w) if w else torch.ones(samples, 1).double() for w in slm.spec.crosstalk]
    ry, rx = (t.shape[1] // 2 for t in tables)
    out = []
    for plane in slm.table[shown.long()]:
        padded = torch.nn.functional.pad(plane[None, None], (rx, rx, ry, ry), mode="replicate")[0, 0]
        blocks = padded.unfold(0, 2 * ry + 1, 1).unfold(1, 2 * rx + 1, 1)
        inside = torch.einsum("ak,yxkl,bl->yxab", tables[0], blocks, tables[1])
        mean = torch.polar(torch.ones_like(inside), inside).mean((2, 3))
        out.append(slm.spec.fill_factor * mean + 1 - slm.spec.fill_factor)
    return torch.stack(out)


@pytest.mark.physics
@pytest.mark.parametrize("widths", [(0.55, 0.25), (0.12, 0.9), (0.0, 0.5), (1.6, 0.7)])
def test_mean_is_that_of_a_dense_sum(widths):
    slm, shown = panel(widths), levels()
    wanted = dense(slm, shown)
    found = exact_reflectance(slm, shown)
    assert float((found - wanted).abs().max()) < 2e-3
    assert float((found - wanted).norm() / wanted.norm()) < 4e-4
    # y and x are not the same thing
    swapped = exact_reflectance(panel(widths[::-1]), shown)
    assert float((swapped - wanted).norm() / wanted.norm()) > 0.02


def test_quick_rule_is_near_it_and_curvature_and_ripple_are_the_panels_own():
    slm, shown = panel((0.4, 0.6), curvature={4: 0.3}, flicker=0.3), levels()
    for (ripple,), _ in slm.states:
        quick = slm.of_levels(shown, ripple=(ripple,))
        exact = exact_reflectance(slm, shown, ripple=ripple)
        assert 1e-6 < float((quick - exact).norm() / exact.norm()) < 0.01


def test_panels_without_fringing_are_as_they_are():
    slm, shown = panel((0.0, 0.0)), levels()
    assert torch.equal(exact_reflectance(slm, shown), slm.of_levels(shown))
