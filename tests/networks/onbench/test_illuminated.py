"""A network in incoherent, partially coherent and polychromatic light."""

from __future__ import annotations

import pytest
import torch

from networks.onbench.collapsed import Collapsed
from networks.onbench.illuminated import Illuminated
from networks.onbench.network import OnBench
from optics.checks import OpticsError, SpecError
from tests.scenes import REAL, SHAPE, error, images, on, student

INCOHERENT = REAL.replace(**{"light.coherence": "incoherent"})


@pytest.mark.parametrize("channels", [(1, 3, 4), (3, 4, 2)])
@pytest.mark.parametrize("signed", [True, False])
def test_the_ideal_incoherent_bench_gives_the_trained_features(channels, signed):
    model = student(channels, readout="incoherent", signed=signed)
    x = images(channels[0])
    with torch.no_grad():
        want = model.features(x)
        bench_model = on(model, INCOHERENT.ideal())
        got = bench_model.features(x)
        assert bench_model.expected(x).shape[1] == (2 if signed else 1) * channels[-1]
    # a square root between kernel and mask: the camera's sum over a bin is that of the taps, its edges are not
    assert error(got, want) < 0.15
    assert error(got.flip(-1), want) > 0.3


def test_a_narrow_source_and_a_narrow_line_tend_to_coherent_light():
    model, x = student(), images()
    base = REAL.replace(**{"camera.shape": (2048, 2048)})
    with torch.no_grad():
        want = on(model, base).features(x)
        errors = []
        for width in (1e-5, 1e-3, 4e-3):
            light = base.light.replace(coherence="partial", source_width=width, source_points=3)
            errors.append(error(on(model, base.replace(light=light)).features(x), want))
        lines = base.light.replace(spectrum=((532.2e-9, 0.5), (531.8e-9, 0.5)))
        coloured = on(model, base.replace(light=lines))
        assert isinstance(coloured.optics, Illuminated)
        assert 1e-5 < error(coloured.features(x), want) < 0.05
    assert errors[0] < 1e-3
    assert errors[0] < errors[1] < errors[2]


def test_levels_alone_rebuild_it():
    model, x = student((1, 3), readout="incoherent"), images()
    bench_model = on(model, INCOHERENT)
    again = OnBench.from_levels(
        bench_model.optics.levels(),
        bench_model.scales,
        bench=INCOHERENT,
        image_shape=SHAPE,
        readout=model.readout,
        backend=model.backend,
    )
    with torch.no_grad():
        assert torch.equal(again(x), bench_model(x))


def test_gradients_reach_every_layer():
    model = student((1, 3, 2), readout="incoherent").train()
    bench_model = model.on(INCOHERENT).train()
    bench_model(images()).square().sum().backward()
    assert all(float(p.grad.abs().max()) > 0 for p in model.cascade.parameters())


def test_the_readout_must_fit_the_light():
    with pytest.raises(SpecError, match="needs the incoherent read-out"):
        on(student(), INCOHERENT)
    with pytest.raises(SpecError, match="coherent light"):
        on(student(readout="incoherent"), REAL)
    with pytest.raises(OpticsError, match="Choose collapsed"):
        on(student(readout="incoherent"), INCOHERENT, realisation="staged")
    assert isinstance(on(student(), REAL).optics, Collapsed)
