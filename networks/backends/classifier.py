"""The electronic back end: camera features in, logits out, with its multiply-accumulates counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.backends.depthwise import innermost
from networks.backends.parts import EPSILON, check_features, perceptron, refine, root_of_counts, root_options
from networks.backends.registry import registered
from networks.operations import multiply_accumulates
from networks.seeded import drawn


@registered("classifier")
class Backend(nn.Module):
    """Square root, optional 1x1 mix of the maps, normalisation, then a linear map or a small MLP to logits.

    With `context`, small convolutions stand between: steps that look 1, 2, 4, ... bins far, as in
    `networks.backends.segmenter_embedder.Segmenter`. They are the same at every bin, which few training images need
    that show a thing anywhere; so is the normalisation then, and `average` leaves the classifier few values.

    Args:
        features: (maps, by, bx) that the read-out gives.
        classes: number of logits.
        hidden: widths of hidden layers (ReLU between them); empty is a purely linear classifier.
        square_root: take the square root of the counts first; leave it out for signed features.
        epsilon: see `networks.backends.parts.SquareRoot`.
        mix: mix the maps to this many by a 1x1 product at every bin before the classifier (saves operations).
        context: such steps, on the mixed maps.
        average: (y, x) values a side to which the maps are averaged before the classifier; None leaves the bins.
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
        context: int = 0,
        average: tuple[int, int] | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        maps, by, bx = features
        self.features = (maps, by, bx)
        self.classes = classes
        self.hidden = tuple(hidden)
        self.root = root_of_counts(square_root, epsilon)
        self.average = average if average is None else (average[0], average[1])
        width, (ny, nx) = mix or maps, self.average or (by, bx)
        self.norm = nn.BatchNorm2d(maps) if context else nn.BatchNorm1d(maps * by * bx)
        self.mix = drawn(lambda: nn.Conv2d(maps, mix, 1), generator) if mix is not None else None
        self.context = nn.ModuleList(refine(width, generator, dilation=2**k) for k in range(context))
        self.classifier = perceptron([width * ny * nx, *hidden, classes], generator)

    def config(self) -> dict[str, Any]:
        """What `registry.from_config` needs to build it again (its values aside), as JSON can hold it."""
        return {
            "kind": "classifier",
            "features": list(self.features),
            "classes": self.classes,
            "hidden": list(self.hidden),
            **root_options(self.root),
            "mix": None if self.mix is None else self.mix.out_channels,
            "context": len(self.context),
            "average": None if self.average is None else list(self.average),
        }

    def forward(self, features: Tensor) -> Tensor:
        """(B, maps, by, bx) to logits (B, classes)."""
        check_features(features, self.features, "classifier")
        x = innermost(self.root(features)) if self.context else self.root(features)
        x = self.norm(x) if self.context else self.norm(x.flatten(1)).unflatten(1, self.features)
        if self.mix is not None:
            x = self.mix(x)
        for step in self.context:
            x = x + step(x)
        if self.average is not None:
            x = F.adaptive_avg_pool2d(x, self.average)
        return self.classifier(x.flatten(1))

    def operations(self) -> int:
        """Multiply-accumulates per image."""
        return multiply_accumulates(self, (1, *self.features))
