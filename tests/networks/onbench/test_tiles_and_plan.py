"""What the planner recommends is what the tiled way takes, on every shipped bench, and the other way round."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from networks import Student
from optics.bench.files import bench_names, load_bench
from optics.checks import SpecError
from optics.plan.planner import plan
from tests.scenes import generator

CASES = list(product(bench_names(), [(6, 7, (28, 28)), (5, 3, (10, 16))]))


def tiled(bench, kernels, taps, shape, tiles=None):
    model = Student.build(
        (1, kernels), kernel_size=taps, image_shape=shape, bins=(2, 2), generator=torch.Generator()
    )
    return model.on(bench, realisation="tiled", tiles=tiles)


@pytest.mark.parametrize(("name", "scene"), CASES)
def test_the_tiled_way_takes_what_the_planner_recommends_and_nothing_else(name, scene):
    bench, (kernels, taps, shape) = load_bench(name), scene
    asked = {"kernels": kernels, "taps": taps, "image_shape": shape}
    found = plan(bench, **asked)
    assert found.fits, found.problems
    for schedule in found.schedules:
        made = tiled(bench, *scene, tiles=schedule.tiles)
        assert len(made.drives()[0].masks) * schedule.tiles == kernels
        places = [window.centre(bench) for window in made.optics.windows]
        for (y, x), carrier in zip(places, schedule.carriers, strict=True):
            assert (-y * bench.slm.pitch / bench.scale, -x * bench.slm.pitch / bench.scale) == pytest.approx(
                carrier
            )
    assert tiled(bench, *scene).optics.per_frame == max(n for n in (1, 2, 3, 4) if kernels % n == 0)
    for tiles in (3, 4, kernels + 1, found.tiles_possible + 1):
        if plan(bench, **asked, tiles_wanted=tiles).fits:
            assert tiled(bench, *scene, tiles=tiles).optics.per_frame == tiles
        else:
            with pytest.raises(SpecError, match="side by side"):
                tiled(bench, *scene, tiles=tiles)


@pytest.mark.parametrize("name", bench_names())
def test_tiles_see_as_many_camera_pixels_and_their_own_kernels(name):
    bench = load_bench(name)
    model = Student.build((1, 4), kernel_size=5, image_shape=(14, 12), bins=(3, 2), generator=generator())
    x = torch.rand(2, 1, 14, 12, generator=generator(1))
    with torch.no_grad():
        made = model.eval().on(bench, realisation="tiled", tiles=4)
        assert made.frames(x).shape[:2] == (2, 4)
        want, got = model.features(x), made.features(x)
    near = float((got - want).norm())
    assert all(near < float((got.roll(shift, 1) - want).norm()) for shift in (1, 2, 3))
