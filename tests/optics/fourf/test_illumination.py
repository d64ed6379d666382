"""Light that adds as intensities: against direct sums, van Cittert and Zernike, and coherent light as the limit."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.special import j1

from optics.bench.light import LightSpec
from optics.bench.spec import BenchSpec, InputSpec, StopSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError, SpecError
from optics.conventions import abs2
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination, dispersed, incoherent, panels, partially_coherent
from optics.fourf.system import FourF
from optics.slm.encoding import EncodingSpec
from optics.slm.panel import SLMSpec
from optics.wave.lens import LensSpec
from tests.scenes import generator

WAVELENGTH, FOCUS, PITCH = 532e-9, 0.2, 32e-6
SHAPE = (9, 12)


def bench(**light: object) -> BenchSpec:
    return BenchSpec(
        name="illumination test",
        light=LightSpec(wavelength=WAVELENGTH, **light),
        input=InputSpec(pitch=PITCH),
        lens1=LensSpec(focal_length=FOCUS),
        stop=StopSpec(width=(2.4e-3, 3.3e-3)),
        slm=SLMSpec(shape=(200, 240), pitch=16e-6),
        lens2=LensSpec(focal_length=FOCUS),
        camera=CameraSpec(shape=(600, 700), pitch=3.45e-6),
    )


def images(count: int = 2) -> torch.Tensor:
    return torch.rand(count, *SHAPE, generator=generator(1), dtype=torch.float64)


def shifting_mask(fourf: FourF, taps: list[tuple[complex, float, float]]) -> torch.Tensor:
    """Mask (1, ny, nx) whose PSF is a sum of points: (weight, y, x) in input pixels, towards positive axes."""
    y, x = fourf.slm_axis(0)[:, None], fourf.slm_axis(1)[None, :]
    k = 2 * math.pi * PITCH / (WAVELENGTH * FOCUS)
    return sum(w * torch.exp(-1j * k * (dy * y + dx * x)) for w, dy, dx in taps)[None]


TAPS = [(0.5, 1.0, -2.0), (0.3j, -1.5, 1.0), (-0.2, 0.0, 2.0)]


@pytest.mark.physics
def test_incoherent_light_is_intensity_convolved_with_the_squared_psf():
    fourf = FourF(bench(coherence="incoherent"), SHAPE, dtype=torch.float64)
    mask = shifting_mask(fourf, TAPS)
    u = images()
    got = Illumination(bench(coherence="incoherent"), SHAPE, dtype=torch.float64)(u, mask)
    # every display pixel alone through the coherent wave path, intensities added
    alone = torch.diag_embed(u.reshape(2, -1)).reshape(-1, *SHAPE)
    want = abs2(fourf.wave(alone, mask)).reshape(2, -1, *got.shape[1:]).sum(1)
    assert torch.allclose(got, want, rtol=1e-9, atol=1e-12)
    # and it is not the coherent image
    assert (got - abs2(fourf.wave(u, mask))).abs().max() > 0.1


def test_masks_of_these_tests_shift_towards_positive_axes():
    fourf = FourF(bench(), SHAPE, dtype=torch.float64)
    u = torch.zeros(1, *SHAPE, dtype=torch.float64)
    u[0, 4, 5] = 1.0
    got = abs2(fourf.wave(u, shifting_mask(fourf, [(1.0, 2.0, 3.0)])))[0, 0]
    row, col = divmod(int(got.argmax()), got.shape[1])
    assert float(fourf.camera_axis(0)[row]) == pytest.approx((4 - 4 + 2) * PITCH, abs=PITCH / 4)
    assert float(fourf.camera_axis(1)[col]) == pytest.approx((5 - 6 + 3) * PITCH, abs=PITCH / 4)


@pytest.mark.physics
def test_incoherent_image_does_not_see_the_phases_of_the_display():
    fourf = FourF(bench(), SHAPE, dtype=torch.float64)
    psf = fourf.psf(shifting_mask(fourf, TAPS))
    u = images()
    phases = torch.exp(2j * math.pi * images().flip(-1))
    assert torch.allclose(incoherent(fourf, u, psf), incoherent(fourf, u * phases, psf), rtol=1e-12)


@pytest.mark.physics
@pytest.mark.parametrize("pixels", [2, 4])
def test_fringe_visibility_follows_van_cittert_and_zernike(pixels):
    # two display pixels, brought to the same place by a mask of two points, at two relative phases
    width = 3.2e-3
    spec = bench(coherence="partial", source_width=width, source_points=15)
    fourf = FourF(spec, SHAPE, dtype=torch.float64)
    u = torch.zeros(1, *SHAPE, dtype=torch.float64)
    u[0, 4, 5], u[0, 4, 5 + pixels] = 1.0, 1.0
    light = []
    for phase in (1.0, -1.0):
        mask = shifting_mask(fourf, [(0.5, 0.0, pixels / 2), (0.5 * phase, 0.0, -pixels / 2)])
        total = partially_coherent(fourf, u, mask, *spec.light.source())
        x = fourf.camera_axis(1)
        centre = int((x - (5 - 6 + pixels / 2) * PITCH).abs().argmin())
        row = int((fourf.camera_axis(0) - (4 - 4) * PITCH).abs().argmin())
        light.append(float(total[0, 0, row, centre]))
    visibility = (light[0] - light[1]) / (light[0] + light[1])
    v = math.pi * width * pixels * PITCH / WAVELENGTH
    assert visibility == pytest.approx(2 * j1(v) / v, abs=0.03)


@pytest.mark.physics
def test_tilted_light_moves_the_spectrum_and_not_the_image():
    # one source point off the axis: a stop to one side blocks it; without a tilt the light passes
    spec = bench()
    narrow = spec.replace(**{"stop.width": (0.6e-3, 3.3e-3)})
    u = torch.zeros(1, *SHAPE, dtype=torch.float64)
    u[0, 2:7, 3:9] = 1.0
    one = torch.ones(1, dtype=torch.float64)
    angle = torch.tensor([[0.85e-3 / FOCUS, 0.0]], dtype=torch.float64)
    wide, close = FourF(spec, SHAPE, dtype=torch.float64), FourF(narrow, SHAPE, dtype=torch.float64)

    def energy(fourf: FourF, angles: torch.Tensor) -> float:
        clear = shifting_mask(fourf, [(1.0, 0.0, 0.0)])
        return float(partially_coherent(fourf, u, clear, angles, one).sum())

    straight = torch.zeros(1, 2, dtype=torch.float64)
    assert energy(close, angle) < 0.1 * energy(close, straight)
    assert energy(wide, angle) > 0.9 * energy(wide, straight)
    # along x the stop is wide
    assert energy(close, angle.flip(1)) == pytest.approx(energy(close, straight), rel=0.05)


@pytest.mark.physics
def test_small_source_tends_to_coherent_light():
    spec = bench(coherence="partial", source_width=1e-6)
    light = Illumination(spec, SHAPE, dtype=torch.float64)
    mask = shifting_mask(light.lines[0], TAPS)
    coherent = Illumination(bench(), SHAPE, dtype=torch.float64)
    assert torch.allclose(light(images(), mask), coherent(images(), mask), rtol=1e-4, atol=1e-6)


def test_coherent_light_of_one_wavelength_is_the_4f_system_itself():
    light = Illumination(bench(), SHAPE, dtype=torch.float64)
    mask = shifting_mask(light.lines[0], TAPS)
    assert torch.equal(light(images(), mask), light.lines[0](images(), mask))


@pytest.mark.physics
def test_longer_waves_shift_a_carriers_image_in_proportion():
    # a blazed carrier of 0.1 cycles per SLM pixel along x; the second line is 2 % longer
    far = 1.02 * WAVELENGTH
    spec = bench(spectrum=((far, 1.0),)).replace(
        slm=SLMSpec(shape=(200, 240), pitch=16e-6, modulation="phase"),
        encoding=EncodingSpec(carrier=(0.0, 0.1)),
    )
    light = Illumination(spec, CameraWindow(SHAPE, oversampling=8), dtype=torch.float64)
    columns = torch.arange(240, dtype=torch.float64)[light.lines[0].cols] - 120
    rows = light.lines[0].rows.stop - light.lines[0].rows.start
    mask = torch.exp(2j * math.pi * 0.1 * columns).expand(1, rows, -1)
    u = torch.zeros(1, *SHAPE, dtype=torch.float64)
    u[0, 4, 5] = 1.0
    got = light(u, mask)[0, 0]
    main, second = (line(u, mask)[0, 0] for line in light.lines)
    assert torch.allclose(got, (main + second) / 2, rtol=1e-12)

    def peak(spot: torch.Tensor) -> float:
        """Top of the parabola through the brightest samples along x."""
        line, x = spot.sum(0), light.lines[0].camera_axis(1)
        i = int(line.argmax())
        a, b, c = line[i - 1], line[i], line[i + 1]
        return float(x[i] + (a - c) / (a - 2 * b + c) / 2 * (x[1] - x[0]))

    moved = peak(second) - peak(main)
    assert moved == pytest.approx(-0.02 * 0.1 * WAVELENGTH * FOCUS / 16e-6, rel=0.05)


@pytest.mark.physics
def test_phase_panel_retards_shorter_waves_by_more():
    spec = SLMSpec(shape=(4, 4), pitch=8e-6, modulation="phase", bits=8)
    shorter = dispersed(spec, 532 / 400)
    assert shorter.response.range == pytest.approx(2 * math.pi * 532 / 400)
    table = tuple(0.02 * k for k in range(256))
    with_table = dispersed(spec.replace(**{"response.lut": table}), 532 / 400)
    assert with_table.response.lut == pytest.approx([v * 532 / 400 for v in table])
    both = panels(
        bench(spectrum=((400e-9, 1.0),)).replace(slm=spec), (slice(0, 4), slice(0, 4)), dtype=torch.float64
    )
    levels = torch.full((4, 4), 64, dtype=torch.int32)
    main, short = (panel.of_levels(levels).angle() for panel in both)
    assert torch.allclose(main, torch.full_like(main, math.pi / 2))
    assert torch.allclose(short, torch.full_like(short, math.pi / 2 * 532 / 400))


def test_what_does_not_fit_is_refused():
    light = Illumination(bench(spectrum=((540e-9, 1.0),)), SHAPE, dtype=torch.float64)
    mask = shifting_mask(light.lines[0], TAPS)
    with pytest.raises(OpticsError, match="for 2 wavelengths"):
        light(images(), [mask])
    wide = bench(coherence="partial", source_width=1e-3).replace(**{"stop.width": (2.4e-3, 3.8e-3)})
    fourf = FourF(wide.replace(**{"input.pitch": 64e-6}), SHAPE, dtype=torch.float64)
    with pytest.raises(SpecError, match="first zero"):
        partially_coherent(fourf, images(), shifting_mask(fourf, TAPS), *wide.light.source())
