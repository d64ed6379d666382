"""Where the camera looks: light goes on beyond the window, binning moves nothing, a PSF's origin is its middle."""

from __future__ import annotations

import pytest
import torch

from optics.bench.spec import BenchSpec
from optics.conventions import abs2
from optics.fourf.camera_window import CameraWindow
from optics.fourf.recorder import Recorder
from optics.fourf.stored_psf import point_spread
from optics.fourf.system import FourF
from tests.scenes import generator

pytestmark = pytest.mark.physics
PITCH, PIXEL = 32e-6, 7e-6
BENCH = BenchSpec(
    name="window",
    light={"wavelength": 532e-9, "photons": 50.0},
    input={"pitch": PITCH},
    lens1={"focal_length": 0.1},
    stop={"width": (1.6e-3, 1.4e-3)},
    slm={"shape": (130, 120), "pitch": 16e-6},
    lens2={"focal_length": 0.12},
    camera={"shape": (301, 260), "pitch": PIXEL},
)


def image(shape) -> torch.Tensor:
    x = 0.3 + torch.rand(1, *shape, generator=generator(3), dtype=torch.float64)
    x[:, : shape[0] // 3, : shape[1] // 2] += 1.0
    return x


def mask(system: FourF) -> torch.Tensor:
    """Three taps, nowhere symmetric: (0, 0), one down, two to the right."""
    y, x = (system.slm_axis(k) * PITCH / BENCH.scale for k in (0, 1))
    taps = {(0, 0): 0.5, (1, 0): -0.3j, (0, 2): 0.2}
    made = [a * torch.exp(-2j * torch.pi * (j * y[:, None] + i * x[None, :])) for (j, i), a in taps.items()]
    return torch.stack(made).sum(0)[None]


def photons(bench: BenchSpec, shape, *, margin: int = 2, beam: float = 0.0) -> tuple[torch.Tensor, Recorder]:
    view = CameraWindow(shape, margin=margin)
    system = FourF(bench, view, dtype=torch.float64)
    recorder = Recorder(bench, view, dtype=torch.float64)
    field = system.wave(image(shape), mask(system)) + beam
    return recorder.photons(abs2(field))[0, 0], recorder


@pytest.mark.parametrize("binning", [1, 3, 4])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (41e-6, -260e-6)])
def test_uniform_light_is_uniform_up_to_the_edge(binning, shift):
    bench = BENCH.replace(**{"camera.binning": binning, "alignment.camera_shift": shift})
    recorder = Recorder(bench, CameraWindow((12, 15)), dtype=torch.float64)
    even = torch.ones(recorder.rows.shape[1], recorder.cols.shape[1], dtype=torch.float64)
    want = torch.full(recorder.shape, 50.0 * binning**2, dtype=torch.float64)
    torch.testing.assert_close(recorder.photons(even), want, rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    ("shift", "beam", "within"),
    [
        ((0.0, 0.0), 0.0, 2e-3),
        ((0.0, 0.0), 1.5, 2e-3),
        ((0.0, -380e-6), 0.0, 2.4e-2),
        ((300e-6, 0.0), 1.5, 5e-3),
    ],
    ids=["aligned", "with a reference beam", "shifted by ten pixels", "shifted, with a beam"],
)
def test_frames_are_those_of_a_window_that_holds_all_light(shift, beam, within):
    bench = BENCH.replace(**{"alignment.camera_shift": shift})
    got, _ = photons(bench, (12, 15), beam=beam)
    want, _ = photons(bench, (12, 15), beam=beam, margin=40)
    assert got.shape == want.shape
    assert float((got - want).abs().max() / want.mean()) < within
    assert float((got - want).norm() / want.norm()) < within / 4


@pytest.mark.parametrize("shape", [(12, 15), (13, 14)])
@pytest.mark.parametrize("binning", [2, 3, 4])
def test_a_binned_frame_is_the_sum_of_the_pixels_of_an_unbinned_one(binning, shape):
    """An ideal camera; odd and even sensors: the sums of the very pixels, where the binned frame says they are."""
    bench = BENCH.replace(**{"alignment.camera_shift": (13e-6, -29e-6)})
    fine, unbinned = photons(bench, shape, margin=30)
    got, binned = photons(bench.replace(**{"camera.binning": binning}), shape, margin=30)
    sensor = torch.zeros(301, 260, dtype=torch.float64)
    sensor[unbinned.region] = fine
    rows, cols = ((part.start * binning, part.stop * binning) for part in binned.region)
    want = (
        sensor[slice(*rows), slice(*cols)].unfold(0, binning, binning).unfold(1, binning, binning).sum((2, 3))
    )
    inner = (slice(1, -1), slice(1, -1))  # the outermost reach beyond the pixels that see the image
    torch.testing.assert_close(got[inner], want[inner], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("oversampling", [1, 2, (3, 2)])
@pytest.mark.parametrize("shape", [(12, 15), (13, 14), (8, 8)])
def test_a_stored_psf_has_its_origin_in_the_middle(shape, oversampling):
    """Kernel taps at (0, 0), (1, 0), (0, 2): each is found where it should be, counted from index n // 2."""
    bench = BENCH.replace(**{"slm.fill_factor": 1.0})
    system = FourF(bench, CameraWindow(shape, oversampling=oversampling), dtype=torch.float64)
    spread = point_spread(system, system.psf(mask(system)))
    sy, sx = system.oversampling
    assert spread.pitch == pytest.approx((PITCH / sy, PITCH / sx)) and spread.centre == (0.0, 0.0)
    ny, nx = spread.samples.shape[-2:]
    at = spread.samples[0].abs()
    assert (
        abs(float(at.argmax() // nx) - ny // 2) <= sy / 2 and abs(float(at.argmax() % nx) - nx // 2) <= sx / 2
    )
    kernel = spread.samples[0][ny // 2 % sy :: sy, nx // 2 % sx :: sx]
    j, i = ny // 2 // sy, nx // 2 // sx
    around = {(dj, di): abs(complex(kernel[j + dj, i + di])) for dj in (-1, 0, 1) for di in (-2, 0, 2)}
    assert sorted(around, key=around.__getitem__, reverse=True)[:3] == [(0, 0), (1, 0), (0, 2)]
    assert float(spread.lags(0)[ny // 2]) == 0.0 and float(spread.lags(1)[nx // 2 + sx]) == pytest.approx(
        PITCH
    )
