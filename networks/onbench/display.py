"""How the channels of an image are shown: side by side at once, or one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from optics.bench.geometry import side_by_side
from optics.fourf.camera_window import CameraWindow, Size

Responses = tuple[Tensor, ...]
"""Complex point-spread functions in one state of the panels: by tile, by stage, or by wavelength and source point."""


@dataclass(frozen=True)
class Display:
    """How the channels of an image are shown: side by side at once, or one after another.

    Attributes:
        image_shape: (H, W) of one channel.
        channels: how many.
        one_by_one: each channel has an exposure of its own.
        gap: dark pixels between neighbours side by side.
    """

    image_shape: Size
    channels: int
    one_by_one: bool = False
    gap: int = 0

    @property
    def at_once(self) -> int:
        """Channels in one exposure."""
        return 1 if self.one_by_one else self.channels

    @property
    def spacing(self) -> int:
        """Distance of neighbouring channels, pixels."""
        return self.image_shape[1] + self.gap

    @property
    def canvas_shape(self) -> Size:
        """(H, W) of all channels that are shown at once."""
        return side_by_side(self.image_shape, self.at_once, self.gap)

    def window(self, oversampling: int | Size | None = None) -> CameraWindow:
        """Where the camera looks: one channel's image, in which all that are shown at once meet."""
        return CameraWindow(
            self.canvas_shape,
            self.image_shape,
            oversampling=oversampling,
            channels=self.at_once,
            gap=self.gap if self.at_once > 1 else 0,
        )

    def positions(self) -> Tensor | None:
        """Where the channels' origins stand relative to the display's, (at once,) float64 pixels; None: on the axis."""
        if self.at_once == 1:
            return None
        first = self.image_shape[1] // 2 - self.canvas_shape[1] // 2
        return first + self.spacing * torch.arange(self.at_once, dtype=torch.float64)

    def per_mask(self, kernels: Tensor) -> Tensor:
        """Kernels (out, in, K, K) as (masks, channels at once, K, K)."""
        return kernels.flatten(0, 1)[:, None] if self.one_by_one else kernels

    def exposures(self, x: Tensor) -> list[Tensor]:
        """What is shown, one exposure after another, (B, *canvas_shape), of images (B, channels, H, W)."""
        if self.one_by_one or self.channels == 1:
            return list(x.unbind(1))
        canvas = x.new_zeros(len(x), *self.canvas_shape)
        for i in range(self.channels):
            canvas[:, :, i * self.spacing : i * self.spacing + self.image_shape[1]] = x[:, i]
        return [canvas]

    @property
    def pictures(self) -> int:
        """Pictures of one image, one exposure each."""
        return self.channels // self.at_once

    def shown(self, x: Tensor) -> Tensor:
        """What the display shows, (B pictures, *canvas_shape), an image's pictures one after another."""
        return torch.stack(self.exposures(x), 1).flatten(0, 1)

    def images(self, shown: Tensor) -> Tensor:
        """The images (B, channels, H, W) that the display shows so; the way back from `shown`."""
        if self.at_once == 1:
            return shown.unflatten(0, (-1, self.channels))
        columns = (
            slice(i * self.spacing, i * self.spacing + self.image_shape[1]) for i in range(self.channels)
        )
        return torch.stack([shown[..., at] for at in columns], 1)

    def each(self, see: Callable[[Tensor, Responses], Tensor], x: Tensor, responses: Responses) -> Tensor:
        """`see(images, responses)` of every exposure with the masks that belong to it, (B, masks, ...) in order."""
        shown = self.exposures(x)
        parts = [see(x, tuple(r[i :: len(shown)] for r in responses)) for i, x in enumerate(shown)]
        return parts[0] if len(parts) == 1 else torch.stack(parts, 2).flatten(1, 2)

    def join(self, readings: Tensor) -> Tensor:
        """Readings (B, masks, y, x) with those of the channels that were shown one by one added up."""
        return readings.unflatten(1, (-1, self.channels)).sum(2) if self.one_by_one else readings
