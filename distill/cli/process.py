"""What the command may set for its whole process, and no import ever does: threads and the allocator."""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def prepare(threads: int | None) -> int:
    """Set torch's threads (all processors by default, or OMP_NUM_THREADS) and keep freed memory for the next step.

    Large tensors are made and freed thousands of times; by default glibc hands each back to the system and pays for
    its pages anew.
    """
    import torch

    from distill.environment import processors

    asked = os.environ.get("OMP_NUM_THREADS", "")
    count = threads or (int(asked) if asked.isdigit() and int(asked) > 0 else processors())
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
