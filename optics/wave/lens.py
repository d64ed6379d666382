"""A thin lens: quadratic phase, circular stop, decentre, defocus and Zernike aberrations.

Paraxial, as its focal length is: `exp(-i pi r^2 / (lambda f))` (Goodman, Introduction to Fourier Optics, 3rd
ed., equation 5-10). The phase is built in float64 and cast last. Without polarisation, as everything here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import field_validator, model_validator
from torch import Tensor, nn

from optics.checks import ShapeError, SpecError, check_range
from optics.conventions import Point, axis, cis, complex_dtype
from optics.numbers import GRADIENT
from optics.spec import SHIFT, Spec, flaw, metres
from optics.wave.aperture import circular_aperture
from optics.wave.fourier import Pitch, as_pair, check_plane
from optics.wave.sampling import check_lens_sampling, check_wavelength
from optics.wave.zernike_polynomials import zernike_phase


class LensSpec(Spec):
    """A lens.

    focal_length: metres, positive. diameter: of its clear aperture, metres; None is unlimited. transmission:
    share of the power that passes. defocus: how much longer than `focal_length` the real focal length is,
    metres. decentre: (y, x) displacement, metres. zernike: Noll index -> radians rms over the clear aperture
    (needs a diameter), at the main wavelength of the light. chromatic_shift: (wavelength, focal length there minus that
    at any fixed one) pairs, metres, rising wavelengths, read linearly between: `focal_length` is that at the main
    wavelength. defocus, decentre and zernike may be tensors that carry a gradient, see `optics.numbers`.
    """

    focal_length: Annotated[float, metres(1e-3, 10.0, usual=(5e-3, 2.0))]
    diameter: Annotated[float | None, metres(1e-6, 1.0, usual=(1e-3, 0.2))] = None
    transmission: float = flaw(1.0, ge=1e-9, le=1.0)
    defocus: Annotated[float, metres(-5.0, 5.0, usual=SHIFT), GRADIENT] = flaw(0.0)
    decentre: Annotated[Point, metres(-0.1, 0.1, usual=SHIFT), GRADIENT] = flaw((0.0, 0.0))
    zernike: Annotated[dict[int, float], GRADIENT] = flaw({})
    chromatic_shift: tuple[tuple[float, float], ...] = flaw(())

    def focal_shift(self, wavelength: float) -> float:
        """What `chromatic_shift` says at a wavelength (metres); 0 without it.

        Raises:
            SpecError: a wavelength that the pairs do not cover.
        """
        if not self.chromatic_shift:
            return 0.0
        known, shifts = zip(*self.chromatic_shift, strict=True)
        if not known[0] * (1 - 1e-9) <= wavelength <= known[-1] * (1 + 1e-9):
            raise SpecError(
                f"chromatic_shift covers {known[0]:.4g} to {known[-1]:.4g} m, the light has {wavelength:.4g} m; add "
                "a pair."
            )
        return float(np.interp(wavelength, known, shifts))

    @field_validator("chromatic_shift")
    @classmethod
    def _rising(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        known = [wavelength for wavelength, _ in value]
        if len(value) == 1 or any(b <= a for a, b in itertools.pairwise(known)):
            raise ValueError(
                "expected two or more (wavelength, focal shift) pairs, metres, of rising wavelength"
            )
        return value

    @field_validator("zernike")
    @classmethod
    def _noll(cls, value: dict[int, float]) -> dict[int, float]:
        wrong = [j for j in value if j < 1]
        if wrong:
            raise ValueError(
                f"Noll index {wrong[0]}: indices start at 1 (2 tilt along x, 3 along y, 4 defocus)"
            )
        return value

    @model_validator(mode="after")
    def _fits(self) -> LensSpec:
        if self.zernike and self.diameter is None:
            raise ValueError("zernike needs a diameter: the disc on which the coefficients are radians rms")
        if self.focal_length + self.defocus <= 0:
            raise ValueError(
                f"defocus is {self.defocus:g} m: the focal length of {self.focal_length:g} m turns negative"
            )
        return self

    @property
    def as_built(self) -> dict[str, Any]:
        """The lens that really stands there, as arguments of `lens_transmission` and `thin_lens`."""
        return {
            "focal_length": self.focal_length + self.defocus,
            "diameter": self.diameter,
            "centre": self.decentre,
            "zernike": self.zernike,
            "transmission": self.transmission,
        }


def lens_phase(
    shape: tuple[int, int],
    *,
    wavelength: float,
    pitch: Pitch,
    focal_length: float,
    centre: Point = (0.0, 0.0),
) -> Tensor:
    """`-pi r^2 / (lambda f)` about `centre`; (ny, nx) float64, radians. Lengths in metres; f < 0 diverges.

    Raises:
        SpecError: a wavelength or pitch that is not positive, a focal length of zero.
    """
    check_wavelength(wavelength)
    pair = as_pair("pitch", pitch)
    if focal_length == 0 or not math.isfinite(focal_length):
        raise SpecError(
            f"focal_length is {focal_length}, expected metres, not 0 (negative for a diverging lens)."
        )
    y, x = (axis(shape[k], pair[k]) - centre[k] for k in (0, 1))
    return -math.pi / (wavelength * focal_length) * (y[:, None] ** 2 + x[None, :] ** 2)


def lens_transmission(
    shape: tuple[int, int],
    *,
    wavelength: float,
    pitch: Pitch,
    focal_length: float,
    diameter: float | None = None,
    centre: Point = (0.0, 0.0),
    zernike: Mapping[int, float | Tensor] | None = None,
    transmission: float = 1.0,
) -> Tensor:
    """What a thin lens multiplies a field by; (ny, nx) complex128.

    Args:
        shape: (ny, nx) samples; the origin is at index `n // 2`.
        wavelength: metres.
        pitch: metres; one number or (y, x).
        focal_length: metres; negative for a diverging lens.
        diameter: of the circular stop (anti-aliased), metres; None is unlimited.
        centre: (y, x) of the lens, metres.
        zernike: Noll index -> radians rms over the stop.
        transmission: share of the power that passes.

    Raises:
        SpecError: a value is not physical; zernike without a diameter.
    """
    phase = lens_phase(shape, wavelength=wavelength, pitch=pitch, focal_length=focal_length, centre=centre)
    check_range("transmission", transmission, 0.0, 1.0, fix="It is a share of the power.")
    if zernike:
        if diameter is None:
            raise SpecError("zernike was given without a diameter: pass the disc's diameter, metres.")
        phase = phase + zernike_phase(zernike, shape, pitch, diameter, centre=centre)
    factor = cis(phase)
    if diameter is not None:
        factor = factor * circular_aperture(shape, pitch, diameter, centre=centre)
    return math.sqrt(transmission) * factor


def _sampled_transmission(
    shape: tuple[int, int],
    *,
    wavelength: float,
    pitch: Pitch,
    focal_length: float,
    diameter: float | None,
    centre: Point,
    **rest: Any,
) -> Tensor:
    """`lens_transmission` on a grid that can hold it, or SamplingError."""
    outline: dict[str, Any] = {"focal_length": focal_length, "diameter": diameter, "centre": centre}
    check_lens_sampling(shape, wavelength=wavelength, pitch=pitch, **outline)
    return lens_transmission(shape, wavelength=wavelength, pitch=pitch, **outline, **rest)


def thin_lens(
    field: Tensor,
    *,
    wavelength: float,
    pitch: Pitch,
    focal_length: float,
    diameter: float | None = None,
    centre: Point = (0.0, 0.0),
    zernike: Mapping[int, float | Tensor] | None = None,
    transmission: float = 1.0,
) -> Tensor:
    """Pass a field (..., ny, nx) through a thin lens; same shape, complex of the field's precision.

    Arguments as `lens_transmission`.

    Raises:
        SamplingError: the lens turns the phase by more than half a cycle between two samples inside its stop,
            so that its edge would act as a grating; the message says which pitch, focal length or diameter
            would do.
    """
    check_plane(field)
    factor = _sampled_transmission(
        (field.shape[-2], field.shape[-1]),
        wavelength=wavelength,
        pitch=pitch,
        focal_length=focal_length,
        diameter=diameter,
        centre=centre,
        zernike=zernike,
        transmission=transmission,
    )
    return field * factor.to(device=field.device, dtype=complex_dtype(field.dtype))


class Lens(nn.Module):
    """A thin lens on a fixed plane, from its spec: holds its factor in a buffer and multiplies fields by it.

    Args:
        spec: the lens.
        shape: (ny, nx) samples of the fields that meet it.
        wavelength: metres.
        pitch: of the fields, metres; one number or (y, x).
        dtype: complex64 or complex128; fields must have this dtype.

    Raises:
        SamplingError: see `thin_lens`.
    """

    factor: Tensor

    def __init__(
        self,
        spec: LensSpec,
        shape: tuple[int, int],
        *,
        wavelength: float,
        pitch: Pitch,
        dtype: torch.dtype = torch.complex64,
    ) -> None:
        super().__init__()
        self.spec = spec
        factor = _sampled_transmission(shape, wavelength=wavelength, pitch=pitch, **spec.as_built)
        self.register_buffer("factor", factor.to(complex_dtype(dtype)), persistent=False)

    def forward(self, field: Tensor) -> Tensor:
        """Field (..., ny, nx) behind the lens; same shape and dtype."""
        check_plane(field)
        if field.shape[-2:] != self.factor.shape:
            raise ShapeError(
                f"field has {tuple(field.shape[-2:])} samples, this lens {tuple(self.factor.shape)}. "
                "Pad or crop the field, or make the lens with its shape."
            )
        return field * self.factor
