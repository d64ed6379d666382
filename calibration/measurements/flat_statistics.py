"""Statistics of flat fields: mean and temporal variance of a level, and what differs from pixel to pixel and stays.

Source: EMVA Standard 1288, release 4.0, sections 6 and 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1 / 12  # variance of a rounding error, counts^2
HOT = 8  # robust standard deviations from the dark median beyond which a pixel is hot
MAD_TO_SIGMA = 1.4826  # standard deviation over median absolute deviation, of a Gaussian


@dataclass(frozen=True)
class Measured:
    """One figure with its standard uncertainty, in `unit`."""

    value: float
    uncertainty: float
    unit: str


@dataclass(frozen=True)
class Level:
    """Statistics of the frames of one level: mean and temporal variance, counts, with their errors."""

    mean: float
    mean_error: float
    variance: float
    variance_error: float


def level_of(frames: Tensor, good: Tensor) -> Level:
    """Statistics of frames (k, y, x) over the pixels in `good` (y, x)."""
    x = frames.double()[:, good]
    k, n = x.shape
    variance = float(x.var(0).mean())
    return Level(
        mean=float(x.mean()),
        mean_error=math.sqrt(max(variance, ROUNDING) / (k * n)),
        variance=variance,
        variance_error=max(variance, ROUNDING) * math.sqrt(2 / ((k - 1) * n)),
    )


def straight_line(x: Tensor, y: Tensor, error: Tensor) -> tuple[float, float, float, float]:
    """Weighted least squares `y = slope x + offset`: slope, its error, offset, its error."""
    w = 1 / error.clamp(min=1e-12) ** 2
    s, sx, sy = float(w.sum()), float((w * x).sum()), float((w * y).sum())
    centre = sx / s
    sxx = float((w * (x - centre) ** 2).sum())
    slope = float((w * (x - centre) * y).sum()) / sxx
    offset = sy / s - slope * centre
    return slope, 1 / math.sqrt(sxx), offset, math.sqrt(1 / s + centre**2 / sxx)


def good_pixels(dark: Tensor) -> Tensor:
    """Pixels (y, x), bool, that are not hot: within eight robust deviations of the dark median."""
    level = dark.double().mean(0)
    median = level.median()
    spread = MAD_TO_SIGMA * float((level - median).abs().median())
    noise = float(dark.double().var(0).median()) / len(dark)
    return (level - median).abs() <= HOT * math.sqrt(spread**2 + noise + ROUNDING / len(dark))


def spatial_error(frames: Tensor, good: Tensor, level: Level) -> float:
    """Standard error of the sensor's mean dark level, fixed patterns included, counts."""
    pixels = frames.double()[:, good].mean(0)
    return math.hypot(float(pixels.std()) / math.sqrt(pixels.numel()), level.mean_error)


def prnu(bright: Tensor, dark: Tensor, good: Tensor) -> Measured:
    """Spatial deviation of the response over its mean, of frames (k, y, x), without smooth shading and temporal noise.

    Shading is taken out as a polynomial of the fourth degree in y and x; EMVA 1288, section 8, takes a high-pass
    filter for the same end.
    """
    signal = bright.double().mean(0) - dark.double().mean(0)
    y, x = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in signal.shape)
    terms = [y[:, None] ** j * x[None, :] ** i for j in range(5) for i in range(5 - j)]
    table, values = torch.stack([t[good] for t in terms], 1), signal[good]
    smooth = table @ torch.linalg.lstsq(table, values[:, None]).solution[:, 0]
    rest = (values - smooth) / smooth.clamp(min=1e-12)
    noise = sum(float((f.double()[:, good].var(0) / smooth**2).mean()) / len(f) for f in (bright, dark))
    n = max(1, len(values) - len(terms))
    total = float((rest**2).sum()) / n
    error = total * math.sqrt(2 / n)
    share = math.sqrt(max(0.0, total - noise))
    return Measured(share, error / (2 * max(share, math.sqrt(error), 1e-12)), "of the signal")


def dsnu(frames: Tensor, good: Tensor, dark: Level, gain: Measured) -> Measured:
    """Spatial deviation of the dark level, electrons rms, with what temporal noise leaves subtracted."""
    pixels = frames.double()[:, good].mean(0)
    spatial = float(pixels.var()) - dark.variance / len(frames)
    error = math.hypot(float(pixels.var()) * math.sqrt(2 / pixels.numel()), dark.variance_error / len(frames))
    counts = math.sqrt(max(0.0, spatial))
    return Measured(
        counts * gain.value, error / (2 * max(counts, math.sqrt(error) + 1e-12)) * gain.value, "e- rms"
    )
