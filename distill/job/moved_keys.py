"""Keys of a run's configuration that may also stand elsewhere: a shorter place, or the one they had before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distill.training.distillation import FORMER
from networks.students.spec import SHORT, places, spread
from optics.errors import SpecError
from optics.toml_errors import Lines

Path = tuple[str, ...]

_DISTILLED: tuple[Path, ...] = (("student", "training"), ("refit",), ("teacher", "training"))
MOVED: dict[Path, Path] = {("student", "distillation"): ("student", "training", "distillation")} | {
    (*place, key): (*place, "distillation", key) for place in _DISTILLED for key in FORMER
}
"""Where a key may stand, and where it is read."""

SHORT_KEYS: dict[Path, Path] = {("student",): ("distillation", *SHORT)}
"""Keys of deeper tables that a table of a run's file takes, by its path: what errors suggest there."""


def in_their_tables(table: Mapping[str, Any], lines: Lines | None = None) -> dict[str, Any]:
    """A run's table with short and former keys in the tables of their parts, and their lines with them."""
    table = _moved(table, lines)
    student = table.get("student")
    if not isinstance(student, Mapping):
        return table
    if lines is not None:
        lines.move({("student", key): ("student", *place) for key, place in places(student).items()})
    return {**table, "student": spread(student)}


def _moved(table: Mapping[str, Any], lines: Lines | None = None) -> dict[str, Any]:
    """The table with each key in the place where it is read, and its line with it.

    Raises:
        SpecError: a value is given in both places.
    """
    out = dict(table)
    for old, new in MOVED.items():
        if not _has(out, old):
            continue
        if _clash(out, old, new):
            raise SpecError(f"{'.'.join(old)} and {'.'.join(new)} are both given; keep one.")
        value = _at(out, old)
        out = _put(_without(out, old), new, value)
        if lines is not None:
            inner = {path: (*new, *path[len(old) :]) for path in lines.at if path[: len(old)] == old}
            lines.move(inner)
    return out


def _has(table: Any, path: Path) -> bool:
    for key in path:
        if not isinstance(table, Mapping) or key not in table:
            return False
        table = table[key]
    return True


def _at(table: Any, path: Path) -> Any:
    for key in path:
        table = table[key]
    return table


def _clash(table: Mapping[str, Any], old: Path, new: Path) -> bool:
    """Whether the two places say the same key; tables may share what they say between them."""
    if not _has(table, new):
        return any(
            _has(table, new[:n]) and not isinstance(_at(table, new[:n]), Mapping) for n in range(1, len(new))
        )
    a, b = _at(table, old), _at(table, new)
    return not (isinstance(a, Mapping) and isinstance(b, Mapping)) or bool(a.keys() & b.keys())


def _without(table: Mapping[str, Any], path: Path) -> dict[str, Any]:
    key, rest = path[0], path[1:]
    if not rest:
        return {k: v for k, v in table.items() if k != key}
    return {**table, key: _without(table[key], rest)}


def _put(table: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    key, rest = path[0], path[1:]
    if not rest:
        both = isinstance(value, Mapping) and isinstance(table.get(key), Mapping)
        return {**table, key: {**table[key], **value} if both else value}
    return {**table, key: _put(table.get(key, {}), rest, value)}
