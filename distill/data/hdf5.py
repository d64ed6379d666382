"""Image data sets in HDF5: layout A holds arrays of pixels, layout B holds JPEG files end to end.

Layout A, per split: `images` (N, H, W), (N, H, W, C) or (N, C, H, W), see `distill.data.arrays`; `labels` (N,).
Layout B, per split: `jpeg` uint8, the files end to end; `offsets` int64 (N + 1,), file `i` is
`jpeg[offsets[i]:offsets[i + 1]]`; `labels` (N,). A segmentation set has masks (N, H, W) instead of labels.
`names` (N,), where there are any, are the pictures' file names.
Root attributes: `class_names`, and `source`, `license`, which are kept. Labels: see `distill.data.labels`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distill.data import labels as answers
from distill.data.arrays import axes_of, check_type, resized, resized_masks, stack, to_images
from distill.data.dataset import Dataset
from distill.data.parts import Found, Options, Part, part_called, read_whole
from distill.data.pictures import decode
from optics.errors import OpticsError
from optics.reading import are_variable, as_text, check_size, read_strings, reading, regular_file

SUFFIXES = (".h5", ".hdf5", ".hdf")
_ABOUT = ("class_names", "source", "license")
_MOST_LABELS = 2**28
_BLOCK = 2**25  # values that are read at once


def read(
    path: Path, *, size: tuple[int, int] | None = None, grey: bool = False, target: str | None = None
) -> dict[str, Dataset]:
    """Every group of an HDF5 file whole, by its name, whatever it is called; see `find`."""
    return read_whole(find(path, Options(size=size, grey=grey, target=target), every=True))


def find(path: Path, options: Options, *, every: bool = False, ours: bool = False) -> Found:
    """What an HDF5 file holds.

    Args:
        path: the file.
        options: how images are read; `target` is the name of the array that holds the answers, such as "labels",
            "masks" or "masks_multi"; None takes "labels" where there are any, else "masks".
        every: groups of any name, not only those of the training, validation and test parts.
        ours: the file came with the package, so that its strings need no process of their own.

    Raises:
        OpticsError: not an HDF5 file, truncated, a key missing, or shapes that disagree.
    """
    path = regular_file(path, most=2**40)
    with reading(path, "HDF5"), h5py.File(path) as file:
        groups = {k: v for k, v in file.items() if isinstance(v, h5py.Group)}
        before = "" if options.subset is None else f"{options.subset}_"
        mine = {k: v for k, v in groups.items() if k.startswith(before)}
        chosen = {k: v for k, v in mine.items() if every or part_called(k.removeprefix(before)) is not None}
        if not chosen:
            raise OpticsError(
                f"{path} has no splits; expected the groups '{before}train' and '{before}test', found {_listed(file)}."
            )
        about, strings = _strings(path, file, {k: _target(g, options) for k, g in chosen.items()}, ours)
        names = answers.text_list(about["class_names"]) if "class_names" in about else ()
        if any(_target(group, options) == "masks" and "masks_multi" in group for group in chosen.values()):
            names = ()  # class_names are those of the many-class masks
        return Found(
            {k.removeprefix(before): _part(path, k, group, options, strings) for k, group in chosen.items()},
            names,
            " ".join(answers.text_list(about.get("source", path.name))),
            " ".join(answers.text_list(about.get("license", "not stated"))),
        )


def find_images(path: Path, options: Options) -> Part:
    """The images of an HDF5 file's training part, or of its root, whatever answers there are.

    Raises:
        OpticsError: not an HDF5 file, truncated, or without images.
    """
    path = regular_file(path, most=2**40)
    with reading(path, "HDF5"), h5py.File(path) as file:
        before = "" if options.subset is None else f"{options.subset}_"
        groups = [k for k, v in file.items() if isinstance(v, h5py.Group)]
        train = [k for k in groups if k.startswith(before) and part_called(k.removeprefix(before)) == "train"]
        key = train[0] if train else "/"
        where = f"{path}, group {key!r}"
        count, images = _images(path, key, file[key], options, where)
        return Part(where, count, images)


def _strings(
    path: Path, file: h5py.File, targets: dict[str, str], ours: bool
) -> tuple[dict[str, Any], dict[str, list[str | bytes]]]:
    """What the root's attributes say, and the labels that are strings, by their place in the file."""
    about: dict[str, Any] = {}
    strings: dict[str, list[str | bytes]] = {}
    asked: list[tuple[str, str | None]] = []
    for name in (n for n in _ABOUT if n in file.attrs):
        kind = file.attrs.get_id(name).dtype
        if not ours and are_variable(kind):
            asked.append(("/", name))
        elif ours or not kind.hasobject:
            about[name] = file.attrs[name]
    for key, target in targets.items():
        labels = file[key].get(target)
        if isinstance(labels, h5py.Dataset) and labels.shape is not None and are_variable(labels.dtype):
            check_size(f"{path}, {key}/{target}", labels.shape, most=_MOST_LABELS)
            asked.append((f"{key}/{target}", None))
    if asked:
        for (name, attribute), found in zip(asked, read_strings(path, asked), strict=True):
            if attribute is None:
                strings[name] = found
            else:
                about[attribute] = found
    return about, strings


def _target(group: h5py.Group, options: Options) -> str:
    return options.target or ("labels" if "labels" in group or "masks" not in group else "masks")


def _part(
    path: Path, key: str, group: h5py.Group, options: Options, strings: Mapping[str, list[str | bytes]]
) -> Part:
    where, target = f"{path}, group {key!r}", _target(group, options)
    stored = _array(group, target, where)
    count, images = _images(path, key, group, options, where)
    shape = tuple(stored.shape)
    if (len(shape) not in (1, 3) and not (len(shape) == 2 and shape[1] == 1)) or shape[0] != count:
        raise OpticsError(
            f"{where}: {target!r} has shape {shape}, expected ({count},) or ({count}, H, W) as there are {count} "
            "images."
        )
    place, files = f"{path}, {key}/{target}", _files(path, key, group, count)
    if len(shape) < 3:
        check_size(place, shape, most=_MOST_LABELS)
        name = f"{key}/{target}"
        values = np.asarray(strings[name], dtype=object) if name in strings else _numbers(stored, place)
        return Part(place, count, images, labels=answers.plain(values, where=place), files=files)

    def masks(index: Tensor) -> NDArray[Any]:
        with reading(path, "HDF5"), h5py.File(path) as file:
            found = answers.plain(_rows(file[f"{key}/{target}"], index, place), where=place)
        return resized_masks(found, options.size)

    return Part(place, count, images, masks=masks, files=files)


def _files(path: Path, key: str, group: h5py.Group, count: int) -> Callable[[], list[str]] | None:
    """What reads the names of a group's pictures; None where it keeps none."""
    stored = group.get("names")
    if not isinstance(stored, h5py.Dataset):
        return None
    place, shape, kind = f"{path}, {key}/names", stored.shape, stored.dtype.kind
    variable, told = are_variable(stored.dtype), str(stored.dtype)

    def read() -> list[str]:
        if shape != (count,):
            raise OpticsError(f"{place} has shape {shape}, expected ({count},) as there are {count} images.")
        check_size(place, shape, most=_MOST_LABELS)
        if not variable and kind not in "SUiu":
            raise OpticsError(f"{place} holds values of type {told}; file names are strings.")
        if variable:
            (found,) = read_strings(path, [(f"{key}/names", None)])
        else:
            with reading(path, "HDF5"), h5py.File(path) as file:
                found = file[f"{key}/names"][()].tolist()
        return [as_text(name) for name in found]

    return read


def _images(
    path: Path, key: str, group: h5py.Group, options: Options, where: str
) -> tuple[int, Callable[[Tensor], Tensor]]:
    """How many images a group has, and what reads chosen ones."""
    if "images" in group:
        stored = _array(group, "images", where)
        order = axes_of(stored.shape, options.axes, where=f"{where}: 'images'")
        check_type(stored.dtype, options.white, where=f"{where}: 'images'")

        def arrays(index: Tensor) -> Tensor:
            with reading(path, "HDF5"), h5py.File(path) as file:
                pixels = _rows(file[f"{key}/images"], index, where)
            return to_images(
                pixels, order=order, size=options.size, grey=options.grey, white=options.white, where=where
            )

        return int(stored.shape[0]), arrays
    missing = [k for k in ("jpeg", "offsets") if k not in group]
    if missing:
        raise OpticsError(
            f"{where}: the key {missing[0]!r} is missing; layout A has 'images', layout B 'jpeg' and "
            f"'offsets'; found {_listed(group)}."
        )
    data, starts = _array(group, "jpeg", where), _array(group, "offsets", where)
    check_size(f"{where}: 'offsets'", starts.shape, most=2**28)
    check_size(f"{where}: 'jpeg'", data.shape)
    offsets = starts[()] if starts.ndim == 1 and starts.dtype.kind in "iu" else np.zeros(0, np.int64)
    if len(offsets) < 1 or (np.diff(offsets.astype(np.int64)) < 0).any() or offsets[0] != 0:
        raise OpticsError(f"{where}: 'offsets' has shape {starts.shape}; expected (N + 1,), rising from 0.")
    if offsets[-1] != len(data):
        raise OpticsError(
            f"{where}: 'offsets' ends at byte {offsets[-1]} but 'jpeg' holds {len(data)} bytes; the file is "
            "damaged."
        )

    def jpegs(index: Tensor) -> Tensor:
        with reading(path, "HDF5"), h5py.File(path) as file:
            stored = file[f"{key}/jpeg"]
            whole = stored if 2 * len(index) < len(offsets) else stored[()]
            encoded = [bytes(whole[int(offsets[i]) : int(offsets[i + 1])]) for i in index.tolist()]
        names = [f"{where}, image {i}" for i in index.tolist()]
        pictures = [
            decode(e, name=n, size=options.size, grey=options.grey, white=options.white)
            for e, n in zip(encoded, names, strict=True)
        ]
        return resized(stack(pictures, grey=options.grey, where=where), grey=options.grey)

    return len(offsets) - 1, jpegs


def _numbers(stored: h5py.Dataset, place: str) -> NDArray[Any]:
    if stored.dtype.hasobject:
        raise OpticsError(
            f"{place} holds values of type {stored.dtype}; labels are whole numbers or strings."
        )
    return np.asarray(stored[()])


def _array(group: h5py.Group, name: str, where: str) -> h5py.Dataset:
    if name not in group:
        raise OpticsError(f"{where}: the key {name!r} is missing; found {_listed(group)}.")
    found = group[name]
    if not isinstance(found, h5py.Dataset) or found.shape is None or found.ndim == 0:
        raise OpticsError(f"{where}: {name!r} is no array.")
    return found


def _rows(stored: h5py.Dataset, index: Tensor, where: str) -> NDArray[Any]:
    """Rows of an array at `index`, in that order, read block by block so that what is left out takes no memory."""
    check_size(where, (len(index), *stored.shape[1:]), fix="Set limit, or use smaller images.")
    per_row = max(1, int(np.prod(stored.shape[1:], dtype=np.int64)))
    step = max(1, _BLOCK // per_row)
    wanted = index.numpy()
    out = np.empty((len(wanted), *stored.shape[1:]), stored.dtype)
    for start in range(0, stored.shape[0], step):
        here = (wanted >= start) & (wanted < start + step)
        if here.any():
            rows = wanted[here]
            low, high = int(rows.min()), int(rows.max()) + 1
            out[here] = stored[low:high][rows - low]
    return out


def _listed(group: h5py.Group | h5py.File) -> str:
    return ", ".join(repr(k) for k in group) or "nothing"
