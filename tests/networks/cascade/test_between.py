"""The field between the pixels' centres: against fine sums of sinc functions, and against an ideal bench."""

from __future__ import annotations

import pytest
import torch

from networks import Student
from networks.cascade.between import moved, places
from networks.cascade.cascade import Cascade
from networks.cascade.convolution import Every, convolve, convolve_parts
from networks.cascade.separable import bin_area
from networks.readouts.readouts import Homodyne, Intensity
from networks.students.spec import StudentSpec
from optics.checks import OpticsError
from tests.scenes import REAL, SHAPE, error, generator, lopsided

EYES = {
    "intensity": lambda n: Intensity((4, 5), oversampling=n),
    "colours apart": lambda n: Intensity((4, 5), channel_sum="incoherent", oversampling=n),
    "homodyne": lambda n: Homodyne((4, 5), oversampling=n),
}


def cascade(kernel_size: int = 5, channels=(2, 3)) -> Cascade:
    return Cascade(channels, kernel_size, generator=generator(5)).double()


def field_at(cascade: Cascade, x: torch.Tensor, fine: int) -> torch.Tensor:
    """(B, out, in, fine y, fine x) by the sum of sinc functions over every tap and every pixel, nothing left out."""
    ny, nx = x.shape[-2:]
    kernels, reach = cascade.kernels(), cascade.kernel_size // 2
    grown = x.new_zeros(*x.shape[:2], ny + 2 * reach, nx + 2 * reach)
    grown[..., reach:-reach, reach:-reach] = x
    whole = torch.stack(
        [convolve(grown[:, i : i + 1], kernels[:, i : i + 1]) for i in range(x.shape[1])], 2
    )  # every sample that light reaches
    axes = []
    for n in (ny, nx):
        at = (torch.arange(n * fine, dtype=torch.float64) + 0.5) / fine - 0.5
        axes.append(torch.sinc(at[:, None] - torch.arange(-reach, n + reach, dtype=torch.float64)))
    return axes[0].to(whole.dtype) @ whole @ axes[1].mT.to(whole.dtype)


@pytest.mark.parametrize("name", EYES)
def test_two_samples_a_pixel_are_the_light_of_its_area_and_one_is_not(name):
    optics, x = cascade(), lopsided(2, 2, 12, 10, dtype=torch.float64)
    fine = field_at(optics, x, 8)
    if name == "homodyne":
        total = fine.sum(2)
        want = torch.cat((total.real, total.imag), 1)
    else:
        want = fine.sum(2).abs() ** 2 if name == "intensity" else (fine.abs() ** 2).sum(2)
    want = bin_area(want, (4, 5))
    off = {n: error(EYES[name](n)(optics, x).detach(), want.detach()) for n in (1, 2, 3, 4)}
    assert off[2] < 0.012, off  # what crosses a bin's edge within half a pixel
    assert off[1] > 3 * off[2], off
    assert off[4] < off[3] < off[2]


@pytest.mark.parametrize("name", EYES)
@pytest.mark.parametrize("samples", [1, 2])
def test_the_shortest_way_is_what_the_frames_say(name, samples):
    optics, x, eye = cascade(), lopsided(2, 2, 12, 10, dtype=torch.float64), EYES[name](samples)
    torch.testing.assert_close(eye(optics, x), eye.combine(eye.frames(optics, x)))


def test_an_ideal_bench_measures_two_samples_a_pixel():
    """Its display's pixels are squares, its stop is a square, and nothing of it is told to the computed network."""
    x = lopsided(3, 1, *SHAPE)
    spec = StudentSpec.of(channels=(1, 3, 4), image_shape=SHAPE, bins=(6, 5), classes=3, oversampling=2)
    student = Student.from_spec(spec, generator=generator(2)).eval()
    with torch.no_grad():
        bench = student.on(REAL.ideal()).eval()
        seen = bench.features_of(bench.expected(x))
        whole = error(student.features(x), seen)
        centres = Student.from_spec(spec.replace(**{"readout.oversampling": 1})).eval()
        centres.load_state_dict(student.state_dict())
        flipped = error(student.features(x.flip(-1)).flip(-1), seen)
        assert whole < 0.02
        assert error(centres.features(x), seen) > 3 * whole
        assert flipped > 5 * whole


def test_a_place_on_a_pixel_is_that_pixel_and_a_whole_step_is_the_next():
    x = lopsided(1, 1, 6, 7, dtype=torch.float64)
    around = moved(x, (0.0, 0.0), 2)
    torch.testing.assert_close(around[..., 2:-2, 2:-2], x)
    assert around[..., :2, :].abs().max() < 1e-12
    torch.testing.assert_close(moved(x, (1.0, 0.0), 0)[..., :-1, :], x[..., 1:, :])
    torch.testing.assert_close(moved(x, (0.0, -1.0), 0)[..., 1:], x[..., :-1])
    assert places(1) == (0.0,)
    assert places(2) == (-0.25, 0.25)
    assert sum(places(3)) == 0.0


@pytest.mark.parametrize("taps", [3, 21], ids=["directly", "by transforms"])
@pytest.mark.parametrize("images", [9, 1])
@pytest.mark.parametrize("step", [1, 3])
def test_an_image_with_its_surroundings_gives_what_lies_inside(taps, images, step):
    x = torch.randn(images, 2, 30, 28, dtype=torch.float64, generator=generator())
    kernels = torch.randn(4, 2, taps, taps, dtype=torch.complex128, generator=generator(1))
    reach, every = taps // 2, Every(step, (1 % step, 2 % step))
    real, imag = convolve_parts(x, kernels, boundary="surrounded", every=every)
    want = every.of(convolve(x, kernels)[..., reach:-reach, reach:-reach])
    torch.testing.assert_close(real, want.real)
    torch.testing.assert_close(imag, want.imag)


REFUSED = {
    "periodic": {"boundary": "circular"},
    "a stop": {"boundary": "circular", "pool": (6,)},
    "no stop, said": {"pool": (None,)},
    "free masks": {"parameterisation": "mask"},
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("eye", ["intensity", "homodyne"])
def test_what_has_no_field_between_its_pixels_says_so(name, eye):
    sizes = {"channels": (1, 2), "image_shape": (12, 10), "readout": eye, "bins": (2, 2)}
    with pytest.raises(OpticsError, match=r"oversampling is 2 and needs small kernels, no pool"):
        StudentSpec.of(**sizes, oversampling=2, **REFUSED[name])
    student = Student.build(**sizes, **REFUSED[name], generator=generator())
    read = {"intensity": Intensity, "homodyne": Homodyne}[eye]((2, 2), oversampling=2)
    with pytest.raises(OpticsError, match="leave the read-out's oversampling at 1"):
        read(student.cascade, lopsided(1, 1, 12, 10))


def test_incoherent_light_takes_no_such_option_and_a_camera_at_least_one_sample():
    with pytest.raises(OpticsError, match="oversampling belongs to intensity and homodyne"):
        StudentSpec.of(channels=(1, 2), readout="incoherent", oversampling=2)
    for wrong in (0, 5, 2.0, None):
        with pytest.raises(OpticsError, match=r"oversampling is .*; use 1 to 4 samples"):
            Intensity((2, 2), oversampling=wrong)
