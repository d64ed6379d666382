"""More images than there are: training images lit, moved, mirrored, cropped, covered and mixed, each time anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from scipy.special import betaincinv
from torch import Tensor
from torch.nn import functional as F

from distill.data.dataset import VOID
from optics.errors import OpticsError
from optics.spec import Validated


class AugmentSpec(Validated):
    """How far a training image may be moved and lit otherwise, each time anew; zero is off.

    brightness: its values are multiplied by 2 to a power within so many stops either way; what is brighter than white
    is white. gamma: they are raised to 2 to a power within this, which leaves black and white as they are. colour:
    each channel by a power of 2 of its own within this, as another white balance; a grey image's only one, too. What
    comes in from outside is dark.
    shift: up to so many pixels along each axis. rotation: up to so many radians either way. zoom: size
    changes by up to this share either way. Draws are uniform. flip: mirror left and right, every other time; not for
    what reads one way, such as digits. crop: as many dark pixels around the image, then a window of its size at
    random. cutout: side in pixels of a square that is made dark, centre anywhere in the image (DeVries and Taylor,
    arXiv 1708.04552). mixup: each image is mixed with another one of its batch by a share drawn from Beta(mixup,
    mixup), and so are their labels (Zhang et al., arXiv 1710.09412); 1 draws every share alike. Labelled images are
    mixed with labelled ones, others with others.

    Labels of pixels move with their images; pixels from outside, covered ones, and mixed ones of which either is void,
    are void.
    """

    brightness: float = Field(default=0.0, ge=0.0, le=8.0)
    gamma: float = Field(default=0.0, ge=0.0, le=3.0)
    colour: float = Field(default=0.0, ge=0.0, le=4.0)
    shift: float = Field(default=0.0, ge=0.0)
    rotation: float = Field(default=0.0, ge=0.0, le=3.1416)
    zoom: float = Field(default=0.0, ge=0.0, lt=0.9)
    flip: bool = False
    crop: int = Field(default=0, ge=0)
    cutout: int = Field(default=0, ge=0)
    mixup: float = Field(default=0.0, ge=0.0, le=100.0)

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return self.flip or self.moves or self.lights or max(self.crop, self.cutout, self.mixup) > 0

    @property
    def lights(self) -> bool:
        """Whether images are made brighter, darker or of other colours."""
        return max(self.brightness, self.gamma, self.colour) > 0

    @property
    def moves(self) -> bool:
        """Whether images are shifted, turned or zoomed."""
        return max(self.shift, self.rotation, self.zoom) > 0


@dataclass(frozen=True)
class Answers:
    """What the images of a step show.

    Attributes:
        labels: int64 (B,), or (B, H, W) of pixels; below zero is no answer (`distill.data.dataset`).
        others: of the images that they are mixed with; None where nothing is mixed.
        share: (B,), how much of each image is its own, 1/2 to 1; the rest is the other's.
    """

    labels: Tensor
    others: Tensor | None = None
    share: Tensor | None = None

    def taken(self, part: slice) -> Answers:
        """Those of some of the images."""
        others, share = (None if v is None else v[part] for v in (self.others, self.share))
        return Answers(self.labels[part], others, share)


def augment(
    images: Tensor, spec: AugmentSpec, generator: torch.Generator, *, labels: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Each image lit and moved by its own draw, all but mixed (see `mixed`).

    Args:
        images: (B, C, H, W).
        spec: how far.
        generator: draws; on the CPU.
        labels: per-pixel labels (B, H, W) are moved along, by nearest neighbour; labels (B,) are returned as they are.

    Returns:
        (images, labels), same shapes and types.

    Raises:
        OpticsError: crop or cutout is larger than the image.
    """
    ny, nx = images.shape[-2:]
    for name, most in (("crop", min(ny, nx)), ("cutout", max(ny, nx))):
        if getattr(spec, name) > most:
            raise OpticsError(
                f"augmentation.{name} is {getattr(spec, name)} pixels and the images have {ny} x {nx}; at most {most}."
            )
    pixels = labels is not None and labels.ndim == 3
    if spec.lights:
        images = _lit(images, spec, generator)
    if spec.flip:
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(mirrored[:, None, None, None].to(images.device), images.flip(-1), images)
        if labels is not None and pixels:
            labels = torch.where(mirrored[:, None, None].to(labels.device), labels.flip(-1), labels)
    if spec.moves:
        images, labels = _moved(images, spec, generator, labels)
    if spec.crop:
        start = torch.randint(0, 2 * spec.crop + 1, (len(images), 2), generator=generator).to(images.device)
        images = _window(images, spec.crop, start, 0.0)
        if labels is not None and pixels:
            labels = _window(labels[:, None], spec.crop, start, VOID)[:, 0]
    if spec.cutout:
        covered = _square(images, spec.cutout, generator)
        images = images.masked_fill(covered[:, None], 0.0)
        if labels is not None and pixels:
            labels = labels.masked_fill(covered, VOID)
    return images, labels


def mixed(images: Tensor, labels: Tensor, mixup: float, generator: torch.Generator) -> tuple[Tensor, Answers]:
    """Each image mixed with another one of the batch: `share * own + (1 - share) * other`.

    An image with labels is mixed with one that has some, too: nothing of a mixture with an unlabelled one would count.

    Args:
        images: (B, C, H, W).
        labels: int64 (B,) or (B, H, W).
        mixup: parameter of the Beta distribution of the share, more than 0. Of the share and its complement the larger
            one counts: the pairs are the same, and the first label is the one that prevails.
        generator: draws who is mixed with whom, and the shares; on the CPU.
    """
    order = torch.randperm(len(images), generator=generator)
    labelled = (labels >= 0).reshape(len(labels), -1).any(1).cpu()
    partner = order.clone()
    for group in (labelled, ~labelled):
        partner[group] = order[group[order]]
    draw = torch.rand(len(images), generator=generator, dtype=torch.float64)
    beta = torch.from_numpy(np.asarray(betaincinv(mixup, mixup, draw.numpy())))
    share = torch.maximum(beta, 1 - beta).to(images)
    wide = share[:, None, None, None]
    answers = Answers(labels, labels[partner.to(labels.device)], share)
    return wide * images + (1 - wide) * images[partner.to(images.device)], answers


def _lit(images: Tensor, spec: AugmentSpec, generator: torch.Generator) -> Tensor:
    """`2^(b + c_k) x^(2^g)` for channel k, at most white; b, c_k and g are uniform draws of the image's own."""
    batch, channels = images.shape[:2]
    draws = (2 * torch.rand(batch, 2 + channels, 1, 1, generator=generator) - 1).to(images)
    bent = images ** torch.exp2(spec.gamma * draws[:, :1])
    return (bent * torch.exp2(spec.brightness * draws[:, 1:2] + spec.colour * draws[:, 2:])).clamp(max=1)


def _moved(
    images: Tensor, spec: AugmentSpec, generator: torch.Generator, labels: Tensor | None
) -> tuple[Tensor, Tensor | None]:
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
        counted = (labels - VOID)[:, None].to(images)  # zero, which comes in from outside, is void
        real = F.grid_sample(counted, grid, mode="nearest", align_corners=False)
        labels = real[:, 0].round().to(labels.dtype) + VOID
    return moved.clamp(0, 1), labels


def _window(values: Tensor, pad: int, start: Tensor, outside: float) -> Tensor:
    """Windows of the size of `values` (B, C, H, W) that begin at `start` (B, 2) of what `pad` more pixels surround."""
    ny, nx = values.shape[-2:]
    wide = F.pad(values, (pad, pad, pad, pad), value=outside)
    rows = start[:, :1] + torch.arange(ny, device=values.device)
    columns = start[:, 1:] + torch.arange(nx, device=values.device)
    which = torch.arange(len(values), device=values.device)[:, None, None]
    return wide.movedim(1, -1)[which, rows[:, :, None], columns[:, None, :]].movedim(-1, 1).contiguous()


def _square(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Where a square of `side` pixels about a pixel of each image covers it, bool (B, H, W)."""
    batch, _, ny, nx = images.shape
    covered = []
    for n in (ny, nx):
        first = torch.randint(0, n, (batch, 1), generator=generator) - side // 2
        at = torch.arange(n)
        covered.append((at >= first) & (at < first + side))
    return (covered[0][:, :, None] & covered[1][:, None, :]).to(images.device)
