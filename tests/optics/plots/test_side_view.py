"""Rays of a bench: the lens equations hold at every element, and the signal order goes where the bench says."""

from __future__ import annotations

import pytest

from optics.bench.spec import BenchSpec
from optics.plots.side_view import layout


@pytest.fixture
def bench():
    return BenchSpec.model_validate(
        {
            "name": "lopsided",
            "light": {"wavelength": 532e-9},
            "input": {"pitch": 20e-6},
            "lens1": {"focal_length": 0.2, "diameter": 25.4e-3},
            "stop": {"width": [3e-3, 4e-3]},
            "slm": {"shape": [1080, 1920], "pitch": 8e-6, "modulation": "phase"},
            "encoding": {"carrier": [0.05, -0.15]},
            "lens2": {"focal_length": 0.15},
            "camera": {"shape": [2048, 2448], "pitch": 3.45e-6},
        }
    )


def slopes(ray):
    return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(ray.points[:-1], ray.points[1:], strict=True)]


def test_rays_obey_both_lenses_and_bend_alike_at_the_slm(bench):
    drawing = layout(bench, (24, 40), across="x")
    bends = {}
    for ray in drawing.rays:
        before, between, after, last = slopes(ray)
        assert between - before == pytest.approx(-ray.points[1][1] / 0.2, abs=1e-12)
        assert last - after == pytest.approx(-ray.points[3][1] / 0.15, abs=1e-12)
        bends.setdefault(ray.order, set()).add(round(after - between, 12))
    assert bends[0] == {0.0}
    carrier = bench.image_offset[1] / 0.2
    assert bends[1] == {round(-carrier, 12)}
    assert abs(carrier) == pytest.approx(0.15 * 532e-9 / 8e-6)


def test_rays_of_one_source_point_meet_at_its_inverted_image(bench):
    drawing = layout(bench, (24, 40), across="y")
    for ray in drawing.rays:
        wanted = -0.75 * (ray.source + (bench.image_offset[0] if ray.order else 0.0))
        assert ray.points[-1] == pytest.approx((0.7, wanted))
    assert sorted({ray.source for ray in drawing.rays}) == pytest.approx([-0.24e-3, 0.0, 0.24e-3])


def test_elements_stand_in_order_and_the_wider_carrier_chooses_the_side(bench):
    drawing = layout(bench, (24, 40))
    assert drawing.across == "x"
    assert [(e.name, round(e.z, 9)) for e in drawing.elements] == [
        ("display", 0.0),
        ("lens 1", 0.2),
        ("stop", 0.4),
        ("SLM", 0.4),
        ("lens 2", 0.55),
        ("camera", 0.7),
    ]
    half = {e.name: e.half for e in drawing.elements}
    assert half["display"] == pytest.approx(20 * 20e-6)
    assert half["SLM"] == pytest.approx(960 * 8e-6)
    assert half["stop"] == pytest.approx(2e-3)
    assert half["camera"] == pytest.approx(1224 * 3.45e-6)
    assert drawing.length == pytest.approx(0.7)


def test_a_complex_modulator_has_one_order(bench):
    assert {ray.order for ray in layout(bench.ideal(), (24, 40)).rays} == {1}
