"""A teacher that the user brings, as a run's configuration names it, and the proof that it knows these images.

A teacher whose classes stand in another order, or that expects other values, answers all the same; a student learns
nonsense from it. So it is asked about the validation part first, with training images where that is small. An accuracy
near chance is an error that says what the likely cause is, and so is one that is far better with the classes in another
order, with other values or in another size. Where one of these does better, but not surely or not by far, that is told.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from distill.data.dataset import VOID, Dataset
from distill.metrics.confusion import confusion_matrix
from distill.training.teaching import logits
from networks.teachers.given import Adapted, module
from networks.teachers.program import load_program
from optics.errors import OpticsError
from optics.reading import reason, sha256_of

if TYPE_CHECKING:
    from distill.job.config import TeacherConfig

_MOST_IMAGES = 1000  # of the validation part that it is asked about
_ENOUGH_IMAGES = 300  # up to so many training images are asked about with fewer
_TRIED_IMAGES = 250  # of those, for each way of changing their values
_SIGMAS_OF_BEST = 2.0  # by which answers at random agree better in the best order than by chance
_SIGMAS = 3.0  # standard errors above chance that an accuracy must have
_ABOVE_DOUBT = 0.95  # share that is right from which nothing else is tried
_LIKELY = (
    "Likely its classes stand in another order than the data's (teacher.classes lists them in its own), it expects "
    "other values (teacher.mean, teacher.std) or another size (teacher.image_size), or it was trained on other images."
)
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
_SIZES = (28, 32, 64, 96, 128, 224)  # pixels along an axis that published networks take
_PIXELS = 60 * 224 * 224  # at most, of all images that are asked about in another size


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
    told: dict[str, Any] = {"mean": config.mean, "std": config.std, "image_size": config.image_size} | changes
    made = Adapted(inner, channels=config.channels, order=_order(config, names), **told)
    return made.eval()


def copied(network: nn.Module) -> nn.Module:
    """A copy of a network that was passed: each training asks one of its own, and no hook or mode meets another's pass.

    Raises:
        OpticsError: it cannot be copied.
    """
    try:
        return copy.deepcopy(network)
    except Exception as error:  # a network of the user's own may hold anything
        raise OpticsError(
            f"the teacher that was passed cannot be copied ({reason(error)}), and each training asks its own copy; "
            "give it as teacher.file or teacher.module."
        ) from error


def _order(config: TeacherConfig, names: Sequence[str]) -> list[int] | None:
    if config.classes is None:
        return None
    missing = [name for name in names if name not in config.classes]
    if missing:
        raise OpticsError(
            f"teacher.classes lacks {missing[0]!r}; it lists the teacher's classes in its own order, and must hold the "
            f"data's: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}."
        )
    twice = [name for k, name in enumerate(config.classes) if name in config.classes[:k]]
    if twice:
        raise OpticsError(
            f"teacher.classes holds {twice[0]!r} twice; it lists the teacher's classes, each once."
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
        # by its bytes: numpy knows no bfloat16
        total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


@dataclass(frozen=True)
class _Change:
    """A way of asking the teacher: the share that is right so, in words, and whether that is better than by chance."""

    share: float
    line: str
    better: bool


def check(
    config: TeacherConfig,
    teacher: nn.Module,
    part: Dataset,
    what: str,
    *,
    training: Dataset | None = None,
    tell: Callable[[str], None] | None = None,
) -> float:
    """The share of the validation part's images (or pixels) that a given teacher gets right, the mean of the classes.

    A class counts as much as another, so that rare ones matter and an answer that is always the same is worth what
    chance is. Where one class alone is labelled nothing can be told.

    Args:
        config: what the run says of it.
        teacher: the network.
        part: the validation part.
        what: what errors call it.
        training: whose labelled images it is also asked about where the validation part has few.
        tell: told that share, and of a change that would do better, but not surely or not by far.

    Raises:
        OpticsError: hardly more than by chance, far less than with its classes in another order, with other values or
            in another size, or no numbers; what the likely cause is.
    """
    own = _some(part.labelled, _MOST_IMAGES)
    some = _filled(own, training)
    answers = logits(teacher, some.images)
    if not bool(answers.isfinite().all()):
        raise OpticsError(f"{what} answers with numbers that are not finite; its weights are damaged.")
    figure = _right(answers[: len(own)], own)
    right, counted = _right(answers, some), _images_of_classes(some)
    of = f"{len(some)} {'training and ' if len(some) > len(own) else ''}validation images{_of_classes(some)}"
    note = f"{what} is right on {100 * figure:.1f} % of {len(own)} validation images{_of_classes(own)}."
    if config.check and len(counted) > 1:
        chance = 1 / len(counted)
        error = chance * math.sqrt(sum(chance * (1 - chance) / n for n in counted))
        limit = min(chance + _SIGMAS * error, (1 + chance) / 2)
        tried = [] if right > _ABOVE_DOUBT else _changes(config, teacher, answers, some, lost=right <= limit)
        best = max(tried, key=lambda change: change.share, default=_Change(right, "", better=False))
        far = best.share - right >= _SIGMAS * error and 1 - best.share <= (1 - right) / 2
        if right <= limit or far:
            why = "" if right > limit else f", where answering at random gives {100 * chance:.1f} %"
            raise OpticsError(
                f"{what} is right on {100 * right:.1f} % of {of}{why}. "
                f"{best.line if best.share > max(limit, 2 * chance) else _LIKELY} "
                "(teacher.check = false takes it as it is.)"
            )
        better = max((c for c in tried if c.better), key=lambda change: change.share, default=None)
        if better is not None:
            note = (
                f"{what} is right on {100 * right:.1f} % of {of}. Perhaps it could do better: {better.line} That may "
                "be chance, or little; the run goes on."
            )
    if tell is not None:
        tell(note)
    return figure


def _filled(part: Dataset, training: Dataset | None) -> Dataset:
    """The images of a small validation part and behind them labelled ones of the training part, until they do."""
    missing = _ENOUGH_IMAGES - len(part)
    if training is None or missing <= 0 or len(training.labelled) == 0:
        return part
    more = _some(training.labelled, missing)
    return replace(
        part, images=torch.cat((part.images, more.images)), labels=torch.cat((part.labels, more.labels))
    )


def _some(part: Dataset, most: int) -> Dataset:
    """So many of its images, wherever they stand: sets are often in the order of their classes."""
    return part.take(_which(len(part), most))


def _which(count: int, most: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].sort().values


def _of_classes(part: Dataset) -> str:
    counted = torch.bincount(part.labels[part.labels >= 0], minlength=part.classes)
    return "" if len(counted[counted > 0].unique()) == 1 else ", all classes counting alike"


def _images_of_classes(part: Dataset) -> list[int]:
    """How many images show each class that there is."""
    shown = (int((part.labels == c).reshape(len(part), -1).any(1).sum()) for c in range(part.classes))
    return [n for n in shown if n]


def _right(answers: Tensor, part: Dataset) -> float:
    return _share(_table(answers, part))


def _table(answers: Tensor, part: Dataset) -> Tensor:
    """Share of each true class (rows) that was answered by each class; without the classes that are not there."""
    counts = confusion_matrix(
        answers.argmax(1), part.labels.where(part.labels >= 0, VOID), part.classes
    ).double()
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def _share(table: Tensor) -> float:
    return float(table.diagonal().sum() / (table.sum(1) > 0).sum())


def _gains(answers: Tensor, before: Tensor, part: Dataset) -> bool:
    """Whether answers are right more often than others to the same images, by more than chance."""
    known = (part.labels >= 0).reshape(len(part), -1)
    new, old = ((a.argmax(1) == part.labels).reshape(len(part), -1).double() for a in (answers, before))
    gain = ((new - old) * known).sum(1) / known.sum(1).clamp(min=1)
    spread = float(gain.std(correction=0)) / math.sqrt(len(part))
    return float(gain.mean()) > _SIGMAS_OF_BEST * spread and _right(answers, part) > _right(before, part)


def _changes(
    config: TeacherConfig, teacher: nn.Module, answers: Tensor, part: Dataset, *, lost: bool
) -> list[_Change]:
    """What each change makes of the teacher.

    lost: it answers at random; then every size is tried with all values, else with those alone that help.
    """
    right = _right(answers, part)
    found = _reordered(answers, part, right)
    if not isinstance(teacher, Adapted):
        return found

    def asked(some: Dataset, **changes: Any) -> Tensor | None:
        other = given(config, part.class_names, inner=teacher.network, **changes).to(teacher.mean.device)
        try:
            return logits(other, some.images)
        except (RuntimeError, ValueError):  # three means for one channel, or layers of another size
            return None

    which = _which(len(part), _TRIED_IMAGES)
    few, before = part.take(which), answers[which]
    also: dict[str, tuple[float, dict[str, Any]]] = {"": (right, {})}
    for told, change in _TRIED.items():
        values = {"mean": (0.0,), "std": (1.0,)} | change
        if values == {"mean": config.mean, "std": config.std} or (got := asked(few, **values)) is None:
            continue
        share = _right(got, few)
        also[f"{told} and "] = (share, values)
        line = f"With {told} it is right on {100 * share:.1f} %."
        found.append(_Change(share, line, _gains(got, before, few)))
        found += [replace(c, line=f"With {told}: {c.line}") for c in _reordered(got, few, right)]
    if not lost:
        best = max(also, key=lambda name: also[name][0])
        also = {"": also[""], best: also[best]}
    sizes = [] if part.segmentation else _SIZES  # pixels are answered in any
    for n in (n for n in sizes if (n, n) != (config.image_size or part.image_shape)):
        some = _some(part, min(_TRIED_IMAGES, _PIXELS // n**2))
        for told, (_, values) in also.items():
            if (got := asked(some, image_size=(n, n), **values)) is not None:
                share = _right(got, some)
                free = (2 if told else 1) * _SIGMAS_OF_BEST * math.sqrt(share * (1 - share) / len(some))
                line = f"With {told}teacher.image_size = [{n}, {n}] it is right on {100 * share:.1f} %."
                found.append(_Change(share - free, line, share - free > right))
    return found  # of those that are as good the first is told


def _reordered(answers: Tensor, part: Dataset, right: float) -> list[_Change]:
    """The share that is right with the teacher's classes in the best order, less what chance gives; none for their own.

    A better order can be found for any wrong answers, the better the fewer images a class has.
    """
    table, counted = _table(answers, part), _images_of_classes(part)
    free = (1 - _share(table)) * _SIGMAS_OF_BEST * math.sqrt((1 - 1 / len(counted)) / sum(counted))
    rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
    if (rows == columns).all():
        return []
    share = _share(table[:, torch.from_numpy(columns)])
    order = [part.class_names[row] for _, row in sorted(zip(columns.tolist(), rows.tolist(), strict=True))]
    line = (
        f"Its classes stand in another order than the data's: with teacher.classes = {order} it is right on "
        f"{100 * share:.1f} %."
    )
    return [_Change(share - free, line, share - free > right)]
