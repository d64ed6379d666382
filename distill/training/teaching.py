"""The teacher as the losses ask it: its answers for the images of a step, worked out before or when they are wanted."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from optics.errors import OpticsError, ShapeError


class Guide:
    """A teacher, or its logits for every training image.

    Answers are worked out once for all images where these stay as they are, and for every step where they are moved:
    stored answers would belong to other images.

    Args:
        teacher: a module with the student's inputs and outputs, or its logits for each training image, (N, classes).
        inputs: the training images, (N, C, H, W).
        moving: whether the images of a step are moved, mixed or covered.

    Raises:
        OpticsError: logits for images that are moved; ShapeError: not as many logits as images.
    """

    def __init__(self, teacher: nn.Module | Tensor, inputs: Tensor, *, moving: bool) -> None:
        self.module = teacher.eval() if isinstance(teacher, nn.Module) else None
        self.stored = teacher if isinstance(teacher, Tensor) else None
        self.inputs, self.moving = inputs, moving
        if self.stored is not None:
            if moving:
                raise OpticsError(
                    "moved images need a teacher module to label them; pass the module, not its logits."
                )
            if len(self.stored) != len(inputs):
                raise ShapeError(f"the teacher gives {len(self.stored)} logits for {len(inputs)} images.")

    def answers(self, images: Tensor, index: Tensor) -> Tensor:
        """Logits for the images of a step, which are those at `index` before any move."""
        if self.stored is None and self.module is not None:
            if self.moving:
                return logits(self.module, images)
            self.stored = logits(self.module, self.inputs)
        if self.stored is None:
            raise OpticsError("there is neither a teacher nor its logits.")
        return self.stored[index]


def takes_generator(model: nn.Module) -> bool:
    """Whether the model's `forward` takes `generator`, hence draws noise."""
    return "generator" in inspect.signature(model.forward).parameters


def logits(
    model: nn.Module, images: Tensor, batch_size: int = 256, *, generator: torch.Generator | None = None
) -> Tensor:
    """The model's output for all images, in `eval` mode without gradients; its mode is left as it was.

    Args:
        model: images (B, C, H, W) to logits.
        images: (N, C, H, W).
        batch_size: images at a time.
        generator: draws the noise of a model that takes one; None is without noise.

    Returns:
        (N, classes), or (N, classes, H, W) of a segmentation model.
    """
    options = {"generator": generator} if generator is not None and takes_generator(model) else {}
    mode = model.training
    model.eval()
    try:
        with torch.no_grad():
            return torch.cat([model(part, **options) for part in images.split(batch_size)])
    finally:
        model.train(mode)
