"""Reading a TOML file so that every error can name the file, the line, the key and what is known.

`Lines` finds where each key stands (the parser does not tell); `explain` turns what the validation of a spec found into
one line.
"""

from __future__ import annotations

import difflib
import re
import sys
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from optics.checks import SpecError
from optics.reading import quoted, shortened

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MOST_BYTES = 2**24
_LINE = 250  # characters that a line has for what is told of a key, beside the file and its line
_DEEPEST = 32  # tables and arrays in each other; nothing that is read here has six

DEVICE_TABLES = {"slm": "slm", "camera": "camera", "input": "display"}

_MANY_DOTS = re.compile(rf"""[\s\[]*(?:[A-Za-z0-9_"'-]+\s*\.\s*){{{_DEEPEST}}}""")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_TABLE = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")


class Places(Protocol):
    """Where keys stand, in one file or in several."""

    def place(self, source: str, path: tuple[str, ...]) -> str:
        """`file:line` of a key, or `source` where that is not known."""
        ...


class Lines:
    """Where each key of a TOML text stands; a key that is not found has its nearest parent's line."""

    def __init__(self, text: str) -> None:
        self.at: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        depth, quote = 0, ""
        for number, line in enumerate(text.splitlines(), start=1):
            if depth == 0 and not quote:
                if header := _TABLE.match(line):
                    table = _path(header[1])
                    self.at.setdefault(table, number)
                    continue
                if key := _KEY.match(line):
                    self.at.setdefault(table + _path(key[1]), number)
            depth, quote = _open_ends(line, depth, quote)

    def of(self, path: tuple[str, ...]) -> int | None:
        """Line of a key's path, from 1; None where not even a parent stands in the text."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.at:
                return self.at[path[:length]]
        return None

    def place(self, source: str, path: tuple[str, ...]) -> str:
        """`source:line` of a key, or `source` where the line is not known."""
        line = self.of(path)
        return source if line is None else f"{source}:{line}"

    def move(self, paths: Mapping[tuple[str, ...], tuple[str, ...]]) -> None:
        """Let keys that are read under other paths, old to new, keep their lines."""
        self.at |= {new: self.at[old] for old, new in paths.items() if old in self.at}

    def inside(self, table: str) -> Lines:
        """The lines of one table, for paths that start inside it."""
        part = Lines("")
        part.at = {path[1:]: line for path, line in self.at.items() if path[0] == table}
        return part


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _open_ends(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Depth of brackets, and the triple quote, that are still open after a line."""
    i = 0
    while i < len(line):
        three = line[i : i + 3]
        if quote:
            if three == quote:
                quote, i = "", i + 2
        elif three in ('"""', "'''"):
            quote, i = three, i + 2
        elif line[i] in "\"'":
            end = line.find(line[i], i + 1)
            i = len(line) if end < 0 else end
        elif line[i] == "#":
            break
        elif line[i] in "[{":
            depth += 1
        elif line[i] in "]}":
            depth -= 1
        i += 1
    return depth, quote


def _check_depth(table: dict[str, Any], path: Path) -> None:
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        inner = [v.values() if isinstance(v, dict) else v for v in level]
        level = [v for values in inner for v in values if isinstance(v, dict | list)]
        if not level:
            return
    raise SpecError(f"{path}: nested too deeply; at most {_DEEPEST} tables or arrays in each other.")


def table_of(text: str) -> dict[str, Any]:
    """The tables of a line of TOML that somebody typed.

    Raises:
        ValueError: whatever is wrong with it, in a few words; a TOMLDecodeError is one.
    """
    if _MANY_DOTS.match(text):
        raise ValueError("nested too deeply")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse(path: Path) -> tuple[dict[str, Any], Lines]:
    """The tables of a TOML file and where its keys stand.

    Raises:
        SpecError: the file cannot be read, or is not TOML (with the line).
    """
    try:
        large = path.is_file() and path.stat().st_size > _MOST_BYTES
        text = "" if large else path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark in front
    except OSError as e:
        raise SpecError(f"cannot read {path}: {e.strerror or e}.") from e
    except UnicodeDecodeError as e:
        raise SpecError(f"{path}: not a text file in UTF-8 (byte {e.start}).") from e
    except ValueError as e:
        raise SpecError(f"cannot read {str(path)!r}: {e}.") from e
    if large:
        raise SpecError(f"{path} holds more than {_MOST_BYTES} bytes; a configuration is smaller.")
    deep = next((n for n, line in enumerate(text.splitlines(), 1) if _MANY_DOTS.match(line)), None)
    if deep is not None:  # the parser's time grows with the square of a key's parts
        raise SpecError(
            f"{path}:{deep}: nested too deeply; at most {_DEEPEST} tables or arrays in each other."
        )
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise SpecError(
            f"{path}: nested too deeply; at most {_DEEPEST} tables or arrays in each other."
        ) from None
    except ValueError as e:  # TOMLDecodeError, or a number of thousands of digits
        message = str(e)
        found = re.search(r"\(at line (\d+), column \d+\)", message)
        where = f"{path}:{found[1]}" if found else f"{path}:{len(text.splitlines())}"
        message = re.sub(r"\s*\(at [^)]*\)", "", message)
        raise SpecError(f"{where}: not valid TOML: {message[:200]}.") from e
    _check_depth(table, path)
    return table, Lines(text)


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """One line for an unknown name: the nearest known names, and as many of all of them as the line has room for."""
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
    nearest = f" Nearest: {', '.join(near)}." if near else ""
    said = f"unknown {what} {quoted(name)}.{nearest} Known: "
    return said + shortened(", ".join(known) + ".", most=_LINE - len(said))


def where(source: str, places: Places | None, path: tuple[str, ...]) -> str:
    """`file:line` of a key, or the file where the line is not known."""
    return source if places is None else places.place(source, path)


def key_path(root: type[BaseModel], location: tuple[Any, ...]) -> tuple[str, ...]:
    """The path of keys at which a problem lies: pydantic's without the names of the alternatives that a key has."""
    return _in_alternative(root, location)[0]


def _in_alternative(root: type[BaseModel], location: tuple[Any, ...]) -> tuple[tuple[str, ...], int]:
    """The path of keys, and how many of them lead to the last one that has alternatives; 0 where none has."""
    path: list[str] = []
    length = 0
    parts = list(location)
    while parts:
        path.append(str(parts.pop(0)))
        parent = model_at(root, tuple(path[:-1]))
        field = parent.model_fields.get(path[-1]) if parent is not None else None
        if field is None:
            continue
        union = typing.get_origin(field.annotation) in (typing.Union, UnionType)
        several = [k for k in typing.get_args(field.annotation) if k is not type(None)]
        if union and len(several) > 1 and parts:
            parts.pop(0)
            length = len(path)
    return tuple(path), length


def _meant(root: type[BaseModel], problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """The problems without those of the alternatives of a key that are not meant by its value.

    Pydantic tells what each alternative lacks. Where one found something wrong inside the value, as in a table, its
    problems count; else those that do not just say that the value is of another kind, if there are any.
    """
    found = [(problem, *_in_alternative(root, problem["loc"])) for problem in problems]
    kept = []
    for problem, path, length in found:
        others = [(p, len(at) > n) for p, at, n in found if n == length > 0 and at[:n] == path[:length]]
        if any(inside for _, inside in others):
            meant = len(path) > length
        else:
            meant = not _of_kind(problem) or all(_of_kind(p) for p, _ in others)
        if meant:
            kept.append(problem)
    return kept


def _of_kind(problem: ErrorDetails) -> bool:
    return problem["type"].endswith(("_type", "_parsing", "literal_error"))


def model_at(root: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    """The spec class that a table's path leads to, or None where it is not a table of named keys."""
    model: type[BaseModel] | None = root
    for key in path:
        field = model.model_fields.get(key) if model is not None else None
        if field is None:
            return None
        kinds = [field.annotation, *typing.get_args(field.annotation)]
        model = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
    return model


def explain(
    error: ValidationError,
    root: type[BaseModel],
    *,
    source: str,
    lines: Places | None = None,
    used: Mapping[str, str] | None = None,
    table: str = "",
    short_keys: Mapping[tuple[str, ...], Sequence[str]] | None = None,
) -> str:
    """One line about the first thing wrong: file, line, key, what is wrong, and what would be right.

    Args:
        error: what pydantic found.
        root: the class that was validated.
        source: what to call the file.
        lines: where the keys stand.
        used: table name to the device its other figures came from.
        table: name of the table that was validated, where that is not the whole file.
        short_keys: keys of deeper tables that may also stand in a table, by its path.
    """
    problems = _meant(root, error.errors())
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    path = key_path(root, first["loc"])
    place = where(source, lines, path)
    dotted = ".".join(path) or "the file"
    more = "" if len(problems) == 1 else f" (and {len(problems) - 1} more)"
    if first["type"] == "extra_forbidden":
        return f"{place}: {_unknown_key(root, path, table, (short_keys or {}).get(path[:-1], ()))}{more}"
    if first["type"] == "missing" and path[-1].isdigit():  # a value of several
        short = _several(root, path[:-1], "tuple_type", first.get("input"))
        return f"{place}: {'.'.join(path[:-1])} = {_short(first.get('input'))}: {short}{more}."
    if first["type"] == "missing":
        inside = _inside(table, path)
        if _in_alternative(root, first["loc"])[1] == len(path) - 1 > 0:  # who said the table did not say this
            place = where(source, lines, path[:-1])
        return f"{place}: {inside} needs the key {path[-1]!r}{more}."
    message = first["msg"].removeprefix("Value error, ")
    if not path and (named := re.match(r"(\w+(?:\.\w+)+) ", message)):
        return f"{where(source, lines, tuple(named[1].split('.')))}: {message}"  # keys that do not fit each other
    if first["type"] == "model_type" or first["type"].startswith("model_attributes"):
        return f"{place}: {dotted} is {quoted(first['input'])}, expected a table [{dotted}]{more}."
    value = first.get("input")
    message = _several(root, path, first["type"], value) or message.replace("Input should be", "expected")
    shown = "" if isinstance(value, (Mapping, BaseModel)) else f" = {_short(value)}"
    device = (used or {}).get(path[0], "") if path else ""
    origin = f" (other figures from device {device!r})" if device else ""
    return f"{place}: {dotted}{shown}: {message}{origin}{more}."


def _several(root: type[BaseModel], path: tuple[str, ...], problem: str, value: Any) -> str:
    """What is expected of a key that holds several numbers and was given one or something else; empty otherwise."""
    parent = model_at(root, path[:-1])
    field = parent.model_fields.get(path[-1]) if parent is not None and path else None
    if problem not in ("tuple_type", "list_type", "too_long", "too_short") or field is None:
        return ""
    kinds = [field.annotation, *typing.get_args(field.annotation)]
    inner = next((typing.get_args(k) for k in kinds if typing.get_origin(k) in (tuple, list)), ())
    if not inner or Ellipsis in inner:
        return "expected several values in brackets"
    one = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    numbers = ", ".join(repr(value) if one is not None else "1.0" if k is float else "1" for k in inner)
    of = "whole numbers" if set(inner) == {int} else "numbers"
    order = ", (y, x)" if len(inner) == 2 else ""
    return f"expected {len(inner)} {of}{order} in brackets, as {path[-1]} = [{numbers}]"


def _short(value: Any) -> str:
    """A value in at most a hundred characters; of a long list its first values, its last and their number."""
    if isinstance(value, list | tuple) and len(value) > 6:
        first, second, last = (shortened(quoted(v), most=25) for v in (value[0], value[1], value[-1]))
        return f"[{first}, {second}, ... {last}] ({len(value)} values)"
    return quoted(value)


def _inside(table: str, path: tuple[str, ...]) -> str:
    """What a key's path lies in, in words."""
    dotted = ".".join(part for part in (table, *path[:-1]) if part)
    return f"[{dotted}]" if dotted else "the top of the file"


def _unknown_key(root: type[BaseModel], path: tuple[str, ...], table: str, short: Sequence[str]) -> str:
    parents, key = path[:-1], path[-1]
    model = model_at(root, parents)
    known = list(model.model_fields) if model is not None else []
    deeper = {
        name: f"{k}.{name}"
        for k in known
        for name in getattr(model_at(root, (*parents, k)), "model_fields", ())
    }
    if len(parents) == 1 and parents[0] in DEVICE_TABLES:
        known.append("device")
    short = [name for name in short if name not in known]
    near = difflib.get_close_matches(key, [*known, *short, *deeper], n=1, cutoff=0.6)
    nearest = [name for name in near if name in known or name in short]
    hint = f", did you mean {(nearest or [deeper[near[0]]])[0]!r}?" if near else "."
    name = quoted(".".join(path))
    said = f"unknown key {name}{hint} Known keys of {_inside(table, path)}: "
    rest = [k for k in (*sorted(set(known)), *short) if k not in nearest]
    return said + shortened(", ".join(nearest + rest), most=_LINE - len(said))
