"""What many tests share: seeded draws, lopsided images, relative errors."""

from __future__ import annotations

import torch
from torch import Tensor


def generator(seed: int = 0) -> torch.Generator:
    """A generator that draws the same in every run."""
    return torch.Generator().manual_seed(seed)


def error(got: Tensor, want: Tensor) -> float:
    """Relative L2 error as it stands: nothing is normalised away, neither sign nor scale."""
    return float((got - want).norm() / want.norm())


def lopsided(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images (..., ny, nx) between 0 and 1, dark in one corner: a flip or a transposition shows."""
    x = torch.rand(*shape, generator=generator(seed), dtype=dtype)
    x[..., : shape[-2] // 2, : shape[-1] // 3] *= 0.1
    return x
