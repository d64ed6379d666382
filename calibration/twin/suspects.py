"""Why frames do not fit: devices mounted otherwise, another panel. What a fit leaves is `calibration.twin.faults`.

Mounting and panel are tried out: the frames are turned as the other mounting would have them, or the panel's pitch is
another device's, and the best correlation of the search for a start (`calibration.twin.start`) tells.
"""

from __future__ import annotations

from collections.abc import Iterator

from calibration.rigs.mounted import to_pictures, to_planes
from calibration.rigs.recording import Recording
from calibration.twin.parameters import Tolerances
from calibration.twin.start import coarse_start
from optics.bench.mounting import MountingSpec, MountSpec
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError

_PITCHES = (3.74e-6, 4.5e-6, 6.4e-6, 8e-6, 9.2e-6, 10.8e-6, 12.5e-6)  # metres, of devices on the market
_FRAMES = 2
_NEAR = 0.4  # of the tolerance of the mask's shift: how far the search goes for each suspicion
_LIKELY, _AHEAD = 0.5, 0.03  # correlation of a suspicion that is told; how far it leads the description's own
_LEFT = 0.5  # of what the description leaves unexplained: what a suspicion that is told may leave


def another_bench(recording: Recording, bench: BenchSpec, tolerances: Tolerances) -> str:
    """Which other mounting or panel the frames look like, in a line; empty where none explains them better."""
    own = _score(recording, bench, tolerances)
    found: list[tuple[float, str]] = []
    for words, changed in _hypotheses(bench):
        try:
            planes = recording
            if changed.mounting != bench.mounting:
                planes = to_planes(to_pictures(recording, bench), changed)
            found.append((_score(planes, changed, tolerances), words))
        except OpticsError:  # such frames cannot be of such a bench
            continue
    best = max(found, default=(0.0, ""))
    likely = best[0] > max(_LIKELY, own + _AHEAD) and 1 - best[0] < _LEFT * (1 - own)
    return best[1] if likely else ""


def _score(recording: Recording, bench: BenchSpec, tolerances: Tolerances) -> float:
    near = tolerances.replace(mask_shift=_NEAR * tolerances.mask_shift)
    return coarse_start(bench, recording, near, frames=_FRAMES, keep=1)[0][1]


def _hypotheses(bench: BenchSpec) -> Iterator[tuple[str, BenchSpec]]:
    """Other benches, in words and as descriptions: one device mounted otherwise, both, or another panel."""
    ways = [MountSpec(mirrored=m, turned=t) for m in (False, True) for t in (0, 2)]
    told = bench.mounting
    cameras, panels, displays = (
        [way for way in ways if way != own] for own in (told.camera, told.slm, told.display)
    )
    for way in cameras:
        yield _words("the camera", "camera", way), _mounted(bench, camera=way)
    for way in panels:
        yield _words("the panel (SLM)", "slm", way), _mounted(bench, slm=way)
    for way in displays:
        yield _words("the display", "display", way), _mounted(bench, display=way)
    for pitch in _PITCHES:
        if abs(pitch / bench.slm.pitch - 1) > 0.02:
            words = (
                f"wrong panel: the frames look like those of a panel of slm.pitch = {pitch:.4g} m, not "
                f"{bench.slm.pitch:.4g}; check the device."
            )
            try:
                yield words, bench.replace(**{"slm.pitch": pitch})
            except OpticsError:
                continue


def _mounted(bench: BenchSpec, **devices: MountSpec) -> BenchSpec:
    mounting = bench.mounting
    told = {"display": mounting.display, "slm": mounting.slm, "camera": mounting.camera} | devices
    return bench.replace(mounting=MountingSpec(**told))


def _words(what: str, device: str, way: MountSpec) -> str:
    parts = ["mirrored"] if way.mirrored else []
    if way.turned:
        parts.append("turned by half a turn")
    return (
        f"{what} is {' and '.join(parts) or 'upright'}: set [mounting.{device}] "
        f"mirrored = {str(way.mirrored).lower()}, turned = {way.turned}."
    )
