"""Pixel integration: what square pixels of finite size record of a sampled, band-limited signal."""

from __future__ import annotations

import math

import torch
from scipy.special import sici
from torch import Tensor

from optics.checks import SamplingError, SpecError


def pixel_weights(samples: Tensor, centres: Tensor, width: float) -> Tensor:
    """Weights that average a sampled band-limited signal over pixels: integrals of its sinc interpolation.

    `weights @ signal` is the mean of `sum_k s_k sinc((x - x_k) / d)` over each pixel; in the spectrum a
    factor `sinc(f width)`. Exact for signals with no frequency above `1 / (2 d)` whose samples outside the
    window are zero.

    Args:
        samples: uniform positions (n_samples,) float64, metres, ascending.
        centres: pixel centres (n_pixels,), metres, anywhere.
        width: side of one pixel, metres; 0 = the interpolated value at the centre.

    Returns:
        (n_pixels, n_samples) float64; a row sums to 1 up to the truncation of the sinc at the window's ends.

    Raises:
        SamplingError: the samples are not uniform and ascending.
    """
    x, c = samples.detach().double().cpu(), centres.detach().double().cpu()
    steps = x.diff()
    if len(x) < 2 or float(steps.min()) <= 0 or float(steps.max() - steps.min()) > 1e-6 * float(steps.mean()):
        raise SamplingError("pixel_weights needs at least two uniform, ascending sample positions (metres).")
    if not (math.isfinite(width) and width >= 0):
        raise SpecError(f"pixel width is {width:g} m, expected zero or more.")
    d = float(x[-1] - x[0]) / (len(x) - 1)
    t = (c[:, None] - x[None, :]) / d
    if width == 0.0:
        return torch.sinc(t)
    half = width / (2 * d)
    upper, lower = (torch.from_numpy(sici((math.pi * (t + s * half)).numpy())[0]) for s in (+1, -1))
    return (upper - lower) / (math.pi * 2 * half)


def gauss_legendre(n: int) -> tuple[Tensor, Tensor]:
    """Points in [-1, 1] and weights that sum to 1, (n,) float64: the mean of a smooth function over a pixel.

    Eigenvalues of the Jacobi matrix; Golub & Welsch, Mathematics of Computation 23, 221 (1969).
    """
    k = torch.arange(1, n, dtype=torch.float64)
    beta = k / torch.sqrt(4 * k * k - 1)
    points, vectors = torch.linalg.eigh(torch.diag(beta, 1) + torch.diag(beta, -1))
    return points, vectors[0] ** 2
