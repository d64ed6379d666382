"""Features of a shared light have the mean and the spread of the bench that simulates every draw and every pixel."""

from __future__ import annotations

import pytest
import torch

from distill.studies.cells import Conditions
from distill.studies.light import Eye, SharedLight, optical_bench
from distill.studies.work import _features
from distill.training.evaluation import record_features
from networks import Student
from networks.students.parts import RealisationSpec
from optics.bench.spec import BenchSpec
from tests.distill.exportbench import BENCH, SHAPE, dataset

DRAWS = 60
PLAIN = BENCH.replace(**{"slm.modulation": "complex", "slm.flicker": 0.2})
RIPPLING = BENCH.replace(**{"slm.flicker": 0.2})
WAYS = {
    "collapsed": (RIPPLING, "intensity", {}),
    "weak light": (RIPPLING.replace(**{"light.photons": 3.0}), "intensity", {}),
    "saturated": (RIPPLING.replace(**{"light.photons": 3e5}), "intensity", {}),
    "homodyne": (RIPPLING, "homodyne", {}),
    "tiled": (PLAIN, "intensity", {"kind": "tiled", "tiles": 2}),
    "staged": (PLAIN, "intensity", {"kind": "staged"}),
    "two wavelengths": (RIPPLING.replace(**{"light.spectrum": ((540e-9, 0.5),)}), "intensity", {}),
}


def network(readout: str) -> Student:
    return Student.build(
        (1, 3, 4),
        image_shape=SHAPE,
        classes=3,
        bins=(3, 3),
        readout=readout,
        generator=torch.Generator().manual_seed(1),
    ).eval()


def both(bench: BenchSpec, readout: str, way: dict) -> tuple[torch.Tensor, torch.Tensor]:
    student, images = network(readout), dataset(3).images
    realisation = RealisationSpec(**way)
    conditions = Conditions(network="", images="", realisation=realisation)
    with torch.no_grad():
        shared = SharedLight(student, optical_bench(bench), realisation, SHAPE)
        eye = Eye(shared, bench, student.readout.camera.bins)
        ours, _ = _features(eye, list(shared.of(images)), conditions, "test", DRAWS)
    on_bench = student.on(bench, image_shape=SHAPE, **realisation.options()).eval()
    return ours.double(), record_features(on_bench, images, draws=DRAWS, seed=9).double()


@pytest.mark.parametrize("name", WAYS)
def test_mean_and_spread_are_those_of_every_draw_and_pixel(name):
    ours, theirs = both(*WAYS[name])
    assert ours.shape == theirs.shape
    error = ((ours.var(0) + theirs.var(0)) / DRAWS).sqrt()
    apart = (ours.mean(0) - theirs.mean(0)).abs()
    scale = theirs.abs().mean()
    assert (apart <= 4.8 * error + 2e-4 * scale).all()
    ratio = ours.std(0).mean() / theirs.std(0).mean()
    together = name == "staged"  # the frames of each of its panels ripple together here, which evens out less
    assert 0.85 < ratio < (1.4 if together else 1.18)


def test_the_same_draw_meets_the_same_noise_on_every_camera():
    """Common random numbers: benches that hardly differ differ by far less than two draws do."""
    first = both(BENCH, "intensity", {})[0]
    second = both(BENCH.replace(**{"camera.read_noise": 2.5}), "intensity", {})[0]
    assert (first - second).std() < 0.1 * first.std(0).mean()
