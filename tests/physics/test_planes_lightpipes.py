"""One 4f scene by three programs: LightPipes, plane by plane, and from focal plane to focal plane.

Everything is off the axis and lopsided: the image, the mask (three points and a carrier along both axes), the stop, the
errors of alignment. LightPipes gets three grid samples per SLM pixel and five per display pixel; each sample stands for
a small square of light, whose diffraction is put on its spectrum. Complex fields are compared in the camera window, so
signs, factors, axes and phases all count.

`python tests/physics/test_planes_lightpipes.py` prints the figures that `docs/agreement.md` quotes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from optics.bench.light import LightSpec
from optics.bench.spec import BenchSpec, InputSpec, StopSpec
from optics.camera.camera import CameraSpec
from optics.fourf.camera_window import CameraWindow
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.system import FourF
from optics.slm.encoding import EncodingSpec
from optics.slm.panel import SLMSpec
from optics.wave.lens import LensSpec

pytestmark = pytest.mark.physics

STEP, SAMPLES = 6.4e-6, 1250  # LightPipes' grid: 8 mm; wider than lens and steepest angle together
SHAPE = (20, 24)
OFFSET = (-54 * STEP, 30 * STEP)  # of the window, near the carrier's order, on the grid
BENCH = BenchSpec(
    name="agreement",
    light=LightSpec(wavelength=532e-9),
    input=InputSpec(pitch=5 * STEP),
    lens1=LensSpec(focal_length=0.1, diameter=6e-3),
    stop=StopSpec(width=(79 * STEP * 3, 87 * STEP * 3)),
    slm=SLMSpec(shape=(140, 170), pitch=3 * STEP, modulation="phase"),
    encoding=EncodingSpec(carrier=(0.125, -0.07)),
    lens2=LensSpec(focal_length=0.1, diameter=6e-3),
    camera=CameraSpec(shape=(600, 700), pitch=3.45e-6),
)

SCENES = {
    "aligned": {},
    "mask shifted, a whole pixel": {"alignment.mask_shift": (3 * STEP, -6 * STEP)},
    "mask shifted, part of a pixel": {"alignment.mask_shift": (1 * STEP, -4 * STEP)},
    "display and camera out of focus": {"alignment.input_axial": 3e-3, "alignment.camera_axial": -2e-3},
    "SLM out of the focal plane": {"alignment.mask_axial": 3e-3},
    "longer lens 2": {"lens2.focal_length": 0.12},
    "everything moved": {
        "lens2.focal_length": 0.12,
        "alignment.mask_shift": (1 * STEP, -4 * STEP),
        "alignment.mask_axial": 2e-3,
        "alignment.input_axial": -2e-3,
        "alignment.camera_axial": 3e-3,
    },
}
VIGNETTING = {
    "lens 1 vignettes": {"lens1.diameter": 1.5e-3, "lens1.decentre": (10 * STEP, -20 * STEP)},
    "lens 2 vignettes": {"lens2.diameter": 1.9e-3, "lens2.decentre": (-30 * STEP, 15 * STEP)},
}


def image() -> torch.Tensor:
    """A lopsided figure, (1, 20, 24)."""
    u = torch.zeros(1, *SHAPE, dtype=torch.float64)
    u[0, 3:9, 5:7], u[0, 4:6, 5:19], u[0, 12:17, 14] = 1.0, 0.7, 0.9
    return u


def panel(bench: BenchSpec) -> torch.Tensor:
    """The whole SLM: three points of different weights beside the carrier's order, (140, 170) complex."""
    y, x = ((torch.arange(n, dtype=torch.float64) - n // 2) * bench.slm.pitch for n in bench.slm.shape)
    k = 2 * math.pi * bench.input.pitch / bench.scale
    taps = ((0.5, -2.0, 1.0), (0.4j, 1.5, -2.0), (-0.1, 0.0, 3.0))
    mask = sum(w * torch.exp(1j * k * (dy * y[:, None] + dx * x[None, :])) for w, dy, dx in taps)
    cy, cx = bench.encoding.carrier
    carrier = 2 * math.pi / bench.slm.pitch * (cy * y[:, None] + cx * x[None, :])
    return mask * torch.exp(1j * carrier)


def squares(field: np.ndarray) -> np.ndarray:
    """Each sample as a square of light STEP wide: a sinc on the spectrum."""
    s = np.sinc(np.fft.fftfreq(SAMPLES))
    return np.fft.ifft2(np.fft.fft2(field) * s[:, None] * s[None, :])


def by_lightpipes(bench: BenchSpec) -> torch.Tensor:
    """Camera-plane field on the window's samples, reported axes, in units of the input's amplitude."""
    lp = pytest.importorskip("LightPipes")
    a, middle = bench.alignment, SAMPLES // 2

    def place(values: np.ndarray, block: int, centre: tuple[int, int]) -> np.ndarray:
        plane = np.zeros((SAMPLES, SAMPLES), complex)
        big = values.repeat(block, 0).repeat(block, 1)
        top, left = (
            middle + c - block * (n // 2) - block // 2 for c, n in zip(centre, values.shape, strict=True)
        )
        plane[top : top + big.shape[0], left : left + big.shape[1]] = big
        return plane

    def lens(field, spec):
        y, x = spec.decentre
        field = lp.CircAperture(field, spec.diameter / 2, x, y)
        return lp.Lens(field, spec.focal_length, x, y)

    f1, f2 = bench.lens1.focal_length, bench.lens2.focal_length
    field = lp.Begin(SAMPLES * STEP, bench.light.wavelength, SAMPLES)
    field.field = squares(place(image()[0].numpy().astype(complex), 5, (0, 0)))
    field = lens(lp.Forvard(field, f1 - a.input_axial), bench.lens1)
    field = lp.Forvard(field, f1 + a.mask_axial)
    field = lp.RectAperture(field, bench.stop.width[1] - STEP / 2, bench.stop.width[0] - STEP / 2)
    shift = tuple(round(s / STEP) for s in a.mask_shift)
    field.field = squares(field.field * place(panel(bench).numpy(), 3, shift))
    field = lens(lp.Forvard(field, f2 - a.mask_axial), bench.lens2)
    field = lp.Forvard(field, f2 + a.camera_axial)
    # reported axes are flipped; magnified images are sampled where the window's points land
    m = bench.magnification
    turns = (2 * (f1 + f2) - a.input_axial + a.camera_axial) / bench.light.wavelength
    pixel = PlaneByPlane(bench, CameraWindow(SHAPE, offset=OFFSET, oversampling=5))
    n = np.fft.fftfreq(SAMPLES) * SAMPLES
    read = [
        np.exp(-2j * math.pi * np.outer(m * reported(pixel, k).numpy() / STEP - middle, n) / SAMPLES)
        / SAMPLES
        for k in (0, 1)
    ]
    # the grid's sample `middle` is the axis: exp(+2 pi i n (middle - m X / STEP) / SAMPLES)
    window = read[0] @ np.fft.fft2(field.field) @ read[1].T
    return torch.from_numpy(window * -m * np.exp(-2j * math.pi * math.fmod(turns, 1.0)))


def reported(system: FourF, k: int) -> torch.Tensor:
    """Where the window's samples are on the camera, upright axes in input units, not where in the image they look."""
    bench = system.bench
    return system.camera_axis(k) - bench.lens1.decentre[k] - bench.lens2.decentre[k] / bench.magnification


def by_planes(bench: BenchSpec, nodes: int) -> torch.Tensor:
    planes = PlaneByPlane(
        bench, CameraWindow(SHAPE, offset=OFFSET, oversampling=5), nodes=nodes, dtype=torch.float64
    )
    return planes.wave(image(), panel(bench)[None, planes.rows, planes.cols])[0, 0]


def by_fourf(bench: BenchSpec) -> torch.Tensor:
    fourf = FourF(bench, CameraWindow(SHAPE, offset=OFFSET, oversampling=5), dtype=torch.float64)
    return fourf.wave(image(), panel(bench)[None, fourf.rows, fourf.cols])[0, 0]


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative L2 difference of complex fields, but for a common phase (LightPipes' pi has ten digits)."""
    turn = (a.conj() * b).sum()
    return float((a * turn / turn.abs() - b).norm() / b.norm())


def figures(changes: dict[str, object]) -> dict[str, float]:
    """Differences from LightPipes, and of the two own paths from each other where both apply."""
    bench = BENCH.replace(**changes)
    reference = by_lightpipes(bench)
    out = {"planes": difference(by_planes(bench, 2), reference)}
    if changes not in VIGNETTING.values():
        fourf = by_fourf(bench)
        out["fourf"] = difference(fourf, reference)
        out["between"] = difference(by_planes(bench, 2), fourf)
    return out


@pytest.mark.parametrize("name", ["aligned", "everything moved"])
def test_same_scene_by_three_programs(name):
    got = figures(SCENES[name])
    assert got["planes"] < 6e-3
    assert got["fourf"] < (6e-3 if name == "aligned" else 1.5e-2)
    # FourF takes axial errors to first order
    assert got["between"] < (3e-3 if name == "aligned" else 1.5e-2)


@pytest.mark.parametrize("name", VIGNETTING)
def test_vignetting_and_decentred_lenses(name):
    # LightPipes' round stops are staircases
    bench = BENCH.replace(**VIGNETTING[name])
    reference, ours = by_lightpipes(bench), by_planes(bench, 2)
    assert difference(ours, reference) < 2e-2
    # the lens does cut the beam, and to the right side
    assert float(ours.norm()) ** 2 < 0.95 * float(by_planes(BENCH, 2).norm()) ** 2
    lens = name[:4] + name[5]
    mirrored = bench.replace(**{f"{lens}.decentre": tuple(-v for v in getattr(bench, lens).decentre)})
    assert difference(by_planes(mirrored, 2), reference) > 0.1


def rows() -> Iterator[str]:
    for name, changes in (SCENES | VIGNETTING).items():
        yield f"| {name} | " + " | ".join(f"{v:.1e}" for v in figures(changes).values()) + " |"


if __name__ == "__main__":
    for row in rows():
        print(row, flush=True)
