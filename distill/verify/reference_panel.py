"""What an SLM shows for the levels it is sent, computed a second time by other means than `optics.slm.panel`.

The second simulation must not inherit a slip in the code that made the files. So the phase-only panel is
worked out again here, in numpy, from the data sheet's numbers alone: the response of the liquid
crystal, the ripple, the fringing field at points of each pixel's active square, the unmodulated gaps. It is the same
*description* of a panel: what that assumes, both engines assume, and `shared_assumptions` says it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.fourf.illumination import dispersed
from optics.slm.panel import SLM, SLMSpec

Region = tuple[slice, slice]
_POINTS = 3  # on either side of a pixel's middle, per axis, at which the fringing phase is evaluated
_FINE = 4000  # samples of half an active square from which their positions are found


def ripples(spec: SLMSpec) -> list[tuple[float, float]]:
    """Relative ripples and their weights, so that intensities add up to the exposure's: Gauss-Hermite, 4 points."""
    if not spec.flicker:
        return [(0.0, 1.0)]
    x, weight = np.polynomial.hermite.hermgauss(4 if spec.flicker > 0.2 else 2)
    e = x * math.sqrt(2) * spec.flicker / (2 * math.pi)
    return [(float(a), float(b)) for a, b in zip(e, weight / math.sqrt(math.pi), strict=True)]


def reflectance(
    levels: Tensor, bench: BenchSpec, region: Region, *, ripple: float = 0.0, ratio: float = 1.0
) -> tuple[NDArray[np.complex64], tuple[str, ...]]:
    """Complex reflectance of a part of the panel, and what in it comes from this project's own SLM model.

    Args:
        levels: (F, NY, NX) integer levels of the whole panel.
        bench: the bench; its `slm` is the device.
        region: rows and columns of the panel.
        ripple: how much the panel's phase has swung about mid drive, relative; one of `ripples`.
        ratio: the wavelength that the panel's response is told for over the light's: the optical path is the same.

    Returns:
        (F, ny, nx) complex64, one value per SLM pixel, the mean over its area; and the names of the features that were
        taken from `optics.slm.panel`: none for a phase-only panel without sub-sections, curvature and defective pixels.
    """
    spec = bench.slm
    borrowed = _borrowed(spec)
    if borrowed:
        with torch.no_grad():
            device = SLM(dispersed(spec, ratio), region=region)
            shown = device.of_levels(levels[:, region[0], region[1]], ripple=(ripple,))
        return shown.numpy().astype(np.complex64), borrowed
    whole = levels.numpy()
    return np.stack([_phase_panel(frame, spec, region, ripple, ratio) for frame in whole]), ()


def shared_assumptions(bench: BenchSpec) -> tuple[str, ...]:
    """What both engines and the network assume alike, in words: where that is wrong, they are wrong together."""
    spec = bench.slm
    said = [
        "the bench is what the manifest says; light is scalar and paraxial; camera, its pixels and the electronics are "
        "one code",
        f"an SLM pixel is one complex reflectance from one table of levels, {spec.fill_factor:.4g} of it active",
    ]
    if spec.crosstalk != (0.0, 0.0):
        said.append(
            "fringing: a Gaussian of the phase, of slm.crosstalk's width, the same at every level and in both "
            "directions of an axis, averaged over the active square; the gaps stay unmodulated"
        )
    if spec.flicker:
        said.append("ripple: one swing of the whole panel's phase about mid drive, of a normal distribution")
    return tuple(said)


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


def _phase_panel(
    frame: NDArray[np.integer], spec: SLMSpec, region: Region, ripple: float, ratio: float
) -> NDArray[np.complex64]:
    """One frame (NY, NX) of levels to the reflectance of `region`."""
    side = math.sqrt(spec.fill_factor)
    table = _table(spec) * np.float32(ratio)
    if spec.flicker:
        table = table + np.float32(ripple) * (table - np.float32(math.pi))
    down, across = _Fringe(spec.crosstalk[0], side), _Fringe(spec.crosstalk[1], side)
    rows, cols = (
        np.clip(np.arange(part.start - fringe.reach, part.stop + fringe.reach), 0, n - 1)
        for part, fringe, n in zip(region, (down, across), frame.shape, strict=True)
    )
    modulated = _fringed(table[frame[np.ix_(rows, cols)]], down, across)
    fill = spec.fill_factor
    # cover glass and backplane send their share a quarter of a wave apart
    seen = math.sqrt(1 - spec.zero_order) * (fill * modulated + (1 - fill)) + 1j * math.sqrt(spec.zero_order)
    return (math.sqrt(spec.reflectivity * spec.beam_splitter) * seen).astype(np.complex64)


def _table(spec: SLMSpec) -> NDArray[np.float32]:
    """Phase of every level, radians: the LUT, or `range (k / 2**bits)**gamma`."""
    if spec.response.lut is not None:
        return np.asarray(spec.response.lut, dtype=np.float32)
    count = 2 ** (spec.bits or 8)
    return (spec.response.range * (np.arange(count) / count) ** spec.response.gamma).astype(np.float32)


class _Fringe:
    """Along one axis: shares of a pixel and its neighbours in the phase at points across the pixel.

    The phase is the piecewise constant map convolved with a Gaussian of full width at half maximum `width` (pixels). It
    depends on the position `s` through the neighbour's share `z = ndtr((s - 1/2) / sigma)`, on which `exp(i phase)`
    depends smoothly: the points are those of the Gauss rule for the distribution of z over half of the active
    square, whose side is `side` pixels.

    Attributes:
        reach: neighbours on each side that matter.
        points: list of (weight, shares of the 2 reach + 1 pixels); the weights sum to 1.
    """

    def __init__(self, width: float, side: float) -> None:
        self.reach = 0
        self.points: list[tuple[float, NDArray[np.float32]]] = [(1.0, np.ones(1, np.float32))]
        if width == 0.0:
            return
        sigma = width / (2 * math.sqrt(2 * math.log(2)))
        inside = (np.arange(_FINE) + 0.5) / _FINE * side / 2
        beside = ndtr((inside - 0.5) / sigma)
        if beside[-1] < 1e-9:  # nothing reaches over the gap
            return
        z, weight = _gauss_rule(beside / beside[-1], _POINTS)
        half = 0.5 + sigma * ndtri(z * beside[-1])
        self.reach = max(1, math.ceil(4 * sigma - 0.5))
        near, share = np.concatenate([-half, half]), np.tile(weight / 2, 2)
        edges = np.arange(-self.reach, self.reach + 2) - 0.5
        filled = ndtr((edges[None, :] - near[:, None]) / sigma)
        parts = np.diff(filled, axis=1)
        parts /= parts.sum(1, keepdims=True)
        self.points = [(float(w), part.astype(np.float32)) for w, part in zip(share, parts, strict=True)]


def _gauss_rule(samples: NDArray[np.float64], points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights that integrate polynomials of degree `2 points - 1` over equally weighted samples exactly.

    Lanczos on the diagonal matrix of the samples gives the Jacobi matrix; Golub & Welsch, Math. Comp. 23, 221 (1969).
    """
    basis = [np.full(len(samples), len(samples) ** -0.5)]
    diagonal, beside = [], []
    for _ in range(points):
        new = samples * basis[-1]
        diagonal.append(float(new @ basis[-1]))
        for _ in range(2):  # twice is enough (Parlett)
            new = new - sum((new @ old) * old for old in basis)
        beside.append(float(np.linalg.norm(new)))
        basis.append(new / beside[-1])
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    return nodes, vectors[0] ** 2


def _fringed(phase: NDArray[np.float32], down: _Fringe, across: _Fringe) -> NDArray[np.complex128]:
    """Mean of `exp(i phase)` over each pixel; `phase` (radians) is wider than the result by the reach on each side."""
    ny, nx = phase.shape[0] - 2 * down.reach, phase.shape[1] - 2 * across.reach
    real, imaginary = np.zeros((ny, nx)), np.zeros((ny, nx))
    for weight_y, shares_y in down.points:
        rows = sum(share * phase[i : i + ny] for i, share in enumerate(shares_y))
        for weight_x, shares_x in across.points:
            here = sum(share * rows[:, i : i + nx] for i, share in enumerate(shares_x))
            real += weight_y * weight_x * np.cos(here)
            imaginary += weight_y * weight_x * np.sin(here)
    return real + 1j * imaginary
