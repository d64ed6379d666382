"""The catalogue of real devices: published figures, each with its source, in TOML files that anyone can add to.

A device file has the device's `kind` ("slm", "camera" or "display"), its `title`, the table `[figures]` with the keys
of the spec of that kind (SLMSpec, CameraSpec, InputSpec), and the table `[source]` with one string for every figure:
the document, with its date or revision, or "Assumed". `[at_wavelength]` holds figures that a maker gives against the
wavelength, rows of (metres, value): a bench reads them at its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from optics.bench.spec import InputSpec
from optics.camera.camera import CameraSpec
from optics.checks import SpecError
from optics.reading import exists, quoted
from optics.slm.panel import SLMSpec
from optics.spec import Spec, validated
from optics.toml_errors import explain, parse, unknown

DEVICES = Path(__file__).parent / "devices"
KINDS: dict[str, type[Spec]] = {"slm": SLMSpec, "camera": CameraSpec, "display": InputSpec}


@dataclass(frozen=True)
class Device:
    """A device as its file describes it.

    name: the file's name without suffix. kind: "slm", "camera" or "display". title: maker and model. figures: keys of
    the kind's spec, SI units. source: where each figure comes from. tables: figures against the wavelength, by dotted
    key, (metres, value) of rising wavelengths. note: what else to know.
    """

    name: str
    kind: str
    title: str
    figures: dict[str, Any]
    source: dict[str, str]
    tables: dict[str, tuple[tuple[float, float], ...]]
    note: str
    path: Path

    def spec(self) -> Spec:
        """The validated spec: SLMSpec, CameraSpec or InputSpec."""
        return KINDS[self.kind].model_validate(self.figures)

    def at(self, wavelength: float) -> dict[str, Any]:
        """The figures at a wavelength (metres): those with a table read from it, linearly between its rows.

        Raises:
            SpecError: a wavelength that a table does not reach.
        """
        figures = dict(self.figures)
        for key, rows in self.tables.items():
            known, values = zip(*rows, strict=True)
            if not known[0] <= wavelength <= known[-1]:
                raise SpecError(
                    f"device {self.name!r} has {key} from {known[0]:.4g} to {known[-1]:.4g} m, not at "
                    f"{wavelength:.4g} m; give {key} beside the device."
                )
            value = float(np.interp(wavelength, known, values))
            head, _, rest = key.partition(".")
            figures[head] = {**figures.get(head, {}), rest: value} if rest else value
        return figures


def names(kind: str | None = None) -> tuple[str, ...]:
    """Names of the devices in the catalogue, of one kind ("slm", "camera", "display") or of all.

    Raises:
        SpecError: an unknown kind.
    """
    if kind is not None and kind not in KINDS:
        raise SpecError(unknown("kind of device", kind, tuple(KINDS)))
    found = sorted(p.stem for p in DEVICES.glob("*.toml"))
    return tuple(n for n in found if kind is None or load(n).kind == kind)


def load(name: str, *, kind: str | None = None, search: Path | None = None) -> Device:
    """A device by its name, or by the path of a TOML file of the same form.

    Args:
        name: a name of the catalogue, or of a file `name.toml` in `search`, or a path that ends in ".toml".
        kind: what it must be; None takes any.
        search: a folder that is looked in first; paths are relative to it.

    Raises:
        SpecError: unknown name (with the nearest), wrong kind, or a file that is not a device.
    """
    if not isinstance(name, str):
        raise SpecError(f"device is {quoted(name)}, expected the name of a device in quotes.")
    path = _find(name, search)
    if path is None:
        own = tuple(sorted(p.stem for p in search.glob("*.toml"))) if search is not None else ()
        choice = names(kind) if kind is None or kind in KINDS else names()
        near_own = tuple(n for n in own if difflib.SequenceMatcher(None, n, name).ratio() > 0.7)
        raise SpecError(unknown(kind or "device", name, choice + near_own))
    device = _read(path)
    if kind is not None and device.kind != kind:
        raise SpecError(f"device {name!r} is a {device.kind}, expected a {kind}: {', '.join(names(kind))}.")
    return device


def _find(name: str, search: Path | None) -> Path | None:
    plain = name.removesuffix(".toml")
    if name.endswith(".toml"):
        direct = (search or Path()) / name
        return direct if exists(direct) else None
    if plain != Path(plain).name:
        return None
    folders = [DEVICES] if search is None else [search, search / "devices", DEVICES]
    return next((f / f"{plain}.toml" for f in folders if exists(f / f"{plain}.toml")), None)


def _read(path: Path) -> Device:
    data, lines = parse(path)
    allowed = {"kind", "title", "note", "figures", "at_wavelength", "source"}
    for key in data:
        if key not in allowed:
            raise SpecError(
                f"{path}:{lines.of((key,))}: unknown key {quoted(key)}. Known keys: {', '.join(sorted(allowed))}."
            )
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise SpecError(
            f"{path}:{lines.of(('kind',)) or 1}: kind is {quoted(kind)}, expected one of {', '.join(KINDS)}."
        )
    figures, source = data.get("figures"), data.get("source", {})
    if not isinstance(figures, dict) or not isinstance(source, dict):
        raise SpecError(f"{path}: a device needs the tables [figures] and [source].")
    try:
        validated(KINDS[kind], figures)
    except ValidationError as e:
        message = explain(e, KINDS[kind], source=str(path), lines=lines.inside("figures"), table="figures")
        raise SpecError(message) from e
    return Device(
        name=path.stem,
        kind=kind,
        title=str(data.get("title", path.stem)),
        figures=figures,
        source={key: str(value) for key, value in dotted(source)},
        tables=_tables(data.get("at_wavelength", {}), path),
        note=str(data.get("note", "")),
        path=path,
    )


def _tables(data: Any, path: Path) -> dict[str, tuple[tuple[float, float], ...]]:
    """The rows of [at_wavelength] by dotted key."""
    found = {}
    for key, rows in dotted(data) if isinstance(data, dict) else [("at_wavelength", data)]:
        try:
            pairs = tuple((float(w), float(v)) for w, v in rows)
        except (TypeError, ValueError):
            pairs = ()
        if len(pairs) < 2 or any(b[0] <= a[0] for a, b in pairwise(pairs)):
            raise SpecError(
                f"{path}: [at_wavelength] {key} needs two or more [metres, value] rows of rising wavelength."
            )
        found[key] = pairs
    return found


def dotted(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Every value of nested tables with its dotted key: `{"adc": {"bits": 12}}` gives `[("adc.bits", 12)]`."""
    out: list[tuple[str, Any]] = []
    for key, value in table.items():
        name = f"{prefix}{key}"
        out += dotted(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return out
