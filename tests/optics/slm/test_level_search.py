"""The nearest level, against the definition: the smallest distance among all levels of a turn."""

from __future__ import annotations

import math

import pytest
import torch

from optics.slm.level_search import LevelSearch
from optics.slm.panel import SLM
from optics.slm.response import ResponseSpec, nearest_amplitude, nearest_level, slopes
from optics.slm.spec import SLMSpec
from tests.scenes import generator

TWO_PI = 2 * math.pi


def power(n, span, gamma=1.0, start=0.0):
    return start + span * (torch.arange(n, dtype=torch.float64) / n) ** gamma


TABLES = {
    "nominal": power(256, TWO_PI),
    "a longer range": power(256, 7.5872),
    "a shorter range": power(256, 4.0),
    "two turns": power(64, 2 * TWO_PI),
    "gamma": power(256, 6.5, 1.4),
    "steep gamma, ten bits": power(1024, 6.5, 0.5),
    "four levels": power(4, 5.0, 1.7),
    "does not begin at 0": power(256, 6.0, 1.2, start=-1.3),
    "levels of the same phase": torch.tensor([0.0, 0.5, 0.5, 0.5, 1.0, 3.0, 3.0, 5.5], dtype=torch.float64),
    "one phase": torch.full((4,), 0.7, dtype=torch.float64),
    "falls": power(256, 6.5, 1.3).flip(0),
    "falls evenly": power(256, 6.5).flip(0),
    "falls below 0": -power(16, 6.0, 1.2),
}


@pytest.mark.parametrize("factor", [None, "sections"])
@pytest.mark.parametrize("name", TABLES)
def test_the_level_is_the_nearest_of_all(name, factor):
    table = TABLES[name]
    phase = (torch.rand(3, 40, 50, generator=generator(1), dtype=torch.float64) - 0.5) * 30
    scale = (
        None
        if factor is None
        else 0.7 + 0.6 * torch.rand(40, 50, generator=generator(2), dtype=torch.float64)
    )
    level = nearest_level(phase, table, scale)
    assert level.dtype == torch.int32
    least, span = float(table.min()), float(table.max() - table.min())
    ratio = torch.ones(40, 50, dtype=torch.float64) if scale is None else scale
    above = torch.remainder(phase - least * ratio, TWO_PI)[..., None]
    offsets = (table - least) * ratio[..., None]
    apart = (above - offsets).abs()  # within the first turn
    again = (
        above - offsets - TWO_PI
    ).abs()  # the first level of the next one, where the table does not reach it
    apart = torch.minimum(apart, torch.where((span * ratio < TWO_PI)[..., None], again, again + 100))
    chosen = apart.gather(-1, level.long()[..., None])[..., 0]
    assert float((chosen - apart.amin(-1)).max()) < 1e-9


@pytest.mark.parametrize("name", TABLES)
def test_cells_are_what_halves_give(name):
    found = LevelSearch.of(TABLES[name], torch.float64)
    above = torch.rand(5000, generator=generator(3), dtype=torch.float64) * TWO_PI
    by_halves = torch.bucketize(above, found.boundaries)
    assert torch.equal(found.level(above).long(), found.levels - 1 - by_halves if found.falls else by_halves)


def test_a_table_too_fine_for_cells_is_searched_by_halves():
    table = torch.tensor([0.0, 1e-9, 2e-9, 3.0], dtype=torch.float64)
    assert LevelSearch.of(table, torch.float64).cells is None
    assert nearest_level(torch.tensor([2.9, 1e-9], dtype=torch.float64), table).tolist() == [3, 1]


def test_amplitudes_that_fall():
    table = torch.linspace(1, 0, 16, dtype=torch.float64) ** 1.5
    target = torch.rand(1000, generator=generator(4), dtype=torch.float64)
    level = nearest_amplitude(target, table)
    assert torch.equal(level.long(), (target[:, None] - table).abs().argmin(1))


@pytest.mark.parametrize("known", [True, False])
def test_a_panel_whose_phase_falls_shows_what_is_asked(known):
    """As a nematic panel without a maker's table: more voltage, less retardation."""
    falling = ResponseSpec(lut=tuple(power(256, 6.5, 1.2).flip(0).tolist()))
    spec = SLMSpec(shape=(20, 24), pitch=8e-6, modulation="phase", bits=8, response=falling)
    spec = spec if known else spec.replace(assumed_response={})
    phase = torch.rand(20, 24, generator=generator(5), dtype=torch.float64) * TWO_PI
    shown = SLM(spec, dtype=torch.float64)(phase)
    error = float((shown - torch.exp(1j * phase)).abs().max())
    assert (error < 0.06) == known
    assert slopes(falling.table(8), falling.table(8)) is None  # more is asked for, more is shown
