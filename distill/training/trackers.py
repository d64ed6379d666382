"""Who is told of each epoch of a training: `history.csv` always; TensorBoard, or any callable, where asked for."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill.training.history import Epoch
from optics.errors import OpticsError
from optics.files import make_folder

OnEpoch = Callable[[Epoch], None]
OnStepEpoch = Callable[
    [str, Epoch], None
]  # of a run with several trainings: the training's folder, and the epoch
EVENTS = "events.out.tfevents.*"  # what TensorBoard calls its files

_CURVES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds")


def tensorboard(directory: str | Path) -> OnEpoch:
    """Writes each epoch into a file of TensorBoard's in `directory`, for `tensorboard --logdir` of any folder above.

    One file holds what it is told, from the first epoch on; each epoch is there as soon as it is told, and the file is
    closed with what this returns.

    Raises:
        OpticsError: the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OpticsError(
            "tensorboard = true needs the package tensorboard: pip install 'spectral-cascade[tensorboard]'."
        ) from error

    return _TensorBoard(directory, SummaryWriter)


def one_at_a_time(told: OnStepEpoch) -> OnStepEpoch:
    """The same, never in two calls at once, also where students train side by side."""
    lock = threading.Lock()

    def tell(step: str, epoch: Epoch) -> None:
        with lock:
            told(step, epoch)

    return tell


class _TensorBoard:
    def __init__(self, directory: str | Path, make: Callable[[str], Any]) -> None:
        self._directory, self._make = directory, make
        self._writer: Any = None

    def __call__(self, epoch: Epoch) -> None:
        if self._writer is None:
            make_folder(self._directory)
            self._writer = self._make(str(self._directory))
            weakref.finalize(self, self._writer.close)
        for name in _CURVES:
            self._writer.add_scalar(name, getattr(epoch, name), epoch.epoch)
        self._writer.flush()
