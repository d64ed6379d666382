"""Arrays in MATLAB files of level 4 and 5 (`-v4`, `-v6`, `-v7`), read so that a damaged one is an error, no crash.

Level 5: a header of 128 bytes, then elements of a type, a length and data; arrays (`miMATRIX`) may be compressed. Read
are numbers and booleans, real or complex, and those inside of structs and cells, named `s.field` and `c[0]`. Text,
sparse arrays, objects and functions are told of and left. Every length is checked against the bytes that are there.
Source: "MAT-File Format", The MathWorks, chapter 1. Level 7.3 is HDF5, see `networks.students.array_files`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optics.checks import OpticsError, present
from optics.reading import check_size, inflated

HEADER = 128
_MOST_VALUES = 2**28
_MOST_ARRAYS = 10_000
_DEEPEST = 16
_SLACK = 2**20  # bytes of names and tags beside the numbers of one array
_COMPRESSED, _MATRIX = 15, 14
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_CELL, _STRUCT = 1, 2
_OTHERS = {3: "an object", 4: "text", 5: "sparse", 16: "a function", 17: "an object"}
_LEVEL_4 = {0: "f8", 1: "f4", 2: "i4", 3: "i2", 4: "u2", 5: "u1"}


@dataclass
class Contents:
    """arrays: by name, axes as MATLAB shows them. others: name to what it is instead of numbers."""

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


def read(data: bytes, *, what: str) -> Contents:
    """Every array of numbers in a MATLAB file of level 4 or 5.

    Args:
        data: the whole file.
        what: for messages.

    Raises:
        OpticsError: damaged, truncated, or not a MATLAB file; where it went wrong.
    """
    found = Contents()
    if len(data) >= 4 and 0 in data[:4]:
        _level_4(data, what, found)
        return found
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if len(data) < HEADER or order is None:
        raise OpticsError(
            f"{what} is truncated or not a MATLAB file: its header of {HEADER} bytes is missing."
        )
    for kind, body in _elements(memoryview(data)[HEADER:], order, what):
        if kind == _COMPRESSED:
            body = memoryview(_inflated(body, order, what))
            kind, body = next(_elements(body, order, what), (0, memoryview(b"")))
        if kind == _MATRIX:
            _matrix(body, order, what, found, name=None, depth=0)
    return found


def _elements(data: memoryview, order: str, what: str) -> Iterator[tuple[int, memoryview]]:
    """(type, bytes) of each element in turn."""
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise OpticsError(f"{what} is truncated or damaged: an element ends within its tag.")
        first, length = struct.unpack_from(order + "II", data, at)
        if first >> 16:  # a small element: type and length in four bytes, the data in the next four
            kind, length, start, step = first & 0xFFFF, first >> 16, at + 4, 8
            if length > 4:
                raise OpticsError(f"{what} is damaged: a small element says it has {length} bytes.")
        else:
            kind, start, step = first, at + 8, 8 + (length if first == _COMPRESSED else -(-length // 8) * 8)
        if start + length > len(data):
            raise OpticsError(
                f"{what} is truncated or damaged: an element says it has {length} bytes and {len(data) - start} are "
                "there."
            )
        yield kind, data[start : start + length]
        at += step


def _inflated(body: memoryview, order: str, what: str) -> bytes:
    """One compressed array, made room for only after its own header said how much it needs."""
    import zlib

    try:
        head = zlib.decompressobj().decompress(body, 4096)
    except zlib.error as error:
        raise OpticsError(f"{what} is damaged: its compressed data cannot be read ({error}).") from None
    if len(head) < 8:
        raise OpticsError(f"{what} is truncated or damaged: a compressed element is empty.")
    length = struct.unpack_from(order + "I", head, 4)[0]
    most = 16 * _MOST_VALUES + _SLACK
    inner = memoryview(head)[8:]
    if len(inner) >= 48 and struct.unpack_from(order + "I", inner, 0)[0] == 6:
        flags = struct.unpack_from(order + "I", inner, 8)[0]
        if flags & 0xFF in _CLASSES:
            kind, size = struct.unpack_from(order + "II", inner, 16)
            count = min(size // 4, 32)
            if kind == 5 and len(inner) >= 24 + 4 * count:
                shape = struct.unpack_from(f"{order}{count}i", inner, 24)
                most = 16 * check_size(what, shape, most=_MOST_VALUES) + _SLACK
    if length > most:
        raise OpticsError(
            f"{what} is damaged: an array says it has {length} bytes, its shape needs {most} at most."
        )
    return inflated(body, what=what, most=length + 16)


def _matrix(
    body: memoryview, order: str, what: str, found: Contents, *, name: str | None, depth: int
) -> None:
    """One array, struct or cell; `name` is that of a field, or None for the one that is stored."""
    if len(found.arrays) + len(found.others) > _MOST_ARRAYS or depth > _DEEPEST:
        raise OpticsError(f"{what} holds more than {_MOST_ARRAYS} arrays, or they are nested too deeply.")
    if len(body) == 0:  # an empty field
        return
    parts = _elements(body, order, what)
    flags = _numbers(next(parts, None), order, what, "flags")
    if len(flags) < 1:
        raise OpticsError(f"{what} is damaged: an array has no flags.")
    kind, complex_ = int(flags[0]) & 0xFF, bool(int(flags[0]) & 0x0800)
    if kind == 17:
        found.others[name or "a value"] = _OTHERS[17]
        return
    shape = tuple(int(n) for n in _numbers(next(parts, None), order, what, "shape"))
    stored = bytes(_bytes(next(parts, None), what)).decode("latin-1")
    name = stored if name is None else name
    if not 2 <= len(shape) <= 32:
        raise OpticsError(f"{what} is damaged: {name!r} has {len(shape)} axes.")
    count = check_size(f"{what}: {name!r}", shape, most=_MOST_VALUES)
    if kind in _CLASSES:
        values = _values(next(parts, None), order, what, name, shape, count, kind)
        if complex_:
            imaginary = _values(next(parts, None), order, what, name, shape, count, kind)
            values = _complex(values, imaginary)
        found.arrays[name] = values
    elif kind == _CELL:
        for i, (_, inner) in zip(range(count), parts, strict=False):
            _matrix(inner, order, what, found, name=f"{name}[{i}]", depth=depth + 1)
    elif kind == _STRUCT:
        _struct(parts, order, what, found, name, count, depth)
    else:
        found.others[name] = _OTHERS.get(kind, f"of class {kind}")


def _complex(real: NDArray[Any], imaginary: NDArray[Any]) -> NDArray[Any]:
    """Both parts as one array, complex64 of single precision, else complex128."""
    made = np.empty(real.shape, np.complex64 if real.dtype == np.float32 else np.complex128, order="F")
    made.real, made.imag = real, imaginary
    return made


def _struct(
    parts: Iterator[tuple[int, memoryview]],
    order: str,
    what: str,
    found: Contents,
    name: str,
    count: int,
    depth: int,
) -> None:
    sizes = _numbers(next(parts, None), order, what, "field names")
    text = bytes(_bytes(next(parts, None), what))
    width = int(sizes[0]) if len(sizes) else 0
    if not 0 < width <= 1024:
        raise OpticsError(f"{what} is damaged: the field names of {name!r} have a length of {width}.")
    names = [text[i : i + width].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), width)]
    for index in range(count):
        for one in names:
            element = next(parts, None)
            if element is None:
                raise OpticsError(
                    f"{what} is truncated or damaged: the field {one!r} of {name!r} is missing."
                )
            label = f"{name}.{one}" if count == 1 else f"{name}[{index}].{one}"
            _matrix(element[1], order, what, found, name=label, depth=depth + 1)


def _bytes(element: tuple[int, memoryview] | None, what: str) -> memoryview:
    if element is None:
        raise OpticsError(f"{what} is truncated or damaged: an array ends within its description.")
    return element[1]


def _numbers(element: tuple[int, memoryview] | None, order: str, what: str, of: str) -> NDArray[Any]:
    body = _bytes(element, what)
    kind = present(element, what)[0]
    code = _NUMBERS.get(kind)
    if code is None or len(body) % int(code[1]):
        raise OpticsError(
            f"{what} is damaged: {of} are stored as type {kind} in {len(body)} bytes, which is none."
        )
    return np.frombuffer(body, order + code)


def _values(
    element: tuple[int, memoryview] | None,
    order: str,
    what: str,
    name: str,
    shape: tuple[int, ...],
    count: int,
    kind: int,
) -> NDArray[Any]:
    """Real or imaginary part, in the array's own type whatever smaller one it is stored in."""
    found = _numbers(element, order, what, f"the values of {name!r}")
    if len(found) != count:
        raise OpticsError(
            f"{what} is damaged: {name!r} holds {len(found)} values, expected {count} for the shape {shape}."
        )
    return found.astype(_CLASSES[kind]).reshape(shape, order="F")


def _level_4(data: bytes, what: str, found: Contents) -> None:
    at = 0
    while at < len(data):
        if len(data) - at < 20:
            raise OpticsError(f"{what} is truncated or not a MATLAB file.")
        order = "<" if struct.unpack_from("<i", data, at)[0] in range(5000) else ">"
        code, rows, columns, complex_, length = struct.unpack_from(order + "5i", data, at)
        number, text = code // 10 % 10, code % 10
        if code not in range(5000) or number not in _LEVEL_4 or text > 2 or not 1 <= length <= 1024:
            raise OpticsError(f"{what} is damaged or not a MATLAB file of level 4.")
        count = check_size(what, (rows, columns), most=_MOST_VALUES)
        start, size = at + 20 + length, count * int(_LEVEL_4[number][1])
        end = start + size * (2 if complex_ else 1)
        if end > len(data):
            raise OpticsError(
                f"{what} is truncated: {end - len(data)} bytes of {rows} x {columns} values are missing."
            )
        name = data[at + 20 : start].split(b"\0")[0].decode("latin-1")
        if text:
            found.others[name] = "text" if text == 1 else "sparse"
        else:
            flat = np.frombuffer(data[start:end], order + _LEVEL_4[number])
            values = flat[:count] + 1j * flat[count:] if complex_ else flat
            found.arrays[name] = values.reshape((rows, columns), order="F")
        at = end
