"""A Spectral CNN Linear Counterpart (SCLC): spectral convolutions one after another, strictly linear.

Because nothing between the layers is nonlinear, the cascade *is* one convolution per (output, input) channel. It is
composed on the kernels' taps, or on the frequencies that survive to the detector, before a batch is touched: hidden
channels cost nothing per image, and gradients still reach every layer. `layer_by_layer` is the slow form, kept to
prove the fast one.

Which model a cascade is depends on its boundary and its pools; `Cascade.model` names it:

"zero-padded"  zero boundary, no pools: the image is zero-padded once and light that spills over an inner border is
               kept. One convolution, at every position the same.
"periodic"     circular boundary: the discrete 4f system, one mask per (output, input) channel; a pool is a stop.
"same-size"    zero boundary with pools: every layer zero-pads its own map and keeps the map's size, as the published
               224 x 224 network does. Linear, but not the same at every position: no mask does this, and `kernels`
               and `collapse` refuse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from networks.cascade.between import mean_over_pixel, moved
from networks.cascade.binned_patches import convolve_binned
from networks.cascade.convolution import ALL, Boundary, Every, convolve_parts
from networks.cascade.layer import FREE, SpectralConv2d, check_names
from networks.cascade.model import LinearModel, ModelName, Parts
from networks.cascade.pooled import PeriodicPools, SameSizePools
from networks.cascade.pooling import Pools, Size, plan_pools
from networks.cascade.unpooled import ComposedKernels, ComposedMasks
from optics.checks import OpticsError, ShapeError, check_shape
from optics.conventions import complex_dtype
from optics.devices import in_own_precision

T = TypeVar("T")


def per_layer(value: T | Sequence[T], layers: int, name: str) -> list[T]:
    """`value` for each of `layers` layers: repeated if it is one, checked if it is a list."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * layers
    if len(value) != layers:
        raise ShapeError(f"{name} has {len(value)} values for {layers} layers; give one, or one per layer.")
    return list(value)


class Cascade(nn.Module):
    """Spectral convolutions in a row with nothing nonlinear between them, applied as one.

    Args:
        channels: channels before, between and after the layers: `(1, 16, 32, 16)` is three layers, 16 masks.
        kernel_size: taps per side, odd: one number, or one per layer; a collapsed kernel has
            `1 + sum(kernel_size - 1)` taps per side.
        parameterisation: "complex" or "real" small kernels, "mask" (free complex masks) or "phase" (phase-only
            masks); one name, or one per layer.
        boundary: "zero" or "circular", see the module's text.
        image_shape: (ny, nx) of the images; needed only with pools and free masks, which belong to one size.
        pool: what the Fourier-plane stop behind each layer leaves: None, or `m` for m x m samples, one per layer.
        mask_shape: (gy, gx) of the free masks' grid. The image's with "circular"; with "zero" twice the image by
            default, so that no light that returns to the image has wrapped around the grid's edge.
        generator: draws the first kernels.
    """

    def __init__(
        self,
        channels: Sequence[int] = (1, 16, 32, 16),
        kernel_size: int | Sequence[int] = 3,
        *,
        parameterisation: str | Sequence[str] = "complex",
        boundary: Boundary = "zero",
        image_shape: tuple[int, int] | None = None,
        pool: Sequence[int | None] | None = None,
        mask_shape: tuple[int, int] | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if len(channels) < 2 or min(channels) < 1:
            raise ShapeError(
                f"channels is {tuple(channels)}; give at least the input's and the output's, as (1, 16)."
            )
        self.channels = tuple(int(c) for c in channels)
        count = len(channels) - 1
        sizes = per_layer(kernel_size, count, "kernel_size")
        held: list[str] = per_layer(parameterisation, count, "parameterisation")
        for name in held:
            check_names(name, boundary)
        self.boundary: Boundary = boundary
        pools = plan_pools(pool, count, image_shape) if pool is not None else None
        free = any(name in FREE for name in held)
        self.grid = self._mask_grid(image_shape, mask_shape, pooled=pools is not None) if free else None
        self.image_shape = image_shape if free or pools is not None else None
        grids = [self.grid] * count if pools is None else pools.grids[:-1]
        self.layers = nn.ModuleList(
            SpectralConv2d(
                before,
                behind,
                size,
                parameterisation=name,
                boundary=boundary,
                mask_shape=grid,
                generator=generator,
            )
            for before, behind, size, name, grid in zip(
                channels[:-1], channels[1:], sizes, held, grids, strict=True
            )
        )
        self.pool = None if pool is None else tuple(pool)
        self._model = self._model_for(pools, sizes)

    def _model_for(self, pools: Pools | None, sizes: Sequence[int]) -> LinearModel:
        """The final class for these pools (None: there are none) and layers of `sizes` taps per side."""
        if pools is not None and self.boundary == "circular":
            return PeriodicPools(pools, None if self.grid is not None else sizes)
        if pools is not None:
            return SameSizePools(pools, sizes)
        if self.grid is not None and self.image_shape is not None:
            return ComposedMasks(self.grid, self.image_shape, self.boundary)
        return ComposedKernels(1 + sum(size - 1 for size in sizes), self.boundary)

    def _mask_grid(
        self, image: tuple[int, int] | None, grid: tuple[int, int] | None, *, pooled: bool
    ) -> tuple[int, int]:
        if image is None:
            raise ShapeError("free masks belong to one image size; give image_shape=(ny, nx).")
        if self.boundary == "circular":
            if grid not in (None, image):
                raise ShapeError(
                    f"mask_shape is {grid}; with the circular boundary it is the image's, {image}."
                )
            return image
        if pooled:
            raise OpticsError("free masks behind pools need boundary='circular', the model of a 4f system.")
        grid = (2 * image[0], 2 * image[1]) if grid is None else grid
        if grid[0] < image[0] or grid[1] < image[1]:
            raise ShapeError(f"mask_shape is {grid}, smaller than the image, {image}; use twice the image.")
        return grid

    @classmethod
    def identity(cls, channels: int = 1) -> Cascade:
        """A plain lens: each channel is imaged onto itself, nothing to train."""
        cascade = cls((channels, channels), 1, parameterisation="real", generator=torch.Generator())
        with torch.no_grad():
            cascade._all_layers()[0].weight.copy_(torch.eye(channels)[:, :, None, None])
        return cascade.requires_grad_(False)

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this cascade again (its values aside), as JSON can hold it."""
        layers = self._all_layers()
        return {
            "channels": list(self.channels),
            "kernel_size": [layer.kernel_size for layer in layers],
            "parameterisation": [layer.parameterisation for layer in layers],
            "boundary": self.boundary,
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "pool": None if self.pool is None else list(self.pool),
            "mask_shape": None if self.grid is None else list(self.grid),
            "trainable": any(p.requires_grad for p in self.parameters()),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, generator: torch.Generator | None = None) -> Cascade:
        """A cascade like the one `config()` described; its values are drawn anew, load the state to restore them."""
        options = dict(config)
        trainable = options.pop("trainable", True)
        for name in ("image_shape", "mask_shape"):
            if options.get(name) is not None:
                options[name] = (int(options[name][0]), int(options[name][1]))
        cascade = cls(**options, generator=generator or torch.Generator())
        return cascade.requires_grad_(trainable)

    def _all_layers(self) -> list[SpectralConv2d]:
        layers = [layer for layer in self.layers if isinstance(layer, SpectralConv2d)]
        if len(layers) != len(self.layers):  # nn.ModuleList forgets the type
            raise TypeError(f"a cascade holds spectral convolutions only, not {self.layers}.")
        return layers

    # ------------------------------------------------------------------ what it is

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
        """Taps per side of the collapsed kernels; the grid's larger side where they fill it."""
        return self._model.kernel_size

    @property
    def model(self) -> ModelName:
        """Which of "zero-padded", "periodic" and "same-size" it is; see the module's text."""
        return self._model.name

    def output_shape(self, image_shape: Size) -> Size:
        """(ny, nx) of the field that images of `image_shape` give."""
        return self._model.output_shape(image_shape)

    # ------------------------------------------------------------------ one convolution

    @in_own_precision
    def kernels(self) -> Tensor:
        """The collapsed cascade: centred convolution kernels (out, in, K, K), complex, differentiable.

        Raises:
            OpticsError: the model is "same-size", which no kernel describes.
        """
        kernels = self._model.kernels(self._all_layers())
        return kernels.to(complex_dtype(kernels.dtype))

    def kernels_or_none(self) -> Tensor | None:
        """The collapsed kernels (out, in, K, K), real where all layers are; None where they fill a grid."""
        return self._model.small_kernels(self._all_layers())

    @in_own_precision
    def collapse(self, shape: Size) -> Tensor:
        """The collapsed masks: (out, in, ny, nx) complex, centred; `ifft` of one is its kernel.

        They are the network's, on a grid that belongs to the images. What an SLM shows and what is exported are the
        encoded masks: the same kernels' transforms designed on the SLM's pixels and encoded for the device, see
        `Student.on(bench).frames_sent()`.

        The mask at the origin of the Fourier plane is the sum of its kernel's taps. A periodic 4f system of `shape`
        with these masks does exactly `forward` with the circular boundary; with the zero boundary, pad the image by
        `kernel_size // 2` on each side first. Behind pools the masks are zero outside the smallest stop.

        Raises:
            OpticsError: the model is "same-size", which no mask describes.
        """
        return self._model.masks(self._all_layers(), shape)

    # ------------------------------------------------------------------ applied to images

    def forward(self, x: Tensor) -> Tensor:
        """Images or fields (B, in, y, x), real or complex, to the complex field (B, out, y, x), collapsed."""
        maps = self.maps(x)
        return maps.to(complex_dtype(maps.dtype))

    @in_own_precision
    def maps(self, x: Tensor) -> Tensor:
        """As `forward`, but real where the image and all layers are: half the memory."""
        self._check(x)
        return self._model.maps(self._all_layers(), x)

    @in_own_precision
    def parts(
        self, x: Tensor, every: Every = ALL, *, on_pixels: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """The field's real and imaginary parts, each (B, out, y, x); None for an imaginary part that is zero.

        Of the field's samples those that `every` names. `on_pixels`: as many as the image has pixels, also of a
        periodic pooled cascade, whose field has fewer: a camera's bin collects the light on all of them.

        Raises:
            OpticsError: they lie between the pixels' centres, where this model has no field.
        """
        return self._parts(x, None, every, on_pixels=on_pixels)

    @in_own_precision
    def binned(self, x: Tensor, bins: Size, oversampling: int = 1) -> Tensor:
        """The field averaged over `bins` = (by, bx) equal areas: (B, out, by, bx); exact, and far cheaper.

        Binning is linear: where that is cheaper it is applied before the kernels mix the channels. What is averaged is
        `maps`; of a periodic pooled cascade the field on every pixel, see `parts`.

        Args:
            x: images or fields (B, in, y, x).
            bins: (by, bx).
            oversampling: samples of the field per pixel and axis, see `networks.cascade.between`.

        Raises:
            OpticsError: more than one, of a model that has no field between the pixels' centres.
        """
        self._check(x)
        if oversampling == 1:
            return self._model.binned(self._all_layers(), x, bins)
        around = mean_over_pixel(x, oversampling, self.kernel_size // 2)
        return convolve_binned(around, self._kernels_between(), bins, boundary="surrounded")

    @in_own_precision
    def alone(
        self, x: Tensor, channel: int, every: Every = ALL, *, on_pixels: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """`parts` of the field that input channel `channel` makes by itself."""
        return self._parts(x, channel, every, on_pixels=on_pixels)

    def _parts(self, x: Tensor, channel: int | None, every: Every, *, on_pixels: bool) -> Parts:
        self._check(x)
        if every.place == ALL.place:
            return self._model.parts(self._all_layers(), x, channel, every, on_pixels=on_pixels)
        kernels = self._kernels_between()
        if channel is not None:
            kernels, x = kernels[:, channel : channel + 1], x[:, channel : channel + 1]
        around = moved(x, every.place, self.kernel_size // 2)
        return convolve_parts(around, kernels, boundary="surrounded", every=every)

    def _kernels_between(self) -> Tensor:
        """The kernels, of a cascade whose field between the pixels' centres follows from them."""
        kernels = self.kernels_or_none()
        if kernels is None or self.boundary != "zero":
            raise OpticsError(
                "samples between the pixels' centres need small kernels, no pools and boundary='zero'; leave the "
                "read-out's oversampling at 1."
            )
        return kernels

    @in_own_precision
    def separate(self, x: Tensor) -> Tensor:
        """The field each input channel makes by itself: (B, out, in, y, x) complex; their sum is `forward`."""
        fields = []
        for channel in range(self.in_channels):
            real, imag = self.alone(x, channel)
            fields.append(torch.complex(real, torch.zeros_like(real) if imag is None else imag))
        return torch.stack(fields, dim=2)

    @in_own_precision
    def layer_by_layer(self, x: Tensor) -> Tensor:
        """The same field computed one layer after another, every hidden channel for every image: slow, for proof.

        In the "zero-padded" model the light that spills over an inner border is kept until the last layer.
        """
        self._check(x)
        field = self._model.layer_by_layer(self._all_layers(), x)
        return field.to(complex_dtype(field.dtype))

    def _check(self, x: Tensor) -> None:
        check_shape(
            x,
            (None, self.in_channels, None, None),
            name="the cascade's input",
            fix="Images are (batch, channel, y, x); add the missing axis with unsqueeze.",
        )
        wanted = self._model.image_shape
        if wanted is not None and tuple(x.shape[-2:]) != wanted:
            raise ShapeError(f"images are {tuple(x.shape[-2:])}; this cascade is for {wanted}.")
