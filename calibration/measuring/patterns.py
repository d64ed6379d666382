"""What measurements show: levels on the panel's lit part, pictures on the display, and where their light lands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from calibration.rigs.recording import Corner, Probes, RigError
from calibration.rigs.rig import Abilities, Region
from calibration.rigs.windows import lit_window
from optics.bench.geometry import camera_pixel, sensor_edges
from optics.bench.spec import BenchSpec
from optics.conventions import Point

_GLYPH = ("###", "#..", "##.", "#..", "#..")
_EDGE = 2  # input pixels that are left unread at the sensor's border


@dataclass(frozen=True)
class Panel:
    """The lit part of a panel: its first pixel, its size, and its centre's distance from the panel's, (row, column)."""

    bench: BenchSpec
    corner: Corner
    shape: tuple[int, int]

    @classmethod
    def of(cls, bench: BenchSpec) -> Panel:
        """By the data sheet."""
        return cls(bench, *lit_window(bench))

    @property
    def top(self) -> int:
        """How many levels there are."""
        return 2 ** (self.bench.slm.bits or 1)

    def axes(self) -> tuple[Tensor, Tensor]:
        """Rows (ly, 1) and columns (1, lx) of the pixels, counted from the panel's middle."""
        y, x = (
            torch.arange(n, dtype=torch.float64) + c - m // 2
            for n, c, m in zip(self.shape, self.corner, self.bench.slm.shape, strict=True)
        )
        return y[:, None], x[None, :]

    def flat(self, level: int = 0) -> Tensor:
        """Every pixel at one level, (ly, lx) int32."""
        return torch.full(self.shape, level, dtype=torch.int32)

    def turns(self, turns: Tensor) -> Tensor:
        """Levels of a phase in turns, by the nominal response; (ly, lx) int32."""
        return torch.remainder((torch.remainder(turns, 1.0) * self.top).round(), self.top).to(torch.int32)

    def blaze(self, carrier: Point) -> Tensor:
        """A blaze of `carrier` turns per pixel, (y, x); it is whole turns in the panel's middle."""
        y, x = self.axes()
        return self.turns(carrier[0] * y + carrier[1] * x)

    def probes(self, levels: Sequence[Tensor], images: Sequence[Tensor]) -> Probes:
        """Pairs of levels and pictures."""
        return Probes(torch.stack(list(levels)), torch.stack(list(images)).double(), self.corner)

    @property
    def lit(self) -> tuple[float, float]:
        """Pixels (rows, columns) that light reaches by the data sheet."""
        stop, spec = self.bench.stop, self.bench.slm
        if stop is None:
            return (float(spec.shape[0]), float(spec.shape[1]))
        y, x = (min(float(n), w / spec.pitch) for n, w in zip(spec.shape, stop.width, strict=True))
        return (y, x)


def needs(
    bench: BenchSpec, abilities: Abilities, *, panel: bool = True, phase: bool = False, display: bool = True
) -> str:
    """Why a bench cannot make a measurement that shows levels and pictures; empty where it can."""
    if panel and (bench.slm.bits is None or bench.slm.modulation == "complex"):
        return "the panel has no levels: set slm.bits and slm.modulation"
    if phase and bench.slm.modulation != "phase":
        return f'it is for a panel of modulation "phase", not "{bench.slm.modulation}"'
    if not bench.light.simple:
        return "it needs coherent light of one wavelength"
    if panel and not abilities.panel:
        return "the panel cannot show other frames"
    if display and not abilities.display:
        return "the bench has no display that can show other pictures"
    return ""


# ---------------------------------------------------------------------- places, input units, upright


def deflection(bench: BenchSpec, carrier: Point) -> Point:
    """Where a blaze sends the light, (y, x) metres in input units: `-carrier lambda f1 / pitch`."""
    y, x = (-c * bench.scale / bench.slm.pitch for c in carrier)
    return (y, x)


def to_pixel(bench: BenchSpec, place: Point) -> tuple[float, float]:
    """Row and column of the binned sensor at which a place lies, pixel centres at whole numbers."""
    pixel = camera_pixel(bench)
    y, x = ((place[k] - sensor_edges(bench, k)[0]) / pixel - 0.5 for k in (0, 1))
    return (y, x)


def sensor_region(bench: BenchSpec) -> Region:
    """The whole sensor but for the outermost input pixels."""
    edge = math.ceil(_EDGE * bench.input.pitch / camera_pixel(bench))
    parts = [slice(edge, n - edge) for n in bench.camera.binned_shape]
    return parts[0], parts[1]


def region_around(bench: BenchSpec, place: Point, half: Point) -> Region:
    """Binned pixels within `half` (y, x) metres of a place, in input units, as far as the sensor goes.

    Raises:
        RigError: that is beside the sensor.
    """
    pixel, whole = camera_pixel(bench), sensor_region(bench)
    parts = []
    for k, middle in enumerate(to_pixel(bench, place)):
        low = max(whole[k].start, round(middle - half[k] / pixel))
        high = min(whole[k].stop, round(middle + half[k] / pixel) + 1)
        if high - low < 6:
            raise RigError(
                f"bench {bench.name!r}: the light at ({place[0]:.3g}, {place[1]:.3g}) m misses the sensor; check "
                "camera.shape and encoding.carrier."
            )
        parts.append(slice(low, high))
    return parts[0], parts[1]


def reach(bench: BenchSpec, margin: float) -> Point:
    """How far (y, x), metres in input units, light may land from the axis and have `margin` beside it on the sensor."""
    y, x = (
        max(
            0.0,
            min(-sensor_edges(bench, k)[0], sensor_edges(bench, k)[1]) - margin - _EDGE * bench.input.pitch,
        )
        for k in (0, 1)
    )
    return (y, x)


def spot_width(bench: BenchSpec) -> float:
    """Rms width, binned pixels, of the image of one display pixel: its own width and the stop's diffraction."""
    lit = Panel.of(bench).lit
    blur = bench.scale / (min(lit) * bench.slm.pitch)
    return math.hypot(blur, bench.input.pitch) / 2.6 / camera_pixel(bench)


# ---------------------------------------------------------------------- pictures


def point(shape: tuple[int, int], at: tuple[int, int] | None = None) -> Tensor:
    """One bright pixel, in the middle or at (row, column)."""
    out = torch.zeros(shape, dtype=torch.float64)
    y, x = (shape[0] // 2, shape[1] // 2) if at is None else at
    out[y, x] = 1.0
    return out


def glyph(times: int) -> Tensor:
    """An F of 5 x 3 squares of `times` pixels, which no turn or mirror leaves as it is; with a dark border."""
    small = torch.tensor([[float(c == "#") for c in row] for row in _GLYPH], dtype=torch.float64)
    big = torch.kron(small, torch.ones(times, times, dtype=torch.float64))
    return torch.nn.functional.pad(big, (times, times, times, times))
