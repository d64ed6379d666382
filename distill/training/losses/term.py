"""One term of a training's loss: the interface that all share, and a step as it sees it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from distill.data.augmentation import Answers
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide, Lesson


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
        draws: the step's own random numbers.
        features: what the parts of the model gave that the terms watch, by the parts' names.
    """

    model: nn.Module
    inputs: Tensor
    answers: Answers
    out: Tensor
    index: Tensor
    done: float
    guide: Guide | None
    draws: torch.Generator
    features: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def lesson(self) -> Lesson:
        """What the teacher says of these images, asked once."""
        if self.guide is None:
            raise RuntimeError("there is no teacher to ask")
        return self.guide.lesson(self.inputs, self.index)

    @property
    def taught(self) -> Tensor:
        """The teacher's logits for these images."""
        return self.lesson.logits


@dataclass(frozen=True)
class Setup:
    """What a term is made from.

    Attributes:
        spec: how the model is trained.
        guide: its teacher; None without one.
        model: what is trained.
        probe: two of its inputs.
    """

    spec: TrainSpec
    guide: Guide | None
    model: nn.Module
    probe: Tensor


class Term(nn.Module, abc.ABC):
    """One term of the loss; its parameters, if it has any, are trained with the model's."""

    @abc.abstractmethod
    def weight(self, done: float) -> float:
        """Its weight where a share `done` of all steps has been made; at zero it is not evaluated."""

    @abc.abstractmethod
    def watches(self) -> tuple[str, ...]:
        """The parts of the model whose output it needs, see `taps.part`."""

    @abc.abstractmethod
    def over(self, answers: Answers) -> int:
        """Images or pixels that its mean is over: what the batches and processes of one step are weighed by."""

    @abc.abstractmethod
    def mean(self, seen: Seen) -> Tensor:
        """Its value for one batch, a scalar with a gradient; zero where it is over nothing."""
