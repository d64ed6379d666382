"""Thousands of damaged inputs, each read in a child process with limits on time and memory.

The parent makes the corpus, reads it once (so that everything is imported) and forks; a child reads one input after
another and says before and after each what it does, so that a hang, a crash or a child that the system killed is
charged to the input that caused it, and the next child goes on behind it. Files lie in memory where there is such a
place. Input number `k` of a seed is always the same bytes: `damaged(seed, k)` makes it again.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import random
import resource
import select
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optics.reading import hdf5_strings
from tests.fuzz import corpus
from tests.fuzz.checks import Accepted, is_ours
from tests.fuzz.containers import mutate
from tests.fuzz.readers import READERS, Reader
from tests.fuzz.warm import WarmStrings

SECONDS = 20.0  # for one input
BYTES = 2**30  # more than the child held before it
TOLD = 2500  # inputs after which a long round says how far it has come
BATCH = 500  # inputs a child reads before a fresh one takes its place
RIGHT, REFUSED = "right", "refused"
BAD = ("foreign error", "poor refusal", "accepted", "memory", "hang", "crash")


@dataclass(frozen=True)
class Case:
    """One damaged input: the reader, its number, and its files."""

    number: int
    reader: str
    files: dict[str, bytes]


@dataclass
class Tally:
    """What came of all inputs. verdicts: how many of each, by reader; findings: the bad ones, each kind once."""

    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    most_bytes: int = 0
    longest: float = 0.0

    def add(self, reader: str, number: int, verdict: str, why: str) -> None:
        """Count one input; of each kind of failure the first is kept."""
        self.verdicts.setdefault(reader, Counter())[verdict] += 1
        if verdict in BAD:
            kind = (reader, verdict, why.split("|")[0][:80])
            if all(kind != (f["reader"], f["verdict"], f["why"].split("|")[0][:80]) for f in self.findings):
                self.findings.append({"number": number, "reader": reader, "verdict": verdict, "why": why})

    def joined(self, other: Tally) -> Tally:
        """Both together."""
        for reader, counts in other.verdicts.items():
            self.verdicts.setdefault(reader, Counter()).update(counts)
        for found in other.findings:
            if all((f["reader"], f["why"]) != (found["reader"], found["why"]) for f in self.findings):
                self.findings.append(found)
        self.seconds = max(self.seconds, other.seconds)
        self.most_bytes = max(self.most_bytes, other.most_bytes)
        self.longest = max(self.longest, other.longest)
        return self

    @property
    def total(self) -> Counter[str]:
        """Inputs by verdict."""
        return sum(self.verdicts.values(), Counter())

    def to_json(self) -> str:
        """One document."""
        return json.dumps({**vars(self), "total": self.total}, indent=1)


class Fuzzer:
    """Draws damaged inputs for some readers from a seed.

    Args:
        seed: of every choice.
        only: names of readers; all where empty.
    """

    def __init__(self, seed: int = 0, only: Sequence[str] = ()) -> None:
        self.seed = seed
        self.names = [n for n, r in READERS.items() for _ in range(r.weight) if not only or n in only]
        with _in_memory():
            self.seeds = corpus.seeds({READERS[name].corpus for name in self.names})

    def damaged(self, number: int) -> Case:
        """Input `number`; the same for the same seed, readers and corpus."""
        draw = random.Random(f"{self.seed} {number}")
        name = draw.choice(self.names)
        seeds = self.seeds[READERS[name].corpus]
        return Case(number, name, mutate(draw.choice(seeds), seeds, draw))

    def run(
        self,
        count: int,
        *,
        start: int = 0,
        seconds: float | None = None,
        tell: Callable[[int, Tally], None] = lambda number, tally: None,
    ) -> Tally:
        """Read inputs `start` to `start + count` and say what came of each; begin no batch after `seconds`.

        tell: called with the number after the last input, and the counts so far, after each 2500.
        """
        self.read_seeds()
        tally, began, number = Tally(), time.perf_counter(), start
        _limit_memory()
        while number < start + count and (seconds is None or time.perf_counter() - began < seconds):
            before = number
            number = self._child(tally, number, min(number + BATCH, start + count))
            tally.seconds = time.perf_counter() - began
            if (number - start) // TOLD > (before - start) // TOLD:
                tell(number, tally)
        tally.seconds = time.perf_counter() - began
        return tally

    def read_seeds(self) -> None:
        """Read what is whole with every reader: what they import is imported then, before any child is forked."""
        with _in_memory() as folder, _strings(WarmStrings()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in dict.fromkeys(self.names):
                for k, files in enumerate(self.seeds[READERS[name].corpus]):
                    read(READERS[name], put(Case(k, name, files), folder / name / str(k), READERS[name]))

    def _child(self, tally: Tally, first: int, end: int) -> int:
        """Fork a child for inputs `first` to `end`; the number after the last that was judged."""
        out, into = os.pipe()
        with _in_memory() as folder:
            child = os.fork()
            if not child:
                os.close(out)
                _read_all(self, range(first, end), into, folder)
            os.close(into)
            return self._heard(tally, out, child, first, end)

    def _heard(self, tally: Tally, out: int, child: int, first: int, end: int) -> int:
        next_number, at_work = first, None
        try:
            for message in _messages(out, SECONDS + 5.0):
                if "verdict" in message:
                    tally.add(message["reader"], message["number"], message["verdict"], message["why"])
                    tally.most_bytes = max(tally.most_bytes, message["bytes"])
                    tally.longest = max(tally.longest, message["seconds"])
                    next_number, at_work = message["number"] + 1, None
                else:
                    at_work = message
        finally:
            os.close(out)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        if next_number < end:
            self._charge(tally, at_work, next_number, status)
            next_number += 1
        return next_number

    def _charge(self, tally: Tally, at_work: dict[str, Any] | None, number: int, status: int) -> None:
        reader = at_work["reader"] if at_work else "the harness"  # it died while it made the input
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if killed in (signal.SIGKILL, signal.SIGALRM):
            tally.add(reader, number, "hang", f"no answer in {SECONDS:g} s")
        else:
            tally.add(
                reader, number, "crash", f"ended by signal {killed}, code {os.waitstatus_to_exitcode(status)}"
            )


def _messages(pipe: int, seconds: float) -> Iterator[dict[str, Any]]:
    """What the child says, a line each; ends with the child, or where it is silent for `seconds`."""
    rest = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], seconds)
        if not ready:
            return
        data = os.read(pipe, 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


# ---------------------------------------------------------------------- in the child


def _read_all(fuzzer: Fuzzer, numbers: range, pipe: int, folder: Path) -> None:
    """Read inputs one after another, then leave without the parent's clean-up."""
    code, strings = 0, WarmStrings()
    try:
        warnings.simplefilter("ignore")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        held = _resident()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        with _strings(strings):
            for number in numbers:
                case = fuzzer.damaged(number)
                _say(pipe, {"number": number, "reader": case.reader})
                _say(pipe, judged(case, folder / str(number), held, strings))
    except BaseException:  # a fault of the harness itself, which must not look like a verdict
        os.write(pipe, b"")
        code = 70
        Path(tempfile.gettempdir(), "fuzz-harness-error.txt").write_text(traceback.format_exc())
    finally:
        strings.end()
        os._exit(code)


def _say(pipe: int, message: dict[str, Any]) -> None:
    os.write(pipe, json.dumps(message).encode() + b"\n")


def judged(case: Case, folder: Path, held: int, strings: WarmStrings) -> dict[str, Any]:
    """Write a case's files, read them, and say what came of it. held: bytes of this process before its first input."""
    reader = READERS[case.reader]
    path = put(case, folder, reader)
    _forget_peak()
    strings.most_bytes = 0
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    began = time.perf_counter()
    verdict, why = read(reader, path)
    took = time.perf_counter() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
    most = max(0, _peak() - held, strings.most_bytes)
    if most > BYTES and verdict in (RIGHT, REFUSED):
        verdict, why = "memory", f"{most / 2**20:.0f} MiB"
    shutil.rmtree(folder, ignore_errors=True)
    if most > BYTES // 4:
        gc.collect()
    told = {"number": case.number, "reader": case.reader, "verdict": verdict, "why": why}
    return told | {"bytes": most, "seconds": took}


def put(case: Case, folder: Path, reader: Reader) -> Path:
    """Write the files of a case; the path that its reader takes."""
    folder.mkdir(parents=True)
    for name, data in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / next(iter(case.files)) if reader.single else folder


def read(reader: Reader, path: Path) -> tuple[str, str]:
    """The verdict on one input, and why."""
    try:
        found = reader.read(path)
    except Exception as error:
        fault = is_ours(error, path)
        if fault is None:
            return REFUSED, ""
        if fault.startswith("memory"):
            return "memory", fault
        poor = fault.startswith("a refusal")
        return (
            ("poor refusal", fault)
            if poor
            else ("foreign error", f"{fault.replace(str(path), 'PATH')} | {_where(error)}")
        )
    try:
        reader.check(found, path)
    except Accepted as error:
        return "accepted", str(error)
    except Exception as error:
        return (
            "accepted",
            f"what was read cannot be used: {type(error).__name__}: {str(error)[:200]} | {_where(error)}",
        )
    return RIGHT, ""


@contextlib.contextmanager
def _strings(warm: WarmStrings) -> Iterator[None]:
    """Strings of HDF5 are read by a warm process."""
    cold, hdf5_strings._in_a_process = hdf5_strings._in_a_process, warm
    try:
        yield
    finally:
        hdf5_strings._in_a_process = cold
        warm.end()


@contextlib.contextmanager
def _in_memory() -> Iterator[Path]:
    """A folder for a while, and for all that makes temporary files meanwhile; in memory where there is such a place."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory(), ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


@functools.cache
def _memory() -> str | None:
    place = "/dev/shm"
    free = shutil.disk_usage(place).free if os.access(place, os.W_OK) else 0
    return place if free > 4 * BYTES else None


def _where(error: BaseException) -> str:
    """The last lines of the traceback that lie in this project."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    return ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[-3:])


def _limit_memory() -> None:
    """No process of ours, and none that it starts, may take a quarter more than the limit of an input."""
    address = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most, hard = address + 5 * BYTES // 4, resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
