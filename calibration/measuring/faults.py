"""What can be wrong with frames whatever they are for: no light, too much of it, lost frames, a bench that moves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from calibration.measuring.interface import Flats, Seen, Shots
from calibration.measuring.spots import shift_between
from calibration.rigs.recording import Recording
from calibration.rigs.rig import Call
from calibration.twin.noise import variance
from optics.bench.spec import BenchSpec

Kind = Literal["blank", "saturated", "dropped", "drift", "timed out", "failed"]
AGAIN = "again"  # the first probe of the first series, once more at the end
_BRIGHT = 6.0  # standard deviations above black at which a pixel holds light
_LOST = 0.002  # share of saturated pixels that spoils a frame
_MOVED, _SURE = 0.1, 5.0  # binned pixels; standard errors
_DIMMED = 0.02


@dataclass(frozen=True)
class Fault:
    """One fault. fatal: nothing can be measured from such frames."""

    kind: Kind
    words: str
    fatal: bool = False

    def __str__(self) -> str:
        """One line."""
        return f"{self.kind}: {self.words}"


def faults_of(
    series: Sequence[Shots | Flats], seen: Seen, bench: BenchSpec, log: Sequence[Call]
) -> list[Fault]:
    """The faults of a measurement's frames, worst first."""
    shots = {s.name: seen[s.name] for s in series if isinstance(s, Shots)}
    found = blank(shots, bench) + saturated(shots, bench)
    if AGAIN in seen.shots and not found:
        first = next(iter(shots.values()))
        found += moved(first[:1], seen[AGAIN], bench)
    dropped = sum(call.outcome == "dropped" for call in log)
    if dropped:
        share = dropped / max(1, len(log))
        found.append(
            Fault(
                "dropped",
                f"{dropped} of {len(log)} frames were lost and taken again ({share:.0%}); check the camera's cable, "
                "its port and its trigger.",
            )
        )
    return found


def blank(shots: dict[str, Recording], bench: BenchSpec) -> list[Fault]:
    """Whether no frame of a series holds light."""
    floor = math.sqrt(float(variance(bench, torch.tensor(bench.camera.black, dtype=torch.float64))))
    for name, seen in shots.items():
        counts = seen.counts
        smooth = torch.nn.functional.avg_pool2d(counts[:, None], 3, 1, 1)[:, 0]
        rise = float((smooth.amax((1, 2)) - smooth.flatten(1).median(1).values).max())
        if rise < _BRIGHT * floor / 3 + 0.5:
            return [
                Fault(
                    "blank",
                    f"no light in the frames {name!r}: they rise by {rise:.2g} counts, noise is {floor:.2g}. Check "
                    "laser, shutter, polarisers, and that the display shows its picture.",
                    fatal=True,
                )
            ]
    return []


def saturated(shots: dict[str, Recording], bench: BenchSpec) -> list[Fault]:
    """Whether pixels are at the end of what the camera can count."""
    for name, seen in shots.items():
        share = float((seen.counts >= ceiling(bench)).double().mean((1, 2)).max())
        if share > _LOST:
            return [
                Fault(
                    "saturated",
                    f"{share:.1%} of a frame's pixels ({name!r}) are at the camera's limit, at {seen.exposure:.2g} s: "
                    "use less light or a shorter exposure.",
                    fatal=True,
                )
            ]
    return []


def ceiling(bench: BenchSpec) -> float:
    """Counts from which a binned pixel counts as saturated: of the converter or the well, whichever ends first."""
    camera = bench.camera
    top = camera.ceiling
    if camera.full_well is not None:
        top = min(top, camera.black + 0.9 * camera.binning**2 * camera.full_well / camera.gain)
    return 0.98 * top


def moved(first: Recording, last: Recording, bench: BenchSpec) -> list[Fault]:
    """Whether the same probe gave another frame at the end of the run."""
    before, after = (r.counts[0] - bench.camera.black for r in (first, last))
    shift, error = shift_between(before, after, variance(bench, first.counts[0]))
    spread = math.sqrt(float(variance(bench, first.counts[0]).sum()))
    light = float(before.sum())
    change, sure = float(after.sum() - before.sum()) / light, spread * math.sqrt(2) / light
    told = []
    if any(abs(s) > _MOVED and abs(s) > _SURE * e for s, e in zip(shift, error, strict=True)):
        told.append(f"the image moved by ({shift[0]:+.2f}, {shift[1]:+.2f}) binned pixels")
    if abs(change) > _DIMMED and abs(change) > _SURE * sure:
        told.append(f"the light changed by {change:+.1%}")
    if not told:
        return []
    return [
        Fault(
            "drift",
            f"from the first frame to its repetition at the end {' and '.join(told)}; let the bench warm up, fix the "
            "mounts, and measure again.",
        )
    ]


def black(bench: BenchSpec, counts: Tensor) -> Tensor:
    """Counts above the camera's black level."""
    return counts - bench.camera.black
