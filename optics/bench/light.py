"""The light: wavelength, coherence, spectrum, and how many photons reach a camera pixel.

Partially coherent light is a sum over source points: each lights the display with a plane wave of its own
tilt, coherent within itself; the camera adds their intensities (Goodman, Statistical Optics, 2nd ed., section
7.2, the Abbe method). A source of width zero is coherent; a wide one tends to incoherent imaging. Several
wavelengths are added as intensities as well.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor

from optics.checks import SpecError
from optics.conventions import axis
from optics.spec import SHIFT, Spec, flaw, metres

PLANCK = 6.62607015e-34  # J s, exact (SI 2019)
LIGHT_SPEED = 299792458.0  # m / s, exact


class LightSpec(Spec):
    """The source and what it puts on the display.

    wavelength: metres. coherence: "coherent", "incoherent" or "partial". photons: expected photons that one
    *unbinned* camera pixel receives in one exposure where an image area of full scale (amplitude 1) meets a clear,
    lossless mask: image intensity I in units of full scale gives `photons * I`; None = camera frames in units of
    full scale. source_width: full angle of the source seen from the display, radians (partial light only).
    source_points: points across that angle. spectrum: further wavelengths as (wavelength in metres, weight) pairs,
    where the main wavelength has weight 1. beam_radius: of a Gaussian beam on the display, where its intensity is
    `exp(-2)` of the middle's, metres; None is even light. beam_centre: (y, x) of that beam, metres. beam_map: relative
    intensity on the display, rows of equal cells that cover the image. Where the profile is 1, `photons` holds.
    """

    wavelength: Annotated[float, metres(1e-8, 1e-3, usual=(1e-7, 2e-5))]
    coherence: Literal["coherent", "incoherent", "partial"] = "coherent"
    photons: float | None = Field(default=None, ge=1e-9, le=1e25)
    source_width: float = Field(default=0.0, ge=0.0, le=1.0)
    source_points: int = Field(default=5, ge=1, le=101)
    spectrum: tuple[tuple[float, float], ...] = flaw(())
    beam_radius: Annotated[float | None, metres(1e-5, 1.0, usual=(1e-4, 0.1))] = flaw(None)
    beam_centre: Annotated[tuple[float, float], metres(-0.1, 0.1, usual=SHIFT)] = flaw((0.0, 0.0))
    beam_map: tuple[tuple[float, ...], ...] = flaw(())

    @field_validator("beam_map")
    @classmethod
    def _cells(cls, value: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if len({len(row) for row in value}) > 1 or any(v < 0 for row in value for v in row) or () in value:
            raise ValueError("beam_map needs rows of equally many relative intensities, 0 or more")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> LightSpec:
        if self.coherence == "partial" and self.source_width == 0.0:
            raise ValueError("partial coherence needs source_width, the angle of the source in radians")
        if self.coherence != "partial" and self.source_width != 0.0:
            raise ValueError(f"source_width needs partial coherence, not {self.coherence!r}")
        for wavelength, weight in self.spectrum:
            if not 1e-8 < wavelength < 1e-3 or weight <= 0:
                raise ValueError(f"spectrum has ({wavelength:g}, {weight:g}), expected (metres, weight > 0)")
        return self

    @property
    def lines(self) -> tuple[tuple[float, float], ...]:
        """All wavelengths as (wavelength in metres, weight), the main one first; the weights sum to 1."""
        pairs = ((self.wavelength, 1.0), *self.spectrum)
        total = sum(weight for _, weight in pairs)
        return tuple((wavelength, weight / total) for wavelength, weight in pairs)

    @property
    def simple(self) -> bool:
        """Whether it is coherent and of one wavelength: one field tells all."""
        return self.coherence == "coherent" and not self.spectrum

    def source(self) -> tuple[Tensor, Tensor]:
        """The source points of one wavelength.

        Returns:
            Angles (n, 2) float64, radians (y, x): the point's plane wave meets the display as
            `exp(+i 2 pi (angle_y y + angle_x x) / wavelength)`; and weights (n,) float64 that sum to 1. The
            points fill a disc of `source_width` on a square grid of `source_points` cells across. Coherent
            light has one point on the axis.

        Raises:
            SpecError: incoherent light, which has no finite set of source points.
        """
        if self.coherence == "incoherent":
            raise SpecError(
                "incoherent light has no finite set of source points: convolve intensities with |psf|^2 "
                "(optics.fourf.illumination.incoherent), or use partial coherence."
            )
        if self.coherence == "coherent":
            return torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        n = self.source_points
        cell = self.source_width / n
        line = axis(n, cell) + (0.0 if n % 2 else cell / 2)
        angles = torch.cartesian_prod(line, line)
        angles = angles[angles.norm(dim=1) <= self.source_width / 2]
        return angles, torch.full((len(angles),), 1 / len(angles), dtype=torch.float64)


def photon_energy(wavelength: float) -> float:
    """Energy of one photon, `h c / wavelength`, joules; wavelength in metres."""
    if not (math.isfinite(wavelength) and wavelength > 0):
        raise SpecError(f"wavelength is {wavelength:g} m, expected metres: 532 nm is 532e-9.")
    return PLANCK * LIGHT_SPEED / wavelength


def photons_per_pixel(
    power: float,
    *,
    wavelength: float,
    exposure: float,
    beam_area: float,
    pixel_pitch: float,
    magnification: float = 1.0,
    efficiency: float = 1.0,
) -> float:
    """Photon budget from the source to one camera pixel: the value for `LightSpec.photons`.

    A beam of `power` watts spread evenly over `beam_area` (m^2) of the display is imaged with `magnification`
    (f2 / f1) onto pixels of `pixel_pitch` (m, unbinned): `power exposure efficiency / (h c / wavelength)`
    photons on `beam_area magnification^2`. exposure: seconds. efficiency: share of the power that passes
    every element between (display, lenses, SLM reflectivity, polarisers), but not the mask itself.

    Raises:
        SpecError: a value is not positive, or the efficiency is above 1.
    """
    for name, value in (("power", power), ("exposure", exposure), ("beam_area", beam_area)):
        if not (math.isfinite(value) and value > 0):
            raise SpecError(f"{name} is {value:g}, expected a positive number in SI units.")
    if pixel_pitch <= 0 or magnification <= 0 or not 0 < efficiency <= 1:
        raise SpecError(
            f"pixel_pitch {pixel_pitch:g} m and magnification {magnification:g} must be positive, "
            f"efficiency {efficiency:g} in (0, 1]."
        )
    share = pixel_pitch**2 / (beam_area * magnification**2)
    return power * exposure * efficiency * share / photon_energy(wavelength)


def power_for(photons: float, **budget: float) -> float:
    """Source power, watts, that gives `photons` per camera pixel; `budget` as for `photons_per_pixel`."""
    return photons / photons_per_pixel(1.0, **budget)
