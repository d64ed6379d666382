"""Why frames do not fit: devices mounted otherwise, another panel, a bench that moved while they were taken.

Mounting and panel are tried out: the frames are turned as the other mounting would have them, or the panel's pitch is
another device's, and the best correlation of the search for a start (`calibration.twin.start`) tells. Drift is read
from the frames that a fit predicts: how far each lies from its prediction, against the time at which it was taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from calibration.rigs.mounted import to_pictures, to_planes
from calibration.rigs.recording import Recording
from calibration.twin.noise import variance
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
_SURE = 5.0  # standard errors of a drift that is told
_MOVED, _DIMMED = 0.05, 0.01  # binned pixels, share of the light: from the first frame to the last


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
    cameras, panels = ([way for way in ways if way != own] for own in (told.camera, told.slm))
    for way in cameras:
        yield _words("the camera", "camera", way), _mounted(bench, camera=way)
    for way in panels:
        yield _words("the panel (SLM)", "slm", way), _mounted(bench, slm=way)
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


def drift(recording: Recording, bench: BenchSpec, predicted: Tensor) -> str:
    """How the frames move and dim with time against what a fitted bench predicts, in a line; empty where they do not.

    Args:
        recording: frames with times.
        bench: as fitted.
        predicted: counts (n, cy, cx).
    """
    if len(recording.times) < 4 or recording.times[-1] <= recording.times[0]:
        return ""
    times = torch.tensor(recording.times, dtype=torch.float64)
    rows = [_moved(*pair, bench) for pair in zip(recording.counts, predicted.double(), strict=True)]
    values, errors = (torch.stack([row[k] for row in rows]) for k in (0, 1))
    told = []
    span = float(times[-1] - times[0])
    for k, (name, least) in enumerate((("y", _MOVED), ("x", _MOVED), ("light", _DIMMED))):
        slope, error = _slope(times, values[:, k], errors[:, k])
        if abs(slope) > _SURE * error and abs(slope) * span > least:
            amount = f"{slope * span:+.1%}" if name == "light" else f"{slope * span:+.2f} binned pixels"
            what = "the light changed" if name == "light" else "the image moved"
            told.append(f"{what} by {amount}" + ("" if name == "light" else f" along {name}"))
    if not told:
        return ""
    return f"drift during the run: in {span:.1f} s {' and '.join(told)}; let the bench warm up and fix the mounts."


def _moved(counts: Tensor, predicted: Tensor, bench: BenchSpec) -> tuple[Tensor, Tensor]:
    """Shift (y, x), pixels, and relative light of a frame against its prediction, least squares; and the errors."""
    light = predicted - bench.camera.black
    dy, dx = (-torch.gradient(light, dim=k)[0] for k in (0, 1))
    columns = torch.stack([p.flatten() for p in (dy, dx, light)])
    weighted = columns / variance(bench, predicted).flatten()
    gram = weighted @ columns.mT
    gram = gram + 1e-12 * torch.diag(gram.diagonal() + 1e-30)
    found = torch.linalg.solve(gram, weighted @ (counts - predicted).flatten())
    return found, torch.linalg.inv(gram).diagonal().sqrt()


def _slope(times: Tensor, values: Tensor, errors: Tensor) -> tuple[float, float]:
    """Slope of a straight line and its error, which grows with what scatters beyond the errors."""
    weight = 1 / errors**2
    centre = float((weight * times).sum() / weight.sum())
    spread = float((weight * (times - centre) ** 2).sum())
    slope = float((weight * (times - centre) * values).sum()) / spread
    left = values - (weight * values).sum() / weight.sum() - slope * (times - centre)
    excess = math.sqrt(max(1.0, float((weight * left**2).sum()) / max(1, len(times) - 2)))
    return slope, excess / math.sqrt(spread)
