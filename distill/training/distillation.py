"""What a teacher does for a student: how much it counts, how soft its answers are, and when.

[student.distillation]
temperature = { begin = 10.0, end = 2.0 }
alpha = 0.9
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from optics.spec import Validated


class Ramp(Validated):
    """A number that changes while a network is trained: from `begin` to `end` during the first `over` of all steps.

    shape: "linear", or "cosine", which leaves and arrives slowly.
    """

    begin: float
    end: float
    shape: Literal["linear", "cosine"] = "linear"
    over: float = Field(default=1.0, gt=0.0, le=1.0)

    def at(self, done: float) -> float:
        """The value where a share `done` (0 to 1) of all steps has been made."""
        part = min(1.0, max(0.0, done) / self.over)
        if self.shape == "cosine":
            part = 0.5 * (1 - math.cos(math.pi * part))
        return self.begin + (self.end - self.begin) * part


def value_at(number: float | Ramp, done: float) -> float:
    """A number, or a ramp's value where a share `done` of all steps has been made."""
    return number.at(done) if isinstance(number, Ramp) else number


def ends(number: float | Ramp) -> tuple[float, ...]:
    """The extreme values that a number or a ramp takes."""
    return (number.begin, number.end) if isinstance(number, Ramp) else (number,)


class DistillationSpec(Validated):
    """What the teacher does in a training that has one; `docs/distillation.md` has the formulae and their sources.

    temperature, alpha: of `alpha T^2 KL + (1 - alpha) CE`; each a number, or a `Ramp`.
    """

    temperature: float | Ramp = 10.0
    alpha: float | Ramp = 0.5

    @model_validator(mode="after")
    def _ranges(self) -> DistillationSpec:
        if min(ends(self.temperature)) <= 0:
            raise ValueError(
                f"temperature is {min(ends(self.temperature)):g}; expected more than 0, such as 4"
            )
        for alpha in ends(self.alpha):
            if not 0 <= alpha <= 1:
                raise ValueError(f"alpha is {alpha:g}; expected 0 (labels only) to 1 (teacher only)")
        return self


FORMER = ("temperature", "alpha")  # keys that once stood beside those of the training
