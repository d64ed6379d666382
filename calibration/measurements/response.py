"""Phase response of the panel, globally and by sub-section: fringes between a reference area and a test area.

One bright display pixel lights the panel; a reference area stands at level 0, a test area beside it, `D` pixels away,
goes through the levels, and all other pixels blaze their light away. The two areas make fringes at the zero order and
the frame's Fourier component at their frequency is

    V(level) = a exp(i phase(level)) + c

a circle in the complex plane: `c` holds whatever stands still (gaps, cover glass, other pixels), so that neither fill
factor nor zero order bias the phase, and flat areas have no fringing field but at their rim. The phase is the angle
around the circle's centre, followed from level to level: it may fall, and its range may be less or more than a turn.
The ripple of the panel makes the circle a spiral, light on the test area's far side an ellipse; both are fitted.
Source: Engström et al., Optics Express 21, 16086 (2013), for sub-sections; the circle instead of the fringe's own phase
is what a panel with gaps needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calibration.measuring import drawing
from calibration.measuring.fitting import least_squares
from calibration.measuring.interface import Judgement, Measurement, Number, Quantity, Seen, Shots, Values
from calibration.measuring.patterns import Panel, needs, point, region_around, to_pixel
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Abilities
from calibration.twin.noise import variance
from optics.bench.geometry import camera_pixel
from optics.bench.response_tables import one_way
from optics.bench.spec import BenchSpec
from optics.checks import SpecError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_PERIOD = 5.0  # binned pixels of a fringe, at least
_ENVELOPES = 3.0  # widths of an area's diffraction pattern that are read on each side
_STRAIGHT = 0.03  # radians rms: a curve that is so near `range v^gamma` is written as that
_ARC = 1.0  # radians: a shorter arc gives no centre
_EVEN = 0.01  # relative: sections that differ by less are one
_EDGE = 0.05  # radians times SLM pixels: what the fringing field at an area's rim does to its phase


class Response(Measurement):
    """The phase of every level.

    Args:
        levels: how many levels are shown.
        sections: rows and columns of sub-sections, each with half of the levels; (2, 2), or (1, 1): the middle alone.
    """

    def __init__(self, levels: int = 33, sections: tuple[int, int] = (1, 1)) -> None:
        whole = sections == (1, 1)
        self.name = "response" if whole else "sections"
        self.title = "Phase response" if whole else "Phase response by sub-section"
        self.quick = whole
        self.levels = levels
        self.sections = sections

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It is for phase panels, and needs fringes that the camera resolves."""
        why = needs(bench, abilities, phase=True, display=False)
        if why:
            return why
        step = self._areas(bench)[0]
        return (
            ""
            if step >= 12
            else f"the camera resolves fringes of areas {step} SLM pixels apart only; bin less"
        )

    def _areas(self, bench: BenchSpec) -> tuple[int, int, int]:
        """Distance of the two areas along x, their width, and their height, SLM pixels."""
        resolved = bench.scale / (_PERIOD * camera_pixel(bench) * bench.slm.pitch)
        across = Panel.of(bench).lit
        step = int(min(resolved, 0.5 * across[1] / min(self.sections[1], 2)))
        return step, max(4, int(0.5 * step)), max(4, int(0.6 * across[0] / self.sections[0]))

    def _curves(self, bench: BenchSpec) -> list[tuple[tuple[int, int], list[int]]]:
        """Section and levels of each curve; the global one stands first, in the middle."""
        top = 2 ** (bench.slm.bits or 1)

        def spread(count: int) -> list[int]:
            return sorted({round(k * (top - 1) / (count - 1)) for k in range(min(count, top))})

        curves = [((-1, -1), spread(self.levels))]
        if self.sections != (1, 1):
            few = max(9, (self.levels + 3) // 2)
            curves += [
                ((i, j), spread(few)) for i in range(self.sections[0]) for j in range(self.sections[1])
            ]
        return curves

    def _pattern(self, bench: BenchSpec, section: tuple[int, int], level: int) -> Tensor:
        panel = Panel.of(bench)
        y, x = panel.axes()
        step, width, height = self._areas(bench)
        middle = [0.0, 0.0]
        if section != (-1, -1):
            for k in (0, 1):
                middle[k] = ((section[k] + 0.5) / self.sections[k] - 0.5) * panel.lit[k] * 0.9
        rows = (y - round(middle[0])).abs() <= height / 2
        left, right = round(middle[1]) - step // 2, round(middle[1]) - step // 2 + step
        reference = rows & ((x - left).abs() <= width / 2)
        test = rows & ((x - right).abs() <= width / 2)
        # everything else to the side, along y, where no fringe is read
        out = panel.blaze((0.25, 0.0))
        out = torch.where(reference, 0, out)
        return torch.where(test, level, out).to(torch.int32)

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """Every curve's levels."""
        panel = Panel.of(bench)
        _, width, height = self._areas(bench)
        far = [_ENVELOPES * bench.scale / (n * bench.slm.pitch) for n in (height, width)]
        shots = []
        for number, (section, levels) in enumerate(self._curves(bench)):
            patterns = [self._pattern(bench, section, k) for k in levels]
            probes = panel.probes(patterns, [point((5, 5))] * len(levels))
            region = region_around(bench, (0.0, 0.0), (far[0], far[1]))
            shots.append(Shots(f"curve-{number}", probes, region))
        return shots

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Range and gamma, how straight, and each section's factor."""
        response = bench.slm.response
        own = response.lut is None
        _, width, height = self._areas(bench)
        edge = _EDGE * (1 / width + 1 / height)  # the rim of the test area bleeds into what is beside it
        found = [
            Quantity(
                "range",
                "rad",
                response.range if own else None,
                "slm.response.range" if own else "",
                15 * edge,
            ),
            Quantity("gamma", "", response.gamma if own else None, "slm.response.gamma" if own else "", edge),
            Quantity("bend", "rad rms", floor=edge),
            Quantity("falls", "rad", 0.0, floor=2 * edge),
        ]
        for number in range(1, len(self._curves(bench))):
            found.append(Quantity(f"section_{number}", "of the middle's", floor=edge))
        return found

    def _fringe(self, seen: Seen, bench: BenchSpec, number: int) -> tuple[Tensor, Tensor]:
        """Complex amplitude of the fringes in each frame, and its error."""
        recording = seen[f"curve-{number}"]
        step = self._areas(bench)[0]
        h, w = recording.counts.shape[1:]
        middle = to_pixel(bench, (0.0, 0.0))
        x = torch.arange(w, dtype=torch.float64) + recording.corner[1] - middle[1]
        cycles = step * bench.slm.pitch * camera_pixel(bench) / bench.scale
        window = torch.outer(*(torch.blackman_window(m, periodic=False, dtype=torch.float64) for m in (h, w)))
        wave = window * torch.exp(-2j * math.pi * cycles * x)[None, :]
        v = (recording.counts.to(torch.complex128) * wave).sum((1, 2))
        error = ((variance(bench, recording.counts) * window**2).sum((1, 2)) / 2).sqrt()
        return v, error

    def curve(self, seen: Seen, bench: BenchSpec, number: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Levels (n,), phases relative to level 0, radians, and their errors.

        Raises:
            RigError: no fringes, or an arc too short to have a centre.
        """
        v, error = self._fringe(seen, bench, number)
        levels = torch.tensor(self._curves(bench)[number][1], dtype=torch.float64)
        spread = float((v - v.mean()).abs().pow(2).mean().sqrt())
        if spread < 3 * float(error.mean()):
            raise RigError(
                "the fringes do not move with the level: is the panel driven, and which frame does it show?"
            )
        found = _spiral(v, error)
        phase = _unwrapped(found.round(v).angle())
        if float(phase.max() - phase.min()) < _ARC:
            raise RigError(
                f"the phase goes through {float(phase.max() - phase.min()):.2f} rad only; check the panel's range and "
                "the polarisation."
            )
        size = found.radius * torch.exp(-found.shrink * (phase - phase[0]) ** 2 / 2)
        return levels, phase - phase[0], error / size

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Range and gamma by least squares over the curve, and the sections' factors."""
        levels, phase, _ = self.curve(seen, bench)
        wide, gamma, bend = _power_law(levels / 2 ** (bench.slm.bits or 1), phase)
        found: dict[str, float] = {
            "range": wide,
            "gamma": gamma,
            "bend": bend,
            "falls": float((torch.cummax(phase, 0).values - phase).max()),
        }
        for number in range(1, len(self._curves(bench))):
            at, other, _ = self.curve(seen, bench, number)
            middle = torch.from_numpy(_interpolated(at, levels, phase))
            found[f"section_{number}"] = float((middle @ other) / (middle @ middle))
        return found

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """What to write: range and gamma, a table where that does not fit, factors of sections."""
        wide, bend, falls = numbers["range"], numbers["bend"].value, numbers["falls"].value
        if wide.value < 0:
            return Judgement(
                "failed",
                (
                    "the phase falls with the level: the panel is mirrored, or drives against the convention; measure "
                    "`orientation`, and check the driver's table.",
                ),
            )
        advice: list[str] = []
        changes: dict[str, object] = {}
        if bend > _STRAIGHT or bench.slm.response.lut is not None:
            try:
                changes["slm.response.lut"] = self._table(seen, bench)
            except SpecError as error:
                advice.append(f"the response folds, and no table is written: {error}")
            else:
                advice.append(
                    f"the response is no power of the level (off by {bend:.2f} rad rms): a table is written."
                )
        else:
            for name in ("range", "gamma"):
                n = numbers[name]
                if n.apart > 3 and abs(n.value - n.stated) > 2e-3 * n.stated:
                    changes[n.key] = n.value
                    advice.append(f"{n.key} is {n.value:.4f}, the data sheet says {n.stated:.4f}.")
        if falls > 0.1:
            advice.append(
                f"the phase is not monotonic: it falls by {falls:.2f} rad on the way, first after level "
                f"{self._fold(seen, bench)}; give the panel the levels before that, by its driver's table."
            )
        reach = self._reach(seen, bench)
        if reach < 2 * math.pi * 0.98:
            advice.append(
                f"the panel reaches {reach:.2f} rad, less than a turn: load another table into its driver, or "
                f"expect {1 - reach / (2 * math.pi):.0%} of the phases to be missing."
            )
        factors = [numbers[k].value for k in sorted(numbers) if k.startswith("section_")]
        if len(factors) == 4 and max(factors) - min(factors) > _EVEN:
            advice.append(
                f"sub-sections of the lit part differ: phases are {min(factors):.3f} to {max(factors):.3f} of the "
                "middle's: slm.response.sections is written."
            )
            changes["slm.response.sections"] = self._sections(torch.tensor(factors).double(), bench)
        return Judgement("poor" if advice else "good", tuple(advice), changes)

    def _sections(self, factors: Tensor, bench: BenchSpec) -> tuple[tuple[float, ...], ...]:
        """Factors at the centres of the panel's quarters, of those measured where the test areas stood, (4,).

        A bench's factors go linearly from centre to centre; the lit part is smaller than the panel.
        """
        panel, sides = Panel.of(bench), []
        for k, (beside, pixels) in enumerate(
            zip((0.0, self._areas(bench)[0] / 2), bench.slm.shape, strict=True)
        ):
            at = [round(side * panel.lit[k] * 0.9) + beside for side in (-0.25, 0.25)]
            centres = torch.tensor([-pixels / 4, pixels / 4], dtype=torch.float64)
            share = (centres - at[0]) / (at[1] - at[0])
            sides.append(torch.stack((1 - share, share), 1))
        found = (sides[0] @ factors.reshape(2, 2) @ sides[1].mT).clamp(0.05, 20.0)
        return tuple(tuple(row) for row in found.tolist())

    def _reach(self, seen: Seen, bench: BenchSpec) -> float:
        """Phases that are covered, radians: a step beyond the last level counts, as level `2**bits` would be a turn."""
        _, phase, _ = self.curve(seen, bench)
        top = float(phase.max() - phase.min())
        return top * 2 ** (bench.slm.bits or 1) / (2 ** (bench.slm.bits or 1) - 1)

    def _table(self, seen: Seen, bench: BenchSpec) -> tuple[float, ...]:
        """Phase of every level, never falling.

        Raises:
            SpecError: the phase folds, see `optics.bench.response_tables.one_way`.
        """
        levels, phase, _ = self.curve(seen, bench)
        every = torch.arange(2 ** (bench.slm.bits or 1), dtype=torch.float64)
        fitted, _ = one_way(_interpolated(every, levels, phase), "what was measured")
        return tuple((fitted - fitted[0]).tolist())

    def _fold(self, seen: Seen, bench: BenchSpec) -> int:
        """The level from which the phase falls by more than noise."""
        levels, phase, error = self.curve(seen, bench)
        drop = torch.cummax(phase, 0).values - phase
        falls = int((drop > torch.maximum(4 * error, torch.tensor(0.05))).nonzero()[0, 0])
        return int(levels[int(phase[:falls].argmax())])

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """The circle, and the curve."""
        left, right = figure.subplots(1, 2)
        drawing.chart(left, "real part", "imaginary part", "fringes, complex amplitude")
        v, error = self._fringe(seen, bench, 0)
        centre = _spiral(v, error).centre
        left.plot(v.real, v.imag, ".-", markersize=4, linewidth=0.5)
        left.plot(centre.real, centre.imag, "+")
        left.set_aspect("equal")
        left.ticklabel_format(scilimits=(-2, 3))
        levels, phase, _ = self.curve(seen, bench)
        top = 2 ** (bench.slm.bits or 1)
        drawing.chart(right, f"level of {top}", "phase (rad)")
        right.plot(levels, phase, ".-", markersize=4, label="measured")
        right.plot(levels, bench.slm.response.table(bench.slm.bits or 1)[levels.long()], label="data sheet")
        drawing.legend(right)


@dataclass(frozen=True)
class _Spiral:
    """`V - centre = a exp(i phase) + b exp(-i phase)`, `a` shrinking with the phase; `twist = b / conj(a)`."""

    centre: Tensor
    twist: Tensor
    radius: float
    shrink: float

    def round(self, v: Tensor) -> Tensor:
        """What goes round a circle: `V` without its centre and its twist."""
        rest = v - self.centre
        return rest - self.twist * rest.conj()


def _spiral(v: Tensor, error: Tensor) -> _Spiral:
    """The spiral through points of the complex plane; its twist is light beside the test area."""
    table = torch.stack((2 * v.real, 2 * v.imag, torch.ones(len(v), dtype=torch.float64)), 1)
    found = torch.linalg.lstsq(table, v.abs().pow(2)[:, None]).solution[:, 0]
    radius = math.sqrt(max(float(found[2] + found[0] ** 2 + found[1] ** 2), 1e-300))

    def made(p: Tensor) -> _Spiral:
        return _Spiral(torch.complex(p[0], p[1]), torch.complex(p[4], p[5]), float(p[2]), float(p[3]))

    def distance(p: Tensor) -> Tensor:
        rest = made(p).round(v)
        phase = _unwrapped(rest.angle())
        phase = phase - phase[0]
        return rest.abs() - p[2] * torch.exp(-p[3] * phase**2 / 2)

    p, _, _ = least_squares(
        distance,
        torch.zeros(len(v), dtype=torch.float64),
        error,
        (float(found[0]), float(found[1]), radius, 0.0, 0.0, 0.0),
        scale=(0.05 * radius, 0.05 * radius, 0.05 * radius, 2e-3, 0.02, 0.02),
        prior=(math.inf, math.inf, math.inf, 4e-3, 0.1, 0.1),
        low=(-math.inf, -math.inf, 0.0, 0.0, -0.5, -0.5),
        high=(math.inf, math.inf, math.inf, 0.05, 0.5, 0.5),
    )
    return made(p)


def _unwrapped(phase: Tensor) -> Tensor:
    """Each step the shortest."""
    steps = torch.remainder(phase.diff() + math.pi, 2 * math.pi) - math.pi
    return torch.cat((phase[:1], phase[0] + steps.cumsum(0)))


def _power_law(drive: Tensor, phase: Tensor) -> tuple[float, float, float]:
    """Range, gamma and rms deviation of `phase = range drive^gamma + offset`."""
    sign = 1.0 if float(phase[-1]) >= 0 else -1.0

    def model(p: Tensor) -> Tensor:
        return sign * p[0] * drive ** p[1] + p[2]

    start = (max(0.5, abs(float(phase[-1])) / float(drive[-1])), 1.0, 0.0)
    p, _, _ = least_squares(
        model,
        phase,
        torch.tensor(0.01),
        start,
        scale=(0.1, 0.05, 0.02),
        low=(0.1, 0.2, -1.0),
        high=(40.0, 5.0, 1.0),
    )
    bend = float((phase - model(p)).pow(2).mean().sqrt())
    return sign * float(p[0]), float(p[1]), bend


def _interpolated(at: Tensor, x: Tensor, y: Tensor) -> NDArray[np.float64]:
    return np.interp(at.numpy(), x.numpy(), y.numpy())
