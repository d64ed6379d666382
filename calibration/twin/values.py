"""Single numbers inside a bench, by name: `alignment.mask_shift.0`, `lens1.zernike.4`, `slm.response.gamma`.

A name's last part may be an index (a point's y or x, a table's entry) or a Noll index, which is 0 where it is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.spec import Spec


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
        head, _, last = name.rpartition(".")
        if not last.isdigit():
            changes[name] = value
            continue
        whole: Any = changes.get(head)
        if whole is None:
            whole = bench
            for part in head.split("."):
                whole = getattr(whole, part, None)
        if isinstance(whole, dict):
            changes[head] = {**whole, int(last): value}
        elif isinstance(whole, tuple) and int(last) < len(whole):
            changes[head] = tuple(value if k == int(last) else v for k, v in enumerate(whole))
        else:
            raise SpecError(f"{name!r} is no number of bench {bench.name!r}.")
    return bench.replace(**changes)
