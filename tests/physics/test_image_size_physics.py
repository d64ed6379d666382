"""Where the image lies and how bright it is when lenses, magnification and camera are not as they should be.

Energy: what the display sends arrives, so an image `D` times as large is `D^2` times dimmer. Place: by rays. A point at
x (upright) behind lens 1 (decentre d1) and lens 2 (d2), true focal lengths f1', f2', stands at

    A (f2' / f1' (x - d1) - d2) - camera shift            on the reported axes, A the alignment's own magnification
"""

from __future__ import annotations

import pytest
import torch

from optics.bench.spec import BenchSpec
from optics.conventions import abs2, axis
from optics.fourf.camera_window import CameraWindow
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF

pytestmark = pytest.mark.physics
F1, F2, PITCH, PIXEL = 0.1, 0.15, 32e-6, 6e-6
SHAPE = (20, 24)
BENCH = BenchSpec(
    name="size",
    light={"wavelength": 532e-9, "photons": 100.0},
    input={"pitch": PITCH},
    lens1={"focal_length": F1},
    stop={"width": (1.2e-3, 1.2e-3)},
    slm={"shape": (90, 90), "pitch": 16e-6},
    lens2={"focal_length": F2},
    camera={"shape": (420, 420), "pitch": PIXEL},
)
IN_FOCUS = {
    "longer lens 2": {"lens2.defocus": 6e-3, "alignment.camera_axial": 6e-3},
    "shorter lens 1": {"lens1.defocus": -4e-3, "alignment.input_axial": 4e-3},
}
SIZES = {
    "magnified": ({"alignment.magnification": 1.03}, 1.03),
    "reduced": ({"alignment.magnification": 0.9}, 0.9),
    "longer lens 2": (IN_FOCUS["longer lens 2"], 1.04),
    "shorter lens 1": (IN_FOCUS["shorter lens 1"], 1 / 0.96),
}


def photons(bench: BenchSpec, model: type, image: torch.Tensor) -> torch.Tensor:
    system = model(bench, CameraWindow(SHAPE, margin=6, oversampling=3), dtype=torch.float64)
    clear = torch.ones(90, 90, dtype=torch.complex128)[system.rows, system.cols][None]
    recorder = Recorder(bench, system.view, dtype=torch.float64)
    seen = recorder.photons(abs2(system.wave(image[None].double(), clear)))[0, 0]
    whole = torch.zeros(420, 420, dtype=torch.float64)
    whole[recorder.region] = seen
    return whole


@pytest.mark.parametrize("model", [FourF, PlaneByPlane])
@pytest.mark.parametrize("size", SIZES)
def test_an_image_that_is_larger_is_dimmer_and_keeps_its_energy(size, model):
    changes, d = SIZES[size]
    bench = BENCH.replace(**changes)
    assert bench.distortion == pytest.approx(d, rel=1e-12)
    patch = torch.zeros(SHAPE)
    patch[6:14, 7:16] = 1.0
    nominal, changed = photons(BENCH, model, patch), photons(bench, model, patch)
    assert float(changed.sum() / nominal.sum()) == pytest.approx(1.0, abs=6e-3)
    middle = (slice(196, 222), slice(192, 230))  # across the ringing of coherent light
    assert float(changed[middle].mean() / nominal[middle].mean()) == pytest.approx(d**-2, rel=1.3e-2)


@pytest.mark.parametrize("model", [FourF, PlaneByPlane])
@pytest.mark.parametrize("focus", IN_FOCUS)
def test_a_point_lands_where_rays_do(focus, model):
    d1, d2, moved, a = (1.5e-4, -3e-4), (2e-4, 3.5e-4), (1e-4, -6e-5), 1.06
    bench = BENCH.replace(
        **IN_FOCUS[focus],
        **{
            "lens1.decentre": d1,
            "lens2.decentre": d2,
            "alignment.camera_shift": moved,
            "alignment.magnification": a,
        },
    )
    point = torch.zeros(SHAPE)
    j, i = 13, 15
    point[j, i] = 1.0
    seen = photons(bench, model, point)
    place = axis(420, PIXEL)
    longer = (F2 + bench.lens2.defocus) / (F1 + bench.lens1.defocus)
    for k, x in enumerate(((j - 10) * PITCH, (i - 12) * PITCH)):
        near = a * (longer * (x - d1[k]) - d2[k]) - moved[k]
        # a sharp spot: the mean place of the light within its first dark ring
        spot = ((place - near).abs() < 6e-5).double() * seen.sum(1 - k)
        assert float((spot * place).sum() / spot.sum()) == pytest.approx(near, abs=1.5e-6)
