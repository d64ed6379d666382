"""The order of a map's values in memory that convolutions on a CPU are fastest with."""

from __future__ import annotations

import torch
from torch import Tensor


def channels_last(x: Tensor) -> Tensor:
    """Maps (B, channels, y, x) with the channels innermost in memory, also where a single channel leaves that open.

    The CPU's convolutions then read and write maps as they are; else they reorder every map twice. An
    exported program keeps no such order: the reader of programs takes none that reaches into memory. Within `vmap`,
    which has no such order for its own axis, maps stay as they are.
    """
    program = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if program or torch._C._functorch.is_functorch_wrapped_tensor(x):
        return x
    batch, channels, ny, nx = x.shape
    if channels > 1:
        return x.contiguous(memory_format=torch.channels_last)
    return x.contiguous().as_strided((batch, 1, ny, nx), (ny * nx, 1, nx, 1))
