"""The ledger of a run's directory: which steps are done, for which inputs, so that a killed run can go on.

Every step has a *key*, the hash of all that its result depends on: its own configuration and the keys of the steps it
reads. A step is done if the ledger holds its key and its outputs exist; a step whose key has changed loses its
outputs before anything runs, so that results of two configurations never stand side by side.

The directory may be the user's home. Nothing is removed or replaced there but files that the ledger lists: where a step
would write and something else is, the run is refused before anything is touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shlex
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from optics.errors import OpticsError
from optics.files import is_temporary, make_folder, remove_folder, remove_leftovers, told, write_json
from optics.reading import from_json, reason

LEDGER, LOCK, CONFIG, RESULT = "steps.json", ".lock", "config.toml", "result.json"
UNREADABLE = "what is done there is not known without it; choose another directory."  # of a ledger
_VERSION = 1


def key_of(*parts: Any) -> str:
    """Hash of JSON-like values, 16 hexadecimal digits; equal for equal values whatever the order of their keys."""
    text = json.dumps(parts, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def going_on(directory: Path, config: str = CONFIG) -> str:
    """The command that goes on with the run in a directory, in that directory."""
    place = shlex.quote(str(directory))
    return f"sclc run {shlex.quote(str(directory / config))} --output {place} --resume"


def read_json(path: Path, *, fix: str | None = None) -> Any:
    """Read a JSON file; `fix` ends the message where it is not JSON, in place of how it is written again.

    Raises:
        OpticsError: it is absent, or not JSON; the message says where.
    """
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OpticsError(f"{path} does not exist; {_again(path)}.") from None
    except (ValueError, RecursionError) as error:
        raise OpticsError(
            f"{path} is not JSON ({reason(error)}); {fix or f'remove it and {_again(path)}.'}"
        ) from None


def _again(path: Path) -> str:
    """How a file that a step of a run writes comes again."""
    if (path.parent / LEDGER).is_file():
        return f"go on with the run: {going_on(path.parent)}"
    return "run the step that writes it"


def place(directory: str | Path) -> Path:
    """A directory by a name that means the same before and after it is made: `new/..` is resolved."""
    path = Path(directory)
    return path.resolve() if ".." in path.parts else path


def folder_name(name: str) -> str:
    """A run's name as the name of one folder: no separators, no leading dots, at most 100 characters."""
    kept = "".join("-" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name)
    return kept.strip(" .")[:100].rstrip(" .") or "run"


class Ledger:
    """What is known about each step of one run.

    Args:
        directory: the run's directory.
        outputs: the files and folders, relative to it, that each step writes; patterns as in `Path.glob`. A folder
            counts with all that is in it. Nothing else is ever removed.
        aids: files that a step writes only so that it can go on; that they are there is not asked.

    Raises:
        OpticsError: the directory holds other things than a run, or its ledger cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        outputs: Mapping[str, tuple[str, ...]],
        aids: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.directory = place(directory)
        self.outputs = dict(outputs)
        self.aids = dict(aids or {})
        self._steps: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()  # steps may run side by side
        self._read()

    def _read(self) -> None:
        self._steps = {}
        if self.directory.exists() and not self.directory.is_dir():
            raise OpticsError(f"{self.directory} is a file; give a directory for the run.")
        if self.exists():
            self._steps = _steps_in(self.directory / LEDGER)
        elif self.directory.exists():
            strange = [p.name for p in self.directory.iterdir() if p.name != LOCK and not is_temporary(p)]
            if strange:
                raise OpticsError(
                    f"{self.directory} is not empty and holds no run ({min(strange)!r} is there, {LEDGER} is not); "
                    "choose another directory."
                )

    def exists(self) -> bool:
        """Whether the directory holds a run, finished or not."""
        return (self.directory / LEDGER).is_file()

    def begun(self, *, beside: tuple[str, ...] = ()) -> bool:
        """Whether the directory holds anything that a step wrote, other than those `beside`.

        A run that failed before it trained anything left nothing that could be lost.
        """
        return self.exists() and any(self._found(step) for step in self.outputs if step not in beside)

    def begin(self) -> None:
        """Say that the directory holds a run, before anything else is written there."""
        if not self.exists():
            self._save()

    def done(self, step: str, key: str) -> bool:
        """Whether `step` was finished for these inputs and all it wrote is still there."""
        known = self._steps.get(step, {})
        if known.get("key") != key or known.get("done") is not True:
            return False
        written = known.get("files")
        if written is None:  # a ledger of an earlier version
            written = [name for name in self.outputs[step] if "*" not in name]
        return all((self.directory / name).exists() for name in written)

    def adopt(self, earlier: Mapping[str, str], keys: Mapping[str, str], *, write: bool) -> None:
        """Take what was done for `earlier` keys as done for `keys`, which say the same by another rule.

        write: say so in the directory too, which must be locked.
        """
        old = [
            s for s, known in self._steps.items() if s in keys and known.get("key") == earlier[s] != keys[s]
        ]
        for step in old:
            self._steps[step]["key"] = keys[step]
        if old and write:
            self._save()

    def listed(self, step: str) -> bool:
        """Whether a run wrote this step's outputs, or began to."""
        return step in self._steps

    def seconds(self, step: str) -> float:
        """How long the process that finished `step` worked on it."""
        told = self._steps.get(step, {}).get("seconds", 0.0)
        return float(told) if isinstance(told, int | float) and 0.0 <= told < math.inf else 0.0

    def where(self, step: str) -> dict[str, Any]:
        """Where the process that finished `step` worked, as it said; empty where it said nothing."""
        told = self._steps.get(step, {}).get("where", {})
        return dict(told) if isinstance(told, dict) else {}

    def check_free(self, steps: Iterable[str], keys: Mapping[str, str]) -> None:
        """Raise OpticsError where a step that must be done would write over what no run wrote.

        Args:
            steps: those that are to be done.
            keys: theirs; one that is done for its key is not repeated.
        """
        for step in steps:
            if not self.done(step, keys.get(step, "")):
                self._refuse_strangers(step)

    def drop_stale(self, keys: Mapping[str, str]) -> list[str]:
        """Remove what steps wrote for other inputs than `keys`; returns the names of those steps."""
        stale = [s for s in self.outputs if s in self._steps and self._steps[s].get("key") != keys.get(s)]
        self._remove(stale)
        return stale

    def clear(self) -> None:
        """Remove everything that any step wrote; the directory goes on to hold a run."""
        self._remove([step for step in self.outputs if step in self._steps])

    @contextlib.contextmanager
    def working(
        self, step: str, key: str, *, keep: bool, where: Mapping[str, Any] | None = None
    ) -> Iterator[None]:
        """Mark `step` as begun, run the body, mark it as done with its seconds; an error leaves it begun.

        keep: leave what an interrupted run of this step wrote, so that it can go on; else remove it first. where: kept
        with it, as JSON can hold it.

        Raises:
            OpticsError: something that no run wrote is where the step writes.
        """
        with self._lock:
            self._refuse_strangers(step)
            if not keep:
                self._remove([step] if step in self._steps else [])
            self._steps[step] = {"key": key, "done": False}
            self._save()
        start = time.perf_counter()
        yield
        with self._lock:
            self._steps[step] = {
                "key": key,
                "done": True,
                "seconds": round(time.perf_counter() - start, 3),
                "files": self._found(step, aids=False),
            }
            if where:
                self._steps[step]["where"] = dict(where)
            self._save()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Create the directory, keep other processes out of it, and read the ledger as it is then.

        The lock dies with the process. What a process that was killed left half written is removed.

        Raises:
            OpticsError: another process works there, or the directory holds other things than a run by now.
        """
        make_folder(self.directory)
        with lock_file(self.directory / LOCK, self.directory):
            self._read()
            remove_leftovers(self.directory)
            yield

    # ------------------------------------------------------------------ files

    def _found(self, step: str, *, aids: bool = True) -> list[str]:
        """The files that are where `step` writes, relative to the directory, in order."""
        names = (*self.outputs[step], *(self.aids.get(step, ()) if aids else ()))
        found: set[Path] = set()
        for name in names:
            for path in self.directory.glob(name):
                below = path.rglob("*") if path.is_dir() and not path.is_symlink() else (path,)
                found.update(p for p in below if p.is_symlink() or not p.is_dir())
        return sorted(str(path.relative_to(self.directory)) for path in found)

    def _own(self, step: str) -> list[str]:
        """The files that the ledger says `step` wrote; of a step that was interrupted, all that are in its place."""
        known = self._steps.get(step)
        if known is None:
            return []
        there = self._found(step)
        if not known.get("done") or "files" not in known:
            return there
        aids = set(there) - set(self._found(step, aids=False))
        return [name for name in there if name in known["files"] or name in aids]

    def _refuse_strangers(self, step: str) -> None:
        strange = sorted(set(self._found(step)) - set(self._own(step)))
        if strange:
            raise OpticsError(
                f"{self.directory / strange[0]} is in the way: the step {step!r} writes there, and no run wrote that "
                "file. Move it, or choose another directory."
            )

    def _remove(self, steps: Iterable[str]) -> None:
        """Remove what steps wrote, and forget them; stopped in between, the ledger still lists what is left."""
        steps = list(steps)
        if not steps:
            return
        for step in steps:
            own = self._own(step)
            for folder in self._folders(step, own):
                remove_folder(folder)
            with told(self.directory / (own[0] if own else step)):
                for name in own:
                    (self.directory / name).unlink(missing_ok=True)
                    self._remove_empty((self.directory / name).parent)
        for step in steps:
            self._steps.pop(step)
        self._save()

    def _folders(self, step: str, own: list[str]) -> list[Path]:
        """Outputs of the step that are folders, where all that is in them is its own."""
        found = [self.directory / name for name in self.outputs[step]]
        return [
            folder
            for folder in found
            if folder.is_dir()
            and not folder.is_symlink()
            and all(str(p.relative_to(self.directory)) in own for p in folder.rglob("*") if not p.is_dir())
        ]

    def _remove_empty(self, folder: Path) -> None:
        while folder != self.directory:
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone
                return
            folder = folder.parent

    def _save(self) -> None:
        write_json(self.directory / LEDGER, {"version": _VERSION, "steps": self._steps})


def _steps_in(path: Path) -> dict[str, dict[str, Any]]:
    """The steps of a ledger's file."""
    data = read_json(path, fix=UNREADABLE)
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        raise OpticsError(f"{path} is of another version; choose another directory.")
    steps = data.get("steps")
    if not isinstance(steps, dict) or not all(map(_is_step, steps.values())):
        raise OpticsError(f"{path} is damaged: it lists no steps; choose another directory.")
    return steps


def _is_step(step: Any) -> bool:
    """Whether a ledger's entry is a table whose files, if it lists some, are names."""
    files = step.get("files", []) if isinstance(step, dict) else None
    return isinstance(files, list) and all(isinstance(name, str) and "\0" not in name for name in files)


@contextlib.contextmanager
def lock_file(path: Path, directory: Path) -> Iterator[None]:
    """Hold the lock `path`, which dies with the process; `directory` is what errors call it.

    Raises:
        OpticsError: another process holds it, or there is no room for it.
    """
    with told(path):
        handle = path.open("a")
    with handle:
        try:
            _lock(handle.fileno(), wait=False)
        except BlockingIOError:
            raise OpticsError(
                f"another process works in {directory}; wait for it or choose another directory."
            ) from None
        except OSError as error:  # a file system without locks
            raise OpticsError(
                f"{path} cannot be locked ({error.strerror}); choose another directory."
            ) from error
        yield


@contextlib.contextmanager
def waiting_lock(directory: Path) -> Iterator[None]:
    """Work in a directory when no other process does that waits so; leaves no file, and dies with the process."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # a system or a file system without such locks
            handle = os.open(directory, os.O_RDONLY)
            held.callback(os.close, handle)
            _lock(handle, wait=True)
        yield


def _lock(handle: int, *, wait: bool) -> None:
    """Lock an open file or folder until it is closed; not where the system has no such locks, as beside POSIX."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
