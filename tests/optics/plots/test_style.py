"""The style's colours, measured: in grey, and as the red-green-blind and the blue-blind see them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from optics.plots import style

# linear RGB as a dichromat sees it: Machado, Oliveira & Fernandes 2009, severity 1
EYES = {
    "all cones": np.eye(3),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanope": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
SEEN = 0.1  # in OKLab: two colours that nobody takes for each other


def linear(rgb):
    rgb = np.asarray(rgb)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb, eye="all cones"):
    lms = (linear(rgb) @ EYES[eye].T) @ np.linalg.inv(style._LMS_TO_RGB).T
    return np.cbrt(lms) @ np.linalg.inv(style._OKLAB_TO_LMS).T


def circle(n=72):
    phase = np.linspace(-math.pi, math.pi, n, endpoint=False)
    return style.phase_colours(np.ones((1, n)), phase[None])[0]


def test_phases_go_round_evenly_and_have_their_colours():
    colours = oklab(circle())
    steps = np.linalg.norm(colours - np.roll(colours, 1, 0), axis=1)
    assert steps.max() < 1.6 * steps.min()  # as far from each to the next, and from the last to the first
    red, green, cyan, violet = style.phase_colours(
        np.ones((1, 4)), np.array([[0, math.pi / 2, math.pi, -math.pi / 2]])
    )[0]
    assert red.argmax() == 0 and red[1] < 0.5
    assert green[2] < 0.5
    assert cyan[0] < 0.4 and min(cyan[1:]) > 0.8
    assert violet.argmax() == 2 and violet[0] > violet[1]


@pytest.mark.parametrize("eye", ["all cones", "protanope", "deuteranope"])
def test_phases_a_quarter_turn_apart_differ_for_every_common_eye(eye):
    colours = oklab(circle(), eye)
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    k = np.arange(72)
    turn = np.abs((k[:, None] - k[None] + 36) % 72 - 36)
    assert apart[turn >= 18].min() > SEEN


def test_amplitude_is_brightness_and_linear_in_it():
    colours = style.phase_colours(np.array([[0.0, 0.25, 0.5, 1.0]]), np.zeros((1, 4)))[0]
    assert colours[0].max() == 0
    light = linear(colours) @ [0.2126, 0.7152, 0.0722]
    np.testing.assert_allclose(light / light[-1], [0, 0.0625, 0.25, 1], atol=1e-6)


@pytest.mark.parametrize("eye", EYES)
def test_lines_differ_for_every_eye_and_in_grey(eye):
    colours = [[int(hexed[i : i + 2], 16) / 255 for i in (1, 3, 5)] for hexed, _, _ in style.STYLES]
    for a, b in itertools.combinations(colours, 2):
        assert np.linalg.norm(oklab(a, eye) - oklab(b, eye)) > SEEN
        assert abs(oklab(a)[0] - oklab(b)[0]) > 0.08
    assert (
        len({marker for _, marker, _ in style.STYLES})
        == len({dash for _, _, dash in style.STYLES})
        == len(colours)
    )


@pytest.mark.parametrize("name", [style.INTENSITY, style.DECADES, style.DIFFERENCE])
def test_maps_are_monotone_in_grey(name):
    import matplotlib as mpl

    light = oklab(mpl.colormaps[name](np.linspace(0, 1, 64))[:, :3])[:, 0]
    assert (np.diff(light) > 0).all()


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (3.45e-6, "m", "3.45 µm"),
        (0.2, "m", "200 mm"),
        (2e-3, "rad", "2 mrad"),
        (30000.0, "photons", "3e+04 photons"),
    ],
)
def test_quantities_read_as_one_writes_them(value, unit, said):
    assert style.quantity(value, unit) == said
