"""Zernike polynomials: Noll's table, orthonormality, directions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from optics.checks import SpecError
from optics.conventions import axis
from optics.wave.aperture import circular_aperture, polar_coordinates
from optics.wave.zernike_polynomials import noll_to_nm, zernike, zernike_phase, zernike_products
from tests.scenes import generator

# Noll 1976, table I, j = 1 .. 15
NOLL = {
    1: lambda r, t: torch.ones_like(r),
    2: lambda r, t: 2 * r * torch.cos(t),
    3: lambda r, t: 2 * r * torch.sin(t),
    4: lambda r, t: math.sqrt(3) * (2 * r**2 - 1),
    5: lambda r, t: math.sqrt(6) * r**2 * torch.sin(2 * t),
    6: lambda r, t: math.sqrt(6) * r**2 * torch.cos(2 * t),
    7: lambda r, t: math.sqrt(8) * (3 * r**3 - 2 * r) * torch.sin(t),
    8: lambda r, t: math.sqrt(8) * (3 * r**3 - 2 * r) * torch.cos(t),
    9: lambda r, t: math.sqrt(8) * r**3 * torch.sin(3 * t),
    10: lambda r, t: math.sqrt(8) * r**3 * torch.cos(3 * t),
    11: lambda r, t: math.sqrt(5) * (6 * r**4 - 6 * r**2 + 1),
    12: lambda r, t: math.sqrt(10) * (4 * r**4 - 3 * r**2) * torch.cos(2 * t),
    13: lambda r, t: math.sqrt(10) * (4 * r**4 - 3 * r**2) * torch.sin(2 * t),
    14: lambda r, t: math.sqrt(10) * r**4 * torch.cos(4 * t),
    15: lambda r, t: math.sqrt(10) * r**4 * torch.sin(4 * t),
}


@pytest.mark.parametrize("j", sorted(NOLL))
def test_nolls_table(j):
    draws = generator(j)
    rho = torch.rand(200, dtype=torch.float64, generator=draws)
    theta = 2 * math.pi * torch.rand(200, dtype=torch.float64, generator=draws)
    assert torch.allclose(zernike(j, rho, theta), NOLL[j](rho, theta), atol=1e-12)


def test_orthonormal_on_the_disc():
    # exact quadrature: Gauss-Legendre in rho^2, equal steps in theta
    node, weight = (torch.from_numpy(v) for v in np.polynomial.legendre.leggauss(24))
    rho = ((node + 1) / 2).sqrt()
    theta = 2 * math.pi * torch.arange(48, dtype=torch.float64) / 48
    rho, theta = rho[:, None].expand(-1, 48), theta[None, :].expand(24, -1)
    basis = torch.stack([zernike(j, rho, theta) for j in range(1, 67)])
    gram = torch.einsum("aij,bij,i->ab", basis, basis, weight / 2) / 48
    assert torch.allclose(gram, torch.eye(66, dtype=torch.float64), atol=1e-11)


def test_high_orders_are_stable():
    edge = torch.ones(1, dtype=torch.float64)
    for j in (300, 1000):  # every radial polynomial is 1 at the rim
        n, m = noll_to_nm(j)
        value = float(zernike(j, edge, torch.full_like(edge, math.pi / (4 * max(1, abs(m))))))
        assert value == pytest.approx(math.sqrt(n + 1), rel=1e-9)


def test_coefficients_are_radians_rms():
    shape, pitch, diameter, centre = (200, 220), 1e-5, 1.6e-3, (1e-4, -2e-4)
    weights = circular_aperture(shape, pitch, diameter, centre=centre)
    phase = zernike_phase({4: 0.3, 7: -0.4}, shape, pitch, diameter, centre=centre)
    mean = (phase * weights).sum() / weights.sum()
    rms = (((phase - mean) ** 2 * weights).sum() / weights.sum()).sqrt()
    assert float(rms) == pytest.approx(0.5, rel=2e-3)


def test_tilts_point_along_x_and_y_and_the_phase_ends_beyond_the_rim():
    tilt_x = zernike_phase({2: 1.0}, (41, 61), 1e-5, 3e-4)
    tilt_y = zernike_phase({3: 1.0}, (41, 61), 1e-5, 3e-4)
    x = axis(61, 1e-5)[None, :] / 1.5e-4
    y = axis(41, 1e-5)[:, None] / 1.5e-4
    inside = (x**2 + y**2) < 1
    assert torch.allclose(tilt_x[inside], (2 * x).expand(41, 61)[inside])
    assert torch.allclose(tilt_y[inside], (2 * y).expand(41, 61)[inside])
    assert float(tilt_x[20, 0]) == 0.0


@pytest.mark.parametrize("degree", [None, 11])
@pytest.mark.parametrize("j", [1, 2, 3, 4, 7, 10, 12, 15, 28, 45, 66])
def test_products_of_polynomials_of_y_and_x_are_the_polynomial(j, degree):
    shape, pitch, diameter, centre = (24, 17), (8e-6, 5e-6), 3e-4, (2e-5, -7e-6)
    rows, cols, weights = zernike_products((j, 5), shape, pitch, diameter, centre=centre, degree=degree)
    wanted = zernike(j, *polar_coordinates(shape, pitch, diameter, centre=centre))
    assert torch.allclose(rows.mT @ weights[0] @ cols, wanted, atol=1e-11)
    order = max(noll_to_nm(j)[0], 2) if degree is None else degree
    assert weights.shape == (2, order + 1, order + 1)
    a, b = torch.meshgrid(torch.arange(order + 1), torch.arange(order + 1), indexing="ij")
    assert float(weights[0][a + b > noll_to_nm(j)[0]].abs().sum()) < 1e-9  # no product of a higher degree


def test_a_phase_inside_the_disc_is_that_of_the_polynomials():
    shape, pitch, diameter, centre = (30, 41), 1e-5, 9e-4, (4e-5, -3e-5)
    found = zernike_phase({4: 0.3, 9: -0.2}, shape, pitch, diameter, centre=centre)
    polar = polar_coordinates(shape, pitch, diameter, centre=centre)
    assert torch.allclose(found, 0.3 * zernike(4, *polar) - 0.2 * zernike(9, *polar), atol=1e-12)
    assert not zernike_phase({}, shape, pitch, diameter).any()


def test_gradient_reaches_a_coefficient():
    c = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: zernike_phase({5: v}, (9, 8), 1e-4, 6e-4), (c,))


@pytest.mark.parametrize("j", [0, -3, 2.0, True])
def test_a_wrong_index_is_refused(j):
    with pytest.raises(SpecError, match="from 1"):
        noll_to_nm(j)
