"""What is said follows the numbers: of distillation a gain, a loss, or nothing that these images could show; and where
a control does as well as what it controls, that it does and why it may.
"""

from __future__ import annotations

import math

import pytest

from distill.job.rows import Rows
from distill.metrics.row import Row
from distill.report.remarks import controls, difference, distillation, error_of, surprises


def row(accuracy: float, *, spread: float = 0.0, draws: int = 1, images: int = 10_000) -> Row:
    return Row(accuracy=accuracy, spread=spread, draws=draws, images=images)


def rows(linear: Row | None, linear_kd: Row | None) -> Rows:
    bench = row(0.5)
    return Rows(linear=linear, linear_kd=linear_kd, ideal_bench=bench, bench_as_is=bench, bench_refit=bench)


def test_the_error_of_a_difference_holds_the_images_and_the_trainings():
    one, other = row(0.9, spread=0.02, draws=4, images=900), row(0.8, images=400)
    gain, error = difference(one, other)
    assert gain == pytest.approx(0.1)
    assert error == pytest.approx(math.sqrt(0.09 / 900 + 0.02**2 / 4 + 0.16 / 400), rel=0.005)


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


def test_a_row_errs_by_its_images_and_its_draws():
    one = row(0.9, spread=0.02, draws=4, images=900)
    assert error_of(one) == pytest.approx(math.hypot(math.sqrt(0.09 / 900), 0.01), rel=0.005)


FAR, LOW = row(0.95), row(0.80)
EXACT = Row(accuracy=1.0, spread=0.0, draws=1, images=100, sampling=0.0)  # as older versions kept it


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"random_masks": FAR}, ["Control: random masks does better than linear optics, distilled: +5.0 ±"]),
        ({"no_mask": row(0.899)}, ["Control: no mask, a plain lens does as well, within the error, as"]),
        (
            {"linear_kd": EXACT, "teacher": EXACT, "ideal_bench": EXACT, "no_mask": EXACT},
            ["Control: no mask, a plain lens does as well, within the error, as"],
        ),
        ({"raw_image": row(0.901)}, ["the electronics alone does this task"]),
        ({"shuffled": row(0.9)}, ["lose their form"]),
        ({"bench_refit": FAR}, ["The same, back end refitted there does better than on the ideal bench"]),
        ({"bench_refit": row(0.90)}, []),
        ({"ideal_bench": row(0.85), "bench_refit": LOW}, ["Train with student.readout.oversampling = 2"]),
        (
            {"teacher": LOW},
            ["Linear optics, distilled does better than nonlinear teacher (electronic): +10.0"],
        ),
        ({"teacher": LOW, "no_mask": FAR}, ["a plain lens does better", "nonlinear teacher"]),
    ],
)
def test_a_control_that_wins_is_explained(changed, said):
    usual = {"teacher": FAR, "linear_kd": row(0.90), "random_masks": LOW, "no_mask": LOW}
    bench = {"ideal_bench": row(0.90), "bench_as_is": LOW, "bench_refit": row(0.89)}
    found = surprises(Rows(**(usual | bench | changed)), centres=True)
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert part in sentence
        assert "That may be: " in sentence


def test_controls_on_the_labels_stand_beside_the_network_on_the_labels():
    bench = {"ideal_bench": row(0.90), "bench_as_is": LOW, "bench_refit": row(0.89)}
    made = Rows(**bench, teacher=FAR, linear=LOW, linear_kd=row(0.90), raw_image=row(0.801), no_mask=row(0.7))
    (said,) = surprises(made, distilled=False)
    assert said.startswith(
        "Control: raw image does as well, within the error, as linear optics, trained on the labels"
    )
    assert surprises(made) == []
    assert controls(made) == "A plain lens reaches 70.0 %, the raw image reaches 80.1 %."
    assert (
        controls(made, distilled=False)
        == "On the labels alone, a plain lens reaches 70.0 %, the raw image reaches 80.1 %."
    )
