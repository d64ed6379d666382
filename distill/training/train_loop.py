"""Training of teachers and students, epoch by epoch, that a `kill -9` cannot spoil.

After each epoch everything that the next one depends on (weights, optimiser, schedule, generator, history,
best weights so far) is written to `checkpoint.pt` under a temporary name and moved into place. A run that is
started again in the same directory goes on from there and ends with the same weights, bit for bit, as one
that was never stopped (on the same machine with the same number of threads).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from distill.data.dataset import Dataset
from distill.progress import told
from distill.training.checkpoint import digest_of, load_state, save_state
from distill.training.history import History
from distill.training.processes import ALONE, Processes, shared_statistics
from distill.training.run import Progress, Run
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide
from distill.training.trackers import OnEpoch
from optics.errors import OpticsError
from optics.files import write_csv
from optics.reading import home

CHECKPOINT, METRICS = "checkpoint.pt", "history.csv"


def train(
    model: nn.Module,
    train: Dataset,
    validation: Dataset,
    spec: TrainSpec,
    *,
    directory: str | Path,
    teacher: Guide | nn.Module | Tensor | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    processes: Processes = ALONE,
    beside: Mapping[str, str] | None = None,
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
            classes), or a `Guide` to either.
        resume: go on from a checkpoint in `directory`; False begins anew.
        progress: called as `progress(steps done, steps in all, note)`; by default a bar, where somebody watches.
        on_epoch: called with each new `Epoch`, for instance `trackers.tensorboard(directory)`.
        processes: who trains together, `Processes.joined()` under torchrun; only the first writes and calls `on_epoch`.
        beside: what else the training depends on, by a name for people, such as {"rig": "sim:truth.toml"}.

    Returns:
        The history of all epochs, the resumed ones included.

    Raises:
        OpticsError: the directory holds the checkpoint of another run, a student is for other images or classes than
            these, or a loss is not finite.
    """
    _check_fits(model, train)
    identity = {"train": train.digest(), "validation": validation.digest()}
    with told(progress, "Training", quiet=not processes.first) as tell:
        return fit(
            model,
            (train.images, train.labels),
            (validation.images, validation.labels),
            spec,
            directory=directory,
            teacher=teacher,
            identity=identity,
            resume=resume,
            progress=tell,
            on_epoch=on_epoch,
            processes=processes,
            beside=beside,
        )


def _check_fits(model: nn.Module, part: Dataset) -> None:
    """Raise OpticsError where a student says that it is for other images or classes than these."""
    classes = getattr(getattr(model, "backend", None), "classes", None)
    shape = getattr(model, "image_shape", None)
    binary = part.segmentation and classes == 1  # one channel: object against background
    if isinstance(classes, int) and classes != part.classes and not binary:
        raise OpticsError(
            f"the student tells {classes} classes apart and the images have {part.classes}; build it with "
            f"classes={part.classes}."
        )
    if isinstance(shape, tuple) and shape != part.image_shape:
        raise OpticsError(
            f"the student is for images of {shape} pixels and these have {part.image_shape}; build it with "
            f"image_shape={part.image_shape}, or load the data with size={shape}."
        )


def fit(
    model: nn.Module,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    spec: TrainSpec,
    *,
    directory: str | Path | None,
    teacher: Guide | nn.Module | Tensor | None = None,
    identity: dict[str, str] | None = None,
    resume: bool = True,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
    processes: Processes = ALONE,
    beside: Mapping[str, str] | None = None,
) -> History:
    """As `train`, for any tensors (inputs, labels) and without a directory (None: nothing is written).

    `identity` names what the run depends on beside `spec`, the teacher and the model's first weights; a checkpoint made
    with another is refused. So it is for what `beside` names, with that name in the message.
    """
    folder = None if directory is None else home(directory)
    with shared_statistics(model, processes):
        run = Run(model, train, validation, spec, teacher, processes)
        told = spec.model_dump(mode="json", exclude_defaults=True)  # a key of a later version changes nothing
        key = digest_of({"spec": told, **(identity or {})}, model)
        beside = (
            dict(beside or {}) | {"teacher": "none" if run.guide is None else run.guide.digest()}
            if folder
            else {}
        )

        def stored() -> dict[str, Any]:
            begun = folder is not None and resume and (folder / CHECKPOINT).is_file()
            return load_state(folder / CHECKPOINT, key, beside) if folder is not None and begun else {}

        state = processes.told(stored)
        if state:
            run.restore(state)
            _write_metrics(folder, run)  # it may have been stopped between the two
        while not run.finished:
            run.one_epoch(progress)
            if processes.first:
                if folder is not None:
                    save_state(folder / CHECKPOINT, key, run.state(), beside)
                _write_metrics(folder, run)
                if on_epoch is not None:
                    on_epoch(run.epochs[-1])
        model.load_state_dict(run.best_weights)
    model.eval()
    if progress is not None:
        progress(run.whole, run.whole, run.note())
    return run.history()


def _write_metrics(directory: Path | None, run: Run) -> None:
    if directory is not None and run.processes.first:
        write_csv(directory / METRICS, [e.row() for e in run.epochs])


def try_out(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    spec: TrainSpec,
    teacher: Guide | nn.Module | Tensor | None = None,
) -> None:
    """Work out one gradient on a few images, as `fit` would, and change no weights: what cannot be is told at once.

    Raises:
        OpticsError: as `fit`.
    """
    run = Run(model, (inputs, labels), (inputs, labels), spec.replace(batch_size=len(inputs)), teacher)
    run.try_out()
