"""The ledger of a run's directory: which steps are done, for which inputs, so that a killed run can go on.

Every step has a *key*, the hash of all that its result depends on: its own configuration and the keys of the steps it
reads. A step is done if the ledger holds its key and its outputs exist; a step whose key has changed loses its
outputs before anything runs, so that results of two configurations never stand side by side.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from optics.errors import OpticsError
from optics.files import is_temporary, remove_leftovers, write_json

LEDGER = "steps.json"
_VERSION = 1


def key_of(*parts: Any) -> str:
    """Hash of JSON-like values, 16 hexadecimal digits; equal for equal values whatever the order of their keys."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OpticsError: it is absent, or not JSON; the message says where.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OpticsError(f"{path} does not exist; run the step that writes it first.") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OpticsError(
            f"{path} is not JSON ({error}); remove it and run the step that writes it."
        ) from None


class Ledger:
    """What is known about each step of one run.

    Args:
        directory: the run's directory.
        outputs: the files and folders, relative to it, that each step writes; nothing else is ever removed.

    Raises:
        OpticsError: the directory holds other things than a run, or its ledger cannot be read.
    """

    def __init__(self, directory: Path, outputs: Mapping[str, tuple[str, ...]]) -> None:
        self.directory = directory
        self.outputs = dict(outputs)
        self._steps: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()  # steps may run side by side
        if directory.exists() and not directory.is_dir():
            raise OpticsError(f"{directory} is a file; give a directory for the run.")
        if self.exists():
            data = read_json(directory / LEDGER)
            if not isinstance(data, dict) or data.get("version") != _VERSION:
                raise OpticsError(f"{directory / LEDGER} is of another version; choose another directory.")
            self._steps = data["steps"]
        elif directory.exists() and any(
            p.name != ".lock" and not is_temporary(p) for p in directory.iterdir()
        ):
            raise OpticsError(f"{directory} is not empty and holds no run; choose another directory.")

    def exists(self) -> bool:
        """Whether the directory holds a run, finished or not."""
        return (self.directory / LEDGER).is_file()

    def begun(self, *, beside: tuple[str, ...] = ()) -> bool:
        """Whether the directory holds anything that a step wrote, other than those `beside`.

        A run that failed before it trained anything left nothing that could be lost.
        """
        names = [name for step, written in self.outputs.items() if step not in beside for name in written]
        return self.exists() and any(_holds_something(self.directory / name) for name in names)

    def begin(self) -> None:
        """Say that the directory holds a run, before anything else is written there."""
        if not self.exists():
            self._save()

    def done(self, step: str, key: str) -> bool:
        """Whether `step` was finished for these inputs and all it wrote is still there."""
        known = self._steps.get(step, {})
        there = all((self.directory / name).exists() for name in self.outputs[step])
        return known.get("key") == key and known.get("done") is True and there

    def seconds(self, step: str) -> float:
        """How long the process that finished `step` worked on it."""
        return float(self._steps.get(step, {}).get("seconds", 0.0))

    def drop_stale(self, keys: Mapping[str, str]) -> list[str]:
        """Remove what steps wrote for other inputs than `keys`; returns the names of those steps."""
        stale = [s for s in self.outputs if s in self._steps and self._steps[s].get("key") != keys.get(s)]
        for step in stale:
            self._forget(step)
        if stale:
            self._save()
        return stale

    def clear(self) -> None:
        """Remove everything that any step wrote."""
        for step in self.outputs:
            self._forget(step)
        (self.directory / LEDGER).unlink(missing_ok=True)

    @contextlib.contextmanager
    def working(self, step: str, key: str, *, keep: bool) -> Iterator[None]:
        """Mark `step` as begun, run the body, mark it as done with its seconds; an error leaves it begun.

        keep: leave what an interrupted run of this step wrote, so that it can go on; else remove it first.
        """
        with self._lock:
            if not keep:
                self._forget(step)
            self._steps[step] = {"key": key, "done": False}
            self._save()
        start = time.perf_counter()
        yield
        with self._lock:
            self._steps[step] = {"key": key, "done": True, "seconds": round(time.perf_counter() - start, 3)}
            self._save()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Create the directory and keep other processes out of it; the lock dies with the process.

        What a process that was killed left half written is removed.

        Raises:
            OpticsError: another process works there.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as handle:
            try:
                import fcntl
            except ImportError:  # not a POSIX system: no lock
                yield
                return
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise OpticsError(
                    f"another process works in {self.directory}; wait for it or choose another directory."
                ) from None
            remove_leftovers(self.directory)
            yield

    def _forget(self, step: str) -> None:
        for name in self.outputs[step]:
            path = self.directory / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self._steps.pop(step, None)

    def _save(self) -> None:
        write_json(self.directory / LEDGER, {"version": _VERSION, "steps": self._steps})


def _holds_something(path: Path) -> bool:
    """A file, or a folder with one in it or below."""
    return path.is_file() or (path.is_dir() and any(p.is_file() for p in path.rglob("*")))
