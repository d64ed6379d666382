"""Zero order and fill factor: the light at the zero order while the whole panel goes through its levels.

Every pixel stands at the same level, so nothing bleeds and nothing is diffracted; the spot at the zero order is

    I(level) = A |F m exp(i phase(level)) + c|^2,    c = (1 - F) m + i sqrt(z),    m = sqrt(1 - z)

with the fill factor `F` and the share `z` that never meets the pixels (`optics.slm.spec`). How deep it is modulated
gives `|c| / (F m)`, where the maximum lies gives the angle of `c`: together `F` and `z`. Range and gamma of the
response come with it, less well than by `response`. The ripple of the panel (`flicker`) takes from the modulation at
high levels.
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
from calibration.measuring.patterns import Panel, needs, point, region_around
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Abilities
from calibration.twin.noise import variance
from optics.bench.spec import BenchSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_LEVELS = 32
_HALF = 4.0  # input pixels around the zero order that are read
_LOOSE = (
    math.inf,
    0.05,
    0.02,
    0.5,
    0.4,
    0.1,
)  # priors: light, fill factor, zero order, log range, log gamma, ripple^2
_SHALLOW = 0.01  # modulation below which nothing can be told


class ZeroOrder(Measurement):
    """Fill factor and un-modulated light."""

    name = "zero_order"
    title = "Zero order and fill factor"
    quick = True

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It is for phase panels."""
        return needs(bench, abilities, phase=True, display=False)

    def _levels(self, bench: BenchSpec) -> list[int]:
        top = 2 ** (bench.slm.bits or 1)
        count = min(_LEVELS, top)
        return [k * top // count for k in range(count)]

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """One bright pixel; the whole panel at one level after another."""
        panel = Panel.of(bench)
        levels = self._levels(bench)
        half = _HALF * bench.input.pitch
        probes = panel.probes([panel.flat(k) for k in levels], [point((9, 9))] * len(levels))
        return (Shots("levels", probes, region_around(bench, (0.0, 0.0), (half, half))),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Numbers of the panel."""
        slm = bench.slm
        response = slm.response
        own = response.lut is None
        return (
            Quantity("fill_factor", "", slm.fill_factor, "slm.fill_factor", 1e-3),
            Quantity("zero_order", "of the power", slm.zero_order, "slm.zero_order", 2e-5),
            Quantity("range", "rad", response.range if own else None),
            Quantity("gamma", "", response.gamma if own else None),
            Quantity("unmodulated", "of a clear panel's power"),
        )

    def _light(self, seen: Seen, bench: BenchSpec) -> tuple[Tensor, Tensor]:
        """Light of each frame and its error, relative to their mean."""
        recording = seen["levels"]
        light = black(bench, recording.counts)
        edge = torch.cat((light[:, 0], light[:, -1], light[:, :, 0], light[:, :, -1]), 1).median()
        total = (light - edge).sum((1, 2))
        error = variance(bench, recording.counts).sum((1, 2)).sqrt()
        mean = float(total.mean())
        if mean <= 0:
            raise RigError("no light at the zero order; check that it lies on the sensor.")
        return total / mean, error / mean

    def _model(self, drive: Tensor, bench: BenchSpec, p: Tensor) -> Tensor:
        light, fill, bypass, log_range, log_gamma, ripple2 = p
        m = torch.sqrt(1 - bypass)
        phase = torch.exp(log_range) * drive ** torch.exp(log_gamma)
        if bench.slm.response.lut is not None:
            table = bench.slm.response.table(bench.slm.bits or 1)
            phase = table[(drive * len(table)).round().long()] * torch.exp(log_range) / (2 * math.pi)
        c = torch.complex((1 - fill) * m, torch.sqrt(bypass))
        loss = torch.exp(-ripple2 * (phase / (2 * math.pi)) ** 2 / 2)
        cross = 2 * fill * m * loss * (torch.exp(1j * phase) * c.conj()).real
        return light * ((fill * m) ** 2 + c.abs() ** 2 + cross)

    def _fit(self, seen: Seen, bench: BenchSpec) -> Fit:
        light, error = self._light(seen, bench)
        slm, response = bench.slm, bench.slm.response
        drive = torch.tensor(self._levels(bench), dtype=torch.float64) / 2 ** (slm.bits or 1)
        start_range = math.log(response.range) if response.lut is None else math.log(2 * math.pi)
        fits = []
        for bypass in (1e-4, 1e-2):
            start = (
                1.0,
                min(slm.fill_factor, 0.995),
                max(slm.zero_order, bypass),
                start_range,
                math.log(response.gamma),
                slm.flicker**2,
            )
            low = (0.1, 0.5, 0.0, -1.0, -1.5, 0.0)
            fits.append(
                least_squares(
                    lambda p: self._model(drive, bench, p),
                    light,
                    torch.hypot(error, torch.full_like(error, 2e-4)),
                    start,
                    scale=(0.1, 0.02, 1e-3, 0.05, 0.05, 0.02),
                    prior=_LOOSE,
                    low=low,
                    high=(5.0, 1.0, 0.5, 3.5, 1.5, 2.0),
                    steps=60,
                )
            )
        return best_of(fits)

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Fitted together."""
        p, covariance, _ = self._fit(seen, bench)
        error = covariance.diagonal().clamp(min=0).sqrt()
        fill, bypass = float(p[1]), float(p[2])
        wide, gamma = math.exp(float(p[3])), math.exp(float(p[4]))
        left = (1 - fill) ** 2 * (1 - bypass) + bypass
        slope = math.hypot(2 * (1 - fill) * float(error[1]), float(error[2]))
        return {
            "fill_factor": (fill, float(error[1])),
            "zero_order": (bypass, float(error[2])),
            "range": (wide, wide * float(error[3])),
            "gamma": (gamma, gamma * float(error[4])),
            "unmodulated": (left, slope),
        }

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """What to write; whether the un-modulated light disturbs."""
        light, _ = self._light(seen, bench)
        if float(light.max() - light.min()) < _SHALLOW and bench.slm.fill_factor < 0.99:
            text = "the light hardly depends on the level: is the panel driven, and the polarisation along its axis?"
            return Judgement("failed", (text,))
        advice: list[str] = []
        changes: dict[str, object] = {}
        for name, least in (("fill_factor", 2e-3), ("zero_order", 5e-4)):
            n = numbers[name]
            if n.apart > 3 and abs(n.value - n.stated) > least:
                advice.append(f"{n.key} is {n.value:.4g}, the data sheet says {n.stated:.4g}.")
                changes[n.key] = n.value
        rest = numbers["unmodulated"].value
        if rest > 0.03:
            advice.append(
                f"{rest:.1%} of the power is not modulated: keep the signal off the axis by a carrier."
            )
        return Judgement("poor" if advice else "good", tuple(advice), changes)

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """Light against level, and the fit."""
        light, error = self._light(seen, bench)
        levels = self._levels(bench)
        ax = drawing.chart(figure.subplots(), "level of the whole panel", "light at the zero order / mean")
        ax.errorbar(levels, light.numpy(), yerr=error.numpy(), fmt="o", markersize=3)
        drive = torch.linspace(0, max(levels), 200, dtype=torch.float64) / 2 ** (bench.slm.bits or 1)
        if bench.slm.response.lut is None:
            ax.plot(
                (drive * 2 ** (bench.slm.bits or 1)).numpy(),
                self._model(drive, bench, self._fit(seen, bench)[0]),
            )
