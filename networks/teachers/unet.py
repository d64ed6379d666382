"""U-Net: a teacher that gives a mask of the whole image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.channels_last import channels_last
from networks.seeded import initialise
from optics.checks import ShapeError


def _twice(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Down and up again with a shortcut at every resolution. Source: Ronneberger et al., MICCAI 2015; padded, any size.

    Args:
        in_channels: channels of the image.
        classes: channels of the mask's logits; 1 for object against background.
        width: channels at full resolution; doubled at every halving.
        depth: number of halvings.
        generator: draws the first values.
    """

    def __init__(
        self, in_channels: int, classes: int, *, width: int = 16, depth: int = 3, generator: torch.Generator
    ) -> None:
        super().__init__()
        widths = [width * 2**k for k in range(depth + 1)]
        self.depth = depth
        # the constructors of torch.nn draw values that are replaced below
        with torch.random.fork_rng(devices=[]):
            befores = [in_channels, *widths[:-1]]
            self.down = nn.ModuleList(_twice(a, b) for a, b in zip(befores, widths, strict=True))
            self.up = nn.ModuleList(_twice(widths[k] + widths[k + 1], widths[k]) for k in range(depth))
            self.logits = nn.Conv2d(width, classes, 1)
        initialise(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, y, x) to logits (B, classes, y, x).

        Raises:
            ShapeError: the image is too small to be halved `depth` times.
        """
        if min(x.shape[-2:]) < 2**self.depth:
            raise ShapeError(
                f"images are {tuple(x.shape[-2:])}; this U-Net needs at least {2**self.depth} a side."
            )
        x = channels_last(x)
        kept: list[Tensor] = []
        for k, block in enumerate(self.down):
            x = block(x if k == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        for k in reversed(range(self.depth)):
            x = F.interpolate(x, size=kept[k].shape[-2:], mode="bilinear", align_corners=False)
            x = self.up[k](torch.cat((kept[k], x), dim=1))
        return self.logits(x)
