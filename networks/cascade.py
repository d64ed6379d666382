"""A Spectral CNN Linear Counterpart (SCLC): spectral convolutions one after another, strictly linear.

Because nothing between the layers is nonlinear, the cascade *is* one convolution per (output, input) channel. It is
composed on the kernels' taps, before a batch is touched: hidden channels cost nothing per image, and gradients still
reach every layer. `layer_by_layer` is the slow form, kept to prove the fast one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.spectral import Boundary, SpectralConv2d, convolve, mask_of_taps
from optics.checks import ShapeError, check_shape
from optics.conventions import complex_dtype


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Kernels (out, in, k1 + k2 - 1, ...) of `second` (out, mid, k2, k2) applied after `first` (mid, in, k1, k1).

    The full convolution of the taps, contracted over the middle channels; real only if both are.
    """
    # One `conv2d` whose batch is the input channels: cheap, and no larger than the kernels themselves.
    return convolve(first.transpose(0, 1), second, grow=True).transpose(0, 1)


class Cascade(nn.Module):
    """Spectral convolutions in a row with nothing nonlinear between them, applied as one.

    Args:
        channels: channels before, between and after the layers: `(1, 16, 32, 16)` is three layers, 16 masks.
        kernel_size: taps per side of every layer, odd; collapsed kernels have `1 + layers * (kernel_size - 1)`.
        parameterisation: "complex" or "real" small kernels.
        boundary: "zero": the scene lies in darkness and light that spills over an inner border is kept;
            "circular": the periodic model of a discrete 4f system.
        generator: draws the first kernels.
    """

    def __init__(
        self,
        channels: Sequence[int] = (1, 16, 32, 16),
        kernel_size: int = 3,
        *,
        parameterisation: str = "complex",
        boundary: Boundary = "zero",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if len(channels) < 2 or min(channels) < 1:
            raise ShapeError(
                f"channels is {tuple(channels)}; give at least the input's and the output's, as (1, 16)."
            )
        self.channels = tuple(int(c) for c in channels)
        self.boundary: Boundary = boundary
        self.layers = nn.ModuleList(
            SpectralConv2d(
                before,
                after,
                kernel_size,
                parameterisation=parameterisation,
                boundary=boundary,
                generator=generator,
            )
            for before, after in zip(self.channels[:-1], self.channels[1:], strict=True)
        )

    @classmethod
    def identity(cls, channels: int = 1) -> Cascade:
        """A plain lens: each channel is imaged onto itself, nothing to train."""
        cascade = cls((channels, channels), 1, parameterisation="real", generator=torch.Generator())
        with torch.no_grad():
            cascade._layer(0).weight.copy_(torch.eye(channels)[:, :, None, None])
        return cascade.requires_grad_(False)

    def _layer(self, index: int) -> SpectralConv2d:
        layer = self.layers[index]
        if not isinstance(layer, SpectralConv2d):  # nn.ModuleList forgets the type
            raise TypeError(f"layer {index} is {type(layer).__name__}, expected SpectralConv2d.")
        return layer

    @property
    def in_channels(self) -> int:
        """Channels of the input image."""
        return self.channels[0]

    @property
    def out_channels(self) -> int:
        """Channels of the output field."""
        return self.channels[-1]

    @property
    def kernel_size(self) -> int:
        """Taps per side of the collapsed kernels."""
        return 1 + sum(self._layer(i).kernel_size - 1 for i in range(len(self.layers)))

    def kernels(self) -> Tensor:
        """The collapsed cascade: centred convolution kernels (out, in, K, K), complex, differentiable."""
        taps = self._layer(0).taps()
        for i in range(1, len(self.layers)):
            taps = compose(taps, self._layer(i).taps())
        return taps.to(complex_dtype(taps.dtype))

    def collapse(self, shape: tuple[int, int]) -> Tensor:
        """The masks that are exported: (out, in, ny, nx) complex, centred; `ifft` of one is its kernel.

        The mask at the origin of the Fourier plane is the sum of its kernel's taps. A periodic 4f system of `shape`
        with these masks does exactly `forward` with the circular boundary; with the zero boundary, pad the image by
        `kernel_size // 2` on each side first.
        """
        return mask_of_taps(self.kernels(), shape)

    def forward(self, x: Tensor) -> Tensor:
        """Images or fields (B, in, y, x), real or complex, to the complex field (B, out, y, x), collapsed."""
        self._check(x)
        return convolve(x, self.kernels(), boundary=self.boundary)

    def separate(self, x: Tensor) -> Tensor:
        """The field each input channel makes by itself: (B, out, in, y, x) complex; their sum is `forward`."""
        self._check(x)
        kernels = self.kernels()
        return torch.stack(
            [
                convolve(x[:, i : i + 1], kernels[:, i : i + 1], boundary=self.boundary)
                for i in range(self.in_channels)
            ],
            dim=2,
        )

    def layer_by_layer(self, x: Tensor) -> Tensor:
        """The same field computed one layer after another, every hidden channel for every image: slow, for proof.

        With the zero boundary the light that spills over an inner border is kept until the last layer.
        """
        self._check(x)
        field = x
        for layer in self.layers:
            field = layer(field, grow=self.boundary == "zero")
        if self.boundary == "zero":
            margin = self.kernel_size // 2
            field = F.pad(field, (-margin, -margin, -margin, -margin)) if margin else field
        return field.to(complex_dtype(field.dtype))

    def _check(self, x: Tensor) -> None:
        check_shape(
            x,
            (None, self.in_channels, None, None),
            name="the cascade's input",
            fix="Images are (batch, channel, y, x); add the missing axis with unsqueeze.",
        )
