"""A point-spread function as it is stored and drawn: its origin at the middle sample, with its pitch and its place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optics.conventions import Point, axis
from optics.fourf.system import FourF


@dataclass(frozen=True, eq=False)
class PointSpread:
    """Point-spread functions of masks, on camera samples.

    Attributes:
        samples: (M, ly, lx) complex field per unit amplitude of one input pixel; the origin is at index `n // 2` of
            each axis, and both are odd.
        pitch: of the samples, (y, x) metres in input units.
        centre: how far from its input pixel the origin's sample looks, (y, x) metres in input units on the reported
            axes: the middle of the camera window, where the signal order lands on an aligned bench.
    """

    samples: Tensor
    pitch: Point
    centre: Point

    def lags(self, k: int) -> Tensor:
        """Distances from the input pixel along axis k, metres in input units, (n,) float64."""
        return axis(self.samples.shape[k - 2], self.pitch[k]) + self.centre[k]


def point_spread(fourf: FourF, psf: Tensor) -> PointSpread:
    """`fourf.psf(...)`, which has all lags that images and window need, cut to as many on either side of its origin.

    Args:
        fourf: the system.
        psf: what its `psf` returned, (M, ly, lx) complex. Where cells have their own each distance is shown as the
            cell has it whose channel's image lands nearest; 0 where no light goes so far. A phase that the display's
            light meets on its way in (`fourf.chirp_in`) is the pixel's, not the function's.
    """
    fourf.bench.refuse_tensors("a stored point-spread function")
    fourf.check_psf(psf)
    psf = _joined(fourf, psf)
    for k in (0, 1):
        n, s = fourf.image_shape[k], fourf.oversampling[k]
        origin = fourf.window[k] // 2 + (n - 1 - n // 2) * s
        half = min(origin, psf.shape[k - 2] - 1 - origin)
        psf = psf.narrow(k - 2, origin - half, 2 * half + 1)
    bench = fourf.bench
    steps = [bench.input.pitch / s for s in fourf.oversampling]
    seen = [float(bench.seen_at(k, fourf.offset[k])) for k in (0, 1)]
    return PointSpread(psf.contiguous(), (steps[0], steps[1]), (seen[0], seen[1]))


def _joined(fourf: FourF, psf: Tensor) -> Tensor:
    """Point-spread functions of cells, (M, cells, ly, lx), as one on all lags of the display."""
    if fourf.cells is None:
        return psf
    s, window, middles = fourf.oversampling[1], fourf.window[1], torch.tensor(fourf.cells.middles())
    lags, n = torch.arange(window + (fourf.image_shape[1] - 1) * s), fourf.image_shape[1]
    lags = lags - window // 2 - (n - 1 - n // 2) * s
    # light from a cell's middle to the window's lags by minus its place
    aside = lags[:, None] + middles * s
    cell = aside.abs().argmin(1)
    first = -(window // 2) - (fourf.cells.width - 1 - fourf.cells.width // 2) * s
    at = aside.gather(1, cell[:, None])[:, 0] - first
    known = (at >= 0) & (at < psf.shape[-1])
    return psf.transpose(1, 2)[:, :, cell, at.clamp(0, psf.shape[-1] - 1)] * known.to(psf.device)
