"""Benches from TOML files, with errors that name the file, the line, the key and the keys that are known.

A bench file has one table for each part (`docs/benches.md` lists every key); `device = "..."` in `[slm]`, `[camera]` or
`[input]` takes that device's figures from the catalogue or from the user's own file of the same form, and the keys
beside it override them. The same tables as a plain dictionary, for instance out of a manifest, go through
`bench_from_dict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from optics.bench import catalogue
from optics.bench.response_tables import with_table
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, SpecError
from optics.reading import exists, home, may_be_file
from optics.recognise import check
from optics.spec import validated
from optics.toml_errors import DEVICE_TABLES, Places, explain, parse, unknown, where

GREEN = 532e-9  # metres
BENCHES = Path(__file__).parent / "benches"


def bench_names() -> tuple[str, ...]:
    """Names of the benches that come with the package."""
    return tuple(sorted(p.stem for p in BENCHES.glob("*.toml")))


def load_bench(source: str | Path) -> BenchSpec:
    """A bench from a TOML file, or one of the shipped benches by its name ("pluto2-200mm").

    Devices are looked up in the folder of the file first, then in the catalogue.

    Raises:
        SpecError: no such file or name, not TOML, an unknown key or device, a missing or impossible value.
    """
    path = find_bench(source)
    check(path, "bench")
    data, lines = parse(path)
    return bench_from_dict(data, source=str(path), lines=lines, search=path.parent)


def find_bench(source: str | Path) -> Path:
    """The file that `load_bench` reads.

    Raises:
        SpecError: no shipped bench has this name; that a path leads nowhere is told when it is read.
    """
    path = home(source)
    if isinstance(source, str) and "/" not in source and "\\" not in source and not may_be_file(path):
        shipped = BENCHES / f"{source.removesuffix('.toml')}.toml"
        if exists(shipped):
            return shipped
        if path.suffix != ".toml":
            raise SpecError(unknown("bench", source, bench_names()) + " Or pass the path of a TOML file.")
    return path


def bench_from_dict(
    data: Mapping[str, Any], *, source: str, lines: Places | None = None, search: Path | None = None
) -> BenchSpec:
    """A bench from the tables of a bench file.

    Args:
        data: one mapping per table; keys as in `docs/benches.md`.
        source: what errors call it, for instance the file's path.
        lines: where the keys stand, if `data` came from a text.
        search: a folder with the user's own device files.

    Raises:
        SpecError: an unknown key or device, a missing or impossible value.
    """
    tables = dict(data)
    used: dict[str, str] = {}
    for table, kind in DEVICE_TABLES.items():
        part = tables.get(table)
        if isinstance(part, Mapping) and "device" in part:
            rest = {k: v for k, v in part.items() if k != "device"}
            try:
                device = catalogue.load(part["device"], kind=kind, search=search)
                figures = (
                    device.figures if set(device.tables) <= set(rest) else device.at(_wavelength(tables))
                )
            except SpecError as e:
                raise SpecError(f"{where(source, lines, (table, 'device'))}: {e}") from e
            used[table] = device.name
            tables[table] = merged(_as_mounted(figures, table, tables.get("mounting")), rest)
    if isinstance(tables.get("slm"), Mapping):
        try:
            tables["slm"] = _with_place(with_table(tables["slm"], search), search)
        except OpticsError as e:
            raise SpecError(f"{where(source, lines, ('slm', 'response'))}: {e}") from e
    try:
        return validated(BenchSpec, tables)
    except ValidationError as e:
        raise SpecError(explain(e, BenchSpec, source=source, lines=lines, used=used)) from e


def _wavelength(tables: Mapping[str, Any]) -> float:
    """The main wavelength of a bench's tables, before they are validated; the green where there is none."""
    light = tables.get("light")
    value = light.get("wavelength") if isinstance(light, Mapping) else None
    if isinstance(value, int | float) and 1e-8 < value < 1e-3:  # another is refused with its own words
        return float(value)
    return GREEN


def _with_place(slm: dict[str, Any], search: Path | None) -> dict[str, Any]:
    """The same with the paths of its correction and its driver's table made absolute: beside the bench, or in here."""

    def found(name: Any) -> Any:
        folders = [search, Path()] if search is not None else []
        if not isinstance(name, str):
            return name
        return next((str((f / home(name)).resolve()) for f in folders if exists(f / home(name))), name)

    told = slm.get("correction")
    if isinstance(told, Mapping) and "file" in told:
        slm = slm | {"correction": {**told, "file": found(told["file"])}}
    return slm | {"driver_table": found(slm["driver_table"])} if "driver_table" in slm else slm


def _as_mounted(figures: Mapping[str, Any], table: str, mounting: Any) -> dict[str, Any]:
    """A device's own figures as the light sees them: rows are columns where it is mounted on its side."""
    name = "display" if table == "input" else table
    mount = mounting.get(name) if isinstance(mounting, Mapping) else None
    turned = mount.get("turned") if isinstance(mount, Mapping) else None
    found = dict(figures)
    if isinstance(turned, int) and turned % 2:
        for key in ("shape", "crosstalk"):
            if isinstance(found.get(key), list | tuple):
                found[key] = tuple(reversed(found[key]))
        sections = found.get("response", {}).get("sections")
        if sections is not None:
            quarter = torch.rot90(torch.tensor(sections, dtype=torch.float64), -turned)
            found["response"] = {**found["response"], "sections": quarter.tolist()}
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` in place; tables inside are merged likewise. A LUT gives way to range or gamma."""
    out = dict(base)
    if ("range" in over or "gamma" in over) and "lut" not in over:
        out.pop("lut", None)
        out.pop("file", None)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return out
