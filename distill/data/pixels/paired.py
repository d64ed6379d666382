"""Pictures beside masks: `images/` and `masks/`, paired by name, each pixel's grey value its class.

    set/images/train/a.png   set/masks/train/a.png        or   set/train/images/a.png   set/train/masks/a.png
    set/images/a.png         set/masks/a_mask.png         or without parts

A mask has its picture's name, but for the ending and one of `ENDINGS`. `classes.txt` (or `labels.txt`, `codes.txt`),
one name a line, names the classes. Labels: see `distill.data.labels`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distill.data import labels as answers
from distill.data.listing import folders_in, pictures_below, read_pictures
from distill.data.parts import Found, Options, Part, by_part
from distill.data.pictures import SUFFIXES, decode_mask
from optics.errors import OpticsError
from optics.reading import check_size, listed, read_bytes

IMAGES = ("images", "image", "imgs", "img", "jpegimages", "pictures", "inputs")
MASKS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "segmentation", "gt",
    "groundtruth", "ground_truth", "targets", "annots",
)  # fmt: skip
ENDINGS = (
    "",
    "_mask",
    "_label",
    "_labels",
    "_seg",
    "_segmentation",
    "_gt",
    "_l",
    "_p",
    "-mask",
    ".mask",
    "_manual1",
)
NAME_FILES = ("classes.txt", "class_names.txt", "labels.txt", "codes.txt")


def find(folder: Path, options: Options) -> Found | None:
    """What a folder with pictures and masks holds; None where it is not one."""
    pair = _pair(folder, options.target)
    if pair is not None:
        inner = [{p.name for p in folders_in(place)} for place in pair]
        parts = by_part(sorted(inner[0] & inner[1]), where=str(pair[0]))
        places = {n: (pair[0] / n, pair[1] / n) for n in parts.values()} or {"all": pair}
    else:
        outer = by_part([p.name for p in folders_in(folder)], where=str(folder))
        pairs = {name: _pair(folder / name, options.target) for name in outer.values()}
        places = {name: p for name, p in pairs.items() if p is not None}
        if not places:
            return None
        without = [name for name, p in pairs.items() if p is None]
        if without:
            raise OpticsError(
                f"{folder / without[0]} has no folders images and masks, as {next(iter(places))!r} has; add them."
            )
    if "all" not in places and "train" not in by_part(list(places), where=str(folder)):
        raise OpticsError(
            f"{folder} has {listed(list(places))} but no part 'train'; name the training folder so."
        )
    return Found(
        {name: part_of_pairs(*place, pairs_of(*place), options) for name, place in places.items()},
        _names(folder),
        folder.name,
    )


def _pair(folder: Path, target: str | None) -> tuple[Path, Path] | None:
    """The folders of the pictures and of the masks; None where one of them is not there."""
    inner = folders_in(folder)
    images = [p for p in inner if p.name.lower() in IMAGES]
    masks = [p for p in inner if p.name.lower() in MASKS]
    if target is not None and len(images) == 1:
        masks = [p for p in inner if p.name == target]
    if len(images) > 1 or len(masks) > 1:
        raise OpticsError(
            f"{folder} has {listed([p.name for p in (*images, *masks)])}; set data.target to the folder of the masks, "
            "and keep one folder of pictures."
        )
    return (images[0], masks[0]) if images and masks else None


def _names(folder: Path) -> tuple[str, ...]:
    for name in NAME_FILES:
        if (folder / name).is_file():
            text = read_bytes(folder / name, most=2**20).decode("utf-8-sig", "replace")
            return answers.text_list([line.strip() for line in text.splitlines() if line.strip()])
    return ()


def part_of_pairs(images: Path, masks: Path, pairs: list[tuple[Path, Path]], options: Options) -> Part:
    """A part of (picture, its mask); the folders are named in messages."""

    def pictures(index: Tensor) -> Tensor:
        return read_pictures(images, [pairs[i][0] for i in index.tolist()], options)

    def pixels(index: Tensor) -> NDArray[np.int32]:
        found: list[NDArray[np.int32]] = []
        for i in index.tolist():
            one = decode_mask(read_bytes(pairs[i][1]), name=str(pairs[i][1]), size=options.size)
            if found and one.shape != found[0].shape:
                raise OpticsError(
                    f"{pairs[i][1]} is {one.shape} and other masks are {found[0].shape} pixels; pass size=(H, W)."
                )
            found.append(one.astype(np.int32))
            check_size(str(masks), (len(found), *one.shape), fix="Pass size=(H, W), or set limit.")
        return np.stack(found) if found else np.zeros((0, 1, 1), np.int32)

    def named() -> list[str]:
        return [picture.relative_to(images).as_posix() for picture, _ in pairs]

    return Part(str(masks), len(pairs), pictures, masks=pixels, files=named)


def pairs_of(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """(picture, its mask) in the order of the pictures' names.

    Raises:
        OpticsError: no pictures, one without a mask, a mask without a picture, or two for one; named.
    """
    pictures = {_stem(images, f): f for f in pictures_below(images)}
    if not pictures:
        raise OpticsError(f"{images} holds no pictures; expected files such as {', '.join(SUFFIXES[:3])}.")
    found: dict[str, Path] = {}
    alone = []
    for mask in pictures_below(masks):
        stem = _stem(masks, mask)
        of = next((k for k in _without_ending(stem) if k in pictures), None)
        if of is None:
            alone.append(mask.name)
        elif of in found:
            raise OpticsError(f"{pictures[of]} has two masks, {found[of].name} and {mask.name}; keep one.")
        else:
            found[of] = mask
    lone = [pictures[k].name for k in pictures if k not in found]
    if lone or alone:
        said = [f"{len(lone)} pictures without a mask ({listed(lone)})"] if lone else []
        said += [f"{len(alone)} masks without a picture ({listed(alone)})"] if alone else []
        raise OpticsError(
            f"{masks}: {' and '.join(said)}; a mask has its picture's name, with an ending such as _mask or none."
        )
    return [(pictures[k], found[k]) for k in pictures]


def _stem(folder: Path, file: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _without_ending(stem: str) -> list[str]:
    low = stem.lower()
    return [stem[: len(stem) - len(e)] for e in ENDINGS if low.endswith(e)]
