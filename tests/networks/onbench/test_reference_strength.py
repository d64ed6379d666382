"""How strong the homodyne reference is: what shot noise it leaves, by the Poisson statistics of four exposures."""

from __future__ import annotations

import pytest
import torch

from networks.onbench.drive import encoded
from optics.bench.files import bench_names, load_bench
from optics.errors import OpticsError
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
        scales = network.light().scales
        full_scale = scales / network.gain
        want = model.features(x)
        exact = network.features(x)
        assert error(exact, want) < 0.05  # the beam's strength changes no feature
        amplitude = (
            torch.full_like(scales, beam["reference"])
            if "reference" in beam
            else beam["reference_light"] * scales
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


@pytest.mark.parametrize("carrier", [None, (0.125, 0.0), (0.0, 0.125)])
def test_the_beam_is_a_share_of_what_a_white_picture_gives_behind_an_encoded_clear_mask(carrier):
    bench = REAL if carrier is None else WIDE.replace(**{"encoding.carrier": carrier})
    network = on(student(readout="homodyne", reference_light=0.3), bench)
    optics = network.optics
    with torch.no_grad():
        clear = encoded(optics.setup.bench, torch.ones_like(optics.fourf.pupil)[None], optics.fourf)
        white = torch.ones(1, 12, 10)
        seen = optics.fourf.convolve(white, optics.fourf.psf(optics.slm(clear)))[0, 0].abs()
        middle = seen[seen.shape[0] // 4 : -(seen.shape[0] // 4), seen.shape[1] // 4 : -(seen.shape[1] // 4)]
        assert float(network.reference_beam().abs().max() / middle.mean()) == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("name", bench_names())
def test_fields_are_read_on_every_bench_that_is_shipped(name):
    bench = load_bench(name)
    if bench.light.coherence == "incoherent":
        pytest.skip("incoherent light has no field")
    model = student((1, 3), readout="homodyne", image_shape=(28, 28), bins=(4, 4))
    x = images(n=2).repeat(1, 1, 3, 3)[..., :28, :28]
    with torch.no_grad():
        network = model.on(bench, image_shape=(28, 28)).eval()
        counts = network.frames(x)
        assert max(r.camera.saturation(counts) for r in network.recorders) == 0
        assert error(network.features(x), model.features(x)) < 0.3


def test_a_beam_that_alone_fills_the_camera_is_refused():
    limit = REAL.camera.saturation_photons / (REAL.light.photons * REAL.camera.binning**2)
    gain = on(student(readout="homodyne"), REAL).gain
    most = limit**0.5 / gain
    on(student(readout="homodyne", reference_light=0.98 * most), REAL)
    told = rf"alone saturates the camera of 'small': it has 1\.0\d of .*reference_light below {most:.3g}"
    with pytest.raises(OpticsError, match=told):
        on(student(readout="homodyne", reference_light=1.02 * most), REAL)
    strong = on(student(readout="homodyne", reference=1e6), REAL)
    with pytest.raises(OpticsError, match="alone saturates the camera"), torch.no_grad():
        strong(images(n=1))
