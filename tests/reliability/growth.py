"""Memory over a long training and a long study: `python -m tests.reliability.growth`; ends with 1 if it grows.

Resident memory is looked at after every epoch and every cell. What is told is its median over each tenth of the work,
as a ratio to the second tenth's: the first makes what is kept.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from distill import study
from distill.progress import Silent
from distill.training.spec import TrainSpec
from distill.training.train_loop import fit
from tests.distill.exportbench import BENCH, dataset
from tests.distill.studies.studybench import student

STEPS_OF_EPOCH = 20
MOST = 1.05  # ratio that is no growth yet: pages of the allocator


def resident() -> int:
    """Bytes of memory that this process has; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * 4096


def training(steps: int, folder: Path) -> list[int]:
    """Memory after each epoch of a training with checkpoints."""
    data, seen = dataset(2 * STEPS_OF_EPOCH), []
    part = (data.images, data.labels)
    held = (data.images[:4], data.labels[:4])
    spec = TrainSpec(epochs=max(10, steps // STEPS_OF_EPOCH), batch_size=2)
    fit(student().train(), part, held, spec, directory=folder, progress=lambda *_: seen.append(resident()))
    return seen


class Watched(Silent):
    """Looks at the memory after every cell."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def progress(self, step: str, done: int, total: int, note: str = "") -> None:
        """One cell is done."""
        self.seen.append(resident())


def cells(count: int, folder: Path) -> list[int]:
    """Memory after each cell of a study in one process."""
    watched = Watched()
    study(
        student(),
        dataset(4),
        bench=BENCH,
        vary=f"camera.read_noise=0..30:{count}",
        ranking=False,
        draws=2,
        folder=folder,
        processes=1,
        ui=watched,
    )
    return watched.seen


def ratios(seen: Sequence[int]) -> list[float]:
    """Medians of the tenths, as ratios to the second's."""
    tenth = len(seen) // 10
    medians = [statistics.median(seen[k * tenth : (k + 1) * tenth]) for k in range(10)]
    return [m / medians[1] for m in medians]


def main() -> int:
    """Both, and what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--cells", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    grown = False
    for what, work, count in (("training steps", training, options.steps), ("cells", cells, options.cells)):
        with tempfile.TemporaryDirectory() as place:
            start = time.perf_counter()
            seen = work(count, Path(place) / "x")
        found = ratios(seen)
        spent = time.perf_counter() - start
        told = ", ".join(f"{r:.3f}" for r in found)
        print(
            f"{count} {what} in {spent:.0f} s, {max(seen) / 2**20:.0f} MiB at most; by tenths {told}",
            flush=True,
        )
        grown |= found[-1] > MOST
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
