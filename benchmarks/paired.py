"""Trainings beside others of the same seeds: the best form of them, and what one form has beyond another."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def chosen(runs: Mapping[K, Sequence[Mapping[str, float]]]) -> tuple[K, dict[K, float]]:
    """The form whose trainings have the best mean `validation`, and every form's mean.

    Args:
        runs: of every form, the figures of its trainings, one a seed.
    """
    means = {form: statistics.fmean(run["validation"] for run in found) for form, found in runs.items()}
    return max(means, key=means.__getitem__), means


def beyond(figures: Sequence[float], reference: Sequence[float]) -> dict[str, float | None]:
    """`gain`, the mean difference over the seeds, and `error`, its standard error; of one seed that is None.

    Args:
        figures: one a seed.
        reference: of the same seeds, in the same order.
    """
    each = [a - b for a, b in zip(figures, reference, strict=True)]
    error = statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else None
    return {"gain": statistics.fmean(each), "error": error}
