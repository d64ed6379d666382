"""Fringing-field crosstalk: the phase of a pixel bleeds into its neighbours, more along one axis than along the other.

The liquid crystal answers to the field, and the field of a pixel's electrode fringes out; the phase inside the panel
is the piecewise constant map of the pixels convolved with a Gaussian, separable, of full widths at half maximum
`(wy, wx)` pixels. With `s` in [-1/2, 1/2] the position inside a pixel and `phi_k` the phase of the neighbour `k` pixels
away, along one axis

    phase(s) = sum_k a_k(s) phi_k,      a_k(s) = Phi((k + 1/2 - s) / sigma) - Phi((k - 1/2 - s) / sigma)

What leaves the pixel is the mean of `exp(i phase(s))` over its *active* square, `|s| <= sqrt(F) / 2`: where the phase
is steepest lies the gap, which the fill factor counts as un-modulated. Up to widths of 0.7 pixels, where only the
nearest neighbours count, `optics.slm.fringing_narrow` takes it by products of phasors. Beyond, it is a Gauss quadrature
of four nodes an axis, built in the variable `z(s) = Phi((|s| - 1/2) / sigma)`, the share of the neighbour: the
integrand is entire in `z`, so 16 samples a pixel are within about 1 % of what the crosstalk does. Width 0 is the ideal
pixel.
The kernel acts on the phase as the panel holds it, in [0, range): the fly-back of a blaze is smeared.
Sources: Persson, Engstrom, Goksor, Optics Express 20, 22334 (2012); Moser, Ritsch-Marte, Thalhammer, Optics Express
27, 25046 (2019).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from optics.checks import OpticsError, SpecError
from optics.slm.fringing_narrow import REACH, SPAN, Weights, fit_weights, narrow_phasor

_FWHM = 2 * math.sqrt(2 * math.log(2))
_UNSEEN = 1e-7  # share of a neighbour at the active square's edge below which it is no neighbour
_REACH = 3.7  # standard deviations beyond which a neighbour's share is below 1e-4


def _normal(x: Tensor) -> Tensor:
    return torch.special.ndtr(x)


def shares(positions: Tensor, width: float) -> Tensor:
    """Share of each neighbour's phase at positions inside a pixel.

    Args:
        positions: (S,) in [-1/2, 1/2], pixels.
        width: full width at half maximum of the kernel, pixels, > 0.

    Returns:
        (S, 2 reach + 1) float64, neighbours from `-reach` to `+reach`; rows sum to 1.
    """
    sigma = width / _FWHM
    reach = max(1, math.ceil(_REACH * sigma))
    k = torch.arange(-reach, reach + 1, dtype=torch.float64)
    upper = _normal((k + 0.5 - positions[:, None]) / sigma)
    a = upper - _normal((k - 0.5 - positions[:, None]) / sigma)
    return a / a.sum(1, keepdim=True)


def nodes(width: float, side: float = 1.0) -> tuple[Tensor, Tensor]:
    """Where to sample a pixel along one axis and with which weight: positions and weights, (S,) float64 each.

    Width 0 is one sample at the centre. Otherwise the two-point Gauss rule of `z(s)` on each half of the active
    square, whose side is `side` pixels.
    """
    sigma = width / _FWHM
    if width == 0.0 or (top := float(_normal(torch.tensor((side - 1) / 2 / sigma).double()))) < _UNSEEN:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    # fine near the square's edge, where z changes: s = side/2 - (exp-like spacing) by a power map of uniform points
    t = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    s, ds = side / 2 * (1 - t**3), t**2
    ds = ds / ds.sum()
    z = _normal((s - 0.5) / sigma) / top
    # moments of the measure give the orthogonal quadratic
    m1, m2, m3 = (float((ds * z**p).sum()) for p in (1, 2, 3))
    det = m2 - m1 * m1
    c1 = (m1 * m2 - m3) / det
    c0 = -m2 - c1 * m1
    half = math.sqrt(max(c1 * c1 / 4 - c0, 0.0))
    roots = (-c1 / 2 - half, -c1 / 2 + half)
    weight = (m1 - roots[0]) / (roots[1] - roots[0])
    lowest = float(_normal(torch.tensor(-0.5 / sigma, dtype=torch.float64)))
    place = [
        0.5 + sigma * float(torch.special.ndtri(torch.tensor(max(r * top, lowest), dtype=torch.float64)))
        for r in roots
    ]
    inner, outer = (min(max(p, 0.0), side / 2) for p in place)
    positions = torch.tensor([-outer, -inner, inner, outer], dtype=torch.float64)
    weights = torch.tensor([weight, 1 - weight, 1 - weight, weight], dtype=torch.float64) / 2
    return positions, weights


class Fringing:
    """The sampling of a pixel for kernel widths `(y, x)`: neighbours' shares and weights, plain numbers.

    Args:
        widths: full widths at half maximum (y, x), pixels; 0 means none along that axis.
        span: largest phase that the panel holds, radians.
        fill_factor: active share of a pixel's area, a square in its middle; the means are over that.

    Attributes:
        axes: for y and x a list of `(weight, shares)`; `reach`: neighbours on each side, (y, x).
        narrow: the weights of `optics.slm.fringing_narrow` where the nearest neighbours are enough, None elsewhere.

    Raises:
        SpecError: a width is negative or above 4 pixels.
    """

    def __init__(
        self, widths: tuple[float, float], *, span: float = 2 * math.pi, fill_factor: float = 1.0
    ) -> None:
        side = math.sqrt(fill_factor)
        self.axes: list[list[tuple[float, list[float]]]] = []
        self.reach: list[int] = []
        for name, width in zip("yx", widths, strict=True):
            if not 0.0 <= width <= 4.0:
                raise SpecError(f"crosstalk along {name} is {width:g} SLM pixels, expected between 0 and 4.")
            positions, weights = nodes(width, side)
            table = shares(positions, width) if width > 0.0 else torch.ones(1, 1, dtype=torch.float64)
            self.axes.append(list(zip(weights.tolist(), table.tolist(), strict=True)))
            self.reach.append(table.shape[1] // 2)
        self.narrow: Weights | None = None
        if 0.0 < max(widths) <= REACH and span <= SPAN:
            self.narrow = fit_weights(shares, widths, side)

    def pad(self, frame: Tensor) -> Tensor:
        """(ny, nx) with the edge pixels repeated outwards: what lies beyond the simulated region is unknown."""
        (ry, rx) = self.reach
        return torch.nn.functional.pad(frame[None, None], (rx, rx, ry, ry), mode="replicate")[0, 0]

    def unpad(self, grad: Tensor) -> Tensor:
        """Transpose of `pad`: gradients of the repeated edges go to the pixels they came from."""
        for dim, r in enumerate(self.reach):
            if r:
                n = grad.shape[dim]
                inner = grad.narrow(dim, r, n - 2 * r).clone()
                inner.select(dim, 0).add_(grad.narrow(dim, 0, r).sum(dim))
                inner.select(dim, n - 2 * r - 1).add_(grad.narrow(dim, n - r, r).sum(dim))
                grad = inner
        return grad


def _blend(plane: Tensor, row: list[float], dim: int, size: int, out: Tensor) -> Tensor:
    """`out = sum_k row[k] plane[k : k + size]` along `dim`."""
    torch.mul(plane.narrow(dim, 0, size), row[0], out=out)
    for k in range(1, len(row)):
        out.add_(plane.narrow(dim, k, size), alpha=row[k])
    return out


class _MeanPhasor(torch.autograd.Function):
    """Frames (n, ny, nx) of phase to the mean of `exp(i phase)` over each pixel; one frame at a time, in cache."""

    @staticmethod
    def forward(ctx: Any, phase: Tensor, fringing: Fringing) -> Tensor:
        """Phase (n, ny, nx), radians, to complex (n, ny, nx)."""
        n, ny, nx = phase.shape
        out = torch.empty((n, ny, nx, 2), dtype=phase.dtype, device=phase.device)
        rows = phase.new_empty(ny, nx + 2 * fringing.reach[1])
        local, cos, re, im = (phase.new_empty(ny, nx) for _ in range(4))
        for i in range(n):
            padded = fringing.pad(phase[i])
            re.zero_()
            im.zero_()
            for wy, ay in fringing.axes[0]:
                _blend(padded, ay, 0, ny, rows)
                for wx, ax in fringing.axes[1]:
                    _blend(rows, ax, 1, nx, local)
                    re.add_(torch.cos(local, out=cos), alpha=wy * wx)
                    im.add_(local.sin_(), alpha=wy * wx)
            out[i, ..., 0] = re
            out[i, ..., 1] = im
        ctx.save_for_backward(phase)
        ctx.fringing = fringing
        return torch.view_as_complex(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """The samples are computed again rather than kept: 16 planes a frame would not fit the cache."""
        (phase,) = ctx.saved_tensors
        fringing: Fringing = ctx.fringing
        n, ny, nx = phase.shape
        out = torch.empty_like(phase)
        rows = phase.new_empty(ny, nx + 2 * fringing.reach[1])
        local, cos = phase.new_empty(ny, nx), phase.new_empty(ny, nx)
        grad_rows = torch.empty_like(rows)
        for i in range(n):
            padded = fringing.pad(phase[i])
            grad_padded = torch.zeros_like(padded)
            g_re, g_im = grad[i].real.contiguous(), grad[i].imag.contiguous()
            for wy, ay in fringing.axes[0]:
                _blend(padded, ay, 0, ny, rows)
                grad_rows.zero_()
                for wx, ax in fringing.axes[1]:
                    _blend(rows, ax, 1, nx, local)
                    torch.cos(local, out=cos).mul_(g_im).addcmul_(local.sin_(), g_re, value=-1.0)
                    for k, share in enumerate(ax):
                        grad_rows.narrow(1, k, nx).add_(cos, alpha=wy * wx * share)
                for k, share in enumerate(ay):
                    grad_padded.narrow(0, k, ny).add_(grad_rows, alpha=share)
            out[i] = fringing.unpad(grad_padded)
        return out, None


def mean_phasor(phase: Tensor, fringing: Fringing) -> Tensor:
    """Mean over each pixel's active square of `exp(i phase)` where the phase fringes into the neighbours.

    Args:
        phase: radians as the panel holds them, not reduced further, (..., ny, nx) real.
        fringing: the sampling of a pixel, from the kernel's widths.

    Returns:
        (..., ny, nx) complex of the same precision, modulus at most 1; differentiable once.

    Raises:
        OpticsError: the phase is complex.
    """
    if phase.is_complex():
        raise OpticsError(f"phase has dtype {phase.dtype}, expected real radians. Pass mask.angle().")
    frames = phase.reshape(-1, *phase.shape[-2:]).contiguous()
    if fringing.narrow is not None:
        padded = torch.nn.functional.pad(frames[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
        return narrow_phasor(padded, fringing.narrow).reshape(phase.shape)
    return _MeanPhasor.apply(frames, fringing).reshape(phase.shape)


def mean_value(value: Tensor, fringing: Fringing) -> Tensor:
    """Mean over each active square of a real or complex map (..., ny, nx) that bleeds likewise: amplitude devices."""
    for dim, r, rule in zip((-2, -1), fringing.reach, fringing.axes, strict=True):
        if r == 0:
            continue
        weights = torch.tensor([w for w, _ in rule], dtype=torch.float64)
        row = weights @ torch.tensor([a for _, a in rule], dtype=torch.float64)
        n = value.shape[dim]
        index = torch.arange(-r, n + r, device=value.device).clamp(0, n - 1)
        padded = value.index_select(dim, index)
        parts = [float(row[k]) * padded.narrow(dim, k, n) for k in range(2 * r + 1)]
        value = torch.stack(parts).sum(0)
    return value
