"""Further wavelengths: an aberration is an optical path, a focal length is a length; each against a displacement."""

from __future__ import annotations

import math

import pytest
import torch

from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import abs2
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination, at_wavelength, panels
from optics.fourf.system import FourF
from tests.scenes import error, generator

pytestmark = pytest.mark.physics
MAIN, OTHER, F1, F2, D = 532e-9, 633e-9, 0.1, 0.15, 25e-3
SHAPE = (14, 18)
BENCH = BenchSpec(
    name="colours",
    light={"wavelength": MAIN, "spectrum": ((OTHER, 1.0),)},
    input={"pitch": 40e-6},
    lens1={"focal_length": F1, "diameter": D},
    stop={"width": (1e-3, 1.2e-3)},
    slm={"shape": (100, 120), "pitch": 12e-6},
    lens2={"focal_length": F2, "diameter": D},
    camera={"shape": (400, 400), "pitch": 6e-6},
)


def image() -> torch.Tensor:
    x = torch.rand(1, *SHAPE, generator=generator(), dtype=torch.float64)
    x[:, :5, :6] += 1.0
    return x


def seen(bench: BenchSpec, wavelength: float) -> torch.Tensor:
    """Intensity of one line behind the bench's own panel, asked for nothing."""
    at = at_wavelength(bench, wavelength)
    system = FourF(at, CameraWindow(SHAPE, oversampling=2), dtype=torch.float64)
    lines = [line for line, _ in bench.light.lines]
    slm = panels(bench, (system.rows, system.cols), dtype=torch.float64)[lines.index(wavelength)]
    clear = torch.ones(1, *slm.shape, dtype=torch.complex128)
    return abs2(system.wave(image(), slm(clear)))


# Noll 4 over a radius R: a sqrt(3) (2 r^2 / R^2 - 1); a display or camera dz out of focus: pi r^2 dz / (lambda f^2)
def out_of_focus(radians: float, focal_length: float, radius: float) -> float:
    return 2 * math.sqrt(3) * radians * MAIN * focal_length**2 / (math.pi * radius**2)


PANEL = math.hypot(100, 120) * 12e-6 / 2
CASES = {
    "lens1": ({"lens1.zernike": {4: 200.0}}, {"alignment.input_axial": out_of_focus(200.0, F1, D / 2)}),
    "lens2": ({"lens2.zernike": {4: 300.0}}, {"alignment.camera_axial": -out_of_focus(300.0, F2, D / 2)}),
    "panel": ({"slm.curvature": {4: 1.2}}, {"alignment.input_axial": out_of_focus(1.2, F1, PANEL)}),
}


@pytest.mark.parametrize("wavelength", [MAIN, OTHER])
@pytest.mark.parametrize("case", CASES)
def test_an_aberration_of_defocus_is_the_displacement_that_undoes_it_at_every_wavelength(case, wavelength):
    aberrated, displaced = (seen(BENCH.replace(**changes), wavelength) for changes in CASES[case])
    clear = seen(BENCH, wavelength)
    assert error(aberrated, clear) > 0.1
    assert error(aberrated, displaced) < 2e-3 * error(aberrated, clear)


@pytest.mark.parametrize("lens", ["lens1", "lens2"])
def test_a_chromatic_shift_is_a_lens_of_another_focal_length_at_that_line(lens):
    curve = ((450e-9, 1e-3), (550e-9, 2e-3), (650e-9, 6e-3))
    bench = BENCH.replace(**{f"{lens}.chromatic_shift": curve})
    moved = (2e-3 + 0.83 * 4e-3) - (1e-3 + 0.82 * 1e-3)
    assert error(seen(bench, MAIN), seen(BENCH, MAIN)) == 0.0
    longer = seen(BENCH.replace(**{f"{lens}.defocus": moved}), OTHER)
    assert error(seen(bench, OTHER), longer) < 1e-9
    assert error(longer, seen(BENCH, OTHER)) > 0.02


def test_the_light_adds_each_line_with_its_own_optics():
    bench = BENCH.replace(**{"lens1.zernike": {4: 60.0, 7: 30.0}})
    light = Illumination(bench, CameraWindow(SHAPE, oversampling=2), dtype=torch.float64)
    slms = panels(bench, (light.lines[0].rows, light.lines[0].cols), dtype=torch.float64)
    clear = torch.ones(1, *slms[0].shape, dtype=torch.complex128)
    got = light(image(), [slm(clear) for slm in slms])
    want = (seen(bench, MAIN) + seen(bench, OTHER)) / 2
    assert error(got, want) < 1e-6


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        (
            ((500e-9, 0.0), (600e-9, 1e-4)),
            "lens1.chromatic_shift covers 5e-07 to 6e-07 m, the light has 6.33e-07 m",
        ),
        (((600e-9, 0.0), (500e-9, 1e-4)), "rising wavelength"),
        (((532e-9, 0.0),), "two or more"),
    ],
)
def test_a_curve_that_does_not_cover_the_light_is_refused(curve, words):
    with pytest.raises(SpecError, match=words):
        BENCH.replace(**{"lens1.chromatic_shift": curve})
