"""What the back ends share: the square root of the counts, a perceptron, steps on maps, the check of what comes in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from networks.backends.depthwise import Depthwise
from networks.seeded import drawn
from optics.checks import check_shape

EPSILON = 1e-4  # small against a full reading, which is about 1 in the units that a network is trained in


class SquareRoot(nn.Module):
    """`sqrt(counts + epsilon)`: makes shot noise equally large at every level; negative counts read as zero.

    Args:
        epsilon: in the units of the counts; keeps the slope at zero finite.
    """

    def __init__(self, epsilon: float = EPSILON) -> None:
        super().__init__()
        self.epsilon = epsilon

    def extra_repr(self) -> str:
        """One line for `print(module)`."""
        return f"epsilon={self.epsilon:g}"

    def forward(self, counts: Tensor) -> Tensor:
        """Same shape, real."""
        return (counts.clamp(min=0) + self.epsilon).sqrt()


def root_of_counts(square_root: bool, epsilon: float) -> nn.Module:
    """The square root, or nothing for signed features."""
    return SquareRoot(epsilon) if square_root else nn.Identity()


def root_options(root: nn.Module) -> dict[str, Any]:
    """The arguments of `root_of_counts` that made it."""
    taken = isinstance(root, SquareRoot)
    return {"square_root": taken, "epsilon": root.epsilon if isinstance(root, SquareRoot) else EPSILON}


def perceptron(widths: Sequence[int], generator: torch.Generator) -> nn.Sequential:
    """Linear maps from each of `widths` to the next, ReLU between them; one map where there are two."""
    steps: list[nn.Module] = []
    for a, b in pairwise(widths):
        steps += [drawn(lambda a=a, b=b: nn.Linear(a, b), generator), nn.ReLU()]  # type: ignore[misc]
    return nn.Sequential(*steps[:-1])


def refine(width: int, generator: torch.Generator, *, dilation: int = 1) -> nn.Sequential:
    """A depthwise 3x3 convolution that looks `dilation` far and a 1x1 one, for maps of `width` channels."""
    return nn.Sequential(
        drawn(lambda: Depthwise(width, dilation=dilation), generator),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        drawn(lambda: nn.Conv2d(width, width, 1), generator),
    )


def check_features(features: Tensor, expected: tuple[int, int, int], owner: str) -> None:
    """Raise ShapeError unless `features` are (B, maps, by, bx) for `expected` = (maps, by, bx)."""
    check_shape(
        features,
        (None, *expected),
        name=f"the {owner}'s features",
        fix="Build the back end for the read-out's maps and bins.",
    )
