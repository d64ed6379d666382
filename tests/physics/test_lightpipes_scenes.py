"""The same scenes through LightPipes, complex field against complex field; everything off the axis and lopsided.

LightPipes writes pi with ten digits, so `k z` differs by some 1e-10 of itself: 3e-5 rad over 20 mm.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from optics.conventions import axis, cis
from optics.wave.elements import complex_mask, field_stop
from optics.wave.lens import thin_lens
from optics.wave.propagation import lens_transform, propagate

pytestmark = pytest.mark.physics

N = 360
GRID = {"wavelength": 532e-9, "pitch": 8e-6}


def lightpipes():
    return pytest.importorskip("LightPipes")


def lightpipes_field(u):
    lp = lightpipes()
    field = lp.Begin(N * 8e-6, 532e-9, N)
    field.field = u.numpy().astype(np.complex128)
    return field


def scene():
    y, x = axis(N, 8e-6)[:, None], axis(N, 8e-6)[None, :]
    spot = torch.exp(-((y - 96e-6) ** 2) / 80e-6**2 - (x + 64e-6) ** 2 / 120e-6**2)
    other = 0.6 * torch.exp(-((y + 160e-6) ** 2) / 60e-6**2 - (x - 240e-6) ** 2 / 50e-6**2)
    return spot * cis(2 * math.pi * (900 * y - 2500 * x)) + other


def difference(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("z", [0.02, -0.01])
def test_free_space(z):
    u = scene()
    theirs = torch.from_numpy(lightpipes().Forvard(lightpipes_field(u), z).field)
    if z < 0:  # they turn the constant phase k z forwards on the way back
        theirs = theirs * cis(torch.tensor(2 * math.pi * math.fmod(2 * z / 532e-9, 1.0), dtype=torch.float64))
    assert difference(propagate(u, distance=z, **GRID)[0], theirs) < 1e-4


def test_a_lens_and_a_stop_off_the_axis():
    lp = lightpipes()
    theirs = lp.Lens(lightpipes_field(scene()), 0.06, 2e-4, -1e-4)  # x, y
    ours = thin_lens(scene(), focal_length=0.06, centre=(-1e-4, 2e-4), **GRID)
    assert difference(ours, torch.from_numpy(theirs.field)) < 1e-5
    # edges between samples, so that their staircase is our area
    theirs_cut = lp.RectAperture(theirs, 6e-4 - 1e-9, 4e-4 - 1e-9, 16e-6, -36e-6)
    ours_cut = field_stop(ours, pitch=8e-6, width=(4e-4, 6e-4), centre=(-36e-6, 16e-6))
    assert difference(ours_cut, torch.from_numpy(theirs_cut.field)) < 1e-5


def test_the_focus_of_a_lens_off_the_axis():
    lp = lightpipes()
    theirs = lp.Forvard(lp.Lens(lightpipes_field(scene()), 0.06, 2e-4, -1e-4), 0.05)
    ours = thin_lens(scene(), focal_length=0.06, centre=(-1e-4, 2e-4), **GRID)
    assert difference(propagate(ours, distance=0.05, **GRID)[0], torch.from_numpy(theirs.field)) < 2e-4


def test_a_4f_system_with_a_mask():
    # display, f, lens, f, mask, f, lens, f, camera: LightPipes steps through free space, we take two transforms
    f = 0.06
    lp = lightpipes()
    u = scene()
    y, x = axis(N, 8e-6)[:, None], axis(N, 8e-6)[None, :]
    # soft, so that no light reaches the edges of their periodic window
    stop = torch.exp(-((y - 8e-5) ** 2) / 2e-4**2 - (x + 1.2e-4) ** 2 / 1.5e-4**2)
    mask = stop * cis(2 * math.pi * (3e3 * x + 1e3 * y) + 4e6 * x * y)

    field = lp.Forvard(lp.Lens(lp.Forvard(lightpipes_field(u), f), f), f)
    field.field = field.field * mask.numpy()
    field = lp.Forvard(lp.Lens(lp.Forvard(field, f), f), f)
    theirs = torch.from_numpy(field.field)

    plane = {"focal_length": f, "out_pitch": 8e-6, "out_shape": (N, N), **GRID}
    ours = lens_transform(complex_mask(lens_transform(u, **plane), mask), **plane)
    ours = ours * cis(torch.tensor(2 * math.pi * math.fmod(4 * f / 532e-9, 1.0), dtype=torch.float64))
    # the constant phase k 4 f differs by their pi
    turn = (theirs * ours.conj()).sum()
    assert abs(float(turn.angle())) < 1e-3
    assert difference(ours * turn / turn.abs(), theirs) < 1e-3
    assert difference(torch.flip(ours, (-2, -1)), theirs) > 0.5
