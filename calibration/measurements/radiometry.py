"""Radiometry of a camera by photon transfer: gain, noise, black level, dark current, efficiency, saturation.

Light with Poisson statistics has a variance equal to its mean. In counts, with a gain of `g` electrons per
count,

    variance = (mean - dark mean) / g + dark variance

so the slope of the temporal variance against the mean signal gives the gain without any reference; the power
meter's photons then give the quantum efficiency. Temporal variances are taken between frames of the same
pixels, so that neither shading nor fixed patterns enter; the responsivity is the mean over the pixels that were seen,
so what their photo-response differs by is part of its error. Sources: Janesick, Photon Transfer (SPIE Press,
2007), chapters 5 and 7; EMVA Standard 1288, release 4.0, sections 6 to 8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from calibration.measurements.flat_statistics import (
    ROUNDING,
    Level,
    Measured,
    dsnu,
    good_pixels,
    level_of,
    prnu,
    spatial_error,
    straight_line,
)
from calibration.rigs.flat_field import FlatField
from optics import notebook
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError

LINEAR_SHARE = 0.7  # of saturation: the part of the transfer curve that is fitted (EMVA 1288, section 6.6)
LINEAR_RANGE = (0.05, 0.95)  # of saturation: where linearity is judged (EMVA 1288, section 7)
ROUNDING_SLACK = 0.01  # relative: keeps the brightest level of a camera that does not saturate
BRIGHTEST = 1.5  # of the nominal saturation: the brightest level shown, so that saturation is seen
ENDLESS = 1e4  # photons: stands for the saturation of a camera that has none
CLIPPED = 1e-3  # share of dark pixels at zero counts above which the black level hides part of the noise
STRAIGHT = 0.98  # of the straight line: a brightest level below it is saturated
HALF_FULL = 0.3  # of the brightest level: up to here no camera is near its saturation
APART = 0.2  # relative: a figure this far from the data sheet's, and by SURE standard errors, contradicts it
SURE = 5  # standard errors above zero at which the slope of the transfer curve is shot noise


@dataclass(frozen=True, repr=False)
class Radiometry:
    """What flat fields tell of a camera; every figure is that of one unbinned sensor pixel.

    gain: electrons per count. responsivity: counts per photon. quantum_efficiency: electrons per photon.
    black_level: counts. read_noise: electrons rms. dark_current: electrons per second. saturation: counts,
    mean of a saturated frame, or None where the light did not saturate the camera. full_well: the same in
    electrons above black; a lower bound where the ADC ends first. linearity: largest relative deviation from
    a straight line between 5 % and 95 % of saturation. prnu: photo-response non-uniformity, rms share of the
    signal, without the lamp's smooth fall-off. dsnu: electrons rms. hot_pixels: share of pixels left
    out as hot. gain_measured: False where the camera shows no shot noise to measure it by, so that the data
    sheet's gain stands. photons, mean, variance: the photon-transfer curve (per level).
    """

    gain: Measured
    responsivity: Measured
    quantum_efficiency: Measured
    black_level: Measured
    read_noise: Measured
    dark_current: Measured
    saturation: Measured | None
    full_well: Measured | None
    linearity: Measured
    prnu: Measured
    dsnu: Measured
    hot_pixels: float
    gain_measured: bool
    photons: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]

    def __repr__(self) -> str:
        """The three figures that matter most."""
        return (
            f"Radiometry(gain {self.gain.value:.4g} e-/DN, read noise {self.read_noise.value:.3g} e-, efficiency "
            f"{self.quantum_efficiency.value:.3g}; {len(self.photons)} light levels)"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: every figure with its standard error."""
        rows = [
            [name.replace("_", " "), f"{value.value:.5g}", f"{value.uncertainty:.2g}"]
            for name, value in vars(self).items()
            if isinstance(value, Measured)
        ]
        return notebook.table(["of one sensor pixel", "value", "±"], rows)

    def corrected(self, spec: CameraSpec) -> CameraSpec:
        """The data sheet's camera with the measured figures in place of its own; binning and exposure stay.

        It is one that such a camera could be: no efficiency above 1, no full well below the data sheet's where only
        the converter's end was seen. Responsivity is what was measured best: `gain / quantum_efficiency`, by which
        counts become photons, keeps it. See `contradictions`.
        """
        gain = self.gain.value
        efficiency = min(1.0, self.responsivity.value * gain)
        changes: dict[str, Any] = {
            "quantum_efficiency": efficiency,
            "read_noise": self.read_noise.value,
            "dark_current": self.dark_current.value,
            "adc.gain": efficiency / self.responsivity.value,
            "adc.black_level": max(0.0, self.black_level.value),
        }
        if self.full_well is not None and self.saturation is not None:
            least = spec.full_well if self._adc_ends_first(spec) else None
            changes["full_well"] = max(self.full_well.value, least or 0.0)
        if self.gain_measured:
            changes["uniformity.prnu"] = min(0.5, self.prnu.value)
            changes["uniformity.dsnu"] = self.dsnu.value
        return spec.replace(**changes)

    def _adc_ends_first(self, spec: CameraSpec) -> bool:
        ceiling = spec.replace(binning=1).ceiling
        return self.saturation is not None and self.saturation.value >= ceiling - SURE * ROUNDING

    def contradictions(self, spec: CameraSpec) -> tuple[str, ...]:
        """What the data sheet says otherwise, one line each; what no camera can be comes first.

        A figure contradicts the data sheet where it is further from it than `APART` of its value and `SURE` standard
        errors. Figures that are ideal in the data sheet promise nothing.
        """
        found = []
        efficiency = self.quantum_efficiency
        if efficiency.value > 1 + SURE * efficiency.uncertainty:
            found.append(
                f"quantum_efficiency is {efficiency.value:.3g} by photon transfer, no camera has more than 1: the lamp "
                f"gives {efficiency.value:.3g} times the photons it is said to give, or more; check its power meter."
            )
        full_well = None if self._adc_ends_first(spec) else spec.full_well
        for name, promised in (
            ("gain", spec.gain if spec.adc.bits is not None else None),
            ("quantum_efficiency", spec.quantum_efficiency if spec.quantum_efficiency < 1.0 else None),
            ("read_noise", spec.read_noise or None),
            ("dark_current", spec.dark_current or None),
            ("full_well", full_well),
            ("prnu", spec.uniformity.prnu or None),
            ("dsnu", spec.uniformity.dsnu or None),
        ):
            got: Measured | None = getattr(self, name)
            if got is None or promised is None:
                continue
            apart = abs(got.value - promised)
            if apart > APART * promised and apart > SURE * got.uncertainty:
                found.append(
                    f"{name} is {got.value:.3g} +- {got.uncertainty:.1g} {got.unit}, the data sheet says "
                    f"{promised:.3g}."
                )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, for JSON."""
        return asdict(self)


def photon_levels(nominal: CameraSpec, levels: int | Sequence[float]) -> list[float]:
    """Photons per pixel of each level; a number of levels goes up to 1.5 times the nominal saturation."""
    if not isinstance(levels, int):
        shares = sorted(float(v) for v in levels)
    else:
        shares = [BRIGHTEST * (i + 1) / levels for i in range(levels)] if levels > 0 else []
    if len(shares) < 4 or shares[0] <= 0:
        raise OpticsError("radiometry needs at least four light levels above zero.")
    top = nominal.replace(binning=1).saturation_photons
    return [v * (top if math.isfinite(top) else ENDLESS) for v in shares]


def measure_radiometry(
    rig: FlatField,
    *,
    levels: int | Sequence[float] = 24,
    frames: int = 8,
    dark_exposures: Sequence[float] = (1.0, 4.0),
    generator: torch.Generator | None = None,
) -> Radiometry:
    """Measure a camera by photon transfer.

    Args:
        rig: the camera and its lamp, or a `Rig` that has one.
        levels: how many light levels, evenly up to 1.5 times the nominal saturation, or the levels themselves as
            shares of the nominal saturation.
        frames: frames per level, at least 2.
        dark_exposures: exposures of the dark frames beside the camera's own, seconds; long ones show the
            dark current.
        generator: source of a simulated rig's noise.

    Raises:
        OpticsError: too few levels or frames, or a camera that does not answer to light.
    """
    if frames < 2:
        raise OpticsError(f"radiometry has {frames} frames per level, needs at least 2 for a variance.")
    nominal = rig.camera.replace(binning=1)
    photons = photon_levels(nominal, levels)
    dark_frames = rig.flat_field(0.0, frames, generator=generator)
    good = good_pixels(dark_frames)
    dark = level_of(dark_frames, good)
    bright: list[Level] = []
    brightest = (dark.mean, dark_frames)  # of the levels well below saturation
    for p in photons:
        seen = rig.flat_field(p, frames, generator=generator)
        bright.append(level_of(seen, good))
        if p <= HALF_FULL * photons[-1] and bright[-1].mean > brightest[0]:
            brightest = (bright[-1].mean, seen)

    light = torch.tensor(photons, dtype=torch.float64)
    mean = torch.tensor([v.mean for v in bright], dtype=torch.float64)
    mean_error = torch.tensor([v.mean_error for v in bright], dtype=torch.float64)
    variance = torch.tensor([v.variance for v in bright], dtype=torch.float64)
    variance_error = torch.tensor([v.variance_error for v in bright], dtype=torch.float64)

    top = float(mean.max())
    fitted = mean - dark.mean < LINEAR_SHARE * (top - dark.mean)
    if int(fitted.sum()) < 2 or top <= dark.mean:
        raise OpticsError(
            f"radiometry: the camera reads {dark.mean:.4g} counts in the dark, {top:.4g} at most; "
            f"{int(fitted.sum())} levels lie below saturation, two are needed. Use lower ones."
        )
    slope, slope_error, start, start_error = straight_line(light[fitted], mean[fitted], mean_error[fitted])
    transfer, transfer_error, floor, floor_error = straight_line(
        mean[fitted] - start, variance[fitted], variance_error[fitted]
    )
    has_shot = transfer > SURE * transfer_error and transfer > 0
    gain = Measured(1 / transfer, transfer_error / transfer**2, "e-/DN") if has_shot else _given(nominal)
    if slope <= SURE * slope_error:
        raise OpticsError(f"radiometry: the camera does not answer to light: {slope:.3g} DN/photon.")
    steady = prnu(brightest[1], dark_frames, good)
    # the pixels that were seen are a sample of all: their mean response is off by this share
    sample = steady.value / math.sqrt(int(good.sum()))
    responsivity = Measured(slope, math.hypot(slope_error, slope * sample), "DN/photon")

    clipped = float((dark_frames[:, good] <= 0).double().mean()) > CLIPPED and nominal.adc.bits is not None
    rate = _dark_current(rig, nominal, dark, good, (frames, dark_exposures), gain, generator, clipped)
    base, base_error = (
        (start, start_error) if clipped else (dark.mean, spatial_error(dark_frames, good, dark))
    )
    black = Measured(base - rate.value * nominal.exposure / gain.value, base_error, "DN")
    noise = Level(0, 0, floor, floor_error) if clipped else dark
    rounding = 0.0 if nominal.adc.bits is None else ROUNDING

    saturated = _is_saturated(light, mean, slope, base)
    saturation = Measured(top, float(mean_error[mean.argmax()]), "DN") if saturated else None
    full_well = None
    if saturation is not None:
        electrons = (top - base) * gain.value
        full_well = Measured(electrons, electrons * gain.uncertainty / gain.value, "e-")
    return Radiometry(
        gain=gain,
        responsivity=responsivity,
        quantum_efficiency=_product(responsivity, gain),
        black_level=black,
        read_noise=_read_noise(noise, rounding, gain),
        dark_current=rate,
        saturation=saturation,
        full_well=full_well,
        linearity=_linearity(light, mean, mean_error, top, base, saturated),
        prnu=steady,
        dsnu=dsnu(dark_frames, good, dark, gain),
        hot_pixels=float((~good).double().mean()),
        gain_measured=has_shot,
        photons=tuple(photons),
        mean=tuple(mean.tolist()),
        variance=tuple(variance.tolist()),
    )


def _given(nominal: CameraSpec) -> Measured:
    return Measured(nominal.gain, 0.0, "e-/DN")


def _product(responsivity: Measured, gain: Measured) -> Measured:
    value = responsivity.value * gain.value
    relative = math.hypot(responsivity.uncertainty / responsivity.value, gain.uncertainty / gain.value)
    return Measured(value, value * relative, "e-/photon")


def _dark_current(
    rig: FlatField,
    nominal: CameraSpec,
    dark: Level,
    good: Tensor,
    plan: tuple[int, Sequence[float]],
    gain: Measured,
    generator: torch.Generator | None,
    clipped: bool,
) -> Measured:
    """Slope of the dark level against the exposure, electrons per second; the nominal one where clipped."""
    frames, exposures = plan
    if clipped or not exposures:
        return Measured(nominal.dark_current, nominal.dark_current, "e-/s")
    seen = [level_of(rig.flat_field(0.0, frames, exposure=t, generator=generator), good) for t in exposures]
    time = torch.tensor([nominal.exposure, *exposures], dtype=torch.float64)
    mean = torch.tensor([dark.mean, *(v.mean for v in seen)], dtype=torch.float64)
    error = torch.tensor([dark.mean_error, *(v.mean_error for v in seen)], dtype=torch.float64)
    slope, slope_error, _, _ = straight_line(time, mean, error)
    relative = gain.uncertainty / gain.value
    value = max(0.0, slope * gain.value)
    return Measured(value, math.hypot(slope_error * gain.value, value * relative), "e-/s")


def _read_noise(noise: Level, rounding: float, gain: Measured) -> Measured:
    counts = math.sqrt(max(0.0, noise.variance - rounding))
    error = noise.variance_error / (2 * max(counts, math.sqrt(noise.variance_error)))
    value = counts * gain.value
    return Measured(value, math.hypot(error * gain.value, counts * gain.uncertainty), "e- rms")


def _is_saturated(light: Tensor, mean: Tensor, slope: float, base: float) -> bool:
    """Whether the brightest level reads clearly less than the straight line."""
    return bool(mean[-1] - base < STRAIGHT * slope * light[-1])


def _linearity(
    light: Tensor, mean: Tensor, error: Tensor, top: float, base: float, saturated: bool
) -> Measured:
    """Largest relative deviation from the best line from 5 % to 95 % of saturation (EMVA 1288, section 7)."""
    signal = mean - base
    limit = LINEAR_RANGE[1] if saturated else 1 + ROUNDING_SLACK
    use = (signal > LINEAR_RANGE[0] * (top - base)) & (signal < limit * (top - base))
    if int(use.sum()) < 3:
        return Measured(0.0, 1.0, "relative")
    # relative residuals count alike at every level
    slope, _, offset, _ = straight_line(light[use], signal[use], signal[use])
    deviation = (signal[use] - slope * light[use] - offset).abs() / (slope * light[use] + offset)
    worst = int(deviation.argmax())
    return Measured(float(deviation[worst]), float(error[use][worst] / signal[use][worst]), "relative")
