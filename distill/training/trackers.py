"""Who is told of each epoch of a training: `history.csv` always; TensorBoard, or any callable, where asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distill.training.history import Epoch
from optics.errors import OpticsError
from optics.files import make_folder

OnEpoch = Callable[[Epoch], None]
EVENTS = "events.out.tfevents.*"  # what TensorBoard calls its files

_CURVES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds")


def tensorboard(directory: str | Path) -> OnEpoch:
    """Writes each epoch into TensorBoard's files in `directory`; `tensorboard --logdir` of any folder above shows it.

    Raises:
        OpticsError: the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OpticsError(
            "tensorboard = true needs the package tensorboard: pip install 'spectral-cascade[tensorboard]'."
        ) from error

    def write(epoch: Epoch) -> None:
        make_folder(directory)
        with SummaryWriter(str(directory)) as writer:
            for name in _CURVES:
                writer.add_scalar(name, getattr(epoch, name), epoch.epoch)

    return write
