"""Reproducible first values and dropout: every draw comes from a `torch.Generator` that the caller passed in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from optics import draws

M = TypeVar("M", bound=nn.Module)


def drawn(factory: Callable[[], M], generator: torch.Generator) -> M:
    """Build a module and draw its first values from `generator`; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):  # constructors of torch.nn draw values that are replaced below
        module = factory()
    initialise(module, generator)
    return module


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw weights and biases of linear and convolution layers: uniform within `1 / sqrt(fan_in)`, torch's own law."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
            fan_in = part.weight[0].numel()
            if isinstance(part, nn.ConvTranspose2d):
                fan_in = part.weight.shape[1] * part.weight[0, 0].numel()
            bound = 1 / math.sqrt(fan_in)
            for value in (part.weight, part.bias):
                if value is not None:
                    with torch.no_grad():
                        draw = draws.uniform(value.shape, generator, like=value)
                        value.copy_((2 * draw - 1) * bound)


def alone(count: int) -> tuple[int, int]:
    """The place of the rows of one process that trains by itself; see `Dropout`."""
    return 0, count


class Dropout(nn.Module):
    """Dropout whose draws depend only on its own seed and on how many it has made: resumes bit for bit.

    Args:
        p: share of values set to zero while training; the others are scaled by `1 / (1 - p)`.
        generator: draws the seed.

    Attributes:
        place: of several processes that train together, by the number of this one's rows: where these begin among the
            rows of all, and how many all are. Each draws the same for the whole batch, and takes its rows of that.
    """

    seed: Tensor
    draws: Tensor

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.place: Callable[[int], tuple[int, int]] = alone
        self.register_buffer("seed", torch.randint(2**31, (), generator=generator))
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape; unchanged when not training."""
        if not self.training or self.p == 0:
            return x
        here = draws.generator_of("dropout", int(self.seed), int(self.draws), 0)
        self.draws += 1
        begin, count = self.place(len(x))
        drawn = torch.rand((count, *x.shape[1:]), generator=here, dtype=torch.float32)
        keep = drawn[begin : begin + len(x)] >= self.p
        return x * keep.to(x.device) / (1 - self.p)
