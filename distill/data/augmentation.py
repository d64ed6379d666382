"""Small random shifts, rotations, zooms and mirrorings of the training images: more images than there are."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from optics.spec import Validated


class AugmentSpec(Validated):
    """How far a training image may be moved, each time anew; zero is off.

    shift: up to so many pixels along each axis. rotation: up to so many radians either way. zoom: size
    changes by up to this share either way. Draws are uniform. flip: mirror left and right, every other time; not for
    what reads one way, such as digits.
    """

    shift: float = Field(default=0.0, ge=0.0)
    rotation: float = Field(default=0.0, ge=0.0, le=3.1416)
    zoom: float = Field(default=0.0, ge=0.0, lt=0.9)
    flip: bool = False

    @property
    def active(self) -> bool:
        """Whether anything is moved at all."""
        return self.flip or self.moves

    @property
    def moves(self) -> bool:
        """Whether images are shifted, turned or zoomed."""
        return max(self.shift, self.rotation, self.zoom) > 0


def augment(
    images: Tensor, spec: AugmentSpec, generator: torch.Generator, *, labels: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Each image moved by its own draw; what comes in from outside is dark.

    Args:
        images: (B, C, H, W).
        spec: how far.
        generator: draws; on the images' device or on the CPU.
        labels: per-pixel labels (B, H, W) are moved along, by nearest neighbour (outside: label 0); labels
            (B,) are returned as they are.

    Returns:
        (images, labels), same shapes and types.
    """
    if spec.flip:
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(mirrored[:, None, None, None].to(images.device), images.flip(-1), images)
        if labels is not None and labels.ndim == 3:
            labels = torch.where(mirrored[:, None, None].to(labels.device), labels.flip(-1), labels)
    if not spec.moves:
        return images, labels
    batch, _, ny, nx = images.shape
    draws = (2 * torch.rand(batch, 4, generator=generator) - 1).to(images)
    angle, zoom = spec.rotation * draws[:, 0], 1 + spec.zoom * draws[:, 1]
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    # affine_grid measures each axis in half widths: a shift of s pixels is 2 s / n, and a rotation
    # needs the aspect ratio
    theta = torch.stack(
        (
            torch.stack((cos, -sin * ny / nx, spec.shift * draws[:, 2] * 2 / nx), dim=1),
            torch.stack((sin * nx / ny, cos, spec.shift * draws[:, 3] * 2 / ny), dim=1),
        ),
        dim=1,
    )
    grid = F.affine_grid(theta, [batch, 1, ny, nx], align_corners=False)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    if labels is not None and labels.ndim == 3:
        real = F.grid_sample(labels[:, None].to(images), grid, mode="nearest", align_corners=False)
        labels = real[:, 0].round().to(labels.dtype)
    return moved.clamp(0, 1), labels
