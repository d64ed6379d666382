"""What belongs to the command's whole process: threads, the allocator, and the words of an interruption."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

INTERRUPTED = 130  # exit code
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def prepare(threads: int | None) -> int:
    """Set torch's threads (all processors by default, or OMP_NUM_THREADS) and keep freed memory for the next step.

    Large tensors are made and freed thousands of times; by default glibc hands each back to the system and pays for
    its pages anew.
    """
    import torch

    from distill.environment import processors

    asked = os.environ.get("OMP_NUM_THREADS", "")
    count = threads or (int(asked) if asked.isdecimal() and int(asked) > 0 else processors())
    torch.set_num_threads(count)
    if sys.platform == "linux":
        try:
            libc = ctypes.CDLL("libc.so.6")
            if not libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30):
                libc.mallopt(_M_MMAP_THRESHOLD, 1 << 25)  # the most that glibc before 2.35 takes
            libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        except (OSError, AttributeError):  # another C library: its own defaults
            return count
    return count


@contextlib.contextmanager
def goes_on(words: str) -> Iterator[None]:
    """Ctrl-C ends the command with code 130 and one line on stderr that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(words) from None


def interrupted(words: str = "no file is left half written") -> int:
    """Say on stderr that Ctrl-C was heard, and return the exit code."""
    sys.stderr.write(f"sclc: interrupted; {words}.\n")
    return INTERRUPTED


class Interrupted(Exception):
    """Ctrl-C, with what the user may do next."""
