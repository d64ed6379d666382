"""The files that a run's configuration names, as absolute paths: a stored configuration means the same from anywhere.

They are looked for beside the configuration, then in the current folder; what is typed with `--set` in the current
folder first, as it is meant there. Data are also looked for in the folder that `SCLC_DATA` names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from distill.data.sources import absent, names
from distill.job.toml import Table, holds
from optics.bench.files import bench_names, find_bench
from optics.errors import OpticsError, SpecError
from optics.reading import exists, home, quoted, shortened
from optics.spec import Validated

V = TypeVar("V", bound=Validated)

FILES = (
    "bench.source",
    "bench.slm.device",
    "bench.slm.driver_table",
    "bench.slm.response.file",
    "bench.slm.assumed_response.file",
    "bench.slm.correction.file",
    "bench.camera.device",
    "bench.input.device",
    "data.source",
    "data.unlabelled",
    "student.file",
    "teacher.file",
    "teacher.module",
    "teacher.weights",
)
"""Keys whose values are names of files, or of what comes with the package."""


def located(config: V, folder: Path, typed: Sequence[Table] = ()) -> V:
    """The same configuration with the files that it names as absolute paths.

    Args:
        config: of a run.
        folder: where its file stands.
        typed: the tables of what was typed on top of it.
    """

    def place(key: str, name: str) -> str | None:
        if not name or _shipped(key, name):
            return None
        here = any(holds(table, tuple(key.split("."))) for table in typed)
        places = [Path(), folder] if here else [folder, Path()]
        return _first(home(name), [*places, *_shared(key)])

    return with_names(config, place)


def relocated(config: V, folder: Path) -> V:
    """The same configuration; a file that is no longer where it was is looked for by its own name.

    Whether it is the same file is not asked here: what was done in a run is known by what its files hold.

    Args:
        config: of a run, with absolute paths.
        folder: of the run; next come the current folder and, for data, `SCLC_DATA`.
    """

    def place(key: str, name: str) -> str | None:
        path = Path(name)
        if not path.is_absolute() or exists(path):
            return None
        return _first(Path(path.name), [folder, Path(), *_shared(key)])

    return with_names(config, place)


def check_data(config: BaseModel) -> None:
    """Whether the images that a configuration names are there, before they are looked at.

    Raises:
        OpticsError: they are not; the key, and where they were looked for.
    """
    for key in (key for key in FILES if key.startswith("data.")):
        name = _value(config, tuple(key.split(".")))
        if name is not None and not _shipped(key, name) and not exists(path := home(name)):
            raise OpticsError(f"{key}: {absent(name, '' if path.is_absolute() else _looked())}")


def check_bench(source: str, who: str) -> None:
    """Whether there is such a bench; who: says it.

    Raises:
        SpecError: there is none; where it was looked for, and the shipped ones.
    """
    try:
        path = find_bench(source)
    except SpecError as error:
        raise SpecError(f"{who}: {error}") from None
    if not exists(path):
        raise SpecError(
            f"{who}: no file is called {quoted(source)} beside the configuration or in the current "
            f"folder; shipped benches: {', '.join(bench_names())}."
        )


def _looked() -> str:
    """Where data were looked for, in words."""
    shared = os.environ.get("SCLC_DATA")
    there = "which is not set" if not shared else shortened(shared, most=80)
    lost = ", no folder" if shared and not Path(shared).is_dir() else ""
    return f" beside the configuration, in the current folder or in that of SCLC_DATA ({there}{lost})"


def _shared(key: str) -> list[Path]:
    """The folder of data sets, for a key that names one."""
    shared = os.environ.get("SCLC_DATA")
    return [Path(shared)] if shared and key.startswith("data.") else []


def _first(name: Path, places: Sequence[Path]) -> str | None:
    found = next((p / name for p in places if exists(p / name)), None)
    return None if found is None else str(found.resolve())


def with_names(config: V, new: Callable[[str, str], str | None]) -> V:
    """The same configuration with other names of files: what `new` says of a key and the name there, or as it is."""
    changes: dict[str, Any] = {}
    for key in FILES:
        path = tuple(key.split("."))
        name, rest = _value(config, path), ""
        if key == "teacher.module" and isinstance(name, str):
            name, colon, inside = name.rpartition(":")
            rest = colon + inside
        if isinstance(name, str) and (other := new(key, name)) is not None:
            _put(changes, config, path, other + rest)
    return config.replace(**changes) if changes else config


def _shipped(key: str, name: str) -> bool:
    """Whether a name stands for what comes with the package, or is downloaded, whatever files are called so."""
    if key.startswith("data."):
        return name in names()
    return (key == "bench.source" or key.endswith(".device")) and not (Path(name).suffix or "/" in name)


def _value(config: Any, path: Sequence[str]) -> Any:
    value = config
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value


def _put(changes: dict[str, Any], config: BaseModel, path: tuple[str, ...], value: str) -> None:
    """Note a change for `replace`: of a key, or of a whole table whose keys the configuration does not know itself."""
    depth = next((n for n in range(1, len(path)) if isinstance(_value(config, path[:n]), Mapping)), len(path))
    key = ".".join(path[:depth])
    old = changes.get(key, _value(config, path[:depth]))
    changes[key] = _within(old, path[depth:], value)


def _within(table: Any, path: tuple[str, ...], value: str) -> Any:
    return value if not path else {**table, path[0]: _within(table.get(path[0]), path[1:], value)}
