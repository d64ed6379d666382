"""One failure point: break one operation, look at what is there, go on, and compare with a run that nothing broke."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import torch

from optics.errors import OpticsError
from optics.files import is_temporary
from tests.reliability.faults import Disk, install
from tests.reliability.jobs import JOBS, begin

MOST_SECONDS = 300
Files = dict[str, bytes]


@dataclass(frozen=True)
class Outcome:
    """How a child ended: "done", "refused" (one line of ours), "killed", "foreign" or "hung", and what it said."""

    how: str
    text: str = ""
    kinds: tuple[str, ...] = ()


def in_child(work: Callable[[], object], disk: Disk, *, seconds: float | None = None) -> Outcome:
    """Call `work` in a child of this process, on that disk; kill it after `seconds`."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        signal.alarm(MOST_SECONDS)
        torch.set_num_threads(1)
        install(disk)
        how, text = "done", ""
        try:
            work()
        except OpticsError as error:
            how, text = "refused", str(error)
        except BaseException:
            how, text = "foreign", traceback.format_exc()
        os.write(writes, json.dumps([how, text[-4000:], disk.kinds]).encode())
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        if seconds is not None and not select.select([pipe], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Outcome("killed" if os.WTERMSIG(status) == signal.SIGKILL else "hung")
    how, text, kinds = json.loads(told)
    return Outcome(how, text, tuple(kinds))


def normal(name: str, data: bytes) -> bytes:
    """A file without times; raises where it is not whole."""
    if name.endswith("steps.json"):
        return json.dumps({k: [s["key"], s["done"]] for k, s in json.loads(data)["steps"].items()}).encode()
    if name.endswith(".json"):
        return json.dumps(_timeless(json.loads(data))).encode()
    if name.endswith(".html"):
        if not data.rstrip().endswith(b"</html>"):
            raise ValueError(f"{name} ends before its end")
        return b"page"
    if name.endswith(".pdf"):
        if not data.rstrip().endswith(b"%%EOF"):
            raise ValueError(f"{name} ends before its end")
        return b"figure"
    if "/cells/" in name:
        with h5py.File(io.BytesIO(data)) as file:
            return b"".join(key.encode() + file[key][()].tobytes() for key in file if key != "given")
    if name.endswith("history.csv"):
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        return json.dumps([{k: v for k, v in row.items() if k != "seconds"} for row in rows]).encode()
    if name.endswith("checkpoint.pt"):
        torch.load(io.BytesIO(data), weights_only=True)
        return b"checkpoint"
    return data


def _timeless(value: Any) -> Any:
    """Without times; numbers to 11 digits, as sums over a camera's frames differ in the last with where they lie."""
    if isinstance(value, float):
        return float(f"{value:.11g}")
    if isinstance(value, list):
        return [_timeless(v) for v in value]
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in ("finished", "seconds")}
    return value


def state(place: Path) -> Files:
    """Every file but locks and temporaries."""
    found = {}
    for inside, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not is_temporary(Path(name))]
        for name in names:
            path = Path(inside, name)
            if name != ".lock" and not is_temporary(path):
                key = str(path.relative_to(place))
                found[key] = normal(key, path.read_bytes())
    return found


@dataclass
class Bench:
    """One job on its small run: what is there before, and after, and how many operations lie between."""

    name: str
    root: Path

    def __post_init__(self) -> None:
        self.job = JOBS[self.name]
        self.place = self.root / "place"
        begin(self.job, self.place, self.root)
        self.job.act(self.place)  # once here, so that no child has to import what a job needs
        begin(self.job, self.place, self.root)
        self.before = state(self.place)
        start = time.perf_counter()
        whole = in_child(lambda: self.job.act(self.place), Disk(self.place))
        self.seconds = time.perf_counter() - start
        if whole.how != "done":
            raise RuntimeError(f"{self.name} does not run: {whole.text}")
        self.kinds = whole.kinds
        self.after = state(self.place)

    def problems(self, how: str, at: int) -> list[str]:
        """Break operation `at`, go on, and say what is not as it should be; empty is right."""
        begin(self.job, self.place, self.root)
        return self._after(in_child(lambda: self.job.act(self.place), Disk(self.place, how, at)))

    def killed(self, after: float) -> list[str]:
        """The same, killed after so many seconds, whatever it does then."""
        begin(self.job, self.place, self.root)
        return self._after(in_child(lambda: self.job.act(self.place), Disk(self.place), seconds=after))

    def _after(self, broken: Outcome) -> list[str]:
        found = []
        if broken.how in ("foreign", "hung"):
            found.append(f"{broken.how}: {broken.text}")
        if broken.how == "refused" and (str(self.place) not in broken.text or "\n" in broken.text):
            found.append(f"the error names no path, or has several lines: {broken.text}")
        found += self._halves()
        again = in_child(lambda: self.job.act(self.place), Disk(self.place))
        if again.how != "done":
            return [*found, f"cannot go on: {again.how}, {again.text}"]
        left = [str(p) for p in self.place.rglob("*") if is_temporary(p)]
        if left:
            found.append(f"temporaries are left: {left}")
        now = state(self.place)
        different = sorted(k for k in now.keys() | self.after.keys() if now.get(k) != self.after.get(k))
        if different:
            found.append(f"differs from a run that nothing broke: {different}")
        return found

    def _halves(self) -> list[str]:
        """Files that are neither as before nor as after, and folders that hold a part."""
        try:
            now = state(self.place)
        except Exception as error:
            return [f"half a file: {error!r}"]
        found = []
        for name, data in now.items():
            whole = (self.before.get(name), self.after.get(name))
            if name.startswith(self.job.scratch) and self.job.scratch:
                continue
            if not name.endswith(("steps.json", "history.csv", "config.toml")) and data not in whole:
                found.append(f"{name} is neither as before nor as after")
        for folder in self.job.whole:
            inside = {k: v for k, v in now.items() if k.startswith(folder)}
            wholes = [{k: v for k, v in f.items() if k.startswith(folder)} for f in (self.before, self.after)]
            if inside not in (*wholes, {}) or (
                not inside and wholes[0] and wholes[1] and not folder.startswith("run/")
            ):
                found.append(f"{folder} is neither as before nor as after")
        return found
