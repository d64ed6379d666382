"""One spectral convolution: `y_o = sum_i h_oi * x_i`, an element of a strictly linear network.

A layer holds its kernels either as few taps in the image plane (a small kernel, any image size) or as values on the
Fourier plane (a mask, for one grid). `taps()` and `mask(shape)` are those two views of the same operator:
`mask = dft(taps)`, both centred, so a mask at the origin of the Fourier plane is the sum of the taps.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from networks.cascade.convolution import Boundary, convolve, mask_of_taps, mix_spectra, taps_of_mask
from optics.checks import OpticsError, ShapeError
from optics.conventions import cis, complex_dtype

BOUNDARIES = ("zero", "circular")
SMALL = ("real", "complex")
FREE = ("mask", "phase")
PARAMETERISATIONS = SMALL + FREE


def on_grid(x: Tensor, mask: Tensor) -> Tensor:
    """Fields (B, in, y, x) through centred masks (out, in, gy, gx) on a periodic grid: (B, out, y, x) complex.

    An image smaller than the grid is zero-padded; light that leaves the grid on one side comes back on the other.
    """
    ny, nx = x.shape[-2:]
    gy, gx = mask.shape[-2:]
    if ny > gy or nx > gx:
        raise ShapeError(f"images of {(ny, nx)} exceed the mask's grid {(gy, gx)}; use a larger mask_shape.")
    spectrum = torch.fft.fft2(x.to(complex_dtype(x.dtype)), s=(gy, gx))
    field = torch.fft.ifft2(mix_spectra(spectrum, torch.fft.ifftshift(mask, dim=(-2, -1))))
    return field[..., :ny, :nx]


def check_names(parameterisation: str, boundary: str) -> None:
    """Raise OpticsError unless both names are known."""
    if parameterisation not in PARAMETERISATIONS:
        raise OpticsError(
            f"parameterisation is {parameterisation!r}; choose one of {', '.join(PARAMETERISATIONS)}."
        )
    if boundary not in BOUNDARIES:
        raise OpticsError(f"boundary is {boundary!r}; choose one of {', '.join(BOUNDARIES)}.")


class SpectralConv2d(nn.Module):
    """A bank of `out_channels x in_channels` convolution kernels, linear, without bias.

    Args:
        in_channels: channels of the input field.
        out_channels: channels of the output field.
        kernel_size: taps per side, odd, so that the kernel has a centre; unused by free masks.
        parameterisation: "real" or "complex": small kernels, any image size. "mask": a free complex mask; "phase": a
            phase-only mask of modulus `1 / sqrt(in_channels)`; both on the grid `mask_shape`.
        boundary: "zero" (the image is zero-padded) or "circular" (the periodic model of a discrete 4f system).
        mask_shape: (gy, gx) samples of a free mask's Fourier plane: the image's own for "circular", larger for
            "zero", where twice the image keeps all light that returns to it apart.
        generator: draws the first values: complex normal with variance `1 / (in_channels * kernel_size**2)` for taps
            and `1 / in_channels` for masks, so that all keep the energy of white noise; phases normal with 1 rad.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        parameterisation: str = "complex",
        boundary: Boundary = "zero",
        mask_shape: tuple[int, int] | None = None,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        check_names(parameterisation, boundary)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.parameterisation = parameterisation
        self.boundary: Boundary = boundary
        self.mask_shape = mask_shape if self.is_free else None
        channels = (out_channels, in_channels)
        if self.is_free:
            if mask_shape is None:
                raise ShapeError(
                    f"a {parameterisation!r} layer needs mask_shape=(gy, gx), the grid of its masks."
                )
            deviation = 1 / math.sqrt(in_channels)
            shape = (*channels, *mask_shape)
        else:
            if kernel_size < 1 or kernel_size % 2 == 0:
                near = max(1, kernel_size + 1)
                raise ShapeError(
                    f"kernel_size is {kernel_size}; use an odd size such as {near}, it has a centre."
                )
            deviation = 1 / math.sqrt(in_channels * kernel_size**2)
            shape = (*channels, kernel_size, kernel_size)
        if parameterisation in ("complex", "mask"):
            self.weight = nn.Parameter(
                torch.randn(*shape, 2, generator=generator) * (deviation / math.sqrt(2))
            )
        elif parameterisation == "real":
            self.weight = nn.Parameter(torch.randn(shape, generator=generator) * deviation)
        else:
            self.weight = nn.Parameter(torch.randn(shape, generator=generator))

    @property
    def is_free(self) -> bool:
        """Whether the layer holds masks on a grid, not taps."""
        return self.parameterisation in FREE

    def extra_repr(self) -> str:
        """One line for `print(module)`."""
        size = self.mask_shape if self.is_free else self.kernel_size
        return (
            f"{self.in_channels}, {self.out_channels}, {size}, "
            f"parameterisation={self.parameterisation!r}, boundary={self.boundary!r}"
        )

    def taps(self) -> Tensor:
        """Centred convolution kernels (out, in, k, k): real for "real", complex for the others.

        A free mask's are as large as its grid.
        """
        if self.parameterisation == "real":
            return self.weight
        if self.parameterisation == "complex":
            return torch.view_as_complex(self.weight)
        return taps_of_mask(self._free_mask())

    def mask(self, shape: tuple[int, int]) -> Tensor:
        """Centred Fourier-plane masks (out, in, ny, nx), complex, for images of `shape`.

        A free mask on another grid is resampled: its point-spread function is kept, zero-padded or wrapped.
        """
        if self.is_free and shape == self.mask_shape:
            return self._free_mask()
        return mask_of_taps(self.taps(), shape)

    def _free_mask(self) -> Tensor:
        if self.parameterisation == "mask":
            return torch.view_as_complex(self.weight)
        return cis(self.weight) / math.sqrt(self.in_channels)

    def forward(self, x: Tensor, *, grow: bool = False) -> Tensor:
        """Fields (B, in, y, x) to fields (B, out, y, x); `grow` keeps the light that spills over the border."""
        if self.is_free:
            return on_grid(x, self._free_mask())
        return convolve(x, self.taps(), boundary=self.boundary, grow=grow)
