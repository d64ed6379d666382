"""Damage inside of files that hold others or have checksums: HDF5, PNG, safetensors; and folders.

Checksums and lengths are kept right, so that the damage reaches the code behind them.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from tests.fuzz.archives import tarred, with_a_member, zipped
from tests.fuzz.mutations import Mutation, json_tree, plain, splice, table, toml_lines, tree, words


def hdf5(data: bytes, draw: random.Random) -> bytes:
    """An HDF5 file with a dataset or an attribute changed by the library itself, so that the file is whole."""
    out = io.BytesIO(data)
    try:
        with h5py.File(out, "r+") as file:
            names: list[str] = []
            file.visit(names.append)
            for _ in range(draw.choice((1, 1, 2))):
                _change_hdf5(file, draw.choice(names), draw)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError):
        return plain(data, draw)
    return out.getvalue()


def _change_hdf5(file: h5py.File, name: str, draw: random.Random) -> None:
    holder = file[name]
    attributes = [(o, k) for o in (file, holder) for k in o.attrs]
    if attributes and draw.random() < 0.4:
        thing, key = draw.choice(attributes)
        if draw.random() < 0.2:
            del thing.attrs[key]
            return
        thing.attrs[key] = draw.choice((*_HDF5_VALUES, np.resize(thing.attrs[key], 1000)))
        return
    small = isinstance(holder, h5py.Dataset) and (holder.size or 0) < 2**20
    value = holder[()] if small else None
    del file[name]
    what = draw.randrange(10)
    if value is None or what == 0:
        if draw.random() < 0.5:
            file[name] = draw.choice(_HDF5_VALUES)
    elif what == 1:
        file.create_group(name)
    elif what == 2:
        shape = draw.choice(((2**40,), (2**20, 2**20), (0,), (1, 2**33), (2**21, 28, 28)))
        file.create_dataset(
            name, shape, "u1", chunks=tuple(min(n, 64) for n in shape) if all(shape) else None
        )
    elif what == 3:
        file[name] = h5py.SoftLink(draw.choice((name, "/nowhere", "/")))
    elif what == 4:
        file[name] = h5py.ExternalLink("/dev/zero", "/x")
    elif what == 5:
        file[name] = draw.choice(_HDF5_VALUES)
    elif what == 6 and isinstance(value, np.ndarray):
        file[name] = value.astype(draw.choice(("f8", "i8", "c16", "f2", "?", "S4", "i2")))
    elif isinstance(value, np.ndarray) and value.size:
        changed = np.array(value).reshape(-1)
        changed[draw.randrange(changed.size)] = draw.choice((0, 1, 99, 127))
        shapes = [value.shape, value.shape[::-1], (value.size,), (*value.shape, 1), (1, *value.shape)]
        file[name] = changed.reshape(draw.choice(shapes))


_HDF5_VALUES: tuple[Any, ...] = (
    0, -1, 10**9, 1.5, float("nan"), "text", b"bytes\xff", "", np.zeros(0), np.zeros((2, 3)), np.array([1, 2]),
    np.array(["a", "b"], dtype="S"), np.full(4, np.nan), np.array(2**62), h5py.Empty("f4"), np.zeros(3, "f4,i4"),
)  # fmt: skip


def png(data: bytes, draw: random.Random) -> bytes:
    """A PNG file with the contents of a chunk changed and its checksum right."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    if not chunks:
        return plain(data, draw)
    i = draw.randrange(len(chunks))
    kind, content = chunks[i]
    if draw.random() < 0.15:
        kind = draw.choice((b"IDAT", b"PLTE", b"tRNS", b"IEND", b"zTXt", b"iCCP", b"acTL", b"eXIf"))
    if draw.random() < 0.1:
        content = zlib.compress(bytes(2**22))
    chunks[i] = (kind, plain(content, draw))
    out = data[:8]
    for kind, content in chunks:
        out += (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )
    return out


def safetensors(data: bytes, draw: random.Random) -> bytes:
    """A safetensors file with its JSON header changed and the header's length right."""
    if len(data) < 8 or draw.random() < 0.3:
        return plain(data, draw)
    (size,) = struct.unpack("<Q", data[:8])
    try:
        header = json.loads(data[8 : 8 + size])
    except ValueError:
        return plain(data, draw)
    told = header.get("__metadata__", {})
    if told and draw.random() < 0.7:  # JSON inside of JSON: what the network is
        key = draw.choice(sorted(told))
        told[key] = json_tree(told[key].encode(), draw).decode("utf-8", "replace")
    else:
        header = tree(header, draw)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def npy(data: bytes, draw: random.Random) -> bytes:
    """An .npy file with other values, another type or shape; whole."""
    try:
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return plain(data, draw)
    if draw.random() < 0.4:
        values = values.astype(draw.choice(("f8", "i8", "c16", "f2", "?", "S4", "u1", "f4,i4")))
    elif values.size and draw.random() < 0.6:
        values = values.copy().reshape(-1)
        odd = (0, 1, 99, *((-1, 1e30, np.nan, np.inf) if values.dtype.kind in "fc" else ()))
        values[draw.randrange(values.size)] = draw.choice(odd)
    shapes = ((*values.shape, 1), (1, *values.shape), (values.size,), values.shape[::-1], (0,), ())
    out = io.BytesIO()
    np.save(out, np.resize(values, draw.choice(shapes)) if draw.random() < 0.6 else values)
    return out.getvalue()


def structured(name: str) -> Mutation:
    """The mutation that knows the format of a file of that name."""
    ending = name.rsplit(".", 1)[-1].lower()
    return _BY_ENDING.get(ending, plain)


_BY_ENDING: dict[str, Mutation] = {
    "json": json_tree,
    "toml": toml_lines,
    "h5": hdf5,
    "png": png,
    "safetensors": safetensors,
    "npz": with_a_member(structured),
    "pt": with_a_member(structured),
    "pt2": with_a_member(structured),
    "npy": npy,
    "zip": zipped(structured),
    **dict.fromkeys(("gz", "tar", "tgz", "bz2", "xz"), tarred(structured)),
    "csv": table,
    "txt": words,
}


def mutate(
    files: dict[str, bytes], others: Sequence[dict[str, bytes]], draw: random.Random
) -> dict[str, bytes]:
    """A folder (or one file) with one file damaged, or, seldom, lost or empty.

    Args:
        files: contents by name.
        others: further seeds of the same kind, for splices.
        draw: source of every choice.
    """
    made = dict(files)
    name = draw.choice(sorted(made))
    what = draw.random()
    if what < 0.03 and len(made) > 1:
        del made[name]
    elif what < 0.08 and others:
        other = draw.choice(others)
        made[name] = splice(made[name], other.get(name) or next(iter(other.values())), draw)
    elif what < 0.55:
        made[name] = structured(name)(made[name], draw)
    else:
        made[name] = plain(made[name], draw)
    if draw.random() < 0.2 and name in made:
        made[name] = plain(made[name], draw)
    return _listed_again(made, name) if draw.random() < 0.8 else made


def _listed_again(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    """The manifest of an export with the hash of a changed file, as a tool writes it that knows the format."""
    if name == "manifest.json" or not {name, "manifest.json"} <= files.keys():
        return files
    told = json.loads(files["manifest.json"])
    data = files[name]
    told["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return files | {"manifest.json": json.dumps(told).encode()}
