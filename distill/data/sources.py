"""One way to load images, whatever they are stored in: `load("digits")`, `load("cifar10.h5")`, a folder.

| what is given | how it is read |
|---|---|
| `digits` | the MNIST subset shipped in the package: 5000 training and 1000 test images |
| `mnist`, `fashion-mnist`, `cifar10`, `cifar100` | downloaded once from their public address, sha256 checked |
| `*.h5`, `*.hdf5` | `distill.data.hdf5`: arrays, JPEG files, segmentation masks |
| a folder of idx files, or one that holds such a folder | `distill.data.idx` |
| CIFAR's folder or `.tar.gz`, binary or python version | `distill.data.cifar` |
| `*.npz`, or a folder of `.npy` files | `distill.data.arrays` |
| a folder with one subfolder per class, or `train/` and `test/` with such | `distill.data.folders` |
| a folder with `images/` and `masks/` | `distill.data.pixels.paired` |

`docs/data.md` states every rule. What is taken is chosen by the labels, before any image is read.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from distill.data import arrays, cifar, download, folders, hdf5, idx
from distill.data.dataset import Dataset, Splits, in_runs, limited_index, stratified
from distill.data.labels import Ignore
from distill.data.parts import (
    Found,
    Options,
    Part,
    by_part,
    check_kinds,
    read_pixels,
    settle,
    without_held_out,
)
from optics.checks import present
from optics.errors import OpticsError
from optics.reading import exists, home, listed, quoted, regular_file

__all__ = ["Dataset", "Splits", "find", "load", "names"]

_FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
SHARE = 0.1  # of the training part, for validation
_ORDER = 20260  # seed of the order of parts that are stored class by class


def names() -> tuple[str, ...]:
    """Data sets that `load` knows by name."""
    return ("digits", *sorted(download.SETS))


def load(
    name_or_path: str | Path,
    *,
    validation: float = SHARE,
    seed: int = 0,
    limit: int | None = None,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    target: str | None = None,
    ignore: Ignore = (),
    axes: str | None = None,
    white: float | None = None,
    subset: str | None = None,
    strangers: int | None = None,
    held_out: Sequence[str] | str = (),
    cache: str | Path | None = None,
) -> Splits:
    """Training, validation and test parts of a data set.

    The validation part is cut from the training part, class by class, by a generator with `seed`; a set that
    brings its own (a group or folder `val`) keeps it. A folder of classes without `train` and `test` gives
    its test part the same way first, with the same share. A part that is stored class by class is put in another
    order, always the same, so that its first images show every class.

    Args:
        name_or_path: one of `names()`, or the path of a file or folder; see the table above.
        validation: share of the training part, between 0 and 1.
        seed: of the split and of `limit`'s draw.
        limit: at most so many images of the training part (before the cut) and of the test part; others are not read.
        size: (H, W) to resize to; None keeps the pictures' own.
        grey: turn colour to grey.
        target: which answers, where a source has several: HDF5's key, such as "masks_multi" (None takes "labels", else
            "masks"); EMNIST's set; CIFAR-100's "fine" or "coarse"; the folder of the masks.
        ignore: stored labels, or names of classes, that count nowhere; see `distill.data.labels`.
        axes: "nhwc" or "nchw" of arrays whose shape does not tell.
        white: stored value of full white; None is what the sample type holds.
        subset: of an HDF5 file with several sets, the one whose groups are called "SUBSET_train", "SUBSET_test".
        strangers: so many classes, drawn with `seed`, whose images of every part become the test part, under class
            names of their own; training and validation share the images of all other classes.
        held_out: what the names of some training images' files begin with, such as a recording's: they are the
            validation part, in place of a share and of one that the set brings.
        cache: where downloads are kept; None is `~/.cache/spectral-cascade`.

    Raises:
        OpticsError: unknown name, unreadable or incomplete data; one line that says what is missing.
    """
    options = Options(size=size, grey=grey, white=white, axes=axes, target=target, subset=subset)
    found = find(name_or_path, options, cache)
    where = str(name_or_path)
    if "all" not in found.parts:
        parts = by_part(list(found.parts), where=where)
        for part in ("train", "test"):
            if part not in parts:
                raise OpticsError(
                    f"{where} has no {part!r} part; it has {', '.join(map(repr, found.parts)) or 'none'}."
                )
        kept = {part: found.parts[name] for part, name in parts.items()}
        found = Found(kept, found.names, found.source, found.licence)
    if held_out and strangers is not None:
        raise OpticsError(
            "data.held_out and data.strangers both say who is left out of training; give one of them."
        )
    found = without_held_out(found, held_out) if held_out else found
    check_kinds(found.parts)
    splits = _whole_image_splits if all(p.masks is None for p in found.parts.values()) else _pixel_splits
    made = splits(found, ignore, validation, limit, torch.Generator().manual_seed(seed))
    _check_alike(where, made)
    whole = Splits(made["train"], made["validation"], made["test"])
    return whole if strangers is None else _strangers(where, whole, strangers, validation, seed)


def _strangers(where: str, splits: Splits, count: int, validation: float, seed: int) -> Splits:
    """All images of `count` classes as the test part; those of the others, class by class, for the rest."""
    first = splits.train
    if first.segmentation or count > first.classes - 2:
        has = "one class per pixel" if first.segmentation else f"{first.classes} classes"
        raise OpticsError(
            f"data.strangers is {count} and {where} has {has}; it takes whole classes out of training, at least two "
            "must stay."
        )
    parts = (splits.train, splits.validation, splits.test)
    images, labels = torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts])
    generator = torch.Generator().manual_seed(seed)
    unseen = torch.randperm(first.classes, generator=generator)[:count].sort().values
    away = torch.isin(labels, unseen)
    rest, chosen = stratified(labels[~away], validation, generator, names=first.class_names)

    def part(which: Tensor, index: Tensor) -> Dataset:
        kinds, renamed = labels[which].unique(return_inverse=True)
        names = tuple(first.class_names[k] for k in kinds.tolist())
        return Dataset(images[which][index], renamed[index], names, first.source, first.licence)

    return Splits(part(~away, rest), part(~away, chosen), part(away, torch.arange(int(away.sum()))))


def _whole_image_splits(
    found: Found, ignore: Ignore, validation: float, limit: int | None, generator: torch.Generator
) -> dict[str, Dataset]:
    parts, classes = settle(found, ignore=ignore)
    labels = {name: part.labels for name, part in parts.items()}
    chosen = chosen_of(labels, validation, limit, generator, names=classes.names)
    made = {}
    for part, (name, index) in chosen.items():
        if in_runs(labels[name][index]):
            index = index[torch.randperm(len(index), generator=torch.Generator().manual_seed(_ORDER))]
        made[part] = parts[name].read(index, found, classes)
    return made


def _pixel_splits(
    found: Found, ignore: Ignore, validation: float, limit: int | None, generator: torch.Generator
) -> dict[str, Dataset]:
    chosen = chosen_of_pixels(found.parts, validation, limit, generator)
    parts = {part: found.parts[name] for part, (name, _) in chosen.items()}
    once = Found(parts, found.names, found.source, found.licence)
    return read_pixels(once, {part: index for part, (_, index) in chosen.items()}, ignore=ignore)


def chosen_of(
    labels: Mapping[str, Tensor],
    validation: float,
    limit: int | None,
    generator: torch.Generator,
    *,
    names: Sequence[str] = (),
    groups: Mapping[str, Tensor] | None = None,
) -> dict[str, tuple[str, Tensor]]:
    """Of each split, the part that it is taken from and which images; from labels (N,) of every part.

    names: of the classes, for the message. groups: of the parts whose images are not alone, see `Part`.

    Raises:
        OpticsError: a class that is to be split has a single image, or a part has none.
    """
    every = {name: torch.arange(len(found)) for name, found in labels.items()}
    sources = {"train": "train", "validation": "validation", "test": "test"}

    def cut(part: str, index: Tensor) -> tuple[Tensor, Tensor]:
        together = None if groups is None or part not in groups else groups[part][index]
        rest, chosen = stratified(labels[part][index], validation, generator, names=names, groups=together)
        return index[rest], index[chosen]

    if "all" in labels:
        rest, chosen = cut("all", every["all"])
        sources |= {"train": "all", "test": "all"}
        every |= {"train": rest, "test": chosen}

    def some(part: str) -> Tensor:
        index = every[part]
        return index[limited_index(labels[sources[part]][index], limit, generator)]

    train = some("train")
    if "validation" in every:
        held_out = some("validation")
    else:
        sources["validation"] = sources["train"]
        train, held_out = cut(sources["train"], train)
    picked = {"train": train, "validation": held_out, "test": some("test")}
    for part, index in picked.items():
        if len(index) == 0:
            raise OpticsError(f"the {part} part has no images that count; put some there.")
    return {part: (sources[part], index) for part, index in picked.items()}


def chosen_of_pixels(
    parts: Mapping[str, Part], validation: float, limit: int | None, generator: torch.Generator
) -> dict[str, tuple[str, Tensor]]:
    """The same of parts whose pixels have labels, without regard to class."""
    alike = {name: torch.zeros(part.count, dtype=torch.int64) for name, part in parts.items()}
    alone = {n: torch.arange(p.count) if p.groups is None else p.groups for n, p in parts.items()}
    return chosen_of(alike, validation, limit, generator, groups=alone)


def find(name_or_path: str | Path, options: Options, cache: str | Path | None = None) -> Found:
    """What a source holds, see `load`; labels of whole images have been read then, and no image.

    Raises:
        OpticsError: unknown name, unreadable or incomplete data; one line that says what is missing.
    """
    if name_or_path == "digits":
        with resources.as_file(resources.files("distill") / "assets" / "digits.h5") as path:
            return hdf5.find(path, options, ours=True)
    path = home(name_or_path)
    if str(name_or_path) in download.SETS and not exists(path):
        return _downloaded(str(name_or_path), options, cache)
    if exists(path) and path.is_dir():
        finders: tuple[Callable[[Path, Options], Found | None], ...] = (
            idx.find,
            cifar.find,
            arrays.find,
            folders.find,
        )
        return next(found for find in finders if (found := find(path, options)) is not None)
    if not exists(path):
        raise absent(name_or_path)
    path = regular_file(path, most=2**40)
    if path.suffix.lower() in hdf5.SUFFIXES:
        return hdf5.find(path, options)
    if path.suffix.lower() in arrays.SUFFIXES:
        return present(arrays.find(path, options), f"{path}: its arrays")
    if path.suffix.lower() in cifar.SUFFIXES:
        return present(cifar.find(path, options), f"{path}: the images of CIFAR")
    raise OpticsError(
        f"{path} is of no known kind; expected {listed(hdf5.SUFFIXES)}, .npz, CIFAR's .tar.gz, or a folder. "
        "`sclc data import` unpacks archives of pictures."
    )


def absent(name_or_path: str | Path, looked: str = "") -> OpticsError:
    """What is said of a source that is neither a set's name nor there; looked: where else than under its path."""
    near = difflib.get_close_matches(str(name_or_path), names(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"give a path, or one of {', '.join(names())}."
    return OpticsError(
        f"no data set and no file is called {quoted(str(name_or_path))}{looked}; {hint} How to get sets: docs/data.md."
    )


def place(name: str, cache: str | Path | None = None) -> Path:
    """The folder in which a public data set is kept; `cache` None is `~/.cache/spectral-cascade`."""
    return home(cache or "~/.cache/spectral-cascade") / name


def _downloaded(name: str, options: Options, cache: str | Path | None) -> Found:
    folder = place(name, cache)
    download.fetch_set(name, folder)
    if not name.startswith("cifar"):
        found = idx.read_mnist(folder, options)
        return replace(found, names=_FASHION) if name == "fashion-mnist" else found
    return present(
        cifar.find(folder / download.SETS[name][0].name, options), f"{folder}: the images of CIFAR"
    )


def _check_alike(name: str, parts: Mapping[str, Dataset]) -> None:
    first = parts["train"].images.shape[1:]
    for part, data in parts.items():
        if data.images.shape[1:] != first:
            raise OpticsError(
                f"{name}: training images are {tuple(first)} and {part} images {tuple(data.images.shape[1:])} "
                "(channels, H, W); pass size=(H, W), or grey=True."
            )
