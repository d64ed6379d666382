"""Which part of the panel light can reach, by the data sheet."""

from __future__ import annotations

import math

from optics.bench.spec import BenchSpec

BESIDE = 25  # SLM pixels beyond the stop on each side: a mask may stand aside


def lit_window(bench: BenchSpec, margin: int = BESIDE) -> tuple[tuple[int, int], tuple[int, int]]:
    """First pixel and size, (row, column) each, of the panel's part behind the stop, with a margin in SLM pixels.

    The whole panel where there is no stop.
    """
    corner, shape = [], []
    for k, n in enumerate(bench.slm.shape):
        width = n if bench.stop is None else math.ceil(bench.stop.width[k] / bench.slm.pitch) + 2 * margin
        size = min(n, width)
        shape.append(size)
        corner.append(min(max(0, n // 2 - size // 2), n - size))
    return (corner[0], corner[1]), (shape[0], shape[1])
