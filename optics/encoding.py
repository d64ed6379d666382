"""A complex mask on a phase-only panel: the phase to show so that one diffraction order carries the mask.

All methods put the mask `A exp(i p)` on the order of `carrier` cycles per SLM pixel (y, x), counted from the panel's
centre pixel: `exp(i phase)` holds `gain A exp(i p) exp(2 pi i carrier . n)` and other orders elsewhere. With
`t = p + 2 pi carrier . n` and `x = sinc^-1(A)`, `sinc(x) = sin(x) / x`, x in [0, pi]:

| method | phase | gain | light in the order | error |
| --- | --- | --- | --- | --- |
| phase_only | `t` | mean A | all of it | the amplitude is lost |
| double_phase | `t + acos A` and `t - acos A` on a checkerboard | 1 | mean A^2 | the mask's change over one pixel |
| blazed | `(1 - x/pi) mod(t + x, 2 pi)` | 1 | mean A^2 | aliased orders at a fine carrier |
| davis | `A wrap(t)`, wrap to [-pi, pi) | 1 | mean sinc^2 | order amplitude is `sinc(pi (1 - A))`, not A |
| arrizon | `f sin t`, `J1(f) = 0.5819 A` | 0.5819 | 0.339 mean A^2 | orders 0 and 2 only |
| direct | by gradient through the device (`optics.optimise`); starts as blazed | 1 | mean A^2 | small |

A carrier (0, 0) puts the mask on the axis, where the un-modulated zero order lies too; blazed, davis and arrizon need a
carrier, and direct starts as double_phase there.
A mask times `exp(2 pi i c n)` deflects light towards +y for c > 0, so the image lands at `-c lambda f1 / pitch` on the
reported axes, which are flipped to be upright (`BenchSpec.image_offset`).
Sources: Kirk & Jones, JOSA 61, 1023 (1971); Hsueh & Sawchuk, Applied Optics 17, 3874 (1978) and Mendoza-Yero et al.,
Optics Letters 39, 1740 (2014) for double_phase; Bolduc et al., Optics Letters 38, 3546 (2013); Davis et al., Applied
Optics 38, 5004 (1999); Arrizon et al., JOSA A 24, 3500 (2007), type 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor

from optics.checks import OpticsError, check_finite
from optics.conventions import real_dtype
from optics.inverse import J1_MAX, arccos, j1_inverse, polar_parts, sinc_inverse
from optics.spec import Spec

Point = tuple[float, float]
TWO_PI = 2 * math.pi
Method = Literal["blazed", "davis", "double_phase", "arrizon", "phase_only", "direct"]


class EncodingSpec(Spec):
    """How complex masks are shown.

    method: see `optics.encoding`. carrier: where the wanted order goes, (y, x) cycles per SLM pixel, at most 1/2.
    """

    method: Method = "blazed"
    carrier: Point = (0.125, 0.0)

    @model_validator(mode="after")
    def _possible(self) -> EncodingSpec:
        if max(abs(c) for c in self.carrier) > 0.5:
            raise ValueError(
                f"carrier is {self.carrier}, expected (y, x) cycles per SLM pixel between -0.5 and 0.5"
            )
        if self.carrier == (0.0, 0.0) and self.method not in ON_AXIS:
            raise ValueError(
                f'method "{self.method}" separates its orders by a carrier; set one, for example (0.125, 0)'
            )
        return self

    @property
    def offset(self) -> Point:
        """Where the wanted order goes, (y, x) cycles per SLM pixel."""
        return self.carrier

    @property
    def gain(self) -> float:
        """Amplitude of the wanted order relative to the mask, in the limit of many pixels; 1 also for phase_only."""
        return J1_MAX if self.method == "arrizon" else 1.0


def carrier_phase(
    shape: tuple[int, int], carrier: Point, origin: tuple[int, int], *, dtype: torch.dtype
) -> Tensor:
    """`2 pi carrier . n` reduced to [0, 4 pi), (ny, nx) radians; `n` counts pixels from `origin`, (y, x)."""
    y, x = (
        torch.remainder((torch.arange(n, dtype=torch.float64) - o) * c, 1.0) * TWO_PI
        for n, o, c in zip(shape, origin, carrier, strict=True)
    )
    return (y[:, None] + x[None, :]).to(dtype)


def _phase_only(a: Tensor, t: Tensor, origin: tuple[int, int]) -> Tensor:
    return t


def _double_phase(a: Tensor, t: Tensor, origin: tuple[int, int]) -> Tensor:
    ny, nx = t.shape[-2:]
    y, x = torch.arange(ny, device=t.device) - origin[0], torch.arange(nx, device=t.device) - origin[1]
    sign = 1.0 - 2.0 * ((y[:, None] + x[None, :]) % 2).to(t.dtype)
    return torch.addcmul(t, sign, arccos(a))


def _blazed(a: Tensor, t: Tensor, origin: tuple[int, int]) -> Tensor:
    x = sinc_inverse(a)
    return (1 - x / math.pi) * torch.remainder(t + x, TWO_PI)


def _davis(a: Tensor, t: Tensor, origin: tuple[int, int]) -> Tensor:
    return a * (torch.remainder(t + math.pi, TWO_PI) - math.pi)


def _arrizon(a: Tensor, t: Tensor, origin: tuple[int, int]) -> Tensor:
    return j1_inverse(a) * torch.sin(t)


_METHODS: dict[str, Callable[[Tensor, Tensor, tuple[int, int]], Tensor]] = {
    "phase_only": _phase_only,
    "double_phase": _double_phase,
    "blazed": _blazed,
    "davis": _davis,
    "arrizon": _arrizon,
    "direct": _blazed,
}


ON_AXIS = ("phase_only", "double_phase", "direct")  # these can do without a carrier


def methods() -> tuple[str, ...]:
    """Names of the encodings."""
    return tuple(_METHODS)


def encode(mask: Tensor, spec: EncodingSpec, *, origin: tuple[int, int]) -> Tensor:
    """Phase whose wanted order carries `mask`.

    Args:
        mask: (..., ny, nx) complex, modulus at most 1.
        spec: method and carrier.
        origin: (y, x) index of the panel's centre pixel in this region; may lie outside it. Carriers and the
            checkerboard are anchored there.

    Returns:
        (..., ny, nx) real, radians, not reduced to one turn; differentiable.

    Raises:
        OpticsError: the mask is not complex, not finite, or its modulus is above 1 (beyond rounding).
    """
    if not mask.is_complex():
        raise OpticsError(
            f"mask has dtype {mask.dtype}, expected complex. Pass torch.complex(mask, 0 * mask)."
        )
    check_finite(mask, name="mask")
    a, p = polar_parts(mask)
    largest = float(a.detach().max()) if a.numel() else 0.0
    if largest > 1 + 1e-4:
        raise OpticsError(
            f"mask has modulus up to {largest:g}, expected at most 1. Divide by the largest modulus."
        )
    shape = (mask.shape[-2], mask.shape[-1])
    if spec.carrier != (0.0, 0.0):
        carrier = carrier_phase(shape, spec.carrier, origin, dtype=real_dtype(mask.dtype))
        p = p + carrier.to(mask.device)
    start_on_axis = spec.method == "direct" and spec.carrier == (0.0, 0.0)
    return _METHODS["double_phase" if start_on_axis else spec.method](a, p, origin)
