"""A teacher that the user brings, as a run's configuration names it, and the proof that it knows these images.

A teacher whose classes stand in another order, or that expects other values, answers all the same; a student learns
nonsense from it. So it is asked about the validation part first, and an accuracy near chance is an error that says what
the likely cause is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from distill.data.dataset import Dataset
from distill.training.teaching import logits
from networks.teachers.given import Adapted, module
from networks.teachers.program import load_program
from optics.errors import OpticsError
from optics.reading import sha256_of

if TYPE_CHECKING:
    from distill.job.config import TeacherConfig

_MOST_IMAGES = 1000  # of the validation part that it is asked about
_FREE = 0.1  # share by which answers at random agree better in the best order
_SIGMAS = 3.0  # standard errors above chance that an accuracy must have
_IMAGENET: dict[str, tuple[float, ...]] = {
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
_TRIED: dict[str, dict[str, tuple[float, ...]]] = {
    "teacher.mean = [0.485, 0.456, 0.406] and teacher.std = [0.229, 0.224, 0.225] (ImageNet's)": _IMAGENET,
    "teacher.mean = [0.5] and teacher.std = [0.5] (values from -1 to 1)": {"mean": (0.5,), "std": (0.5,)},
    "teacher.mean = [0.1307] and teacher.std = [0.3081] (MNIST's)": {"mean": (0.1307,), "std": (0.3081,)},
    "teacher.std = [0.00392157] (values from 0 to 255)": {"std": (1 / 255,)},
    "teacher.mean = [1.0] and teacher.std = [-1.0] (black and white exchanged)": {
        "mean": (1.0,),
        "std": (-1.0,),
    },
    "teacher.mean = [0.0] and teacher.std = [1.0] (values from 0 to 1)": {},
}


def given(
    config: TeacherConfig, names: Sequence[str], *, inner: nn.Module | None = None, **changes: Any
) -> Adapted:
    """The teacher that the configuration names, or `inner` in its place, for classes called `names`; in `eval` mode.

    Raises:
        OpticsError: it cannot be read, or its classes are not the data's.
    """
    if inner is None:
        if config.file is not None:
            inner = load_program(config.file)
        elif config.module is not None and config.weights is not None:
            inner = module(config.module, weights=config.weights, options=config.options)
        else:
            raise OpticsError(
                "this run's teacher was passed from Python (teacher.passed); pass it again: distill.run(..., "
                "teacher=...)."
            )
    told: dict[str, Any] = {"mean": config.mean, "std": config.std} | changes
    made = Adapted(
        inner, image_size=config.image_size, channels=config.channels, order=_order(config, names), **told
    )
    return made.eval()


def _order(config: TeacherConfig, names: Sequence[str]) -> list[int] | None:
    if config.classes is None:
        return None
    missing = [name for name in names if name not in config.classes]
    if missing:
        raise OpticsError(
            f"teacher.classes lacks {missing[0]!r}; it lists the teacher's classes in its own order, and must hold the "
            f"data's: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}."
        )
    return [config.classes.index(name) for name in names]


def digests(config: TeacherConfig) -> list[str | None]:
    """What a given teacher's result depends on beside its keys: the contents of the files that it names."""
    files = [config.file, None if config.module is None else config.module.rpartition(":")[0], config.weights]
    return [None if name is None else sha256_of(Path(name)) for name in files]


def digest_of(network: nn.Module) -> str:
    """sha256 of a network's kind and of all that its state dictionary holds."""
    total = hashlib.sha256(type(network).__qualname__.encode())
    for name, value in sorted(network.state_dict().items()):
        total.update(name.encode() + str(tuple(value.shape)).encode())
        total.update(value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def check(config: TeacherConfig, teacher: nn.Module, part: Dataset, what: str) -> float:
    """The share of the validation part's images (or pixels) that a given teacher gets right.

    Raises:
        OpticsError: hardly more than by chance; what the likely cause is.
    """
    some = part.labelled
    some = some.take(torch.arange(min(len(some), _MOST_IMAGES)))
    labels = some.labels.flatten()
    counts = labels >= 0
    right = _right(logits(teacher, some.images), some)
    total, most = int(counts.sum()), int(torch.bincount(labels[counts]).max())
    chance = max(1 / some.classes, most / total)
    limit = chance + _SIGMAS * math.sqrt(
        chance * (1 - chance) / min(total, len(some) if some.segmentation else total)
    )
    if right > limit or not config.check:
        return right
    raise OpticsError(
        f"{what} is right on {100 * right:.1f} % of {len(some)} validation images, where answering at random gives "
        f"{100 * chance:.1f} %. {_cause(config, teacher, some, max(limit, 2 * chance))} (teacher.check = false takes "
        "it as it is.)"
    )


def _right(answers: Tensor, part: Dataset) -> float:
    counts = part.labels >= 0
    return float((answers.argmax(1) == part.labels)[counts].double().mean())


def _cause(config: TeacherConfig, teacher: nn.Module, part: Dataset, enough: float) -> str:
    """The change that makes it right most often, or all that are likely."""
    found: list[tuple[float, str]] = []
    if isinstance(teacher, Adapted):
        for told, change in _TRIED.items():
            values = {"mean": (0.0,), "std": (1.0,)} | change
            other = given(config, part.class_names, inner=teacher.network, **values).to(teacher.mean.device)
            try:
                answers = logits(other, part.images)
            except (RuntimeError, ValueError):  # three means for one channel
                continue
            own = values == {"mean": config.mean, "std": config.std}
            share = _right(answers, part)
            found.append((share, f"With {told} it is right on {100 * share:.1f} %."))
            share, line = _reordered(answers, part)
            # a better order can be found for any answers: it must be worth more than another normalisation is
            found.append((share - _FREE, line if own else f"With {told}: {line}"))
    share, line = max(found, default=(0.0, ""))
    if share > enough:
        return line
    return (
        "Likely its classes stand in another order than the data's (teacher.classes lists them in its own), it expects "
        "other values (teacher.mean, teacher.std) or another size (teacher.image_size), or it was trained on other "
        "images."
    )


def _reordered(answers: Tensor, part: Dataset) -> tuple[float, str]:
    """The share that is right with the teacher's classes in the best order, and that in words."""
    truth, found = part.labels, answers.argmax(1)
    counts = truth >= 0
    table = torch.zeros(part.classes, part.classes)
    table.index_put_((truth[counts], found[counts]), torch.ones(()), accumulate=True)
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    share = float(table[torch.from_numpy(rows), torch.from_numpy(columns)].sum() / table.sum())
    order = [part.class_names[row] for _, row in sorted(zip(columns.tolist(), rows.tolist(), strict=True))]
    return share, (
        f"Its classes stand in another order than the data's: with teacher.classes = {order} it is right on "
        f"{100 * share:.1f} %."
    )
