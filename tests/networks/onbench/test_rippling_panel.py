"""Without a draw a rippling panel gives the mean of the intensity, however the network stands on the bench."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from networks.onbench.interface import Light
from tests.networks.onbench.test_realisations import WIDE
from tests.scenes import error, images, on, student

RIPPLING = WIDE.replace(**{"slm.flicker": 1.0, "lens1.zernike": {}})


def fine_mean(bench, x, panels=1):
    """The mean over a normal ripple of each panel by equal steps of half a standard deviation."""
    z = np.arange(-3.5, 3.6, 0.5 if panels == 1 else 1.0)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    sigma = bench.bench.slm.flicker / (2 * np.pi)
    total = 0.0
    for index in itertools.product(range(len(z)), repeat=panels):
        ripple = tuple(float(sigma * z[i]) for i in index)
        total = total + float(np.prod(weight[list(index)])) * in_state(bench, x, ripple)
    return total


def in_state(bench, x, ripple):
    """Photons with the panels at one ripple; None: of the mean field."""
    drives = bench.drives()
    responses = bench.optics.responses(drives, ripple=ripple)
    return bench.photons(x, Light(((responses, 1.0),), bench.scales))


@pytest.mark.parametrize("readout", ["intensity", "homodyne"])
@pytest.mark.parametrize("realisation", ["collapsed", "tiled"])
def test_expected_photons_are_the_mean_over_the_ripple(realisation, readout):
    model, x = student((1, 2), readout=readout), images(n=1)
    options = {"realisation": "tiled", "tiles": 2} if realisation == "tiled" else {}
    bench = on(model, RIPPLING, **options)
    with torch.no_grad():
        mean, fine = bench.expected(x), fine_mean(bench, x)
        of_mean_field = in_state(bench, x, None)
    assert error(mean, fine) < 1e-3
    assert error(of_mean_field, fine) > 0.005


def test_stages_ripple_by_themselves():
    """Against the product of two fine sums, one a stage."""
    model, x = student((1, 2, 2)), images(n=1)
    bench = on(model, RIPPLING.replace(**{"slm.flicker": 0.3}), realisation="staged")
    with torch.no_grad():
        got, want = bench.expected(x), fine_mean(bench, x, panels=2)
        rest = in_state(bench, x, (0.0, 0.0))
    assert error(got, want) < 0.05 * error(rest, want)


def test_features_and_exposures_take_the_same_light():
    model, x = student((1, 2)), images(n=2)
    bench = on(model, RIPPLING.replace(**{"camera.adc.bits": None, "camera.shot_noise": False}))
    with torch.no_grad():
        assert torch.equal(bench.features(x), bench.features_of(bench.record(bench.expected(x))))
