"""Who does the cells: this process, several of this machine, or a Dask cluster. The numbers are the same.

Every runner calls `distill.studies.work.work` with cells that share their light; what a cell gave is in the study's
folder before the runner hears of it. A worker that dies is replaced and its unfinished cells are given out again, at
most `_TRIES` times.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from distill.environment import processors
from distill.studies.cells import Cell, Plan
from distill.studies.outcomes import read_outcome
from distill.studies.work import bundles, opened, read_plan, work
from optics.checks import present
from optics.errors import OpticsError

Done = Callable[[str], None]
_TRIES = 3
_THRIFTY = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": str(
        1 << 30
    ),  # glibc: freed memory stays for the next step, see distill.cli.process
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}
_LEAST = 6  # cells that are worth a light of their own


def missing(folder: Path, plan: Plan) -> list[Cell]:
    """One cell of every key that is not done."""
    return [cell for key, cell in plan.by_key().items() if read_outcome(folder, key) is None]


def run_here(folder: Path, cells: Sequence[Cell], done: Done) -> None:
    """All cells, one bundle after another, in this process."""
    plan, subject = opened(folder)
    for bundle in bundles(cells):
        work(folder, subject, plan.conditions, bundle, done)


def shared_out(cells: Sequence[Cell], workers: int) -> list[list[Cell]]:
    """Bundles for so many workers, the largest first; one that would keep a worker too long is cut."""
    most = max(_LEAST, -(-len(cells) // max(1, workers)))
    cut = [b[i : i + most] for b in bundles(cells) for i in range(0, len(b), most)]
    return sorted(cut, key=len, reverse=True)


def run_processes(folder: Path, cells: Sequence[Cell], done: Done, *, processes: int | None = None) -> None:
    """All cells in processes of this machine, each on one thread; as many as it has processors by default."""
    count = processes or processors()
    waiting: queue.Queue[tuple[list[str], int]] = queue.Queue()
    parts = shared_out(cells, count)
    for part in parts:
        waiting.put(([cell.key for cell in part], 1))
    failures: list[BaseException] = []
    stop = threading.Event()
    threads = [
        threading.Thread(target=_serve, args=(folder, waiting, done, failures, stop), daemon=True)
        for _ in range(min(count, len(parts)))
    ]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(0.1)
    except BaseException:
        stop.set()  # Ctrl-C: the workers end, what they have finished is kept
        for thread in threads:
            thread.join(10)
        raise
    if failures:
        raise failures[0]


def _serve(
    folder: Path,
    waiting: queue.Queue[tuple[list[str], int]],
    done: Done,
    failures: list[BaseException],
    stop: threading.Event,
) -> None:
    """Hand bundles to a worker process until none waits; a worker that dies is followed by another."""
    try:
        with contextlib.ExitStack() as stack:
            worker: subprocess.Popen[str] | None = None
            while not failures and not stop.is_set():
                try:
                    keys, attempt = waiting.get_nowait()
                except queue.Empty:
                    return
                if worker is None:
                    worker = stack.enter_context(_worker(folder, stop))
                left = _one(worker, keys, done)
                if left:
                    worker = None
                    if stop.is_set():
                        return
                    if attempt >= _TRIES:
                        raise OpticsError(
                            f"a worker process died {_TRIES} times at the cell {left[0]} of {folder}; it may need more "
                            "memory: use fewer --processes."
                        )
                    waiting.put((left, attempt + 1))
    except BaseException as error:
        failures.append(error)


def _one(worker: subprocess.Popen[str], keys: list[str], done: Done) -> list[str]:
    """One bundle by a worker; the keys that it did not do before it died."""
    stdin, stdout = present(worker.stdin, "a worker's input"), present(worker.stdout, "a worker's output")
    left = list(keys)
    try:
        stdin.write(" ".join(keys) + "\n")
        stdin.flush()
    except OSError:
        return left
    for line in stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "done":
            left.remove(rest)
            done(rest)
            if not left:
                return []
        elif word == "error":
            raise OpticsError(rest)
    return left


@contextlib.contextmanager
def _worker(folder: Path, stop: threading.Event) -> Iterator[subprocess.Popen[str]]:
    """A process that does bundles named on its standard input; it ends when that ends."""
    paths = os.pathsep.join(p or os.getcwd() for p in sys.path)
    settings = os.environ | _THRIFTY | {"PYTHONPATH": paths}
    process = subprocess.Popen(
        [sys.executable, "-m", "distill.studies.worker", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=settings,
    )
    watch = threading.Thread(target=_end_when, args=(process, stop), daemon=True)
    watch.start()
    try:
        yield process
    finally:
        with contextlib.suppress(OSError):
            present(process.stdin, "a worker's input").close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _end_when(process: subprocess.Popen[str], stop: threading.Event) -> None:
    while process.poll() is None:
        if stop.wait(0.2):
            process.terminate()
            return


# ---------------------------------------------------------------------- Dask


def on_cluster(folder: str, keys: list[str]) -> list[str]:
    """One bundle on a Dask worker, which sees the study's folder under the same path; returns the keys it did."""
    place = Path(folder)
    known = read_plan(place).by_key()
    left = [known[key] for key in keys if read_outcome(place, key) is None]
    if left:
        plan, subject = opened(place)
        work(place, subject, plan.conditions, left, lambda key: None)
    return keys


def run_dask(folder: Path, cells: Sequence[Cell], done: Done, *, address: str) -> None:
    """All cells on a Dask cluster whose workers see `folder` under the same path.

    Raises:
        OpticsError: Dask is not installed, or no cluster answers.
    """
    try:
        from dask.distributed import Client, as_completed
    except ImportError:
        raise OpticsError(
            "--dask needs Dask: install spectral-cascade[dask], here and where the workers run."
        ) from None
    try:
        client: Any = Client(address, timeout="10s")
    except (OSError, ValueError, TimeoutError) as error:
        raise OpticsError(f"--dask {address}: no scheduler answers there ({type(error).__name__}).") from None
    with client:
        workers = max(1, sum(client.nthreads().values()))
        home = str(folder.resolve())
        futures = [
            client.submit(on_cluster, home, [c.key for c in part], pure=False, retries=_TRIES)
            for part in shared_out(cells, workers)
        ]
        for future in as_completed(futures):
            for key in future.result():
                done(key)
