"""The field between the pixels' centres, which a camera sees and a digital convolution does not.

A stop of one spectral period leaves a field that its values at the pixels' centres determine (Whittaker and Shannon;
Goodman, Introduction to Fourier Optics, 3rd ed., section 2.4):

    f(X) = sum_n f(n) sinc(X - n)

and a convolution of the image moved by a part of a pixel is the convolution, moved. The light that a camera's bin
collects is the mean of `|f|^2` over its area. `|f|^2` has twice the band of `f`: two samples a pixel give that mean
(to what crosses the bin's edge within half a pixel), one at the centre does not.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from networks.cascade.convolution import Place


def places(oversampling: int) -> tuple[float, ...]:
    """Where `oversampling` samples of equal shares of a pixel stand along an axis, from its centre, in pixels."""
    return tuple((i + 0.5) / oversampling - 0.5 for i in range(oversampling))


def moved(x: Tensor, place: Place, margin: int) -> Tensor:
    """Images (B, in, y, x) read at `place` of each pixel, with `margin` pixels of surroundings on each side.

    Returns:
        (B, in, y + 2 margin, x + 2 margin), of the dtype of `x`.
    """
    left, right = (_reading(n, (p,), margin) for n, p in zip(x.shape[-2:], place, strict=True))
    return left.to(x.device, x.dtype) @ x @ right.mT.to(x.device, x.dtype)


def mean_over_pixel(x: Tensor, oversampling: int, margin: int) -> Tensor:
    """The mean of `moved` over the places of `oversampling` samples per pixel and axis, same shape."""
    left, right = (_reading(n, places(oversampling), margin) for n in x.shape[-2:])
    return left.to(x.device, x.dtype) @ x @ right.mT.to(x.device, x.dtype)


@functools.lru_cache(maxsize=64)
def _reading(n: int, at: tuple[float, ...], margin: int) -> Tensor:
    """(n + 2 margin, n) float64: mean of the field's values at these places of each pixel of an axis."""
    with torch.inference_mode(False):  # what is kept must serve training too
        pixel = torch.arange(-margin, n + margin, dtype=torch.float64)
        source = torch.arange(n, dtype=torch.float64)
        return torch.stack([torch.sinc(pixel[:, None] + p - source) for p in at]).mean(0)
