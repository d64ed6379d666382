"""Data sets in their authors' binary formats: MNIST's idx files and CIFAR-10's binary version. No pickle.

idx: big-endian; two zero bytes, a type byte (8 = unsigned byte), the number of axes, the length of each axis,
then the values. CIFAR-10 binary: records of one label byte and 3072 pixel bytes, red, green and blue planes
of 32 x 32. Sources: Y. LeCun, "The MNIST database"; A. Krizhevsky, "The CIFAR-10 dataset" (binary version).
"""

from __future__ import annotations

import gzip
import struct
import tarfile
import zlib
from math import prod
from pathlib import Path

import numpy as np
import torch

from distill.data.dataset import Dataset
from distill.data.folders import stack
from optics.checks import OpticsError

IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CIFAR_FILES = {"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)}
CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_RECORD = 1 + 3 * 32 * 32


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file of unsigned bytes, gzip-compressed or not.

    Raises:
        OpticsError: not an idx file, of another type, or truncated.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise OpticsError(f"{path} cannot be read ({error}); it is missing, truncated or damaged.") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != 8:
        raise OpticsError(
            f"{path} is not an idx file of unsigned bytes: it begins with {data[:4].hex() or 'nothing'}."
        )
    axes = data[3]
    head = 4 + 4 * axes
    if len(data) < head:
        raise OpticsError(
            f"{path} is truncated within its header: {len(data)} bytes, expected {head} and the values."
        )
    shape = struct.unpack(f">{axes}I", data[4:head])
    if len(data) != head + prod(shape):
        raise OpticsError(
            f"{path} holds {len(data) - head} values, expected {prod(shape)} for the shape {shape}; it is "
            "truncated or damaged."
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def find_idx(folder: Path) -> dict[str, tuple[Path, Path]]:
    """(images, labels) files of each split in `folder`, with or without `.gz`; empty if there are none."""
    found = {}
    for split, names in IDX_FILES.items():
        paths = []
        for name in names:
            spellings = (name, name.replace("-idx", ".idx"))
            options = [folder / (n + end) for n in spellings for end in ("", ".gz")]
            paths += [p for p in options if p.is_file()][:1]
        if len(paths) == 2:
            found[split] = (paths[0], paths[1])
        elif paths:
            raise OpticsError(
                f"{folder} has {paths[0].name} but not its partner; expected {' and '.join(names)}."
            )
    return found


def read_mnist(folder: Path) -> dict[str, Dataset]:
    """MNIST, or a set published in its format, from the idx files in `folder`."""
    splits = {}
    for split, (first, second) in find_idx(folder).items():
        images, labels = read_idx(first), read_idx(second)
        if images.ndim != 3 or labels.shape != (len(images),):
            raise OpticsError(
                f"{first.name} has shape {images.shape} and {second.name} {labels.shape}; expected (N, H, "
                "W) and (N,)."
            )
        count = max(10, int(labels.max()) + 1) if len(labels) else 10
        splits[split] = Dataset(
            images=stack(images),
            labels=torch.from_numpy(labels.astype(np.int64)),
            class_names=tuple(str(i) for i in range(count)),
            source=f"idx files in {folder.name}",
        )
    return splits


def read_cifar(path: Path) -> dict[str, Dataset]:
    """CIFAR-10 from the folder with its `.bin` files, or straight from the `.tar.gz` of its binary version.

    Raises:
        OpticsError: a file is missing or is not a whole number of records.
    """
    parts = _cifar_tar(path) if path.is_file() else _cifar_folder(path)
    splits = {}
    for split, names in CIFAR_FILES.items():
        missing = [n for n in names if n not in parts]
        if missing:
            raise OpticsError(f"{path}: {missing[0]} is missing; expected the binary version of CIFAR-10.")
        for name in names:
            if len(parts[name]) % _RECORD or not parts[name]:
                raise OpticsError(
                    f"{path}: {name} holds {len(parts[name])} bytes, not a multiple of {_RECORD}; it is "
                    "truncated or damaged."
                )
        records = np.frombuffer(b"".join(parts[n] for n in names), np.uint8).reshape(-1, _RECORD)
        pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        splits[split] = Dataset(
            images=stack(pixels),
            labels=torch.from_numpy(records[:, 0].astype(np.int64)),
            class_names=CIFAR_CLASSES,
            source="CIFAR-10, binary version, A. Krizhevsky, V. Nair and G. Hinton",
        )
    return splits


def _cifar_folder(folder: Path) -> dict[str, bytes]:
    names = [n for group in CIFAR_FILES.values() for n in group]
    return {n: (folder / n).read_bytes() for n in names if (folder / n).is_file()}


def _cifar_tar(path: Path) -> dict[str, bytes]:
    wanted = {n for group in CIFAR_FILES.values() for n in group}
    parts = {}
    try:
        with tarfile.open(path) as archive:  # members are read by name; nothing is unpacked to disk
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                stream = archive.extractfile(member) if name in wanted and member.isfile() else None
                if stream is not None:
                    parts[name] = stream.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise OpticsError(
            f"{path} cannot be read as a tar archive ({error}); it is truncated or damaged."
        ) from error
    return parts
