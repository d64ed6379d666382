"""Latency and settling of the panel: frames at known times after a new pattern was sent.

The panel goes from flat to a blaze; the blaze's light grows with it. When each phase has gone a share `w` of its way, a
perfect blaze sends `sinc^2(1 - w)` of the light into its order (Goodman, Introduction to Fourier Optics, 3rd ed.,
section 8.8); range and gamma of the response change that a little and are fitted, too. `w` is taken to relax as
`1 - exp(-5 (t - latency) / settling)`, and the exposure averages over its own length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calibration.measuring import drawing
from calibration.measuring.faults import black
from calibration.measuring.fitting import Fit, best_of, least_squares
from calibration.measuring.interface import Judgement, Measurement, Number, Quantity, Seen, Shots, Values
from calibration.measuring.patterns import Panel, deflection, needs, point, reach, region_around
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Abilities
from calibration.rigs.simulated import SETTLED
from calibration.twin.noise import variance
from optics.bench.spec import BenchSpec
from optics.conventions import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_DELAYS = 20
_LONGEST = 0.25  # seconds, at least
_REST = 1.0  # seconds that the panel gets to settle, at least
_HALF = 4.0  # input pixels around the order that are read
_PARTS = 24  # of an exposure
_SHAPE = 0.05  # of the settling time: the panel need not relax exponentially
_QUICK = 1e-3  # seconds: faster than that no frame rate notices


class Settling(Measurement):
    """How long to wait."""

    name = "settling"
    title = "Latency and settling of the panel"
    quick = True

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs a blaze's order on the sensor, and frames that tell when they were taken."""
        why = needs(bench, abilities, phase=True, display=False)
        if not why and abilities.recorded:
            return "a recording has settled"
        return why

    def _carrier(self, bench: BenchSpec) -> Point:
        room = [0.8 * far * bench.slm.pitch / bench.scale for far in reach(bench, _HALF * bench.input.pitch)]
        return (min(room[0], 0.2), min(room[1], 0.2) / 2)

    def _delays(self, bench: BenchSpec) -> list[float]:
        timing = bench.slm.timing
        longest = max(_LONGEST, 3 * (timing.latency + timing.settling))
        return [longest * (k / (_DELAYS - 1)) ** 1.7 for k in range(_DELAYS)]

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """Settled blaze, settled flat panel; then flat and blaze in turn, the blaze after each delay."""
        panel = Panel.of(bench)
        carrier = self._carrier(bench)
        blaze, flat = panel.blaze(carrier), panel.flat()
        delays = self._delays(bench)
        rest = max(_REST, 3 * delays[-1])
        levels = [blaze, flat]
        waits = [rest, rest]
        for delay in delays:
            levels += [blaze, flat]
            waits += [delay, rest]
        half = _HALF * bench.input.pitch
        region = region_around(bench, deflection(bench, carrier), (half, half))
        probes = panel.probes(levels, [point((5, 5))] * len(levels))
        return (Shots("steps", probes, region, delays=tuple(waits)),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Numbers of `slm.timing`."""
        timing = bench.slm.timing
        return (
            Quantity("latency", "s", timing.latency, "slm.timing.latency", 2e-4),
            Quantity("settling", "s", timing.settling, "slm.timing.settling", 2e-4),
            Quantity("wait", "s", timing.latency + timing.settling),
        )

    def _rise(self, seen: Seen, bench: BenchSpec) -> tuple[Tensor, Tensor]:
        """Light after each delay, 0 for the flat panel and 1 for the settled blaze, and its error."""
        recording = seen["steps"]
        light = black(bench, recording.counts).sum((1, 2))
        error = variance(bench, recording.counts).sum((1, 2)).sqrt()
        full, none = float(light[0]), float(light[1::2].mean())
        if full - none < 5 * float(error[0]):
            raise RigError("the blaze sends no light to its order: is the panel driven?")
        scale = full - none
        return (light[2::2] - none) / scale, torch.hypot(error[2::2], error[0]) / scale

    def _model(self, bench: BenchSpec, exposure: float, p: Tensor) -> Tensor:
        delays = torch.tensor(self._delays(bench), dtype=torch.float64)
        part = (torch.arange(_PARTS, dtype=torch.float64) + 0.5) / _PARTS * exposure
        since = (delays[:, None] + part - p[0]).clamp(min=0)
        gone = 1 - torch.exp(-SETTLED * since / p[1].clamp(min=1e-6))
        return (
            (self._order(gone, p[3], p[4])).mean(1) / self._order(torch.ones(1, 1), p[3], p[4])[0, 0] * p[2]
        )

    def _order(self, gone: Tensor, depth: Tensor, gamma: Tensor) -> Tensor:
        """Light in a blaze's order when every phase has gone a share of its way; (n, m)."""
        drive = torch.arange(32, dtype=torch.float64) / 32
        phase = 2 * math.pi * (gone[..., None] * depth * drive**gamma - drive)
        return torch.exp(1j * phase).mean(-1).abs().pow(2)

    def _depth(self, bench: BenchSpec) -> float:
        """Turns that a settled blaze goes through by the data sheet."""
        response = bench.slm.response
        top = response.range if response.lut is None else max(response.lut)
        return top / (2 * math.pi)

    def _fit(self, seen: Seen, bench: BenchSpec) -> Fit:
        rise, error = self._rise(seen, bench)
        exposure = seen["steps"].exposure
        delays = self._delays(bench)
        half = next((d for d, r in zip(delays, rise.tolist(), strict=True) if r > 0.5), delays[-1])
        fits = []
        for share in (0.1, 0.5, 0.9):
            fits.append(
                least_squares(
                    lambda p: self._model(bench, exposure, p),
                    rise,
                    torch.hypot(error, torch.full_like(error, 2e-3)),
                    (
                        share * half,
                        max(1e-3, 2 * half * (1 - share)),
                        1.0,
                        self._depth(bench),
                        bench.slm.response.gamma,
                    ),
                    scale=(max(half, 1e-3) / 5, max(half, 1e-3) / 5, 0.02, 0.1, 0.1),
                    prior=(math.inf, math.inf, 0.02, 0.1, 0.2),
                    low=(0.0, 0.0, 0.5, 0.5, 0.4),
                    high=(20.0, 20.0, 1.5, 4.0, 2.5),
                    steps=60,
                )
            )
        return best_of(fits)

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Fitted together; their sum is known better than each."""
        rise, _ = self._rise(seen, bench)
        if float(rise[0]) > 0.98:
            exposure = seen["steps"].exposure
            quick = min(exposure / 10, _QUICK)
            return {"latency": (0.0, quick), "settling": (0.0, quick), "wait": (0.0, quick)}
        p, covariance, _ = self._fit(seen, bench)
        error = covariance.diagonal().clamp(min=0).sqrt()
        both = math.sqrt(max(0.0, float(covariance[:2, :2].sum())))
        shape = _SHAPE * float(p[1]) / SETTLED
        return {
            "latency": (float(p[0]), math.hypot(float(error[0]), shape / 2)),
            "settling": (float(p[1]), math.hypot(float(error[1]), 2 * shape)),
            "wait": (float(p[0] + p[1]), math.hypot(both, 2 * shape)),
        }

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """Whether the data sheet's times are long enough."""
        rise, _ = self._rise(seen, bench)
        if float(rise[-1]) < 0.9:
            words = f"the panel has not settled {self._delays(bench)[-1]:.2f} s after it was sent a frame."
            return Judgement("failed", (words + " Raise slm.timing.settling.",))
        wait, told = numbers["wait"], bench.slm.timing.latency + bench.slm.timing.settling
        changes: dict[str, object] = {}
        advice: tuple[str, ...] = ()
        if wait.value - told > max(3 * wait.uncertainty, _QUICK):
            changes = {n.key: max(0.0, n.value) for n in (numbers["latency"], numbers["settling"])}
            advice = (
                f"the panel takes {wait.value:.3f} s, the bench file gives it {told:.3f} s: frames before that mix two "
                f"patterns. Set slm.timing.latency = {numbers['latency'].value:.4f}, settling = "
                f"{numbers['settling'].value:.4f}.",
            )
        return Judgement("poor" if advice else "good", advice, changes)

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """Light against delay."""
        rise, error = self._rise(seen, bench)
        ax = drawing.chart(figure.subplots(), "from sending to exposing (s)", "light of the blaze's order")
        ax.errorbar(self._delays(bench), rise, yerr=error, fmt="o", markersize=4)
        if float(rise[0]) <= 0.98:
            p, _, _ = self._fit(seen, bench)
            ax.plot(self._delays(bench), self._model(bench, seen["steps"].exposure, p))
