"""How the cost of a study grows with its cells: CPU seconds, beside evaluating each bench by every pixel and draw.

A cell is one bench by all draws and images. Cells that differ in the camera or the light's level share their optics; a
cell with a flaw of the optics has its own. `whole` is the study that the speed is judged by: 6 flaws x 8 values x 20
draws.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from distill.data import sources
from distill.pipeline.study import study
from distill.studies.axes import Axis
from distill.training.evaluation import evaluate_draws
from networks import Student
from optics.bench.files import load_bench

BENCH = "pluto2-200mm"
SHARED = {"camera.read_noise": (0.0, 40.0), "light.photons": (100.0, 1e5)}
OWN = {"slm.crosstalk": (0.0, 1.0), "alignment.mask_shift.y": (0.0, 2e-4)}
WHOLE = (
    "slm.bits=1..8",
    "slm.crosstalk=0..1.4:8",
    "slm.flicker=0..0.35:8",
    "light.photons=1e1..1e5:log",
    "camera.read_noise=0..35:8",
    "alignment.mask_shift.y=0..2.1e-4:8",
)


def network() -> Student:
    """Of the demo's size, untrained: what it answers does not change what it costs."""
    return Student.build(
        (1, 8, 16, 8),
        kernel_size=5,
        image_shape=(28, 28),
        classes=10,
        bins=(2, 2),
        generator=torch.Generator().manual_seed(0),
    ).eval()


def _cpu() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _timed(**options: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), _cpu()
        done = study(
            network(), options.pop("data"), bench=BENCH, ranking=False, folder=Path(folder) / "s", **options
        )
        return {
            "cells": len(done.outcomes),
            "cpu_seconds": _cpu() - cpu,
            "seconds": time.perf_counter() - start,
        }


def _axes(ends: dict[str, tuple[float, float]], count: int) -> list[Axis]:
    """`count` values in all, shared out over the paths; none is the bench's own."""
    each = count // len(ends)
    return [
        Axis(path=path, values=tuple(low + (high - low) * (k + 0.37) / each for k in range(each)))
        for path, (low, high) in ends.items()
    ]


def measure(*, quick: bool = False, whole: bool = False, processes: int | None = None) -> dict[str, Any]:
    """CPU seconds of studies of 2, 4, 8, ... cells of either kind; of one evaluation; and of the whole study.

    Args:
        quick: few images and cells, to see that it works.
        whole: the study of 48 cells, in `processes` local processes, as well.
        processes: how many; all processors by default.
    """
    digits = sources.load("digits", validation=0.1, seed=0).test
    data = digits.take(torch.arange(60 if quick else len(digits)))
    draws, sizes = (2, (2, 4)) if quick else (20, (2, 4, 8))
    rows = []
    for kind, ends in (("camera and light", SHARED), ("optics", OWN)):
        for size in sizes:
            found = _timed(data=data, vary=_axes(ends, size), draws=draws, processes=1)
            rows.append({"kind": kind, "varied": size} | found)
    on_bench = network().on(load_bench(BENCH), image_shape=(28, 28)).eval()
    start = time.process_time()
    evaluate_draws(on_bench, data, draws=2)
    one = (time.process_time() - start) / 2 * draws
    result: dict[str, Any] = {"images": len(data), "draws": draws, "rows": rows, "every_pixel_a_cell": one}
    if whole:
        count = processes or len(os.sched_getaffinity(0))
        found = _timed(data=data, vary=list(WHOLE), draws=draws, processes=count)
        result["whole"] = found | {"processes": count, "vary": list(WHOLE)}
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """One line a study."""
    title = f"{result['images']} images, {result['draws']} draws; 8 masks on {BENCH}"
    table = Table(title=title)
    for name in ("varied", "cells", "CPU s", "CPU s a varied cell"):
        table.add_column(name, justify="right")
    for kind in dict.fromkeys(row["kind"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["kind"] == kind]
        for row in rows:
            more = (row["cpu_seconds"] - rows[0]["cpu_seconds"]) / max(1, row["varied"] - rows[0]["varied"])
            slope = "" if row is rows[0] else f"{more:.2f}"
            table.add_row(
                f"{row['varied']} of the {kind}", str(row["cells"]), f"{row['cpu_seconds']:.1f}", slope
            )
    table.add_row(
        "every pixel, every draw",
        "1",
        f"{result['every_pixel_a_cell']:.1f}",
        f"{result['every_pixel_a_cell']:.2f}",
    )
    if "whole" in result:
        w = result["whole"]
        told = f"6 flaws x 8 values, {w['processes']} processes, {w['seconds']:.0f} s"
        table.add_row(
            told, str(w["cells"]), f"{w['cpu_seconds']:.0f}", f"{w['cpu_seconds'] / w['cells']:.2f}"
        )
    return [table]
