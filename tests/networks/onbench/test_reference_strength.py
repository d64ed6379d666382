"""How strong the homodyne reference is: what shot noise it leaves, by the Poisson statistics of four exposures."""

from __future__ import annotations

import pytest
import torch

from tests.networks.onbench.test_realisations import WIDE
from tests.scenes import REAL, error, generator, images, on, student

PHOTONS, DRAWS = 1e4, 400
BEAMS = [{"reference_light": share} for share in (0.05, 0.25, 1.0)] + [{"reference": a} for a in (0.5, 3.0)]


@pytest.mark.parametrize("beam", BEAMS, ids=str)
def test_noise_of_a_field_is_that_of_its_light_and_the_beams(beam):
    """Var Re E = (E^2 + r^2) / (8 r^2) of a photon's light, in the mean of a bin of n pixels an n-th."""
    bench = WIDE.ideal().replace(**{"light.photons": PHOTONS, "camera.shot_noise": True})
    model, x = student((1, 3, 4), readout="homodyne", **beam), images(n=1)
    with torch.no_grad():
        network = on(model, bench)
        full_scale = network.light().scales / network.gain
        want = model.features(x)
        exact = network.features(x)
        assert error(exact, want) < 0.05  # the beam's strength changes no feature
        amplitude = (
            torch.full_like(full_scale, beam["reference"])
            if "reference" in beam
            else beam["reference_light"] * full_scale
        )
        drawn = torch.stack([network.features(x, generator=generator(seed)) for seed in range(DRAWS)])
        photons = network.expected(x)
    pixels = photons.shape[-1] * photons.shape[-2] * bench.camera.binning**2 / 6  # of a bin, on the sensor
    dense = student((1, 3, 4), readout="homodyne", bins="pixels", **beam)
    assert torch.equal(next(dense.parameters()), next(model.parameters()))
    with torch.no_grad():
        fields = dense.features(x)
    power = torch.nn.functional.adaptive_avg_pool2d(fields[:, :4] ** 2 + fields[:, 4:] ** 2, (3, 2))
    unit = full_scale**2 / PHOTONS  # intensity of one photon, in the units of the field
    r = amplitude[:, None, None]
    told = (power + r**2) / (8 * r**2) * unit[:, None, None] / pixels
    for part in (drawn[:, :, :4], drawn[:, :, 4:]):
        assert (part.var(0) / told).mean() == pytest.approx(1.0, rel=0.05)


def test_on_the_demo_bench_noise_costs_fields_little():
    model, x = student(readout="homodyne"), images(n=1)
    with torch.no_grad():
        network = on(model, REAL)
        exact = network.features(x)
        drawn = torch.stack([network.features(x, generator=generator(seed)) for seed in range(20)])
    assert error(drawn, exact.expand_as(drawn)) < 0.1
