"""Folders of pictures: one subfolder per class, or pictures beside masks; with or without parts.

* Parts are subfolders named train, val or test, in any usual spelling (`distill.data.parts.NAMES`).
* A class is a subfolder; its pictures lie in it at any depth. A class folder without a picture is refused by name.
* A folder that holds one subfolder and nothing else, as archives unpack, is entered.
* `images/` beside `masks/` (or another usual pair of names) is a pixel task: see `distill.data.pixels.paired`.
* Hidden files (`._0.png`), `__MACOSX`, and files that are no pictures are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from distill.data.listing import entered, files_in, folders_in, is_picture, pictures_below, read_pictures
from distill.data.parts import Found, Options, Part, by_part
from distill.data.pictures import SUFFIXES
from distill.data.pixels import paired, published
from optics.errors import OpticsError
from optics.reading import check_size, listed

MOST_FILES = 2**22


def find(folder: Path, options: Options) -> Found:
    """What a folder of pictures holds; a folder without `train` gives the one part "all".

    Raises:
        OpticsError: no pictures, an empty class, a part without training pictures, or parts of different classes; what
            was found and what is missing.
    """
    folder = entered(folder)
    for known in (published.find_voc, published.find_carvana, paired.find):
        pairs = known(folder, options)
        if pairs is not None:
            return pairs
    parts = by_part([p.name for p in folders_in(folder)], where=str(folder))
    if "train" not in parts:
        if parts:
            raise OpticsError(
                f"{folder} has {listed([repr(n) for n in parts.values()])} but no folder 'train'; name the training "
                "pictures' folder so."
            )
        return _found(folder, {"all": folder}, options)
    return _found(folder, {name: folder / name for name in parts.values()}, options)


def _found(folder: Path, places: Mapping[str, Path], options: Options) -> Found:
    classes = {name: [p.name for p in folders_in(place)] for name, place in places.items()}
    first = by_part(list(places), where=str(folder)).get("train", "all")
    for name, found in classes.items():
        if found != classes[first]:
            other = sorted(set(found) ^ set(classes[first]))
            raise OpticsError(
                f"{folder}: {first!r} and {name!r} have different classes; only one of them has {listed(other)}."
            )
    parts = {}
    for name, place in places.items():
        files = _by_class(place, classes[first])
        labels = np.repeat([c for c, _ in files], [len(f) for _, f in files]).astype(np.str_)
        parts[name] = _part(place, [f for _, group in files for f in group], labels, options)
    return Found(parts, tuple(classes[first]), folder.name)


def _by_class(folder: Path, classes: Sequence[str]) -> list[tuple[str, list[Path]]]:
    """(class, its pictures); every class has some."""
    loose = [f.name for f in files_in(folder) if is_picture(f)]
    found = [(name, pictures_below(folder / name)) for name in classes]
    if not any(files for _, files in found):
        there = listed([p.name for p in (*folders_in(folder), *files_in(folder))]) or "nothing"
        raise OpticsError(
            f"{folder} holds no pictures in class folders; expected one subfolder per class with files such as .png "
            f"or .jpg in it, or images/ and masks/; found {there}."
        )
    if loose:
        raise OpticsError(
            f"{folder} has pictures outside of its class folders ({listed(loose)}); move them into a class or away."
        )
    for name, files in found:
        if not files:
            kinds = sorted({f.suffix.lower() or f.name for f in files_in(folder / name)})
            raise OpticsError(
                f"class folder {folder / name} holds no pictures{f', only {listed(kinds)} files' if kinds else ''}; "
                f"add some ({', '.join(SUFFIXES[:4])} ...) or remove it."
            )
    check_size(str(folder), (sum(len(f) for _, f in found),), most=MOST_FILES)
    return found


def _part(folder: Path, files: list[Path], labels: np.ndarray, options: Options) -> Part:
    def images(index: Tensor) -> Tensor:
        return read_pictures(folder, [files[i] for i in index.tolist()], options)

    def named() -> list[str]:
        return ["/".join(f.relative_to(folder).parts[1:]) for f in files]  # below the class's folder

    return Part(str(folder), len(files), images, labels=labels, files=named)
