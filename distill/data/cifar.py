"""CIFAR-10 and CIFAR-100, binary or python version, from their folder or straight from the `.tar.gz`.

| version | files | a record, or a batch |
|---|---|---|
| CIFAR-10 binary | `data_batch_1.bin` .. `5`, `test_batch.bin` | label byte, then 3 planes of 32 x 32 bytes |
| CIFAR-100 binary | `train.bin`, `test.bin` | coarse and fine label byte, then the planes |
| CIFAR-10 python | `data_batch_1` .. `5`, `test_batch`, `batches.meta` | dictionary with `data` and `labels` |
| CIFAR-100 python | `train`, `test`, `meta` | dictionary with `data`, `fine_labels`, `coarse_labels` |

Python batches are pickles and are not run, see `distill.data.pickled`. `target` "coarse" takes the 20 groups of
CIFAR-100. Source: A. Krizhevsky, "The CIFAR-10 dataset" and "The CIFAR-100 dataset".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distill.data import pickled
from distill.data.arrays import to_images
from distill.data.labels import text_list
from distill.data.listing import folders_in
from distill.data.parts import Found, Options, Part
from optics.errors import OpticsError
from optics.reading import quoted, read_bytes, reading, regular_file
from optics.reading.archives import most_unpacked, opened_tar, whole

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SUFFIXES = (".gz", ".tgz", ".tar")
_PIXELS = 3 * 32 * 32
_MOST_OF_ALL = 2**31
_MOST = 2**29  # bytes of one file of the set; the largest has 155 MB


@dataclass(frozen=True)
class _Version:
    """One way in which the set is published: files of each part, and the label bytes before a record (0: pickles)."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: tuple[str, ...]
    label_bytes: int
    hundred: bool

    @property
    def wanted(self) -> set[str]:
        """Every file that is read."""
        return {*self.train, *self.test, *self.meta}


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
VERSIONS = (
    _Version(
        "CIFAR-10, binary version", tuple(f"{b}.bin" for b in _BATCHES), ("test_batch.bin",), (), 1, False
    ),
    _Version(
        "CIFAR-100, binary version",
        ("train.bin",),
        ("test.bin",),
        ("fine_label_names.txt", "coarse_label_names.txt"),
        2,
        True,
    ),
    _Version("CIFAR-10, python version", _BATCHES, ("test_batch",), ("batches.meta",), 0, False),
    _Version("CIFAR-100, python version", ("train",), ("test",), ("meta",), 0, True),
)


def find(path: Path, options: Options) -> Found | None:
    """What a folder or an archive of CIFAR holds; None for a folder that holds none of it.

    Raises:
        OpticsError: a file is missing or damaged, or a batch asks for code to be run.
    """
    if not path.is_dir():
        return _found(path, _from_tar(path), options)
    for folder in (path, *folders_in(path)):
        version = _version_of({p.name for p in folder.iterdir() if p.is_file()})
        if version is not None:
            names = [n for n in version.wanted if (folder / n).is_file()]
            return _found(folder, {n: read_bytes(folder / n, most=_MOST) for n in sorted(names)}, options)
    return None


def _version_of(names: set[str]) -> _Version | None:
    """The version that some of the files belong to; `train` and `test` alone say nothing."""
    for version in VERSIONS:
        if version.label_bytes == 1 or not version.hundred:
            known = bool(names & {*version.train, *version.test})
        else:
            known = {*version.train, *version.test} <= names and bool(names & set(version.meta))
        if known:
            return version
    return None


def _from_tar(path: Path) -> dict[str, bytes]:
    wanted = {n for version in VERSIONS for n in version.wanted}
    parts: dict[str, bytes] = {}
    path = regular_file(path)
    with opened_tar(path, most=min(_MOST_OF_ALL, most_unpacked(path))) as archive:
        for member in archive:  # members are read by name; nothing is unpacked to disk
            name = member.name.rsplit("/", 1)[-1]
            if member.size > _MOST:
                raise OpticsError(
                    f"{path}: {quoted(member.name)} has {member.size} bytes; at most {_MOST} are read."
                )
            stream = archive.extractfile(member) if name in wanted and member.isfile() else None
            if stream is not None:
                parts[name] = whole(stream, member.size, f"{path}: {quoted(member.name)}")
    return parts


def _found(path: Path, files: Mapping[str, bytes], options: Options) -> Found:
    version = _version_of(set(files))
    if version is None:
        raise OpticsError(
            f"{path} holds no CIFAR: expected {VERSIONS[0].train[0]}, {VERSIONS[1].train[0]}, {_BATCHES[0]} or train "
            "with its partners."
        )
    if options.target not in (None, *(("fine", "coarse") if version.hundred else ("labels",))):
        raise OpticsError(
            f"data.target is {options.target!r}; {version.name} has 'fine' and 'coarse' labels at most."
        )
    parts = {}
    for part, names in (("train", version.train), ("test", version.test)):
        missing = [n for n in names if n not in files]
        if missing:
            raise OpticsError(f"{path}: {missing[0]} is missing; expected the files of {version.name}.")
        read = _pickles if version.label_bytes == 0 else _records
        chunks = [read(f"{path}: {n}", files[n], version, options) for n in names]
        pixels, labels = (np.concatenate(group) for group in zip(*chunks, strict=True))
        parts[part] = _part(f"{path}, {part}", pixels, labels, options)
    return Found(
        parts, _names(path, files, version, options), f"{version.name}, A. Krizhevsky, V. Nair and G. Hinton"
    )


def _part(where: str, pixels: NDArray[np.uint8], labels: NDArray[np.int64], options: Options) -> Part:
    def images(index: Tensor) -> Tensor:
        chosen = pixels[index.numpy()].reshape(-1, 3, 32, 32)
        return to_images(
            chosen, order="nchw", size=options.size, grey=options.grey, white=options.white, where=where
        )

    return Part(where, len(labels), images, labels=labels)


def _records(
    where: str, data: bytes, version: _Version, options: Options
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    record = version.label_bytes + _PIXELS
    if len(data) % record or not data:
        raise OpticsError(
            f"{where} holds {len(data)} bytes, not a multiple of {record}; it is truncated or damaged."
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, record)
    column = 1 if version.hundred and options.target != "coarse" else 0
    return rows[:, version.label_bytes :], rows[:, column].astype(np.int64)


def _pickles(
    where: str, data: bytes, version: _Version, options: Options
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    batch = _texts(pickled.load(data, name=where))
    key = f"{options.target or 'fine'}_labels" if version.hundred else "labels"
    pixels: Any = batch.get("data")
    labels: Any = batch.get(key)
    good = (
        isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and isinstance(labels, list | np.ndarray)
    )
    if not good or pixels.shape != (len(labels), _PIXELS):
        raise OpticsError(
            f"{where} holds no 'data' of uint8 (N, {_PIXELS}) with as many {key!r}; it is damaged."
        )
    with reading(where, "labels"):
        return pixels, np.asarray(labels, np.int64)


def _names(path: Path, files: Mapping[str, bytes], version: _Version, options: Options) -> tuple[str, ...]:
    if not version.hundred:
        return CLASSES
    which = options.target or "fine"
    if version.label_bytes:
        lines = files.get(f"{which}_label_names.txt", b"").decode("utf-8", "replace").split()
        return text_list(lines) if lines else ()
    if "meta" not in files:
        return ()
    found = _texts(pickled.load(files["meta"], name=f"{path}: meta")).get(f"{which}_label_names", ())
    return text_list(found) if found else ()


def _texts(batch: Any) -> dict[str, Any]:
    if not isinstance(batch, dict):
        return {}
    return {k.decode("latin-1") if isinstance(k, bytes) else str(k): v for k, v in batch.items()}
