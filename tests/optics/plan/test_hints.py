"""What a bench's owner is told unasked: no light, too little for the converter, pixels that cost time for nothing."""

from __future__ import annotations

import math

import pytest

from optics.bench.files import bench_names, load_bench
from optics.plan.hints import colours, dim, full_scale, hints, no_light, unbinned

BENCH = load_bench("pluto2-200mm")


@pytest.mark.parametrize("name", bench_names())
def test_shipped_benches_with_light_need_no_advice(name):
    bench = load_bench(name)
    assert hints(bench) == no_light(bench)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"light.photons": None}, "light.photons is absent"),
        ({"light.photons": 1e-3}, "hide the image"),
        ({"camera.binning": 1}, "camera.binning = 9"),
    ],
)
def test_each_kind_is_one_line_with_the_key(changes, told):
    (line,) = hints(BENCH.replace(**changes))
    assert told in line
    assert "\n" not in line


def test_the_light_that_is_advised_gives_a_hundred_counts():
    dark = BENCH.replace(**{"light.photons": 0.01})
    (line,) = dim(dark)
    advised = float(line.split("about ")[-1].split()[0])
    camera = dark.camera
    counts = full_scale(dark, advised) * camera.quantum_efficiency / camera.gain
    assert counts == pytest.approx(100.0, rel=0.05)
    assert dim(dark.replace(**{"light.photons": advised})) == []
    assert dim(dark.replace(**{"camera.adc.bits": None})) == []  # nothing is rounded


def test_the_binning_that_is_advised_leaves_one_camera_pixel_or_more_to_an_input_pixel():
    bare = BENCH.replace(**{"camera.binning": 1})
    assert unbinned(bare)
    binned = bare.replace(**{"camera.binning": 9})
    pixels = binned.input.pitch * binned.magnification / binned.camera.binned_pitch
    assert 1.0 <= pixels < 2.0
    assert unbinned(binned) == []
    assert math.isclose(full_scale(binned, 1.0), 81 * full_scale(bare, 1.0))


def test_colours_say_how_well_a_mask_must_be_known():
    """A grating of period P that stands d aside turns its order by 2 pi d / P; here P = lambda f1 / D."""
    assert colours(BENCH, 40, 1) == []
    away, pitch, known = 40 * 32e-6, 532e-9 * 0.2, BENCH.replace(assumed_alignment="known")
    assert BENCH.alignment.mask_shift[1] == -8e-6
    (line,) = colours(BENCH, 40, 3)
    assert f"known to {0.3 / (2 * math.pi) * pitch / away * 1e6:.2g} um" in line
    assert f"turns them by {2 * math.pi * 8e-6 * away / pitch:.2g} rad" in line
    (line,) = colours(known, 40, 3)
    assert "thought to" not in line
