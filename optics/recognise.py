"""What a file is, by what is in it: for errors that tell a user who gave the wrong file what it is and where it goes.

    check(path, "run")      raises where the file is certainly something else

Only the first bytes are read, and of a small text the tables; nothing is executed. A file that is not recognised is
left to its reader.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from optics.checks import OpticsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Wanted = Literal["run", "bench", "network"]
_MOST_BYTES = 2**20  # of a text that is looked into
_EXPECTED = {
    "run": "a run's configuration (docs/run-config.md)",
    "bench": "a bench file (docs/benches.md)",
    "network": "a network's file, as distill.save wrote it, or the directory of a run",
}
_BENCH_TABLES = {"light", "input", "lens1", "lens2", "slm", "camera"}
_RUN_TABLES = {
    "data",
    "teacher",
    "student",
    "bench",
    "calibration",
    "refit",
    "evaluation",
    "export",
    "verify",
}


@dataclass(frozen=True)
class Recognised:
    """What a file is. kind: one of `Wanted`, or another word. what: in words. use: where it goes, with FILE for it."""

    kind: str
    what: str
    use: str


_ARRAY = "masks, kernels and point-spread functions go through `sclc design FILE`, images through data.source"
_MAGIC: tuple[tuple[bytes, Recognised], ...] = (
    (b"\x93NUMPY", Recognised("array", "a NumPy array", _ARRAY)),
    (
        b"\x89HDF\r\n\x1a\n",
        Recognised("hdf5", "an HDF5 file", f"{_ARRAY}; `sclc data check FILE` tells what it holds"),
    ),
    (b"\x89PNG", Recognised("picture", "a picture (PNG)", _ARRAY)),
    (b"BM", Recognised("picture", "a picture (BMP)", _ARRAY)),
    (b"\xff\xd8\xff", Recognised("picture", "a picture (JPEG)", _ARRAY)),
    (b"MATLAB 5.0", Recognised("array", "a MATLAB file", _ARRAY)),
    (b"\x1f\x8b", Recognised("archive", "a gzip archive", "images are given as data.source")),
)
_ZIP = Recognised(
    "archive",
    "a zip archive (.npz, or a file of PyTorch)",
    "arrays go through `sclc design FILE`, an exported program is a teacher: teacher.file",
)
_BENCH = Recognised(
    "bench",
    "a bench file",
    'a run names it by [bench] source = "FILE", commands by --bench FILE; `sclc plan FILE` tells what it can do',
)
_RUN = Recognised(
    "run", "a run's configuration", "`sclc run FILE` does it; with a network's file it is --config FILE"
)
_DEVICE = Recognised(
    "device", "a device's file", 'a bench names it by device = "FILE" in [slm], [camera] or [input]'
)
_MANIFEST = Recognised("manifest", "the manifest of an export", "`sclc verify` takes its directory")
_RESULT = Recognised("result", "a run's result.json", "commands take the run's directory")
_SCHEMA = Recognised(
    "schema", "a JSON Schema", "editors take it from the first line of a TOML file: #:schema FILE"
)
_NETWORK = Recognised("network", "a network's file", "`sclc evaluate`, `export` and `report` take it")
_WEIGHTS = Recognised("weights", "a safetensors file that `distill.save` did not write", _ARRAY)


def check(path: Path, wanted: Wanted) -> None:
    """Raise OpticsError where `path` is recognised as another kind of file than the one that is `wanted`."""
    found = recognise(path)
    if found is not None and found.kind not in (wanted, "weights"):
        use = found.use.replace("FILE", str(path))
        raise OpticsError(f"{path} is {found.what}, expected {_EXPECTED[wanted]}: {use}.")


def recognise(path: Path) -> Recognised | None:
    """What the file is; None where there is no such file, or it is nothing that is known here."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            head = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError):
        return None
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _ZIP
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**26:
        return _NETWORK if b'"spectral-cascade model 1"' in head else _WEIGHTS
    return _of_text(head) if len(head) <= _MOST_BYTES else None


def _of_text(data: bytes) -> Recognised | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    try:
        if text.lstrip().startswith("{"):
            return _of_json(json.loads(text))
        return _of_toml(tomllib.loads(text))
    except (ValueError, RecursionError):
        return None


def _of_json(table: Any) -> Recognised | None:
    if not isinstance(table, Mapping):
        return None
    if str(table.get("format", "")).startswith("spectral-cascade"):
        return _MANIFEST
    if "$schema" in table:
        return _SCHEMA
    return _RESULT if "schema_version" in table and "rows" in table else None


def _of_toml(table: Mapping[str, Any]) -> Recognised | None:
    if "kind" in table and "figures" in table:
        return _DEVICE
    bench, run = _BENCH_TABLES & table.keys(), _RUN_TABLES & table.keys()
    if bench and not run:
        return _BENCH
    return _RUN if run and not bench else None
