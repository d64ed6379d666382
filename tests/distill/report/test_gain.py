"""What is said of distillation follows the numbers: a gain, a loss, or nothing that these images could show."""

from __future__ import annotations

import math

import pytest

from distill.job.rows import Rows
from distill.metrics.row import Row
from distill.report.gain import difference, distillation


def row(accuracy: float, *, spread: float = 0.0, draws: int = 1, images: int = 10_000) -> Row:
    return Row(accuracy=accuracy, spread=spread, draws=draws, images=images)


def rows(linear: Row | None, linear_kd: Row | None) -> Rows:
    bench = row(0.5)
    return Rows(linear=linear, linear_kd=linear_kd, ideal_bench=bench, bench_as_is=bench, bench_refit=bench)


def test_the_error_of_a_difference_holds_the_images_and_the_trainings():
    one, other = row(0.9, spread=0.02, draws=4, images=900), row(0.8, images=400)
    gain, error = difference(one, other)
    assert gain == pytest.approx(0.1)
    assert error == pytest.approx(math.sqrt(0.09 / 900 + 0.02**2 / 4 + 0.16 / 400))


@pytest.mark.parametrize(
    ("linear", "linear_kd", "said"),
    [
        (row(0.90), row(0.95), "distillation gains 5.0"),
        (row(0.95), row(0.90), "distillation costs 5.0"),
        (row(0.922, images=500), row(0.897, spread=0.024, draws=2, images=500), "no effect of distillation"),
        (row(0.971, images=1000), row(0.973, images=1000), "+0.2 points"),
    ],
)
def test_a_headline_credits_distillation_only_where_the_numbers_do(linear, linear_kd, said):
    assert said in distillation(rows(linear, linear_kd))


def test_nothing_is_said_where_nothing_was_distilled():
    assert distillation(rows(None, None)) == ""
