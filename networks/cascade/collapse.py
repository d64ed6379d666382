"""Collapsing layers into one: on the taps of small kernels, or on the frequencies of masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from networks.cascade.convolution import convolve, dft_rows, mask_of_taps, mix_spectra
from networks.cascade.layer import SpectralConv2d

Size = tuple[int, int]


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Kernels (out, in, k1 + k2 - 1, ...) of `second` (out, mid, k2, k2) after `first` (mid, in, k1, k1).

    The full convolution of the taps, contracted over the middle channels; real only if both are.
    """
    # One `conv2d` whose batch is the input channels: cheap, and no larger than the kernels themselves.
    return convolve(first.transpose(0, 1), second, grow=True).transpose(0, 1)


def compose_spectra(layers: Sequence[SpectralConv2d], grids: Sequence[Size], band: Size) -> Tensor:
    """Masks (out, in, wy, wx) of all layers together, on the `band` = (wy, wx) frequencies around the origin.

    `grids` are the layers' own sizes: behind a pool the same frequency is another sample of the mask.
    """
    total: Tensor | None = None
    for layer, grid in zip(layers, grids, strict=True):
        mask = _band_of(layer, grid, band)
        total = mask if total is None else torch.einsum("omyx,miyx->oiyx", mask, total)
    if total is None:
        raise ValueError("a cascade has at least one layer")
    return total


def _band_of(layer: SpectralConv2d, grid: Size, band: Size) -> Tensor:
    if not layer.is_free:
        return mask_of_taps(layer.taps(), grid, band=band)
    mask = layer.mask(grid)
    top, left = (n // 2 - w // 2 for n, w in zip(grid, band, strict=True))
    return mask[..., top : top + band[0], left : left + band[1]]


def through_band(x: Tensor, masks: Tensor, size: Size, *, real: bool) -> Tensor:
    """Images (B, in, ny, nx) through masks (out, in, wy, wx) on the frequencies around the origin, to `size` samples.

    Args:
        x: images on the periodic grid; real or complex.
        masks: centred band of the masks on the images' own grid.
        size: (my, mx) samples of the result, (B, out, my, mx), at positions `j n / m`.
        real: image and kernels are real, so that half the frequencies say it all; the result is then real.
    """
    wy, wx = masks.shape[-2:]
    ny, nx = x.shape[-2:]
    left = _dft_from_corner(ny, ny, wy, like=masks)
    right = _dft_from_corner(nx, nx, wx, like=masks)
    back_left = _dft_from_corner(size[0], size[0], wy, like=masks).conj().resolve_conj() / ny
    back_right = _dft_from_corner(size[1], size[1], wx, like=masks).conj().resolve_conj() / nx
    if not real or wy % 2 == 0:
        spectrum = left @ (x.to(masks.dtype) @ right.mT)
        field = back_left.mT @ (mix_spectra(spectrum, masks) @ back_right)
        return field.real if real else field
    half = wy // 2  # rows of non-negative frequencies; all but the first stand for two
    left, masks = left[half:], masks[..., half:, :]
    back_left = 2 * back_left[half:]
    back_left[0] /= 2
    rows = torch.cat((left.real, left.imag)) @ x
    spectrum = torch.complex(*rows.chunk(2, dim=-2)) @ right.mT
    return _mixed_real_maps(spectrum, masks, back_left, back_right)


def _mixed_real_maps(spectrum: Tensor, masks: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Real part of `sum_fgi left[f, y] right[g, x] masks[o, i, f, g] spectrum[b, i, f, g]`: (B, out, y, x).

    Three real products, of channels at every frequency, along x, along y, each in the order that the one before left;
    the result's samples lie outermost in memory.
    """
    batch, into, wy, wx = spectrum.shape
    out = len(masks)
    values = torch.view_as_real(spectrum.flatten(2)).permute(2, 0, 3, 1).reshape(-1, 1, batch, 2 * into)
    m = masks.flatten(2).permute(2, 1, 0)  # frequency, in, out
    weights = torch.stack((torch.cat((m.real, -m.imag), dim=1), torch.cat((m.imag, m.real), dim=1)), dim=1)
    # the real part, then the imaginary, of each frequency
    mixed = (values @ weights).view(wy, 2 * wx, batch * out)
    along_x = torch.stack((torch.view_as_real(right), torch.view_as_real(1j * right)), dim=1)
    along_x = along_x.permute(3, 2, 0, 1).reshape(-1, 2 * wx)  # real parts at all x, then imaginary ones
    rows = torch.bmm(along_x.expand(wy, -1, -1), mixed).view(2 * wy, -1)
    along_y = torch.stack((left.real, -left.imag), dim=1).flatten(0, 1)
    maps = along_y.mT @ rows
    return maps.view(left.shape[1], right.shape[1], batch, out).permute(2, 3, 0, 1)


def _dft_from_corner(n: int, samples: int, band: int, *, like: Tensor) -> Tensor:
    """(band, samples) transform of samples counted from the corner: index 0 is position 0."""
    return dft_rows(n, 2 * samples, band, like=like)[:, samples:]


def same_values(kept: Sequence[Tensor], now: Sequence[Tensor]) -> bool:
    """Whether two rows of tensors agree in type, place, shape and every value."""
    return len(kept) == len(now) and all(
        a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
        for a, b in zip(kept, now, strict=True)
    )


class Kept:
    """One result, kept while the parameters it comes from are what they were and no gradient is asked for.

    Parameters are compared by value: an optimiser, `load_state_dict`, `.data` and a parameter in another's place all
    show. What is kept needs no gradient and serves training, also where it was first asked for in
    `torch.inference_mode`.
    """

    def __init__(self) -> None:
        self._value: tuple[list[Tensor], Tensor] | None = None

    def of(self, modules: Iterable[nn.Module], make: Callable[[], Tensor]) -> Tensor:
        """`make()`, or what it gave before for the parameters of `modules`."""
        parameters = [p for module in modules for p in module.parameters()]
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            return make()
        if not all(isinstance(p, nn.Parameter) for p in parameters):
            return make()  # stand-ins of a functional call, which carry derivatives of their own
        kept = self._value
        if kept is None or not same_values(kept[0], parameters):
            with torch.inference_mode(False), torch.no_grad():
                # what is made may be a parameter itself; a copy does not change with it
                kept = self._value = ([p.detach().clone() for p in parameters], make().clone())
        return kept[1]

    def __deepcopy__(self, memo: object) -> Kept:
        """A copy of the module starts empty."""
        return Kept()

    def __getstate__(self) -> dict[str, object]:
        """Nothing kept travels with a saved module."""
        return {"_value": None}
