"""The record of a training run: one line per epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """One epoch. loss, accuracy (0 to 1): of the training part while training; seconds: wall time."""

    epoch: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float

    def row(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class History:
    """All epochs of a run, in order."""

    epochs: tuple[Epoch, ...]

    @property
    def best(self) -> Epoch:
        """The epoch of highest validation accuracy; of several, the one with the lowest validation loss."""
        return min(self.epochs, key=lambda e: (-e.validation_accuracy, e.validation_loss))

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(e.seconds for e in self.epochs)
