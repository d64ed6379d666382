"""Point-spread functions beside their design: one bright display pixel through known masks.

The design is what the data sheet's bench would give. Strehl: the measured peak over the designed one at equal light;
small aberrations of variance `s^2` over the lit pixels make it `exp(-s^2)` (Maréchal; Born & Wolf, section 9.1.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calibration.measuring import drawing
from calibration.measuring.faults import black
from calibration.measuring.interface import Judgement, Measurement, Number, Quantity, Seen, Shots, Values
from calibration.measuring.patterns import Panel, needs, point, region_around, spot_width
from calibration.measuring.spots import fit_spot, shift_between, shifted
from calibration.rigs.recording import Recording, RigError
from calibration.rigs.rig import Abilities
from calibration.twin.model import Model
from calibration.twin.noise import variance
from optics.bench.geometry import camera_pixel
from optics.bench.spec import BenchSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_HALF = 9.0  # input pixels around the signal order that are read
_INNER, _OUTER = 5.0, 7.5  # input pixels: light is summed within, the ground is read beyond
_FINE = 4  # samples per binned pixel in which a peak is looked for
_SHARP = 0.8  # Strehl: diffraction-limited above it
_APART = 0.15  # relative L2: from there a mask is not what was designed
_PATTERNS = ("blaze", "two spots", "rough")


class PointSpread(Measurement):
    """What points look like.

    Args:
        levels: (n, ly, lx) further masks on the panel's lit window, for instance of an exported network.
    """

    name = "psf"
    title = "Point-spread functions beside their design"
    quick = True

    def __init__(self, levels: Tensor | None = None) -> None:
        self.levels = levels

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs a carrier."""
        why = needs(bench, abilities, display=False)
        return why or (
            "" if bench.image_offset != (0.0, 0.0) else "the bench has no carrier: set encoding.carrier"
        )

    def _masks(self, bench: BenchSpec) -> list[Tensor]:
        panel = Panel.of(bench)
        cy, cx = bench.encoding.offset
        y, x = panel.axes()
        carrier = cy * y + cx * x
        apart = 4 * bench.input.pitch * bench.slm.pitch / bench.scale  # turns per pixel: 4 display pixels
        split = torch.exp(2j * math.pi * apart * y / 2) + 1j * torch.exp(
            -2j * math.pi * apart * (y / 2 + x / 4)
        )
        coarse = torch.rand(1, 1, 9, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        rough = torch.nn.functional.interpolate(coarse, size=panel.shape, mode="bicubic")[0, 0]
        masks = [
            panel.turns(carrier),
            panel.turns(carrier + split.angle() / (2 * math.pi)),
            panel.turns(carrier + rough),
        ]
        return masks + ([] if self.levels is None else list(self.levels))

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """One bright pixel through each mask."""
        masks = self._masks(bench)
        half = _HALF * bench.input.pitch
        region = region_around(bench, bench.image_offset, (half, half))
        probes = Panel.of(bench).probes(masks, [point((9, 9))] * len(masks))
        return (Shots("masks", probes, region),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Sharpness and place of the first; how far every one is from its design."""
        extra = 0 if self.levels is None else len(self.levels)
        names = [*_PATTERNS, *(f"mask {k}" for k in range(extra))]
        side = 0.01 * bench.camera.binned_pitch
        return (
            Quantity("strehl", "", 1.0, floor=0.005),
            Quantity("width", "of the design's", 1.0, floor=0.003),
            Quantity("shift_y", "m", 0.0, floor=side),
            Quantity("shift_x", "m", 0.0, floor=side),
            *(Quantity(f"error, {name}", "relative L2", floor=0.003) for name in names),
        )

    def _pairs(self, seen: Seen, bench: BenchSpec) -> list[tuple[Tensor, Tensor, tuple[float, float]]]:
        """Design and measurement of each mask, at equal light, and how far the measurement is shifted, pixels."""
        recording = seen["masks"]
        design = self._design(recording, bench)
        found = []
        for mean, frame in zip(design, recording.counts, strict=True):
            a, b = (self._above_ground(black(bench, f).double(), bench) for f in (mean, frame))
            if float(b.sum()) <= 3 * math.sqrt(float(variance(bench, frame).sum())):
                raise RigError(
                    "no light at the signal order: check encoding.carrier and that the panel is driven."
                )
            place, _ = shift_between(a, b, variance(bench, mean))
            inside = self._distance(bench, a.shape) < _INNER
            found.append((a / a[inside].sum(), b / b[inside].sum(), place))
        return found

    def _distance(self, bench: BenchSpec, shape: torch.Size) -> Tensor:
        """Distance of each pixel of the region from its middle, input pixels."""
        y, x = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in shape)
        return torch.hypot(y[:, None], x[None, :]) * camera_pixel(bench) / bench.input.pitch

    def _above_ground(self, frame: Tensor, bench: BenchSpec) -> Tensor:
        """A frame without what lies beneath it, as the pixels far from the middle tell."""
        far = self._distance(bench, frame.shape) > _OUTER
        return frame - frame[far].mean()

    def _design(self, recording: Recording, bench: BenchSpec) -> Tensor:
        nominal = replace(recording, counts=recording.counts * 0)
        return Model(nominal).predict(bench).counts

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """Compared one by one."""
        pairs = self._pairs(seen, bench)
        a, b, place = pairs[0]
        width = spot_width(bench)
        widths = []
        for frame in (a, b):
            best = int(frame.argmax())
            widths.append(fit_spot(frame, (best // frame.shape[1], best % frame.shape[1]), width).width)
        side = bench.camera.binned_pitch
        found: dict[str, float] = {
            "strehl": _peak(b) / _peak(a),
            "width": widths[1] / widths[0],
            "shift_y": place[0] * side,
            "shift_x": place[1] * side,
        }
        quantities = [q.name for q in self.quantities(bench) if q.name.startswith("error")]
        for name, (design, measured, by) in zip(quantities, pairs, strict=True):
            there = shifted(design, list(by))
            scale = float((there * measured).sum() / (there * there).sum())
            found[name] = float((measured - scale * there).norm() / measured.norm())
        return found

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """Whether points are sharp and masks do what they should."""
        advice = []
        strehl = numbers["strehl"]
        if strehl.value < _SHARP:
            advice.append(
                f"points are blurred: Strehl {strehl.value:.2f}, {numbers['width'].value:.2f} of the design's width. "
                "Check the focus of lenses, panel and camera; then fit aberrations: `sclc calibrate`."
            )
        worst = max((n for k, n in numbers.items() if k.startswith("error")), key=lambda n: n.value)
        if worst.value > _APART:
            advice.append(
                f"the point-spread function of the {worst.name.removeprefix('error, ')} is {worst.value:.0%} off its "
                "design: masks computed from this description will not do what they should."
            )
        return Judgement("poor" if advice else "good", tuple(advice))

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """Designs above, measurements below; roots of the counts."""
        pairs = self._pairs(seen, bench)
        axes = figure.subplots(2, len(pairs), squeeze=False)
        for k, (a, b, _) in enumerate(pairs):
            for row, (frame, title) in enumerate(((a, "design"), (b, "measured"))):
                drawing.plane(axes[row][k], frame.clamp(min=0).sqrt(), bench.camera.binned_pitch, title)
        for ax in axes.flat:
            ax.label_outer()


def _peak(frame: Tensor) -> float:
    """The largest value of a band-limited frame between its samples."""
    spectrum = torch.fft.fftshift(torch.fft.fft2(frame))
    pads = []
    for n in frame.shape:
        before = _FINE * n // 2 - n // 2  # frequency zero stays at index n // 2
        pads.append((before, (_FINE - 1) * n - before))
    fine = torch.nn.functional.pad(spectrum, (*pads[1], *pads[0]))
    return float(torch.fft.ifft2(torch.fft.ifftshift(fine)).real.max()) * _FINE**2
