"""The electronic back end: camera features in, logits out, with its multiply-accumulates counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from networks.backends.parts import EPSILON, check_features, perceptron, root_of_counts, root_options
from networks.backends.registry import registered
from networks.operations import multiply_accumulates
from networks.seeded import drawn


@registered("classifier")
class Backend(nn.Module):
    """Square root, optional 1x1 mix of the maps, normalisation, then a linear map or a small MLP to logits.

    Args:
        features: (maps, by, bx) that the read-out gives.
        classes: number of logits.
        hidden: widths of hidden layers (ReLU between them); empty is a purely linear classifier.
        square_root: take the square root of the counts first; leave it out for signed features.
        epsilon: see `networks.backends.parts.SquareRoot`.
        mix: mix the maps to this many by a 1x1 product at every bin before the classifier (saves operations).
        generator: draws the first values.
    """

    def __init__(
        self,
        features: tuple[int, int, int],
        classes: int,
        *,
        hidden: Sequence[int] = (),
        square_root: bool = True,
        epsilon: float = EPSILON,
        mix: int | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        maps, by, bx = features
        self.features = (maps, by, bx)
        self.classes = classes
        self.hidden = tuple(hidden)
        self.root = root_of_counts(square_root, epsilon)
        self.norm = nn.BatchNorm1d(maps * by * bx)
        self.mix = drawn(lambda: nn.Conv2d(maps, mix, 1), generator) if mix is not None else None
        self.classifier = perceptron([(mix or maps) * by * bx, *hidden, classes], generator)

    def config(self) -> dict[str, Any]:
        """What `registry.from_config` needs to build it again (its values aside), as JSON can hold it."""
        return {
            "kind": "classifier",
            "features": list(self.features),
            "classes": self.classes,
            "hidden": list(self.hidden),
            **root_options(self.root),
            "mix": None if self.mix is None else self.mix.out_channels,
        }

    def forward(self, features: Tensor) -> Tensor:
        """(B, maps, by, bx) to logits (B, classes)."""
        check_features(features, self.features, "classifier")
        flat = self.norm(self.root(features).flatten(1))
        if self.mix is not None:
            flat = self.mix(flat.unflatten(1, self.features)).flatten(1)
        return self.classifier(flat)

    def operations(self) -> int:
        """Multiply-accumulates per image."""
        return multiply_accumulates(self, (1, *self.features))
