"""One real matrix per axis: shifts, resampling by a Fourier-plane stop, binning, and what is left of them in a row.

A spectral convolution, a spectral pool and a camera's binning all act on the rows and on the columns of a map
separately. Written as small matrices they can be multiplied together before any image is touched, so that only the
part of each map that reaches the detector is ever computed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from networks.cascade.minimal_filtering import TAPS, Halves, halves
from optics.checks import ShapeError


def resampling_matrix(n: int, m: int) -> Tensor:
    """(m, n) float64 real matrix of one axis of a spectral pool: `n` samples to `m`, the spectrum cropped.

    Frequencies `|f| < m / 2` are kept (for an even `m`, `m - 1` of them), so the result is real for a real map. Sample
    `j` of the result is the band-limited map at position `j n / m`; a constant stays what it is. Source: Rippel,
    Snoek and Adams, NeurIPS 2015, with amplitudes kept instead of energies.
    """
    if not 1 <= m <= n:
        raise ShapeError(f"cannot pool {n} samples to {m}; choose between 1 and {n}.")
    if m == n:
        return torch.eye(n, dtype=torch.float64)
    j = torch.arange(m, dtype=torch.float64)[:, None] / m - torch.arange(n, dtype=torch.float64) / n
    matrix = torch.ones(m, n, dtype=torch.float64)
    for f in range(1, (m - 1) // 2 + 1):
        matrix += 2 * torch.cos(2 * math.pi * torch.remainder(f * j, 1.0))
    return matrix / n


@functools.lru_cache(maxsize=64)
def spreading_matrix(n: int, m: int) -> Tensor:
    """(n, m) float64 real: the `m` samples that `resampling_matrix(n, m)` left, back on `n`; nothing is lost so."""
    with torch.inference_mode(False):  # what is kept must serve training too
        return resampling_matrix(n, m).mT * (n / m)


def shift_matrix(n: int, distance: int, *, circular: bool) -> Tensor:
    """(n, n) float64: `(S x)[p] = x[p - distance]`; what leaves is lost, or comes back in when `circular`."""
    p = torch.arange(n)
    source = p - distance
    matrix = torch.zeros(n, n, dtype=torch.float64)
    if circular:
        matrix[p, source % n] = 1
    else:
        inside = (source >= 0) & (source < n)
        matrix[p[inside], source[inside]] = 1
    return matrix


def bin_matrix(n: int, bins: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """(bins, n) real: averages `n` samples into `bins` equal stretches; split samples count by area."""
    if not 1 <= bins <= n:
        raise ShapeError(f"cannot bin {n} samples into {bins}; choose between 1 and {n} bins.")
    edges = torch.arange(bins + 1, dtype=torch.float64) * (n / bins)
    left = torch.arange(n, dtype=torch.float64)
    cover = torch.minimum(edges[1:, None], left + 1) - torch.maximum(edges[:-1, None], left)
    return (cover.clamp(min=0) * (bins / n)).to(dtype)


def bin_area(x: Tensor, bins: tuple[int, int]) -> Tensor:
    """Average (..., y, x) over `bins` = (by, bx) equal areas; a pixel that is split counts by area. Real or complex."""
    ny, nx = x.shape[-2:]
    by, bx = bins
    if (ny, nx) == (by, bx):
        return x
    if x.is_complex():
        return torch.complex(bin_area(x.real, bins), bin_area(x.imag, bins))
    if ny % by == 0 and nx % bx == 0 and by > 0 and bx > 0:
        maps = x if x.dim() == 4 else x.reshape(-1, 1, ny, nx)
        return F.avg_pool2d(maps, (ny // by, nx // bx)).reshape(*x.shape[:-2], by, bx)
    left = bin_matrix(ny, by, dtype=x.dtype).to(x.device)
    right = bin_matrix(nx, bx, dtype=x.dtype).to(x.device)
    return left @ x @ right.mT


def tap_matrix(n: int, taps: int, *, circular: bool, then: Tensor | None = None) -> Tensor:
    """(taps * r, n) float64: the `taps` shifts of a centred kernel one under the other, each followed by `then`.

    Row `k r + j` gives what tap `k` (at distance `k - taps // 2`) brings to output `j` of `then` (r, n).
    """
    then = torch.eye(n, dtype=torch.float64) if then is None else then
    distances = range(-(taps // 2), taps - taps // 2)
    return torch.cat([then @ shift_matrix(n, d, circular=circular) for d in distances])


class AxisLayer(NamedTuple):
    """One layer along one axis: `matrix` (taps * outputs, inputs), float64, in the coordinates kept there.

    `halves` says the same with fewer products; None where there is no such form.
    """

    matrix: Tensor
    taps: int
    outputs: int
    halves: Halves | None


class AxisChain(NamedTuple):
    """A row of layers along one axis: `first` (r, n) brings the image to the coordinates of the first layer."""

    first: Tensor
    layers: tuple[AxisLayer, ...]


def axis_chain(
    n: int,
    taps: Sequence[int],
    pools: Sequence[int | None],
    *,
    circular: bool,
    last: Tensor | None = None,
    tolerance: float = 1e-8,
) -> AxisChain:
    """Shifts and pools of several layers, each written in the few coordinates that the detector depends on.

    Going back from the detector, the maps of a layer matter only through the row space of what follows. An orthonormal
    basis of that space replaces its samples: 13 numbers per axis in place of 224 for the periodic model of a cascade
    that ends in 13 x 13, a few more where zero-padded maps are cropped. Exact to `tolerance`.

    Args:
        n: samples of the image along this axis.
        taps: taps of each layer.
        pools: samples that each layer's pool leaves; None for no pool.
        circular: maps repeat; else each layer zero-pads its map and keeps the map's size.
        last: (r, m) applied to the last map, as a camera's binning; None keeps its samples.
        tolerance: singular values below this share of the largest are dropped.
    """
    grids = [n]
    for pool in pools:
        grids.append(grids[-1] if pool is None else pool)
    wanted = torch.eye(grids[-1], dtype=torch.float64) if last is None else last.to(torch.float64)
    layers: list[AxisLayer] = []
    for k in reversed(range(len(taps))):
        behind = wanted @ resampling_matrix(grids[k], grids[k + 1])
        full = tap_matrix(grids[k], taps[k], circular=circular, then=behind)
        basis = _row_space(full, tolerance)
        matrix = full @ basis.mT
        fewer = None
        if taps[k] == TAPS.shape[1]:  # the filter that has such a form
            # behind the pool a reflection of the samples is one at every frequency
            reflected = wanted.flip(1) @ resampling_matrix(grids[k], grids[k + 1]) @ basis.mT
            fewer = halves(matrix.view(taps[k], len(wanted), -1), reflected, tolerance=tolerance)
        layers.append(AxisLayer(matrix, taps[k], len(wanted), fewer))
        wanted = basis
    return AxisChain(wanted, tuple(reversed(layers)))


def _row_space(matrix: Tensor, tolerance: float) -> Tensor:
    """(r, n) orthonormal rows that span the rows of `matrix`; the identity when nothing would be saved."""
    _, values, rows = torch.linalg.svd(matrix, full_matrices=False)
    rank = int((values > tolerance * values[0]).sum())
    if rank == matrix.shape[1]:
        return torch.eye(rank, dtype=matrix.dtype)
    return rows[:rank]
