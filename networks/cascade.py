"""A Spectral CNN Linear Counterpart (SCLC): spectral convolutions one after another, strictly linear.

Because nothing between the layers is nonlinear, the cascade *is* one convolution per (output, input) channel. It is
composed on the kernels' taps, before a batch is touched: hidden channels cost nothing per image, and gradients still
reach every layer. `layer_by_layer` is the slow form, kept to prove the fast one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.spectral import Boundary, SpectralConv2d, convolve, mask_of_taps
from optics.checks import ShapeError, check_shape
from optics.conventions import complex_dtype

T = TypeVar("T")


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Kernels (out, in, k1 + k2 - 1, ...) of `second` (out, mid, k2, k2) applied after `first` (mid, in, k1, k1).

    The full convolution of the taps, contracted over the middle channels; real only if both are.
    """
    # One `conv2d` whose batch is the input channels: cheap, and no larger than the kernels themselves.
    return convolve(first.transpose(0, 1), second, grow=True).transpose(0, 1)


def per_layer(value: T | Sequence[T], layers: int, name: str) -> list[T]:
    """`value` for each of `layers` layers: repeated if it is one, checked if it is a list."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * layers  # type: ignore[list-item]
    if len(value) != layers:
        raise ShapeError(f"{name} has {len(value)} values for {layers} layers; give one, or one per layer.")
    return list(value)


class Cascade(nn.Module):
    """Spectral convolutions in a row with nothing nonlinear between them, applied as one.

    Args:
        channels: channels before, between and after the layers: `(1, 16, 32, 16)` is three layers, 16 masks.
        kernel_size: taps per side, odd: one number, or one per layer; a collapsed kernel has
            `1 + sum(kernel_size - 1)` taps per side.
        parameterisation: "complex" or "real" small kernels; one name, or one per layer.
        boundary: "zero": the scene lies in darkness and light that spills over an inner border is kept;
            "circular": the periodic model of a discrete 4f system.
        generator: draws the first kernels.
    """

    def __init__(
        self,
        channels: Sequence[int] = (1, 16, 32, 16),
        kernel_size: int | Sequence[int] = 3,
        *,
        parameterisation: str | Sequence[str] = "complex",
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
        sizes = per_layer(kernel_size, len(channels) - 1, "kernel_size")
        kinds = per_layer(parameterisation, len(channels) - 1, "parameterisation")
        self.layers = nn.ModuleList(
            SpectralConv2d(before, after, size, parameterisation=kind, boundary=boundary, generator=generator)
            for before, after, size, kind in zip(channels[:-1], channels[1:], sizes, kinds, strict=True)
        )

    @classmethod
    def identity(cls, channels: int = 1) -> Cascade:
        """A plain lens: each channel is imaged onto itself, nothing to train."""
        cascade = cls((channels, channels), 1, parameterisation="real", generator=torch.Generator())
        with torch.no_grad():
            cascade._layer(0).weight.copy_(torch.eye(channels)[:, :, None, None])
        return cascade.requires_grad_(False)

    def config(self) -> dict[str, Any]:
        """Everything `from_config` needs to build this cascade again (its values aside), as JSON can hold it."""
        layers = [self._layer(i) for i in range(len(self.layers))]
        return {
            "channels": list(self.channels),
            "kernel_size": [layer.kernel_size for layer in layers],
            "parameterisation": [layer.parameterisation for layer in layers],
            "boundary": self.boundary,
            "trainable": any(p.requires_grad for p in self.parameters()),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, generator: torch.Generator | None = None) -> Cascade:
        """A cascade like the one `config()` described; its values are drawn anew, load the state to restore them."""
        options = dict(config)
        trainable = options.pop("trainable", True)
        cascade = cls(**options, generator=generator or torch.Generator())
        return cascade.requires_grad_(trainable)

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
