"""One back end for fewer maps on finer bins, as a plain lens or the raw image gives them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.backends.registry import alike, description, registered


@registered("stacked", draws=False)
class Stacked(nn.Module):
    """A back end for finer bins of fewer maps: `side x side` neighbours become maps of their own, then `backend`.

    A raw image of 3 channels on 16x16 bins is so seen by a back end for 12 maps on 8x8 bins, with the same number of
    multiply-accumulates and the same 3x3 neighbourhoods.

    Args:
        side: neighbours per axis that are stacked.
        backend: takes (B, side² maps, by, bx).
    """

    def __init__(self, side: int, backend: nn.Module) -> None:
        super().__init__()
        self.side = side
        self.backend = backend

    @classmethod
    def matching(
        cls,
        backend: nn.Module,
        channels: int,
        *,
        square_root: bool = False,
        generator: torch.Generator,
    ) -> Stacked:
        """A back end like `backend` for `channels` maps, on bins so much finer that it keeps its number of maps.

        Args:
            backend: one that has a `config()`, see `networks.backends.registry`.
            channels: maps that there are.
            square_root: of the values first, for intensities; else they are taken as they are.
            generator: draws the first values.
        """
        maps, by, bx = description(backend)["features"]
        side = max(1, round(math.sqrt(maps / channels)))
        features = [channels * side**2, by, bx]
        return cls(side, alike(backend, features, square_root=square_root, generator=generator))

    def config(self) -> dict[str, Any]:
        """What `registry.from_config` needs to build it again (its values aside), as JSON can hold it."""
        return {"kind": "stacked", "side": self.side, "backend": description(self.backend)}

    @property
    def bins(self) -> tuple[int, int]:
        """(by, bx) of the bins that it takes."""
        _, by, bx = description(self.backend)["features"]
        return by * self.side, bx * self.side

    def forward(self, features: Tensor) -> Tensor:
        """(B, maps, by side, bx side) to the back end's output."""
        return self.backend(F.pixel_unshuffle(features, self.side))

    def embed(self, features: Tensor) -> Tensor:
        """(B, maps, by side, bx side) to unit vectors, where the back end is an embedder."""
        return self.backend.embed(F.pixel_unshuffle(features, self.side))  # type: ignore[operator]
