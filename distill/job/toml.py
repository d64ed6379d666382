"""Settings of a run: `--set key=value` on top of a TOML file, validated with one-line errors, and TOML written back."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from optics.bench.files import merged
from optics.checks import SpecError
from optics.reading import reason
from optics.spec import validated
from optics.toml_errors import Lines, explain, table_of

M = TypeVar("M", bound=BaseModel)
Table = dict[str, Any]

# no number begins so, and nothing in it is TOML's: no list without its brackets, no half of a quoted string
_BARE = re.compile(r"""(?:[^\W\d]|[./~])[^"'\[\]{},#=\x00-\x1f\x7f]*\Z""")


def assignment(text: str) -> Table:
    """`a.b=value` as a nested table; the value is TOML, a bare word, path or `my.py:Net` is taken as a string.

    Raises:
        SpecError: no key, or a value that TOML does not know.
    """
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key or not value:
        raise SpecError(f"--set {text!r}: expected key=value, as in student.training.epochs=5.")
    try:
        return table_of(f"{key} = {value}")
    except ValueError as error:
        wrong = re.sub(r"\s*\(at [^)]*\)", "", reason(error))
    as_text = f"{key}={_value(value)}"
    try:
        found = table_of(as_text)
    except ValueError:  # the key is wrong
        found = {}
    if found and _BARE.match(value):
        return found
    right = f": --set {shlex.quote(as_text)}" if found and not set(value) & set("\"'[]{},") else ""
    raise SpecError(f"--set {text!r}: {wrong}; values are written as in TOML, strings in quotes{right}.")


@dataclass(frozen=True)
class Said:
    """A table and who said what: a file, and `key=value` assignments on top. Errors name the one that is wrong.

    Attributes:
        table: the file's values.
        source: what errors call the table, for instance its file.
        lines: where its keys stand.
        sets: the assignments' texts.
        changes: the assignments as tables; a later one wins.
    """

    table: Mapping[str, Any]
    source: str
    lines: Lines | None = None
    sets: Sequence[str] = ()
    changes: Sequence[Table] = ()

    def place(self, source: str, path: tuple[str, ...]) -> str:
        """`--set KEY=VALUE` or `file:line` of a key; the file where the line is not known."""
        for text, change in reversed(list(zip(self.sets, self.changes, strict=True))):
            if holds(change, path):
                return f"--set {text}"
        return self.source if self.lines is None else self.lines.place(self.source, path)

    def build(
        self, model: type[M], *, short_keys: Mapping[tuple[str, ...], Sequence[str]] | None = None
    ) -> M:
        """Validate the values, with the assignments on top, as `model`; short_keys: see `optics.toml_errors.explain`.

        Raises:
            SpecError: one line with file, line, key, what is wrong and what would be right.
        """
        table = self.table
        for change in self.changes:
            table = merged(table, change)
        try:
            return validated(model, table)
        except ValidationError as error:
            raise SpecError(
                explain(error, model, source=self.source, lines=self, short_keys=short_keys)
            ) from None


@dataclass(frozen=True)
class Overlaid:
    """Where the keys stand of a file some of whose values were replaced by another one's.

    Attributes:
        file: name of the first file. lines: where its keys stand.
        changes: what was put in place.
        said: who said that, under the path `under`; None: not known.
    """

    file: str
    lines: Lines
    changes: Mapping[str, Any]
    said: Said | None
    under: tuple[str, ...]

    def place(self, source: str, path: tuple[str, ...]) -> str:
        """Where a key's value comes from; `source` where it was put in place and nobody knows by whom."""
        if not holds(self.changes, path):
            return self.lines.place(self.file, path)
        return source if self.said is None else self.said.place(source, self.under + path)


def holds(table: Mapping[str, Any], path: Sequence[str]) -> bool:
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
    """A table as TOML text; None is left out, as an absent key means it.

    Raises:
        SpecError: None inside a list, which TOML has no word for.
    """
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
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return text.replace("\x7f", "\\u007f")  # a control character to TOML, not to JSON
    if isinstance(value, Mapping):
        inside = [f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None]
        return "{ " + ", ".join(inside) + " }" if inside else "{}"
    if value is None:
        raise SpecError(
            "None inside a list cannot be written as TOML; leave it out, or give it another word."
        )
    return str(value)
