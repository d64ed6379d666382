"""Fringing field: how far a pixel's phase bleeds into its neighbour, along y and along x.

Two-level gratings are shown with lines of 1, 2 and 4 pixels along either axis. The light at the zero order is the
square of the panel's mean reflectance: without bleeding it does not depend on the lines' width; with it, each edge
turns some pixels' share to phases in between. The widths are fitted to all gratings together with the light, range and
gamma of the response; the mean over a pixel is taken exactly (`optics.slm.fringing_exact`). Sources of the model: Moser
et al., Optics Express 27, 25046 (2019); Persson et al., Optics Express 20, 22334 (2012).
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
from optics.slm.fringing_exact import exact_reflectance
from optics.slm.panel import SLM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_LINES = (1, 2, 4)  # pixels
_HIGH = (0.3, 0.5, 0.7)  # of the levels: the upper one of a grating, over 0
_FLAT = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85)
_CELL = 24  # pixels of the periodic piece that is computed
_HALF = 3.0  # input pixels around the zero order that are read
_WIDEST = 3.0  # SLM pixels
_SYSTEMATIC = 0.001  # relative to a clear panel's light: what the gratings' other orders leave in the region
_FLOOR = 0.004  # SLM pixels


class Fringing(Measurement):
    """Widths of the fringing field."""

    name = "fringing"
    title = "Fringing field between pixels"
    quick = True

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It is for phase panels."""
        why = needs(bench, abilities, phase=True, display=False)
        if not why and bench.slm.response.lut is not None:
            return "it fits range and gamma of the response; write them in place of slm.response.lut"
        return why

    def _plan(self, bench: BenchSpec) -> list[tuple[int, int, int]]:
        """(axis, line width, level): axis -1 is a flat panel."""
        top = 2 ** (bench.slm.bits or 1)
        flats = [(-1, 0, round(share * top)) for share in _FLAT]
        return flats + [(k, n, round(share * top)) for k in (0, 1) for n in _LINES for share in _HIGH]

    def _grating(self, axes: tuple[Tensor, Tensor], one: tuple[int, int, int]) -> Tensor:
        axis, lines, level = one
        shape = (axes[0].shape[0], axes[1].shape[1])
        if axis < 0:
            return torch.full(shape, level, dtype=torch.int32)
        along = torch.div(axes[axis], lines, rounding_mode="floor")
        on = (torch.remainder(along, 2) == 0).expand(shape)
        return torch.where(on, level, 0).to(torch.int32)

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """One bright pixel through flat panels and gratings."""
        panel = Panel.of(bench)
        plan = self._plan(bench)
        half = _HALF * bench.input.pitch
        probes = panel.probes([self._grating(panel.axes(), one) for one in plan], [point((5, 5))] * len(plan))
        return (Shots("gratings", probes, region_around(bench, (0.0, 0.0), (half, half))),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """The two widths."""
        y, x = bench.slm.crosstalk
        return (
            Quantity("width_y", "SLM pixels", y, "slm.crosstalk.0", _FLOOR),
            Quantity("width_x", "SLM pixels", x, "slm.crosstalk.1", _FLOOR),
            Quantity("range", "rad", bench.slm.response.range),
            Quantity("gamma", "", bench.slm.response.gamma),
        )

    def _light(self, seen: Seen, bench: BenchSpec) -> tuple[Tensor, Tensor]:
        recording = seen["gratings"]
        light = black(bench, recording.counts).sum((1, 2))
        error = variance(bench, recording.counts).sum((1, 2)).sqrt()
        clear = float(light[: len(_FLAT)].mean())
        if clear <= 0:
            raise RigError("no light at the zero order; check that it lies on the sensor.")
        return light / clear, torch.hypot(error / clear, torch.full_like(error, _SYSTEMATIC))

    def _means(self, bench: BenchSpec, p: Tensor) -> Tensor:
        """Light at the zero order of every pattern, for light, two widths, range, gamma and fill factor."""
        plan = self._plan(bench)
        parts = []
        for axis in (-1, 0, 1):
            # gratings stand side by side in one piece: along their lines nothing bleeds
            mine = [one for one in plan if one[0] == axis]
            along = torch.arange(_CELL if axis >= 0 else 1, dtype=torch.float64)
            columns = torch.stack([self._line(along, one) for one in mine], 1)
            levels = columns if axis <= 0 else columns.mT
            widths = (float(p[1]) if axis == 0 else 0.0, float(p[2]) if axis == 1 else 0.0)
            shown = self._panel(bench, p, (levels.shape[0], levels.shape[1]), widths)
            inner = slice(_CELL // 2 - 4, _CELL // 2 + 4) if axis >= 0 else slice(None)  # whole periods
            total = torch.zeros(len(mine), dtype=torch.float64)
            for ripple, weight in shown.states:
                field = exact_reflectance(
                    shown, levels[None].contiguous(), ripple=ripple[0] if ripple else 0.0
                )[0]
                mean = (field if axis <= 0 else field.mT)[inner].mean(0)
                total += weight * mean.abs().pow(2).double()
            parts.append(total)
        return p[0] * torch.cat(parts)

    def _line(self, along: Tensor, one: tuple[int, int, int]) -> Tensor:
        """Levels of a grating across its lines."""
        _, lines, level = one
        if not lines:
            return torch.full_like(along, level).to(torch.int32)
        on = torch.remainder(torch.div(along, lines, rounding_mode="floor"), 2) == 0
        return torch.where(on, level, 0).to(torch.int32)

    def _panel(self, bench: BenchSpec, p: Tensor, shape: tuple[int, int], widths: tuple[float, float]) -> SLM:
        spec = bench.slm.replace(
            **{
                "shape": shape,
                "crosstalk": widths,
                "response.range": float(p[3]),
                "response.gamma": float(p[4]),
                "response.sections": None,
                "fill_factor": float(p[5]),
                "curvature": {},
                "stuck": 0.0,
                "dead": 0.0,
                "correction": None,
            }
        )
        return SLM(spec, dtype=torch.float64)

    def _fit(self, seen: Seen, bench: BenchSpec) -> Fit:
        light, error = self._light(seen, bench)
        slm = bench.slm
        fits = []
        for width in (0.2, 0.8):
            start = (
                1.0,
                slm.crosstalk[0] or width,
                slm.crosstalk[1] or width,
                slm.response.range,
                slm.response.gamma,
                slm.fill_factor,
            )
            fits.append(
                least_squares(
                    lambda p: self._means(bench, p),
                    light,
                    error,
                    start,
                    scale=(0.1, 0.3, 0.3, 0.3, 0.1, 0.02),
                    prior=(math.inf, 2.0, 2.0, 1.0, 0.3, 0.03),
                    low=(0.01, 0.0, 0.0, 0.5, 0.2, 0.5),
                    high=(100.0, _WIDEST, _WIDEST, 25.0, 5.0, 1.0),
                    steps=25,
                )
            )
        return best_of(fits)

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Fitted together."""
        p, covariance, _ = self._fit(seen, bench)
        error = covariance.diagonal().clamp(min=0).sqrt().tolist()
        names = ("", "width_y", "width_x", "range", "gamma")
        return {name: (float(p[k]), error[k]) for k, name in enumerate(names) if name}

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """What to write."""
        advice: list[str] = []
        changes: dict[str, object] = {}
        for name in ("width_y", "width_x"):
            n = numbers[name]
            if n.apart > 3 and abs(n.value - n.stated) > 0.03:
                advice.append(f"{n.key} is {n.value:.3f} SLM pixels, the data sheet says {n.stated:.3g}.")
                changes[n.key] = n.value
        if max(numbers["width_y"].value, numbers["width_x"].value) > 1.0:
            advice.append(
                "pixels bleed by more than their width: use a smaller carrier or larger pixels of the mask."
            )
        return Judgement("poor" if advice else "good", tuple(advice), changes)

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """Light of every grating, measured, fitted, and without bleeding."""
        light, error = self._light(seen, bench)
        p, _, _ = self._fit(seen, bench)
        sharp = p.clone()
        sharp[1:3] = 0.0
        ax = drawing.chart(figure.subplots(), "", "light at the zero order")
        place = range(len(light))
        ax.errorbar(place, light, yerr=error, fmt="o", markersize=4, label="measured")
        ax.plot(place, self._means(bench, p), "x", label="fitted")
        ax.plot(place, self._means(bench, sharp), "_", label="without bleeding")
        names = [
            f"flat {level}" if k < 0 else f"{'yx'[k]}, {lines} px, {level}"
            for k, lines, level in self._plan(bench)
        ]
        ax.set_xticks(list(place), names, rotation=90, fontsize=6)
        drawing.legend(ax)
