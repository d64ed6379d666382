"""The ripple of a liquid-crystal panel: its phase swings about mid drive while the camera exposes.

    phase(t) = phase + e(t) (phase - pi)

with one relative ripple `e` for the whole panel, normal with mean 0 and rms `flicker / (2 pi)`. The exposure is long
against the ripple, so the camera records the *mean of the intensity* over `e`. That is not the square of the mean
field: what the ripple takes out of the signal order it puts into the zero order and its neighbours. The mean is a
Gauss-Hermite sum: few states of the panel, each with a weight. Two states are exact to the third power of `e`.
Sources: Lizana et al., Optics Express 16, 16711 (2008); several panels at once: the rule of degree 3 in Stroud,
Approximate Calculation of Multiple Integrals (1971), E_n^{r^2} 3-1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from optics import draws

_NODES = ((0.25, 2), (0.8, 3), (math.inf, 5))
"""Up to which flicker, radians, how many states: within 1e-4 of the frame to 1.2 rad, 2e-3 to 2 rad."""

Ripple = tuple[float, ...] | None
States = tuple[tuple[Ripple, float], ...]


def ripple_states(flicker: float, panels: int = 1, *, most: int = 5) -> States:
    """Ripples whose intensities, weighted, add up to what the exposure records.

    Args:
        flicker: rms ripple of the phase between no drive and full drive, radians.
        panels: how many panels the light meets one after another, each with a ripple of its own.
        most: states of one panel, 2 or more; fewer than its flicker asks for are less exact.

    Returns:
        Pairs of (one relative ripple `e` per panel, weight); the weights sum to 1. Without flicker one state at rest.
    """
    sigma = flicker / (2 * math.pi)
    if flicker == 0.0:
        return (((0.0,) * panels, 1.0),)
    if panels > 1:
        far = sigma * math.sqrt(panels)
        return tuple(
            (tuple(side * far * (k == i) for k in range(panels)), 1 / (2 * panels))
            for i in range(panels)
            for side in (-1.0, 1.0)
        )
    count = min(most, next(n for limit, n in _NODES if flicker <= limit))
    place, weight = np.polynomial.hermite_e.hermegauss(count)
    share = (weight / weight.sum()).tolist()
    return tuple(((sigma * e,), w) for e, w in zip(place.tolist(), share, strict=True))


def state_weights(states: States, ripple: Tensor) -> Tensor:
    """How an intensity under any small ripple is made of the intensities in `ripple_states`.

    Intensities are smooth in the ripple, so the polynomial through the states gives them: of one panel Lagrange's, of
    several the plane through their pairs. The mean over the ripple is the weighted mean of the states.

    Args:
        states: what `ripple_states` gave.
        ripple: (..., panels) relative ripples.

    Returns:
        (..., states), sum 1; negative ones occur.
    """
    places = torch.tensor([place for place, _ in states], dtype=ripple.dtype, device=ripple.device)
    count, panels = places.shape
    if count == 1:
        return ripple.new_ones(*ripple.shape[:-1], 1)
    if panels > 1:
        far = places.abs().amax()
        return 1 / count + (ripple @ places.mT) / (2 * far**2)
    nodes, e = places[:, 0], ripple
    weights = []
    for i in range(count):
        others = torch.cat((nodes[:i], nodes[i + 1 :]))
        weights.append(((e - others) / (nodes[i] - others)).prod(-1))
    return torch.stack(weights, -1)


def rippled(phase: Tensor, ripple: float | Tensor) -> Tensor:
    """Phase (..., ny, nx), radians, in one state: scaled by `1 + ripple` about mid drive."""
    return phase + ripple * (phase - math.pi)


def draw_ripple(phase: Tensor, flicker: float, generator: torch.Generator) -> Tensor:
    """One relative ripple per frame, (..., 1, 1), for phases (..., ny, nx)."""
    shape = (*phase.shape[:-2], 1, 1)
    return draws.normal(shape, generator, like=phase) * (flicker / (2 * math.pi))


def mean_field_loss(phase: Tensor, flicker: float) -> Tensor:
    """What the ripple leaves of each pixel's mean *field*, (..., ny, nx): `exp(-rms(e)^2 (phase - pi)^2 / 2)`."""
    return torch.exp((phase - math.pi) ** 2 * (-0.5 * (flicker / (2 * math.pi)) ** 2))
