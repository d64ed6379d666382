"""Convolving maps with a bank of kernels: directly, or by transforms where that is cheaper."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from networks.channels_last import channels_last
from optics.checks import ShapeError
from optics.conventions import abs2, axis, complex_dtype, to_correlation
from optics.devices import doubles
from optics.wave.fourier import fast_length

Boundary = Literal["zero", "circular"]
Edges = Literal["zero", "circular", "surrounded"]
"""A boundary; or "surrounded": the image brings its surroundings, k // 2 samples on each side of it."""
Place = tuple[float, float]
"""(y, x) within a pixel, from its centre, in pixels."""
# input channels up to which products of spectra are faster one after another than as matrix products
_FEW = 4
# what they cost on one core of a recent CPU, in products of a direct convolution: a transform of one map, a sample; a
# complex product between spectra
_TRANSFORM_COST = 110
_SPECTRUM_COST = 8


class Every(NamedTuple):
    """Every `step`-th pixel of maps in either axis, beginning with `first` = (y, x), each below `step`.

    Each is read at `place`; beside the pixels' centres a cascade does that itself, see `networks.cascade.between`.
    """

    step: int = 1
    first: tuple[int, int] = (0, 0)
    place: Place = (0.0, 0.0)

    def of(self, maps: Tensor) -> Tensor:
        """Those pixels of maps (..., y, x), which were read at `place`."""
        if self.step == 1:
            return maps
        return maps[..., self.first[0] :: self.step, self.first[1] :: self.step]


ALL = Every()


def mask_of_taps(taps: Tensor, shape: tuple[int, int], *, band: tuple[int, int] | None = None) -> Tensor:
    """Centred Fourier-plane masks (..., ny, nx) complex of centred kernels (..., ky, kx).

    `mask(f) = sum_r taps(r) exp(-2 pi i f r / n)`, origins at index `n // 2` and `k // 2`; a kernel larger than
    `shape` wraps, as it does in a periodic 4f model. Two small matrix products, no transform of the whole grid.

    Args:
        taps: the kernels.
        shape: (ny, nx) of the grid.
        band: only the (wy, wx) frequencies around the origin; None for all.
    """
    wy, wx = band or shape
    ky, kx = taps.shape[-2:]
    left = dft_rows(shape[0], ky, wy, like=taps)
    right = dft_rows(shape[1], kx, wx, like=taps)
    return left @ taps.to(complex_dtype(taps.dtype)) @ right.mT


def taps_of_mask(mask: Tensor) -> Tensor:
    """Centred point-spread functions (..., ny, nx) complex of centred masks; inverse of `mask_of_taps`."""
    shifted = torch.fft.ifftshift(mask, dim=(-2, -1))
    return torch.fft.fftshift(torch.fft.ifft2(shifted), dim=(-2, -1))


def dft_rows(n: int, k: int, band: int, *, like: Tensor) -> Tensor:
    """(band, k) `exp(-2 pi i f r / n)`, both centred, in the complex dtype of `like`; phases in float64."""
    frequency, position = (axis(size, 1.0, device=doubles(like.device)) for size in (band, k))
    phase = -2 * math.pi / n * torch.remainder(torch.outer(frequency, position), n)
    return torch.complex(torch.cos(phase), torch.sin(phase)).to(like.device, complex_dtype(like.dtype))


def convolve(x: Tensor, taps: Tensor, *, boundary: Edges = "zero", grow: bool = False) -> Tensor:
    """Convolve `x` (B, in, y, x) with centred kernels (out, in, ky, kx); real or complex, each.

    Args:
        x: the fields.
        taps: convolution kernels (not correlations), origin at index `k // 2`.
        boundary: "zero": the image is zero-padded; "circular": the image repeats, as in a discrete 4f model;
            "surrounded": the image brings its surroundings, k // 2 samples on each side of it, k odd.
        grow: with "zero", keep the borders that light spills into: (..., y + ky - 1, x + kx - 1).

    Returns:
        (B, out, y, x), larger with `grow`, without the surroundings if it brought any; complex when either input is,
        else real.
    """
    real, imag = convolve_parts(x, taps, boundary=boundary, grow=grow)
    return real if imag is None else torch.complex(real, imag)


def convolve_parts(
    x: Tensor, taps: Tensor, *, boundary: Edges = "zero", grow: bool = False, every: Every = ALL
) -> tuple[Tensor, Tensor | None]:
    """`convolve` as its real part and its imaginary part; None for the latter when both inputs are real.

    Of the output's samples those that `every` names; what is not named is not computed where that saves anything.
    """
    if transform_is_cheaper(x, taps, every):
        field = every.of(_by_transforms(x, taps, boundary=boundary, grow=grow))
        return (field.real, field.imag) if field.is_complex() else (field, None)
    return _directly(x, taps, boundary=boundary, grow=grow, every=every)


def transform_is_cheaper(x: Tensor, taps: Tensor, every: Every = ALL) -> bool:
    """Whether transforms win, by multiplications per output sample.

    Both of a transform's costs grow with the padding. A single-channel kernel is faster direct up to 11 x 11 taps.
    """
    out, into, ky, kx = taps.shape
    ny, nx = x.shape[-2:]
    padded = (1 + (ky - 1) / (2 * ny)) * (1 + (kx - 1) / (2 * nx))
    return into * ky * kx > every.step**2 * padded * (
        _TRANSFORM_COST * (1 + into / out) + _SPECTRUM_COST * into
    )


def _directly(
    x: Tensor, taps: Tensor, *, boundary: Edges, grow: bool, every: Every = ALL
) -> tuple[Tensor, Tensor | None]:
    """By torch's correlation: of the image with flipped taps, or, where the taps are more, of the flipped image."""
    ky, kx = taps.shape[-2:]
    before, behind = _reach(taps, boundary)
    flipped = taps.numel() > x.numel()
    if every.step > 1 and not (flipped or grow):
        x = surrounded(x, taps, boundary)[..., every.first[0] :, every.first[1] :]
        return correlate_parts(x, to_correlation(taps), stride=every.step)
    if flipped:
        x, before, behind = x.flip((-2, -1)), behind, before
    weight = taps if flipped else to_correlation(taps)
    padding = (0, 0)
    if boundary == "circular":
        x = wrap(x, before, behind)
    elif grow:
        padding = (ky - 1, kx - 1)
    elif before == behind:
        padding = before
    else:
        x = _darken(x, before, behind)
    real, imag = correlate_parts(x, weight, padding)
    if flipped:
        real, imag = real.flip((-2, -1)), None if imag is None else imag.flip((-2, -1))
    return every.of(real), None if imag is None else every.of(imag)


def _reach(taps: Tensor, boundary: Edges) -> tuple[tuple[int, int], tuple[int, int]]:
    """Samples (y, x) that a centred kernel looks back and ahead of each output, beyond what the image brings."""
    if boundary == "surrounded":
        return (0, 0), (0, 0)
    ky, kx = taps.shape[-2:]
    return (ky - 1 - ky // 2, kx - 1 - kx // 2), (ky // 2, kx // 2)


def surrounded(x: Tensor, taps: Tensor, boundary: Edges) -> Tensor:
    """The image with all that centred kernels of the size of `taps` see around it."""
    around = wrap if boundary == "circular" else _darken
    return around(x, *_reach(taps, boundary))


def correlate_parts(
    x: Tensor, weight: Tensor, padding: tuple[int, int] = (0, 0), *, stride: int = 1
) -> tuple[Tensor, Tensor | None]:
    """Torch's correlation, real or complex, as the result's two parts; None for the second where all is real."""
    if stride > 1 and weight.shape[-2:] == (1, 1):  # see `networks.teachers.resnet.Projection`
        x, stride = x[..., ::stride, ::stride], 1
    if not x.is_complex():
        both = torch.cat((weight.real, weight.imag)) if weight.is_complex() else weight
        if both.numel() < x.numel():
            x, both = channels_last(x), channels_last(both)
        both = F.conv2d(x, both, padding=padding, stride=stride)
        if not weight.is_complex():
            return both, None
    elif not weight.is_complex():
        rows = torch.cat((x.real, x.imag))
        both = torch.cat(F.conv2d(rows, weight, padding=padding, stride=stride).chunk(2), dim=1)
    else:
        re, im = weight.real, weight.imag
        block = torch.cat((torch.cat((re, -im), dim=1), torch.cat((im, re), dim=1)))
        both = F.conv2d(torch.cat((x.real, x.imag), dim=1), block, padding=padding, stride=stride)
    real, imag = both.chunk(2, dim=1)
    return real, imag


def _darken(x: Tensor, before: tuple[int, int], behind: tuple[int, int]) -> Tensor:
    """Surround the image with darkness: `before` and `behind` (y, x) samples."""
    return F.pad(x, (before[1], behind[1], before[0], behind[0]))


def wrap(x: Tensor, before: tuple[int, int], behind: tuple[int, int]) -> Tensor:
    """Repeat the image around itself: `before` and `behind` (y, x) samples, which may exceed the image."""
    ny, nx = x.shape[-2:]
    if max(before[0], behind[0]) <= ny and max(before[1], behind[1]) <= nx and not x.is_complex():
        return F.pad(x, (before[1], behind[1], before[0], behind[0]), mode="circular")
    rows = torch.arange(-before[0], ny + behind[0], device=x.device) % ny
    columns = torch.arange(-before[1], nx + behind[1], device=x.device) % nx
    return x[..., rows, :][..., columns]


def _by_transforms(x: Tensor, taps: Tensor, *, boundary: Edges, grow: bool) -> Tensor:
    ny, nx = x.shape[-2:]
    ky, kx = taps.shape[-2:]
    if boundary == "circular":
        mask = torch.fft.ifftshift(mask_of_taps(taps, (ny, nx)), dim=(-2, -1))
        if not taps.is_complex() and not x.is_complex():
            spectrum = mix_spectra(torch.fft.rfft2(x), mask[..., : nx // 2 + 1])
            return torch.fft.irfft2(spectrum, s=(ny, nx))
        return torch.fft.ifft2(mix_spectra(torch.fft.fft2(x.to(mask.dtype)), mask))
    first = (0, 0) if grow else (ky // 2, kx // 2)
    kept = (ny + ky - 1, nx + kx - 1) if grow else (ny, nx)
    if boundary == "surrounded":
        first, kept = (ky - 1, kx - 1), (ny - ky + 1, nx - kx + 1)
    # what wraps around must land outside the part that is kept
    size = tuple(
        fast_length(max(f + m, n + k - 1 - f))
        for f, m, n, k in zip(first, kept, (ny, nx), (ky, kx), strict=True)
    )
    if not taps.is_complex() and not x.is_complex():
        spectrum = mix_spectra(torch.fft.rfft2(x, s=size), torch.fft.rfft2(taps, s=size))
        field = torch.fft.irfft2(spectrum, s=size)
    else:
        dtype = complex_dtype(x.dtype)
        spectrum = mix_spectra(torch.fft.fft2(x.to(dtype), s=size), torch.fft.fft2(taps.to(dtype), s=size))
        field = torch.fft.ifft2(spectrum)
    return field[..., first[0] : first[0] + kept[0], first[1] : first[1] + kept[1]]


def mix_spectra(x: Tensor, masks: Tensor) -> Tensor:
    """`sum_i masks[o, i] x[b, i]` at every frequency: (B, in, ...) and (out, in, ...) to (B, out, ...)."""
    if x.shape[1] <= _FEW:
        total = x[:, None, 0] * masks[None, :, 0]
        for i in range(1, x.shape[1]):
            total = total + x[:, None, i] * masks[None, :, i]
        return total
    return torch.einsum("biyx,oiyx->boyx", x, masks)


def circular_difference(taps: Tensor, image_shape: tuple[int, int]) -> Tensor:
    """How far a mask's circular arithmetic is from what a bench does with it: relative rms difference of the fields.

    A network that multiplies discrete spectra convolves in a circle: light that leaves the grid on one side comes in on
    the other. On a bench it is gone. For images whose pixels are uncorrelated the mean energies follow from counting,
    per axis, the pairs of pixels that a tap joins directly and around the circle, with n the grid and H the image:

        direct(r) = max(0, H - |r|)     around(r) = max(0, H - (n - |r|))

    Args:
        taps: (..., ny, nx) centred point-spread functions on the whole grid of the masks, as `taps_of_mask` gives them.
        image_shape: (H, W) of the images on that grid, not larger.

    Returns:
        (...,) float64 between 0 and 1; 0 where the kernels never reach around.

    Raises:
        ShapeError: images larger than the grid.
    """
    direct, both = [], []
    for n, h in zip(taps.shape[-2:], image_shape, strict=True):
        if h > n:
            raise ShapeError(f"images of {tuple(image_shape)} do not fit a grid of {tuple(taps.shape[-2:])}.")
        away = (torch.arange(n, dtype=torch.float64) - n // 2).abs()
        direct.append((h - away).clamp(min=0))
        both.append(direct[-1] + (h - (n - away)).clamp(min=0))
    power = abs2(taps).double()
    total = (power * torch.outer(*both)).sum((-2, -1))
    kept = (power * torch.outer(*direct)).sum((-2, -1))
    return ((total - kept).clamp(min=0) / total.clamp(min=1e-300)).sqrt()
