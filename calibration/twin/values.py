"""Single numbers inside a bench, by name: `alignment.mask_shift.0`, `lens1.zernike.4`, `slm.response.sections.1.2`.

A name's last parts may be indices (a point's y or x, a section's row and column) or a Noll index, which is 0 where it
is absent. `slm.response.lut.3of8` is the table at knot 3 of 0 .. 8, which stand evenly over its levels: setting it
moves the levels as far as the neighbouring knots by straight lines, and keeps the table from falling.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.spec import Spec

_KNOT = re.compile(r"(\d+)of(\d+)")


def get_value(bench: BenchSpec, name: str) -> float:
    """The number `name` of a bench.

    Raises:
        SpecError: there is no such number.
    """
    value: Any = bench
    for part in name.split("."):
        if isinstance(value, Spec) and part in type(value).model_fields:
            value = getattr(value, part)
        elif isinstance(value, dict) and part.isdigit():
            value = value.get(int(part), 0.0)
        elif isinstance(value, tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, tuple) and (knot := _knot(part, len(value))) is not None:
            value = value[knot[0]]
        else:
            raise SpecError(f"{name!r} is no number of bench {bench.name!r}: it has no {part!r} there.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError(f"{name!r} is {value!r} in bench {bench.name!r}, expected a number.")
    return float(value)


def set_values(bench: BenchSpec, values: Mapping[str, float]) -> BenchSpec:
    """A validated copy of a bench with some numbers changed.

    Raises:
        SpecError: there is no such number, or a value is not allowed.
    """
    changes: dict[str, Any] = {}
    for name, value in values.items():
        field, inside, whole = _field(bench, name)
        changes[field] = _changed(changes.get(field, whole), inside, value, name)
    return bench.replace(**{f: _rising(v) if f.endswith(".lut") else v for f, v in changes.items()})


def field_of(bench: BenchSpec, name: str) -> str:
    """The field that a number stands in: `lens1.zernike` of `lens1.zernike.4`."""
    return _field(bench, name)[0]


def _field(bench: BenchSpec, name: str) -> tuple[str, list[str], Any]:
    """The field that a name leads to, the indices inside it, and what it holds."""
    parts, value = name.split("."), bench
    for k, part in enumerate(parts):
        if not isinstance(value, Spec):
            return ".".join(parts[:k]), parts[k:], value
        if part not in type(value).model_fields:
            raise SpecError(f"{name!r} is no number of bench {bench.name!r}: it has no {part!r} there.")
        value = getattr(value, part)
    return name, [], value


def _changed(whole: Any, inside: Sequence[str], value: float, name: str) -> Any:
    """A field's content with one number in it changed."""
    if not inside:
        return value
    part, rest = inside[0], inside[1:]
    if isinstance(whole, dict) and part.isdigit():
        return {**whole, int(part): _changed(whole.get(int(part), 0.0), rest, value, name)}
    if isinstance(whole, tuple) and part.isdigit() and int(part) < len(whole):
        k = int(part)
        return (*whole[:k], _changed(whole[k], rest, value, name), *whole[k + 1 :])
    if isinstance(whole, tuple) and not rest and (knot := _knot(part, len(whole))) is not None:
        return _bent(whole, knot, value)
    raise SpecError(f"{name!r} is no number: nothing is at {part!r}.")


def _knot(part: str, levels: int) -> tuple[int, int, int] | None:
    """The level of a knot, and those of the knots before and behind it; None where the part names no knot."""
    found = _KNOT.fullmatch(part)
    if found is None:
        return None
    k, count = int(found[1]), int(found[2])
    if not 1 <= count < levels or k > count:
        return None
    at, before, behind = (round(min(max(j, 0), count) * (levels - 1) / count) for j in (k, k - 1, k + 1))
    return at, before, behind


def _bent(table: tuple[float, ...], knot: tuple[int, int, int], value: float) -> tuple[float, ...]:
    """A table with the value at one knot, straight lines of change to its neighbours."""
    at, before, behind = knot
    change, out = value - table[at], list(table)
    for k in range(before, behind + 1):
        far = at - before if k < at else behind - at
        out[k] += change * (1 - abs(k - at) / far if k != at else 1.0)
    return tuple(out)


def _rising(table: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(itertools.accumulate(table, max))
