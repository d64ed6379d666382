import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr

from optics.checks import SpecError
from optics.slm.fringing_field import Fringing, mean_phasor, mean_value, nodes, shares


def fine_mean(plane, widths, samples=61, active=61):
    """The mean by brute force over the middle `active` of `samples` an axis: a fine grid, a sampled Gaussian."""
    fine = np.kron(plane, np.ones((samples, samples)))
    for axis, width in enumerate(widths):
        if width:
            fine = gaussian_filter1d(fine, width * samples / 2.35482, axis=axis, mode="nearest", truncate=6)
    field = np.exp(1j * fine)
    ny, nx = plane.shape
    inside = slice((samples - active) // 2, (samples + active) // 2)
    return field.reshape(ny, samples, nx, samples)[:, inside, :, inside].mean((1, 3))


@pytest.mark.parametrize("active", [61, 55])
@pytest.mark.parametrize("widths", [(0.3, 0.3), (0.15, 0.6), (0.9, 0.0), (0.0, 1.6)])
def test_mean_phasor_is_the_mean_of_the_active_square_on_a_fine_grid(widths, active):
    plane = np.random.default_rng(1).uniform(0, 2 * np.pi, (9, 12))
    fill_factor = (active / 61) ** 2
    ours = mean_phasor(torch.tensor(plane), Fringing(widths, fill_factor=fill_factor)).numpy()
    truth = fine_mean(plane, widths, active=active)
    effect = np.linalg.norm(truth - np.exp(1j * plane))
    inner = (slice(2, -2), slice(2, -2))  # beyond the edge the brute force repeats fine samples, not pixels
    assert np.linalg.norm((ours - truth)[inner]) < 0.02 * effect


def test_axes_are_not_swapped():
    plane = torch.zeros(6, 10, dtype=torch.float64)
    plane[:, 5:] = 2.0  # an edge along y: only a kernel along x can smear it
    along_y, along_x = (mean_phasor(plane, Fringing(w)) for w in ((0.6, 0.0), (0.0, 0.6)))
    sharp = torch.polar(torch.ones_like(plane), plane)
    torch.testing.assert_close(along_y, sharp)
    assert float((along_x - sharp).abs().max()) > 0.05
    assert float((along_x - sharp)[:, [0, 9]].abs().max()) < 1e-12


def test_a_uniform_panel_stays_uniform():
    plane = torch.full((5, 7), 1.3, dtype=torch.float64)
    shown = mean_phasor(plane, Fringing((0.7, 1.8)))
    torch.testing.assert_close(shown, torch.polar(torch.ones_like(plane), plane), rtol=0, atol=1e-12)
    torch.testing.assert_close(mean_value(plane, Fringing((0.7, 1.8))), plane, rtol=0, atol=1e-12)


def test_neighbours_share_by_the_error_function():
    a = shares(torch.tensor([0.5, 0.0, -0.25], dtype=torch.float64), 0.4)
    assert a.shape == (3, 3)
    torch.testing.assert_close(a[0], torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64), rtol=0, atol=1e-6)
    assert float(a[2, 0]) > 100 * float(a[2, 2])  # a point left of the centre sees its left neighbour
    torch.testing.assert_close(a.sum(1), torch.ones(3, dtype=torch.float64))


def test_the_gap_holds_the_steep_part():
    """A binary grating across x: the mean of the active side 0.8 by scipy's quadrature; the whole pixel's is dimmer."""
    plane = torch.zeros(1, 16, dtype=torch.float64)
    plane[:, ::2] = 2.5
    sigma = 0.4 / (2 * np.sqrt(2 * np.log(2)))

    def phase(
        s,
    ):  # between two bright pixels at -1 and +1: what lacks of full phase is what they do not cover
        return 2.5 * (ndtr((-0.5 - s) / sigma) + 1 - ndtr((0.5 - s) / sigma))

    for fill_factor, side in ((0.64, 0.8), (1.0, 1.0)):
        shown = complex(mean_phasor(plane, Fringing((0.0, 0.4), fill_factor=fill_factor))[0, 7])
        parts = [quad(lambda s, f=f: f(phase(s)), -side / 2, side / 2)[0] / side for f in (np.cos, np.sin)]
        assert abs(shown - complex(*parts)) < 2e-3
    bled = mean_value(plane, Fringing((0.0, 0.4), fill_factor=0.64))[0, 7]
    assert float(bled) == pytest.approx(quad(phase, -0.4, 0.4)[0] / 0.8, rel=1e-2)


@pytest.mark.parametrize("side", [1.0, 0.8])
@pytest.mark.parametrize("width", [0.0, 0.02, 0.1, 0.3, 0.8, 2.0, 4.0])
def test_nodes_lie_in_the_active_square_and_weights_sum_to_one(width, side):
    positions, weights = nodes(width, side)
    assert float(positions.abs().max()) <= side / 2
    assert float(weights.min()) > 0
    assert float(weights.sum()) == pytest.approx(1.0, abs=1e-12)


def test_more_crosstalk_takes_more_light_out_of_a_checkerboard():
    y, x = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    sign = 1 - 2 * ((x + y) % 2)
    plane = (1 - sign) * torch.pi / 2  # all light in the order of half a cycle along both axes
    left = [
        float((mean_phasor(plane, Fringing((w, w))) * sign).mean().abs())
        for w in (0.0, 0.02, 0.1, 0.2, 0.4, 0.8)
    ]
    assert left == sorted(left, reverse=True)
    assert left[0] == pytest.approx(1.0, abs=1e-6)
    assert left[-1] < 0.5


def test_gradcheck():
    plane = (torch.rand(1, 3, 5, dtype=torch.float64) * 6).requires_grad_(True)
    for widths in ((0.3, 0.9), (0.0, 0.5), (1.5, 0.0)):
        fringing = Fringing(widths)
        assert torch.autograd.gradcheck(lambda p, f=fringing: mean_phasor(p, f), (plane,))
        assert torch.autograd.gradcheck(lambda p, f=fringing: mean_value(p, f), (plane,))


def test_impossible_widths_are_refused():
    with pytest.raises(SpecError, match=r"along x is -0\.1"):
        Fringing((0.1, -0.1))
