"""Networks on benches whose panels have mirrors or grey levels only: off-axis holograms carry the masks."""

from __future__ import annotations

import pytest
import torch

from networks import Student
from networks.onbench.network import OnBench
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from tests.scenes import error, generator, lopsided

SHAPE = (16, 20)
MIRRORS = load_bench("dmd-200mm")
GREY = MIRRORS.replace(
    name="grey",
    slm={"shape": (1080, 1920), "pitch": 8e-6, "modulation": "amplitude", "bits": 8, "fill_factor": 0.9},
    encoding={"method": "interferogram", "carrier": (0.15, 0.04)},
)


def student(**options) -> Student:
    options = {"image_shape": SHAPE, "bins": (4, 4), **options}
    return Student.build((1, 3, 4), generator=generator(), **options).eval()


def images() -> torch.Tensor:
    return lopsided(3, 1, *SHAPE)


def on(model: Student, bench: BenchSpec) -> OnBench:
    return model.on(bench, image_shape=SHAPE).eval()


def only(bench: BenchSpec) -> BenchSpec:
    """The ideal bench, but for what the panel can show."""
    return bench.ideal().replace(**{"slm.modulation": bench.slm.modulation})


@pytest.mark.parametrize(("bench", "limit"), [(MIRRORS, 0.05), (GREY, 0.02)], ids=["dmd", "amplitude"])
@pytest.mark.parametrize("readout", ["intensity", "homodyne"])
def test_the_order_gives_the_features_of_the_ideal_bench(bench, limit, readout):
    model, x = student(readout=readout), images()
    with torch.no_grad():
        want = on(model, bench.ideal()).features(x)
        assert error(on(model, only(bench)).features(x), want) < limit
        assert error(on(model, only(bench)).features(x.flip(-1)), want) > 0.2


@pytest.mark.parametrize("bench", [MIRRORS, GREY], ids=["dmd", "amplitude"])
def test_the_twin_order_does_not(bench):
    """The same levels seen at the order of minus the carrier, as after a flipped sign: conjugate masks."""
    model, x = student(bins=(8, 10)), images()
    right = on(model, bench)
    options = {"image_shape": SHAPE, "readout": model.readout, "backend": model.backend}
    levels, scales = right.optics.levels(), right.scales
    assert levels.shape[-2:] == bench.slm.shape
    twin = bench.replace(**{"encoding.carrier": tuple(-c for c in bench.encoding.carrier)})
    with torch.no_grad():
        want = on(model, bench.ideal()).features(x)
        same = OnBench.from_levels(levels, scales, bench=bench, **options).features(x)
        other = OnBench.from_levels(levels, scales, bench=twin, **options).features(x)
        assert torch.equal(same, right.features(x))
    assert error(same, want) < 0.12
    assert error(other, want) > 0.3


def test_the_gradient_through_the_mirrors_is_that_of_the_ideal_bench():
    """Straight through the decision: every layer's gradient points where the ideal modulator's does."""
    x = images()
    with torch.no_grad():
        target = on(student(), MIRRORS.ideal()).features(x).flip(1)  # the feature maps in reverse order
    gradients = []
    for bench in (MIRRORS.ideal(), only(MIRRORS)):
        model = student().train()
        (on(model, bench).features(x) - target).square().sum().backward()
        gradients.append([p.grad.flatten() for p in model.cascade.parameters()])
    for ideal, mirrors in zip(*gradients, strict=True):
        assert float(torch.cosine_similarity(ideal, mirrors, dim=0)) > 0.97
        assert float(mirrors.norm() / ideal.norm()) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("realisation", ["tiled", "staged"])
def test_other_realisations_work_as_well(realisation):
    model, x = student(), images()
    options = {"tiles": 2} if realisation == "tiled" else {}
    made = [
        model.on(b, image_shape=SHAPE, realisation=realisation, **options).eval()
        for b in (GREY.ideal(), only(GREY))
    ]
    with torch.no_grad():
        want, got = (m.features(x) for m in made)
    assert error(got, want) < 0.05
