"""How well a network does: off the bench, on it over many noise draws, and on it with its back end fitted anew.

A *draw* is one pass of all images through the bench with its own random stream: one exposure of every image. The
spread is the standard deviation between draws; it is the noise's, not the uncertainty of having few test images.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from distill.data.dataset import Dataset
from distill.metrics.confusion import confusion_matrix
from distill.metrics.row import Row
from distill.metrics.tasks import Classes, Pixels, Task
from distill.progress import told
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide, logits
from distill.training.trackers import OnEpoch
from distill.training.train_loop import Progress, fit
from networks.onbench.network import OnBench
from optics.checks import OpticsError
from optics.devices import device_of
from optics.modules import evaluating

_BATCH = 1000


def evaluate(model: nn.Module, data: Dataset, *, batch_size: int = _BATCH) -> Row:
    """Accuracy, or mean IoU of pixels, without noise: one draw, no spread."""
    _some(data)
    task = _task(data)
    return task.row(task.answers(model, data.images, batch_size)[None], data, None)


def evaluate_draws(
    on_bench: OnBench,
    data: Dataset,
    *,
    draws: int = 10,
    seed: int = 0,
    batch_size: int = _BATCH,
    progress: Progress | None = None,
) -> Row:
    """Accuracy on a bench, or mean IoU of pixels: mean and spread over independent noise draws.

    Args:
        on_bench: `student.on(bench, image_shape=...)`.
        data: images with their labels.
        draws: how many.
        seed: of the first draw; draw `k` has the same noise whichever bench or network it meets.
        batch_size: images at a time; part of what the seed means.
        progress: called as `progress(draws done, draws, note)`; by default a bar, where somebody watches.

    Raises:
        OpticsError: no draws, or no images.
    """
    _some(data)
    with told(progress, "Exposing every image") as tell:
        features = record_features(
            on_bench, data.images, draws=draws, seed=seed, batch_size=batch_size, progress=tell
        )
    task = _task(data)
    return task.row(answers_from(task, on_bench.backend, features), data, None)


def predictions_from(backend: nn.Module, features: Tensor) -> Tensor:
    """Predicted classes (draws, N, ...) int64 that electronics gives for features (draws, N, maps, by, bx)."""
    return logits(backend, features.flatten(0, 1)).argmax(1).unflatten(0, features.shape[:2])


def answers_from(task: Task, backend: nn.Module, features: Tensor) -> Tensor:
    """A task's answers (draws, N, ...) that electronics gives for features (draws, N, maps, by, bx)."""
    return task.answers(backend, features.flatten(0, 1), _BATCH).unflatten(0, features.shape[:2])


def record_features(
    on_bench: OnBench,
    images: Tensor,
    *,
    draws: int,
    seed: int = 0,
    batch_size: int = _BATCH,
    progress: Progress | None = None,
) -> Tensor:
    """What the electronics gets from the bench, (draws, N, maps, by, bx), one exposure a draw; where the images are.

    The light that every pixel expects is computed once where nothing in it is drawn (an SLM without flicker); only
    the camera then differs between draws.
    """
    if draws < 1:
        raise OpticsError(f"draws is {draws}; use at least 1, and 10 for a spread.")
    generators = [torch.Generator().manual_seed(seed + k) for k in range(draws)]
    steady = on_bench.bench.slm.flicker == 0.0
    parts = images.split(batch_size)
    device = device_of(on_bench)
    per_draw: list[list[Tensor]] = [[] for _ in range(draws)]
    done = 0
    with evaluating(on_bench), torch.no_grad():
        for part in parts:
            shown = part.to(device)
            light = on_bench.expected(shown) if steady else None
            for k, generator in enumerate(generators):
                per_draw[k].append(_one_exposure(on_bench, shown, light, generator).to(images.device))
                done += 1
                if progress is not None:
                    progress(done, draws * len(parts), f"{draws} exposures of every image")
    return torch.stack([torch.cat(p) for p in per_draw])


def _one_exposure(
    on_bench: OnBench, images: Tensor, light: Tensor | None, generator: torch.Generator
) -> Tensor:
    if light is None:
        return on_bench.features(images, generator=generator)
    return on_bench.features_of(on_bench.record(light, generator=generator))


def confusion(
    model: nn.Module, data: Dataset, *, draws: int = 1, seed: int | None = None, batch_size: int = _BATCH
) -> Tensor:
    """Counts (classes, classes) int64: row is the true class, column the predicted one, all draws together.

    Args:
        model: any model, or one on a bench.
        data: images (or pixels) with their labels.
        draws: noise draws; more than one only on a bench.
        seed: of the noise, as in `evaluate_draws`; None is without noise, once.
        batch_size: images at a time.
    """
    _some(data)
    if seed is not None and isinstance(model, OnBench):
        features = record_features(model, data.images, draws=draws, seed=seed, batch_size=batch_size)
        predictions = predictions_from(model.backend, features)
    else:
        predictions = logits(model, data.images, batch_size).argmax(1)[None]
    return confusion_matrix(predictions, data.labels, data.classes)


def refit_backend(
    on_bench: OnBench,
    train: Dataset,
    validation: Dataset,
    spec: TrainSpec,
    *,
    teacher: nn.Module | None = None,
    seed: int = 0,
    draws: int = 1,
    directory: str | Path | None = None,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
) -> OnBench:
    """The same network on the same bench with its back end trained on what the bench's camera really gives.

    Every training image is exposed `draws` times; after that the optics are not asked again. The back end starts from
    its present weights.

    Args:
        on_bench: stays as it is.
        train: images that are shown on the bench.
        validation: images that choose the epoch, one exposure each.
        spec: how the back end is trained; images are not moved, so its augmentation must be off.
        teacher: teaches as in `distill.training.train_loop`.
        seed: of the noise.
        draws: exposures of every training image.
        directory: receives the checkpoint and the metrics.
        progress: see `distill.training.train_loop`.
        on_epoch: called with each new `Epoch`.

    Returns:
        A new network on the bench; `.backend` is what changed.

    Raises:
        OpticsError: the augmentation is on.
    """
    if spec.moves.active:
        raise OpticsError(
            "exposures from a bench are not moved or mixed; set the refit's augmentation to zero and leave "
            "function_matching out."
        )
    train = train.labelled if teacher is None else train
    guide = None if teacher is None else Guide(teacher, train.images, moving=False)
    exposures = record_features(on_bench, train.images, draws=draws, seed=seed)
    held_out = record_features(on_bench, validation.images, draws=1, seed=seed + draws)
    backend = copy.deepcopy(on_bench.backend)
    for parameter in backend.parameters():
        parameter.requires_grad_(True)
    with told(progress, "Fitting the back end") as tell:
        fit(
            backend,
            (exposures.flatten(0, 1), _repeated(train.labels, draws)),
            (held_out[0], validation.labels),
            spec,
            directory=directory,
            teacher=guide,
            identity={
                "train": train.digest(),
                "validation": validation.digest(),
                "bench": on_bench.bench.model_dump_json(),
                "noise": f"{seed} {draws}",
            },
            progress=tell,
            on_epoch=on_epoch,
        )
    return on_bench.with_backend(backend).eval()


def _repeated(values: Tensor, draws: int) -> Tensor:
    return values.repeat(draws, *[1] * (values.ndim - 1))


def _task(data: Dataset) -> Task:
    """What is asked of a network that answers with classes."""
    return Pixels() if data.segmentation else Classes()


def _some(data: Dataset) -> None:
    if len(data) == 0:
        raise OpticsError("there are no images to evaluate.")
