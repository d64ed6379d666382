"""One spectral convolution: `y_o = sum_i h_oi * x_i`, an element of a strictly linear network.

A layer holds its kernels either as few taps in the image plane (a small kernel, any image size) or as values on the
Fourier plane (a mask, for one image size). `taps()` and `mask(shape)` are those two views of the same operator:
`mask = dft(taps)`, both centred, so a mask at the origin of the Fourier plane is the sum of the taps.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from optics.checks import OpticsError, ShapeError
from optics.conventions import complex_dtype, to_correlation

Boundary = Literal["zero", "circular"]
BOUNDARIES = ("zero", "circular")
PARAMETERISATIONS = ("real", "complex")


def mask_of_taps(taps: Tensor, shape: tuple[int, int]) -> Tensor:
    """Centred Fourier-plane masks (..., ny, nx) complex of centred kernels (..., ky, kx).

    `mask(f) = sum_r taps(r) exp(-2 pi i f r / n)`, origins at index `n // 2` and `k // 2`; a kernel larger than
    `shape` wraps, as it does in a periodic 4f model. Two small matrix products, no transform of the whole grid.
    """
    left, right = (_dft(n, k, taps.dtype, taps.device) for n, k in zip(shape, taps.shape[-2:], strict=True))
    return left @ taps.to(complex_dtype(taps.dtype)) @ right.mT


def taps_of_mask(mask: Tensor) -> Tensor:
    """Centred point-spread functions (..., ny, nx) complex of centred masks: the inverse of `mask_of_taps`."""
    shifted = torch.fft.ifftshift(mask, dim=(-2, -1))
    return torch.fft.fftshift(torch.fft.ifft2(shifted), dim=(-2, -1))


def _dft(n: int, k: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    frequency = torch.arange(n, dtype=torch.float64, device=device) - n // 2
    position = torch.arange(k, dtype=torch.float64, device=device) - k // 2
    phase = -2 * math.pi / n * torch.remainder(torch.outer(frequency, position), n)
    return torch.complex(torch.cos(phase), torch.sin(phase)).to(complex_dtype(dtype))


def convolve(x: Tensor, taps: Tensor, *, boundary: Boundary = "zero", grow: bool = False) -> Tensor:
    """Convolve `x` (B, in, y, x) with centred kernels (out, in, ky, kx); real or complex, each.

    Args:
        x: the fields.
        taps: convolution kernels (not correlations) with odd sides.
        boundary: "zero": darkness around the image; "circular": the image repeats, as in a discrete 4f model.
        grow: with "zero", keep the borders that light spills into: (..., y + ky - 1, x + kx - 1).

    Returns:
        (B, out, y, x), or larger with `grow`; complex when either input is, else real.
    """
    margin_y, margin_x = taps.shape[-2] // 2, taps.shape[-1] // 2
    if boundary == "circular":
        x = _wrap(x, margin_y, margin_x)
        padding = (0, 0)
    else:
        padding = (2 * margin_y, 2 * margin_x) if grow else (margin_y, margin_x)
    weight = to_correlation(taps)
    if not weight.is_complex() and not x.is_complex():
        return F.conv2d(x, weight, padding=padding)
    if not x.is_complex():
        both = F.conv2d(x, torch.cat((weight.real, weight.imag)), padding=padding)
    elif not weight.is_complex():
        rows = torch.cat((x.real, x.imag))
        both = torch.cat(F.conv2d(rows, weight, padding=padding).chunk(2), dim=1)
    else:
        re, im = weight.real, weight.imag
        block = torch.cat((torch.cat((re, -im), dim=1), torch.cat((im, re), dim=1)))
        both = F.conv2d(torch.cat((x.real, x.imag), dim=1), block, padding=padding)
    real, imag = both.chunk(2, dim=1)
    return torch.complex(real, imag)


def _wrap(x: Tensor, margin_y: int, margin_x: int) -> Tensor:
    """Repeat the image around itself; unlike `pad(mode="circular")` the margin may exceed the image."""
    ny, nx = x.shape[-2:]
    if margin_y <= ny and margin_x <= nx and not x.is_complex():
        return F.pad(x, (margin_x, margin_x, margin_y, margin_y), mode="circular")
    rows = torch.arange(-margin_y, ny + margin_y, device=x.device) % ny
    columns = torch.arange(-margin_x, nx + margin_x, device=x.device) % nx
    return x[..., rows, :][..., columns]


class SpectralConv2d(nn.Module):
    """A bank of `out_channels x in_channels` convolution kernels, linear, without bias.

    Args:
        in_channels: channels of the input field.
        out_channels: channels of the output field.
        kernel_size: taps per side, odd, so that the kernel has a centre.
        parameterisation: "real" or "complex": small kernels, any image size.
        boundary: "zero" (darkness around the image) or "circular" (the periodic model of a discrete 4f system).
        generator: draws the first values, complex normal with variance `1 / (in_channels * kernel_size**2)`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        parameterisation: str = "complex",
        boundary: Boundary = "zero",
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if parameterisation not in PARAMETERISATIONS:
            raise OpticsError(
                f"parameterisation is {parameterisation!r}; choose one of {', '.join(PARAMETERISATIONS)}."
            )
        if boundary not in BOUNDARIES:
            raise OpticsError(f"boundary is {boundary!r}; choose one of {', '.join(BOUNDARIES)}.")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ShapeError(
                f"kernel_size is {kernel_size}; use an odd size such as {max(1, kernel_size + 1)}, which has a centre."
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.parameterisation = parameterisation
        self.boundary: Boundary = boundary
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        scale = 1 / math.sqrt(in_channels * kernel_size**2)
        if parameterisation == "complex":
            self.weight = nn.Parameter(torch.randn(*shape, 2, generator=generator) * (scale / math.sqrt(2)))
        else:
            self.weight = nn.Parameter(torch.randn(shape, generator=generator) * scale)

    def extra_repr(self) -> str:
        """One line for `print(module)`."""
        return (
            f"{self.in_channels}, {self.out_channels}, {self.kernel_size}, "
            f"parameterisation={self.parameterisation!r}, boundary={self.boundary!r}"
        )

    def taps(self) -> Tensor:
        """Centred convolution kernels (out, in, k, k): real for "real", complex for "complex"."""
        return torch.view_as_complex(self.weight) if self.parameterisation == "complex" else self.weight

    def mask(self, shape: tuple[int, int]) -> Tensor:
        """Centred Fourier-plane masks (out, in, ny, nx), complex, for images of `shape`."""
        return mask_of_taps(self.taps(), shape)

    def forward(self, x: Tensor, *, grow: bool = False) -> Tensor:
        """Fields (B, in, y, x) to fields (B, out, y, x); `grow` keeps the light that spills over the border."""
        return convolve(x, self.taps(), boundary=self.boundary, grow=grow)
