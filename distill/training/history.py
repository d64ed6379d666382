"""The record of a training run: one line per epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from optics.notebook import image, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Epoch:
    """One epoch. loss, accuracy (0 to 1): of the training part while training; seconds: wall time.

    validation_accuracy: share of correct predictions; where every pixel has a class, the mean IoU of the classes
    (`distill.metrics.confusion.accuracy`).
    """

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


@dataclass(frozen=True, repr=False)
class History:
    """All epochs of a run, in order. images: size of the validation part, which says how sure its accuracies are."""

    epochs: tuple[Epoch, ...]
    images: int

    def __repr__(self) -> str:
        """How many epochs, and the one whose weights were kept."""
        if not self.epochs:
            return "History(no epochs)"
        best = self.best
        p = best.validation_accuracy
        error = math.sqrt(p * (1 - p) / self.images)
        return (
            f"History({len(self.epochs)} epochs in {self.seconds:.3g} s; kept {best.epoch}: validation {100 * p:.1f} % "
            f"± {100 * error:.1f} of {self.images} images, loss {best.validation_loss:.3g})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: these words, and the curves."""
        return words(repr(self)) + (
            image(self.figure(), about="accuracy and loss by epoch") if self.epochs else ""
        )

    def figure(self) -> Figure:
        """Accuracy and loss by epoch, of the training and the validation part."""
        from optics.plots import charts

        figure, (left, right) = charts.panels(2)
        x = tuple(float(e.epoch) for e in self.epochs)
        none = (0.0,) * len(x)
        for axes, of, y, scale in (
            (left, "accuracy", "accuracy (%)", 100.0),
            (right, "loss", "loss (nats)", 1.0),
        ):
            lines = [
                charts.Curve(
                    part, x, tuple(scale * float(getattr(e, f"{key}{of}")) for e in self.epochs), none
                )
                for part, key in (("training", ""), ("validation", "validation_"))
            ]
            charts.curves(axes, lines, x="epoch", y=y)
        return figure

    @property
    def best(self) -> Epoch:
        """The latest epoch that the validation part cannot tell from the most accurate one.

        That is, within one standard error `sqrt(p (1 - p) / images)` of the highest accuracy `p`. With a few
        hundred validation images the very highest is often an early epoch's luck, while the learning rate was
        still high. Source: the one-standard-error rule of Breiman et al., Classification and Regression Trees
        (1984), section 3.4.3.
        """
        p = max(e.validation_accuracy for e in self.epochs)
        least = p - math.sqrt(p * (1 - p) / self.images)
        return [e for e in self.epochs if e.validation_accuracy >= least][-1]

    @property
    def idle(self) -> int:
        """Epochs since the last one that had the highest accuracy so far, or that accuracy at a lower loss."""
        top, latest = (-math.inf, -math.inf), 0
        for epoch in self.epochs:
            if (epoch.validation_accuracy, -epoch.validation_loss) > top:
                top, latest = (epoch.validation_accuracy, -epoch.validation_loss), epoch.epoch
        return self.epochs[-1].epoch - latest

    @property
    def seconds(self) -> float:
        """Wall time of all epochs."""
        return sum(e.seconds for e in self.epochs)
