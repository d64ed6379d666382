"""Masks that say where they belong: a panel's is never a band, and where the zero frequency is must be said."""

from __future__ import annotations

import math

import pytest
import torch

from networks.cascade.convolution import convolve, mask_of_taps
from networks.onbench.masks import design_masks
from networks.students import interchange
from optics.bench.files import load_bench
from optics.conventions import abs2, axis, cis
from optics.errors import OpticsError, ShapeError
from optics.fourf.system import FourF
from tests.scenes import generator

SHAPE = (9, 11)
BENCH = load_bench("pluto2-200mm").ideal()


def panel_of(taps: torch.Tensor) -> torch.Tensor:
    """Taps (out, in, ky, kx) drawn for every pixel of the panel, (out, NY, NX), modulus at most 1; dark outside."""
    fourf = FourF(BENCH, SHAPE)
    masks = design_masks(fourf, taps.to(torch.complex128))
    masks = masks / masks.abs().amax()
    panel = torch.zeros(len(masks), *BENCH.slm.shape, dtype=torch.complex128)
    panel[:, fourf.rows, fourf.cols] = masks
    return panel


def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.conj() * b).sum().abs() ** 2 / (abs2(a).sum() * abs2(b).sum()))


def test_a_panel_s_mask_does_to_images_what_it_was_drawn_for():
    taps = torch.randn(2, 1, 5, 5, dtype=torch.complex64, generator=generator())
    panel = panel_of(taps)
    cascade = interchange.as_cascade(panel, kind="panel", bench=BENCH, image_shape=SHAPE)
    x = torch.rand(3, 1, *SHAPE, generator=generator(1))
    with torch.no_grad():
        got, wanted = cascade(x), convolve(x, taps)
    factor = (wanted.conj() * got).sum() / abs2(
        wanted
    ).sum()  # the division by the largest modulus, and nothing else
    assert float((got - factor * wanted).norm() / got.norm()) < 1e-3
    assert abs(float(factor.angle())) < 1e-4
    fourf = FourF(BENCH, SHAPE)
    with torch.no_grad():
        shown = design_masks(fourf, cascade.kernels())  # as the bench would show it
    intended = panel[:, fourf.rows, fourf.cols]
    for k in (0, 1):
        assert overlap(shown[k].to(intended.dtype), intended[k]) > 0.999
        assert (
            overlap(shown[k].flip(-1).to(intended.dtype), intended[k]) < 0.9
        )  # a flipped axis would be seen
        assert overlap(shown[k].conj().to(intended.dtype), intended[k]) < 0.9


def test_a_tilt_on_the_panel_moves_the_image_by_what_the_wavelength_says():
    """exp(-2 pi i xi shift / (lambda f)) moves the image by `shift` towards larger x: two pixels, and only along x."""
    shift = 2 * BENCH.input.pitch
    ny, nx = BENCH.slm.shape
    phase = -2 * math.pi * axis(nx, BENCH.slm.pitch) * shift / BENCH.scale
    cascade = interchange.as_cascade(phase.expand(ny, nx), kind="panel-phase", bench=BENCH, image_shape=SHAPE)
    x = torch.zeros(1, 1, *SHAPE)
    x[0, 0, 3, 4] = 1.0
    with torch.no_grad():
        power = abs2(cascade(x))[0, 0]
    assert divmod(int(power.argmax()), SHAPE[1]) == (3, 6)
    assert float(power[3, 6]) > 50 * float(power.flatten().sort().values[-2])


def test_a_phase_in_radians_is_a_kind():
    phase = 3 * torch.randn(2, 18, 22, generator=generator())
    by_phase = interchange.as_cascade(phase, kind="phase", corner=False, image_shape=SHAPE)
    by_mask = interchange.as_cascade(cis(phase), kind="mask", corner=False, image_shape=SHAPE)
    assert torch.allclose(by_phase.collapse((18, 22)), by_mask.collapse((18, 22)), atol=1e-6)


MEADOWLARK = torch.ones(1152, 1920)
FEW = torch.ones(18, 22)
REFUSED = {
    "a panel as a band": (
        MEADOWLARK,
        {"kind": "mask", "corner": False},
        "shape of the panel meadowlark-1920x1152",
    ),
    "a panel's phase as a band": (
        MEADOWLARK,
        {"kind": "phase", "corner": False},
        "kind='panel-phase' with bench=",
    ),
    "the bench's own panel": (
        torch.ones(BENCH.slm.shape),
        {"kind": "mask", "corner": False, "bench": BENCH},
        "of bench",
    ),
    "another panel": (MEADOWLARK, {"kind": "panel", "bench": BENCH}, "expected 1080 x 1920"),
    "a panel turned": (
        MEADOWLARK[:1080].mT,
        {"kind": "panel", "bench": BENCH},
        "1920 x 1080 pixels, expected 1080",
    ),
    "no bench": (MEADOWLARK, {"kind": "panel"}, "needs bench="),
    "amplification": (2 * torch.ones(BENCH.slm.shape), {"kind": "panel", "bench": BENCH}, "modulus of 2"),
    "a panel from the corner": (
        torch.ones(BENCH.slm.shape),
        {"kind": "panel", "bench": BENCH, "corner": True},
        "leave corner out",
    ),
    "no word on the zero frequency": (FEW, {"kind": "mask"}, "corner=True .* if at index 0"),
    "nor of a phase": (FEW, {"kind": "phase"}, "corner=True .* if at index 0"),
    "levels as radians": (
        torch.arange(396.0).reshape(18, 22),
        {"kind": "phase", "corner": False},
        "levels or degrees",
    ),
    "a complex phase": (cis(FEW), {"kind": "phase", "corner": False}, "takes a real phase"),
    "the published order": (torch.ones(1, 256, 30, 30), {"kind": "mask", "corner": True}, "axes='ioyx'"),
    "no values": (torch.ones(0, 18, 22), {"kind": "mask", "corner": True}, "holds no values"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_values_do_not_tell_is_asked_for(case):
    values, options, said = REFUSED[case]
    with pytest.raises(OpticsError, match=said) as error:
        interchange.as_cascade(values, image_shape=SHAPE, **options)
    assert "\n" not in str(error.value)


def test_a_kernel_from_the_corner_is_seen():
    kernels = torch.zeros(2, 1, 9, 9)
    kernels[:, :, 3:6, 3:6] = torch.rand(2, 1, 3, 3, generator=generator())
    stored = torch.fft.ifftshift(kernels, dim=(-2, -1))
    with pytest.raises(OpticsError, match="around index 0; say corner=True"):
        interchange.as_cascade(stored, kind="kernel", image_shape=SHAPE)
    right = interchange.as_cascade(stored, kind="kernel", corner=True, image_shape=SHAPE)
    assert torch.equal(
        right.kernels(), interchange.as_cascade(kernels, kind="kernel", image_shape=SHAPE).kernels()
    )


def test_where_the_zero_frequency_is_matters():
    """A 30 x 30 published mask read with its origin in the wrong place gives a modulated image, not a shifted one."""
    taps = torch.randn(1, 1, 5, 5, generator=generator())
    stored = torch.fft.ifftshift(mask_of_taps(taps, (30, 30)), dim=(-2, -1))
    x = torch.rand(1, 1, *SHAPE, generator=generator(1))
    right, wrong = (
        interchange.as_cascade(stored, kind="mask", corner=c, image_shape=SHAPE)(x).detach()
        for c in (True, False)
    )
    torch.testing.assert_close(right, convolve(x, taps).to(right.dtype), rtol=1e-4, atol=1e-4)
    assert overlap(right, wrong) < 0.5
    with pytest.raises(ShapeError):
        interchange.as_cascade(stored, kind="mask", corner=True, image_shape=(31, 31))
