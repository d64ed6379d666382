"""A spatial light modulator: from what a pixel should do to what it does. Ideal and real by the same code.

One complex reflectance per SLM pixel comes out, the mean over the pixel's area:

    r(y, x) = sqrt(reflectivity) exp(i curvature(y, x)) (sqrt(1 - z) (F m(y, x) + (1 - F) gap) + i sqrt(z))

`z` is the power that bypasses the pixels (`zero_order`), `F` the fill factor and `m` what the active area does; the
gap between pixels reflects without modulation (`gap = 1`) on a liquid-crystal phase device, so a uniform share `(1 -
F)^2` of the light is an un-modulated zero order, and is dark (`gap = 0`) on amplitude devices and mirror arrays. `m`
of a phase device is

    level -> phase (response) -> stuck pixels -> ripple -> fringing into the neighbours -> mean of exp(i phase)

The ripple scales the phase about mid drive, `phase + e (phase - pi)`: the common phase it also brings is invisible. An
exposure averages intensities over `e`: sum them over `SLM.states`, see `optics.slm.ripple`. A *complex* modulator is
the ideal that encodings approach: the target's modulus times a phase device that shows its argument.
Sources: McManamon et al., Proc. IEEE 84, 268 (1996) for fill factor and fly-back; the others in
`optics.slm.fringing_field`, `optics.slm.response`, `optics.slm.ripple`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.checks import OpticsError, SpecError, check_finite, check_phase, check_shape
from optics.conventions import cis, complex_dtype, real_dtype
from optics.modules import ConstantBuffers
from optics.numbers import plain
from optics.slm.fringing_field import Fringing, mean_phasor, mean_value
from optics.slm.level_search import LevelSearch
from optics.slm.response import (
    TWO_PI,
    ResponseSpec,
    look_up,
    nearest_amplitude,
    nearest_level,
    nominal_level,
    slopes,
    straight_through,
)
from optics.slm.ripple import Ripple, States, draw_ripple, mean_field_loss, ripple_states, rippled
from optics.slm.spec import NOMINAL, SLMSpec
from optics.wave.zernike_polynomials import zernike_phase

__all__ = ["SLM", "SLMSpec"]


class SLM(ConstantBuffers):
    """What the panel, or a part of it, shows.

    Args:
        spec: the device.
        region: (rows, columns) slices of the panel that are simulated; None is all of it.
        assumed: the response that whoever computes the levels assumes; None is the spec's `assumed`. Where the spec's
            response holds tensors, it is its value now: their gradient is that of a panel that answers otherwise.
        dtype: float32 or float64, of the arithmetic.

    Raises:
        SpecError: the region is empty or off the panel, or the assumed LUT does not fit the levels.
    """

    zero: Tensor
    table: Tensor  # of the levels; None on a continuous device, as are the next two
    assumed_table: Tensor
    slope: Tensor | None
    sections: Tensor | None
    assumed_sections: Tensor | None
    held: Tensor  # None without defects, as is the next
    defective: Tensor | None
    surface: Tensor | None
    active: Tensor | None  # the surface times the share of the active areas, and of the gaps
    gaps: Tensor | None

    def __init__(
        self,
        spec: SLMSpec,
        *,
        region: tuple[slice, slice] | None = None,
        assumed: ResponseSpec | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.assumed = (assumed or spec.assumed).without_tensors()
        self.region, self.shape = _region(spec.shape, region)
        self.bits = 1 if spec.modulation == "dmd" else spec.bits
        self.fringing = self._fringing()
        self.gap = 1.0 if spec.modulation in ("complex", "phase") else 0.0
        lut = self.assumed.lut
        if lut is not None and (self.bits is None or len(lut) != 2**self.bits):
            raise SpecError(f"assumed.lut has {len(lut)} values, expected 2**bits; bits is {self.bits}.")
        self._build(dtype)

    # ------------------------------------------------------------------ what is kept

    def _fringing(self) -> Fringing | None:
        """The fringing field's sampling, for the largest phase that the response holds; None without one."""
        spec = self.spec.without_tensors()
        if spec.crosstalk == (0.0, 0.0):
            return None
        most = max(factor for row in spec.response.sections or ((1.0,),) for factor in row)
        return Fringing(spec.crosstalk, span=spec.response.largest * most, fill_factor=spec.fill_factor)

    def _build(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._keep("zero", torch.zeros((), dtype=torch.float64), dtype)
        self._keep_response(dtype)
        self._keep_defects(dtype)
        self._keep_surface(dtype)

    def _keep_response(self, dtype: torch.dtype) -> None:
        """Tables of levels, straight-through slopes, and the sub-sections' factors; all None where they are trivial."""
        table = assumed = slope = None
        if self.bits is not None:
            kind = "amplitudes" if self.spec.modulation in ("amplitude", "dmd") else "table"
            table = getattr(self.spec.response, kind)(self.bits)
            assumed = getattr(self.assumed, kind)(self.bits)
            slope = slopes(table.detach(), assumed)
        self.search = None if assumed is None else LevelSearch.of(assumed, dtype)
        self._keep("table", table, dtype)
        self._keep("assumed_table", assumed, dtype)
        self._keep("slope", slope, dtype)
        for name, response in (("sections", self.spec.response), ("assumed_sections", self.assumed)):
            factors = response.section_map(self.spec.shape)
            self._keep(name, None if factors is None else factors[self.region], dtype)
        response = self.spec.response
        lowest = 1.0 if self.sections is None else float(self.sections.detach().min())
        reaches = self.bits is None and plain(response.range) * lowest >= TWO_PI
        # tensors may move away from what is assumed
        self.exact = bool(reaches and response.without_tensors() is response and response == self.assumed)

    def _keep_defects(self, dtype: torch.dtype) -> None:
        """Pixels that do not obey and the phase or amplitude they hold, drawn once from the spec's seed."""
        spec = self.spec
        held = obeys_not = None
        if spec.stuck or spec.dead:
            generator = torch.Generator().manual_seed(spec.seed)
            which = torch.rand(spec.shape, generator=generator, dtype=torch.float64)
            drive = torch.rand(spec.shape, generator=generator, dtype=torch.float64)
            if self.table is not None:
                held = look_up(self.table.double(), (drive * len(self.table)).to(torch.int32))
            else:
                held = drive if spec.modulation == "amplitude" else spec.response.value(drive)
            held = torch.where(which < spec.stuck, held, torch.zeros_like(held))[self.region]
            obeys_not = (which < spec.stuck + spec.dead)[self.region].contiguous()
        self._keep("held", held, dtype)
        self.register_buffer("defective", obeys_not, persistent=False)

    def _keep_surface(self, dtype: torch.dtype) -> None:
        """The factor all light meets, gap included: reflectivity and the backplane's curvature; None where it is 1."""
        spec, surface = self.spec, None
        power = spec.reflectivity * spec.beam_splitter
        if spec.curvature or power != 1.0 or spec.zero_order:
            surface = torch.full(self.shape, math.sqrt(power), dtype=torch.complex128)
            if spec.curvature:
                centre = [
                    (n // 2 - (part.start + size // 2)) * spec.pitch
                    for n, part, size in zip(spec.shape, self.region, self.shape, strict=True)
                ]
                phase = zernike_phase(
                    spec.curvature,
                    self.shape,
                    spec.pitch,
                    math.hypot(*spec.shape) * spec.pitch * (1 + 1e-9),
                    centre=(centre[0], centre[1]),
                )
                surface = surface * cis(phase)
        self._keep("surface", surface, dtype)
        active = gaps = None
        if surface is not None:
            active = surface * (spec.fill_factor * spec.meeting)
            rest = (1.0 - spec.fill_factor) * self.gap * spec.meeting + spec.bypassing
            gaps = surface * rest if rest else None
        self._keep("active", active, dtype)
        self._keep("gaps", gaps, dtype)

    # ------------------------------------------------------------------ in and out

    def levels(self, target: Tensor) -> Tensor:
        """The levels that are sent for a target (..., ry, rx); int32, same shape. See `forward` for the target.

        Raises:
            OpticsError: a continuous device (`bits` is None) or a complex modulator has no levels.
        """
        if self.bits is None or self.spec.modulation == "complex":
            raise OpticsError(
                f"an SLM with bits {self.bits} and modulation {self.spec.modulation!r} has no levels. "
                'Set slm.bits, and modulation "phase", "amplitude" or "dmd".'
            )
        self._check(target)
        return self._level(target)

    @property
    def states(self) -> States:
        """What the panel ripples through in an exposure: ((ripple,), weight) pairs; add the intensities, weighted."""
        return ripple_states(self.spec.flicker)

    def of_levels(
        self,
        levels: Tensor,
        *,
        generator: torch.Generator | None = None,
        ripple: Ripple = None,
    ) -> Tensor:
        """Reflectance (..., ry, rx) complex of integer levels (..., ry, rx): what the panel does with what it is sent.

        generator, ripple: as in `forward`.

        Raises:
            OpticsError: the device has no levels, or a level is out of range.
            ShapeError: the levels are not the region's.
        """
        if self.bits is None or self.spec.modulation == "complex":
            raise OpticsError(
                "this SLM is continuous or complex and has no levels; call it with a target instead."
            )
        if levels.dtype not in (torch.int32, torch.int64, torch.int16, torch.uint8):
            raise OpticsError(
                f"levels have dtype {levels.dtype}, expected integers. Round them, or call levels."
            )
        self._check_region(levels, "levels")
        if levels.numel():
            low, high = int(levels.min()), int(levels.max())
            if low < 0 or high >= 2**self.bits:
                raise OpticsError(
                    f"levels span {low} .. {high}, expected 0 .. {2**self.bits - 1} for {self.bits} bits."
                )
        return self._show(look_up(self.table, levels.to(torch.int32)), None, generator, ripple)

    def forward(
        self,
        target: Tensor,
        *,
        generator: torch.Generator | None = None,
        ripple: Ripple = None,
    ) -> Tensor:
        """Complex reflectance of each SLM pixel.

        Args:
            target: what each pixel should do, (..., ry, rx): radians (phase), complex of modulus <= 1 (complex), or an
                amplitude in [0, 1] (amplitude, dmd; a mirror is on from 1/2).
            generator: draws one ripple per frame.
            ripple: of one of `states`, for intensities that are to be averaged. Neither: the mean *field* over the
                exposure, whose square is not the mean intensity.

        Returns:
            (..., ry, rx) complex. Differentiable; rounding to levels passes the gradient straight through.

        Raises:
            OpticsError: wrong type or range, or a value that is not finite. ShapeError: not the region's shape.
        """
        self._check(target)
        if self.spec.modulation == "complex":
            if self._ideal_phase():
                return self.with_gaps(target)
            return self._show(self._response(target.angle()), target.abs(), generator, ripple)
        return self._show(self._response(target), None, generator, ripple)

    def phase(self, target: Tensor) -> Tensor:
        """The phase that each pixel of a phase device holds at rest, radians, for a target as in `forward`.

        Before the fringing field, the ripple and the gap between pixels. (..., ry, rx) real, differentiable.

        Raises:
            OpticsError: not a phase device, or a bad target.
        """
        if self.spec.modulation != "phase":
            raise OpticsError(f'modulation is {self.spec.modulation!r}; only a "phase" device holds phases.')
        self._check(target)
        return self._settle(self._response(target))

    # ------------------------------------------------------------------ steps

    def _check_region(self, x: Tensor, name: str) -> None:
        fix = "It covers the simulated region of the panel, one value per SLM pixel."
        check_shape(x, (*x.shape[:-2], *self.shape), name=name, fix=fix)

    def _check(self, target: Tensor) -> None:
        kind = self.spec.modulation
        self._check_region(target, "target")
        if kind == "phase":
            check_phase(target, name="target")
        elif target.is_complex() != (kind == "complex"):
            want = "complex" if kind == "complex" else "real"
            raise OpticsError(f"target has dtype {target.dtype}, expected {want} for modulation {kind!r}.")
        else:
            check_finite(target, name="target")
            largest = float(target.detach().abs().max()) if target.numel() else 0.0
            if largest > 1 + 1e-4:
                raise OpticsError(
                    f"target has modulus up to {largest:g}, expected at most 1. Divide by the largest modulus."
                )
            if kind != "complex" and target.numel() and float(target.detach().min()) < 0:
                raise OpticsError("target is negative somewhere, expected amplitudes in [0, 1].")
        if real_dtype(target.dtype) != self.zero.dtype:
            raise OpticsError(
                f"target is {target.dtype}, this SLM computes in {self.zero.dtype}. Convert one of the two."
            )

    def _level(self, target: Tensor) -> Tensor:
        with torch.no_grad():
            if self.spec.modulation in ("amplitude", "dmd"):
                return nearest_amplitude(target, self.assumed_table, search=self.search)
            if self.assumed == NOMINAL:
                return nominal_level(target, len(self.table).bit_length() - 1)
            return nearest_level(target, self.assumed_table, self.assumed_sections, search=self.search)

    def _response(self, target: Tensor) -> Tensor:
        """What each pixel is driven to, radians (before the sub-sections' factors) or amplitude."""
        if self.bits is not None:
            level = self._level(target)
            if self.assumed_sections is not None:
                target = target / self.assumed_sections
            return straight_through(target, level, self.table, self.slope)
        if self.spec.modulation == "amplitude":
            gammas = (self.spec.response.gamma, self.assumed.gamma)
            return target if gammas[0] == gammas[1] else target.clamp(min=1e-6) ** (gammas[0] / gammas[1])
        if self.exact:
            return target if self.sections is None else torch.remainder(target, TWO_PI) / self.sections
        scale = self.zero + 1.0 if self.assumed_sections is None else self.assumed_sections
        wrapped = torch.remainder(target, TWO_PI)
        top = self.assumed.range * scale
        drive = (wrapped / top).clamp(min=1e-6 if self.assumed.gamma != 1.0 else 0.0, max=1.0)
        if self.assumed.gamma != 1.0:
            drive = drive ** (1 / self.assumed.gamma)
        past = (wrapped > top) & (TWO_PI - wrapped < wrapped - top)
        return self.spec.response.value(torch.where(past, self.zero, drive))

    def _ideal_phase(self) -> bool:
        """Whether the phase is shown exactly and nothing else happens to it."""
        spec = self.spec
        return self.exact and self.fringing is None and spec.flicker == 0.0 and not (spec.stuck or spec.dead)

    def _show(
        self,
        value: Tensor,
        modulus: Tensor | None,
        generator: torch.Generator | None,
        ripple: Ripple,
    ) -> Tensor:
        """From drives to reflectance; `value` is the response's phase or amplitude, `modulus` a complex target's."""
        if self.spec.modulation in ("amplitude", "dmd"):
            if self.defective is not None:
                value = torch.where(self.defective, self.held, value)
            m = mean_value(value, self.fringing) if self.fringing is not None else value
            return self.with_gaps(m.to(complex_dtype(m.dtype)))
        still = self._settle(value)
        value, flicker = still, self.spec.flicker
        if flicker and generator is not None:
            value = rippled(still, draw_ripple(still, flicker, generator))
        elif flicker and ripple is not None:
            value = rippled(still, ripple[0])
        m = mean_phasor(value, self.fringing) if self.fringing is not None else cis(value)
        if flicker and generator is None and ripple is None:
            m = m * mean_field_loss(still, flicker)
        if modulus is not None:
            m = m * modulus
        return self.with_gaps(m)

    def _settle(self, value: Tensor) -> Tensor:
        """From the response's phase to the phase each pixel holds: sub-sections, defects; reduced where it matters."""
        if self.sections is not None:
            value = value * self.sections
        if self.defective is not None:
            held = self.held if self.sections is None else self.held * self.sections
            value = torch.where(self.defective, held, value)
        if self.exact and (self.spec.flicker or self.fringing is not None):
            value = torch.remainder(value, TWO_PI)
        return value

    def with_gaps(self, m: Tensor) -> Tensor:
        """Reflectance (..., ry, rx) of pixels whose active area does `m`: fill factor, then what all light meets."""
        if self.active is not None:
            return m * self.active if self.gaps is None else torch.addcmul(self.gaps, m, self.active)
        fill = self.spec.fill_factor
        if fill != 1.0:
            m = m * fill
            if self.gap:
                m = m + (1.0 - fill) * self.gap
        return m


def _region(
    shape: tuple[int, int], region: tuple[slice, slice] | None
) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """The region as slices with plain bounds, and its shape."""
    parts, sizes = [], []
    for name, n, part in zip("yx", shape, region or (slice(None), slice(None)), strict=True):
        start, stop, step = part.indices(n)
        whole = part.stop is None or 0 <= part.stop <= n
        if step != 1 or stop <= start or not whole:
            raise SpecError(f"region along {name} is {part}, expected a slice with step 1 inside 0 .. {n}.")
        parts.append(slice(start, stop))
        sizes.append(stop - start)
    return (parts[0], parts[1]), (sizes[0], sizes[1])
