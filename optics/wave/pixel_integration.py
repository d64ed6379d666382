"""Pixel integration: what square pixels of finite size record of a sampled, band-limited signal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.checks import SamplingError, SpecError
from optics.numbers import plain


def pixel_weights(samples: Tensor, centres: Tensor, width: float) -> Tensor:
    """Weights that average a sampled band-limited signal over pixels: integrals of its cosine interpolation.

    The samples are a sum of `cos(pi q u / n)`, `u` the place in samples from half a sample before the first: their
    discrete cosine transform (Ahmed, Natarajan & Rao, IEEE Trans. Comput. C-23, 90 (1974)). `weights @ signal` is the
    mean of that sum over each pixel; in the spectrum a factor `sinc(f width)`. So the signal goes on beyond the window
    as its mirror image: what lies there is not known, but it is not dark. Exact where the signal has no frequency above
    `1 / (2 d)` and is level, or symmetric, at the window's ends; an even signal is as bright at the edge as inside.

    Args:
        samples: uniform positions (n_samples,) float64, metres, ascending.
        centres: pixel centres (n_pixels,), metres, anywhere.
        width: side of one pixel, metres; 0 = the interpolated value at the centre.

    Returns:
        (n_pixels, n_samples) float64; every row sums to 1.

    Raises:
        SamplingError: the samples are not uniform and ascending.
    """
    x, c = samples.double().cpu(), centres.double().cpu()
    steps, side = x.detach().diff(), plain(width)
    if len(x) < 2 or float(steps.min()) <= 0 or float(steps.max() - steps.min()) > 1e-6 * float(steps.mean()):
        raise SamplingError("pixel_weights needs at least two uniform, ascending sample positions (metres).")
    if not (math.isfinite(side) and side >= 0):
        raise SpecError(f"pixel width is {side:g} m, expected zero or more.")
    n = len(x)
    d = float((x[-1] - x[0]).detach()) / (n - 1)
    q = torch.arange(n, dtype=torch.float64)
    seen = torch.cos(math.pi / n * torch.outer((c - x[0]) / d + 0.5, q)) * torch.sinc(q * width / (2 * n * d))
    made = torch.cos(math.pi / n * torch.outer(q, q + 0.5)) * (2 / n)
    made[0] = 1 / n
    return seen @ made


def gauss_legendre(n: int) -> tuple[Tensor, Tensor]:
    """Points in [-1, 1] and weights that sum to 1, (n,) float64: the mean of a smooth function over a pixel.

    Eigenvalues of the Jacobi matrix; Golub & Welsch, Mathematics of Computation 23, 221 (1969).
    """
    k = torch.arange(1, n, dtype=torch.float64)
    beta = k / torch.sqrt(4 * k * k - 1)
    points, vectors = torch.linalg.eigh(torch.diag(beta, 1) + torch.diag(beta, -1))
    return points, vectors[0] ** 2
