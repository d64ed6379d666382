"""Zernike polynomials in Noll's order, orthonormal on the unit disc: coefficients are radians rms.

Source: Noll, J. Opt. Soc. Am. 66, 207 (1976), equations 1-3 and table I. Radial part by the recurrence of
Jacobi polynomials, `R_n^m(rho) = (-1)^k rho^m P_k^(m,0)(1 - 2 rho^2)`, `k = (n - m) / 2`, which is stable at
high order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from optics.checks import SpecError
from optics.conventions import Point
from optics.wave.aperture import polar_coordinates
from optics.wave.fourier import Pitch, as_pair


def noll_to_nm(j: int) -> tuple[int, int]:
    """Radial order n and signed azimuthal order m of Noll index j >= 1; m < 0 is the sine, as Noll's odd j.

    Raises:
        SpecError: j is not a whole number of at least 1.
    """
    if not isinstance(j, int) or isinstance(j, bool) or j < 1:
        raise SpecError(
            f"Noll index is {j!r}, expected a whole number from 1 (1 piston, 2 tilt x, 3 tilt y, 4 defocus)."
        )
    n = (math.isqrt(8 * j - 7) - 1) // 2
    rest = j - n * (n + 1) // 2 - 1
    m = 2 * ((rest + 1) // 2) if n % 2 == 0 else 2 * (rest // 2) + 1
    return n, m if j % 2 == 0 else -m


def zernike(j: int, rho: Tensor, theta: Tensor) -> Tensor:
    """Noll's polynomial `Z_j`, orthonormal: the mean of `Z_j Z_k` over the unit disc is 1 if j = k, else 0.

    Args:
        j: Noll index, from 1.
        rho: radius in units of the disc's radius, any shape.
        theta: angle from +x towards +y, radians, same shape.

    Returns:
        Same shape; `Z_2 = 2 rho cos(theta)` grows towards +x, `Z_3 = 2 rho sin(theta)` towards +y. Not cut at
        rho = 1.
    """
    n, m = noll_to_nm(j)
    order = abs(m)
    radial = rho**order * _jacobi((n - order) // 2, order, 1 - 2 * rho * rho)
    if ((n - order) // 2) % 2:
        radial = -radial
    if m == 0:
        return math.sqrt(n + 1) * radial
    angular = torch.cos(order * theta) if m > 0 else torch.sin(order * theta)
    return math.sqrt(2 * (n + 1)) * radial * angular


def _jacobi(k: int, a: int, t: Tensor) -> Tensor:
    """Jacobi polynomial `P_k^(a, 0)(t)`."""
    before, value = torch.zeros_like(t), torch.ones_like(t)
    for i in range(k):
        if i == 0:
            before, value = value, (a + (a + 2) * t) / 2
            continue
        c = 2 * i + a
        lead = (c + 1) * ((c + 2) * c * t + a * a)
        before, value = (
            value,
            (lead * value - 2 * (i + a) * i * (c + 2) * before) / (2 * (i + 1) * (i + 1 + a) * c),
        )
    return value


def zernike_phase(
    coefficients: Mapping[int, float | Tensor],
    shape: tuple[int, int],
    pitch: Pitch,
    diameter: float,
    *,
    centre: Point = (0.0, 0.0),
) -> Tensor:
    """Phase of a sum of Zernike polynomials on a disc; (ny, nx) float64 on the CPU, radians.

    The polynomials go on over the samples that the disc's edge crosses, so that an anti-aliased stop meets
    the right phase there; further out the phase is 0.

    Args:
        coefficients: Noll index -> radians rms over the disc; scalar tensors are differentiated through.
        shape: (ny, nx) samples; the origin is at index `n // 2`.
        pitch: metres; one number or (y, x).
        diameter: of the disc, metres.
        centre: (y, x) of the disc, metres.
    """
    rim = 1 + math.hypot(*as_pair("pitch", pitch)) / diameter
    plain = not any(isinstance(c, Tensor) for c in (*coefficients.values(), diameter, *centre))
    if plain and _within(shape, as_pair("pitch", pitch), rim * diameter / 2, centre):
        rows, cols, weights = zernike_products(tuple(coefficients), shape, pitch, diameter, centre=centre)
        amounts = torch.tensor(tuple(coefficients.values()), dtype=torch.float64)
        return rows.mT @ torch.tensordot(amounts, weights, 1) @ cols
    rho, theta = polar_coordinates(shape, pitch, diameter, centre=centre)
    inside = rho <= rim
    rho_in, theta_in = rho[inside], theta[inside]
    values = torch.zeros_like(rho_in)
    for j, coefficient in coefficients.items():
        weight = coefficient.cpu() if isinstance(coefficient, Tensor) else coefficient
        values = values + weight * zernike(j, rho_in, theta_in)
    phase = torch.zeros(shape, dtype=torch.float64)
    return phase.masked_scatter(inside, values)


def _within(shape: tuple[int, int], pitch: tuple[float, float], radius: float, centre: Point) -> bool:
    """Whether every sample lies in the disc."""
    ends = [
        max(abs(-(n // 2) * p - c), abs((n - 1 - n // 2) * p - c))
        for n, p, c in zip(shape, pitch, centre, strict=True)
    ]
    return math.hypot(*ends) <= radius


def zernike_products(
    indices: tuple[int, ...],
    shape: tuple[int, int],
    pitch: Pitch,
    diameter: float,
    *,
    centre: Point = (0.0, 0.0),
    degree: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Zernike polynomials on a grid as sums of products of a polynomial of y and one of x.

    A polynomial of degree N in (y, x) is known by its values at (N + 1)^2 Chebyshev points: it is, exactly, a sum of
    products of Chebyshev polynomials. So a wavefront on a grid is two thin products, and what is linear in it can be
    worked out for the products once, whatever the number of polynomials, discs and centres.

    Args:
        indices: Noll indices, J of them.
        shape: (ny, nx) samples; the origin is at index `n // 2`.
        pitch: metres; one number or (y, x).
        diameter: of the disc, metres.
        centre: (y, x) of the disc, metres.
        degree: N; at least, and by default, the largest of the polynomials'.

    Returns:
        Chebyshev polynomials along y (N + 1, ny) and along x (N + 1, nx), and weights (J, N + 1, N + 1), float64:
        `Z_j = rows^T weights[j] cols`, not cut at the disc's edge.
    """
    most = degree if degree is not None else max((noll_to_nm(j)[0] for j in indices), default=0)
    turns = math.pi * (torch.arange(most + 1, dtype=torch.float64) + 0.5) / (most + 1)
    order = torch.arange(most + 1, dtype=torch.float64)
    values = torch.cos(order[:, None] * turns)  # (N + 1, points)
    back = values * (2.0 / (most + 1))  # the points' discrete orthogonality
    back[0] /= 2
    lines, points = [], []
    for n, p, c in zip(shape, as_pair("pitch", pitch), centre, strict=True):
        middle, half = (n - 1) / 2 - n // 2, max(n - 1, 1) / 2
        index = torch.arange(n, dtype=torch.float64) - n // 2
        place = ((index - middle) / half).clamp(-1.0, 1.0)
        lines.append(torch.cos(order[:, None] * torch.acos(place)))
        points.append((middle + half * torch.cos(turns)) * p - c)
    y, x = torch.broadcast_tensors(points[0][:, None], points[1][None, :])
    rho, theta = torch.hypot(y, x) / (diameter / 2), torch.atan2(y, x)
    weights = [back @ zernike(j, rho, theta) @ back.mT for j in indices]
    empty = torch.zeros(0, most + 1, most + 1, dtype=torch.float64)
    return lines[0], lines[1], torch.stack(weights) if weights else empty
