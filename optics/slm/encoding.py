"""A complex mask on a panel that cannot show it: what to show so that one diffraction order carries the mask.

All methods put the mask `A exp(i p)` on the order of `carrier` cycles per SLM pixel (y, x), counted from the panel's
centre pixel: what the panel does holds `gain A exp(i p) exp(2 pi i carrier . n)` and other orders elsewhere. Each
method belongs to one kind of panel (`slm.modulation`). With `t = p + 2 pi carrier . n` and `x = sinc^-1(A)`,
`sinc(x) = sin(x) / x`, x in [0, pi], a **phase** panel shows

| method | phase | gain | light in the order | error |
| --- | --- | --- | --- | --- |
| phase_only | `t` | mean A | all of it | the amplitude is lost |
| double_phase | `t + acos A` and `t - acos A` on a checkerboard | 1 | mean A^2 | the mask's change over one pixel |
| blazed | `(1 - x/pi) mod(t + x, 2 pi)` | 1 | mean A^2 | aliased orders at a fine carrier |
| davis | `A wrap(t)`, wrap to [-pi, pi) | 1 | mean sinc^2 | order amplitude is `sinc(pi (1 - A))`, not A |
| arrizon | `f sin t`, `J1(f) = 0.5819 A` | 0.5819 | 0.339 mean A^2 | orders 0 and 2 only |
| direct | by gradient through the device (`optics.slm.direct_design`); starts as blazed | 1 | mean A^2 | small |

an **amplitude** panel an amplitude in [0, 1], and a **dmd** mirrors that are on (1) or off (0):

| method | panel | what is shown | gain | zero order |
| --- | --- | --- | --- | --- |
| interferogram | amplitude | `(1 + A cos t) / 2` | 1/4 | 1/4 of the light |
| lee | dmd | 1 where `cos t > cos(asin A)`, else 0 | 1/pi | (mean asin A / pi)^2 |

Mirrors that are on for the share d of a period send `sin(pi d) / pi` into the first order: d = asin(A) / pi. Their
error is that of whole mirrors, least with an oblique carrier. Both methods have a twin, the conjugate mask on the order
of `-carrier`. The gradient of `lee` is that of `(2 / pi) A cos t`, which puts the same mask on the same order.

A carrier (0, 0) puts the mask on the axis, where the un-modulated zero order lies too; phase_only, double_phase and
direct can do that (direct starts as double_phase there), all others need a carrier.
A mask times `exp(2 pi i c n)` deflects light towards +y for c > 0, so the image lands at `-c lambda f1 / pitch` on the
reported axes, which are flipped to be upright (`BenchSpec.image_offset`).
Sources: Kirk & Jones, JOSA 61, 1023 (1971); Hsueh & Sawchuk, Applied Optics 17, 3874 (1978) and Mendoza-Yero et al.,
Optics Letters 39, 1740 (2014) for double_phase; Bolduc et al., Optics Letters 38, 3546 (2013); Davis et al., Applied
Optics 38, 5004 (1999); Arrizon et al., JOSA A 24, 3500 (2007), type 3; Burch, Proc. IEEE 55, 599 (1967) for
interferogram; Lee, Applied Optics 18, 3661 (1979) for lee.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor

from optics.checks import OpticsError, SpecError, check_finite
from optics.conventions import Point, real_dtype
from optics.slm.special_functions import J1_MAX, arccos, j1_inverse, polar_parts, sinc_inverse
from optics.spec import Spec
from optics.wave.fourier import check_plane

TWO_PI = 2 * math.pi
Method = Literal["blazed", "davis", "double_phase", "arrizon", "phase_only", "direct", "interferogram", "lee"]


class EncodingSpec(Spec):
    """How complex masks are shown.

    method: see `optics.slm.encoding`; "interferogram" is for amplitude panels, "lee" for mirror arrays (dmd), all
    others for phase panels. carrier: where the signal order, the one that carries the image, goes:
    (y, x) cycles per SLM pixel, at most 1/2.
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
        """Where the signal order goes, (y, x) cycles per SLM pixel."""
        return self.carrier

    @property
    def gain(self) -> float:
        """Amplitude of the signal order relative to the mask, in the limit of many pixels; 1 also for phase_only."""
        return {"arrizon": J1_MAX, "interferogram": 1 / 4, "lee": 1 / math.pi}.get(self.method, 1.0)

    @property
    def twin(self) -> bool:
        """Whether the conjugate mask stands on the order of minus the carrier."""
        return self.method in ("arrizon", "interferogram", "lee")

    def check_modulation(self, modulation: str) -> None:
        """Raise SpecError unless a panel of this modulation can show the method; a complex one needs no encoding."""
        if modulation != "complex" and self.method not in methods(modulation):
            raise SpecError(
                f'encoding.method "{self.method}" does not belong to slm.modulation "{modulation}"; use '
                f"{' or '.join(repr(m) for m in methods(modulation))}."
            )


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


def _interferogram(wave: Tensor, modulus: Tensor) -> Tensor:
    return 0.5 + 0.5 * wave.clamp(-1.0, 1.0)


def _lee(wave: Tensor, modulus: Tensor) -> Tensor:
    # cos t > cos(asin A), both sides times A
    on = wave > modulus * torch.sqrt((1 - modulus * modulus).clamp(min=0.0))
    order = (2 / math.pi) * wave
    return on.to(wave.dtype) + (order - order.detach())


_PHASES: dict[str, Callable[[Tensor, Tensor, tuple[int, int]], Tensor]] = {
    "phase_only": _phase_only,
    "double_phase": _double_phase,
    "blazed": _blazed,
    "davis": _davis,
    "arrizon": _arrizon,
    "direct": _blazed,
}
_HOLOGRAMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"interferogram": _interferogram, "lee": _lee}
_METHODS = {"phase": tuple(_PHASES), "amplitude": ("interferogram",), "dmd": ("lee",)}

ON_AXIS = ("phase_only", "double_phase", "direct")  # these can do without a carrier


def methods(modulation: str = "phase") -> tuple[str, ...]:
    """Names of the encodings that belong to a kind of panel; none for a complex modulator, which needs none."""
    return _METHODS.get(modulation, ())


def encode(mask: Tensor, spec: EncodingSpec, *, origin: tuple[int, int]) -> Tensor:
    """What the panel is to show so that the signal order carries `mask`: the target of `optics.slm.panel.SLM`.

    Args:
        mask: (..., ny, nx) complex, modulus at most 1.
        spec: method and carrier.
        origin: (y, x) index of the panel's centre pixel in this region; may lie outside it. Carriers and the
            checkerboard are anchored there.

    Returns:
        (..., ny, nx) real: phase in radians, not reduced to one turn; of interferogram an amplitude in [0, 1], of lee 0
        or 1. Differentiable.

    Raises:
        OpticsError: the mask is not complex, not a plane, not finite, or its modulus is above 1 (beyond rounding).
    """
    if not mask.is_complex():
        raise OpticsError(
            f"mask has dtype {mask.dtype}, expected complex. Pass torch.complex(mask, 0 * mask)."
        )
    check_plane(mask, name="mask")
    check_finite(mask, name="mask")
    a, p = polar_parts(mask)
    largest = float(a.detach().max()) if a.numel() else 0.0
    if largest > 1 + 1e-4:
        raise OpticsError(
            f"mask has modulus up to {largest:g}, expected at most 1. Divide by the largest modulus."
        )
    shape = (mask.shape[-2], mask.shape[-1])
    carrier = carrier_phase(shape, spec.carrier, origin, dtype=real_dtype(mask.dtype)).to(mask.device)
    if spec.method in _HOLOGRAMS:
        wave = mask.real * torch.cos(carrier) - mask.imag * torch.sin(carrier)
        return _HOLOGRAMS[spec.method](wave, a.detach())
    start_on_axis = spec.method == "direct" and spec.carrier == (0.0, 0.0)
    return _PHASES["double_phase" if start_on_axis else spec.method](a, p + carrier, origin)
