"""Layers with spectral pools between them, evaluated only where their detector looks.

Each layer acts on rows and columns through small real matrices (`networks.cascade.separable`), then mixes channels in
one product. Every hidden map is held in the few coordinates that reach the detector, so a 224 x 224 image costs no
more than its last layers at 13 x 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from networks.cascade.convolution import Boundary, convolve
from networks.cascade.minimal_filtering import Halves, convolve_halves, convolve_taps
from networks.cascade.separable import AxisChain, axis_chain

# input channels from which a layer is mixed by halves, which reorder every map; where the other way is an ordinary
# convolution of whole maps, also this many times a map's side
_MANY = 48
_MANY_PER_SIDE = 12


class Field(NamedTuple):
    """Maps in the layout that products want: `values` (rx, ry, parts * B, channels); parts 2 holds re, then im."""

    values: Tensor
    parts: int


class PooledLayers(nn.Module):
    """The layers of a pooled cascade for one image size and one detector; holds matrices, no parameters.

    Args:
        shape: (ny, nx) of the image.
        taps: taps per side of each layer.
        pools: (my, mx) that each layer's pool leaves, or None.
        circular: the periodic model, else every layer zero-pads its map and keeps the map's size.
        last: (left, right) matrices applied to the last map's rows and columns; None keeps its samples.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        taps: Sequence[int],
        pools: Sequence[tuple[int, int] | None],
        *,
        circular: bool,
        last: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self._held: dict[str, Tensor] = {}
        self._cast: tuple[object, dict[str, Tensor]] | None = None
        self.taps = tuple(taps)
        self.circular = circular
        chains = [
            axis_chain(
                shape[k],
                taps,
                [None if p is None else p[k] for p in pools],
                circular=circular,
                last=None if last is None else last[k],
            )
            for k in (0, 1)
        ]
        self.whole = self._is_whole(chains, pools[-1], last)
        self.ranks: list[tuple[tuple[int, ...], tuple[int, ...]] | None] = []
        for k, pair in enumerate(zip(*(chain.layers for chain in chains), strict=True)):
            y, x = (layer.halves for layer in pair)
            self.ranks.append(None if y is None or x is None else (y.ranks, x.ranks))
            for axis, layer in zip("yx", pair, strict=True):
                self._hold(f"{axis}{k}", layer.matrix)
                if layer.halves is not None and self.ranks[k] is not None:
                    self._hold(f"expand_{axis}{k}", layer.halves.expand)
                    self._hold(f"gather_{axis}{k}", layer.halves.gather)
        self.narrows = any(len(chain.first) < chain.first.shape[1] for chain in chains)
        for axis, chain in zip("yx", chains, strict=True):
            self._hold(f"first_{axis}", chain.first)

    def _is_whole(self, chains: Sequence[AxisChain], pool: object, last: object) -> bool:
        """Whether the last layer convolves whole maps: an ordinary convolution, for which there are fast routines."""
        dense = all(c.layers[-1].matrix.shape[1] == c.layers[-1].outputs for c in chains)
        return len(self.taps) > 1 and dense and pool is None and last is None

    def _hold(self, name: str, matrix: Tensor) -> None:
        self._held[name] = matrix.contiguous()

    def _matrices(self, like: Tensor) -> dict[str, Tensor]:
        """All matrices in the real dtype of `like`, on its device; kept, since every step asks for them.

        They are held in float64 on the CPU whatever the module is moved to: not every device has 64 bits.
        """
        key = (like.dtype, like.device)
        if self._cast is None or self._cast[0] != key:
            dtype = like.real.dtype
            with torch.inference_mode(False):  # what is kept must serve training too
                self._cast = (key, {name: m.to(like.device, dtype) for name, m in self._held.items()})
        return self._cast[1]

    def forward(self, kernels: Sequence[Tensor], x: Tensor) -> Tensor:
        """Images (B, in, ny, nx) through `kernels` [(out, in, k, k), ...] to the last map (B, out, ry, rx).

        Real if the image and all kernels are, else complex.
        """
        held = self._matrices(x)
        parts = 2 if x.is_complex() else 1
        values = torch.cat((x.real, x.imag)) if x.is_complex() else x
        if self.narrows:
            values = (held["first_y"] @ values) @ held["first_x"].mT
        field = Field(values.permute(3, 2, 0, 1), parts)
        for k, kernel in enumerate(kernels):
            ranks = self.ranks[k]
            whole = self.whole and k == len(kernels) - 1
            least = max(_MANY, _MANY_PER_SIDE * max(field.values.shape[:2])) if whole else _MANY
            if ranks is not None and kernel.shape[1] >= least:
                axes = [
                    Halves(held[f"expand_{axis}{k}"], held[f"gather_{axis}{k}"], each)
                    for axis, each in zip("yx", ranks, strict=True)
                ]
                out = convolve_halves(field.values, _as_rows(kernel), *axes)
            elif whole:
                boundary: Boundary = "circular" if self.circular else "zero"
                return convolve(_maps(field).contiguous(), kernel, boundary=boundary)
            else:
                out = convolve_taps(field.values, _as_rows(kernel), held[f"y{k}"], held[f"x{k}"])
            field = _join(out, field.parts, split=kernel.is_complex())
        return _maps(field)


def _maps(field: Field) -> Tensor:
    """(B, channels, ry, rx), complex where there are two parts."""
    maps = field.values.permute(2, 3, 1, 0)
    return torch.complex(*maps.chunk(2)) if field.parts == 2 else maps


def _as_rows(kernel: Tensor) -> Tensor:
    """Real kernels: a complex one's real part, then its imaginary part, as twice the output channels."""
    return torch.cat((kernel.real, kernel.imag)) if kernel.is_complex() else kernel


def _join(values: Tensor, parts: int, *, split: bool) -> Field:
    """A field of what `_as_rows` kernels gave; `split` if they were complex. (..., parts * B, out or 2 * out)."""
    if not split:
        return Field(values, parts)
    by_real, by_imag = values.chunk(2, dim=-1)
    if parts == 1:
        return Field(torch.cat((by_real, by_imag), dim=-2), 2)
    rr, ri = by_real.chunk(2, dim=-2)
    ir, ii = by_imag.chunk(2, dim=-2)
    return Field(torch.cat((rr - ii, ri + ir), dim=-2), 2)
