"""Which of the eight ways is each device mounted: an F on the display, and where a blaze sends it.

A flat panel leaves the display's F at the zero order: how it stands there is how camera and display stand to one
another. A blaze moves it by `-carrier lambda f1 / pitch`; a carrier with two different parts tells how camera and panel
stand to one another, in the same way. With `C`, `D`, `S` the turns and mirrors by which camera, display and panel are
off from what the bench file says, frames show `C D` and `C S`: all three may be off by a common turn, as a bench in a
mirror. So the fewest devices that explain both are named: the display where only the F is off, the panel where only the
blaze is, the camera where both are by the same. Where two devices are off, the display's is taken to be as told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calibration.measuring import drawing
from calibration.measuring.faults import black
from calibration.measuring.interface import Judgement, Measurement, Number, Quantity, Seen, Shots, Values
from calibration.measuring.patterns import Panel, glyph, needs, reach, sensor_region
from calibration.measuring.spots import correlation, windows_inner
from calibration.rigs.rig import Abilities
from optics.bench.geometry import camera_pixel
from optics.bench.mounting import MountSpec
from optics.bench.spec import BenchSpec
from optics.conventions import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from calibration.measuring.interface import Finding

WAYS = tuple(MountSpec(mirrored=m, turned=t) for m in (False, True) for t in range(4))
DEVICES = {"display": "the display", "slm": "the panel (SLM)", "camera": "the camera"}
_TIMES = 2  # input pixels of a square of the F
_CLEAR = 0.08  # of the correlation: by so much the best way must beat the next


def upright(way: MountSpec, plane: Tensor) -> Tensor:
    """What is seen of a plane by a device that stands `way` and is taken for upright."""
    return way.to_picture(plane)


def really(way: MountSpec, told: MountSpec) -> MountSpec:
    """The mounting of a device that is told to stand `told` and whose planes then come out as `way` says."""
    return _the_way_that(lambda mount, test: told.to_plane(mount.to_picture(test)), way.to_picture)


def _the_way_that(
    gives: Callable[[MountSpec, Tensor], Tensor], wanted: Callable[[Tensor], Tensor]
) -> MountSpec:
    """The mounting with which a plane of six different samples comes out as `wanted` turns it; there is one."""
    test = torch.arange(6.0).reshape(2, 3)
    for mount in WAYS:
        if torch.equal(gives(mount, test).contiguous(), wanted(test).contiguous()):
            return mount
    raise AssertionError("the eight ways are a group")


def fewest_off(image: MountSpec, blaze: MountSpec) -> tuple[MountSpec, MountSpec, MountSpec]:
    """By how much display, panel and camera are off, where frames show `image` and `blaze` of planes.

    Args:
        image: the display's F is seen as `image.to_picture` of it.
        blaze: what the panel shows is seen as `blaze.to_picture` of it.

    Returns:
        Display and panel show `way.to_plane` of what is asked, the camera gives `way.to_picture` of what is there.
    """

    def shown(camera: MountSpec, seen: MountSpec) -> MountSpec:
        return _the_way_that(lambda way, test: camera.to_picture(way.to_plane(test)), seen.to_picture)

    # one of the three as told; the display first, where that makes no difference
    found = [(shown(camera, image), shown(camera, blaze), camera) for camera in (image, MountSpec(), blaze)]
    return min(found, key=lambda devices: sum(not way.plain for way in devices))


class Orientation(Measurement):
    """How display, panel and camera stand to one another."""

    name = "orientation"
    title = "Orientation of display, panel and camera"
    quick = True

    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """It needs room on the sensor for a blaze in any direction."""
        why = needs(bench, abilities)
        if why:
            return why
        room = self._carrier(bench)
        return "" if min(map(abs, room)) > 0 else "the sensor is too small for an F beside the zero order"

    def _carrier(self, bench: BenchSpec) -> Point:
        """Turns per SLM pixel, (y, x): as far as the sensor allows in each direction, the two parts as 2 to 1."""
        size = 7 * _TIMES * bench.input.pitch / 2
        room = min(reach(bench, size))
        far = min(room, 0.45 * bench.scale / bench.slm.pitch)
        turns = far * bench.slm.pitch / bench.scale
        return (turns, -turns / 2)

    def series(self, bench: BenchSpec) -> Sequence[Shots]:
        """The F through a flat panel, and through a blaze."""
        panel = Panel.of(bench)
        picture = glyph(_TIMES)
        levels = [panel.flat(), panel.blaze(self._carrier(bench))]
        probes = panel.probes(levels, [picture, picture])
        return (Shots("f", probes, sensor_region(bench)),)

    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """The three mountings, as numbers of a bench file, and how clear each relation is."""
        mount = bench.mounting
        return (
            Quantity("display.mirrored", "", float(mount.display.mirrored), floor=0.01),
            Quantity("display.turned", "quarter turns", float(mount.display.turned), floor=0.01),
            Quantity("camera.mirrored", "", float(mount.camera.mirrored), floor=0.01),
            Quantity("camera.turned", "quarter turns", float(mount.camera.turned), floor=0.01),
            Quantity("camera.lead", "of the correlation"),
            Quantity("slm.mirrored", "", float(mount.slm.mirrored), floor=0.01),
            Quantity("slm.turned", "quarter turns", float(mount.slm.turned), floor=0.01),
            Quantity("slm.lead", "of the deflection"),
        )

    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """The ways that fit best."""
        still, moved = black(bench, seen["f"].counts)
        scores = [self._find(still, bench, way) for way in WAYS]
        order = sorted(range(8), key=lambda k: -scores[k][0])
        best = order[0]
        camera, place = WAYS[best], scores[best][1]
        template = self._template(bench, camera)
        deflected = self._moved(still, moved, template, place)
        pixel = camera_pixel(bench)
        carrier = self._carrier(bench)
        fits = []
        for way in WAYS:
            turned = _as_vector(way, carrier, into_plane=True)
            sent = [-c * bench.scale / bench.slm.pitch / pixel for c in turned]
            wanted = _as_vector(camera, (sent[0], sent[1]), into_plane=False)
            far = math.hypot(*sent)
            fits.append(math.hypot(wanted[0] - deflected[0], wanted[1] - deflected[1]) / far)
        ranks = sorted(range(8), key=lambda k: fits[k])
        panel = WAYS[ranks[0]]
        blaze = _the_way_that(
            lambda way, test: way.to_picture(test), lambda t: camera.to_picture(panel.to_plane(t))
        )
        off = dict(zip(DEVICES, fewest_off(camera, blaze), strict=True))
        found: dict[str, float | tuple[float, float]] = {}
        for device, way in off.items():
            told: MountSpec = getattr(bench.mounting, device)
            real = really(way, told) if device == "camera" else really_shown(way, told)
            found[f"{device}.mirrored"], found[f"{device}.turned"] = float(real.mirrored), float(real.turned)
        found["camera.lead"] = scores[best][0] - scores[order[1]][0]
        found["slm.lead"] = fits[ranks[1]] - fits[ranks[0]]
        return found

    def _template(self, bench: BenchSpec, way: MountSpec) -> Tensor:
        """The F as the camera that stands `way` sees it, on binned pixels."""
        picture = upright(way, glyph(_TIMES) ** 2)
        size = [max(4, round(n * bench.input.pitch / camera_pixel(bench))) for n in picture.shape]
        return torch.nn.functional.interpolate(
            picture[None, None], size=size, mode="bilinear", antialias=True
        )[0, 0]

    def _find(self, frame: Tensor, bench: BenchSpec, way: MountSpec) -> tuple[float, tuple[int, int]]:
        """Best correlation with the F that stands `way`, and where."""
        score = correlation(frame.double(), self._template(bench, way))
        best = int(score.argmax())
        return float(score.max()), (best // score.shape[1], best % score.shape[1])

    def _moved(
        self, still: Tensor, moved: Tensor, template: Tensor, place: tuple[int, int]
    ) -> tuple[float, float]:
        """How far the blaze moved the F, binned pixels: what the zero order leaves behind is taken out first."""
        share = float((still * moved).sum() / (still * still).sum())
        rest = (moved - min(share, 0.5) * still).double()
        score = correlation(rest, template) * _energy(rest, template)
        best = int(score.argmax())
        y, x = best // score.shape[1], best % score.shape[1]
        return (float(y - place[0]), float(x - place[1]))

    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """Which mounting to write."""
        advice, changes = [], {}
        for device in ("camera", "slm"):
            lead = numbers[f"{device}.lead"].value
            if lead < _CLEAR:
                text = f"the way the {device} stands is not clear (lead {lead:.2f}); check focus and light."
                return Judgement("failed", (text,))
        for device, what in DEVICES.items():
            found = MountSpec(
                mirrored=numbers[f"{device}.mirrored"].value > 0.5,
                turned=round(numbers[f"{device}.turned"].value),
            )
            told: MountSpec = getattr(bench.mounting, device)
            if found != told:
                advice.append(
                    f"{what} is {_words(found)}, the bench file says {_words(told)}: set [mounting.{device}] "
                    f"mirrored = {str(found.mirrored).lower()}, turned = {found.turned}."
                )
                changes[f"mounting.{device}"] = found
        if len(changes) > 1:
            advice.append("frames tell how devices stand to one another: the display is taken to be as told.")
        return Judgement("poor" if advice else "good", tuple(advice), changes)

    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """The two frames."""
        for ax, frame, title in zip(
            figure.subplots(1, 2), seen["f"].counts, ("F, flat panel", "F, blaze"), strict=True
        ):
            drawing.plane(ax, frame.double(), bench.camera.binned_pitch, title)


def really_shown(way: MountSpec, told: MountSpec) -> MountSpec:
    """The mounting of a device that is told to stand `told` and then shows `way.to_plane` of what is asked."""
    return _the_way_that(lambda mount, test: mount.to_plane(told.to_picture(test)), way.to_plane)


def _as_vector(way: MountSpec, v: Point, *, into_plane: bool) -> Point:
    """A vector (y, x) of a picture as a vector of its plane, or the other way round."""
    y, x = v
    if into_plane:
        x = -x if way.mirrored else x
        for _ in range(way.turned):
            y, x = x, -y
        return (y, x)
    for _ in range(way.turned):
        y, x = -x, y
    return (y, -x if way.mirrored else x)


def _energy(frame: Tensor, template: Tensor) -> Tensor:
    """Root of the light in every window of the template's size: a correlation of noise counts for nothing."""
    return windows_inner(frame.clamp(min=0), torch.ones_like(template)).clamp(min=0).sqrt()


def _words(mount: MountSpec) -> str:
    parts = ["mirrored"] if mount.mirrored else []
    if mount.turned:
        parts.append(f"turned by {mount.turned} quarter turn{'s' if mount.turned > 1 else ''}")
    return " and ".join(parts) or "upright"
