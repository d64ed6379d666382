"""A disk that fails: operations below a folder are counted, and the one that is asked for is broken.

The operations are those that change a disk: opening a file to write, each write to it, fsync, rename, unlink, mkdir,
rmdir. They are seen where Python makes them (audit events, and the raw file below a buffered one), so that it does not
matter which library asks. What is broken stays with the process: call it in a child.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from pathlib import Path
from typing import Any

HOW = ("kill", "full", "error")
"""kill: the process ends there, a write half done. full: from there on no room on the disk. error: one EIO."""

_ALWAYS = ("unlink", "rmdir")  # work on a full disk
_WRITES = os.O_WRONLY | os.O_RDWR


class Disk:
    """Counts the operations below `root`, and breaks number `at` (from 1) as `how` says; None breaks nothing."""

    def __init__(self, root: Path, how: str = "kill", at: int | None = None) -> None:
        self.root, self.how, self.at = str(root), how, at
        self.count = 0
        self.kinds: list[str] = []

    def ask(self, kind: str, path: Any) -> bool:
        """Count one operation. Returns whether it is the one to be killed at; raises OSError where it fails."""
        name = os.fspath(path) if not isinstance(path, int) else ""
        name = os.fsdecode(name)
        if os.path.isabs(name) and not name.startswith(self.root):
            return False
        self.count += 1
        self.kinds.append(kind)
        if self.at is None or self.count < self.at:
            return False
        if self.how == "kill":
            return self.count == self.at
        if self.how == "full" and kind not in _ALWAYS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        if self.how == "error" and self.count == self.at:
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        return False

    def met(self, kind: str, path: Any) -> None:
        """As `ask`, for what is not done by halves."""
        if self.ask(kind, path):
            die()


def die() -> None:
    """`kill -9` of this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def install(disk: Disk) -> None:
    """Put the disk below everything that this process does from now on."""
    from optics import files

    events = {"os.rename": "rename", "os.remove": "unlink", "os.mkdir": "mkdir", "os.rmdir": "rmdir"}

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in events:
            disk.met(events[event], arguments[0])
        elif event == "open" and not isinstance(arguments[0], int) and (arguments[2] or 0) & _WRITES:
            disk.met("open", arguments[0])

    fsync, exchange, opened = os.fsync, files._exchange, Path.open

    def flush(handle: int) -> None:
        disk.met("fsync", handle)
        fsync(handle)

    def swap(one: Path, other: Path) -> bool:
        try:
            disk.met("rename", one)
        except OSError:
            return False
        return exchange(one, other)

    def open_path(self: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if not set(mode) & set("wxa+") or not str(self).startswith(disk.root):
            return opened(self, mode, *rest, **options)
        raw = _Raw(disk, self, mode.replace("b", "").replace("t", ""))
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return (
            buffered
            if "b" in mode
            else io.TextIOWrapper(buffered, encoding="utf-8", newline=options.get("newline"))
        )

    os.fsync, files._exchange, Path.open = flush, swap, open_path  # type: ignore[method-assign]
    sys.addaudithook(audit)


class _Raw(io.FileIO):
    """A file whose writes are counted; the one that is broken is half done."""

    def __init__(self, disk: Disk, path: Path, mode: str) -> None:
        super().__init__(str(path), mode)
        self.disk, self.path = disk, path

    def write(self, data: Any) -> int:
        """Write, or a half and then the end."""
        half = bytes(data)[: max(1, len(data) // 2)]
        try:
            last = self.disk.ask("write", self.path)
        except OSError:
            super().write(half)
            raise
        if last:
            super().write(half)
            die()
        return super().write(data)
