"""Everything that changes while a model is trained, and how it is saved."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distill.data.augmentation import Answers, augment, mixed
from distill.metrics.confusion import accuracy
from distill.training.held_out import HeldOut
from distill.training.history import Epoch, History
from distill.training.losses.functions import cross_entropy
from distill.training.losses.term import Seen, Setup
from distill.training.losses.terms import terms_of
from distill.training.processes import ALONE, Processes
from distill.training.spec import TrainSpec
from distill.training.stepping import Stepper, lower_precision, lowered
from distill.training.taps import Taps
from distill.training.teaching import Guide, takes_generator
from distill.training.thinning import Thinning
from optics.devices import CPU, device_of, single_precision
from optics.draws import generator_of
from optics.errors import OpticsError, ShapeError

Progress = Callable[[int, int, str], None]
Batch = tuple[Tensor, Answers, Tensor]  # images, what they show, which of the training images they are


class Run:
    """One training: a model, its images, its teacher, and how far it has come.

    Args:
        model: images to logits.
        train: inputs and labels that it learns from.
        validation: those that choose the epoch.
        spec: how.
        teacher: a module, or its logits for each training image, or a `Guide`; None without one.
        processes: who trains together; each has all of these.

    Raises:
        OpticsError: too few images, or a teacher that does not fit them.
    """

    def __init__(
        self,
        model: nn.Module,
        train: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
        spec: TrainSpec,
        teacher: Guide | nn.Module | Tensor | None,
        processes: Processes = ALONE,
    ) -> None:
        self.model, self.spec, self.device = model, spec, device_of(model)
        self.processes = processes
        self.inputs, self.labels = train
        self.validation = validation
        if len(self.inputs) < 2 or len(self.inputs) != len(self.labels):
            raise ShapeError(
                f"{len(self.inputs)} images and {len(self.labels)} labels; expected as many, at least 2."
            )
        if len(validation[0]) == 0:
            raise ShapeError("there are no validation images; give some, they choose the epoch.")
        self.counting = int((self.labels >= 0).sum())
        # batches differ in size by at most one, so that no batch is left with a single image
        self.batches = max(1, min(math.ceil(len(self.inputs) / spec.batch_size), len(self.inputs) // 2))
        processes.share(len(self.inputs) // self.batches)  # of the smallest batch every process has some
        held = validation[0]
        self.shares_validation = len(held) >= processes.size
        self.held_out = HeldOut(model, held[processes.share(len(held))] if self.shares_validation else held)
        if processes.size > 1 and self.device != CPU:
            raise OpticsError(
                f"{processes.size} processes train together on the CPU; set device = 'cpu', or start one."
            )
        self.noisy = takes_generator(model)
        if isinstance(teacher, nn.Module | Tensor):
            fast = lowered(spec.step, self.device)
            teacher = Guide(teacher, self.inputs, moving=spec.moves.active, fast=fast)
        self.guide = teacher
        if teacher is not None and teacher.module is not None:
            teacher.module.to(self.device)
        made = terms_of(Setup(spec, self.guide, model, self.inputs[:2].to(self.device)))
        self.terms = {name: term.to(self.device) for name, term in made.items()}
        self.taps = Taps(model, [name for term in self.terms.values() for name in term.watches()])
        self.thinning = Thinning(model, self.inputs, spec.step.every, seed=spec.seed)
        steps = math.ceil(self.batches / spec.step.accumulate) * spec.epochs
        self.stepper = Stepper(model, list(self.terms.values()), spec, steps)
        self.generator = torch.Generator().manual_seed(spec.seed)
        self.epochs: list[Epoch] = []
        self.best_weights = self.stepper.kept()

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the last ones brought nothing."""
        patience = self.spec.patience
        idle = patience is not None and bool(self.epochs) and self.history().idle >= patience
        return idle or len(self.epochs) >= self.spec.epochs

    def one_epoch(self, progress: Progress | None) -> None:
        """One pass over the training part, then the validation part."""
        begin, rate = time.perf_counter(), self.stepper.rate
        order = torch.randperm(len(self.inputs), generator=self.generator)
        draws = self._own_draws()
        self.model.train()
        total, right, done = 0.0, 0, 0
        batches = torch.tensor_split(order, self.batches)
        with single_precision(self.device), lower_precision(self.model, self.spec.step):
            for first in range(0, len(batches), self.spec.step.accumulate):
                group = batches[first : first + self.spec.step.accumulate]
                images, shown = sum(len(index) for index in group), [self._shown(index) for index in group]
                self.stepper.optimiser.zero_grad(set_to_none=True)
                for batch, shares in zip(shown, self._shares(shown), strict=True):
                    loss, correct = self._gradient(batch, shares, draws)
                    total, right, done = total + loss * images, right + correct, done + 1
                    if progress is not None:
                        progress(len(self.epochs) * self.batches + done, self.whole, self.note())
                self.processes.sum_gradients(self.stepper.parameters)
                self.stepper.step()
        self._record(begin, rate, total / len(order), right / max(1, self.counting))

    def try_out(self) -> None:
        """The gradient of one batch, and no step."""
        self.model.train()
        with single_precision(self.device), lower_precision(self.model, self.spec.step):
            batch = self._shown(torch.arange(len(self.inputs)))
            self._gradient(batch, self._shares([batch])[0], self.generator)

    def _record(self, begin: float, rate: float, loss: float, share: float) -> None:
        labels = self.validation[1]
        with self.stepper.averaged():
            out = self.held_out.logits()
            if self.shares_validation:
                out = self.processes.whole(out, len(labels))
        self.epochs.append(
            Epoch(
                epoch=len(self.epochs) + 1,
                loss=loss,
                accuracy=share,
                validation_loss=float(cross_entropy(out, labels)),
                validation_accuracy=accuracy(out.argmax(1), labels, out.shape[1]),
                learning_rate=rate,
                seconds=time.perf_counter() - begin,
            )
        )
        if self.history().best.epoch == len(self.epochs):
            self.best_weights = self.stepper.kept()

    def _own_draws(self) -> torch.Generator:
        """What the model draws its noise from in an epoch, apart from the order and the moves, which others share."""
        return generator_of("noise", self.spec.seed, len(self.epochs), self.processes.rank)

    def _gradient(self, batch: Batch, shares: dict[str, float], draws: torch.Generator) -> tuple[float, int]:
        """Add a batch's gradient, see `_shares`; its part of the step's loss, and how many of its labels were met."""
        inputs, answers, index = batch
        done = self.stepper.made / self.stepper.steps
        with self.taps.open() as features, self.thinning.open(self.stepper.made, self.stepper.steps):
            out = self.model(inputs, generator=draws) if self.noisy else self.model(inputs)
        own = generator_of("losses", self.spec.seed, self.stepper.made)
        seen = Seen(self.model, inputs, answers, out, index, done, self.guide, own, features)
        loss = self._loss(seen, shares)
        right = (out.detach().argmax(1) == answers.labels).sum()
        value, correct = float(loss.detach()), int(right)
        if self.processes.size > 1:
            value, correct = self.processes.sum(torch.tensor([value, correct], dtype=torch.float64)).tolist()
        if not math.isfinite(value):
            raise OpticsError(
                f"the loss became {value} in epoch {len(self.epochs) + 1}; use a smaller learning_rate than "
                f"{self.spec.learning_rate:g}."
            )
        loss.backward()
        return value, int(correct)

    def _shown(self, index: Tensor) -> Batch:
        """A batch as its images are moved and mixed this time; where there are several processes, this one's share."""
        inputs, labels = self.inputs[index].to(self.device), self.labels[index].to(self.device)
        how = self.spec.augmentation if self.guide is None else self.spec.moves
        if how.active:
            inputs, moved = augment(inputs, how, self.generator, labels=labels)
            labels = labels if moved is None else moved
        answers = Answers(labels)
        if how.mixup > 0:
            inputs, answers = mixed(inputs, labels, how.mixup, self.generator)
        if self.processes.size == 1:
            return inputs, answers, index
        mine = self.processes.share(len(index))
        return inputs[mine], answers.taken(mine), index[mine]

    def _shares(self, batches: Sequence[Batch]) -> list[dict[str, float]]:
        """How much each batch of a step has of each term's weight: as much as it has of what the term is a mean over.

        The batches of all processes together have the weight, so that their losses add up to that of one large batch.
        """
        done = self.stepper.made / self.stepper.steps
        weights = {name: w for name, term in self.terms.items() if (w := term.weight(done)) > 0}
        over = torch.tensor(
            [[self.terms[name].over(answers) for name in weights] for _, answers, _ in batches],
            dtype=torch.float64,
        )
        parts = over / self.processes.sum(over.sum(0)).clamp(min=1)
        weighed = parts * torch.tensor(list(weights.values()), dtype=torch.float64)
        return [dict(zip(weights, row, strict=True)) for row in weighed.tolist()]

    def _loss(self, seen: Seen, shares: dict[str, float]) -> Tensor:
        """The sum of the terms, see `_shares`."""
        total = seen.out.new_zeros(())
        for name, share in shares.items():
            total = total + share * self.terms[name].mean(seen)
        return total

    @property
    def whole(self) -> int:
        """Batches of all epochs."""
        return self.batches * self.spec.epochs

    def history(self) -> History:
        """The epochs so far."""
        return History(tuple(self.epochs), len(self.validation[0]))

    def note(self) -> str:
        """What the progress bar says."""
        if not self.epochs:
            return f"epoch 1 of {self.spec.epochs}"
        here = min(len(self.epochs) + 1, self.spec.epochs)
        share = 100 * self.epochs[-1].validation_accuracy
        return f"epoch {here} of {self.spec.epochs}, validation {share:.1f} %"

    def state(self) -> dict[str, Any]:
        """Everything the next epoch depends on: tensors, numbers and strings only."""
        return {
            "model": self.model.state_dict(),
            "terms": {name: term.state_dict() for name, term in self.terms.items()},
            **self.stepper.state(),
            "generator": self.generator.get_state(),
            "epochs": [e.row() for e in self.epochs],
            "best_weights": self.best_weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.model.load_state_dict(state["model"])
        self.held_out.forget()
        for name, term in self.terms.items():
            term.load_state_dict(state["terms"][name])
        self.stepper.restore(state)
        self.generator.set_state(state["generator"])
        self.epochs = [Epoch(**row) for row in state["epochs"]]
        self.best_weights = state["best_weights"]
