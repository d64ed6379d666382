"""Channels side by side see lens 1 where their light crosses it: closed forms, plane by plane, and both paths alike.

The aberrations are written out as polynomials of y and x, a second time, and taken at `x + xi` on the lens. Blind spot:
a piston common to all channels shows in the complex fields alone.
"""

from __future__ import annotations

import math

import pytest
import torch

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.conventions import abs2, axis, cis
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import incoherent, tilt, tilted_psf, tilted_pupil
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.pupil import illuminated_pixels
from optics.fourf.stored_psf import point_spread
from optics.fourf.system import FourF
from tests.optics.fourf.test_plane_by_plane import BENCH as PLANES
from tests.optics.fourf.test_plane_by_plane import mask
from tests.scenes import error, generator

pytestmark = pytest.mark.physics
CHANNELS, WIDTH, GAP, HEIGHT = 3, 12, 3, 10
SHAPE = (HEIGHT, CHANNELS * WIDTH + (CHANNELS - 1) * GAP)
STEP = 16e-6  # of the SLM
BENCH = PLANES.replace(**{"lens1.diameter": 5e-3, "lens1.decentre": (2 * STEP, -3 * STEP)})
STRAIGHT = BENCH.replace(**{"lens1.decentre": (0.0, 0.0)})
# Noll's polynomials in coordinates of the disc's radius
POLYNOMIALS = {
    4: lambda y, x: math.sqrt(3) * (2 * (x * x + y * y) - 1),
    5: lambda y, x: 2 * math.sqrt(6) * x * y,
    6: lambda y, x: math.sqrt(6) * (x * x - y * y),
    7: lambda y, x: math.sqrt(8) * (3 * (x * x + y * y) - 2) * y,
    8: lambda y, x: math.sqrt(8) * (3 * (x * x + y * y) - 2) * x,
}
# what W1(d + xi) has that W1(xi) has not is a tilt along (y, x): this times coefficient and d / radius^2
TILTS = {4: (0.0, 4 * math.sqrt(3)), 5: (2 * math.sqrt(6), 0.0), 6: (0.0, 2 * math.sqrt(6))}


GAPS = {1: 0, 2: 2, 3: GAP}  # that make so many channels as wide as the display


def view(channels: int = CHANNELS, **options: object) -> CameraWindow:
    return CameraWindow(SHAPE, **{"oversampling": 2, **options}, channels=channels, gap=GAPS[channels])


def system(bench: BenchSpec, channels: int = CHANNELS, **options: object) -> FourF:
    return FourF(bench, view(channels, **options), dtype=torch.float64)


def point(row: int, column: int) -> torch.Tensor:
    lit = torch.zeros(1, *SHAPE, dtype=torch.float64)
    lit[0, row, column] = 1.0
    return lit


def origin(channel: int) -> int:
    """Column of a channel's origin."""
    return channel * (WIDTH + GAP) + WIDTH // 2


# ---------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("noll", POLYNOMIALS)
def test_a_channel_has_the_phase_of_its_own_part_of_lens_1(noll):
    """The light of one pixel at the pupil, against a lens without aberration: `exp(i W1(x + xi))`."""
    amount, radius = 0.9, 2.5e-3
    with_it, without = system(BENCH.replace(**{"lens1.zernike": {noll: amount}})), system(BENCH)
    assert with_it.cells is not None and without.cells is None
    xi_y, xi_x = (illuminated_pixels(BENCH, k)[1] - BENCH.lens1.decentre[k] for k in (0, 1))
    inside = without.pupil.abs() > 0.5
    y, x = (axis(n, BENCH.input.pitch) for n in SHAPE)
    at = tuple(int(xi.abs().argmin()) for xi in (xi_y, xi_x))  # of light that leaves straight

    def seen(row: int, column: int) -> tuple[torch.Tensor, torch.Tensor]:
        lit = point(row, column)
        got = with_it.at_slm(lit)[0] * with_it.pupil / (without.at_slm(lit)[0] * without.pupil)
        on_lens = (
            (y[row] + xi_y[:, None] - BENCH.lens1.decentre[0]) / radius,
            (x[column] + xi_x[None, :] - BENCH.lens1.decentre[1]) / radius,
        )
        return got, cis(amount * POLYNOMIALS[noll](*on_lens))

    for channel in range(CHANNELS):
        got, want = seen(HEIGHT // 2, origin(channel))
        assert float((got - want).abs()[inside].max()) < 1e-9
    for row, column in ((0, 0), (HEIGHT - 1, SHAPE[1] - 1), (2, origin(1) + 4), (7, WIDTH + 1)):
        got, want = seen(row, column)
        assert float((got - want)[at].abs()) < 1e-9


@pytest.mark.parametrize("noll", TILTS)
def test_defocus_and_astigmatism_move_the_channels_apart(noll):
    """A phase `g xi` in the Fourier plane moves an image by `-g lambda f / (2 pi)`."""
    amount = 2.0
    made = system(STRAIGHT.replace(**{"lens1.zernike": {noll: amount}}), margin=8, offset=(0.0, 0.0))
    xi = [made.slm_axis(k) for k in (0, 1)]
    soft = torch.exp(-(xi[0][:, None] ** 2 + xi[1][None, :] ** 2) / (2 * 2e-4**2))
    psf = made.psf(soft[None].to(made.pupil))
    y, x = made.camera_axis(0), made.camera_axis(1)
    for channel in range(CHANNELS):
        light = made.intensity(point(HEIGHT // 2, origin(channel)), psf)[0, 0]
        seen = [float((light.sum(1) * y).sum() / light.sum()), float((light.sum(0) * x).sum() / light.sum())]
        d = (channel - 1) * (WIDTH + GAP) * BENCH.input.pitch
        moved = [-k * amount * d / 2.5e-3**2 * STRAIGHT.scale / (2 * math.pi) for k in TILTS[noll]]
        largest = 0.002 * max(TILTS[noll]) * amount * 4.8e-4 / 2.5e-3**2 * STRAIGHT.scale / (2 * math.pi)
        assert seen[0] == pytest.approx(moved[0], abs=largest)
        # the display's origin is the middle channel's
        assert seen[1] == pytest.approx(d + moved[1], abs=largest)


# ---------------------------------------------------------------------- another simulator


ABERRATED = {
    "defocus": {4: 0.6},
    "astigmatism": {5: 0.7},
    "coma along y": {7: -0.6},
    "coma along x": {8: 0.5},
    "all": {4: 0.3, 5: -0.4, 6: 0.3, 7: 0.4, 8: -0.3},
}


@pytest.mark.parametrize("name", ABERRATED)
def test_channels_off_the_axis_agree_with_every_lens_where_it_stands(name):
    bench = BENCH.replace(**{"lens1.zernike": ABERRATED[name], "lens1.decentre": (0.0, 0.0)})
    picture = torch.zeros(1, *SHAPE, dtype=torch.float64)
    picture[0, 1:6, 2:5], picture[0, 3, 18:26], picture[0, 5:9, 34], picture[0, 7, 33:41] = 1.0, 0.8, 0.9, 0.6
    planes = PlaneByPlane(bench, view(), dtype=torch.float64)
    want = planes.wave(picture, mask(planes))

    def off(made: FourF) -> float:
        return error(made.wave(picture, mask(made)), want)

    own = off(system(bench))
    assert own < 2.5e-2  # 3e-3 without aberrations; the rest is of second order within a channel
    assert off(system(bench, channels=1)) > 3.5 * own  # one pupil for the whole display
    opposite = bench.replace(**{"lens1.zernike": {k: -v for k, v in ABERRATED[name].items()}})
    assert off(system(opposite)) > 6 * own


# ---------------------------------------------------------------------- both paths


FLAWS = {
    "as it is": {},
    "two channels": {"channels": 2},
    "turned, shifted": {"alignment.mask_rotation": 0.01, "alignment.mask_shift": (5e-6, -9e-6)},
    "out of focus": {"alignment.mask_axial": 2e-3, "lens2.defocus": 1e-3, "lens1.defocus": -1e-3},
    "black that shines": {"input.contrast": 30.0},
}


def pictures(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, *SHAPE, generator=generator(1), dtype=torch.float64)


def phases(made: FourF) -> torch.Tensor:
    return cis(6 * torch.rand(2, *made.pupil.shape, generator=generator(2), dtype=torch.float64))


PATHS = {
    "wave": lambda made, u, shown: abs2(made.wave(u, shown)),
    "fields by point-spread functions": lambda made, u, shown: abs2(made.convolve(u, made.psf(shown))),
    "intensity by point-spread functions": lambda made, u, shown: made(u, shown),
}


@pytest.mark.parametrize("name", FLAWS)
def test_both_paths_and_their_gradients_agree(name):
    changes = dict(FLAWS[name])
    channels = changes.pop("channels", CHANNELS)
    coma = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    bench = BENCH.replace(**{"lens1.zernike": {4: 0.5, 7: coma}, **changes})
    seen, slopes = [], []
    for path in PATHS.values():
        made = system(bench, channels, window_shape=(HEIGHT, WIDTH))
        u, shown = pictures().requires_grad_(), phases(made).requires_grad_()
        light = path(made, u, shown)
        weights = torch.rand(light.shape, generator=generator(3), dtype=torch.float64)
        seen.append(light.detach())
        slopes.append(torch.autograd.grad((weights * light).sum(), (u, shown, coma)))
    for other, its in zip(seen[1:], slopes[1:], strict=True):
        assert error(other, seen[0]) < 1e-12
        for got, want in zip(its, slopes[0], strict=True):
            assert error(got, want) < 1e-10


def test_both_paths_agree_in_light_from_the_side_and_pixel_by_pixel():
    made = system(BENCH.replace(**{"lens1.zernike": ABERRATED["all"]}), window_shape=(HEIGHT, WIDTH))
    angle, u, shown = (2e-3, -3e-3), pictures(), phases(made)
    turned = tilt(made, u, angle)
    want = abs2(made.through(turned, tilted_pupil(made, shown, angle)))
    assert error(made.intensity(turned, tilted_psf(made, shown, angle)), want) < 1e-12
    alone = torch.eye(math.prod(SHAPE), dtype=torch.float64).unflatten(1, SHAPE)
    each = torch.cat([abs2(made.wave(some, shown)) for some in alone.split(64)])
    summed = torch.einsum("bp,pmyx->bmyx", abs2(u).flatten(1), each)
    assert error(incoherent(made, u, made.psf(shown)), summed) < 1e-12


def test_without_aberrations_channels_change_nothing():
    made, whole = system(BENCH), system(BENCH, channels=1)
    shown = phases(made)
    assert made.cells is None and torch.equal(made(pictures(), shown), whole(pictures(), shown))


# ---------------------------------------------------------------------- as it is stored


def test_a_stored_point_spread_function_has_each_channels_where_it_is():
    aberrated = BENCH.replace(**{"lens1.zernike": ABERRATED["all"]})
    made = system(aberrated, window_shape=(HEIGHT, WIDTH))
    psf = made.psf(phases(made))
    stored, whole = point_spread(made, psf), system(BENCH, channels=1, window_shape=(HEIGHT, WIDTH))
    like = point_spread(whole, whole.psf(phases(whole)))
    assert stored.samples.shape == like.samples.shape
    for channel in range(CHANNELS):
        # the field of one lit pixel in the window's middle
        field = made.convolve(point(HEIGHT // 2, origin(channel)), psf)[0]
        lag = (SHAPE[1] // 2 - origin(channel)) * made.oversampling[1] + stored.samples.shape[2] // 2
        row, column = made.window[0] // 2, made.window[1] // 2
        got = (
            stored.samples[:, stored.samples.shape[1] // 2, lag] * made.chirp_in[HEIGHT // 2, origin(channel)]
        )
        assert error(got, field[:, row, column]) < 1e-12


def test_channels_that_do_not_fill_the_display_are_refused():
    for channels, gap in ((4, 0), (0, 0), (3, 2), (2, 42), (1, -1)):
        with pytest.raises(OpticsError, match=r"do not fill images of 42 columns"):
            CameraWindow(SHAPE, channels=channels, gap=gap)
