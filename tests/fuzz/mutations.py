"""Damage, drawn from a seed: to bytes, and to what text means (JSON, TOML, tables, options); `containers.py` has more.

A mutation takes bytes and a `random.Random` and returns bytes. Those that know a format keep it whole, so that the
damage reaches the code behind; where the bytes are not of that format any more, plain damage is done.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

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


# ---------------------------------------------------------------------- other text

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_CELLS = (
    "",
    "x",
    "nan",
    "inf",
    "-1",
    "1e400",
    "9" * 5000,
    "0x10",
    "1,5",
    "0.1.2",
    "\u0663",
    "1e-300",
    "4096",
)
_WORDS = (
    "..", "=", ",", ":", ":log", ":1", ":0", ":-3", ":99999999", "[", "]", "{}", '"', "'", "\\", "\n", "#", "1..8",
    "0..1:log", "1e1..1e5:log", "true", "[]", "[[1]]", "1e308", "-1e308..1e308", "[" * 2000, "a" * 5000, "slm.bits",
    "student.backend.hidden", "lens1.zernike.4", "alignment.mask_shift.z", "\0", "count=1e4", "size=9999", "seed=-1",
)  # fmt: skip


def table(data: bytes, draw: random.Random) -> bytes:
    """Rows of numbers with a cell, a row or a separator changed."""
    lines = data.decode("utf-8", "replace").splitlines()
    for _ in range(draw.choice((1, 1, 2, 4))):
        if not lines:
            return plain(data, draw)
        i, what = draw.randrange(len(lines)), draw.randrange(8)
        numbers = list(_NUMBER.finditer(lines[i]))
        if what < 4 and numbers:
            at = draw.choice(numbers)
            lines[i] = lines[i][: at.start()] + draw.choice(_CELLS) + lines[i][at.end() :]
        elif what == 4:
            del lines[i]
        elif what == 5:
            lines.insert(draw.randrange(len(lines) + 1), lines[i])
        elif what == 6:
            lines[i] = lines[i].replace(",", draw.choice((";", "\t", " ", ",,")))
        else:
            lines[i] += draw.choice((",1", "#", ";", " x", "," * 3000))
    return "\n".join(lines).encode("utf-8", "replace")


def words(data: bytes, draw: random.Random) -> bytes:
    """A text of options with a number or a piece replaced, a word put in, or a part lost."""
    text = data.decode("utf-8", "replace")
    for _ in range(draw.choice((1, 1, 2, 3))):
        numbers, what = list(_NUMBER.finditer(text)), draw.randrange(6)
        if what < 3 and numbers:
            at = draw.choice(numbers)
            new = draw.choice((*_CELLS, *map(str, ODD_NUMBERS)))
            text = text[: at.start()] + new + text[at.end() :]
        elif what == 3:
            place = draw.randrange(len(text) + 1)
            text = text[:place] + draw.choice(_WORDS) + text[place:]
        elif what == 4:
            place = draw.randrange(len(text) + 1)
            text = text[:place] + text[place + draw.choice((1, 2, 5)) :]
        else:
            start, _, end = text.partition(draw.choice((".", "=", ",", ":")))
            text = start + draw.choice(_WORDS) + end
    return text.encode("utf-8", "replace")
