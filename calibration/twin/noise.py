"""How much a frame scatters about its mean: shot noise, read noise and the converters' rounding, in counts.

A binned pixel of `n x n` sensor pixels, its counts summed digitally, with the camera's gain `g` in electrons per count:

    variance = (mean - black) / g + n^2 read_noise^2 / g^2 + n^2 / 12

(EMVA Standard 1288, release 4.0, section 2.) The variance holds what the mean cannot tell: the gain.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.bench.spec import BenchSpec


def variance(bench: BenchSpec, mean: Tensor) -> Tensor:
    """Variance of counts whose mean is `mean` (..., cy, cx), counts squared; same shape."""
    camera = bench.camera
    pixels = camera.binning**2
    rounding = 0.0 if camera.adc.bits is None else pixels / 12
    electrons = camera.read_noise / camera.gain
    shot = (mean - camera.black).clamp(min=0.0) / camera.gain if camera.shot_noise else torch.zeros_like(mean)
    return shot + max(pixels * electrons**2 + rounding, 1e-6)


def usable(bench: BenchSpec, counts: Tensor) -> Tensor:
    """Which counts (..., cy, cx) are neither saturated nor clipped at zero, bool.

    A well that ends before the converter does is seen by what it makes, many pixels with the same highest count: the
    data sheet's well over the data sheet's gain is too uncertain to say where.
    """
    camera = bench.camera
    limit = min(0.98 * camera.ceiling, _plateau(bench, counts))
    return (counts < limit) & (counts > 0)


def _plateau(bench: BenchSpec, counts: Tensor) -> float:
    """Where the counts begin to pile up at their largest value; infinite where they do not."""
    camera = bench.camera
    top = float(counts.max())
    width = max(4 * camera.binning * camera.read_noise / camera.gain, 0.002 * top)
    piled = int((counts > top - width).sum())
    beside = int(((counts <= top - width) & (counts > top - 3 * width)).sum())
    if piled < 4 or piled < 2 * beside:
        return math.inf
    # shot noise before the well blurs the edge
    return top - width - 4 * math.sqrt(max(top - camera.black, 0.0) / camera.gain)


def fit_noise(bench: BenchSpec, counts: Tensor, mean: Tensor) -> tuple[float, float, Tensor] | None:
    """Gain and read noise that the scatter of `counts` about `mean` tells, by maximum likelihood.

    Args:
        bench: its camera is the start; a camera without shot noise tells nothing.
        counts: measured, (m,).
        mean: predicted, (m,).

    Returns:
        Gain (electrons per count), read noise (electrons rms), and the covariance (2, 2) of their logarithms; None
        where there is no shot noise. The scatter holds any error of the prediction too, which makes the gain too small.
    """
    camera = bench.camera
    if not camera.shot_noise:
        return None
    pixels = camera.binning**2
    rounding = 0.0 if camera.adc.bits is None else pixels / 12
    signal = (mean - camera.black).clamp(min=0.0).double()
    squares = (counts - mean).double() ** 2
    # variance = a signal + b: Fisher scoring, whose information is that of a Gaussian's variance
    a, b = 1 / camera.gain, pixels * (camera.read_noise / camera.gain) ** 2 + rounding
    basis = torch.stack((signal, torch.ones_like(signal)))
    information = torch.eye(2, dtype=torch.float64)
    for _ in range(30):
        v = a * signal + b
        # far outliers count as little more than their limit
        limited = torch.minimum(squares, 16 * v)
        information = 0.5 * (basis / v) @ (basis / v).mT
        slope = 0.5 * basis @ ((limited - v) / v**2)
        step = torch.linalg.solve(information, slope)
        a, b = max(a / 3, a + float(step[0])), max(b / 3, rounding + 1e-3, b + float(step[1]))
        if abs(float(step[0])) < 1e-6 * a and abs(float(step[1])) < 1e-6 * b:
            break
    gain = 1 / a
    excess = max(b - rounding, 1e-6)
    read = gain * math.sqrt(excess / pixels)
    # gain = 1 / a; read = sqrt(excess / pixels) / a
    turn = torch.tensor([[-1 / a, 0.0], [-1 / a, 0.5 / excess]], dtype=torch.float64)
    covariance = turn @ torch.linalg.inv(information) @ turn.mT
    return gain, read, covariance
