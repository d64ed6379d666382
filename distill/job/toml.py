"""Settings of a run: `--set key=value` on top of a TOML file, validated with one-line errors, and TOML written back."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from optics.bench.files import merged
from optics.checks import SpecError
from optics.toml_errors import Lines, explain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

M = TypeVar("M", bound=BaseModel)
Table = dict[str, Any]

_BARE = re.compile(r"[A-Za-z_./~][\w./~+-]*\Z")


def assignment(text: str) -> Table:
    """`a.b=value` as a nested table; the value is TOML, a bare word or path is taken as a string.

    Raises:
        SpecError: no key, or a value that TOML does not know.
    """
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key or not value:
        raise SpecError(f"--set {text!r}: expected key=value, as in student.training.epochs=5.")
    try:
        return tomllib.loads(f"{key} = {value}")
    except tomllib.TOMLDecodeError as error:
        if _BARE.match(value):
            return assignment(f"{key}={json.dumps(value)}")
        raise SpecError(
            f"--set {text!r}: {error}; values are written as in TOML, strings in quotes."
        ) from None


def build(
    model: type[M],
    table: Mapping[str, Any],
    *,
    sets: Sequence[str] = (),
    source: str,
    lines: Lines | None = None,
) -> M:
    """Validate a table, with assignments on top, as `model`.

    Args:
        model: what the table describes.
        table: the values.
        sets: `key=value` assignments that replace single values; an error in one of them names `--set`.
        source: what errors call the table, for instance its file.
        lines: where its keys stand.

    Raises:
        SpecError: one line with file, line, key, what is wrong and what would be right.
    """
    changes = [assignment(s) for s in sets]
    for change in changes:
        table = merged(table, change)
    try:
        return model.model_validate(table)
    except ValidationError as error:
        problems = error.errors()
        first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
        for text, change in zip(sets, changes, strict=True):
            if _holds(change, tuple(str(p) for p in first["loc"])):
                raise SpecError(explain(error, model, source=f"--set {text}")) from None
        raise SpecError(explain(error, model, source=source, lines=lines)) from None


def _holds(table: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether the value at `path` comes from `table`."""
    value: Any = table
    for name in path:
        if not isinstance(value, Mapping):
            return True  # an array or a value inside which the problem lies
        if name not in value:
            return False
        value = value[name]
    return bool(path)


def dump(table: Mapping[str, Any]) -> str:
    """A table as TOML text; None is left out, as an absent key means it."""
    lines: list[str] = []
    _dump(table, (), lines)
    return "\n".join(lines).strip() + "\n"


def _dump(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    plain = {k: v for k, v in table.items() if not isinstance(v, Mapping) and v is not None}
    tables = {k: v for k, v in table.items() if isinstance(v, Mapping) and v}
    if path and (plain or not tables):
        lines += ["", f"[{'.'.join(map(_key, path))}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    for key, value in tables.items():
        _dump(value, (*path, key), lines)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
