"""What the strategies draw is what they say: benches on which a kernel fits and both paths agree, images, masks."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import HealthCheck, find, given, settings

from optics import testing
from optics.errors import OpticsError
from optics.fourf.system import FourF
from optics.plan.feasibility import problems

SHAPE = (5, 7)
few = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@few
@given(bench=testing.benches(image_shape=SHAPE, taps=3))
def test_a_drawn_bench_fits_and_its_two_paths_agree(bench):
    assert problems(bench, SHAPE, 3) == []
    system = FourF(bench, SHAPE)
    image = torch.zeros(1, *SHAPE)
    image[:, 1, 2], image[:, 3, 5] = 1.0, 0.5
    phase = torch.rand(1, *system.pupil.shape, generator=torch.Generator().manual_seed(0))
    mask = torch.polar(torch.ones_like(phase), phase)
    wave = system.wave(image, mask).abs() ** 2
    fast = system(image, mask)
    assert fast.shape == wave.shape
    assert float((fast - wave).norm() / wave.norm()) < 1e-4


@few
@given(bench=testing.benches(flaws=False))
def test_without_flaws_a_bench_is_its_own_ideal(bench):
    assert bench.ideal() == bench


def test_the_simplest_bench_is_ideal():
    bench = find(testing.benches(), lambda _: True, settings=settings(database=None))
    assert bench == bench.ideal()


def test_flaws_are_drawn():
    wanted = lambda b: b.slm.modulation == "phase" and b.alignment.mask_rotation != 0.0  # noqa: E731
    assert find(testing.benches(), wanted, settings=settings(database=None)).slm.bits is not None


@few
@given(image=testing.images(SHAPE, batch=2, channels=3))
def test_images_are_amplitudes(image):
    assert image.shape == (2, 3, *SHAPE)
    assert image.dtype == torch.float32
    assert float(image.min()) >= 0.0
    assert float(image.max()) <= 1.0


@pytest.mark.parametrize("phase_only", [False, True])
def test_masks_do_not_amplify(phase_only):
    @few
    @given(mask=testing.masks(SHAPE, count=2, phase_only=phase_only))
    def check(mask):
        assert mask.shape == (2, *SHAPE)
        assert mask.dtype == torch.complex64
        assert float(mask.abs().max()) <= 1.0 + 1e-6
        assert not phase_only or float(mask.abs().min()) >= 1.0 - 1e-6

    check()


@pytest.mark.parametrize("words", [{"image_shape": (0, 3)}, {"image_shape": (40, 3)}, {"taps": 99}])
def test_too_large_is_refused(words):
    with pytest.raises(OpticsError, match="1 to 12"):
        testing.benches(**words)


def test_hypothesis_is_needed_only_by_who_asks():
    code = (
        "import sys; sys.modules['hypothesis'] = None; from optics import testing\n"
        "try: testing.images((2, 2))\n"
        "except ValueError as error: print(error)"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert got.stdout == "optics.testing needs hypothesis: pip install hypothesis.\n"
