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


class DecoupledSpec(Validated):
    """Decoupled distillation, in place of the plain one: `target TCKD + rest NCKD` (`losses.decoupled_divergence`).

    target: weight of how sure the teacher is of the label. rest: weight of what it says of the other classes; in
    plain distillation that is one minus the teacher's certainty, hence next to nothing where it is sure.
    """

    target: float = Field(default=1.0, ge=0.0)
    rest: float = Field(default=8.0, ge=0.0)


class HintSpec(Validated):
    """A feature hint (`losses.hints.Hint`). weight: a number or a ramp.

    teacher: dotted name of the teacher's part whose output is wanted; by default its last feature maps. student: of the
    student's part; by default what the camera gives its back end.
    """

    weight: float | Ramp = 1.0
    teacher: str | None = None
    student: str | None = None


class TangentSpec(Validated):
    """Neural-tangent distillation (`losses.tangent`). weight: a number or a ramp.

    images: of each batch whose tangent kernel is compared. directions: in the output over which it is traced: every
    class where there are at most so many, random ones otherwise. of: the student's "electronics", or its whole
    "network", which takes a backward pass for each image and direction, off the bench only.
    """

    weight: float | Ramp = 1.0
    images: int = Field(default=16, ge=3)
    directions: int = Field(default=10, ge=1)
    of: Literal["electronics", "network"] = "electronics"


class DistillationSpec(Validated):
    """What the teacher does in a training that has one; `docs/distillation.md` has the formulae and their sources.

    temperature, alpha: of `alpha T^2 KL + (1 - alpha) CE`; each a number, or a `Ramp`. decoupled: see `DecoupledSpec`.
    dice: weight of the Dice loss between the student's and the teacher's probabilities of pixels. hint, tangent: see
    `HintSpec`, `TangentSpec`. function_matching: teacher and student see the same moved and mixed images, nothing is
    stored, and the teacher alone answers: alpha is 1, and `augmentation.mixup`, where it is off, is 1.
    """

    temperature: float | Ramp = 10.0
    alpha: float | Ramp = 0.5
    decoupled: DecoupledSpec | None = None
    dice: float | Ramp = 0.0
    hint: HintSpec | None = None
    tangent: TangentSpec | None = None
    function_matching: bool = False

    @property
    def share(self) -> float | Ramp:
        """The teacher's share of the loss: alpha, or 1."""
        return 1.0 if self.function_matching else self.alpha

    @property
    def chosen(self) -> tuple[str, ...]:
        """The methods beside the plain one that are asked for, by their keys."""
        asked = {
            "decoupled": self.decoupled is not None,
            "dice": max(ends(self.dice)) > 0,
            "hint": self.hint is not None,
            "tangent": self.tangent is not None,
            "function_matching": self.function_matching,
        }
        return tuple(name for name, on in asked.items() if on)

    def check_electronics(self, place: str) -> None:
        """Raise ValueError where a back end alone cannot be trained so; `place` is what errors call these keys."""
        if self.hint is not None and self.hint.student is None:
            raise ValueError(
                f"{place}.hint needs the key student, a part of the back end such as 'mix': by default it is what the "
                "camera gives, which no training of the back end changes"
            )

    @model_validator(mode="after")
    def _ranges(self) -> DistillationSpec:
        if min(ends(self.temperature)) <= 0:
            raise ValueError(
                f"temperature is {min(ends(self.temperature)):g}; expected more than 0, such as 4"
            )
        for alpha in ends(self.alpha):
            if not 0 <= alpha <= 1:
                raise ValueError(f"alpha is {alpha:g}; expected 0 (labels only) to 1 (teacher only)")
        weights = {"dice": self.dice}
        weights |= {"hint.weight": self.hint.weight} if self.hint else {}
        weights |= {"tangent.weight": self.tangent.weight} if self.tangent else {}
        for name, weight in weights.items():
            if min(ends(weight)) < 0:
                raise ValueError(f"{name} is {min(ends(weight)):g}; expected 0 or more")
        return self


FORMER = ("temperature", "alpha")  # keys that once stood beside those of the training
