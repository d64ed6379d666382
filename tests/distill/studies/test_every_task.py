"""A study scores what a run's rows do: classes, pixels, people who are known, people whom training never saw."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill.data.dataset import Dataset, Splits
from distill.metrics.tasks import Known, task_of
from distill.studies.result import Study
from distill.studies.statistics import difference
from distill.studies.work import Answers, Subject
from distill.training.evaluation import answers_from, record_features
from distill.training.spec import TrainSpec
from networks import Student
from tests.distill.exportbench import BENCH, SHAPE, dataset
from tests.distill.studies.studybench import quick, student

HEADS = {"classes": "classifier", "pixels": "segmenter", "people": "embedder", "strangers": "embedder"}
FIGURES = {"classes": "accuracy", "pixels": "mean IoU", "people": "rank one", "strangers": "rank one"}
N = 24


@functools.cache
def case(kind: str) -> tuple[Student, Splits]:
    """A network and images; the strangers are five, of whom there are unequally many pictures."""
    network = student(head=HEADS[kind], bins=None if kind == "pixels" else (3, 3))
    whole = dataset(N + 12)
    if kind == "pixels":
        labels = (whole.images[:, 0] > 0.5).long() + (whole.images[:, 0] > 0.9).long()
        whole = Dataset(whole.images, labels, whole.class_names, "test")
    index = torch.arange(N + 12)
    test, train = whole.take(index[:N]), whole.take(index[N:])
    if kind == "strangers":
        order = torch.randperm(N, generator=torch.Generator().manual_seed(2))
        who = torch.tensor([0] * 9 + [1] * 6 + [2] * 4 + [3] * 3 + [4] * 2)[order]
        alike = 0.4 * whole.images[who] + 0.6 * test.images  # what a person's pictures share
        test = Dataset(alike, who, ("v", "w", "x", "y", "z"), "test")
    return network, Splits(train, train, test)


@functools.cache
def made(kind: str, folder: str) -> Study:
    """A study of it: the real bench, the ideal one, and coarser levels."""
    network, splits = case(kind)
    return quick(Path(folder) / kind, network=network, data=splits, vary=["slm.bits=1,8"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("tasks"))


def row_of(kind: str, bench, draws: int, seed: int):
    """What a run's rows say of the network on a bench, and what each unit of the sample adds."""
    network, splits = case(kind)
    task, on_bench = task_of(splits, network.spec.backend.kind), network.on(bench, image_shape=SHAPE).eval()

    def answers(images, count, at):
        seen = record_features(on_bench, images, draws=count, seed=at)
        return answers_from(task, on_bench.backend, seen)

    gallery = task.gallery(splits)
    known = None if gallery is None else Known(answers(gallery.images, 1, seed + 99), gallery.labels)
    found = answers(splits.test.images, draws, seed)
    return task, task.row(found, splits.test, known), task.per_image(found, splits.test.labels, known)


@pytest.mark.parametrize("kind", HEADS)
def test_its_figure_is_that_of_a_runs_row(folder, kind):
    found = made(kind, folder)
    (ideal,), (bench,) = found.of("ideal"), found.of("bench")
    task, row, scores = row_of(kind, BENCH.ideal(), 1, 0)
    assert task.name == kind and found.plan.figure == task.metric == FIGURES[kind]
    assert torch.equal(found.outcomes[ideal.cell.key].as_is, scores)
    if kind == "pixels":  # of each image, see the page; the run's is of all pixels together
        assert ideal.as_is.mean == pytest.approx(float(scores.mean()))
    else:
        assert ideal.as_is.mean == pytest.approx(row.accuracy)
    assert (0.0 if kind == "pixels" else 0.2) < ideal.as_is.mean < 1.0
    theirs = float(row_of(kind, BENCH, 12, 100)[2].mean())
    spread = max(bench.as_is.spread, 0.01) * (1 / bench.as_is.draws + 1 / 12) ** 0.5
    assert abs(bench.as_is.mean - theirs) <= 4 * spread + 0.04


@pytest.mark.parametrize("kind", HEADS)
def test_differences_are_paired_over_what_the_sample_is_of(folder, kind):
    found = made(kind, folder)
    one, eight = found.along("slm.bits")
    a, b = (found.outcomes[row.cell.key].as_is.double().expand(3, -1) for row in (one, eight))
    network, splits = case(kind)
    people = task_of(splits, network.spec.backend.kind).people(splits.test.labels)
    assert one.as_is_change == difference(a, found.outcomes[found.of("bench")[0].cell.key].as_is, people)
    assert one.as_is_change.mean == pytest.approx(float((a - b).mean()))  # the bench has eight bits
    assert one.as_is_change.people == (5 if kind == "strangers" else None)
    assert one.as_is_change.images == N
    again = Study(found.folder)  # as it was kept
    assert again.rows == found.rows and again.plan == found.plan


@pytest.mark.parametrize("kind", ["people", "strangers"])
def test_faces_are_refitted_and_other_electronics_scored(tmp_path, kind):
    network, splits = case(kind)
    spec = TrainSpec(epochs=2, batch_size=6, learning_rate=1e-3)
    vary = ["student.backend.dimension=4,8"]
    found = quick(tmp_path / "s", network=network, data=splits, draws=2, vary=vary, refit=spec)
    assert all(0 <= row.refit.mean <= 1 and row.refit.images == N for row in found.rows)
    assert [row.as_is is None for row in found.along("student.backend.dimension")] == [True, True]


def test_fewer_strangers_are_whole_people():
    network, splits = case("strangers")
    subject = Subject(network, Answers(splits.test.images, splits.test.labels))
    for count, least in ((2, 2), (9, 2), (15, 2), (23, 4), (24, 5)):
        labels = subject.with_images(count).test.labels
        each = labels.unique(return_counts=True)
        assert len(each[0]) >= least
        assert all(int(n) == int((splits.test.labels == p).sum()) for p, n in zip(*each, strict=True))
        assert len(labels) <= count or len(each[0]) == 2
    known = replace(subject, gallery=Answers(splits.train.images, splits.train.labels))
    assert len(known.with_images(7).test.labels) == 7


def test_a_known_face_is_another_study_than_the_same_among_strangers():
    network, splits = case("people")
    test = Answers(splits.test.images, splits.test.labels)
    strangers, people = Subject(network, test), Subject(network, test, gallery=test)
    assert strangers.digests()[0] == people.digests()[0]
    assert strangers.digests()[1] != people.digests()[1]
