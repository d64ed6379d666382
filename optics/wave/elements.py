"""Thin elements in a plane: amplitude, phase and complex masks, field stops, blazed and binary gratings.

A thin element multiplies the field sample by sample, in the field's precision. Fields are (..., ny, nx); a
mask is one plane (ny, nx) for all of them, or has the field's full shape; nothing else is broadcast. Without
polarisation, by design.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from optics.checks import OpticsError, ShapeError, SpecError, check_finite, check_phase, check_range
from optics.conventions import Point, axis, cis, complex_dtype, real_dtype
from optics.wave.aperture import circular_aperture, rectangular_aperture
from optics.wave.fourier import Pitch, as_pair, check_plane
from optics.wave.sampling import check_carrier, check_samples

MaskKind = Literal["amplitude", "phase", "complex"]

_PASSIVE = 1 + 1e-5
"""Largest amplitude a passive mask may have; the excess is rounding in single precision."""


def amplitude_mask(field: Tensor, transmission: Tensor) -> Tensor:
    """Multiply a field by an *amplitude* transmission, real, 0 to 1; its square is the share of power.

    Args:
        field: (..., ny, nx), real or complex.
        transmission: (ny, nx), or the field's shape.

    Raises:
        OpticsError: the transmission is complex, not finite, negative or above 1.
        ShapeError: the shapes do not fit.
    """
    _check_fits(field, transmission, "transmission")
    if transmission.is_complex() or not transmission.is_floating_point():
        raise OpticsError(
            f"transmission has dtype {transmission.dtype}, expected real floating point. Pass mask.abs() for "
            "the amplitude alone, or use complex_mask."
        )
    check_finite(transmission, name="transmission")
    bounds = transmission.detach().aminmax()
    low, high = float(bounds.min), float(bounds.max)
    if low < 0 or high > _PASSIVE:
        raise OpticsError(
            f"transmission goes from {low:.4g} to {high:.4g}, expected 0 to 1: a mask adds no light and a "
            "negative amplitude is a phase of pi. Divide by its maximum, or use complex_mask."
        )
    return field * transmission.to(real_dtype(field.dtype))


def phase_mask(field: Tensor, phase: Tensor) -> Tensor:
    """Multiply a field by `exp(+i phase)`: a positive phase is a retardation.

    Args:
        field: (..., ny, nx), real or complex.
        phase: (ny, nx), or the field's shape; real, radians.

    Raises:
        OpticsError: the phase is complex or not finite.
        ShapeError: the shapes do not fit.
    """
    _check_fits(field, phase, "phase")
    check_phase(phase)
    return field * cis(phase).to(complex_dtype(field.dtype))


def complex_mask(field: Tensor, mask: Tensor) -> Tensor:
    """Multiply a field by a complex mask of magnitude at most 1.

    Args:
        field: (..., ny, nx), real or complex.
        mask: (ny, nx), or the field's shape; complex.

    Raises:
        OpticsError: the mask is real (say whether it is an amplitude or a phase), not finite or larger than
            1.
        ShapeError: the shapes do not fit.
    """
    _check_fits(field, mask, "mask")
    if not mask.is_complex():
        raise OpticsError(
            f"mask has dtype {mask.dtype}, expected complex. Use amplitude_mask or phase_mask for a real mask, or "
            "torch.complex(real, imaginary)."
        )
    check_finite(torch.view_as_real(mask), name="mask")
    high = float(mask.detach().abs().max())
    if high > _PASSIVE:
        raise OpticsError(f"mask has a magnitude of {high:.4g}, expected at most 1. Divide by its maximum.")
    return field * mask.to(complex_dtype(field.dtype))


def _check_fits(field: Tensor, mask: Tensor, name: str) -> None:
    check_plane(field)
    allowed = (tuple(field.shape[-2:]), tuple(field.shape))
    if tuple(mask.shape) not in allowed:
        raise ShapeError(
            f"{name} has shape {tuple(mask.shape)}, expected {allowed[0]} (one plane for all) or the field's "
            f"{allowed[1]}. Expand it explicitly where several fields share it."
        )


class Mask(nn.Module):
    """A mask that stays in its plane: an `nn.Parameter` is trained, a plain tensor is kept as a buffer.

    Args:
        value: (ny, nx): amplitude 0 to 1, phase in radians, or complex of magnitude at most 1.
        kind: "amplitude", "phase" or "complex".
    """

    value: Tensor

    def __init__(self, value: Tensor, *, kind: MaskKind) -> None:
        super().__init__()
        if kind not in _APPLY:
            raise SpecError(f"kind is {kind!r}, expected one of {', '.join(_APPLY)}.")
        self.kind = kind
        if isinstance(value, nn.Parameter):
            self.value = value
        else:
            self.register_buffer("value", value)
        if value.ndim != 2:
            raise ShapeError(f"a mask's value has shape {tuple(value.shape)}, expected one plane (ny, nx).")
        _APPLY[kind](torch.zeros(value.shape, dtype=complex_dtype(value.dtype), device=value.device), value)

    def forward(self, field: Tensor) -> Tensor:
        """Field (..., ny, nx) behind the mask; same shape."""
        return _APPLY[self.kind](field, self.value)


_APPLY = {"amplitude": amplitude_mask, "phase": phase_mask, "complex": complex_mask}


def field_stop(
    field: Tensor,
    *,
    pitch: Pitch,
    diameter: float | None = None,
    width: Point | None = None,
    centre: Point = (0.0, 0.0),
) -> Tensor:
    """Pass a field (..., ny, nx) through an anti-aliased stop: a circle or a rectangle; same shape.

    `diameter`, or `width` and `centre` as (y, x), in metres; `centre` is the stop's middle.

    Raises:
        SpecError: neither or both of diameter and width, or a length that is not positive.
    """
    check_plane(field)
    if (diameter is None) == (width is None):
        raise SpecError(
            "a field stop takes either a diameter (circle) or a width (y, x) (rectangle), metres."
        )
    shape = (field.shape[-2], field.shape[-1])
    if diameter is not None:
        stop = circular_aperture(shape, pitch, diameter, centre=centre)
    else:
        stop = rectangular_aperture(shape, pitch, width or (0.0, 0.0), centre=centre)
    return field * stop.to(device=field.device, dtype=real_dtype(field.dtype))


def _cycles(shape: tuple[int, int], pitch: Pitch, period: float, angle: float) -> Tensor:
    """Periods between each sample and the origin, along the direction `angle`; (ny, nx) float64."""
    check_samples(shape)
    py, px = as_pair("pitch", pitch)
    if not math.isfinite(angle):
        raise SpecError(f"angle is {angle}, expected radians from +x towards +y.")
    cosine, sine = math.cos(angle), math.sin(angle)
    check_carrier(period, pitch=abs(cosine) * px + abs(sine) * py)
    y, x = axis(shape[0], py), axis(shape[1], px)
    return (y[:, None] * sine + x[None, :] * cosine) / period


def blazed_grating(
    shape: tuple[int, int],
    pitch: Pitch,
    period: float,
    *,
    angle: float = 0.0,
    levels: int | None = None,
    depth: float = 2 * math.pi,
) -> Tensor:
    """A sawtooth phase that sends light towards `angle`; (ny, nx) float64, radians, from 0 to `depth`.

    In the back focal plane of a lens the first order lies at `+lambda f / period` along that direction. With
    samples of pitch p its efficiency is `sinc^2(p / period)`, with L levels `sinc^2(1 / L)` (Goodman,
    Introduction to Fourier Optics, 3rd ed., section 7.3), with a depth d `sinc^2(1 - d / 2 pi)`.

    Args:
        shape: (ny, nx) samples; the phase is 0 at the origin.
        pitch: metres; one number or (y, x).
        period: metres; negative sends the light the other way.
        angle: direction of the blaze from +x towards +y, radians.
        levels: number of equal steps per period; None is continuous.
        depth: phase of a whole period, radians; 2 pi is a full blaze.

    Raises:
        SamplingError: the period is shorter than two samples.
        SpecError: a length or count that is not physical.
    """
    cycles = _cycles(shape, pitch, period, angle)
    check_range("depth", depth, 0.0, 200.0, fix="It is in radians; a full blaze has 2 pi.")
    fraction = cycles - torch.floor(cycles + 1e-9)
    if levels is not None:
        if levels < 2:
            raise SpecError(f"levels is {levels}, expected at least 2; None is a continuous blaze.")
        fraction = torch.floor(fraction * levels + 1e-9) / levels
    return fraction.clamp(min=0) * depth


def binary_grating(
    shape: tuple[int, int],
    pitch: Pitch,
    period: float,
    *,
    angle: float = 0.0,
    duty: float = 0.5,
    low: float = 0.0,
    high: float = 1.0,
) -> Tensor:
    """Two values in turn, (ny, nx) float64: amplitudes or phases, by what they are then used as.

    As an amplitude, 0 and 1 at duty 1/2 put `1/4` of the light into order 0 and `1/pi^2` into each first
    order; as a phase, 0 and pi put none and `4/pi^2` (Goodman, 3rd ed., section 4.4).

    Args:
        shape: (ny, nx) samples; the origin is in the middle of a `high` bar.
        pitch: metres; one number or (y, x).
        period: metres.
        angle: direction across the bars from +x towards +y, radians.
        duty: share of the period that is `high`, between 0 and 1.
        low: value of the rest.
        high: value of the bars.

    Raises:
        SamplingError: the period is shorter than two samples.
        SpecError: a duty outside 0 to 1.
    """
    check_range("duty", duty, 0.0, 1.0, fix="It is the share of a period that has the high value.")
    cycles = _cycles(shape, pitch, period, angle) + duty / 2
    bars = (cycles - torch.floor(cycles + 1e-9)) < duty - 1e-9
    return torch.where(bars, high, low).double()
