"""One row of a table of results: an accuracy, its spread between draws, and how many images stand behind it."""

from __future__ import annotations

import math

from pydantic import Field
from torch import Tensor

from distill.metrics.confusion import share_right
from optics.spec import Validated


def error_of_share(right: float, of: int) -> float:
    """Standard error of a share `right` (0 to 1) of `of` independent units.

    That of Agresti & Coull, The American Statistician 52, 119 (1998), `sqrt(q (1 - q) / (n + 4))` with
    `q = (n p + 2) / (n + 4)`: `sqrt(p (1 - p) / n)` of many, and not zero where all or none are.
    """
    centre = (right * of + 2) / (of + 4)
    return math.sqrt(centre * (1 - centre) / (of + 4))


class Row(Validated):
    """One row of the table.

    accuracy: the figure of merit, 0 to 1, the mean over draws. metric: which figure that is (`distill.metrics.tasks`).
    spread: standard deviation between draws, 0 for one. draws: how many. images: in each draw. sampling: standard error
    from having only so many images; None where it follows from a share. figures: others of the same answers, by name.
    errors: their standard errors from having only so many images or people; none in results of earlier versions.
    """

    accuracy: float = Field(ge=0, le=1)
    spread: float = Field(ge=0, le=1)
    draws: int = Field(ge=1)
    images: int = Field(ge=1)
    metric: str = "accuracy"
    sampling: float | None = Field(default=None, ge=0)
    figures: dict[str, float] = Field(default_factory=dict)
    errors: dict[str, float] = Field(default_factory=dict)

    def told(self) -> str:
        """The other figures with their errors, in per cent."""
        said = {name: f"{100 * value:.1f}" for name, value in self.figures.items()}
        said |= {name: f"{said[name]} ± {100 * error:.1f}" for name, error in self.errors.items()}
        return ", ".join(f"{name} {value} %" for name, value in said.items())

    @property
    def uncertainty(self) -> float:
        """Standard error from having only so many images; of a share, `error_of_share`."""
        if self.sampling is not None:
            return self.sampling
        return error_of_share(self.accuracy, self.images)


def score(predictions: Tensor, labels: Tensor) -> Row:
    """The row of predictions (draws, N) and labels (N,), int64; with more axes each is a pixel's: (draws, N, H, W).

    Void pixels do not count.
    """
    shares = share_right(predictions, labels)
    same = bool((shares == shares[0]).all())  # no spread by rounding where every draw gives the same
    return Row(
        accuracy=float(shares[0] if same else shares.mean()),
        spread=0.0 if same else float(shares.std()),
        draws=len(shares),
        images=len(labels),
    )
