"""Confusion matrix, intersection over union, and telling people apart: against figures worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from distill.data.dataset import UNLABELLED, VOID
from distill.metrics.confusion import accuracy, confusion_matrix, intersection_over_union
from distill.metrics.recognition import equal_error_rate, error_of_people, rank_one
from distill.metrics.row import error_of_share, score
from distill.metrics.tasks import Pixels
from optics.checks import OpticsError, ShapeError
from tests.scenes import generator


def test_intersection_over_union_by_hand():
    labels = torch.zeros(1, 3, 4, dtype=torch.int64)
    answers = labels.clone()
    labels[0, :, :2] = 1  # 6 pixels
    answers[0, 1:, 1:3] = 1  # 4 pixels, 2 of them right
    counts = confusion_matrix(answers, labels, 3)
    assert counts.tolist() == [[4, 2, 0], [4, 2, 0], [0, 0, 0]]
    each = intersection_over_union(counts)
    assert each[:2].tolist() == [4 / 10, 2 / 8]
    assert math.isnan(each[2])  # neither there nor answered
    assert accuracy(answers, labels, 3) == pytest.approx((0.4 + 0.25) / 2)
    assert accuracy(torch.tensor([1, 0, 2]), torch.tensor([1, 1, 2]), 3) == pytest.approx(2 / 3)
    with pytest.raises(ShapeError, match=r"\(2, 3\)"):
        intersection_over_union(torch.zeros(2, 3))


@pytest.mark.parametrize("nothing", [VOID, UNLABELLED])
def test_what_has_no_label_counts_nowhere(nothing):
    labels, answers = torch.tensor([0, 1, nothing, nothing]), torch.tensor([0, 1, 1, 0])
    assert confusion_matrix(answers, labels, 2).tolist() == [[1, 0], [0, 1]]
    assert score(answers[None], labels).accuracy == accuracy(answers, labels, 2) == 1.0
    pixels = (answers.reshape(1, 1, 2, 2), labels.reshape(1, 2, 2))
    assert accuracy(pixels[0][0], pixels[1], 2) == 1.0
    assert Pixels().per_image(*pixels, None).tolist() == [[1.0]]


def test_nothing_anywhere_has_no_intersection_however_many_pixels_are_right():
    labels = torch.zeros(2, 10, 10, dtype=torch.int64)
    labels[0, 0, :2] = 1
    assert accuracy(torch.zeros_like(labels), labels, 2) == pytest.approx(0.99 / 2)


def test_rank_one_asks_the_nearest_picture():
    gallery = torch.eye(3)
    probes = F.normalize(torch.tensor([[3.0, 1, 0], [0, 1, 2], [1, 2, 0]]))
    assert rank_one(gallery, torch.tensor([7, 8, 9]), probes, torch.tensor([7, 9, 9])) == pytest.approx(2 / 3)
    with pytest.raises(ShapeError):
        rank_one(gallery, torch.tensor([1, 2]), probes, torch.tensor([0, 0, 0]))


def _angles(*degrees: float) -> torch.Tensor:
    a = torch.tensor(degrees) * math.pi / 180
    return torch.stack((a.cos(), a.sin()), dim=1)


def test_equal_error_rate_by_hand():
    # separable: every same pair is 10 degrees apart, every other pair at least 60
    assert equal_error_rate(_angles(0, 10, 70, 80), torch.tensor([0, 0, 1, 1])) == 0
    # same pairs 10, 25, 55, 65 degrees apart, others 45, 70, 100, 110, 125, 135: between 55 and 65 one of four is
    # missed and one of six accepted, nowhere are the two nearer
    vectors, labels = _angles(0, 10, 65, 110, 135), torch.tensor([0, 0, 0, 1, 1])
    assert equal_error_rate(vectors, labels) == pytest.approx((1 / 4 + 1 / 6) / 2)
    # one vector for all: no threshold tells anything
    assert equal_error_rate(_angles(5, 5, 5, 5, 5), labels) == pytest.approx(0.5)
    with pytest.raises(OpticsError, match="pairs"):
        equal_error_rate(vectors, torch.tensor([0, 1, 2, 3, 4]))


def test_equal_error_rate_of_guessing_is_a_half():
    g = generator()
    vectors = F.normalize(torch.randn(200, 8, generator=g))
    assert equal_error_rate(vectors, torch.arange(200) % 10) == pytest.approx(0.5, abs=0.03)


def test_the_error_of_a_share_is_the_textbook_one_of_many_and_never_nothing():
    for right in (0.1, 0.5, 0.97):
        assert error_of_share(right, 10_000) == pytest.approx(
            math.sqrt(right * (1 - right) / 10_000), rel=5e-3
        )
    # 80 of 80: (82 / 84) (2 / 84) / 84
    assert error_of_share(1.0, 80) == pytest.approx(math.sqrt(164) / 84**1.5)
    assert error_of_share(0.0, 80) == pytest.approx(error_of_share(1.0, 80))


def test_people_who_count_twice_are_as_two_people_whose_pictures_are_not_compared():
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 2, 3])
    vectors = F.normalize(torch.randn(8, 3, generator=generator(5)) + 2 * torch.eye(4, 3)[labels], dim=1)
    of = error_of_people(vectors, labels)
    assert of(torch.ones(8)) == equal_error_rate(vectors, labels)
    times = torch.tensor([2, 0, 1, 3])[labels]
    likeness = vectors @ vectors.mT
    pairs = [(i, j) for i in range(8) for j in range(i)]
    genuine = [
        float(likeness[i, j]) for i, j in pairs if labels[i] == labels[j] for _ in range(int(times[i]))
    ]
    others = [
        float(likeness[i, j])
        for i, j in pairs
        if labels[i] != labels[j]
        for _ in range(int(times[i] * times[j]))
    ]
    both = []
    for threshold in [-2.0, *sorted({*genuine, *others})]:
        missed = sum(g <= threshold for g in genuine) / len(genuine)
        accepted = sum(o > threshold for o in others) / len(others)
        both.append((abs(missed - accepted), (missed + accepted) / 2))
    assert of(times) == pytest.approx(min(both)[1])
    assert math.isnan(of((labels == 3).long()))
