"""Pictures and planes: the eight ways to mount a device, against an F drawn by hand."""

from __future__ import annotations

import itertools

import pytest
import torch

from optics.bench.files import bench_from_dict, load_bench
from optics.bench.mounting import MountSpec

F = torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]])
WAYS = [MountSpec(mirrored=m, turned=t) for m, t in itertools.product((False, True), range(4))]
of_every_way = pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{'mirrored ' * w.mirrored}{w.turned}")


def test_a_quarter_turn_goes_from_x_to_y_and_a_mirror_comes_first():
    """A mark at the right end of the first row, +x, goes down to the right side's end, +y."""
    picture = torch.zeros(2, 3)
    picture[0, 2] = 1  # upper right
    assert MountSpec(turned=1).to_plane(picture).tolist() == [[0, 0], [0, 0], [0, 1]]  # lower right
    assert MountSpec(mirrored=True).to_plane(picture).tolist() == [[1, 0, 0], [0, 0, 0]]
    assert MountSpec(mirrored=True, turned=1).to_plane(picture).tolist() == [[0, 1], [0, 0], [0, 0]]


def test_all_eight_ways_differ():
    planes = {(tuple(p.shape), tuple(p.flatten().tolist())) for p in (w.to_plane(F) for w in WAYS)}
    assert len(planes) == 8


@of_every_way
def test_points_regions_and_pictures_go_together(way):
    plane = torch.arange(5 * 7).reshape(5, 7)
    picture = way.to_picture(plane)
    assert torch.equal(way.to_plane(picture), plane)
    assert torch.equal(way.inverse.to_plane(plane), picture)
    assert tuple(picture.shape) == way.size((5, 7))
    for y, x in itertools.product(range(5), range(7)):
        row, column = way.point((y, x), (5, 7))
        assert picture[int(row), int(column)] == plane[y, x]
    part = (slice(1, 3), slice(2, 6))
    region = way.region(part, (5, 7))
    assert torch.equal(way.to_plane(picture[region]), plane[part])
    assert way.part_of_plane(region, tuple(picture.shape)) == part


def test_a_device_on_its_side_brings_its_rows_as_columns():
    """Figures of a device's file are the device's own; keys of the bench are as the light sees them."""
    data = {
        "name": "side",
        "light": {"wavelength": 532e-9},
        "input": {"pitch": 32e-6},
        "lens1": {"focal_length": 0.2},
        "lens2": {"focal_length": 0.2},
        "slm": {"device": "holoeye-pluto-2"},
        "camera": {"shape": [300, 400], "pitch": 4e-6},
        "mounting": {"slm": {"turned": 1}, "camera": {"turned": 3}},
    }
    bench = bench_from_dict(data, source="test")
    assert bench.slm.shape == (1920, 1080)
    assert bench.mounting.slm.size(bench.slm.shape) == (1080, 1920)
    assert bench.camera.shape == (300, 400)
    assert load_bench("pluto2-200mm").mounting.slm.plain
