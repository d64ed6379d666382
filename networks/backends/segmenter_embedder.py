"""Electronic back ends that give more than a class: a mask of the whole image, or a point in a space of faces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.backends.depthwise import innermost
from networks.backends.parts import (
    EPSILON,
    check_features,
    perceptron,
    refine,
    root_of_counts,
    root_options,
)
from networks.backends.registry import registered
from networks.operations import multiply_accumulates
from networks.seeded import drawn
from optics.checks import check_range


@registered("segmenter")
class Segmenter(nn.Module):
    """Few-channel, low-resolution camera maps to full-resolution masks: a light decoder.

    Square root, normalisation of each map, a 1x1 mix, then steps that double the resolution (bilinear) and refine it
    with a depthwise 3x3 and a 1x1 convolution, then the classes' logits, stretched to the image. Before the resolution
    doubles, `context` such steps look 1, 2, 4, ... bins far, so that a bin's class may depend on all the image: dilated
    convolutions cost little where there are few bins (Yu and Koltun, ICLR 2016, arXiv 1511.07122).

    Args:
        features: (maps, by, bx) that the read-out gives.
        classes: channels of the mask; 1 for object against background.
        image_shape: (ny, nx) of the masks.
        width: channels inside.
        context: steps on the bins, each of twice the dilation of the one before.
        square_root, epsilon: see `networks.backends.classifier.Backend`.
        generator: draws the first values.
    """

    def __init__(
        self,
        features: tuple[int, int, int],
        classes: int,
        *,
        image_shape: tuple[int, int],
        width: int = 16,
        context: int = 0,
        square_root: bool = True,
        epsilon: float = EPSILON,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        maps, by, bx = features
        self.features = (maps, by, bx)
        self.classes = classes
        self.image_shape = image_shape
        self.width = width
        self.root = root_of_counts(square_root, epsilon)
        self.norm = nn.BatchNorm2d(maps)
        self.mix = drawn(lambda: nn.Conv2d(maps, width, 1), generator)
        self.context = nn.ModuleList(refine(width, generator, dilation=2**k) for k in range(context))
        doublings = max(0, round(math.log2(min(image_shape[0] / by, image_shape[1] / bx))))
        self.steps = nn.ModuleList(refine(width, generator) for _ in range(doublings))
        self.logits = drawn(lambda: nn.Conv2d(width, classes, 1), generator)

    def config(self) -> dict[str, Any]:
        """What `registry.from_config` needs to build it again (its values aside), as JSON can hold it."""
        return {
            "kind": "segmenter",
            "features": list(self.features),
            "classes": self.classes,
            "image_shape": list(self.image_shape),
            "width": self.width,
            "context": len(self.context),
            **root_options(self.root),
        }

    def forward(self, features: Tensor) -> Tensor:
        """(B, maps, by, bx) to logits (B, classes, ny, nx)."""
        check_features(features, self.features, "segmenter")
        x = F.relu(self.mix(self.norm(innermost(self.root(features)))))
        for step in self.context:
            x = x + step(x)
        for step in self.steps:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = x + step(x)
        return F.interpolate(self.logits(x), size=self.image_shape, mode="bilinear", align_corners=False)

    def operations(self) -> int:
        """Multiply-accumulates per image; stretching is not counted."""
        return multiply_accumulates(self, (1, *self.features))


@registered("embedder")
class Embedder(nn.Module):
    """Camera features to a unit vector: images of one person lie close together, also of people never seen.

    While training, the classes' logits are `scale` times the cosine between the vector and one prototype per class
    (a normalised softmax: Wang et al., ACM MM 2017); for recognition compare `embed` of two images by their product.

    Args:
        features: (maps, by, bx) that the read-out gives.
        classes: people to train with.
        dimension: of the embedding.
        hidden: widths of hidden layers before it.
        scale: of the logits; larger separates the classes more sharply.
        square_root, epsilon: see `networks.backends.classifier.Backend`.
        generator: draws the first values.
    """

    def __init__(
        self,
        features: tuple[int, int, int],
        classes: int,
        *,
        dimension: int = 64,
        hidden: Sequence[int] = (),
        scale: float = 16.0,
        square_root: bool = True,
        epsilon: float = EPSILON,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        check_range("Embedder.scale", scale, 1e-3, 1e3, fix="About 16 works; 1 hardly separates classes.")
        maps, by, bx = features
        self.features = (maps, by, bx)
        self.classes = classes
        self.dimension = dimension
        self.hidden = tuple(hidden)
        self.scale = scale
        self.root = root_of_counts(square_root, epsilon)
        self.norm = nn.BatchNorm1d(maps * by * bx)
        self.body = perceptron([maps * by * bx, *hidden, dimension], generator)
        self.prototypes = nn.Parameter(torch.randn(classes, dimension, generator=generator))

    def config(self) -> dict[str, Any]:
        """What `registry.from_config` needs to build it again (its values aside), as JSON can hold it."""
        return {
            "kind": "embedder",
            "features": list(self.features),
            "classes": self.classes,
            "dimension": self.dimension,
            "hidden": list(self.hidden),
            "scale": self.scale,
            **root_options(self.root),
        }

    def embed(self, features: Tensor) -> Tensor:
        """(B, maps, by, bx) to unit vectors (B, dimension)."""
        check_features(features, self.features, "embedder")
        return F.normalize(self.body(self.norm(self.root(features).flatten(1))))

    def forward(self, features: Tensor) -> Tensor:
        """(B, maps, by, bx) to logits (B, classes): scaled cosines with the classes' prototypes."""
        return self.scale * self.embed(features) @ F.normalize(self.prototypes).mT

    def operations(self) -> int:
        """Multiply-accumulates per image, the comparison with all prototypes included."""
        return multiply_accumulates(self, (1, *self.features))
