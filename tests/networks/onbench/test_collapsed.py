"""A network on a bench: the ideal bench gives the trained network's features, levels alone give the bench's."""

from __future__ import annotations

import itertools

import pytest
import torch

from networks import Student
from networks.onbench.network import OnBench
from optics.bench.files import load_bench
from optics.camera.camera import ADCSpec
from optics.checks import OpticsError, ShapeError, SpecError
from tests.scenes import REAL, SHAPE, error, generator, images, lopsided, on, student


@pytest.mark.parametrize("readout", ["intensity", "homodyne"])
@pytest.mark.parametrize("channels", [(1, 3, 4), (3, 4, 2)])
def test_the_ideal_bench_gives_the_trained_features(readout, channels):
    model, x = student(channels, readout=readout), images(channels[0])
    with torch.no_grad():
        want = model.features(x)
        got = on(model, REAL.ideal()).features(x)
        flipped = on(model, REAL.ideal()).features(x.flip(-1))
    # the display's square pixels, the stop's hard edge at half a panel pixel, and light spilling into the window
    assert error(got, want) < 0.06
    assert error(flipped, want) > 0.15


@pytest.mark.parametrize(
    "realisation", [{}, {"realisation": "tiled", "tiles": 2}], ids=["one mask a frame", "tiles"]
)
def test_channels_side_by_side_keep_their_weights(realisation):
    """An SLM pixel of width w sends `sinc(w X / (lambda f))` of its light X aside; a mask has to make up for it."""
    shape = (12, 30)
    bench = load_bench("pluto2-200mm").ideal()
    model = Student.build(
        (3, 2), image_shape=shape, bins=(6, 15), generator=generator(), kernel_size=3
    ).eval()
    taps = model.cascade.layers[0]
    with torch.no_grad():
        taps.weight.copy_(taps.weight[:, :1].clone().expand_as(taps.weight))  # all channels alike
    optics = model.on(bench, image_shape=shape, **realisation).eval()
    one = lopsided(1, 1, *shape)
    with torch.no_grad():
        alone = torch.eye(3)[:, None, :, None, None] * one
        light = [optics.expected(x) for x in alone]
    for aside in (light[0], light[2]):
        totals = aside.sum((-2, -1)) / light[1].sum((-2, -1))
        assert torch.allclose(totals, torch.ones_like(totals), atol=0.008), totals


def test_channels_that_add_as_intensities_are_exposed_one_after_another():
    model, x = student((3, 4, 2), channel_sum="incoherent"), images(3)
    bench_model = on(model, REAL.ideal())
    with torch.no_grad():
        assert bench_model.expected(x).shape[1] == 6
        assert error(bench_model.features(x), model.features(x)) < 0.06


def test_the_same_levels_give_the_same_network():
    model, x = student(), images()
    bench_model = on(model, REAL)
    again = OnBench.from_levels(
        bench_model.optics.levels(),
        bench_model.scales,
        bench=REAL,
        image_shape=SHAPE,
        readout=model.readout,
        backend=model.backend,
    )
    with torch.no_grad():
        torch.testing.assert_close(again.frames(x), bench_model.frames(x), rtol=0, atol=0)
        torch.testing.assert_close(again(x), bench_model(x), rtol=0, atol=0)
        turned = OnBench.from_levels(
            bench_model.optics.levels().flip(-1),
            bench_model.scales,
            bench=REAL,
            image_shape=SHAPE,
            readout=model.readout,
            backend=model.backend,
        )
        assert error(turned.features(x), bench_model.features(x)) > 0.1


def test_a_realistic_bench_is_close_but_not_equal_and_noise_adds():
    model, x = student(), images()
    with torch.no_grad():
        want = model.features(x)
        ideal, real = on(model, REAL.ideal()).features(x), on(model, REAL).features(x)
        noisy = [on(model, REAL).features(x, generator=generator(seed)) for seed in (1, 1, 2)]
    assert error(ideal, want) < error(real, want) < 0.4
    assert torch.equal(noisy[0], noisy[1])
    assert not torch.equal(noisy[0], noisy[2])
    assert 1e-4 < error(noisy[0], real) < 0.05


def test_switching_every_flaw_off_is_the_ideal_bench_bit_for_bit():
    off = REAL
    for part in ("light", "input", "lens1", "lens2", "slm", "camera", "alignment"):
        spec = getattr(REAL, part)
        off = off.replace(**{f"{part}.{n}": type(spec).model_fields[n].get_default() for n in spec.flaws()})
    off = off.replace(**{"camera.adc": ADCSpec()})
    model, x = student(), images()
    with torch.no_grad():
        assert torch.equal(on(model, off)(x, generator=generator()), on(model, REAL.ideal())(x))


@pytest.mark.parametrize(
    ("flaw", "steps"),
    [
        ("slm.bits", (6, 4, 2)),
        ("slm.crosstalk", ((0.2, 0.2), (0.6, 0.6), (1.2, 1.2))),
        ("alignment.mask_shift", ((0.0, 4e-5), (0.0, 1e-4), (0.0, 2e-4))),
        ("alignment.mask_rotation", (0.05, 0.15, 0.4)),
        ("alignment.mask_axial", (0.05, 0.2, 0.6)),
        ("alignment.camera_axial", (5e-3, 2e-2, 5e-2)),
        ("alignment.camera_shift", ((4e-5, 0.0), (1e-4, 0.0), (2e-4, 0.0))),
        ("alignment.magnification", (1.03, 1.1, 1.2)),
    ],
)
def test_more_of_a_flaw_is_worse(flaw, steps):
    """Features normalised by their overall level, as a refitted back end would; tolerance 5 % of each error."""
    model, x = student(), images()
    base = REAL.ideal().replace(**{"slm.modulation": "phase", "lens1.diameter": None, "lens2.diameter": None})
    with torch.no_grad():
        clean = on(model, base).features(x)
        errors = [0.0]
        for value in steps:
            got = on(model, base.replace(**{flaw: value})).features(x)
            errors.append(error(got * (got * clean).sum() / (got * got).sum(), clean))
    assert all(b > 0.95 * a for a, b in itertools.pairwise(errors)), errors
    assert errors[-1] > 0.01


def test_every_layer_learns_through_the_bench():
    model = student().train()
    bench_model = model.on(REAL, image_shape=SHAPE).train()
    bench_model(images(), generator=generator()).square().sum().backward()
    assert all(float(p.grad.abs().max()) > 0 for p in model.cascade.parameters())


def test_the_gradient_through_an_unquantised_bench_is_the_derivative():
    model = student().train()
    bench = REAL.ideal().replace(**{"slm.modulation": "phase", "slm.crosstalk": (0.3, 0.2)})
    bench_model = model.on(bench, image_shape=SHAPE).eval()
    weight = model.cascade.layers[0].weight
    with torch.no_grad():
        target = 1.1 * bench_model.features(images())

    def loss() -> torch.Tensor:
        return (bench_model.features(images()) - target).square().sum()

    (grad,) = torch.autograd.grad(loss(), [weight])
    direction = torch.randn(weight.shape, generator=generator(3))
    with torch.no_grad():
        weight += 1e-2 * direction
        above = loss()
        weight -= 2e-2 * direction
        below = loss()
    numeric = float(above - below) / 2e-2
    assert numeric == pytest.approx(float((grad * direction).sum()), rel=0.05)


def test_a_phase_designed_through_the_device_is_closer_than_its_start():
    model, x = student(), images()
    base = REAL.ideal().replace(
        **{"slm.modulation": "phase", "slm.bits": 6, "slm.fill_factor": 0.9, "slm.crosstalk": (0.4, 0.3)}
    )
    with torch.no_grad():
        want = on(model, REAL.ideal()).features(x)
        start, designed = (
            on(model, base.replace(**{"encoding.method": method})).features(x)
            for method in ("double_phase", "direct")
        )
    assert error(designed, want) < 0.5 * error(start, want)
    assert error(designed, want) < 0.05


def test_bad_use_is_refused_in_one_line():
    model = student()
    with pytest.raises(ValueError, match=r'"blazed" does not belong to slm\.modulation "amplitude"'):
        REAL.replace(**{"slm.modulation": "amplitude", "slm.bits": None})
    with pytest.raises(SpecError, match="camera at"):
        on(model, REAL.replace(**{"camera.shape": (256, 256)}))
    with pytest.raises(ShapeError, match="images has shape"):
        on(model, REAL)(torch.rand(2, 1, 5, 5))
    off = OnBench.from_levels(
        torch.full((4, *REAL.slm.shape), 256, dtype=torch.int32),
        torch.ones(4),
        bench=REAL,
        image_shape=SHAPE,
        readout=model.readout,
        backend=model.backend,
    )
    with pytest.raises(OpticsError, match=r"levels span 256 \.\. 256, expected 0 \.\. 255"):
        off(images())
    with pytest.raises(OpticsError, match="levels"):
        OnBench.from_levels(
            torch.zeros(4, 3, 3, dtype=torch.int32),
            torch.ones(4),
            bench=REAL,
            image_shape=SHAPE,
            readout=model.readout,
            backend=model.backend,
        )
