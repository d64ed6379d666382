"""Inverses that encodings need: of sinc and the Bessel function J1 on their first branch, arccos, modulus and angle.

Each inverse is a table in `u = sqrt(1 - a)`, in which both are smooth up to `a = 1`, read linearly (7e-7) and, in
double precision, refined by Newton steps. Gradients are analytic and capped where the inverse is vertical (`a = 1`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

J1_PEAK = 1.8411837813406593  # where J1 is largest: the first zero of its derivative
J1_MAX = 0.5818652242815963  # J1 there

_NODES = 2048
_STEEPEST = 1e-3  # smallest |df/dx| that the gradient divides by

Curve = Callable[[Tensor], tuple[Tensor, Tensor]]


def _sinc(x: Tensor) -> tuple[Tensor, Tensor]:
    """sin(x) / x and its derivative, x in [0, pi]."""
    safe = x.clamp(min=1e-3)
    sin, cos = torch.sin(safe), torch.cos(safe)
    near = x < 1e-3
    value = torch.where(near, 1 - x * x / 6, sin / safe)
    slope = torch.where(near, -x / 3, (safe * cos - sin) / (safe * safe))
    return value, slope


def _j1(x: Tensor) -> tuple[Tensor, Tensor]:
    """J1(x) over its largest value, and its derivative, x in [0, J1_PEAK]."""
    j1 = torch.special.bessel_j1(x)
    safe = x.clamp(min=1e-9)
    ratio = torch.where(x < 1e-9, torch.full_like(x, 0.5), j1 / safe)
    return j1 / J1_MAX, (torch.special.bessel_j0(x) - ratio) / J1_MAX


_CURVES: dict[str, tuple[Curve, float]] = {"sinc": (_sinc, math.pi), "j1": (_j1, J1_PEAK)}


@lru_cache(maxsize=16)
def _table(name: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Values of the inverse at `u = i / _NODES` and the steps between them; kept, since every step asks for them."""
    with torch.inference_mode(False):  # what is kept must serve training too
        values, steps = _bisected(name)
        return values.to(device, dtype), steps.to(device, dtype)


def _bisected(name: str) -> tuple[Tensor, Tensor]:
    """The table in float64."""
    curve, top = _CURVES[name]
    a = 1 - (torch.arange(_NODES + 1, dtype=torch.float64) / _NODES) ** 2
    low, high = torch.zeros_like(a), torch.full_like(a, top)
    falling = name == "sinc"
    for _ in range(60):
        middle = (low + high) / 2
        above = (curve(middle)[0] > a) == falling
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    values = (low + high) / 2
    values[0] = 0.0 if falling else top
    values[-1] = top if falling else 0.0
    steps = torch.cat([values.diff(), values.new_zeros(1)])
    return values, steps


class _Inverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, name: str) -> Tensor:
        """Inverse of the named curve at `a`, any shape."""
        curve, top = _CURVES[name]
        values, steps = _table(name, a.dtype, a.device)
        a = a.clamp(0.0, 1.0)
        u = torch.sqrt(1 - a).mul_(_NODES)
        index = u.to(torch.int32)
        u.sub_(index)
        flat = index.reshape(-1)
        x = values[flat].reshape(a.shape).addcmul_(steps[flat].reshape(a.shape), u)
        if a.dtype == torch.float64:
            for _ in range(2):
                value, slope = curve(x)
                ok = slope.abs() > 1e-6
                x = torch.where(ok, x - (value - a) / torch.where(ok, slope, torch.ones_like(slope)), x)
            x = x.clamp(0.0, top)
        ctx.save_for_backward(x)
        ctx.name = name
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        slope = _CURVES[ctx.name][0](x)[1]
        slope = slope.clamp(max=-_STEEPEST) if ctx.name == "sinc" else slope.clamp(min=_STEEPEST)
        return grad / slope, None


def sinc_inverse(a: Tensor) -> Tensor:
    """The x in [0, pi] with `sin(x) / x = a`, for a in [0, 1] (clamped); same shape and dtype, differentiable once."""
    return _Inverse.apply(a, "sinc")


def j1_inverse(a: Tensor) -> Tensor:
    """The x in [0, 1.841] with `J1(x) = 0.5819 a`, a in [0, 1] (clamped); same shape and dtype, differentiable once."""
    return _Inverse.apply(a, "j1")


class _Arccos(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        a = a.clamp(0.0, 1.0)
        ctx.save_for_backward(a)
        return torch.acos(a)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (a,) = ctx.saved_tensors
        return -grad / torch.sqrt((1 - a * a).clamp(min=_STEEPEST**2))


def arccos(a: Tensor) -> Tensor:
    """`acos(a)` for a in [0, 1] (clamped) with a finite gradient at 1; same shape and dtype, differentiable once."""
    return _Arccos.apply(a)


class _Polar(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> tuple[Tensor, Tensor]:
        re, im = z.real.contiguous(), z.imag.contiguous()
        modulus = torch.sqrt(re * re + im * im)
        ctx.save_for_backward(re, im, modulus)
        return modulus, torch.atan2(im, re)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_modulus: Tensor, g_angle: Tensor) -> Tensor:
        re, im, modulus = ctx.saved_tensors
        scale = 1 / modulus.clamp(min=1e-9)
        along, across = g_modulus * scale, g_angle * scale * scale
        lost = modulus < 1e-9
        along, across = along.masked_fill_(lost, 0.0), across.masked_fill_(lost, 0.0)
        return torch.complex(along * re - across * im, along * im + across * re)


def polar_parts(z: Tensor) -> tuple[Tensor, Tensor]:
    """Modulus and angle of complex z, real of the same shape; the gradient at 0 is 0. Differentiable once."""
    return _Polar.apply(z)
