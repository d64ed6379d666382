"""A bench as the text of a TOML file that `optics.bench.files.load_bench` reads back to the same bench."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from optics.bench.spec import BenchSpec
from optics.spec import Spec


def bench_text(
    bench: BenchSpec, *, notes: Mapping[str, str] | None = None, heading: Sequence[str] = ()
) -> str:
    """The TOML of a bench: what differs from the default, one table a part.

    Args:
        bench: what is written.
        notes: remarks behind keys, by dotted name: `slm.response.gamma`, or `alignment.mask_shift` for a point.
        heading: lines of remarks at the top.
    """
    remarks = {} if notes is None else notes
    lines = [f"# {line}" for line in heading]
    lines.append(f"name = {json.dumps(bench.name, ensure_ascii=False)}")
    for part in type(bench).model_fields:
        value = getattr(bench, part)
        if isinstance(value, Spec):
            lines += _table(value, part, remarks, needed=type(bench).model_fields[part].get_default() is None)
    return "\n".join(lines) + "\n"


def _table(spec: Spec, name: str, notes: Mapping[str, str], *, needed: bool = False) -> list[str]:
    """The lines of a table; an empty one is written where it is `needed`, since its absence means something else."""
    own, parts = [], []
    for key, info in type(spec).model_fields.items():
        value = getattr(spec, key)
        if isinstance(value, Spec):
            parts += _table(value, f"{name}.{key}", notes, needed=info.get_default() is None)
            continue
        if value is None or (not info.is_required() and value == info.get_default()):
            continue
        note = notes.get(f"{name}.{key}")
        own.append(f"{key} = {_value(value)}" + (f"  # {note}" if note else ""))
    return ([f"\n[{name}]", *own] if own or needed else []) + parts


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(_value(v) for v in value) + "]"
