"""Noise-aware training: draws differ, repeat with their seed, and teach the student's own weights."""

from __future__ import annotations

import statistics

import pytest
import torch

from networks.students.noise_aware import NoiseAware
from optics.bench.tolerance import ToleranceSpec
from tests.scenes import REAL, SHAPE, error, generator, images, student

LOOSE = ToleranceSpec(mask_shift=(4e-5, 0.0), mask_rotation=0.02, camera_shift=(0.0, 3e-5))


def test_every_step_draws_another_bench_and_the_seed_repeats_it():
    model = student()
    aware = NoiseAware(model, REAL, tolerance=LOOSE, image_shape=SHAPE).train()
    source = generator(5)
    with torch.no_grad():
        first, second = aware(images(), generator=source), aware(images(), generator=source)
        again = aware(images(), generator=generator(5))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_evaluation_is_the_bench_as_described():
    model = student()
    aware = NoiseAware(model, REAL, tolerance=LOOSE, image_shape=SHAPE, oversampling=None).eval()
    with torch.no_grad():
        assert torch.equal(aware(images()), model.on(REAL, image_shape=SHAPE).eval()(images()))


def test_gradients_reach_the_student_and_state_is_the_students():
    model = student()
    aware = NoiseAware(model, REAL, tolerance=LOOSE, image_shape=SHAPE).train()
    aware(images(), generator=generator()).square().sum().backward()
    assert all(float(p.grad.abs().max()) > 0 for p in model.cascade.parameters())
    assert {id(p) for p in aware.parameters()} == {id(p) for p in model.parameters()}


def test_one_camera_sample_a_pixel_is_enough_for_bins():
    model = student()
    with torch.no_grad():
        fine = model.on(REAL, image_shape=SHAPE).eval().features(images())
        coarse = model.on(REAL, image_shape=SHAPE, oversampling=1).eval().features(images())
    assert error(coarse, fine) < 0.05  # bins of 4 x 5 pixels; the edges of so small an image cost most


def test_draws_have_the_stated_spread_about_the_benchs_own_alignment():
    source = generator(1)
    draws = [LOOSE.draw(REAL, source).alignment for _ in range(400)]
    shifts = [a.mask_shift[0] for a in draws]
    assert statistics.mean(shifts) == pytest.approx(REAL.alignment.mask_shift[0], abs=4 * 4e-5 / 20)
    assert statistics.stdev(shifts) == pytest.approx(4e-5, rel=0.15)
    assert {a.mask_shift[1] for a in draws} == {REAL.alignment.mask_shift[1]}
    assert {a.mask_axial for a in draws} == {0.0}
