"""Trainings beside others of the same seeds: what one form of them has beyond another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def beyond(figures: Sequence[float], reference: Sequence[float]) -> dict[str, float | None]:
    """`gain`, the mean difference over the seeds, and `error`, its standard error; of one seed that is None.

    Args:
        figures: one a seed.
        reference: of the same seeds, in the same order.
    """
    each = [a - b for a, b in zip(figures, reference, strict=True)]
    error = statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else None
    return {"gain": statistics.fmean(each), "error": error}
