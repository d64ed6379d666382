"""Stability: the same picture again and again; how it moves and how its light changes with time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calibration.measurements.flat_statistics import straight_line
from calibration.measuring import drawing
from calibration.measuring.faults import black
from calibration.measuring.interface import Judgement, Measurement, Number, Quantity, Seen, Shots, Values
from calibration.measuring.patterns import Panel, needs, point, region_around
from calibration.measuring.spots import shift_between
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Abilities
from calibration.twin.noise import variance
from optics.bench.spec import BenchSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_HALF = 9.0  # input pixels around the zero order that are read
_SURE = 4.0
_MOVED, _DIMMED = 0.05, 0.01  # binned pixels; of the light: over the whole time, what counts


class Stability(Measurement):
    """Drift.

    Args:
        frames: how many.
        seconds: how long, from the first to the last.
    """

    name = "stability"
    title = "Stability over time"
    quick = True

    def __init__(self, frames: int = 12, seconds: float = 5.0) -> None:
        self.frames = frames
        self.seconds = seconds

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs coherent light."""
        return needs(bench, abilities, display=False)

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """One bright pixel through a flat panel, `frames` times."""
        panel = Panel.of(bench)
        half = _HALF * bench.input.pitch
        probes = panel.probes([panel.flat()] * self.frames, [point((5, 5))] * self.frames)
        region = region_around(bench, (0.0, 0.0), (half, half))
        return (Shots("frames", probes, region, pause=self.seconds / max(1, self.frames - 1)),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Speeds, and what scatters about them."""
        return (
            Quantity("drift_y", "m / s", 0.0),
            Quantity("drift_x", "m / s", 0.0),
            Quantity("light", "of the light / s", 0.0),
            Quantity("jitter", "m rms"),
            Quantity("light_noise", "of the light, rms"),
            Quantity("seconds", "s", floor=1e-3),
        )

    def _series(self, seen: Seen, bench: BenchSpec) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Times (n,), places (n, 2) in metres at the camera, light (n,), and errors (n, 3) of the three."""
        recording = seen["frames"]
        frames = black(bench, recording.counts)
        spread = variance(bench, recording.counts)
        mean = frames.mean(0)
        if float(mean.sum()) < 5 * math.sqrt(float(spread[0].sum())):
            raise RigError("no light at the zero order; check that it lies on the sensor.")
        side = bench.camera.binned_pitch
        places, errors = [], []
        for frame, noise in zip(frames, spread, strict=True):
            place, error = shift_between(mean, frame, noise / 2)
            places.append([p * side for p in place])
            errors.append([e * side for e in error])
        light = frames.sum((1, 2)) / mean.sum()
        sure = spread.sum((1, 2)).sqrt() / mean.sum()
        return (
            torch.tensor(recording.times, dtype=torch.float64),
            torch.tensor(places, dtype=torch.float64),
            light,
            torch.cat((torch.tensor(errors, dtype=torch.float64), sure[:, None]), 1),
        )

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Straight lines through places and light."""
        times, places, light, errors = self._series(seen, bench)
        if float(times[-1]) <= 0:
            raise RigError("the frames have no times: stability cannot be told from them.")
        lines = [straight_line(times, v, e) for v, e in zip((*places.mT, light), errors.mT, strict=True)]
        left = places - torch.stack([times * line[0] + line[2] for line in lines[:2]], 1)
        dim = light - times * lines[2][0] - lines[2][2]
        free = max(1, len(times) - 2)
        excess = [
            max(1.0, float((r / e).pow(2).sum()) / free) ** 0.5
            for r, e in zip((*left.mT, dim), errors.mT, strict=True)
        ]
        names = ("drift_y", "drift_x", "light")
        found: dict[str, float | tuple[float, float]] = {
            name: (line[0], line[1] * wide) for name, line, wide in zip(names, lines, excess, strict=True)
        }
        start = lines[2][2]
        found["light"] = (
            lines[2][0] / start,
            lines[2][1] * excess[2] / start,
        )  # of the first light, not the mean
        jitter, dims = float(left.pow(2).sum()) / (2 * free), float(dim.pow(2).sum()) / free
        found["jitter"] = (math.sqrt(jitter), math.sqrt(jitter / (4 * free)))
        found["light_noise"] = (math.sqrt(dims), math.sqrt(dims / (2 * free)))
        found["seconds"] = (float(times[-1]), 0.0)
        return found

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """Whether it stood still."""
        seconds = numbers["seconds"].value
        advice = []
        for name, axis in (("drift_y", "y"), ("drift_x", "x")):
            n = numbers[name]
            far = abs(n.value) * seconds / bench.camera.binned_pitch
            if n.apart > _SURE and far > _MOVED:
                advice.append(
                    f"drift: the image moves along {axis} by {n.value:.2g} m/s ({far:.2f} binned pixels in "
                    f"{seconds:.0f} s): let the bench warm up, fix the mounts."
                )
        n = numbers["light"]
        if n.apart > _SURE and abs(n.value) * seconds > _DIMMED:
            advice.append(f"drift: the light changes by {n.value:+.2%} a second: let the laser warm up.")
        return Judgement("poor" if advice else "good", tuple(advice))

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """Places and light against time."""
        times, places, light, errors = self._series(seen, bench)
        left, right = figure.subplots(1, 2)
        drawing.chart(left, "time (s)", "place on the camera (µm)")
        drawing.chart(right, "time (s)", "light / mean")
        for k, name in ((0, "y"), (1, "x")):
            left.errorbar(times, places[:, k] * 1e6, yerr=errors[:, k] * 1e6, fmt=".-", label=name)
        drawing.legend(left)
        right.errorbar(times, light, yerr=errors[:, 2], fmt=".-")
