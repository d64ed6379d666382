"""Results do not depend on the number of threads beyond 1e-5; the same seed gives the same bits at one number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from calibration.rigs.simulated import simulated_rig
from calibration.twin.model import Model
from distill.training.spec import TrainSpec
from distill.training.train_loop import fit
from networks import Student
from tests.calibration import benches as calibration
from tests.distill.exportbench import BENCH, SHAPE, dataset
from tests.distill.studies.studybench import quick


def results(threads: int) -> dict[str, torch.Tensor]:
    """A training's weights, and counts and answers on a bench with its noise."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        data = dataset(16)
        student = Student.build(
            (1, 2, 3), image_shape=SHAPE, bins=(2, 2), classes=3, generator=torch.Generator().manual_seed(1)
        )
        part = (data.images, data.labels)
        fit(student, part, part, TrainSpec(epochs=2, batch_size=4), directory=None)
        bench = student.on(BENCH, image_shape=SHAPE).eval()
        with torch.no_grad():
            photons = bench.expected(data.images)
            counts = bench.record(photons, generator=torch.Generator().manual_seed(2))
            answers = bench(data.images)
        weights = torch.cat([p.detach().flatten() for p in student.parameters()])
        return {"weights": weights, "photons": photons, "counts": counts, "answers": answers}
    finally:
        torch.set_num_threads(before)


def test_threads_change_no_more_than_rounding_and_the_same_seed_gives_the_same_bits():
    one, again, two = results(1), results(1), results(2)
    for name, value in one.items():
        assert torch.equal(value, again[name]), name
        if name != "counts":  # a photon more or less at the edge of a count
            scale = float(value.abs().max())
            assert float((value - two[name]).abs().max()) <= 1e-5 * scale, name


def at(threads: int, work: Callable[[], torch.Tensor]) -> torch.Tensor:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def test_a_study_computes_each_cell_on_one_thread_whatever_there_are(tmp_path):
    def scores(place: Path) -> torch.Tensor:
        found = quick(place, vary=["camera.read_noise=40"], draws=2)
        return torch.cat([outcome.scores for outcome in found.outcomes.values()])

    assert torch.equal(at(1, lambda: scores(tmp_path / "1")), at(2, lambda: scores(tmp_path / "2")))


def test_the_frames_that_a_calibration_fits_differ_by_rounding():
    """What is fitted to them is the same bits on one number of threads; on another a part of its uncertainty."""
    bench = calibration.bench()
    with simulated_rig(bench, bench, generator=calibration.generator(1)) as rig:
        seen = rig.capture(calibration.probes(1), region=calibration.region(bench))

    def frames() -> torch.Tensor:
        model = Model(seen)
        model.refine(bench)
        return model.predict(bench).counts

    one, again, two = at(1, frames), at(1, frames), at(2, frames)
    assert torch.equal(one, again)
    assert float((one - two).abs().max()) <= 1e-5 * float(one.max())
