"""A data set before it is read: which parts there are, how many images each has, and how to get chosen ones.

A reader gives `Found`; nothing but the labels of whole images has been read then, so that a limit limits reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.data import labels as answers
from distill.data.dataset import VOID, Dataset
from distill.data.labels import Classes, Ignore
from optics.checks import present
from optics.errors import OpticsError
from optics.reading import listed, shortened

NAMES = {
    "train": ("train", "training", "trn", "trainset", "train_set"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "testset", "test_set"),
}


_LONG = 40  # letters of a name that a message shows


@dataclass(frozen=True)
class Options:
    """How images and answers are to be read.

    size: (H, W) to resize to. grey: colour to grey. white: stored value of full white. axes: "nhwc" or "nchw" where an
    array's shape does not tell. target: which answers, where a source has several. subset: which of several sets in one
    file, by what their parts' names begin with.
    """

    size: tuple[int, int] | None = None
    grey: bool = False
    white: float | None = None
    axes: str | None = None
    target: str | None = None
    subset: str | None = None


@dataclass(frozen=True)
class Part:
    """One part of a data set.

    where: for messages, such as "digits.h5, train/labels". count: images. images: int64 index (M,) to float32
    (M, C, H, W). labels: of every image, as `labels.plain` gives them; None where each pixel has one. masks: index to
    labels of pixels (M, H, W). groups: int64 (N,) of images with masks, the same number where they show the same thing:
    wherever the part is cut they stay together. files: every image's file, by its
    path below the part's (or class's) folder, where images have one.
    """

    where: str
    count: int
    images: Callable[[Tensor], Tensor]
    labels: NDArray[Any] | None = None
    masks: Callable[[Tensor], NDArray[Any]] | None = None
    groups: Tensor | None = None
    files: Callable[[], Sequence[str]] | None = None

    def taken(self, index: Tensor) -> Part:
        """The images at `index`, int64 (M,), as a part of their own."""
        images, masks, files = self.images, self.masks, self.files

        def chosen(named: Callable[[], Sequence[str]]) -> Sequence[str]:
            every = named()
            return [every[i] for i in index.tolist()]

        return replace(
            self,
            count=len(index),
            images=lambda some: images(index[some]),
            labels=None if self.labels is None else self.labels[index.numpy()],
            masks=None if masks is None else lambda some: masks(index[some]),
            groups=None if self.groups is None else self.groups[index],
            files=None if files is None else lambda: chosen(files),
        )


@dataclass(frozen=True)
class Found:
    """What a source holds. parts: by their names there, or "all". names: class names where it has any."""

    parts: Mapping[str, Part]
    names: tuple[str, ...]
    source: str
    licence: str = "not stated"


def part_called(name: str) -> str | None:
    """The part that a folder's or group's name stands for, in any spelling: a key of `NAMES`; None for another name."""
    return next((part for part, spellings in NAMES.items() if name.lower() in spellings), None)


def by_part(names: Sequence[str], *, where: str) -> dict[str, str]:
    """Part to the name that stands for it.

    Raises:
        OpticsError: two names for one part, such as "val" and "valid".
    """
    found: dict[str, str] = {}
    for name in names:
        part = part_called(name)
        if part is None:
            continue
        if part in found:
            raise OpticsError(f"{where} has both {found[part]!r} and {name!r}, two {part} parts; keep one.")
        found[part] = name
    return found


def without_held_out(found: Found, beginnings: Sequence[str] | str) -> Found:
    """The same, the validation part being the training images whose files' names begin with one of `beginnings`.

    A recording's frames look alike: a network is judged by what carries over only where a whole one is held out. What
    shows the same thing stays together, see `Part.groups`.

    Args:
        found: what a source holds.
        beginnings: of names, or of paths below the part's or class's folder.

    Raises:
        OpticsError: the images have no names, no name begins so, or every name does.
    """
    wanted = (beginnings,) if isinstance(beginnings, str) else tuple(beginnings)
    name = "train" if "train" in found.parts else "all"
    part = found.parts[name]
    if part.files is None:
        raise OpticsError(
            f"{part.where}: its images have no file names, and data.held_out goes by them; leave it out."
        )
    files = list(part.files())
    held = torch.zeros(len(files), dtype=torch.bool)
    for beginning in wanted:
        these = [f.startswith(beginning) or f.rpartition("/")[2].startswith(beginning) for f in files]
        if not any(these):
            some = (
                listed([shortened(f, most=_LONG) for f in sorted(files)[:: max(1, len(files) // 3)]])
                or "none"
            )
            told = shortened(beginning, most=_LONG)
            raise OpticsError(
                f"{part.where}: no name begins with data.held_out = {told!r}; there are {some}."
            )
        held |= torch.tensor(these)
    if part.groups is not None:
        held = torch.isin(part.groups, part.groups[held])
    if bool(held.all()):
        raise OpticsError(
            f"{part.where}: data.held_out holds out all {len(files)} images; leave some to train on."
        )
    rest = replace(part.taken((~held).nonzero()[:, 0]), where=f"{part.where} without data.held_out")
    apart = replace(part.taken(held.nonzero()[:, 0]), where=f"{part.where} in data.held_out")
    others = {k: v for k, v in found.parts.items() if k not in (name, "validation")}
    return replace(found, parts={name: rest, "validation": apart, **others})


def check_kinds(parts: Mapping[str, Part]) -> None:
    """Raise OpticsError where the images of one part have a label each and the pixels of another."""
    whole = [part.where for part in parts.values() if part.masks is None]
    pixels = [part.where for part in parts.values() if part.masks is not None]
    if whole and pixels:
        raise OpticsError(
            f"{whole[0]} has a label for each image and {pixels[0]} one for each pixel; every part needs the same."
        )


@dataclass(frozen=True)
class Labelled:
    """A part of whole-image labels with the classes settled: `index` are the images that are not void."""

    part: Part
    index: Tensor
    labels: Tensor

    def read(self, chosen: Tensor, found: Found, classes: Classes) -> Dataset:
        """The images at `chosen` (of those that are not void)."""
        images = self.part.images(self.index[chosen])
        return Dataset(images, self.labels[chosen], classes.names, found.source, found.licence)


def settle(found: Found, *, ignore: Ignore = ()) -> tuple[dict[str, Labelled], Classes]:
    """Classes of a source whose images have one label each, and every part's labels; nothing else is read."""
    stored = {k: (p.where, p.labels) for k, p in found.parts.items() if p.labels is not None}
    classes = answers.reconcile(stored, found.names, ignore=ignore)
    parts = {}
    for name, (_, values) in stored.items():
        index = classes.index(values)
        kept = (index != VOID).nonzero()[:, 0]
        parts[name] = Labelled(found.parts[name], kept, index[kept])
    answers.check_parts({k: (p.part.where, p.labels) for k, p in parts.items()}, classes)
    return parts, classes


def read_pixels(found: Found, chosen: Mapping[str, Tensor], *, ignore: Ignore = ()) -> dict[str, Dataset]:
    """Chosen images of a source whose pixels have labels; a class may be in any part, or in none.

    Raises:
        OpticsError: masks that do not fit their images, or of one part all pixels are void.
    """
    stored = {}
    for name, index in chosen.items():
        part = found.parts[name]
        masks = present(part.masks, f"{part.where}: labels of pixels")
        stored[name] = (part.where, answers.plain(masks(index), where=part.where))
    classes = answers.reconcile(stored, found.names, ignore=ignore)
    made = {}
    for name, index in chosen.items():
        images, labels = found.parts[name].images(index), classes.index(stored[name][1])
        if images.shape[-2:] != labels.shape[-2:]:
            raise OpticsError(
                f"{found.parts[name].where}: masks are {tuple(labels.shape[-2:])} and images "
                f"{tuple(images.shape[-2:])} pixels; pass size=(H, W) to bring both to one size."
            )
        void = int((labels == VOID).sum())
        answers.check_pixels(found.parts[name].where, name, labels.numel() - void, void)
        made[name] = Dataset(images, labels, classes.names, found.source, found.licence)
    return made


def read_whole(found: Found, *, ignore: Ignore = ()) -> dict[str, Dataset]:
    """Every image of every part."""
    if any(p.masks is not None for p in found.parts.values()):
        return read_pixels(found, {k: torch.arange(p.count) for k, p in found.parts.items()}, ignore=ignore)
    parts, classes = settle(found, ignore=ignore)
    return {k: p.read(torch.arange(len(p.index)), found, classes) for k, p in parts.items()}
