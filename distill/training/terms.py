"""The terms of a training's loss: one abstract interface, one final class for each, and the table that holds them all.

A step's loss is the sum of `weight(done) * mean` over the terms that the configuration asks for. A new term is a class
and a line in `TERMS`.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor, nn

from distill.data.augmentation import Answers
from distill.training.distillation import value_at
from distill.training.losses import counted, cross_entropy, dice_loss, peak_loss, soft_divergence, void_in
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide


@dataclass(frozen=True)
class Seen:
    """One step as the losses see it.

    Attributes:
        model: what is being trained.
        inputs: what it saw, (B, C, H, W).
        answers: what the images show.
        out: what it answered: logits (B, classes) or (B, classes, H, W).
        index: which of the training images these are, (B,).
        done: share of all steps that have been made, 0 to 1.
        guide: the teacher; None without one.
    """

    model: nn.Module
    inputs: Tensor
    answers: Answers
    out: Tensor
    index: Tensor
    done: float
    guide: Guide | None

    @cached_property
    def taught(self) -> Tensor:
        """The teacher's logits for these images, asked once."""
        if self.guide is None:
            raise RuntimeError("there is no teacher to ask")
        return self.guide.answers(self.inputs, self.index)


class Mean(NamedTuple):
    """A term's mean over `over` images or pixels: what several processes weigh their shares by."""

    value: Tensor
    over: int


class Term(nn.Module, abc.ABC):
    """One term of the loss; its parameters, if it has any, are trained with the model's."""

    @abc.abstractmethod
    def weight(self, done: float) -> float:
        """Its weight where a share `done` of all steps has been made; at zero it is not evaluated."""

    @abc.abstractmethod
    def mean(self, seen: Seen) -> Mean:
        """Its value for one step, a scalar with a gradient."""


@dataclass(frozen=True)
class Setup:
    """What a term is made from: how the model is trained, and its teacher, None without one."""

    spec: TrainSpec
    guide: Guide | None


class Labels(Term):
    """Cross-entropy with the labels: `1 - alpha` of the loss where there is a teacher, all of it otherwise."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.spec, self.guided = setup.spec, setup.guide is not None

    def weight(self, done: float) -> float:
        """`1 - alpha`, or 1."""
        return 1.0 - value_at(self.spec.distillation.alpha, done) if self.guided else 1.0

    def mean(self, seen: Seen) -> Mean:
        """Nats."""
        loss = cross_entropy(seen.out, seen.answers, smoothing=self.spec.label_smoothing)
        return Mean(loss, counted(seen.answers))


class Taught(Term):
    """The teacher's softened answers: `losses.soft_divergence`, weight alpha."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.told = setup.spec.distillation

    def weight(self, done: float) -> float:
        """Alpha."""
        return value_at(self.told.alpha, done)

    def mean(self, seen: Seen) -> Mean:
        """Nats, times the square of the temperature."""
        temperature, void = value_at(self.told.temperature, seen.done), void_in(seen.answers)
        loss = soft_divergence(seen.out, seen.taught, temperature=temperature, void=void)
        return Mean(loss, guided(seen))


class Overlap(Term):
    """Dice with the labels of pixels, see `losses.dice_loss`."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.share = setup.spec.dice

    def weight(self, done: float) -> float:
        """The configuration's `dice`."""
        return self.share

    def mean(self, seen: Seen) -> Mean:
        """One minus the Dice coefficient."""
        return Mean(dice_loss(seen.out, seen.answers), len(seen.out))


class Light(Term):
    """The light that peaked masks waste, see `losses.peak_loss`."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.share = setup.spec.light

    def weight(self, done: float) -> float:
        """The configuration's `light`."""
        return self.share

    def mean(self, seen: Seen) -> Mean:
        """Logarithm of the waste."""
        return Mean(peak_loss(seen.model, seen.inputs), len(seen.inputs))


TERMS: dict[str, tuple[Callable[[Setup], bool], Callable[[Setup], Term]]] = {
    "labels": (lambda setup: True, Labels),
    "taught": (lambda setup: setup.guide is not None, Taught),
    "overlap": (lambda setup: setup.spec.dice > 0, Overlap),
    "light": (lambda setup: setup.spec.light > 0, Light),
}
"""Name of a term to: whether a training asks for it, and what makes it."""


def terms_of(setup: Setup) -> dict[str, Term]:
    """The terms that a training asks for, by name, in the order of `TERMS`."""
    return {name: make(setup) for name, (asked, make) in TERMS.items() if asked(setup)}


def guided(seen: Seen) -> int:
    """Images or pixels for which the teacher's answer counts: all that are not void, labelled or not."""
    void = void_in(seen.answers)
    return seen.answers.labels.numel() if void is None else int((~void).sum())
