"""Measured responses from files: one phase per level, as a maker's test sheet or one's own measurement gives them.

    [slm.response]
    file = "phase-532nm.csv"       # beside the bench file
    unit = "pi"                    # what the values are in; "radians" where nothing is said

One column (levels 0, 1, 2 ... in order) or two (level, value); commas, semicolons, tabs or spaces between, decimal
commas beside semicolons, a heading, remarks. A phase that is told modulo 2 pi is unwrapped; noise is taken out by the
nearest curve that never falls, or never rises (least squares; pool
adjacent violators: Barlow et al., Statistical Inference under Order Restrictions, 1972). What was done is said in
`response.source`, which goes wherever the bench goes. Driver tables
(Meadowlark `.lut`, gamma tables: level to voltage or to another level) belong into the driver and are refused here;
`slm.driver_table` keeps one beside the frames.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optics.checks import SpecError
from optics.reading import exists, quoted, read_bytes
from optics.slm.response import not_radians

UNITS = {"radians": 1.0, "pi": math.pi, "turns": 2 * math.pi, "degrees": math.pi / 180}
_MOST_BYTES = 2**22
_REMARKS = ("#", "//", "%", ";")
_MOVED = 0.1  # share of the table's span that a monotone fit may move a value by


def with_table(slm: Mapping[str, Any], search: Path | None) -> dict[str, Any]:
    """The keys of an SLM with the files that its responses name read.

    Args:
        slm: of [slm]; `response` and `assumed_response` may have `file` and `unit`.
        search: a folder that is looked in before the current one.

    Raises:
        SpecError: no such file, not a table of phases, or one that rises and falls.
    """
    found = dict(slm)
    for name in ("response", "assumed_response"):
        response = found.get(name)
        if isinstance(response, Mapping) and "file" in response:
            found[name] = _read(response, search)
        elif isinstance(response, Mapping) and "unit" in response:
            raise SpecError(f"slm.{name}.unit says what the values of a file are in; give {name}.file too.")
    return found


def _read(response: Mapping[str, Any], search: Path | None) -> dict[str, Any]:
    rest = {key: value for key, value in response.items() if key not in ("file", "unit", "lut")}
    file, unit = response["file"], response.get("unit", "radians")
    if not isinstance(file, str):
        raise SpecError(f"response.file is {quoted(file)}, expected the path of a table in quotes.")
    if not isinstance(unit, str) or unit not in UNITS:
        raise SpecError(f"response.unit is {quoted(unit)}; choose one of {', '.join(UNITS)}.")
    folders = [Path(), *([search] if search is not None else [])]
    path = next((f / file for f in reversed(folders) if exists(f / file)), Path(file))
    values, said = phases(path, unit)
    return {**rest, "lut": tuple(values.tolist()), "source": said}


def phases(path: Path, unit: str = "radians") -> tuple[NDArray[np.float64], str]:
    """One phase per level, radians, never falling or never rising, (levels,); and what was done to the table, in words.

    Raises:
        SpecError: not a table of phases in that unit, or no curve that goes one way with the level.
    """
    values = _column(path) * UNITS[unit]
    if wrong := not_radians(values.tolist()):
        hint = "" if unit != "radians" else "; if so, say it by response.unit"
        if "driver's" in wrong:
            hint = (
                f': keep it by slm.driver_table = "{path.name}", and say here which phase the panel then has'
            )
        raise SpecError(f"{path}: {wrong}{hint}.")
    said = [f"{path.name}: {len(values)} levels, {unit}"]
    if np.abs(np.diff(values)).max() > math.pi:
        values = np.unwrap(values)
        said.append("unwrapped")
    fitted, moved = one_way(values, str(path))
    if fitted[-1] < fitted[0]:
        said.append("falls with the level")
    if moved > 0:
        way = "falling" if fitted[-1] < fitted[0] else "rising"
        said.append(f"made {way} by moving values by up to {moved:.2g} rad")
    return fitted, ", ".join(said)


def one_way(values: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], float]:
    """The never-falling, or never-rising, phases nearest to measured ones (levels,), radians; and the largest change.

    Raises:
        SpecError: the phase folds: no curve that goes one way is near; `name` says whose it is.
    """
    falls = bool(values[-1] < values[0])
    fitted = -rising(-values) if falls else rising(values)
    moved, span = np.abs(fitted - values), abs(float(fitted[-1] - fitted[0]))
    if moved.max() > _MOVED * span:
        worst = int(moved.argmax())
        raise SpecError(
            f"{name}: level {worst} at {values[worst]:.4g} rad is {moved[worst]:.2g} rad off the nearest curve that "
            f"{'falls' if falls else 'rises'} with the level; measure again, or smooth it."
        )
    return fitted, float(moved.max())


def rising(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The never-falling values nearest to `values` (n,) in the least-squares sense."""
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, count = value, 1
        while blocks and blocks[-1][0] > mean:
            before, n = blocks.pop()
            mean, count = (before * n + mean * count) / (n + count), n + count
        blocks.append((mean, count))
    return np.repeat([mean for mean, _ in blocks], [count for _, count in blocks]).astype(np.float64)


def _column(path: Path) -> NDArray[np.float64]:
    """Values in the order of their levels."""
    try:
        text = read_bytes(path, most=_MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"{path} is no text; a table has one row per level.") from None
    rows: list[tuple[float, ...]] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith(_REMARKS):
            continue
        cells = _cells(bare)
        if cells is None:
            if rows:
                raise SpecError(f"{path}:{number}: {bare[:40]!r} holds no numbers.")
            continue  # a heading
        if len(cells) > 2 or (rows and len(cells) != len(rows[0])):
            raise SpecError(
                f"{path}:{number}: {len(cells)} columns, expected level and value, or the value alone."
            )
        rows.append(cells)
    table = np.array(rows, dtype=np.float64)
    if len(table) < 2 or not np.isfinite(table).all():
        raise SpecError(f"{path} holds no table of finite numbers, one row per level.")
    if table.shape[1] == 1:
        return table[:, 0]
    ordered = table[np.argsort(table[:, 0], kind="stable")]
    if not np.array_equal(ordered[:, 0], np.arange(len(ordered))):
        raise SpecError(
            f"{path}: its first column is not the levels 0 to {len(ordered) - 1}, each once; interpolate it to them."
        )
    return ordered[:, 1]


def _cells(line: str) -> tuple[float, ...] | None:
    """The numbers of a row; None where it holds something else."""
    if ";" in line:
        line = line.replace(",", ".")  # decimal commas
    try:
        return tuple(float(cell) for cell in re.split(r"[;,\s]+", line.strip(";, \t")))
    except ValueError:
        return None
