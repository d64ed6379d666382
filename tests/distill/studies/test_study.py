"""A study at tiny size: what it finds, that it finds the same by every runner, and that nothing is done twice."""

from __future__ import annotations

import csv
import json
import shutil

import h5py
import pytest
import torch

from distill.pipeline import study as conduct
from distill.studies import runners
from distill.studies.cells import Conditions, make_plan
from distill.studies.outcomes import CELLS, read_outcome, write_outcome
from distill.studies.result import Study
from distill.studies.statistics import share
from distill.studies.work import bundles, read_plan
from distill.training.evaluation import predictions_from, record_features
from distill.training.spec import TrainSpec
from optics.checks import OpticsError, SpecError
from tests.distill.exportbench import BENCH, SHAPE
from tests.distill.studies.studybench import quick, splits, student

VARY = ["slm.bits=1,3,8", "camera.read_noise=0,200", "light.photons=1,1e3,1e7"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Study:
    return quick(tmp_path_factory.mktemp("study") / "s", vary=VARY, ranking=True)


def scores(study: Study) -> dict[str, torch.Tensor]:
    return {key: found.as_is for key, found in study.outcomes.items()}


def test_every_bench_is_what_evaluation_finds_there(made):
    network, data = student(), splits().test
    for row in made.rows:
        bench = network.on(row.cell.bench, image_shape=SHAPE).eval()
        features = record_features(bench, data.images, draws=12, seed=100)
        theirs = share((predictions_from(bench.backend, features) == data.labels).float())
        spread = theirs.spread * (1 / row.as_is.draws + 1 / theirs.draws) ** 0.5
        assert abs(row.as_is.mean - theirs.mean) <= 4 * spread + 0.03, row.cell.title


def test_the_ideal_bench_is_deterministic_and_exact(made):
    (ideal,) = made.of("ideal")
    network, data = student(), splits().test
    bench = network.on(BENCH.ideal(), image_shape=SHAPE).eval()
    with torch.no_grad():
        right = bench(data.images).argmax(1) == data.labels
    assert ideal.as_is.draws == 1
    assert torch.equal(made.outcomes[ideal.cell.key].as_is[0], right.float())


def test_the_ranking_is_removing_one_flaw_at_a_time(made):
    by_path = {flaw.path: flaw for flaw in made.ranking}
    assert {"slm.modulation", "slm.crosstalk", "camera.read_noise", "alignment.mask_shift"} <= set(by_path)
    base = made.outcomes[made.of("bench")[0].cell.key].as_is
    for row in made.of("mended"):
        (path,) = row.cell.changes
        alone = quick(made.folder.parent / "one", bench=row.cell.bench)
        there = alone.outcomes[alone.of("bench")[0].cell.key].as_is
        width = max(len(there), len(base))
        gain = there.expand(width, -1) - base.expand(width, -1)
        assert by_path[path].earns.mean == pytest.approx(float(gain.mean()), abs=1e-6), path
    order = [flaw.earns.mean for flaw in made.ranking if flaw.earns is not None]
    assert order == sorted(order, reverse=True)


def test_exposures_that_are_off_say_so(made):
    low, middle, high = made.along("light.photons")
    assert "below the converter's step" in low.notes[0]
    assert middle.notes == ()
    assert "above full well" in high.notes[0]


def test_benches_that_differ_in_camera_or_light_share_their_light(made):
    sizes = sorted(len(b) for b in bundles(made.plan.by_key().values()))
    camera = {
        c.key for c in made.plan.cells if all(p.split(".")[0] in ("camera", "light") for p in c.changes)
    }
    assert max(sizes) >= 5
    assert len(sizes) < len(made.plan.by_key())
    assert len(camera) > 5


@pytest.mark.parametrize("processes", [1, 2])
def test_the_same_numbers_in_any_order_and_process(made, tmp_path, processes):
    again = quick(tmp_path / "s", vary=VARY[::-1], processes=processes)
    mine = scores(again)
    for key, found in scores(made).items():
        if key in mine:
            assert torch.equal(mine[key], found)
    assert len(mine) == 9  # the base bench stands on two of the axes


def test_nothing_finished_is_done_again_and_another_axis_adds_to_it(made, tmp_path, monkeypatch):
    shutil.copytree(made.folder, tmp_path / "s")
    lost = made.plan.cells[3].key
    (tmp_path / "s" / CELLS / f"{lost}.h5").unlink()
    worked = []
    true = runners.work

    def spy(folder, subject, conditions, cells, done):
        worked.extend(cell.key for cell in cells)
        true(folder, subject, conditions, cells, done)

    monkeypatch.setattr(runners, "work", spy)
    again = quick(tmp_path / "s", vary=VARY, ranking=True)
    assert worked == [lost]
    assert torch.equal(again.outcomes[lost].as_is, made.outcomes[lost].as_is)
    more = quick(tmp_path / "s", vary=[*VARY, "slm.crosstalk=0.1,0.9"], ranking=True)
    assert len(worked) == 3
    assert len(more.rows) == len(again.rows) + 2


def test_a_damaged_result_is_done_again(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "s")
    path = tmp_path / "s" / CELLS / f"{made.plan.cells[2].key}.h5"
    path.write_bytes(path.read_bytes()[:100])
    again = quick(tmp_path / "s", vary=VARY, ranking=True)
    assert torch.equal(scores(again)[path.stem], scores(made)[path.stem])


def test_files_for_people_and_programs(made):
    folder = made.folder
    told = json.loads((folder / "study.json").read_text())
    assert told == json.loads(json.dumps(made.to_dict()))
    with (folder / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(made.rows)
    assert float(rows[0]["as_is_mean"]) == made.rows[0].as_is.mean
    with h5py.File(folder / "study.h5") as file:
        assert file["cells/00000/as_is"].shape == (3, 24)
        assert file["as_is"].shape == (len(made.rows), 5)
        assert file["as_is"].attrs["columns"][0] == "mean"
    assert (folder / "study.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "study.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "ranking.csv").is_file()


def test_it_shows_itself_in_a_few_lines_and_as_a_table(made):
    assert len(repr(made).splitlines()) <= 6
    assert "mending" in repr(made)
    page = made._repr_html_()
    assert page.count("<table>") == 2
    assert "slm.bits = 1" in page
    figure = made.figure()
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels[:3] == [
        "slm.bits",
        "camera.read_noise (electrons)",
        "light.photons (photons a camera pixel)",
    ]


def test_refitted_benches_and_other_electronics(tmp_path):
    spec = TrainSpec(epochs=3, batch_size=8)
    got = quick(tmp_path / "s", vary=["student.readout.bins=[2, 2],[3, 3]"], refit=spec)
    small, own = got.along("student.readout.bins")
    assert small.as_is is None
    assert small.refit.images == own.refit.images == 24
    assert got.of("bench")[0].refit.mean >= 0.3
    with pytest.raises(SpecError, match="--refit"):
        quick(tmp_path / "t", vary=["student.readout.bins=[2, 2],[3, 3]"])


def test_a_grid_has_every_combination(tmp_path):
    got = quick(tmp_path / "s", vary={"slm.bits": [2, 8], "camera.binning": [4, 8]}, grid=True)
    assert [row.cell.changes for row in got.of("grid")] == [
        {"slm.bits": b, "camera.binning": n} for b in (2, 8) for n in (4, 8)
    ]
    assert len(got.figure().axes) == 1


def test_drawn_benches_give_a_yield_curve(tmp_path):
    got = quick(tmp_path / "s", monte_carlo=6, tolerance=conduct.MOUNTED.replace(mask_shift=(1e-4, 1e-4)))
    curve = got.yield_curve()
    shares = [share for _, share, _ in curve]
    assert shares[0] == 1.0
    assert shares[-1] == 0.0
    assert shares == sorted(shares, reverse=True)
    assert all(error > 0 for _, _, error in curve)
    few = make_plan(
        Conditions(network="", images=""),
        BENCH,
        student().spec,
        ranking=False,
        benches=2,
        tolerance=got.plan.tolerance,
    )
    assert [c.bench for c in few.of("drawn")] == [c.bench for c in got.plan.of("drawn")][:2]


@pytest.mark.parametrize(
    ("readout", "bins", "head"), [("homodyne", (3, 3), "classifier"), ("intensity", None, "segmenter")]
)
def test_other_readouts_and_pixels(tmp_path, readout, bins, head):
    data = splits()
    if head == "segmenter":
        labels = (data.test.images[:, 0] > 0.5).long()
        from dataclasses import replace

        data = replace(data, test=replace(data.test, labels=labels))
    got = quick(tmp_path / "s", network=student(readout, bins, head), data=data, vary=["slm.flicker=0.0,0.4"])
    assert all(0 <= row.as_is.mean <= 1 for row in got.rows)
    assert got.rows[0].as_is.images == 24


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"vary": ["slm.bitz=1..3"]}, "'bitz'"),
        ({"vary": ["slm.bits=1..40"]}, "bits"),
        ({"vary": ["slm.bits=1", "slm.bits=2"]}, "twice"),
        ({"vary": ["student.cascade.channels=[1, 2]"], "refit": True}, "electronics alone"),
        ({"draws": 0}, "draws is 0"),
        ({"images": 1}, "too few"),
        ({"bench": None}, "a bench"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(tmp_path, options, part):
    with pytest.raises(OpticsError, match=part):
        quick(tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()


def test_a_folder_with_other_things_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OpticsError, match="not empty"):
        quick(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_outcomes_are_kept_exactly(made, tmp_path):
    found = made.outcomes[made.plan.cells[0].key]
    write_outcome(tmp_path, "x", found)
    again = read_outcome(tmp_path, "x")
    assert torch.equal(again.as_is, found.as_is)
    assert torch.equal(again.predictions, found.predictions.to(torch.int16))
    assert again.exposure == found.exposure
    assert read_outcome(tmp_path, "y") is None
    assert read_plan(made.folder) == made.plan
