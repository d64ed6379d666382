"""MNIST's idx files, and the sets published in the same form: Fashion-MNIST, KMNIST, EMNIST.

Big-endian; two zero bytes, a type byte (8 = unsigned byte), the number of axes, the length of each axis, then the
values; gzip-compressed or not. Sources: Y. LeCun, "The MNIST database"; G. Cohen et al., "EMNIST", arXiv 1702.05373,
whose pictures are stored with rows and columns swapped: they are read upright, and their classes are named by the
mapping file beside them, if it is there.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distill.data.arrays import to_images
from distill.data.listing import files_in, folders_in
from distill.data.parts import Found, Options, Part
from optics.errors import OpticsError
from optics.reading import check_size, listed, read_bytes, unpacked

_NAME = re.compile(
    r"(?P<set>.*?)-?(?P<part>train|t10k|test)-(?P<what>images|labels)[-.]idx\d-ubyte(\.gz)?", re.IGNORECASE
)
_PARTS = {"train": "train", "t10k": "test", "test": "test"}
_MOST_AXES = 4
_RATIO = 1100  # gzip makes nothing more than 1032 times smaller


def find(folder: Path, options: Options) -> Found | None:
    """What a folder of idx files holds, or one inside it such as torchvision's `MNIST/raw`; None where there are none.

    `options.target` chooses among several sets, such as EMNIST's "letters".

    Raises:
        OpticsError: images without labels or the reverse, several sets, or a damaged file.
    """
    place, sets = _sets(folder)
    if not sets:
        return None
    chosen = next(iter(sets))
    if len(sets) > 1:
        named = {name.lower().removeprefix("emnist-") or "mnist": name for name in sets}
        if options.target not in named:
            raise OpticsError(
                f"{place} holds the sets {listed(sorted(named), most=10)}; set data.target to one of them."
            )
        chosen = named[options.target or ""]
    parts = {}
    swapped = chosen.lower().startswith("emnist")
    for part, files in sets[chosen].items():
        if len(files) < 2:
            have = next(iter(files.values()))
            lacks = "labels" if "images" in files else "images"
            raise OpticsError(f"{have} is there but not its partner, the {lacks} of the part {part!r}.")
        parts[part] = _part(files["images"], files["labels"], options, swapped)
    return Found(parts, _mapping(place, chosen), f"idx files in {place.name}")


def _sets(folder: Path) -> tuple[Path, dict[str, dict[str, dict[str, Path]]]]:
    """Where idx files lie, and set to part to "images" and "labels"."""
    inner = [folder, *(p for p in folders_in(folder))]
    inner += [p for place in inner[1:] for p in folders_in(place) if p.name.lower() in ("raw", "gzip")]
    holding = [(place, found) for place in inner if (found := _sets_in(place))]
    if len(holding) > 1:
        raise OpticsError(
            f"{folder} holds several sets of idx files: {listed([str(p) for p, _ in holding])}; give one of them."
        )
    return holding[0] if holding else (folder, {})


def _sets_in(folder: Path) -> dict[str, dict[str, dict[str, Path]]]:
    found: dict[str, dict[str, dict[str, Path]]] = {}
    for file in files_in(folder):
        name = _NAME.fullmatch(file.name)
        if name:
            part = found.setdefault(name["set"], {}).setdefault(_PARTS[name["part"].lower()], {})
            part.setdefault(name["what"].lower(), file)
    return found


def _part(images: Path, labels: Path, options: Options, swapped: bool) -> Part:
    answers = read_idx(labels)
    shape = header(images)
    if len(shape) != 3 or answers.shape != (shape[0],):
        raise OpticsError(
            f"{images.name} has shape {shape} and {labels.name} {answers.shape}; expected (N, H, W) and (N,)."
        )

    @cache  # unpacked once, however few pictures are asked for at a time; a damaged file, too
    def whole() -> NDArray[np.uint8] | str:
        try:
            return read_idx(images)
        except OpticsError as error:
            return str(error)

    def pictures(index: Tensor) -> Tensor:
        found = whole()
        if isinstance(found, str):
            raise OpticsError(found)
        pixels = found[index.numpy()]
        if swapped:
            pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1))
        return to_images(
            pixels, order="nhw", size=options.size, grey=options.grey, white=options.white, where=str(images)
        )

    return Part(str(labels), shape[0], pictures, labels=answers.astype(np.int64))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes, gzip-compressed or not.

    Raises:
        OpticsError: not an idx file, of another type, of more values than are read, or truncated.
    """
    shape = header(path)
    head, count = 4 + 4 * len(shape), check_size(str(path), shape)
    data = unpacked(read_bytes(path), what=path, most=head + count)
    if len(data) != head + count:
        have = f"{len(data) - head}" if len(data) < head + count else f"more than {count}"
        raise OpticsError(
            f"{path} holds {have} values, expected {count} for the shape {shape}; it is truncated or damaged."
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def header(path: Path) -> tuple[int, ...]:
    """The shape that an idx file says it has.

    Raises:
        OpticsError: not an idx file of unsigned bytes, or more values than such a file can hold.
    """
    stored = read_bytes(path)
    data = unpacked(stored, what=path, most=4 + 4 * _MOST_AXES)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != 8:
        raise OpticsError(
            f"{path} is not an idx file of unsigned bytes: it begins with {data[:4].hex() or 'nothing'}."
        )
    axes = data[3]
    if not 1 <= axes <= _MOST_AXES:
        raise OpticsError(f"{path} says it has {axes} axes, expected 1 to {_MOST_AXES}; it is damaged.")
    head = 4 + 4 * axes
    if len(data) < head:
        raise OpticsError(
            f"{path} is truncated within its header: {len(data)} bytes, expected {head} and the values."
        )
    shape = struct.unpack(f">{axes}I", data[4:head])
    check_size(str(path), shape, most=max(_RATIO * len(stored), 1))
    return shape


def _mapping(folder: Path, name: str) -> tuple[str, ...]:
    """Class names of an EMNIST set: lines of a label and the code of its character; none where labels leave gaps."""
    path = folder / f"{name}-mapping.txt"
    if not path.is_file():
        return ()
    rows = [line.split() for line in read_bytes(path, most=2**20).decode("ascii", "replace").splitlines()]
    try:
        codes = {int(row[0]): chr(int(row[1])) for row in rows if len(row) >= 2}
    except (ValueError, OverflowError):
        raise OpticsError(f"{path} is damaged; each line is a label and the code of its character.") from None
    first = min(codes, default=0)
    if first not in (0, 1) or sorted(codes) != list(range(first, first + len(codes))):
        return ()
    return tuple(codes[k] for k in sorted(codes))


def read_mnist(folder: Path, options: Options) -> Found:
    """MNIST, or a set published in its format, from a folder that must hold it."""
    found = find(folder, options)
    if found is None:
        raise OpticsError(f"{folder} holds no idx files; expected train-images-idx3-ubyte and its partners.")
    return found
