"""Random draws: each is made on its generator's own device, then moved to where it is needed.

torch's generators of two devices draw different numbers from one seed. Every generator that this package makes is on
the CPU, so that a seed means the same on every device; whoever wants draws made on an accelerator passes a generator
of that device, `torch.Generator("cuda")`, and gets its numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def generator_of(use: str, *numbers: int) -> torch.Generator:
    """A generator, on the CPU, for one use of a seed and its counts: any other numbers give other draws.

    torch's generator of the CPU keeps 32 bits of its seed, so seeds that are counted on in higher bits would be alike.
    """
    told = " ".join(map(str, (use, *numbers))).encode()
    return torch.Generator().manual_seed(int.from_bytes(hashlib.blake2b(told, digest_size=4).digest(), "big"))


def normal(shape: Sequence[int], generator: torch.Generator, *, like: Tensor) -> Tensor:
    """Standard normal numbers of `shape`, with the type and on the device of `like`."""
    draw = torch.randn(tuple(shape), generator=generator, dtype=like.dtype, device=generator.device)
    return draw.to(like.device)


def uniform(shape: Sequence[int], generator: torch.Generator, *, like: Tensor) -> Tensor:
    """Numbers from 0 to 1 of `shape`, with the type and on the device of `like`."""
    draw = torch.rand(tuple(shape), generator=generator, dtype=like.dtype, device=generator.device)
    return draw.to(like.device)


def poisson(mean: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson numbers of these means: same shape, type and device."""
    return torch.poisson(mean.to(generator.device), generator=generator).to(mean.device)
