"""Training of teachers and students, epoch by epoch, that a `kill -9` cannot spoil.

After each epoch everything that the next one depends on (weights, optimiser, schedule, generator, history,
best weights so far) is written to `checkpoint.pt` under a temporary name and moved into place. A run that is
started again in the same directory goes on from there and ends with the same weights, bit for bit, as one
that was never stopped (on the same machine with the same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill.data.augmentation import augment
from distill.data.dataset import VOID, Dataset
from distill.metrics.confusion import accuracy
from distill.training.checkpoint import digest_of, load_state, save_state
from distill.training.history import Epoch, History
from distill.training.losses import cross_entropy
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide, logits, takes_generator
from distill.training.terms import Seen, Setup, terms_of
from optics.errors import OpticsError, ShapeError
from optics.files import write_csv

Progress = Callable[[int, int, str], None]
CHECKPOINT, METRICS = "checkpoint.pt", "history.csv"


def train(
    model: nn.Module,
    train: Dataset,
    validation: Dataset,
    spec: TrainSpec,
    *,
    directory: Path,
    teacher: nn.Module | Tensor | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> History:
    """Train `model` in place and leave it with the weights of `History.best`, chosen by the validation part.

    Args:
        model: images (B, C, H, W) to logits; one whose `forward` takes `generator` is trained with its noise
            drawn.
        train: images it learns from.
        validation: images that choose the epoch.
        spec: how.
        directory: receives `checkpoint.pt` and `history.csv`; made if needed.
        teacher: a module with the same inputs and outputs, or its logits for each training image, (N,
            classes).
        resume: go on from a checkpoint in `directory`; False begins anew.
        progress: called as `progress(steps done, steps in all, note)`.

    Returns:
        The history of all epochs, the resumed ones included.

    Raises:
        OpticsError: the directory holds the checkpoint of another run, or a loss that is not finite.
    """
    identity = {"train": train.digest(), "validation": validation.digest()}
    return fit(
        model,
        (train.images, train.labels),
        (validation.images, validation.labels),
        spec,
        directory=directory,
        teacher=teacher,
        identity=identity,
        resume=resume,
        progress=progress,
    )


def fit(
    model: nn.Module,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    spec: TrainSpec,
    *,
    directory: Path | None,
    teacher: nn.Module | Tensor | None = None,
    identity: dict[str, str] | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> History:
    """As `train`, for any tensors (inputs, labels) and without a directory (None: nothing is written).

    `identity` names what the run depends on beside `spec` and the model's first weights; a checkpoint made
    with another is refused.
    """
    run = _Run(model, train, validation, spec, teacher)
    key = digest_of({"spec": spec.model_dump(mode="json"), **(identity or {})}, model)
    if directory is not None and resume and (directory / CHECKPOINT).is_file():
        run.restore(load_state(directory / CHECKPOINT, key))
        write_csv(
            directory / METRICS, [e.row() for e in run.epochs]
        )  # it may have been stopped between the two
    while len(run.epochs) < spec.epochs:
        run.one_epoch(progress)
        if directory is not None:
            save_state(directory / CHECKPOINT, key, run.state())
            write_csv(directory / METRICS, [e.row() for e in run.epochs])
    model.load_state_dict(run.best_weights)
    model.eval()
    if progress is not None:
        progress(run.steps * spec.epochs, run.steps * spec.epochs, run.note())
    return run.history()


class _Run:
    """Everything that changes while training, and how it is saved."""

    def __init__(
        self,
        model: nn.Module,
        train: tuple[Tensor, Tensor],
        validation: tuple[Tensor, Tensor],
        spec: TrainSpec,
        teacher: nn.Module | Tensor | None,
    ) -> None:
        self.model, self.spec = model, spec
        self.inputs, self.labels = train
        self.validation = validation
        if len(self.inputs) < 2 or len(self.inputs) != len(self.labels):
            raise ShapeError(
                f"{len(self.inputs)} images and {len(self.labels)} labels; expected as many, at least 2."
            )
        if len(validation[0]) == 0:
            raise ShapeError("there are no validation images; give some, they choose the epoch.")
        self.counting = int((self.labels != VOID).sum())
        # batches differ in size by at most one, so that no batch is left with a single image
        self.steps = max(1, min(math.ceil(len(self.inputs) / spec.batch_size), len(self.inputs) // 2))
        self.noisy = takes_generator(model)
        moving = spec.augmentation.active
        self.guide = None if teacher is None else Guide(teacher, self.inputs, moving=moving)
        self.terms = terms_of(Setup(spec, self.guide))
        parameters = [
            p for part in (model, *self.terms.values()) for p in part.parameters() if p.requires_grad
        ]
        kind = torch.optim.AdamW if spec.optimiser == "adamw" else torch.optim.Adam
        self.optimiser = kind(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self.generator = torch.Generator().manual_seed(spec.seed)
        self.epochs: list[Epoch] = []
        self.best_weights: dict[str, Tensor] = _copy(model.state_dict())

    def _rate(self, step: int) -> float:
        total = self.steps * self.spec.epochs
        rising = self.spec.warmup * total
        if step < rising:
            return (step + 1) / (rising + 1)
        if self.spec.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1.0, total - rising))))

    def one_epoch(self, progress: Progress | None) -> None:
        """One pass over the training part, then the validation part."""
        begin, rate = time.perf_counter(), float(self.schedule.get_last_lr()[0])
        order = torch.randperm(len(self.inputs), generator=self.generator)
        self.model.train()
        total, right = 0.0, 0
        for done, index in enumerate(torch.tensor_split(order, self.steps), start=1):
            loss, correct = self._step(index)
            total, right = total + loss * len(index), right + correct
            if progress is not None:
                first = len(self.epochs) * self.steps
                progress(first + done, self.steps * self.spec.epochs, self.note())
        inputs, labels = self.validation
        out = logits(self.model, inputs)
        self.epochs.append(
            Epoch(
                epoch=len(self.epochs) + 1,
                loss=total / len(order),
                accuracy=right / max(1, self.counting),
                validation_loss=float(cross_entropy(out, labels)),
                validation_accuracy=accuracy(out.argmax(1), labels, out.shape[1]),
                learning_rate=rate,
                seconds=time.perf_counter() - begin,
            )
        )
        if self.history().best.epoch == len(self.epochs):
            self.best_weights = _copy(self.model.state_dict())

    def _step(self, index: Tensor) -> tuple[float, int]:
        spec = self.spec
        inputs, labels = self.inputs[index], self.labels[index]
        if spec.augmentation.active:
            inputs, moved = augment(inputs, spec.augmentation, self.generator, labels=labels)
            labels = labels if moved is None else moved
        out = self.model(inputs, generator=self.generator) if self.noisy else self.model(inputs)
        done = self.schedule.last_epoch / (self.steps * spec.epochs)
        loss = self._loss(Seen(self.model, inputs, labels, out, index, done, self.guide))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise OpticsError(
                f"the loss became {value} in epoch {len(self.epochs) + 1}; use a smaller learning_rate than "
                f"{spec.learning_rate:g}."
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return value, int((out.detach().argmax(1) == labels).sum())

    def _loss(self, seen: Seen) -> Tensor:
        """The weighted sum of the terms."""
        total = seen.out.new_zeros(())
        for term in self.terms.values():
            weight = term.weight(seen.done)
            if weight > 0:
                total = total + weight * term.mean(seen).value
        return total

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
            "optimiser": self.optimiser.state_dict(),
            "schedule": {"last_epoch": self.schedule.last_epoch},
            "generator": self.generator.get_state(),
            "epochs": [e.row() for e in self.epochs],
            "best_weights": self.best_weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.last_epoch = int(state["schedule"]["last_epoch"])
        rate = self._rate(self.schedule.last_epoch) * self.spec.learning_rate
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.schedule._last_lr = [rate for _ in self.optimiser.param_groups]
        self.generator.set_state(state["generator"])
        self.epochs = [Epoch(**row) for row in state["epochs"]]
        self.best_weights = state["best_weights"]


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in state.items()}
