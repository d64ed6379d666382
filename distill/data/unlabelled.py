"""Pictures that nobody labelled: labels hidden from a set, and images that come without any.

A lab has a few hundred labels and tens of thousands of pictures. The teacher learns from the labels that there are and
labels the rest for the student.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from distill.data import folders, hdf5
from distill.data.dataset import UNLABELLED, Dataset, Splits, limited_index
from distill.data.listing import entered, folders_in, pictures_below, read_pictures
from distill.data.parts import Options, by_part, part_called
from distill.data.pixels import paired, published
from distill.data.sources import find
from optics.errors import OpticsError
from optics.reading import home


def hide(splits: Splits, labelled: int | float, generator: torch.Generator, *, apart: bool = False) -> Splits:
    """The same images of which only so many have labels, class by class; the test part keeps its own.

    Training and validation part share the labels as they share the images. Images of the validation part that lose
    theirs go to the training part, where the teacher labels them; or nowhere, where they are of recordings held out.

    Args:
        splits: training, validation and test part.
        labelled: how many labels are left, or which share of them (below 1).
        generator: draws whose.
        apart: the validation part shows what training must not see (`data.held_out`).

    Raises:
        OpticsError: more labels than there are, or fewer than one of each class in both parts.
    """
    train, held = splits.train, splits.validation
    whole = len(train) + len(held)
    count = round(labelled * whole) if isinstance(labelled, float) else labelled
    least = 1 if train.segmentation else train.classes
    if not 2 * least <= count <= whole:
        raise OpticsError(
            f"data.labelled leaves {count} labels of {whole}; expected {2 * least} (one of each class to train on, and "
            f"one to choose the epoch) to {whole}."
        )
    for_choice = min(max(least, round(count * len(held) / whole)), len(held), count - least)
    known = limited_index(train.labels, count - for_choice, generator)
    chosen = limited_index(held.labels, for_choice, generator)
    labels = torch.full_like(train.labels, UNLABELLED)
    labels[known] = train.labels[known]
    rest = torch.ones(len(held), dtype=torch.bool)
    rest[chosen] = False
    train = replace(train, labels=labels)
    return replace(
        splits,
        train=train if apart else joined(train, held.images[rest]),
        validation=held.take(chosen),
    )


def joined(train: Dataset, images: Tensor) -> Dataset:
    """A training part with more images, which have no labels.

    Args:
        train: the labelled part.
        images: float32 (M, C, H, W).

    Raises:
        OpticsError: images of another size or number of channels.
    """
    if images.shape[1:] != train.images.shape[1:]:
        raise OpticsError(
            f"the unlabelled images are {tuple(images.shape[1:])} and the training images "
            f"{tuple(train.images.shape[1:])} (channels, H, W); set data.size, or data.grey."
        )
    labels = torch.full((len(images), *train.labels.shape[1:]), UNLABELLED, dtype=torch.int64)
    return replace(train, images=torch.cat((train.images, images)), labels=torch.cat((train.labels, labels)))


def pool(
    name_or_path: str | Path,
    options: Options,
    *,
    limit: int | None,
    generator: torch.Generator,
    cache: str | Path | None = None,
) -> Tensor:
    """Images of a source whose labels, if there are any, are not looked at, float32 (M, C, H, W).

    What `distill.data.load` reads does, of which the training part is taken; so does a folder of pictures without
    classes, and an HDF5 file or group with nothing but `images`.

    Args:
        name_or_path: the source.
        options: how images are read.
        limit: at most so many, drawn at random.
        generator: draws them.
        cache: see `distill.data.load`.

    Raises:
        OpticsError: no such source, or no images in it.
    """
    path = home(name_or_path)
    if path.suffix.lower() in hdf5.SUFFIXES and path.exists():
        part = hdf5.find_images(path, options)
    elif path.is_dir() and (own := _pictures(path, options)) is not None:
        count, folder = len(own[1]), own[0]
        index = limited_index(torch.zeros(count, dtype=torch.int64), limit, generator)
        return read_pictures(folder, [own[1][i] for i in index.tolist()], options)
    else:
        found = find(name_or_path, options, cache)
        names = by_part(list(found.parts), where=str(name_or_path))
        part = found.parts[names.get("train", next(iter(found.parts)))]
    return part.images(limited_index(torch.zeros(part.count, dtype=torch.int64), limit, generator))


def _pictures(folder: Path, options: Options) -> tuple[Path, list[Path]] | None:
    """The pictures of a folder at any depth, of its part `train` where it has one; None where they have masks."""
    folder = entered(folder)
    if any(known(folder, options) for known in (published.find_voc, published.find_carvana, paired.find)):
        return None
    train = [inner for inner in folders_in(folder) if part_called(inner.name) == "train"]
    files = pictures_below(train[0] if train else folder)
    return (folder, files[: folders.MOST_FILES]) if files else None
