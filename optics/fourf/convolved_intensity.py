"""Intensity of a batch of images convolved with complex point-spread functions, and its gradient.

One transform a (image, mask, phase) forwards and two backwards, where autograd takes three and keeps every field. Work
goes mask by mask, so that what is in hand stays in cache and no field of the whole batch is ever built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from optics.wave.fourier import fast_length


def polyphase(psf: Tensor, oversampling: tuple[int, int]) -> Tensor:
    """PSFs (..., ly, lx) on camera samples as (..., sy, sx, ly / sy, lx / sx): one per sample position in a pixel."""
    sy, sx = oversampling
    ly, lx = psf.shape[-2:]
    return psf.reshape(*psf.shape[:-2], ly // sy, sy, lx // sx, sx).movedim((-3, -1), (-4, -3))


def filtered(spectrum: Tensor, filters: Tensor) -> Tensor:
    """Spectra (B, y, x) behind filters (M, sy, sx, y, x): (B, M, sy, sx, y, x).

    Of cells, (B, C, y, x) and (M, C, sy, sx, y, x), the sum.
    """
    if spectrum.dim() == 3:
        return spectrum[:, None, None, None] * filters
    total = filters.new_zeros(())
    for part, its in zip(spectrum.unbind(1), filters.unbind(1), strict=True):
        total = total + part[:, None, None, None] * its
    return total


class _Intensity(torch.autograd.Function):
    """`|sum over cells of images * psf|^2` on every camera sample, of (B, C, H, W) and (M, C, ly, lx)."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, psf: Tensor, window: tuple[int, int], oversampling: tuple[int, int]
    ) -> Tensor:
        (sy, sx), (h, w) = oversampling, images.shape[-2:]
        ly, lx = psf.shape[-2] // sy, psf.shape[-1] // sx
        size = (fast_length(ly), fast_length(lx))
        spectra = torch.fft.fft2(images, s=size).unbind(1)
        filters = torch.fft.fft2(polyphase(psf, oversampling), s=size)
        valid = (..., slice(h - 1, ly), slice(w - 1, lx))
        out = psf.real.new_empty(len(images), len(psf), *window)
        product = torch.empty_like(spectra[0])
        for m in range(len(psf)):
            for j in range(sy):
                for i in range(sx):
                    _summed(spectra, filters, (m, j, i), product)
                    field = torch.view_as_real(torch.fft.ifft2(product)[valid])
                    part = out[:, m, j::sy, i::sx]
                    torch.mul(field[..., 0], field[..., 0], out=part)
                    part.addcmul_(field[..., 1], field[..., 1])
        ctx.save_for_backward(images, psf)
        ctx.oversampling = oversampling
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        images, psf = ctx.saved_tensors
        (sy, sx), (h, w) = ctx.oversampling, images.shape[-2:]
        ly, lx = psf.shape[-2] // sy, psf.shape[-1] // sx
        size = (fast_length(ly), fast_length(lx))
        spectra = torch.fft.fft2(images, s=size).unbind(1)
        filters = torch.fft.fft2(polyphase(psf, ctx.oversampling), s=size)
        grad = 2 * grad
        grad_spectra = [torch.zeros_like(s) for s in spectra] if ctx.needs_input_grad[0] else None
        grad_filters = torch.empty_like(filters) if ctx.needs_input_grad[1] else None
        product = torch.empty_like(spectra[0])
        padded = torch.zeros_like(spectra[0])
        inside = padded[..., h - 1 : ly, w - 1 : lx]
        for m in range(len(psf)):
            for j in range(sy):
                for i in range(sx):
                    _summed(spectra, filters, (m, j, i), product)
                    field = torch.fft.ifft2(product)[..., h - 1 : ly, w - 1 : lx]
                    torch.mul(field, grad[:, m, j::sy, i::sx], out=inside)
                    back = torch.fft.fft2(padded)
                    for c, spectrum in enumerate(spectra):
                        if grad_filters is not None:
                            # sum over the batch of conj(spectrum) back
                            grad_filters[m, c, j, i] = torch.linalg.vecdot(spectrum, back, dim=0)
                        if grad_spectra is not None:
                            grad_spectra[c].addcmul_(back, filters[m, c, j, i].conj())
        grad_images = grad_psf = None
        if grad_filters is not None:
            taps = torch.fft.ifft2(grad_filters)[..., :ly, :lx]
            grad_psf = taps.movedim((-4, -3), (-3, -1)).reshape(psf.shape)
        if grad_spectra is not None:
            grad_images = torch.fft.ifft2(torch.stack(grad_spectra, 1))[..., :h, :w]
            grad_images = grad_images if images.is_complex() else grad_images.real
        return grad_images, grad_psf, None, None


def _summed(spectra: Sequence[Tensor], filters: Tensor, at: tuple[int, int, int], out: Tensor) -> None:
    """Sum over the cells of spectra (B, ny, nx) behind their filters of mask and phase `at`, into `out`."""
    m, j, i = at
    torch.mul(spectra[0], filters[m, 0, j, i], out=out)
    for c in range(1, len(spectra)):
        out.addcmul_(spectra[c], filters[m, c, j, i])


def intensity(images: Tensor, psf: Tensor, window: tuple[int, int], oversampling: tuple[int, int]) -> Tensor:
    """`|sum_n images_n psf(X - x_n)|^2` on every camera sample.

    Args:
        images: (B, H, W) amplitudes, real or complex; or the same cell by cell, (B, C, H, W), where the fields of
            C cells add.
        psf: (M, ly, lx) complex, or (M, C, ly, lx) of each cell, on all lags between a camera sample and an image
            pixel, ascending; `ly / sy` is the window's height plus `H - 1` in input pixels, likewise along x.
        window: (oy, ox) camera samples.
        oversampling: (sy, sx) camera samples per input pixel.

    Returns:
        (B, M, oy, ox) real; differentiable once, in the images and the PSFs.
    """
    if images.dim() == 3:
        images, psf = images[:, None], psf[:, None]
    return _Intensity.apply(images, psf, window, oversampling)
