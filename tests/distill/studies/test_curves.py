"""Curves of a trained network: they rise with bits and photons within their errors, and end at the ideal limit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from distill import study
from distill.studies.result import Study
from distill.studies.statistics import difference
from distill.training.spec import TrainSpec
from distill.training.train_loop import fit
from networks import Student
from tests.distill.exportbench import BENCH, SHAPE, dataset

# no other limit than the one that is varied: a camera that only counts photons
COUNTING = {
    "camera.full_well": None,
    "camera.adc.bits": None,
    "camera.read_noise": 0.0,
    "camera.dark_current": 0.0,
}
TEST = 100


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Study:
    """A network that tells strokes of four widths apart, on a bench of 8 bits and 3e4 photons or so."""
    n = TEST + 240
    whole = replace(dataset(n), labels=torch.arange(n) % 4, class_names=tuple("abcd"))
    train, test = whole.take(torch.arange(n - TEST)), whole.take(torch.arange(n - TEST, n))
    student = Student.build(
        (1, 4, 4), image_shape=SHAPE, classes=4, bins=(3, 3), generator=torch.Generator().manual_seed(1)
    )
    spec = TrainSpec(epochs=20, batch_size=16, learning_rate=1e-2)
    data = (train.images, train.labels)
    fit(student, data, data, spec, directory=None)
    bits = [3, 4, 5, 6, 7, 8, 12]  # with fewer its answers are guesses, and a guess may be lucky
    return study(
        student.eval(),
        test,
        bench=BENCH.replace(**COUNTING),
        vary={"slm.bits": bits, "light.photons": [10.0**k for k in range(8)]},
        ranking=True,
        draws=4,
        folder=tmp_path_factory.mktemp("curves") / "s",
        processes=1,
    )


def scores(study: Study, row):
    return study.outcomes[row.cell.key].as_is


@pytest.mark.parametrize("path", ["slm.bits", "light.photons"])
def test_a_curve_is_monotone_within_its_errors(made, path):
    rows = made.along(path)
    for k, low in enumerate(rows):
        for high in rows[k + 1 :]:
            change = difference(scores(made, high), scores(made, low))
            assert change.mean >= -3 * change.error - 1e-9, (low.cell.changes, high.cell.changes)
    first, last = rows[0], rows[-1]
    rise = difference(scores(made, last), scores(made, first))
    assert rise.mean > 5 * rise.error  # from guessing to nearly everything, so that a flat curve fails
    assert last.as_is.mean > 0.8


@pytest.mark.parametrize(
    ("path", "mended", "little"), [("slm.bits", "slm.bits", 4), ("light.photons", "camera.shot_noise", 10.0)]
)
def test_a_curve_ends_at_the_limit_without_that_flaw(made, path, mended, little):
    (limit,) = (row for row in made.of("mended") if mended in row.cell.changes)
    rest = difference(scores(made, made.along(path)[-1]), scores(made, limit))
    assert abs(rest.mean) <= 3 * rest.error + 0.005
    (far,) = (row for row in made.along(path) if row.cell.changes[path] == little)
    assert difference(scores(made, far), scores(made, limit)).mean < -0.2


def test_the_ideal_bench_answers_as_the_network_does(made):
    (ideal,) = made.of("ideal")
    assert ideal.as_is.mean >= max(row.as_is.mean for row in made.along("slm.bits")) - 3 * ideal.as_is.error
    assert ideal.as_is.spread == 0.0
