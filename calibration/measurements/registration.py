"""Where the display's pixels and the panel's gratings land on the camera: affine maps, missing and stray spots.

Display: bright pixels through a flat panel stand around the zero order. With the true magnification `M` relative to
`f2 / f1 = m` and the camera moved by `s`, the pixel at `x` lands at `M m x - s` on the camera's upright axes. Panel:
one bright pixel through a grating of `c` turns per SLM pixel lands at `-M m (lambda f1 / pitch) R(rotation) c - s`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calibration.measuring import drawing
from calibration.measuring.faults import black
from calibration.measuring.interface import Judgement, Measurement, Number, Quantity, Seen, Shots, Values
from calibration.measuring.patterns import (
    Panel,
    deflection,
    needs,
    point,
    reach,
    sensor_region,
    spot_width,
    to_pixel,
)
from calibration.measuring.spots import Spot, fit_spot, peaks
from calibration.rigs.recording import RigError
from calibration.rigs.rig import Abilities
from calibration.twin.noise import variance
from optics.bench.geometry import camera_pixel
from optics.bench.spec import BenchSpec
from optics.conventions import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

_APART = 8  # input pixels between two points: their tails hardly meet
_WEAK, _STRAY = (
    0.3,
    0.15,
)  # of the median spot: below it a spot is missing, above it a peak beside the grid is stray
_CENTRE = 0.003  # binned pixels: what a centre may be off by: the shapes of pixels and spots
_SCALE = 0.01  # binned pixels: what gratings of few levels may send their spots aside
_COMA = 0.15  # radians rms that lenses and backplane may have of each coma, which moves the image
_FAR_OFF = 0.04  # of the panel's scale: beyond it another panel is likelier than an error of the lenses


@dataclass(frozen=True)
class Affine:
    """A map of points to the camera, `pixel = matrix @ point + start`, binned pixels (row, column); what it left."""

    matrix: Tensor
    start: Tensor
    rms: float


def affine(places: Tensor, pixels: Tensor) -> Affine:
    """Least squares over points (n, 2) and where they are seen (n, 2)."""
    table = torch.cat((places, torch.ones(len(places), 1, dtype=torch.float64)), 1)
    found = torch.linalg.lstsq(table, pixels).solution
    left = pixels - table @ found
    return Affine(found[:2].mT.contiguous(), found[2], float(left.pow(2).sum(1).mean().sqrt()))


def measured_geometry(found: Affine, unit: Point) -> dict[str, float]:
    """Scales, rotation and shear of an affine map, relative to `unit` = pixels that one step should make, (y, x).

    The rotation is positive from +x towards +y; the shear is what remains of the angle between the axes.
    """
    a = found.matrix
    scale_y, scale_x = float(a[:, 0].norm()) / abs(unit[0]), float(a[:, 1].norm()) / abs(unit[1])
    sign = [math.copysign(1.0, u) for u in unit]
    # column 1 is where +x goes, (row, column); column 0 where +y goes
    turn_x = math.atan2(sign[1] * float(a[0, 1]), sign[1] * float(a[1, 1]))
    turn_y = math.atan2(-sign[0] * float(a[1, 0]), sign[0] * float(a[0, 0]))
    return {
        "scale_y": scale_y,
        "scale_x": scale_x,
        "rotation": (turn_x + turn_y) / 2,
        "shear": turn_x - turn_y,
    }


def coma_shift(bench: BenchSpec) -> float:
    """How far the comas that a bench may have move its image, metres at the camera: they stand for a shift of it.

    `sqrt(8) (3 r^3 - 2 r)` has the slope `-2 sqrt(8) / radius` in the middle (Noll 1976), and a slope of `s` radians
    per metre moves the image by `s lambda f2 / (2 pi)`.
    """
    radii = [lens.diameter / 2 for lens in (bench.lens1, bench.lens2) if lens.diameter is not None]
    radii.append(math.hypot(*bench.slm.shape) * bench.slm.pitch / 2)
    slope = 2 * math.sqrt(8) * _COMA * math.sqrt(sum(r**-2 for r in radii))
    return slope * bench.light.wavelength * bench.lens2.focal_length / (2 * math.pi)


def moving_spots(frames: Tensor, width: float) -> tuple[list[Spot], Tensor]:
    """The brightest spot of each frame (n, y, x) that not all frames have in its place; and what they all have."""
    still = frames.median(0).values
    out = []
    for frame in frames:
        rest = torch.nn.functional.avg_pool2d((frame - still)[None, None].double(), 3, 1, 1)[0, 0]
        best = int(rest.argmax())
        out.append(fit_spot(frame - still, (best // rest.shape[1], best % rest.shape[1]), width))
    return out, still


def stray_spots(still: Tensor, typical: float, width: float, noise: float) -> list[tuple[int, int]]:
    """Peaks of what stays in all frames, as bright as a share of a `typical` spot; brightest first."""
    smooth = torch.nn.functional.avg_pool2d(still[None, None].double(), 3, 1, 1)[0, 0]
    return peaks(smooth, max(_STRAY * typical, 6 * noise), max(2, round(2 * width)))


def _height(found: Sequence[Spot]) -> float:
    return sorted(s.height for s in found)[len(found) // 2]


def _seen(found: Sequence[Spot], noise: float) -> list[int]:
    """Which spots are bright enough to count."""
    return [k for k, s in enumerate(found) if s.height > max(_WEAK * _height(found), 3 * noise)]


def _noise(bench: BenchSpec) -> float:
    return math.sqrt(float(variance(bench, torch.tensor(bench.camera.black, dtype=torch.float64))))


class DisplayRegistration(Measurement):
    """The display's pixels on the camera."""

    name = "display"
    title = "Registration of display and camera"
    quick = True

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs a grid on the sensor."""
        why = needs(bench, abilities)
        step = self._step(bench)
        return why or ("" if step >= 5 else "the sensor is too small for a grid of points")

    def _step(self, bench: BenchSpec) -> int:
        room = min(reach(bench, 5 * bench.input.pitch)) / bench.input.pitch
        return min(_APART, int(room))

    def _places(self, bench: BenchSpec) -> list[tuple[int, int]]:
        step = self._step(bench)
        return [(step * i, step * j) for i in (0, 1, 2) for j in (0, 1, 2)]

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """One bright pixel after another through a flat panel: alone, it does not interfere with others."""
        panel = Panel.of(bench)
        side = 2 * self._step(bench) + 1
        pictures = [point((side, side), place) for place in self._places(bench)]
        probes = panel.probes([panel.flat()] * len(pictures), pictures)
        return (Shots("points", probes, sensor_region(bench), brightest=len(pictures) // 2),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Numbers of `alignment`, and what it has no number for."""
        a, pixel = bench.alignment, camera_pixel(bench)
        centre = math.hypot(_CENTRE * bench.camera.binned_pitch, coma_shift(bench))
        span = 2 * self._step(bench) * bench.input.pitch / pixel
        return (
            Quantity(
                "magnification",
                "",
                a.magnification * bench.stretch,
                "alignment.magnification",
                _CENTRE / span,
            ),
            Quantity("anisotropy", "y over x, - 1", 0.0, floor=1.5 * _CENTRE / span),
            Quantity("rotation", "rad", 0.0, floor=_CENTRE / span),
            Quantity("shear", "rad", 0.0, floor=1.5 * _CENTRE / span),
            Quantity("camera_shift_y", "m", a.camera_shift[0], "alignment.camera_shift.0", centre),
            Quantity("camera_shift_x", "m", a.camera_shift[1], "alignment.camera_shift.1", centre),
            Quantity("left", "binned pixels rms", floor=_CENTRE),
            Quantity("missing", "spots", 0.0, floor=0.01),
            Quantity("stray", "spots", 0.0, floor=0.01),
        )

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """The map of the points."""
        found, still = moving_spots(black(bench, seen["points"].counts), spot_width(bench))
        noise = _noise(bench)
        good = _seen(found, noise)
        if len(good) < 5:
            raise RigError(
                f"{len(good)} of {len(found)} display pixels are seen; check focus, light and what the display shows."
            )
        step, corner = self._step(bench), seen["points"].corner
        places = self._places(bench)
        at = torch.tensor([[float(places[k][i] - step) for i in (0, 1)] for k in good], dtype=torch.float64)
        pixels = torch.tensor(
            [[found[k].place[i] + corner[i] for i in (0, 1)] for k in good], dtype=torch.float64
        )
        fit = affine(at, pixels)
        unit = bench.input.pitch / camera_pixel(bench)
        told = measured_geometry(fit, (unit, unit))
        middle = to_pixel(bench, (0.0, 0.0))
        side = bench.camera.binned_pitch
        return {
            "magnification": math.sqrt(told["scale_y"] * told["scale_x"]),
            "anisotropy": told["scale_y"] / told["scale_x"] - 1,
            "rotation": told["rotation"],
            "shear": told["shear"],
            "camera_shift_y": (middle[0] - float(fit.start[0])) * side,
            "camera_shift_x": (middle[1] - float(fit.start[1])) * side,
            "left": fit.rms,
            "missing": float(len(found) - len(good)),
            "stray": float(len(stray_spots(still, _height(found), spot_width(bench), noise))),
        }

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """What to write, and what to look at on the bench."""
        advice: list[str] = []
        changes: dict[str, object] = {}
        if numbers["missing"].value or numbers["stray"].value:
            advice += self._odd_spots(seen, bench)
        for name, least, text in (
            (
                "magnification",
                0.002,
                "the magnification is {0:.4f} of f2 / f1: check lens distances, or write it",
            ),
            ("camera_shift_y", 2e-6, "the camera stands {0:.3g} m aside along y"),
            ("camera_shift_x", 2e-6, "the camera stands {0:.3g} m aside along x"),
        ):
            n = numbers[name]
            if n.apart > 3 and abs(n.value - n.stated) > least:
                advice.append(f"{text.format(n.value)}: {n.key} = {n.value:.6g}.")
                changes[n.key] = n.value
        if numbers["rotation"].apart > 3 and abs(numbers["rotation"].value) > 2e-3:
            advice.append(
                f"the camera is turned against the display by {numbers['rotation'].value:.4f} rad: turn it back."
            )
        if numbers["anisotropy"].apart > 4 and abs(numbers["anisotropy"].value) > 3e-3:
            advice.append(
                f"y and x are magnified differently, by {numbers['anisotropy'].value:+.2%}: a lens or mirror is tilted."
            )
        return Judgement("poor" if advice else "good", tuple(advice), changes)

    def _odd_spots(self, seen: Seen, bench: BenchSpec) -> list[str]:
        noise, corner = _noise(bench), seen["points"].corner
        found, still = moving_spots(black(bench, seen["points"].counts), spot_width(bench))
        good = _seen(found, noise)
        missing = [place for k, place in enumerate(self._places(bench)) if k not in good]
        strays = [
            (y + corner[0], x + corner[1])
            for y, x in stray_spots(still, _height(found), spot_width(bench), noise)
        ]
        told = []
        if missing:
            told.append(
                f"display pixels {_listed(missing)} (row, column) are dark: dust, or a beam too narrow."
            )
        if strays:
            told.append(
                f"stray light at binned pixels {_listed(strays)} (row, column): a reflection, or an open shutter."
            )
        return told

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """All frames at once with the spots that were found."""
        frames = black(bench, seen["points"].counts)
        spots = moving_spots(frames, spot_width(bench))[0]
        _show_spots(figure, frames.amax(0), spots, bench.camera.binned_pitch)


class PanelRegistration(Measurement):
    """The panel's gratings on the camera."""

    name = "panel"
    title = "Registration of panel (SLM) and camera"
    quick = True

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs room for gratings on the sensor."""
        why = needs(bench, abilities, display=False)
        return why or (
            "" if min(reach(bench, 8 * bench.input.pitch)) > 8 * bench.input.pitch else "small sensor"
        )

    def _carriers(self, bench: BenchSpec) -> list[Point]:
        """Gratings around the axis, turns per pixel, none opposite to another."""
        room = [min(far * bench.slm.pitch / bench.scale, 0.3) for far in reach(bench, 6 * bench.input.pitch)]
        angles = [0.3 + 2 * math.pi * k / 7 for k in range(7)]
        return [(0.9 * room[0] * math.sin(a), 0.9 * room[1] * math.cos(a)) for a in angles]

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """One bright pixel through each grating."""
        panel = Panel.of(bench)
        carriers = self._carriers(bench)
        probes = panel.probes([panel.blaze(c) for c in carriers], [point((9, 9))] * len(carriers))
        return (Shots("gratings", probes, sensor_region(bench)),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """Rotation and scale."""
        a = bench.alignment
        centre = _CENTRE * bench.camera.binned_pitch
        span = 2 * min(abs(v) for v in self._span(bench))
        return (
            Quantity("rotation", "rad", a.mask_rotation, "alignment.mask_rotation", _CENTRE / span),
            Quantity("scale", "", a.magnification * bench.stretch, floor=_SCALE / span),
            Quantity("shear", "rad", 0.0, floor=2 * _SCALE / span),
            Quantity("zero_order_y", "m", -a.camera_shift[0], floor=centre),
            Quantity("zero_order_x", "m", -a.camera_shift[1], floor=centre),
            Quantity("left", "binned pixels rms", floor=_CENTRE),
            Quantity("missing", "spots", 0.0, floor=0.01),
        )

    def _span(self, bench: BenchSpec) -> Point:
        room = reach(bench, 6 * bench.input.pitch)
        pixel = camera_pixel(bench)
        return (0.9 * room[0] / pixel, 0.9 * room[1] / pixel)

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """The map of the gratings."""
        found, _ = moving_spots(black(bench, seen["gratings"].counts), spot_width(bench))
        good = _seen(found, _noise(bench))
        if len(good) < 4:
            raise RigError(
                f"{len(good)} of {len(found)} gratings send a spot onto the sensor; check that the panel shows them."
            )
        carriers = torch.tensor(self._carriers(bench), dtype=torch.float64)[good]
        corner = seen["gratings"].corner
        pixels = torch.tensor(
            [[found[k].place[i] + corner[i] for i in (0, 1)] for k in good], dtype=torch.float64
        )
        fit = affine(carriers, pixels)
        step = deflection(bench, (1.0, 1.0))[0] / camera_pixel(bench)
        told = measured_geometry(fit, (step, step))
        middle = to_pixel(bench, (0.0, 0.0))
        side = bench.camera.binned_pitch
        return {
            "rotation": told["rotation"],
            "scale": math.sqrt(told["scale_y"] * told["scale_x"]),
            "shear": told["shear"],
            "zero_order_y": (float(fit.start[0]) - middle[0]) * side,
            "zero_order_x": (float(fit.start[1]) - middle[1]) * side,
            "left": fit.rms,
            "missing": float(len(found) - len(good)),
        }

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """Rotation to write; another scale is another panel, wavelength or focal length."""
        advice: list[str] = []
        changes: dict[str, object] = {}
        scale, turn = numbers["scale"], numbers["rotation"]
        if numbers["left"].value > 1.0 or abs(turn.value) > 0.3:
            return Judgement(
                "failed",
                (
                    "the spots do not move as the gratings say: the panel is mirrored or turned, or shows another "
                    "frame; measure `orientation` first.",
                ),
            )
        if abs(scale.value / scale.stated - 1) > _FAR_OFF and scale.apart > 3:
            pitch = bench.slm.pitch * scale.stated / scale.value
            advice.append(
                f"wrong panel? Gratings deflect {scale.value / scale.stated:.3f} times as far as they should, as if "
                f"slm.pitch were {pitch:.4g} m, not {bench.slm.pitch:.4g}; check the device, light.wavelength and "
                "lens1.focal_length."
            )
            changes["slm.pitch"] = pitch
        if turn.apart > 3 and abs(turn.value - turn.stated) > 5e-4:
            advice.append(
                f"the panel is turned by {turn.value:.4f} rad: alignment.mask_rotation = {turn.value:.5g}."
            )
            changes[turn.key] = turn.value
        if numbers["missing"].value:
            advice.append(f"{numbers['missing'].value:.0f} gratings gave no spot on the sensor.")
        return Judgement("poor" if advice else "good", tuple(advice), changes)

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """All frames at once with the spots that were found."""
        frames = black(bench, seen["gratings"].counts)
        spots = moving_spots(frames, spot_width(bench))[0]
        _show_spots(figure, frames.amax(0), spots, bench.camera.binned_pitch)


def _listed(places: Sequence[tuple[int, int]], most: int = 4) -> str:
    shown = ", ".join(f"({y}, {x})" for y, x in places[:most])
    return shown + (f" and {len(places) - most} more" if len(places) > most else "")


def _show_spots(figure: Figure, frame: Tensor, found: Sequence[Spot], pitch: float) -> None:
    ax = figure.subplots()
    drawing.plane(ax, frame.clamp(min=0).sqrt(), pitch, "root of the counts, and the spots")
    places = [drawing.place(*s.place, frame, pitch) for s in found]
    ax.scatter(
        [x for _, x in places], [y for y, _ in places], s=40, facecolors="none", edgecolors=drawing.MARK
    )
