"""Radiometry as a measurement: evenly lit frames in, the figures of `calibration.measurements.radiometry` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from calibration.measurements.radiometry import Radiometry, measure_radiometry, photon_levels
from calibration.measuring import drawing
from calibration.measuring.interface import Flats, Judgement, Measurement, Number, Quantity, Seen, Values
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Abilities
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_LEVELS, _FRAMES = 12, 6
_DARK = (1.0, 4.0)  # seconds
_FIGURES = (
    ("gain", "e-/DN", "camera.adc.gain"),
    ("quantum_efficiency", "e-/photon", "camera.quantum_efficiency"),
    ("black_level", "DN", "camera.adc.black_level"),
    ("read_noise", "e- rms", "camera.read_noise"),
    ("dark_current", "e-/s", "camera.dark_current"),
    ("full_well", "e-", "camera.full_well"),
    ("linearity", "relative", ""),
)


class _Kept:
    """Evenly lit frames that were taken before, as the camera that radiometry asks."""

    def __init__(
        self, seen: Seen, camera: CameraSpec, names: Mapping[tuple[float, float | None], str]
    ) -> None:
        self.seen, self.camera, self.names = seen, camera, names

    def flat_field(
        self,
        photons: float,
        frames: int,
        *,
        exposure: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The frames of that light and exposure."""
        return self.seen.flats[self.names[photons, exposure]]


class FlatFields(Measurement):
    """Gain, noise, efficiency and saturation of the camera."""

    name = "radiometry"
    title = "Radiometry of the camera"
    quick = True

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs a lamp."""
        return "" if abilities.flat_field else "the camera cannot be lit evenly"

    def _plan(self, bench: BenchSpec) -> list[tuple[float, float | None]]:
        lit = [(p, None) for p in photon_levels(bench.camera.replace(binning=1), _LEVELS)]
        return [(0.0, None), *lit, *((0.0, t) for t in _DARK)]

    def series(self, bench: BenchSpec) -> Sequence[Flats]:
        """Dark frames, light levels up to saturation, and long dark exposures."""
        return [
            Flats(f"flat-{k:02d}", photons, _FRAMES, exposure)
            for k, (photons, exposure) in enumerate(self._plan(bench))
        ]

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Figures of the data sheet."""
        camera = bench.camera
        told: dict[str, Any] = {
            "gain": camera.gain if camera.adc.bits is not None else None,
            "quantum_efficiency": camera.quantum_efficiency,
            "black_level": camera.adc.black_level,
            "read_noise": camera.read_noise,
            "dark_current": camera.dark_current,
            "full_well": camera.full_well,
            "linearity": 0.0,
        }
        return [Quantity(name, unit, told[name], key) for name, unit, key in _FIGURES]

    def _radiometry(self, seen: Seen, bench: BenchSpec) -> Radiometry:
        names = {plan: f"flat-{k:02d}" for k, plan in enumerate(self._plan(bench))}
        try:
            kept = _Kept(seen, bench.camera, names)
            return measure_radiometry(kept, levels=_LEVELS, frames=_FRAMES, dark_exposures=_DARK)
        except OpticsError as error:
            raise RigError(str(error)) from error

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Photon transfer."""
        found = self._radiometry(seen, bench)
        figures = {name: getattr(found, name) for name, _, _ in _FIGURES}
        return {name: (f.value, f.uncertainty) for name, f in figures.items() if f is not None}

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """What contradicts the data sheet; the measured camera is written."""
        found = self._radiometry(seen, bench)
        advice = list(found.contradictions(bench.camera))
        corrected = found.corrected(bench.camera)
        return Judgement("poor" if advice else "good", tuple(advice), {"camera": corrected})

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """The photon-transfer curve."""
        found = self._radiometry(seen, bench)
        left, right = figure.subplots(1, 2)
        drawing.chart(left, "photons a pixel", "mean (counts)")
        drawing.chart(right, "mean (counts)", "variance (counts²)")
        left.plot(found.photons, found.mean, ".-")
        right.plot(found.mean, found.variance, ".-")
