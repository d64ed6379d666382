"""One row of a table of results: an accuracy, its spread between draws, and how many images stand behind it."""

from __future__ import annotations

import math

from pydantic import Field
from torch import Tensor

from distill.metrics.confusion import share_right
from optics.spec import Validated


class Row(Validated):
    """One row of the table.

    accuracy: share (0 to 1) of correct predictions, the mean over draws. spread: standard deviation between draws, 0
    for one. draws: how many. images: in each draw.
    """

    accuracy: float = Field(ge=0, le=1)
    spread: float = Field(ge=0, le=1)
    draws: int = Field(ge=1)
    images: int = Field(ge=1)

    @property
    def uncertainty(self) -> float:
        """Standard error of the accuracy from having only so many images, `sqrt(p (1 - p) / n)`."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.images)


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
