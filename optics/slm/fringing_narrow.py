"""Narrow fringing fields: the mean phasor of a pixel that bleeds into its nearest neighbours only, by products.

Inside such a pixel the phase is a blend of at most four pixels, with shares `u` along x and `v` along y of at most 1/2:

    (1 - u)(1 - v) phi + u (1 - v) phi_x + (1 - u) v phi_y + u v phi_xy

and what leaves the pixel is the mean of `exp(i phase)` over its active square. That mean is taken over 21 points
whose shares are simple fractions, so that each of their phasors is a product of powers of `exp(i phi / 48)`: the
centre; `u` or `v` of 1/6, 1/3, 1/2 towards each edge; `u = v` of 1/4 and of 1/2 in each corner. A product costs a
tenth of a sine and a cosine. The weights are the least-squares fit to the true mean for pixels of independent phases
in [0, 2 pi), exact in the sum of the weights and in the mean share of each neighbour. The result is within 0.2 % of
the true mean up to widths of 0.3 pixels, within 0.8 % up to 0.7 (`tests/optics/slm/test_fringing_narrow.py`; fill
factors from 0.85 up).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from optics.conventions import cis, complex_dtype

REACH = 0.7
"""Largest width, pixels, for which the nearest neighbours are enough."""

SPAN = 7.0
"""Largest range of phases, radians, for which the fractions are fine enough."""

_EDGE = (1 / 6, 1 / 3, 1 / 2)
_CORNER = (1 / 4, 1 / 2)

_BLOCK = 1 << 17
"""Pixels that are worked on at a time."""


class Weights(NamedTuple):
    """Weight of each point: the centre, `_EDGE` towards one edge along y and along x, `_CORNER` in one corner."""

    centre: float
    y: tuple[float, float, float]
    x: tuple[float, float, float]
    corner: tuple[float, float]


@functools.lru_cache(maxsize=64)
def fit_weights(
    share: Callable[[Tensor, float], Tensor], widths: tuple[float, float], side: float = 1.0
) -> Weights:
    """Weights of the points for kernels of these widths (y, x), pixels; kept, since training makes many panels alike.

    Args:
        share: neighbours' shares (S, 2 reach + 1) at positions (S,) in a pixel for a width,
            `optics.slm.fringing_field.shares`.
        widths: full widths at half maximum, at most `REACH`; along an axis of width 0 the weights are 0.
        side: of the active square over which the mean is taken, pixels.
    """
    position, part = _graded(24, side)
    tables = [share(position, w) if w else position.new_tensor([[0.0, 1.0, 0.0]]) for w in widths]
    parts = [part if w else part.new_ones(1) for w in widths]
    reach = max(t.shape[1] for t in tables) // 2
    tables = [torch.nn.functional.pad(t, ((reach - t.shape[1] // 2),) * 2) for t in tables]
    orbits, means = _orbits(reach), [p @ t for p, t in zip(parts, tables, strict=True)]
    used = [k for k, (along, _) in enumerate(orbits) if all(widths[axis] for axis in along)]
    nodes = [orbits[k][1] for k in used]

    true = tables[0][:, None, :, None] * tables[1][None, :, None, :]  # (S, S', K, K): a blend of K x K pixels
    area = parts[0][:, None] * parts[1][None, :]
    wanted = torch.stack([(area * sum(_overlap(true - n) for n in orbit)).sum() for orbit in nodes])
    gram = torch.stack([torch.stack([_overlap(a[:, None] - b[None]).sum() for b in nodes]) for a in nodes])
    # exact: all weights together; the mean share of the neighbours along each axis
    offset = torch.arange(-reach, reach + 1, dtype=torch.float64)
    exact, given = [torch.tensor([float(len(n)) for n in nodes]).double()], [1.0]
    for axis in (0, 1):
        if widths[axis]:
            exact.append(torch.stack([(n.sum(2 - axis) @ offset.abs()).sum() for n in nodes]))
            given.append(float(means[axis] @ offset.abs()))
    system = torch.zeros(len(used) + len(exact), len(used) + len(exact), dtype=torch.float64)
    rows = torch.stack(exact)
    system[: len(used), : len(used)] = gram
    system[len(used) :, : len(used)], system[: len(used), len(used) :] = rows, rows.mT
    solved = torch.linalg.solve(system, torch.cat([wanted, torch.tensor(given).double()]))
    weight = dict(zip(used, solved.tolist(), strict=False))
    c, y1, y2, y3, x1, x2, x3, k1, k2 = (weight.get(k, 0.0) for k in range(len(orbits)))
    return Weights(c, (y1, y2, y3), (x1, x2, x3), (k1, k2))


def _graded(samples: int, side: float) -> tuple[Tensor, Tensor]:
    """Positions in the active square's right half, dense towards its edge, and the part that each stands for."""
    t = (torch.arange(samples, dtype=torch.float64) + 0.5) / samples
    part = 3 * t**2
    return side / 2 * (1 - t**3), part / part.sum()


def _orbits(reach: int) -> list[tuple[tuple[int, ...], Tensor]]:
    """For each weight the axes it needs and its mirror images: (points, K, K), the shares of K x K pixels."""

    def line(u: float, side: int) -> Tensor:
        row = torch.zeros(2 * reach + 1, dtype=torch.float64)
        row[reach], row[reach + side] = 1 - u, u
        return row

    centre, sides = line(0.0, 1), (-1, 1)
    orbits: list[tuple[tuple[int, ...], Tensor]] = [((), torch.outer(centre, centre)[None])]
    orbits += [((0,), torch.stack([torch.outer(line(u, s), centre) for s in sides])) for u in _EDGE]
    orbits += [((1,), torch.stack([torch.outer(centre, line(u, s)) for s in sides])) for u in _EDGE]
    orbits += [
        ((0, 1), torch.stack([torch.outer(line(u, s), line(u, t)) for s in sides for t in sides]))
        for u in _CORNER
    ]
    return orbits


def _overlap(share: Tensor) -> Tensor:
    """Real part of the mean of `exp(i sum share phi)` for independent phases in [0, 2 pi); (..., K, K) to (...)."""
    turn = math.pi * share
    each = torch.sinc(share) * cis(turn)
    return each.flatten(-2).prod(-1).real


def _mirrored(edges: Tensor, dim: int) -> Tensor:
    """What each pixel gets from its two edges along `dim`: the phasors of the far one, conjugates of the near one."""
    n = edges.shape[dim] - 1
    return edges.narrow(dim, 0, n).conj_physical().add_(edges.narrow(dim, 1, n))


def _four(corner: Tensor) -> Tensor:
    """Sum of the four corners of each pixel: (ny + 1, nx + 1) to (ny, nx)."""
    rows = corner[1:] + corner[:-1]
    return rows[:, 1:] + rows[:, :-1]


class _Strip:
    """The products of some rows of a frame: phases (ny + 2, nx + 2) with a pixel more on every side."""

    def __init__(self, padded: Tensor, weights: Weights) -> None:
        self.weights = weights
        inner, after, before = slice(1, -1), slice(2, None), slice(None, -2)
        p1 = cis(padded / 48)
        p2 = p1 * p1
        p4 = p2 * p2
        sixteenth, sixth = p1.mul_(p2), p4.mul_(p4)
        back = sixth.conj_physical()
        # exp(i (next - this) / 6) over each edge across y, then across x
        self.steps = (sixth[1:, inner] * back[:-1, inner], sixth[inner, 1:] * back[inner, :-1])
        quarter = (sixteenth * sixteenth).square_()
        half = quarter * quarter
        ninth, third = half * sixteenth, quarter * sixteenth.conj_physical()
        self.whole = half[inner, inner].square()
        # u = v = 1/4: 9/16 of the pixel, 3/16 of its neighbours along x and y, 1/16 across the corner
        self.here = [ninth[inner, inner] * third[inner, side] for side in (after, before)]
        self.there = [third[:, inner] * sixteenth[:, side] for side in (after, before)]
        # u = v = 1/2: the same for the four pixels round a corner
        along = quarter[:, 1:] * quarter[:, :-1]
        self.crossing = along[1:] * along[:-1]

    def edges(self, dim: int) -> Tensor:
        """Weighted phasors over each edge across `dim`, relative to the pixel before it."""
        w1, w2, w3 = self.weights.x if dim else self.weights.y
        return self._polynomial(dim, w1, w2, w3)

    def slope(self, dim: int) -> Tensor:
        """Derivative of `edges` with respect to the phase's step, over i."""
        w1, w2, w3 = self.weights.x if dim else self.weights.y
        return self._polynomial(dim, w1 / 6, w2 / 3, w3 / 2)

    def _polynomial(self, dim: int, w1: float, w2: float, w3: float) -> Tensor:
        step = self.steps[dim]
        return (step * w3).add_(w2).mul_(step).add_(w1).mul_(step)

    def straight(self) -> Tensor:
        """The centre's and the edges' part of the mean."""
        edges = _mirrored(self.edges(0), 0).add_(_mirrored(self.edges(1), 1))
        return edges.add_(self.weights.centre).mul_(self.whole)

    def corners(self) -> Tensor:
        """The corners' part."""
        quarter, half = self.weights.corner
        out = _four(self.crossing).mul_(half)
        for here, there in zip(self.here, self.there, strict=True):
            out.add_((there[2:] + there[:-2]).mul_(here), alpha=quarter)
        return out

    def turned(self, grad: Tensor, straight: Tensor) -> Tensor:
        """Sum over the points of `share * phasor * grad` for each phase, (ny + 2, nx + 2): its gradient over -i.

        `grad` (ny, nx) complex multiplies the mean, `straight` is `straight()`.
        """
        ny, nx = grad.shape
        inner = slice(1, -1)
        out = grad.new_zeros(ny + 2, nx + 2)
        torch.mul(grad, straight, out=out[inner, inner])
        weighted = grad * self.whole
        mirrored = weighted.conj_physical()
        for dim, (before, after) in enumerate((((0, ny), (1, ny)), ((0, nx), (1, nx)))):
            # the pixel before an edge sees the step, the pixel behind it its conjugate
            both = torch.empty_like(self.steps[dim])
            both.narrow(dim, *after).copy_(weighted)
            both.select(dim, 0).zero_()
            both.narrow(dim, *before).add_(mirrored)
            both.mul_(self.slope(dim))
            view = out[:, inner] if dim == 0 else out[inner]
            n = both.shape[dim]
            view.narrow(dim, 1, n).add_(both)
            view.narrow(dim, 0, n).sub_(both)
        self._turn_corners(grad, out)
        return out

    def _turn_corners(self, grad: Tensor, out: Tensor) -> None:
        quarter, half = self.weights.corner
        ny, nx = grad.shape
        inner, after, before = slice(1, -1), slice(2, None), slice(None, -2)
        around = grad.new_zeros(ny + 2, nx + 2)
        around[inner, inner] = grad
        crossing = _four(around).mul_(self.crossing)
        for rows in (slice(1, None), slice(None, -1)):
            for columns in (slice(1, None), slice(None, -1)):
                out[rows, columns].add_(crossing, alpha=half / 4)
        for here, there, side in zip(self.here, self.there, (after, before), strict=True):
            weighted = here * grad
            near = (there[2:] + there[:-2]).mul_(weighted)
            out[inner, inner].add_(near, alpha=9 / 16 * quarter)
            out[inner, side].add_(near, alpha=3 / 16 * quarter)
            around[:2, inner] = 0
            around[after, inner] = weighted
            far = around[:, inner]
            far[before] += weighted
            far = far.mul_(there)
            out[:, inner].add_(far, alpha=3 / 16 * quarter)
            out[:, side].add_(far, alpha=1 / 16 * quarter)


class _NarrowPhasor(torch.autograd.Function):
    """Frames (n, ny + 2, nx + 2) of phase to complex (n, ny, nx); a strip of rows at a time, to stay in cache."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weights: Weights) -> Tensor:
        """Keeps the strips' products where a gradient is asked for."""
        n, ny, nx = (size - 2 * (k > 0) for k, size in enumerate(padded.shape))
        out = torch.empty((n, ny, nx), dtype=complex_dtype(padded.dtype), device=padded.device)
        rows = max(1, _BLOCK // nx)
        ctx.shape, ctx.kept = padded.shape, []
        for i in range(n):
            for first in range(0, ny, rows):
                strip = _Strip(padded[i, first : first + rows + 2], weights)
                straight = strip.straight()
                torch.add(straight, strip.corners(), out=out[i, first : first + rows])
                if padded.requires_grad:
                    ctx.kept.append((i, first, strip, straight))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """Neighbouring strips share two rows, whose gradients add."""
        out = grad.real.new_zeros(ctx.shape)
        for i, first, strip, straight in ctx.kept:
            rows = len(straight)
            turned = strip.turned(grad[i, first : first + rows].conj_physical(), straight)
            out[i, first : first + rows + 2].sub_(turned.imag)
        return out, None


def narrow_phasor(padded: Tensor, weights: Weights) -> Tensor:
    """Mean of `exp(i phase)` over each pixel, from frames whose edge pixels are repeated once.

    Args:
        padded: radians, (n, ny + 2, nx + 2) real.
        weights: `fit_weights`.

    Returns:
        (n, ny, nx) complex; differentiable once.
    """
    return _NarrowPhasor.apply(padded, weights)
