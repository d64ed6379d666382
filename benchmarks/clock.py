"""CPU time of several jobs, taken in turns, and the memory that a job adds to a bare process."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Job(NamedTuple):
    """Something to time: `run` does `images` images, `repeat` times in a row."""

    run: Callable[[], object]
    images: int = 1
    repeat: int = 1


def in_turns(jobs: Mapping[str, Job], *, rounds: int) -> dict[str, list[float]]:
    """CPU seconds per image of every job in every round, after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for k in range(rounds + 1):
        for name, job in jobs.items():
            start = time.process_time()
            for _ in range(job.repeat):
                job.run()
            taken = (time.process_time() - start) / (job.repeat * job.images)
            if k > 0:
                times[name].append(taken)
    return times


def ratio(times: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """Median over the rounds of how many times longer `slow` took than `fast`."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def added_memory(module: str, job: str, images: int) -> float:
    """MB that `module.memory_job(job, images)` adds at its peak to a bare process, in a process of its own (Linux).

    Bare: torch is loaded, and the same job done with one image has compiled the kernels that it needs.
    """
    code = (
        "import ctypes, importlib, torch\n"
        "def memory(key):\n"
        "    with open('/proc/self/status') as lines:\n"
        "        return int(next(l for l in lines if l.startswith(key)).split()[1])\n"
        "torch.set_num_threads(1)\n"
        f"job = importlib.import_module({module!r}).memory_job\n"
        f"job({job!r}, 1)\n"
        "ctypes.CDLL(None).malloc_trim(0)\n"
        "open('/proc/self/clear_refs', 'w').write('5')\n"
        "bare = memory('VmRSS')\n"
        f"job({job!r}, {images})\n"
        "print(memory('VmHWM') - bare)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    return int(done.stdout.split()[-1]) * 1024 / 1e6
