"""Illumination of the display: one bright pixel after another, and the light that each sends.

The system behind the display is shift-invariant, so the light of a pixel alone is what falls on it. A Gaussian beam
makes the logarithm a paraboloid: `ln I = a - 2 |x - x0|^2 / radius^2`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calibration.measuring import drawing
from calibration.measuring.faults import black
from calibration.measuring.interface import Judgement, Measurement, Number, Quantity, Seen, Shots, Values
from calibration.measuring.patterns import Panel, needs, point, reach, sensor_region
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Abilities
from calibration.twin.noise import variance
from optics.bench.spec import BenchSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_SIDE = 5  # points per side
_NEAR = 4.0  # input pixels around a pixel's image that are summed
_PITCH_PIXEL = 14  # input pixels to the outermost points, at most
_UNEVEN = 0.03  # relative rms: below it the light is even
_SURE = 4.0


class Illumination(Measurement):
    """How evenly the display is lit."""

    name = "illumination"
    title = "Illumination profile"
    quick = False

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs room for the points."""
        why = needs(bench, abilities)
        return why or ("" if self._step(bench) >= 1 else "the sensor is too small for a grid of points")

    def _step(self, bench: BenchSpec) -> int:
        room = min(reach(bench, (_NEAR + 1) * bench.input.pitch)) / bench.input.pitch
        return min(_PITCH_PIXEL, int(room)) // (_SIDE // 2)

    def _places(self, bench: BenchSpec) -> list[tuple[int, int]]:
        step = self._step(bench)
        return [(step * i, step * j) for i in range(_SIDE) for j in range(_SIDE)]

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """Every point alone, through a flat panel; and a dark display."""
        panel = Panel.of(bench)
        side = self._step(bench) * (_SIDE - 1) + 1
        pictures = [point((side, side), place) for place in self._places(bench)]
        pictures.append(torch.zeros(side, side, dtype=torch.float64))
        probes = panel.probes([panel.flat()] * len(pictures), pictures)
        return (Shots("points", probes, sensor_region(bench), brightest=len(pictures) // 2),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Unevenness and the beam."""
        light = bench.light
        even = light.beam_radius is None
        return (
            Quantity("unevenness", "of the mean, rms", floor=1e-3),
            Quantity("curvature", "1 / m^2", 0.0 if even else 2 / (light.beam_radius or 1.0) ** 2),
            Quantity("beam_radius", "m", light.beam_radius, "light.beam_radius"),
            Quantity("beam_centre_y", "m", light.beam_centre[0], "light.beam_centre.0"),
            Quantity("beam_centre_x", "m", light.beam_centre[1], "light.beam_centre.1"),
        )

    def _light(self, seen: Seen, bench: BenchSpec) -> tuple[Tensor, Tensor]:
        """Light of each point (n,), relative to the mean, and its error."""
        counts = seen["points"].counts
        rest = black(bench, counts[:-1]) - black(bench, counts[-1:])
        light = rest.sum((1, 2))
        error = (variance(bench, counts[:-1]).sum((1, 2)) + variance(bench, counts[-1]).sum()).sqrt()
        mean = float(light.mean())
        if mean < 3 * float(error.mean()):
            raise RigError(
                "the display's pixels give no light: check the beam, and that the display shows them."
            )
        return light / mean, error / mean

    def _paraboloid(self, seen: Seen, bench: BenchSpec) -> tuple[Tensor, Tensor]:
        light, error = self._light(seen, bench)
        middle = self._step(bench) * (_SIDE // 2)
        at = (torch.tensor(self._places(bench), dtype=torch.float64) - middle) * bench.input.pitch
        unit = float(at.abs().max())
        y, x = at[:, 0] / unit, at[:, 1] / unit
        table = torch.stack((torch.ones_like(y), y, x, y**2 + x**2), 1)
        weight = (light / error).clamp(min=0)[:, None]
        log = light.clamp(min=1e-3).log()
        p = torch.linalg.lstsq(table * weight, log[:, None] * weight).solution[:, 0]
        covariance = torch.linalg.inv((table * weight).mT @ (table * weight))
        scale = torch.tensor([1.0, 1 / unit, 1 / unit, 1 / unit**2], dtype=torch.float64)
        return p * scale, covariance * torch.outer(scale, scale)

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Unevenness, and the beam where there is one to be seen."""
        light, _ = self._light(seen, bench)
        p, covariance = self._paraboloid(seen, bench)
        found: dict[str, float | tuple[float, float]] = {"unevenness": float(light.std())}
        curvature, sure = -float(p[3]), math.sqrt(float(covariance[3, 3]))
        found["curvature"] = (curvature, sure)
        if curvature > _SURE * sure:
            radius = math.sqrt(2 / curvature)
            found["beam_radius"] = (radius, radius * sure / (2 * curvature))
            for k, name in ((1, "beam_centre_y"), (2, "beam_centre_x")):
                slope = -p[k] / p[3] / 2
                row = torch.zeros(4, dtype=torch.float64)
                row[k], row[3] = -1 / (2 * p[3]), p[k] / (2 * p[3] ** 2)
                found[name] = (float(slope), math.sqrt(float(row @ covariance @ row)))
        return found

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """What to write, where the light is uneven."""
        uneven = numbers["unevenness"]
        if uneven.value < _UNEVEN or "beam_radius" not in numbers:
            words = (
                f"the display is unevenly lit ({uneven.value:.1%} rms), in no way that a beam's centre explains.",
            )
            return Judgement("poor", words) if uneven.value > 2 * _UNEVEN else Judgement("good")
        changes: dict[str, object] = {}
        radius = numbers["beam_radius"]
        if radius.nominal is None or (radius.apart > 3 and abs(radius.value / radius.nominal - 1) > 0.02):
            changes["light.beam_radius"] = radius.value
            changes["light.beam_centre"] = (numbers["beam_centre_y"].value, numbers["beam_centre_x"].value)
        if not changes:
            return Judgement("good")
        words = (
            f"the beam falls off over the display ({uneven.value:.1%} rms): light.beam_radius = {radius.value:.4g}, "
            f"beam_centre = ({numbers['beam_centre_y'].value:.3g}, {numbers['beam_centre_x'].value:.3g}); widen or "
            "centre it, or write it.",
        )
        return Judgement("poor", words, changes)

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """The light on the grid of points."""
        light, _ = self._light(seen, bench)
        ax = figure.subplots()
        pitch = self._step(bench) * bench.input.pitch
        shown = drawing.plane(ax, light.reshape(_SIDE, _SIDE), pitch, "points of the display")
        figure.colorbar(shown, ax=ax, label="light / mean")
