"""Sums of a camera's pixels drawn directly have the mean and the variance of pixels that are drawn one by one."""

from __future__ import annotations

import pytest
import torch

from optics.camera.camera import ADCSpec, Camera, CameraSpec, UniformitySpec
from optics.camera.summed_exposure import SummedExposure, poisson
from optics.checks import ShapeError

ROWS = torch.tensor([-1, 0, 0, 0, 1, 1, 1, 1, 1, 2])
COLS = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
BASE = {"shape": (10, 8), "pitch": 4e-6}
NOISY = BASE | {"shot_noise": True, "read_noise": 3.0, "full_well": 1e4}
CAMERAS = {
    "ideal": BASE,
    "photons alone": BASE | {"shot_noise": True, "quantum_efficiency": 0.6},
    "12 bits": NOISY | {"adc": ADCSpec(bits=12, black_level=20.0)},
    "well reached": NOISY | {"adc": ADCSpec(bits=12, black_level=20.0), "full_well": 2500.0},
    "no black level": NOISY | {"adc": ADCSpec(bits=12)},
    "coarse steps": NOISY | {"adc": ADCSpec(bits=5), "read_noise": 1.0},
    "converter alone": BASE | {"adc": ADCSpec(bits=6), "full_well": 1e4},
    "binned": NOISY | {"shape": (20, 16), "binning": 2, "adc": ADCSpec(bits=10, black_level=8.0)},
    "fixed patterns": NOISY
    | {
        "adc": ADCSpec(bits=12, black_level=20.0),
        "uniformity": UniformitySpec(prnu=0.05, dsnu=20.0, hot_pixels=0.05),
        "dark_current": 2000.0,
    },
}
DRAWS = 600


def scene() -> torch.Tensor:
    """Photons of two images in two frames, dark to bright, lopsided."""
    y, x = torch.arange(10.0)[:, None], torch.arange(8.0)[None, :]
    one = 3000 * torch.exp(-((y - 3) ** 2) / 6 - (x - 5) ** 2 / 9)
    return torch.stack([torch.stack([one, 0.2 * one]), torch.stack([one.flip(0), one + 200])])


def grouped(frames: torch.Tensor) -> torch.Tensor:
    """Means over the groups, the long way."""
    out = torch.zeros(*frames.shape[:-2], 3, 2, dtype=frames.dtype)
    for i in range(3):
        for j in range(2):
            out[..., i, j] = frames[..., i == ROWS, :][..., j == COLS].mean((-2, -1))
    return out


@pytest.mark.parametrize("name", CAMERAS)
def test_mean_and_spread_are_those_of_every_pixel(name):
    camera = Camera(CameraSpec(**CAMERAS[name]))
    photons = scene()
    exposure = SummedExposure(camera, ROWS, COLS)
    expected = exposure.expect([photons], [1.0])
    mixture = torch.ones(1, 2)
    streams = [torch.Generator().manual_seed(k) for k in (1, 2)]
    ours = torch.stack([exposure.draw(expected, mixture, streams) for _ in range(DRAWS)]).double()
    generator = torch.Generator().manual_seed(3)
    theirs = torch.stack(
        [grouped(camera.expose(photons, generator=generator)) for _ in range(DRAWS)]
    ).double()
    spread = theirs.std(0)
    error = (ours.std(0) ** 2 + spread**2).sqrt() / DRAWS**0.5
    assert (
        (ours.mean(0) - theirs.mean(0))
        .abs()
        .le(4.5 * error + 1e-3 * theirs.mean(0).abs().clamp(min=0.05))
        .all()
    )
    if name in ("ideal", "converter alone"):
        assert ours.std(0).max() <= 1e-3 * theirs.max()
    else:
        often = spread > 0.05  # counts; elsewhere too rare an event for so few draws
        ratio = (ours.std(0) / spread)[often]
        assert ratio.min() > 0.85
        assert ratio.max() < 1.17


def test_only_pixels_at_a_limit_are_drawn_one_by_one():
    photons = scene()
    shares = {}
    for name in ("12 bits", "well reached", "coarse steps"):
        expected = SummedExposure(Camera(CameraSpec(**CAMERAS[name])), ROWS, COLS).expect([photons], [1.0])
        shares[name] = expected.share_single
    assert shares["12 bits"] == 0
    assert 0 < shares["well reached"] < 0.5
    assert shares["coarse steps"] > shares["well reached"]


def test_two_states_mix():
    camera = Camera(CameraSpec(**BASE))
    a, b = scene(), 2 * scene()
    exposure = SummedExposure(camera, ROWS, COLS)
    expected = exposure.expect([a, b], [0.5, 0.5])
    mixture = torch.tensor([[0.25, 1.5], [0.75, -0.5]])
    got = exposure.draw(expected, mixture, [torch.Generator(), torch.Generator()])
    weights = torch.tensor([0.25 + 2 * 0.75, 1.5 - 2 * 0.5])
    torch.testing.assert_close(got, grouped(a) * weights[None, :, None, None], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("mean", [0.3, 20.0, 100.0, 5000.0])
def test_poisson_numbers_from_normal_ones_have_three_right_moments(mean):
    generator = torch.Generator().manual_seed(5)
    normal = torch.randn(200_000, generator=generator, dtype=torch.float64)
    drawn = poisson(torch.full_like(normal, mean), normal, generator)
    central = drawn - drawn.mean()
    assert drawn.mean().item() == pytest.approx(mean, abs=5 * (mean / len(drawn)) ** 0.5)
    assert drawn.var().item() == pytest.approx(mean, rel=0.02)
    skew = (central**3).mean().item() / drawn.std().item() ** 3
    assert skew == pytest.approx(mean**-0.5, abs=0.02)
    assert drawn.min() >= 0
    assert (drawn == drawn.round()).all()


def test_groups_of_another_camera_are_refused():
    with pytest.raises(ShapeError, match="10 rows and 8 columns"):
        SummedExposure(Camera(CameraSpec(shape=(9, 8), pitch=1e-6)), ROWS, COLS)
