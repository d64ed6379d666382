"""What is known of a bench is made up for, what is not known is not; by every table of assumptions, through OnBench."""

from __future__ import annotations

import math

import pytest
import torch

from networks import Student
from optics.bench.spec import BenchSpec
from tests.scenes import generator

WAVELENGTH, FOCAL, PITCH = 532e-9, 0.2, 32e-6
SHAPE = (9, 12)
BENCH = BenchSpec(
    name="test",
    light={"wavelength": WAVELENGTH, "photons": 1e4},
    input={"pitch": PITCH},
    lens1={"focal_length": FOCAL, "diameter": 25.4e-3},
    stop={"width": (0.8 * WAVELENGTH * FOCAL / PITCH, 0.9 * WAVELENGTH * FOCAL / PITCH)},
    slm={"shape": (480, 520), "pitch": 8e-6, "modulation": "phase"},
    encoding={"carrier": (0.125, 0.03)},
    lens2={"focal_length": 0.15, "diameter": 25.4e-3},
    camera={"shape": (700, 760), "pitch": 8e-6, "binning": 2},
)
CAMERA = {
    "adc.black_level": 40.0,
    "adc.gain": 2.0,
    "quantum_efficiency": 0.7,
    "dark_current": 900.0,
    "background": 30.0,
}


def features(bench: BenchSpec, *, tiles: int = 1) -> torch.Tensor:
    student = Student.build((1, 2), image_shape=SHAPE, classes=3, bins=(3, 4), generator=generator(1))
    way = {"realisation": "tiled", "tiles": tiles} if tiles > 1 else {}
    network = student.on(bench, image_shape=SHAPE, **way).eval()
    with torch.no_grad():
        return network.features(torch.rand(2, 1, *SHAPE, generator=generator(2)))


def error(got: torch.Tensor, want: torch.Tensor) -> float:
    return float((got - want).norm() / want.norm())


# what is displaced; how far off it is where nobody knows it, at least; how near where it is known, at most
ALIGNMENTS = {
    "mask_shift": ((2.4e-4, -1.7e-4), 0.1, 0.01),
    "mask_rotation": (0.06, 0.1, 0.03),
    "camera_shift": ((4.1e-4, -2.3e-4), 0.1, 0.02),  # other pixels see each bin
    "magnification": (1.06, 0.1, 0.02),
    "input_axial": (9e-3, 0.05, 0.01),
    "camera_axial": (6e-3, 0.05, 0.01),
}


@pytest.fixture(scope="module")
def aligned() -> torch.Tensor:
    return features(BENCH)


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_a_known_displacement_is_made_up_for_and_an_unknown_one_is_not(name, aligned):
    value, off, near = ALIGNMENTS[name]
    there = BENCH.replace(**{f"alignment.{name}": value})
    assert error(features(there), aligned) > off
    assert error(features(there.replace(assumed_alignment={name: value})), aligned) < near
    # an assumption that is wrong does the harm of the displacement itself
    assert error(features(BENCH.replace(assumed_alignment={name: value})), aligned) > off


def test_all_of_an_alignment_at_once_and_by_the_word_known(aligned):
    told = {
        "mask_shift": (1e-4, -8e-5),
        "mask_rotation": 0.02,
        "camera_shift": (-2e-4, 1e-4),
        "magnification": 0.97,
    }
    tables = BENCH.model_dump() | {"alignment": told, "assumed_alignment": "known"}
    known = BenchSpec(**tables)
    assert known.assumed_alignment == known.alignment
    assert error(features(known), aligned) < 0.03
    assert error(features(known.replace(assumed_alignment=None)), aligned) > 0.1


def test_tiles_land_where_they_should_on_a_panel_that_is_known_to_be_turned():
    complex_panel = BENCH.replace(**{"slm.modulation": "complex"})
    straight = features(complex_panel, tiles=2)
    turned = complex_panel.replace(**{"alignment.mask_rotation": 0.05})
    assert error(features(turned, tiles=2), straight) > 0.1
    assert error(features(turned.replace(assumed_alignment="known"), tiles=2), straight) < 0.03


@pytest.mark.parametrize("figure", CAMERA)
def test_a_camera_is_known_unless_something_else_is_assumed(figure, aligned):
    there = BENCH.replace(**{f"camera.{figure}": CAMERA[figure]})
    assert error(features(there), aligned) < 1e-4
    key, ideal = figure, BENCH
    for part in ("camera", *key.split(".")):
        ideal = getattr(ideal, part)
    own = {"adc": {key.removeprefix("adc."): 1.0 if ideal is None else ideal}} if "." in key else {key: ideal}
    naive = there.replace(assumed_camera=own)
    assert error(features(naive), aligned) > 1e-3
    assert naive.camera_as_assumed == BENCH.camera.replace(
        **({"adc.gain": 1.0} if figure == "adc.gain" else {})
    )


def test_ideal_assumes_nothing():
    told = BENCH.replace(assumed_alignment={"mask_rotation": 0.1}, assumed_camera={"background": 3.0})
    assert told.ideal() == BENCH.ideal()


def test_where_the_image_is_looked_for():
    known = BENCH.replace(assumed_alignment={"camera_shift": (1e-4, 0.0), "magnification": 1.1})
    assert known.looked_at(0, 2e-4) == pytest.approx(0.75 * 2e-4 * 1.1 - 1e-4)
    there = known.replace(alignment=known.assumed_alignment)
    assert there.seen_at(0, 2e-4) == pytest.approx(2e-4)
    assert math.isclose(known.seen_at(0, 2e-4), known.looked_at(0, 2e-4) / 0.75)
