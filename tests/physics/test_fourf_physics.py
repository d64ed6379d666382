"""The 4f system against direct convolution, against the double sum it states, and its two paths against each other."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.signal import convolve2d

from optics.bench.light import LightSpec
from optics.bench.spec import AlignmentSpec, BenchSpec, InputSpec, StopSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError, SpecError
from optics.fourf.camera_window import CameraWindow
from optics.fourf.system import FourF
from optics.slm.panel import SLMSpec
from optics.wave.lens import LensSpec
from tests.scenes import generator

pytestmark = pytest.mark.physics
PITCH, F1, F2, WAVELENGTH = 32e-6, 0.2, 0.3, 532e-9
SCALE = WAVELENGTH * F1


def bench(**changes) -> BenchSpec:
    spec = BenchSpec(
        name="test",
        light=LightSpec(wavelength=WAVELENGTH),
        input=InputSpec(pitch=PITCH),
        lens1=LensSpec(focal_length=F1),
        stop=StopSpec(width=(SCALE / PITCH, SCALE / PITCH)),
        slm=SLMSpec(shape=(500, 640), pitch=8e-6),
        lens2=LensSpec(focal_length=F2),
        camera=CameraSpec(shape=(1024, 1024), pitch=5e-6),
    )
    return spec.replace(**changes)


def scene(h=9, w=12, seed=0) -> torch.Tensor:
    draws = generator(seed)
    image = torch.rand(2, h, w, generator=draws, dtype=torch.float64)
    image[:, : h // 2, : w // 3] += 2  # heavy in one corner: a flip or a transposition shows
    return image


def mask_of(kernel: torch.Tensor, system: FourF, *, emphasis: bool = True) -> torch.Tensor:
    """sum_r k(r) exp(-2 pi i r pitch xi / (lambda f1)), divided by the display pixel's transform."""
    xi_y, xi_x = system.slm_axis(0), system.slm_axis(1)
    mask = torch.zeros(len(xi_y), len(xi_x), dtype=torch.complex128)
    for j in range(kernel.shape[0]):
        for i in range(kernel.shape[1]):
            phase = (j - kernel.shape[0] // 2) * xi_y[:, None] + (i - kernel.shape[1] // 2) * xi_x
            mask += kernel[j, i] * torch.exp(-2j * math.pi * PITCH / SCALE * phase)
    if emphasis:
        half = SCALE / PITCH / 2
        for xi, at in ((xi_y, (slice(None), None)), (xi_x, (None, slice(None)))):
            mask /= torch.sinc(PITCH * xi.clamp(-half, half) / SCALE)[at]
    return mask[None]


def at_pixels(field: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """The samples at the input pixels' centres of a window without margin, two samples a pixel."""
    first = [2 * n // 2 - 2 * (n // 2) for n in shape]
    return field[..., first[0] :: 2, first[1] :: 2]


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def test_an_empty_system_returns_the_image_upright():
    system = FourF(bench(), CameraWindow((9, 12), margin=0), dtype=torch.float64)
    images = scene()
    out = at_pixels(system.wave(images, mask_of(torch.ones(1, 1), system))[:, 0], (9, 12))
    assert (
        relative(out, images.to(out.dtype)) < 5e-3
    )  # one sample per SLM pixel cuts the band's edge to 1 / 416


def test_a_mask_convolves_with_its_kernel():
    draws = generator(1)
    kernel = torch.randn(3, 5, 2, generator=draws, dtype=torch.float64)
    kernel = torch.view_as_complex(kernel)
    system = FourF(bench(), CameraWindow((9, 12), margin=0), dtype=torch.float64)
    images = scene()
    out = at_pixels(system.wave(images, mask_of(kernel, system))[:, 0], (9, 12))
    for image, field in zip(images, out, strict=True):
        want = torch.from_numpy(convolve2d(image.numpy(), kernel.numpy(), mode="same"))
        assert relative(field, want) < 5e-3
        flipped = torch.from_numpy(convolve2d(image.numpy(), kernel.flip(0, 1).numpy(), mode="same"))
        assert relative(field, flipped) > 0.3


def test_energy_goes_through_a_clear_system():
    system = FourF(bench(), CameraWindow((24, 24), margin=40), dtype=torch.float64)
    images = torch.zeros(1, 24, 24, dtype=torch.float64)
    images[:, 8:15, 9:17] = 1.0
    clear = torch.ones(1, *system.pupil.shape, dtype=torch.complex128)
    out = system.wave(images, clear).abs().square().sum() / math.prod(system.oversampling)
    # the stop keeps the central order of a 7 x 8 pixel rectangle: its transform's share inside, by the
    # analytic sinc
    f = (torch.arange(200001, dtype=torch.float64) - 100000) * (1 / PITCH / 200000)

    def share(n):
        whole = n * PITCH
        return float((whole * torch.sinc(f * whole).square()).sum() * (f[1] - f[0]))

    assert float(out) / 56 == pytest.approx(share(7) * share(8), rel=3e-3)


realistic = {
    "lens1.diameter": 25.4e-3,
    "lens2.diameter": 25.4e-3,
    "lens1.zernike": {4: 0.3, 7: 0.4},
    "lens2.zernike": {8: 0.3},
    "lens2.defocus": 2e-3,
    "lens1.defocus": -1e-3,
    "alignment.mask_shift": (12e-6, -5e-6),
    "alignment.mask_rotation": 5e-3,
    "alignment.mask_axial": 3e-3,
    "alignment.input_axial": 1e-3,
    "alignment.camera_axial": -2e-3,
    "slm.fill_factor": 0.9,
}


@pytest.mark.parametrize("changes", [{}, realistic])
@pytest.mark.parametrize("offset", [None, (-4e-4, 7e-4)])
def test_wave_and_psf_paths_agree(changes, offset):
    system = FourF(bench(**changes), CameraWindow((9, 12), (8, 7), margin=3, offset=offset))
    draws = generator(2)
    mask = torch.randn(2, *system.pupil.shape, 2, generator=draws)
    mask = torch.view_as_complex(mask)
    images = scene().float()
    wave = system.wave(images, mask)
    assert wave.shape == (2, 2, (8 + 6) * 2, (7 + 6) * 2)
    assert relative(system.convolve(images, system.psf(mask)), wave) < 1e-5


def test_the_fused_intensity_is_the_square_of_the_field_with_its_gradient():
    system = FourF(
        bench(**{"alignment.mask_axial": 3e-3}), CameraWindow((5, 4), (4, 6), margin=1), dtype=torch.float64
    )
    draws = generator(2)
    shape = (2, len(system.to_psf_y), len(system.to_psf_x), 2)
    psf = torch.view_as_complex(torch.randn(shape, generator=draws, dtype=torch.float64)).requires_grad_()
    images = scene(5, 4).requires_grad_()
    weight = torch.rand(2, 2, *system.window, generator=draws, dtype=torch.float64)
    results = []
    for make in (system.intensity, lambda i, p: system.convolve(i, p).abs().square()):
        out = make(images, psf)
        results.append((out.detach(), *torch.autograd.grad((out * weight).sum(), (images, psf))))
    for fused, plain in zip(*results, strict=True):
        assert relative(fused, plain) < 1e-12


def test_the_double_sum_is_what_the_module_says():
    """One output point by the written sum, with plain loops and no shared code."""
    spec = bench(**{"alignment.mask_shift": (12e-6, -5e-6)})
    system = FourF(spec, CameraWindow((4, 5), margin=1), dtype=torch.float64)
    draws = generator(3)
    mask = torch.randn(1, *system.pupil.shape, generator=draws, dtype=torch.float64).to(torch.complex128)
    images = scene(4, 5)
    out = system.wave(images, mask)
    ny, nx = system.pupil.shape
    xi_y = (torch.arange(ny, dtype=torch.float64) + system.rows.start - 250) * 8e-6 + 12e-6
    xi_x = (torch.arange(nx, dtype=torch.float64) + system.cols.start - 320) * 8e-6 - 5e-6
    half = SCALE / PITCH / 2

    def cover(xi):
        return ((half - xi.abs()) / 8e-6 + 0.5).clamp(0, 1)

    plane = mask[0] * cover(xi_y)[:, None] * cover(xi_x)
    plane = plane * torch.sinc(PITCH * xi_y / SCALE)[:, None] * torch.sinc(PITCH * xi_x / SCALE)
    row, col = 7, 3
    y, x = (row - 6) * PITCH / 2, (col - 7) * PITCH / 2
    value = 0.0
    for j in range(4):
        for i in range(5):
            # from this display pixel to that camera point, every SLM pixel's square area with it
            dy, dx = y - (j - 2) * PITCH, x - (i - 2) * PITCH
            area = math.prod(float(torch.sinc(torch.tensor(8e-6 * v / SCALE))) for v in (dy, dx))
            travel = torch.exp(2j * math.pi / SCALE * (dy * xi_y[:, None] + dx * xi_x))
            value += float(images[1, j, i]) * area * complex((plane * travel).sum())
    value *= (PITCH * 8e-6 / SCALE) ** 2
    assert abs(complex(out[1, 0, row, col]) - complex(value)) / abs(complex(value)) < 1e-6


def test_rotating_the_mask_turns_its_kernel():
    """A kernel tap far along +x moves towards +y when the mask turns by a positive angle."""
    kernel = torch.zeros(1, 41)
    kernel[0, 40] = 1.0  # a shift by +20 pixels along x
    spec = bench()
    tilted = FourF(
        spec.replace(**{"alignment.mask_rotation": 0.05}), CameraWindow((3, 3), (51, 51), margin=0)
    )
    point = torch.zeros(1, 3, 3)
    point[0, 1, 1] = 1
    mask = mask_of(kernel, tilted, emphasis=False).to(torch.complex64)
    out = tilted.wave(point, mask)[0, 0].abs().square()
    y, x = (torch.arange(n) - n // 2 for n in out.shape)
    row = float((out.sum(1) * y).sum() / out.sum()) / 2
    col = float((out.sum(0) * x).sum() / out.sum()) / 2
    assert row == pytest.approx(20 * math.sin(0.05), abs=0.1)
    assert col == pytest.approx(20 * math.cos(0.05), abs=0.1)


def test_vignetting_and_a_stop_off_the_panel_are_refused_with_the_number_that_would_do():
    with pytest.raises(SpecError, match=r"lens1 vignettes.*needs 5\.\d+ mm"):
        FourF(bench(**{"lens1.diameter": 3e-3}), (9, 12))
    with pytest.raises(SpecError, match="passes no light"):
        FourF(bench(alignment=AlignmentSpec(mask_shift=(9e-3, 0.0))), (9, 12))


def test_images_that_no_memory_holds_are_refused_before_anything_is_made():
    with pytest.raises(OpticsError, match=r"6000 x 4000 pixels need .* Show smaller images"):
        FourF(bench(), (6000, 4000))
