"""What a network is asked for: the task that data and back end make, and its figures against sums by hand."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from distill.data.dataset import VOID, Dataset, Splits
from distill.metrics.row import error_of_share
from distill.metrics.tasks import Classes, Known, People, Pixels, Strangers, task_of
from optics.errors import OpticsError


def _data(labels, names=("a", "b"), size=(2, 3)) -> Dataset:
    labels = torch.as_tensor(labels)
    images = torch.rand(len(labels), 1, *size, generator=torch.Generator().manual_seed(1))
    return Dataset(images, labels, names, "test")


def _splits(train, test=None) -> Splits:
    return Splits(train, train, train if test is None else test)


WHOLE, PIXEL = _data([0, 1, 0, 1]), _data(torch.zeros(4, 2, 3, dtype=torch.int64))
OTHERS = _data([0, 0, 1, 1], names=("c", "d"))
TASKS = {
    ("classifier", "whole"): Classes,
    ("embedder", "whole"): People,
    ("segmenter", "pixels"): Pixels,
    ("embedder", "strangers"): Strangers,
}


@pytest.mark.parametrize(
    ("backend", "data"),
    list(itertools.product(("classifier", "segmenter", "embedder"), ("whole", "pixels", "strangers"))),
)
def test_each_pair_of_data_and_back_end_is_a_task_or_is_refused(backend, data):
    splits = {"whole": _splits(WHOLE), "pixels": _splits(PIXEL), "strangers": _splits(WHOLE, OTHERS)}[data]
    if (backend, data) in TASKS:
        assert type(task_of(splits, backend)) is TASKS[backend, data]
    else:
        with pytest.raises(OpticsError, match=r"student\.backend\.kind is"):
            task_of(splits, backend)


def test_pixels_score_the_mean_overlap_of_the_whole_part_and_leave_void_out():
    truth = torch.tensor([[[0, 0, 1], [1, VOID, 1]], [[0, 1, 0], [0, 0, 0]]])
    said = torch.tensor([[[0, 1, 1], [1, 1, 0]], [[0, 1, 0], [0, 0, 1]]])
    # class 0: hits 1 + 4, missed 1 + 1, false 1 + 0; class 1: hits 2 + 1, missed 1 + 0, false 1 + 1
    zero, one = 5 / 8, 3 / 6
    row = Pixels().row(said[None].to(torch.uint8), _data(truth), None)
    assert row.metric == "mean IoU"
    assert row.accuracy == pytest.approx((zero + one) / 2)
    assert row.figures == pytest.approx({"IoU a": zero, "IoU b": one, "right pixels": 8 / 11})
    assert row.uncertainty > 0
    # of two images a resample has both (half of them) or one of them twice: a share s, or that of either image
    by_image = {"IoU a": (1 / 3, 4 / 5), "IoU b": (2 / 4, 1 / 2), "right pixels": (3 / 5, 5 / 6)}
    for name, ends in by_image.items():
        seen = torch.tensor([*ends, row.figures[name], row.figures[name]], dtype=torch.float64)
        assert row.errors[name] == pytest.approx(float(seen.std(correction=0)), rel=0.15, abs=1e-12)
    assert row.told().startswith(f"IoU a 62.5 ± {100 * row.errors['IoU a']:.1f} %, IoU b 50.0 ±")


def test_a_class_that_no_pixel_has_and_none_is_taken_for_has_no_overlap():
    truth = torch.tensor([[[0, 0, 1], [1, 1, 1]]])
    rows = [
        Pixels().row(said[None], _data(truth, names=("a", "b", "c")), None) for said in (truth, truth + 1)
    ]
    assert rows[0].figures == {"IoU a": 1.0, "IoU b": 1.0, "right pixels": 1.0}
    assert rows[0].accuracy == 1.0
    assert rows[1].figures == {"IoU a": 0.0, "IoU b": 0.0, "IoU c": 0.0, "right pixels": 0.0}


def test_the_error_of_pixels_falls_with_the_root_of_the_images():
    generator = torch.Generator().manual_seed(3)
    errors = []
    for n in (20, 320):
        truth = torch.randint(2, (n, 4, 4), generator=generator)
        wrong = torch.rand(n, 1, 1, generator=generator) > torch.rand(n, 4, 4, generator=generator)
        data = _data(truth, size=(4, 4))
        errors.append(Pixels().row(torch.where(wrong, 1 - truth, truth)[None], data, None).uncertainty)
    assert 2.8 < errors[0] / errors[1] < 5.7  # 4, and the error of an error from 20 images


class _Turned(nn.Module):
    """Embeds an image as the direction of its first two pixels, turned by a quarter."""

    def embed(self, x):
        return nn.functional.normalize(torch.stack((-x[:, 0, 0, 1], x[:, 0, 0, 0]), 1))


def test_people_are_found_by_the_most_alike_picture_of_training():
    train, test = _data([0, 1], names=("a", "b")), _data([0, 1, 1], names=("a", "b"))
    train.images[:, 0, 0, :2] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    test.images[:, 0, 0, :2] = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])  # the second looks like a
    splits = Splits(train, train, test)
    task = task_of(splits, "embedder")
    gallery = task.gallery(splits)
    known = Known(task.answers(_Turned(), gallery.images, 2)[None], gallery.labels)
    row = task.row(task.answers(_Turned(), test.images, 2)[None], test, known)
    assert row.accuracy == pytest.approx(2 / 3)
    assert row.metric == "rank one"
    assert set(row.figures) == {"1 - EER"}
    with pytest.raises(OpticsError, match="people who are known"):
        task.row(torch.zeros(1, 3, 2), test, None)


def test_one_test_picture_a_person_has_a_rank_one_and_no_pairs_to_verify():
    vectors, test = torch.eye(3)[None], _data([0, 1, 2], names=("a", "b", "c"))
    row = People().row(vectors, test, Known(vectors, torch.tensor([0, 1, 1])))
    assert row.accuracy == pytest.approx(2 / 3)
    assert row.figures == {}


def test_strangers_are_compared_with_each_other_and_never_with_themselves():
    angles = torch.tensor([0.0, 0.1, 1.5, 0.3, 1.6])  # the last of the first person lies beside the second's
    labels = torch.tensor([0, 0, 1, 1, 0])
    vectors = torch.stack((angles.cos(), angles.sin()), 1)
    row = Strangers().row(vectors[None], _data(labels, names=("c", "d")), None)
    # nearest others: 0->1 and 1->0 right; 2->4, 3->1 and 4->2 wrong
    assert row.accuracy == pytest.approx(2 / 5)
    perfect = Strangers().row(
        torch.stack((labels.float().cos(), labels.float().sin()), 1)[None],
        _data(labels, names=("c", "d")),
        None,
    )
    assert perfect.accuracy == 1.0
    assert perfect.figures["1 - EER"] == 1.0
    assert perfect.errors["1 - EER"] == pytest.approx(error_of_share(1.0, 2))  # of two people
    assert perfect.uncertainty == pytest.approx(error_of_share(1.0, 5))  # of 5 of 5, and not 0


def test_the_error_of_strangers_is_that_of_people_whose_pictures_are_alike():
    labels = torch.arange(40).repeat_interleave(10)
    # every second person's pictures are all the same, hence right; of the others no two are alike
    shown = torch.where(labels % 2 == 0, labels, 40 + torch.arange(400))
    vectors = nn.functional.one_hot(shown, 440).float()
    row = Strangers().row(vectors[None], _data(labels, names=tuple(map(str, range(40)))), None)
    assert row.accuracy == 0.5
    assert row.uncertainty == pytest.approx((0.25 / 40) ** 0.5, rel=0.2)


def test_the_difference_of_two_networks_is_sharper_than_two_rows_and_right_by_the_formula():
    """McNemar's error, sqrt(b + c - (b - c)^2 / n) / n, with b and c the images that only one has right."""
    generator = torch.Generator().manual_seed(4)
    labels = torch.randint(2, (400,), generator=generator)
    data = _data(labels)
    hard = torch.rand(400, generator=generator) < 0.3
    one = torch.where(hard & (torch.rand(400, generator=generator) < 0.8), 1 - labels, labels)
    other = torch.where(hard, 1 - labels, labels)
    task = Classes()
    parts = [task.per_unit(a[None], data, None) for a in (one, other)]
    found = task.difference(*parts)
    only_one, only_other = int((one == labels).sum() - ((one == labels) & (other == labels)).sum()), 0
    assert found.mean == pytest.approx((only_one - only_other) / 400)
    exact = (only_one + only_other - (only_one - only_other) ** 2 / 400) ** 0.5 / 400
    assert found.error == pytest.approx(exact, rel=0.1)
    rows = [task.row(a[None], data, None).uncertainty for a in (one, other)]
    assert found.error < 0.6 * (rows[0] ** 2 + rows[1] ** 2) ** 0.5
    assert task.difference(*reversed(parts)).mean == -found.mean


@pytest.mark.parametrize("kind", ["classes", "pixels", "people", "strangers"])
def test_every_tasks_figure_is_that_of_the_sums_over_its_units(kind):
    generator = torch.Generator().manual_seed(7)
    labels = torch.arange(24) % 4
    names = ("a", "b", "c", "d")
    vectors = nn.functional.normalize(torch.randn(2, 24, 3, generator=generator), dim=-1)
    if kind == "pixels":
        truth = torch.randint(4, (24, 2, 3), generator=generator)
        task, data, known = Pixels(), _data(truth, names), None
        answers = torch.randint(4, (2, 24, 2, 3), generator=generator)
    elif kind == "classes":
        task, data, known = Classes(), _data(labels, names), None
        answers = torch.randint(4, (2, 24), generator=generator)
    else:
        task, data = (People() if kind == "people" else Strangers()), _data(labels, names)
        known, answers = Known(vectors[:1], labels.roll(1)), vectors
    parts = task.per_unit(answers, data, known)
    row = task.row(answers, data, known)
    assert task.merit(parts.sum(1)).mean() == pytest.approx(row.accuracy)
    same = task.difference(parts, parts)
    assert (same.mean, same.spread) == (0.0, 0.0)
    assert same.sampling == pytest.approx(1 / (parts.shape[1] + 2))  # none differs: half a unit for either
    assert task.difference(parts, parts[:1]).draws == 1  # not as many draws: their means
