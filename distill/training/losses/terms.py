"""The terms of a training's loss, one final class for each, and the table that holds them all.

A step's loss is the sum of `weight(done) * mean` over the terms that the configuration asks for. A new term is a class
and a line in `TERMS`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from distill.data.augmentation import Answers
from distill.training.distillation import ends, value_at
from distill.training.losses.functions import (
    counted,
    cross_entropy,
    decoupled_divergence,
    dice_between,
    dice_loss,
    images_counted,
    peak_loss,
    soft_divergence,
    unanswered,
    void_in,
)
from distill.training.losses.hints import Hinted
from distill.training.losses.tangent import Tangent
from distill.training.losses.term import Seen, Setup, Term


class Labels(Term):
    """Cross-entropy with the labels: `1 - alpha` of the loss where there is a teacher, all of it otherwise."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.spec, self.guided = setup.spec, setup.guide is not None

    def weight(self, done: float) -> float:
        """`1 - alpha`, or 1."""
        return 1.0 - value_at(self.spec.distillation.share, done) if self.guided else 1.0

    def watches(self) -> tuple[str, ...]:
        """Nothing but the answer."""
        return ()

    def over(self, answers: Answers) -> int:
        """What has a label."""
        return counted(answers, unanswered(answers))

    def mean(self, seen: Seen) -> Tensor:
        """Nats."""
        return cross_entropy(seen.out, seen.answers, smoothing=self.spec.label_smoothing)


class Taught(Term):
    """The teacher's softened answers, plain or decoupled, weight alpha."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.told = setup.spec.distillation

    def weight(self, done: float) -> float:
        """Alpha."""
        return value_at(self.told.share, done)

    def watches(self) -> tuple[str, ...]:
        """Nothing but the answer."""
        return ()

    def over(self, answers: Answers) -> int:
        """What is not void, labelled or not."""
        return counted(answers, void_in(answers))

    def mean(self, seen: Seen) -> Tensor:
        """Nats, times the square of the temperature."""
        temperature, void, apart = (
            value_at(self.told.temperature, seen.done),
            void_in(seen.answers),
            self.told.decoupled,
        )
        if apart is None:
            return soft_divergence(seen.out, seen.taught, temperature=temperature, void=void)
        return decoupled_divergence(
            seen.out,
            seen.taught,
            seen.answers.labels,
            temperature=temperature,
            target=apart.target,
            rest=apart.rest,
            void=void,
        )


class Overlap(Term):
    """Dice with the labels of pixels, see `losses.functions.dice_loss`."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.share = setup.spec.dice

    def weight(self, done: float) -> float:
        """The configuration's `dice`."""
        return self.share

    def watches(self) -> tuple[str, ...]:
        """Nothing but the answer."""
        return ()

    def over(self, answers: Answers) -> int:
        """Images that have a label anywhere."""
        return images_counted(answers, unanswered(answers))

    def mean(self, seen: Seen) -> Tensor:
        """One minus the Dice coefficient."""
        return dice_loss(seen.out, seen.answers)


class TaughtOverlap(Term):
    """Dice with the teacher's probabilities of pixels."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.share = setup.spec.distillation.dice

    def weight(self, done: float) -> float:
        """The configuration's `distillation.dice`."""
        return value_at(self.share, done)

    def watches(self) -> tuple[str, ...]:
        """Nothing but the answer."""
        return ()

    def over(self, answers: Answers) -> int:
        """Images that are not all void."""
        return images_counted(answers, void_in(answers))

    def mean(self, seen: Seen) -> Tensor:
        """One minus the Dice coefficient."""
        return dice_between(seen.out.softmax(1), seen.taught.softmax(1), void_in(seen.answers))


class Light(Term):
    """The light that peaked masks waste, see `losses.functions.peak_loss`."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.share = setup.spec.light

    def weight(self, done: float) -> float:
        """The configuration's `light`."""
        return self.share

    def watches(self) -> tuple[str, ...]:
        """Nothing but the answer."""
        return ()

    def over(self, answers: Answers) -> int:
        """Images."""
        return len(answers.labels)

    def mean(self, seen: Seen) -> Tensor:
        """Logarithm of the waste."""
        return peak_loss(seen.model, seen.inputs)


TERMS: dict[str, tuple[Callable[[Setup], bool], Callable[[Setup], Term]]] = {
    "labels": (lambda setup: True, Labels),
    "taught": (lambda setup: setup.guide is not None, Taught),
    "overlap": (lambda setup: setup.spec.dice > 0, Overlap),
    "taught_overlap": (
        lambda setup: setup.guide is not None and max(ends(setup.spec.distillation.dice)) > 0,
        TaughtOverlap,
    ),
    "hint": (lambda setup: setup.guide is not None and setup.spec.distillation.hint is not None, Hinted),
    "tangent": (
        lambda setup: setup.guide is not None and setup.spec.distillation.tangent is not None,
        Tangent,
    ),
    "light": (lambda setup: setup.spec.light > 0, Light),
}
"""Name of a term to: whether a training asks for it, and what makes it."""


def terms_of(setup: Setup) -> dict[str, Term]:
    """The terms that a training asks for, by name, in the order of `TERMS`."""
    return {name: make(setup) for name, (asked, make) in TERMS.items() if asked(setup)}
