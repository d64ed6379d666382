"""Tiles in one frame and a stage per layer: the features of one collapsed mask a frame, each paying its own way."""

from __future__ import annotations

import pytest
import torch

from optics.checks import OpticsError, SpecError
from tests.scenes import REAL, SHAPE, error, generator, images, lopsided, on, student

WIDE = REAL.replace(
    **{
        "encoding.carrier": (0.25, 0.0),
        "lens1.diameter": None,
        "lens2.diameter": None,
        "lens1.zernike": {},
        "camera.shape": (2048, 2048),
    }
)


@pytest.mark.parametrize("readout", ["intensity", "homodyne"])
@pytest.mark.parametrize("channels", [(1, 3, 4), (2, 3, 4)])
@pytest.mark.parametrize("realisation", ["tiled", "staged"])
def test_on_an_ideal_bench_all_realisations_agree(readout, channels, realisation):
    model, x = student(channels, readout=readout), images(channels[0])
    with torch.no_grad():
        want = on(model, WIDE.ideal()).features(x)
        got = on(model, WIDE.ideal(), realisation=realisation).features(x)
    assert got.shape == want.shape
    assert error(got, want) < 0.06


@pytest.mark.parametrize("readout", ["intensity", "homodyne"])
@pytest.mark.parametrize(("pool", "bins"), [((None, 6), (6, 6)), ((8, None), (4, 4)), ((None, 12), (5, 6))])
def test_a_stop_on_an_ideal_bench_does_what_the_network_does(readout, pool, bins):
    """A camera's bin collects the light on all its pixels, not that on the few samples which a pool leaves."""
    options = {"image_shape": (24, 24), "bins": bins, "boundary": "circular", "readout": readout}
    model, x = student((1, 4, 3), pool=pool, **options), lopsided(3, 1, 24, 24)
    x[..., :4, :], x[..., :4], x[..., -4:, :], x[..., -4:] = (
        0.0,
        0.0,
        0.0,
        0.0,
    )  # a bench's images do not repeat
    with torch.no_grad():
        got = model.on(WIDE.ideal(), image_shape=(24, 24)).eval().features(x)
        assert error(got, model.features(x)) < 0.15


def test_tiles_on_a_phase_only_panel_see_their_own_kernels():
    model, x = student((1, 3, 4)), images()
    with torch.no_grad():
        want = on(model, WIDE).features(x)
        tiled = on(model, WIDE, realisation="tiled", tiles=4)
        got = tiled.features(x)
        assert len(tiled.optics.levels()) == 1
        assert error(got, want) < 0.25  # four masks share the light and the panel's phase steps
        assert error(got.roll(1, 1), want) > 0.3
        assert tiled.frames(x, generator=generator()).shape[:2] == (3, 4)


@pytest.mark.parametrize(
    ("channels", "options"),
    [((1, 2), {}), ((2, 2), {}), ((1, 2), {"realisation": "tiled", "tiles": 2})],
)
def test_a_design_by_gradient_is_right_wherever_an_image_is_read(channels, options):
    """Channels side by side and tiles send light far beside the carrier: past a window of one image it was left."""
    bench = WIDE.replace(**{"encoding.method": "direct", "alignment.mask_shift": (0.0, 0.0)})
    bench = bench.replace(**{"alignment.mask_rotation": 0.0, "slm.pitch": 12e-6, "slm.shape": (200, 260)})
    model, x = student(channels, bins=SHAPE), images(channels[0])
    with torch.no_grad():
        want = on(model, bench.ideal(), **options).features(x)
        assert error(on(model, bench, **options).features(x), want) < 0.03


def test_stages_lose_light_and_add_their_flaws():
    model, x = student((1, 3, 4)), images()
    with torch.no_grad():
        collapsed, staged = on(model, WIDE), on(model, WIDE, realisation="staged")
        assert staged.expected(x).mean() < 0.5 * collapsed.expected(x).mean()
        assert error(staged.features(x), model.features(x)) > error(collapsed.features(x), model.features(x))
        assert len(staged.optics.sent(staged.drives())[1]) == 12
        assert not hasattr(staged.optics, "levels")


def test_gradients_reach_every_layer_through_stages_and_tiles():
    for realisation in ("tiled", "staged"):
        model = student((1, 3, 4)).train()
        bench_model = model.on(WIDE, realisation=realisation).train()
        bench_model(images(), generator=generator()).square().sum().backward()
        assert all(float(p.grad.abs().max()) > 0 for p in model.cascade.parameters())


def test_what_does_not_fit_is_refused():
    model = student((1, 3, 4))
    with pytest.raises(SpecError, match="room for"):
        model.on(WIDE, realisation="tiled", tiles=1000)
    with pytest.raises(SpecError, match="number that divides"):
        model.on(WIDE, realisation="tiled", tiles=3)
    with pytest.raises(OpticsError, match="collapsed, tiled, staged"):
        model.on(WIDE, realisation="folded")
    assert model.image_shape == SHAPE


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"pool": [6, None], "bins": (2, 2)}, "pools"),
        ({"parameterisation": "mask"}, "free masks before the last"),
        ({"parameterisation": ["phase", "complex"]}, "free masks before the last"),
    ],
)
def test_what_no_stage_can_do_is_refused(options, why):
    model = student((1, 2, 2), **options)
    with pytest.raises(SpecError, match=why):
        on(model, WIDE, realisation="staged")


def test_free_masks_may_be_the_last_stage():
    model = student((1, 2, 2), parameterisation=["complex", "mask"])
    with torch.no_grad():
        got = on(model, WIDE.ideal(), realisation="staged").features(images())
        assert error(got, model.features(images())) < 0.1
