"""Intensity of a batch of images convolved with complex point-spread functions, and its gradient.

One transform a (image, mask, phase) forwards and two backwards, where autograd takes three and keeps every field. Work
goes mask by mask, so that what is in hand stays in cache and no field of the whole batch is ever built.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from optics.wave.fourier import fast_length


def polyphase(psf: Tensor, oversampling: tuple[int, int]) -> Tensor:
    """PSFs (M, ly, lx) on camera samples as (M, sy, sx, ly / sy, lx / sx): one per sample position in a pixel."""
    sy, sx = oversampling
    m, ly, lx = psf.shape
    return psf.reshape(m, ly // sy, sy, lx // sx, sx).permute(0, 2, 4, 1, 3)


class _Intensity(torch.autograd.Function):
    """`|images * psf|^2` on every camera sample; see `intensity`."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, psf: Tensor, window: tuple[int, int], oversampling: tuple[int, int]
    ) -> Tensor:
        (sy, sx), (h, w) = oversampling, images.shape[-2:]
        ly, lx = psf.shape[-2] // sy, psf.shape[-1] // sx
        size = (fast_length(ly), fast_length(lx))
        spectrum = torch.fft.fft2(images, s=size)
        filters = torch.fft.fft2(polyphase(psf, oversampling), s=size)
        valid = (..., slice(h - 1, ly), slice(w - 1, lx))
        out = psf.real.new_empty(len(images), len(psf), *window)
        product = torch.empty_like(spectrum)
        for m in range(len(psf)):
            for j in range(sy):
                for i in range(sx):
                    torch.mul(spectrum, filters[m, j, i], out=product)
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
        spectrum = torch.fft.fft2(images, s=size)
        filters = torch.fft.fft2(polyphase(psf, ctx.oversampling), s=size)
        grad = 2 * grad
        grad_spectrum = torch.zeros_like(spectrum) if ctx.needs_input_grad[0] else None
        grad_filters = torch.empty_like(filters) if ctx.needs_input_grad[1] else None
        product = torch.empty_like(spectrum)
        padded = torch.zeros_like(spectrum)
        inside = padded[..., h - 1 : ly, w - 1 : lx]
        for m in range(len(psf)):
            for j in range(sy):
                for i in range(sx):
                    torch.mul(spectrum, filters[m, j, i], out=product)
                    field = torch.fft.ifft2(product)[..., h - 1 : ly, w - 1 : lx]
                    torch.mul(field, grad[:, m, j::sy, i::sx], out=inside)
                    back = torch.fft.fft2(padded)
                    if grad_filters is not None:
                        # sum over the batch of conj(spectrum) back
                        grad_filters[m, j, i] = torch.linalg.vecdot(spectrum, back, dim=0)
                    if grad_spectrum is not None:
                        grad_spectrum.addcmul_(back, filters[m, j, i].conj())
        grad_images = grad_psf = None
        if grad_filters is not None:
            taps = torch.fft.ifft2(grad_filters)[..., :ly, :lx]
            grad_psf = taps.permute(0, 3, 1, 4, 2).reshape(psf.shape)
        if grad_spectrum is not None:
            grad_images = torch.fft.ifft2(grad_spectrum)[..., :h, :w]
            grad_images = grad_images if images.is_complex() else grad_images.real
        return grad_images, grad_psf, None, None


def intensity(images: Tensor, psf: Tensor, window: tuple[int, int], oversampling: tuple[int, int]) -> Tensor:
    """`|sum_n images_n psf(X - x_n)|^2` on every camera sample.

    Args:
        images: (B, H, W) amplitudes, real or complex.
        psf: (M, ly, lx) complex, on all lags between a camera sample and an image pixel, ascending; `ly / sy` is the
            window's height plus `H - 1` in input pixels, likewise along x.
        window: (oy, ox) camera samples.
        oversampling: (sy, sx) camera samples per input pixel.

    Returns:
        (B, M, oy, ox) real; differentiable once, in the images and the PSFs.
    """
    return _Intensity.apply(images, psf, window, oversampling)
