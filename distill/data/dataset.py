"""What every data source gives: images with their answers, split into training, validation and test parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from optics.checks import OpticsError, ShapeError
from optics.notebook import image, table, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VOID = -100  # label of pixels that count nowhere; the number that PyTorch's losses leave out by default
UNLABELLED = -101  # label of what nobody labelled: only a teacher has an answer for it


def counted(count: int, one: str, many: str) -> str:
    """`1 class`, `2 classes`."""
    return f"{count} {one if count == 1 else many}"


@dataclass(frozen=True, repr=False)
class Dataset:
    """Images and their answers.

    Attributes:
        images: float32 (N, C, H, W) in [0, 1], field amplitudes on the display.
        labels: int64 class of each image (N,), or of each pixel (N, H, W) for segmentation; there
            VOID is a pixel that counts in no loss and no metric. UNLABELLED is an image (or all of its pixels) that
            nobody labelled: no label's loss and no metric counts it, a teacher's does.
        class_names: label `i` is `class_names[i]`.
        source: where the images come from.
        licence: under which terms.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    source: str
    licence: str = "not stated"

    def __post_init__(self) -> None:
        """Check shapes, types and ranges."""
        if self.images.ndim != 4 or self.images.dtype != torch.float32:
            raise ShapeError(
                f"images have shape {tuple(self.images.shape)} and type {self.images.dtype}, expected "
                "float32 (N, C, H, W) in [0, 1]."
            )
        wanted = (len(self.images), *(() if self.labels.ndim == 1 else tuple(self.images.shape[-2:])))
        if tuple(self.labels.shape) != wanted or self.labels.dtype != torch.int64:
            raise ShapeError(
                f"labels have shape {tuple(self.labels.shape)} and type {self.labels.dtype}, expected int64 "
                f"({len(self.images)},), or (N, H, W) like the images."
            )
        if len(self.images):
            low, high = float(self.images.min()), float(self.images.max())
            if not (low >= 0 and high <= 1):
                raise OpticsError(
                    f"images range from {low:g} to {high:g}, expected within [0, 1]; rescale them."
                )
            known = self.labels[
                (self.labels != UNLABELLED) & ((self.labels != VOID) | (self.labels.ndim == 1))
            ]
            first, last = (int(known.min()), int(known.max())) if known.numel() else (0, -1)
            if first < 0 or last >= len(self.class_names):
                raise OpticsError(
                    f"labels range from {first} to {last}, expected 0 to {len(self.class_names) - 1} as "
                    f"there are {len(self.class_names)} class names."
                )

    def __repr__(self) -> str:
        """How many images of which size and kind, from where."""
        of = "pixels of " if self.segmentation else ""
        return (
            f"Dataset({len(self)} images of {self.channels} x {self.image_shape[0]} x {self.image_shape[1]}, "
            f"{of}{counted(self.classes, 'class', 'classes')}, from {self.source!r})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: these words, how many images each class has, and some of them."""
        some = "" if len(self) == 0 else image(self.figure(), about="some images, a class a column")
        if self.segmentation:
            return words(repr(self)) + some
        counts = torch.bincount(self.labels[self.labels >= 0], minlength=self.classes).tolist()
        rows = [[name, str(count)] for name, count in zip(self.class_names, counts, strict=True)]
        most = 12
        rest = [[f"and {len(rows) - most} more", str(sum(counts[most:]))]] if len(rows) > most else []
        return words(repr(self)) + some + table(["class", "images"], [*rows[:most], *rest])

    def figure(self, *, columns: int = 8) -> Figure:
        """The first image of each of the first classes; of pixels or faces simply the first images."""
        from optics.plots import charts

        if self.segmentation:
            chosen = list(range(min(columns, len(self))))
        else:
            found = [(self.labels == c).nonzero()[:1, 0].tolist() for c in range(self.classes)]
            chosen = [i for few in found for i in few][:columns]
        names = ["" if self.segmentation else self.class_names[int(self.labels[i])] for i in chosen]
        return charts.strip([self.images[i] for i in chosen], names)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.images.shape[-2], self.images.shape[-1]

    @property
    def channels(self) -> int:
        """Colour channels."""
        return self.images.shape[1]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def segmentation(self) -> bool:
        """Whether every pixel has a class."""
        return self.labels.ndim == 3

    def take(self, index: Tensor) -> Dataset:
        """The images at `index`, int64 (M,)."""
        return replace(self, images=self.images[index], labels=self.labels[index])

    @property
    def labelled(self) -> Dataset:
        """The images that have labels; these themselves where all have."""
        has = (self.labels != UNLABELLED).reshape(len(self), -1).any(1)
        return self if bool(has.all()) else self.take(has.nonzero()[:, 0])

    def repeated(self, count: int) -> Dataset:
        """`count` images, these over and over: as many steps in an epoch as a larger set has."""
        return self.take(torch.arange(count) % len(self))

    def with_images(self, images: Tensor) -> Dataset:
        """The same answers with other images, float32 (N, C, H, W)."""
        return replace(self, images=images)

    def digest(self) -> str:
        """sha256 of pixels and labels: tells whether a run continues on the data it began with."""
        total = hashlib.sha256()
        for part in (self.images, self.labels):
            total.update(str(tuple(part.shape)).encode())
            total.update(part.contiguous().numpy().tobytes())
        return total.hexdigest()


@dataclass(frozen=True, repr=False)
class Splits:
    """Training, validation and test parts of one data set; the test part is looked at once, at the end."""

    train: Dataset
    validation: Dataset
    test: Dataset

    def __repr__(self) -> str:
        """A line a part."""
        return "\n".join(f"{name:<11}{part!r}" for name, part in vars(self).items())

    def _repr_html_(self) -> str:
        """What a notebook shows: a line a part, and some training images."""
        return words(repr(self)) + self.train._repr_html_()


def stratified(
    labels: Tensor,
    share: float,
    generator: torch.Generator,
    *,
    names: Sequence[str] = (),
    groups: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Split indices so that each class gives about `share` of its images, at least one, to the second part.

    Args:
        labels: (N,) classes; per-pixel labels (N, H, W) are split without regard to class.
        share: of each class, between 0 and 1.
        generator: draws which.
        names: of the classes, for the message; their numbers without.
        groups: (N,) what each image shows; whole groups are split, without regard to class. None: every image is alone.

    Returns:
        (rest, chosen), int64, each ascending.

    Raises:
        OpticsError: the share is not between 0 and 1, or a class has a single image, or there is a single group.
    """
    if not 0 < share < 1:
        raise OpticsError(f"the validation share is {share:g}; expected between 0 and 1, such as 0.1.")
    if groups is not None:
        kinds, of = groups.unique(return_inverse=True)
        if len(kinds) < 2:
            told = (
                f"all {len(of)} images show one thing" if len(of) > 1 else f"there is {len(of) or 'no'} image"
            )
            raise OpticsError(f"{told}; at least 2 are needed to split them.")
        rest, chosen = stratified(torch.zeros_like(kinds), share, generator)
        return torch.isin(of, rest).nonzero()[:, 0], torch.isin(of, chosen).nonzero()[:, 0]
    classes = labels if labels.ndim == 1 else torch.zeros(len(labels), dtype=torch.int64)
    picked = []
    for value in classes.unique():
        members = (classes == value).nonzero()[:, 0]
        if len(members) < 2:
            name = repr(names[int(value)]) if names else int(value)
            raise OpticsError(f"class {name} has {len(members)} image; at least 2 are needed to split it.")
        count = min(max(1, round(share * len(members))), len(members) - 1)
        picked.append(members[torch.randperm(len(members), generator=generator)[:count]])
    taken = torch.zeros(len(labels), dtype=torch.bool)
    taken[torch.cat(picked)] = True
    return (~taken).nonzero()[:, 0], taken.nonzero()[:, 0]


def limited_index(labels: Tensor, limit: int | None, generator: torch.Generator) -> Tensor:
    """At most `limit` indices, ascending, drawn class by class so that each class keeps its share, at least one image.

    Args:
        labels: (N,) classes; per-pixel labels (N, H, W) are drawn without regard to class.
        limit: None takes all.
        generator: draws which.
    """
    count = len(labels)
    if limit is None or limit >= count:
        return torch.arange(count)
    if limit < 1:
        raise OpticsError(f"limit is {limit}; use a positive number of images.")
    order = torch.randperm(count, generator=generator)
    if labels.ndim == 1:
        # the first image of every class comes first, then each class goes on as fast as it is frequent
        drawn = labels[order]
        rank = torch.zeros(count, dtype=torch.float64)
        for value in drawn.unique():
            members = (drawn == value).nonzero()[:, 0]
            rank[members] = torch.arange(len(members), dtype=torch.float64) / len(members)
        order = order[torch.argsort(rank, stable=True)]
    return order[:limit].sort().values


def limited(data: Dataset, limit: int | None, generator: torch.Generator) -> Dataset:
    """At most `limit` images of a data set; see `limited_index`."""
    if limit is None or limit >= len(data):
        return data
    return data.take(limited_index(data.labels, limit, generator))


def in_runs(labels: Tensor) -> bool:
    """Whether labels (N,) stand class by class: neighbours differ less than half as often as in a random order."""
    if len(labels) < 3:
        return False
    shares = labels.unique(return_counts=True)[1].double() / len(labels)
    expected = (len(labels) - 1) * float(1 - shares.square().sum())
    return float((labels[1:] != labels[:-1]).sum()) < expected / 2
