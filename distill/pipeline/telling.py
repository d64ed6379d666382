"""Who is told of each epoch of a run's trainings: TensorBoard, and a function of the user's, where asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from distill.job.job import Job
from distill.progress import Watcher
from distill.training.history import Epoch
from distill.training.trackers import OnEpoch, tensorboard

OnStepEpoch = Callable[[str, Epoch], None]


class Telling:
    """A watcher that passes everything on to another, and knows whom to tell of epochs.

    Args:
        watcher: told of the progress.
        on_epoch: called as `on_epoch(step, epoch)`, one call at a time, also where students train side by side.
    """

    def __init__(self, watcher: Watcher, on_epoch: OnStepEpoch) -> None:
        self.begin, self.progress, self.end, self.kept = (
            watcher.begin,
            watcher.progress,
            watcher.end,
            watcher.kept,
        )
        self._on_epoch, self._lock = on_epoch, threading.Lock()

    def epoch(self, step: str, epoch: Epoch) -> None:
        """Tell of a new epoch of a step's training."""
        with self._lock:
            self._on_epoch(step, epoch)


def of_step(job: Job, step: str) -> OnEpoch:
    """What to call with each new epoch of one training of a job; `step`: its folder, such as linear_kd/repeat-1."""
    board = tensorboard(job.path(step)) if job.config.tensorboard else None
    watcher = job.watcher

    def told(epoch: Epoch) -> None:
        if board is not None:
            board(epoch)
        if isinstance(watcher, Telling):
            watcher.epoch(step, epoch)

    return told
