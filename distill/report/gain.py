"""What distillation gained, in words that the numbers bear: the difference from labels alone with its uncertainty."""

from __future__ import annotations

import math

from distill.job.rows import Rows
from distill.metrics.row import Row
from distill.metrics.tasks import Difference

_NORMAL_95 = 1.96  # a normal variable lies within so many standard deviations in 95 % of cases


def difference(row: Row, other: Row) -> tuple[float, float]:
    """`row` minus `other` in accuracy, and the standard error of that: of few images, and of few trainings or draws.

    The two are taken as independent. Networks that answer the same images agree on most of them, so that the true
    error is smaller.
    """
    parts = [part for r in (row, other) for part in (r.uncertainty, r.spread / math.sqrt(r.draws))]
    return row.accuracy - other.accuracy, math.hypot(*parts)


def _of(row: Row) -> str:
    return "" if row.metric == "accuracy" else f" {row.metric}"


def distillation(rows: Rows, paired: Difference | None = None) -> str:
    """One sentence: the distilled network against the same network trained on labels alone; "" where one is absent.

    paired: their difference image by image, where it was measured; else the two rows are taken as independent.
    """
    if rows.linear is None or rows.linear_kd is None:
        return ""
    gain, error = difference(rows.linear_kd, rows.linear) if paired is None else (paired.mean, paired.error)
    half = _NORMAL_95 * error
    reached = f"{100 * rows.linear.accuracy:.1f} %{_of(rows.linear)}"
    alone = f"Trained on the labels alone, the same network reaches {reached}"
    if abs(gain) <= half:
        return (
            f"{alone}: the difference of {100 * gain:+.1f} points is within its uncertainty of ± {100 * half:.1f} "
            "points (95 %), so this run shows no effect of distillation."
        )
    word = "gains" if gain > 0.0 else "costs"
    return f"{alone}: distillation {word} {100 * abs(gain):.1f} ± {100 * half:.1f} points (95 %) here."
