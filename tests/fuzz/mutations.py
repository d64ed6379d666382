"""Damage, drawn from a seed: to bytes, and to what bytes mean (JSON, TOML, HDF5, zip archives, PNG, safetensors).

A mutation takes bytes and a `random.Random` and returns bytes. Those that know a format keep its checksums and lengths
right, so that the damage reaches the code behind them; where the bytes are not of that format any more, plain damage is
done.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import h5py
import numpy as np

Mutation = Callable[[bytes, random.Random], bytes]

BOUNDARIES = (
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
)
ODD_NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 255, 10**9, 2**31, 2**53 + 1, 2**63, 10**40, 0.0, -0.0, 0.5, 1e-300, -1e-9, 1e300, float("nan"),
    float("inf"), float("-inf"),
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, "", "x", "nan", "0", "a\0b", "\u202e", "[/red]", "../../etc/passwd", "x" * 5000, [], {}, [[]],
    [1], ["a"], [None], [0, 0], [1, 2, 3], [1e9, 1e9], {"a": 1}, [[[[[[[[1]]]]]]]], {"": ""},
)  # fmt: skip


# ---------------------------------------------------------------------- bytes


def flip(data: bytes, draw: random.Random) -> bytes:
    """One to eight bits."""
    made = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        if made:
            made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def truncate(data: bytes, draw: random.Random) -> bytes:
    """The first part."""
    return data[: draw.choice((0, 1, len(data) // 2, max(0, len(data) - 1), draw.randrange(len(data) + 1)))]


def cut(data: bytes, draw: random.Random) -> bytes:
    """A piece is missing."""
    start = draw.randrange(len(data) + 1)
    return data[:start] + data[start + draw.choice((1, 2, 4, 8, 64, 512)) :]


def repeat(data: bytes, draw: random.Random) -> bytes:
    """A piece comes again, elsewhere."""
    start, size, place = (
        draw.randrange(len(data) + 1),
        draw.choice((1, 4, 16, 128)),
        draw.randrange(len(data) + 1),
    )
    return data[:place] + data[start : start + size] + data[place:]


def insert(data: bytes, draw: random.Random) -> bytes:
    """Random bytes in between."""
    place = draw.randrange(len(data) + 1)
    return data[:place] + draw.randbytes(draw.choice((1, 2, 4, 16, 256))) + data[place:]


def blank(data: bytes, draw: random.Random) -> bytes:
    """A block of zeros or of ones."""
    start, size = draw.randrange(len(data) + 1), draw.choice((1, 8, 64, 512))
    block = bytes([draw.choice((0, 255))]) * min(size, len(data) - start)
    return data[:start] + block + data[start + len(block) :]


def length_field(data: bytes, draw: random.Random) -> bytes:
    """An integer of a header becomes a boundary value; the first bytes are where lengths stand."""
    size = draw.choice((1, 2, 4, 8))
    if len(data) < size:
        return data
    reach = len(data) - size + 1
    place = draw.randrange(min(reach, 512) if draw.random() < 0.7 else reach)
    value = draw.choice(BOUNDARIES) % (1 << 8 * size)
    return data[:place] + value.to_bytes(size, draw.choice(("little", "big"))) + data[place + size :]


PLAIN: tuple[Mutation, ...] = (
    flip,
    flip,
    flip,
    truncate,
    cut,
    repeat,
    insert,
    blank,
    length_field,
    length_field,
)


def plain(data: bytes, draw: random.Random) -> bytes:
    """One of the above."""
    return draw.choice(PLAIN)(data, draw)


def splice(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """The beginning of one and the end of another."""
    return data[: draw.randrange(len(data) + 1)] + other[draw.randrange(len(other) + 1) :]


# ---------------------------------------------------------------------- trees: JSON and TOML


def tree(value: Any, draw: random.Random) -> Any:
    """One value somewhere in a tree of tables and lists replaced, removed, doubled or renamed."""
    places = list(_places(value))
    if not places:
        return copy.deepcopy(draw.choice(ODD_VALUES))
    holder, key = draw.choice(places)
    what = draw.randrange(10)
    if what < 4:
        holder[key] = draw.choice(ODD_NUMBERS)
    elif what < 7:
        holder[key] = copy.deepcopy(draw.choice(ODD_VALUES))
    elif what == 7:
        del holder[key]
    elif what == 8 and isinstance(holder, dict):
        holder[draw.choice((f"{key}x", "", "__class__", "a.b", key[:-1], key.upper()))] = holder.pop(key)
    elif isinstance(holder, list):
        holder.extend([holder[key]] * draw.choice((1, 3, 100)))
    elif isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = holder[key] * draw.choice((-1, 1e-6, 1e3, 1e6, 1e12))
    else:
        holder[key] = [holder[key]]
    return value


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _places(inner)


def json_tree(data: bytes, draw: random.Random) -> bytes:
    """A JSON document with a value changed; NaN and infinities are written as Python does."""
    try:
        value = json.loads(data)
    except ValueError:
        return plain(data, draw)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        value = tree(value, draw)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def toml_lines(data: bytes, draw: random.Random) -> bytes:
    """A TOML document with the value of a line changed, a line doubled, lost, or put elsewhere."""
    lines = data.decode("utf-8", "replace").splitlines()
    for _ in range(draw.choice((1, 1, 2, 4))):
        filled = [i for i, line in enumerate(lines) if "=" in line] or [None]
        i = draw.choice(filled)
        if i is None:
            return plain(data, draw)
        what = draw.randrange(8)
        if what < 5:
            lines[i] = f"{lines[i].split('=', 1)[0]}= {_toml_value(draw)}"
        elif what == 5:
            lines.insert(draw.randrange(len(lines) + 1), lines[i])
        elif what == 6:
            del lines[i]
        else:
            lines[i] = draw.choice(("a.", '"', "[", "[[x]]", "[slm]", "x")) + lines[i]
    return "\n".join(lines).encode("utf-8", "replace")


def _toml_value(draw: random.Random) -> str:
    if draw.random() < 0.15:
        return draw.choice(
            ("1979-05-27", "[" * 400 + "]" * 400, "{a = 1}", "'''", "0x7fffffffffffffff", "9" * 5000, "tru")
        )
    value = draw.choice(ODD_NUMBERS + ODD_VALUES)
    if value is None or isinstance(value, dict | bool):
        return {None: "", True: "true", False: "false"}.get(
            value if not isinstance(value, dict) else None, "{}"
        )
    if isinstance(value, float):
        return {"nan": "nan", "inf": "inf", "-inf": "-inf"}.get(str(value), repr(value))
    return json.dumps(value) if isinstance(value, str | list) else str(value)


# ---------------------------------------------------------------------- containers


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


def archive(inner: Callable[[str], Mutation]) -> Mutation:
    """A zip file with one member changed by the mutation that `inner` gives for its name, or lost, or renamed."""

    def mutate(data: bytes, draw: random.Random) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as source:
                members = [(n, source.read(n)) for n in source.namelist()]
        except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
            return plain(data, draw)
        i = draw.randrange(len(members))
        name, content = members[i]
        what = draw.randrange(12)
        if what == 0:
            del members[i]
        elif what == 1:
            members[i] = (draw.choice(("", "../x", name + "x", "a/b/c")), content)
        elif what == 2:
            members.append((name, content[: len(content) // 2]))
        else:
            members[i] = (name, inner(name)(content, draw))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for n, d in dict(members).items():
                target.writestr(n or "none", d)
        return out.getvalue()

    return mutate


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
    "npz": archive(structured),
    "pt": archive(structured),
    "pt2": archive(structured),
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
