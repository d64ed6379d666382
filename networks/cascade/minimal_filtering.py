"""A filter of three taps as four products of half its size.

With the shifts `S` of an axis, a reflection `R` of it and taps `h`,

    h[-1] S[-1] + h[0] + h[1] S[1] = h[-1] (S[-1] - R) + h[1] (S[1] - R) + (h[-1] + h[0] + h[1]) / 2 (R + 1)
                                                                       + (h[-1] - h[0] + h[1]) / 2 (R - 1).

A shift behind a reflection is a reflection about another point, and a reflection is 1 on one half of its space and -1
on the other: each of the four brackets has half the rank of a shift. So `n` outputs take about `2 n` products in place
of `3 n`, along both axes `4 n^2` in place of `9 n^2`. It holds at every frequency, so it goes through a spectral pool,
and a zero-padded border adds one to two of the ranks. No bracket's norm exceeds 2, so rounding stays what it was. The
four taps are those of Winograd's F(2, 3), whose tiles of two samples a pool would tear apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

TAPS = torch.tensor([[0.5, 0.5, 0.5], [1, 0, 0], [0, 0, 1], [0.5, -0.5, 0.5]], dtype=torch.float64)
_SIDE = 3  # taps per side
_TAPS = _SIDE**2  # taps of a kernel
_PRODUCTS = len(TAPS) ** 2  # what they become: four an axis
_SLIM = 32  # maps below which products map by map are faster than products of all maps
_WORTH = 0.8  # share of the direct form's products, per axis, above which the extra steps do not pay


class Halves(NamedTuple):
    """One axis of a layer: `gather @ diag(TAPS h) @ expand`, tap `w` repeated `ranks[w]` times.

    expand: (sum(ranks), inputs); gather: (outputs, sum(ranks)).
    """

    expand: Tensor
    gather: Tensor
    ranks: tuple[int, ...]


def halves(shifts: Tensor, reflected: Tensor, *, tolerance: float = 1e-8) -> Halves | None:
    """The four factored brackets, or None where they would save little.

    Args:
        shifts: (3, outputs, inputs) float64, what taps -1, 0 and 1 do.
        reflected: (outputs, inputs) float64, what a reflection does in place of a shift.
        tolerance: singular values below this share of the largest are dropped.
    """
    before, here, behind = shifts
    brackets = torch.stack((reflected + here, before - reflected, behind - reflected, reflected - here))
    left, values, right = torch.linalg.svd(brackets, full_matrices=False)
    ranks = tuple(int(count) for count in (values > tolerance * values.max()).sum(-1))
    if sum(ranks) > _WORTH * _SIDE * len(here):
        return None
    root = values.sqrt()
    expand = torch.cat([r[:n] * w[:n, None] for r, w, n in zip(right, root, ranks, strict=True)])
    gather = torch.cat([c[:, :n] * w[:n] for c, w, n in zip(left, root, ranks, strict=True)], dim=1)
    return Halves(expand, gather, ranks)


def convolve_halves(values: Tensor, kernels: Tensor, y: Halves, x: Halves) -> Tensor:
    """One layer: (inputs of x, inputs of y, N, in) to (outputs of x, outputs of y, N, out).

    Args:
        values: maps in the coordinates that `y` and `x` expand; real.
        kernels: (out, in, 3, 3) real.
        y: along the rows, in the dtype of `values`.
        x: along the columns.
    """
    out, into = kernels.shape[:2]
    return _Layer.apply(values, kernels.reshape(out, into, _TAPS), y, x)[0]


def convolve_taps(values: Tensor, kernels: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The direct form, all taps and channels in one product: (cx, cy, N, in) to (ox, oy, N, out).

    Args:
        values: maps; real.
        kernels: (out, in, ty, tx) real.
        left: (ty * oy, cy), what each tap brings along the rows.
        right: (tx * ox, cx), along the columns.
    """
    ty, tx = kernels.shape[2:]
    columns, _, count, channels = values.shape
    if count * channels < _SLIM:
        shifted = left @ (values.permute(2, 3, 1, 0) @ right.mT)
        shifted = shifted.view(count, channels, ty, left.shape[0] // ty, tx, right.shape[0] // tx)
        return _mix(shifted.permute(5, 3, 0, 2, 4, 1), kernels)
    along_y = torch.bmm(left.expand(columns, -1, -1), values.flatten(2))
    shifted = right @ along_y.view(columns, -1)
    shifted = shifted.view(tx, right.shape[0] // tx, ty, left.shape[0] // ty, count, channels)
    return _mix(shifted.permute(1, 3, 4, 2, 0, 5), kernels)


def _mix(shifted: Tensor, kernels: Tensor) -> Tensor:
    """(ox, oy, N, ty, tx, in) by (out, in, ty, tx) to (ox, oy, N, out)."""
    return shifted.flatten(3) @ kernels.permute(2, 3, 1, 0).flatten(0, 2)


class _Layer(torch.autograd.Function):
    """`convolve_halves`, the kernels' taps in one axis; also returns what going back needs."""

    @staticmethod
    def forward(values: Tensor, kernels: Tensor, y: Halves, x: Halves) -> tuple[Tensor, Tensor, Tensor]:
        """Expand both axes, mix the channels of each group, gather: (cx, cy, N, in) to (ox, oy, N, out)."""
        expanded = _expand(values, y.expand, x.expand, y.ranks)
        weights = torch.mm(_both_axes(kernels.dtype, kernels.device), kernels.reshape(-1, _TAPS).t())
        weights = weights.view(-1, *kernels.shape[:2])
        mixed = expanded.new_empty(*expanded.shape[:2], kernels.shape[0])
        counts, split = _groups(y.ranks, x.ranks, values.shape[2])
        each = weights.mT.split_with_sizes(counts)
        for rows, weight, out in zip(split(expanded), each, split(mixed), strict=True):
            torch.bmm(rows, weight, out=out)
        return _gather(mixed, y.gather, x.gather, y.ranks), expanded, weights

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Halves, Halves], output: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        """Keep what both directions need."""
        values, kernels, ctx.y, ctx.x = inputs
        ctx.mark_non_differentiable(*output[1:])
        # else zeros are made for what is not differentiable, as large as the weights
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(values, kernels, *output[1:])
        ctx.save_for_forward(values, kernels)

    @staticmethod
    def backward(
        ctx: Any, gradient: Tensor | None, *_: Any
    ) -> tuple[Tensor | None, Tensor | None, None, None]:
        """The same steps transposed: gradients of the maps and of the kernels."""
        if gradient is None:
            return None, None, None, None
        values, kernels, expanded, weights = ctx.saved_tensors
        y, x = ctx.y, ctx.x
        if torch.is_grad_enabled():  # to be differentiated again
            direct = functools.partial(_direct, y=y, x=x)
            return *torch.func.vjp(direct, values, kernels)[1](gradient), None, None
        mixed = _expand(gradient, y.gather.mT, x.gather.mT, y.ranks)
        back, for_weights = torch.empty_like(expanded), torch.empty_like(weights)
        counts, split = _groups(y.ranks, x.ranks, values.shape[2])
        ours = split(mixed)
        for rows, weight, out in zip(ours, weights.split_with_sizes(counts), split(back), strict=True):
            torch.bmm(rows, weight, out=out)
        each = for_weights.split_with_sizes(counts)
        for rows, others, out in zip(ours, split(expanded), each, strict=True):
            torch.bmm(rows.mT, others, out=out)
        # products with nine columns are slow; those with sixteen are not
        wide = for_weights.view(_PRODUCTS, -1).t() @ _both_axes(
            kernels.dtype, kernels.device, columns=_PRODUCTS
        )
        for_kernels = wide[:, :_TAPS].contiguous().view(kernels.shape)
        return _gather(back, y.expand.mT, x.expand.mT, y.ranks), for_kernels, None, None

    @staticmethod
    def jvp(
        ctx: Any, values_tangent: Tensor | None, kernels_tangent: Tensor | None, *_: None
    ) -> tuple[Tensor | None, None, None]:
        """Linear in the maps and in the kernels."""
        values, kernels = ctx.saved_tensors
        parts = []
        if values_tangent is not None:
            parts.append(_Layer.apply(values_tangent, kernels, ctx.y, ctx.x)[0])
        if kernels_tangent is not None:
            parts.append(_Layer.apply(values, kernels_tangent, ctx.y, ctx.x)[0])
        return sum(parts[1:], parts[0]) if parts else None, None, None


def _direct(values: Tensor, kernels: Tensor, y: Halves, x: Halves) -> Tensor:
    return convolve_taps(values, kernels.unflatten(2, (_SIDE, _SIDE)), _three_shifts(y), _three_shifts(x))


def _three_shifts(axis: Halves) -> Tensor:
    """(3 * outputs, inputs): what was factored."""
    taps = TAPS.to(axis.expand).repeat_interleave(torch.tensor(axis.ranks, device=axis.expand.device), 0)
    return torch.cat([(axis.gather * taps[:, k]) @ axis.expand for k in range(_SIDE)])


Split = Callable[[Tensor], list[Tensor]]


@functools.lru_cache(maxsize=256)
def _groups(left: tuple[int, ...], right: tuple[int, ...], count: int) -> tuple[list[int], Split]:
    """Runs of groups, a tap of y and one of x each, with equally many rows: how many there are, and their rows."""
    runs = [(n, len(list(same))) for n, same in groupby(count * a * b for a in left for b in right)]
    sizes = [n * groups for n, groups in runs]

    def split(rows: Tensor) -> list[Tensor]:
        channels = rows.shape[-1]
        parts = rows.view(-1, channels).split_with_sizes(sizes)
        return [part.view(groups, n, channels) for part, (n, groups) in zip(parts, runs, strict=True)]

    return [groups for _, groups in runs], split


def _expand(values: Tensor, left: Tensor, right: Tensor, ranks: Sequence[int]) -> Tensor:
    """(cx, cy, N, C) to (sum over y's taps of columns * rows, N, C): for each tap of y, of x, column by column."""
    columns, inputs, count, channels = values.shape
    rows, wide, size = left.shape[0], right.shape[0], count * channels
    along_y = torch.bmm(left.expand(columns, -1, -1), values.reshape(columns, inputs, size))
    parts = along_y.view(columns, rows * size).split_with_sizes([n * size for n in ranks], 1)
    out = values.new_empty(rows * wide, count, channels)
    for part, block in zip(parts, out.split_with_sizes([n * wide for n in ranks]), strict=True):
        torch.mm(right, part, out=block.view(wide, -1))
    return out


def _gather(values: Tensor, left: Tensor, right: Tensor, ranks: Sequence[int]) -> Tensor:
    """What `_expand` with the transposed matrices is the adjoint of: to (ox, oy, N, C)."""
    count, channels = values.shape[1:]
    columns, wide = right.shape
    size = count * channels
    along_x = values.new_empty(columns, left.shape[1] * size)
    parts = along_x.split_with_sizes([n * size for n in ranks], 1)
    for part, block in zip(parts, values.split_with_sizes([n * wide for n in ranks]), strict=True):
        torch.mm(right, block.view(wide, -1), out=part)
    out = torch.bmm(left.expand(columns, -1, -1), along_x.view(columns, -1, size))
    return out.view(columns, -1, count, channels)


@functools.lru_cache(maxsize=16)
def _both_axes(dtype: torch.dtype, device: torch.device, *, columns: int = _TAPS) -> Tensor:
    """(16, columns): what the 9 taps give, then zeros."""
    with torch.inference_mode(False):  # what is kept must serve training too
        return F.pad(torch.kron(TAPS, TAPS), (0, columns - _TAPS)).to(device, dtype)
