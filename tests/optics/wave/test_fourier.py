"""Centred transforms: against the sum written out, on odd and even, non-square planes."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optics.checks import ShapeError, SpecError
from optics.conventions import axis
from optics.wave.fourier import (
    as_pair,
    cheaper_transform,
    chirp_z,
    dft_matrix,
    fast_length,
    fft2c,
    ifft2c,
    matrix_fourier,
    window_fourier,
)
from tests.scenes import generator

SCALE = 532e-9 * 0.1
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))


def random_field(shape, dtype=torch.complex128, seed=0):
    return torch.randn(shape, dtype=dtype, generator=generator(seed))


def written_out(u, y_in, x_in, y_out, x_out, scale, sign):
    out = torch.zeros(len(y_out), len(x_out), dtype=torch.complex128)
    for i, yo in enumerate(y_out.tolist()):
        for j, xo in enumerate(x_out.tolist()):
            phase = sign * 2 * math.pi * (yo * y_in[:, None] + xo * x_in[None, :]) / scale
            out[i, j] = (u * torch.polar(torch.ones_like(phase), phase)).sum()
    return out


@settings(max_examples=25, deadline=None)
@given(shapes)
def test_centred_pair_is_the_sum_about_index_n_over_2(shape):
    ny, nx = shape
    u = random_field((ny, nx))
    ky, kx = axis(ny, 1 / ny), axis(nx, 1 / nx)
    want = written_out(u, axis(ny, 1.0), axis(nx, 1.0), ky, kx, 1.0, -1) / math.sqrt(ny * nx)
    assert torch.allclose(fft2c(u), want, atol=1e-12)
    assert torch.allclose(ifft2c(fft2c(u)), u, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(shapes, st.booleans())
def test_parseval(shape, real):
    u = random_field((2, *shape), torch.float64 if real else torch.complex128)
    energy = u.abs().square().sum((-2, -1))
    for transform in (fft2c, ifft2c):
        assert torch.allclose(transform(u).abs().square().sum((-2, -1)), energy, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(shapes, shapes, st.sampled_from([-1, 1]))
def test_window_transforms_are_the_sum(shape, out_shape, sign):
    u = random_field(shape)
    near, far, centre = (8e-6, 5e-6), (1.1e-4, 0.7e-4), (3e-4, -1e-3)
    options = {"pitch": near, "scale": SCALE, "out_pitch": far, "out_shape": out_shape, "out_centre": centre}
    want = written_out(
        u,
        axis(shape[0], near[0]),
        axis(shape[1], near[1]),
        axis(out_shape[0], far[0]) + centre[0],
        axis(out_shape[1], far[1]) + centre[1],
        SCALE,
        sign,
    )
    want = want * math.sqrt(near[0] * far[0] * near[1] * far[1]) / SCALE
    for transform in (matrix_fourier, chirp_z, window_fourier):
        assert torch.allclose(transform(u, sign=sign, **options), want, atol=1e-13), transform.__name__


@pytest.mark.parametrize("transform", [matrix_fourier, chirp_z, window_fourier])
@pytest.mark.parametrize("shape", [(12, 20), (15, 9)])
def test_window_transforms_equal_the_fft_on_its_grid(transform, shape):
    u = random_field((3, *shape))
    far = tuple(SCALE / (n * 8e-6) for n in shape)
    out = transform(u, pitch=8e-6, scale=SCALE, out_pitch=far, out_shape=shape)
    assert torch.allclose(out, fft2c(u), atol=1e-12)


def test_precision_follows_the_field_and_real_fields_are_taken():
    options = {"pitch": 8e-6, "scale": SCALE, "out_pitch": 1e-5, "out_shape": (300, 310)}
    u = random_field((270, 260), torch.float64)
    exact = matrix_fourier(u, **options)
    assert exact.dtype == torch.complex128
    for transform in (matrix_fourier, chirp_z):
        out = transform(u.float(), **options)
        assert out.dtype == torch.complex64
        assert float((out - exact).norm() / exact.norm()) < 2e-6


def test_large_phases_keep_their_digits():
    # 2 pi 1e9 cycles and a quarter: naive float64 phases lose seven digits
    out = torch.tensor([1e9 + 0.25], dtype=torch.float64)
    factor = dft_matrix(out, torch.ones(1, dtype=torch.float64), scale=1.0, sign=1)
    assert abs(complex(factor[0, 0]) - cmath.exp(0.5j * math.pi)) < 1e-9


def test_energy_is_kept_on_a_finer_and_wider_window():
    # far field of an off-centre patch: twice as fine, the whole period
    u = torch.zeros(16, 24, dtype=torch.complex128)
    u[3:7, 12:21] = random_field((4, 9))
    far = (SCALE / (32 * 8e-6), SCALE / (48 * 8e-6))
    out = window_fourier(u, pitch=8e-6, scale=SCALE, out_pitch=far, out_shape=(32, 48))
    assert out.abs().square().sum() == pytest.approx(float(u.abs().square().sum()), rel=1e-12)


@pytest.mark.parametrize(
    "transform",
    [
        fft2c,
        ifft2c,
        lambda u: matrix_fourier(u, pitch=8e-6, scale=SCALE, out_pitch=1e-3, out_shape=(3, 5)),
        lambda u: chirp_z(u, pitch=8e-6, scale=SCALE, out_pitch=1e-3, out_shape=(3, 5)),
    ],
)
def test_gradients(transform):
    u = random_field((4, 3)).requires_grad_()
    assert torch.autograd.gradcheck(transform, (u,))


def test_small_windows_are_products_and_large_ones_chirps():
    assert cheaper_transform((1024, 1024), (64, 64)) == "matrix"
    assert cheaper_transform((1024, 1024), (1024, 1024)) == "chirp"


def test_fast_lengths_have_factors_two_three_five():
    assert [fast_length(n) for n in (1, 7, 226, 1000, 1079)] == [1, 8, 240, 1000, 1080]
    with pytest.raises(ShapeError, match="at least one"):
        fast_length(0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fft2c(torch.ones(5)), ShapeError, r"\(\.\.\., ny, nx\)"),
        (lambda: fft2c(torch.ones(3, 3, dtype=torch.int64)), ShapeError, "floating point"),
        (lambda: as_pair("pitch", -8e-6), SpecError, "8e-6"),
        (lambda: as_pair("pitch", (8e-6, 0.0)), SpecError, "pitch"),
        (lambda: as_pair("pitch", (1e-6, 1e-6, 1e-6)), SpecError, "two"),
        (lambda: dft_matrix(torch.ones(2), torch.ones(2), scale=0.0), SpecError, "lambda f"),
        (lambda: dft_matrix(torch.ones(2), torch.ones(2), scale=1.0, sign=2), SpecError, "-1"),
        (
            lambda: matrix_fourier(
                torch.ones(3, 3), pitch=1e-6, scale=1e-8, out_pitch=1e-6, out_shape=(0, 3)
            ),
            ShapeError,
            "out_shape",
        ),
    ],
)
def test_bad_input_is_one_clear_error(call, error, words):
    with pytest.raises(error, match=words):
        call()
