"""What an SLM shows for the levels it is sent, computed a second time by other means than `optics.slm`.

The independent simulation must not inherit a mistake of the model that made the files. So the phase-only panel is
worked out again here, in numpy, from the data sheet's numbers alone: the response of the liquid
crystal, the fringing field on a fine grid of points inside each pixel, the mean ripple, the unmodulated gaps.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from optics.bench import BenchSpec
from optics.slm import SLM, SLMSpec

Region = tuple[slice, slice]
_FINE = 8  # points per side inside a pixel at which the fringing phase is evaluated


def reflectance(
    levels: Tensor, bench: BenchSpec, region: Region
) -> tuple[NDArray[np.complex64], tuple[str, ...]]:
    """Complex reflectance of a part of the panel, and what in it comes from this project's own SLM model.

    Args:
        levels: (F, NY, NX) integer levels of the whole panel.
        bench: the bench; its `slm` is the device.
        region: rows and columns of the panel.

    Returns:
        (F, ny, nx) complex64, one value per SLM pixel, the mean over its area; and the names of the features that were
        taken from `optics.slm`: none for a phase-only panel without sub-sections, curvature and defective pixels.
    """
    spec = bench.slm
    borrowed = _borrowed(spec)
    if borrowed:
        with torch.no_grad():
            shown = SLM(spec, region=region).of_levels(levels[:, region[0], region[1]])
        return shown.numpy().astype(np.complex64), borrowed
    whole = levels.numpy()
    return np.stack([_phase_panel(frame, spec, region) for frame in whole]), ()


def _borrowed(spec: SLMSpec) -> tuple[str, ...]:
    if spec.modulation != "phase":
        return (f"slm.modulation = {spec.modulation!r}",)
    present = {
        "slm.response.sections": spec.response.sections is not None,
        "slm.curvature": bool(spec.curvature),
        "slm.stuck": spec.stuck > 0,
        "slm.dead": spec.dead > 0,
    }
    return tuple(name for name, there in present.items() if there)


def _phase_panel(frame: NDArray[np.integer], spec: SLMSpec, region: Region) -> NDArray[np.complex64]:
    """One frame (NY, NX) of levels to the reflectance of `region`."""
    phase = _table(spec)[_with_neighbours(frame, region)]
    modulated = _fringed(phase, spec.crosstalk)
    inner = phase[1:-1, 1:-1]
    if spec.flicker:
        # a Gaussian ripple proportional to the phase, about mid drive: <exp(i x)> = exp(-var(x) / 2)
        modulated = modulated * np.exp(-(((inner - math.pi) * spec.flicker / (2 * math.pi)) ** 2) / 2)
    fill = spec.fill_factor
    return (math.sqrt(spec.reflectivity) * (fill * modulated + (1 - fill))).astype(np.complex64)


def _table(spec: SLMSpec) -> NDArray[np.float32]:
    """Phase of every level, radians: the LUT, or `range (k / 2**bits)**gamma`."""
    if spec.response.lut is not None:
        return np.asarray(spec.response.lut, dtype=np.float32)
    count = 2 ** (spec.bits or 8)
    return (spec.response.range * (np.arange(count) / count) ** spec.response.gamma).astype(np.float32)


def _with_neighbours(frame: NDArray[np.integer], region: Region) -> NDArray[np.integer]:
    """The region with one pixel more on each side; at the panel's border the last pixel is repeated."""
    rows, cols = (
        np.clip(np.arange(part.start - 1, part.stop + 1), 0, n - 1)
        for part, n in zip(region, frame.shape, strict=True)
    )
    return frame[np.ix_(rows, cols)]


def _fringed(phase: NDArray[np.float32], widths: tuple[float, float]) -> NDArray[np.complex128]:
    """Mean of `exp(i phase)` over each pixel, where the phase is the pixel map convolved with a Gaussian.

    Args:
        phase: radians, one pixel wider than the result on each side. Widths up to about one pixel reach no farther.
        widths: full widths at half maximum (y, x), pixels.
    """
    down, across = (_shares(width).astype(np.float32) for width in widths)
    real, imaginary = (np.zeros((phase.shape[0] - 2, phase.shape[1] - 2)) for _ in range(2))
    for a in down:
        rows = a[0] * phase[:-2] + a[1] * phase[1:-1] + a[2] * phase[2:]
        for b in across:
            here = b[0] * rows[:, :-2] + b[1] * rows[:, 1:-1] + b[2] * rows[:, 2:]
            real += np.cos(here)
            imaginary += np.sin(here)
    return (real + 1j * imaginary) / (len(down) * len(across))


def _shares(width: float) -> NDArray[np.float64]:
    """Shares of the pixel before, the pixel itself and the one after, at points across the pixel; (points, 3)."""
    if width == 0.0:
        return np.array([[0.0, 1.0, 0.0]])
    sigma = width / (2 * math.sqrt(2 * math.log(2)))
    s = (np.arange(_FINE) + 0.5) / _FINE - 0.5
    before, after = ndtr((-0.5 - s) / sigma), ndtr((s - 0.5) / sigma)
    return np.stack([before, 1 - before - after, after], 1)
