"""A measurement carried out: shown, kept frame by frame, checked for faults, estimated, judged.

Where a folder is given, every frame is kept there as it is taken. Killed or failed, the same call goes on with them and
gives the same numbers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from calibration.measuring.faults import AGAIN, Fault, ceiling, faults_of
from calibration.measuring.interface import (
    Finding,
    Flats,
    Measurement,
    Number,
    Seen,
    Shots,
    Values,
)
from calibration.rigs.recording import Recording, RigError
from calibration.rigs.rig import Resumable, Rig
from calibration.rigs.store import FrameStore
from calibration.twin.noise import variance
from optics.bench.spec import BenchSpec
from optics.files import make_folder, write_json
from optics.reading import from_json, read_bytes, reading

_REDRAWN = 20  # times that the noise is drawn anew to see how the values scatter
_TRIALS = 8  # exposures that are tried
_TARGET = 0.5  # of what the camera can count: where the brightest pixel is put
Tell = Callable[[int, int], None]


class MeasurementError(RigError):
    """The bench failed during a measurement; `faults` say how, and what was taken is kept."""

    def __init__(self, message: str, faults: tuple[str, ...]) -> None:
        super().__init__(message)
        self.faults = faults


@dataclass(frozen=True)
class Measured:
    """A finding with what was seen, for its picture."""

    finding: Finding
    seen: Seen
    bench: BenchSpec


def measure(
    measurement: Measurement,
    rig: Rig,
    *,
    folder: str | Path | None = None,
    tell: Tell | None = None,
    every: float = 2.0,
) -> Measured:
    """Carry out one measurement.

    Args:
        measurement: which.
        rig: the bench.
        folder: where frames are kept, in a folder of the measurement's name; the same call goes on with them.
        tell: called with (frames done, frames in all).
        every: seconds between two writings there.

    Raises:
        RigError: the measurement cannot be made on this bench.
        MeasurementError: the bench failed before the end.
    """
    bench = rig.nominal
    why = measurement.refuses(bench, rig.abilities)
    if why:
        raise RigError(f"{measurement.name} cannot be measured on bench {bench.name!r}: {why}.")
    begun = len(rig.log)
    place = None if folder is None else Path(folder) / measurement.name
    series = list(measurement.series(bench))
    try:
        seen = _capture(series, rig, place, tell or (lambda done, total: None), every)
    except RigError as error:
        kind = next((c.outcome for c in reversed(rig.log[begun:]) if c.outcome != "done"), "failed")
        fault = f"{kind}: {error}"
        kept = "" if place is None else f" What was taken is kept in {place}; the same command goes on."
        raise MeasurementError(f"{measurement.name}: {fault}{kept}", (fault,)) from error
    found = faults_of(series, seen, bench, rig.log[begun:])
    return Measured(evaluate(measurement, seen, bench, found), seen, bench)


def evaluate(measurement: Measurement, seen: Seen, bench: BenchSpec, faults: list[Fault]) -> Finding:
    """The finding of frames that are there."""
    frames = sum(map(len, seen.shots.values())) + sum(map(len, seen.flats.values()))
    told = tuple(map(str, faults))
    if any(fault.fatal for fault in faults):
        return Finding(
            measurement.name,
            measurement.title,
            "failed",
            (),
            tuple(f.words for f in faults),
            told,
            frames=frames,
        )
    try:
        values = measurement.values(seen, bench)
    except RigError as error:
        return Finding(measurement.name, measurement.title, "failed", (), (str(error),), told, frames=frames)
    numbers = _numbers(measurement, values, seen, bench)
    judged = measurement.judge({n.name: n for n in numbers}, seen, bench)
    if faults and judged.verdict == "good":
        judged = replace(judged, verdict="poor")
    advice = (*judged.advice, *(f.words for f in faults))
    return Finding(
        measurement.name, measurement.title, judged.verdict, numbers, advice, told, judged.changes, frames
    )


def _numbers(measurement: Measurement, values: Values, seen: Seen, bench: BenchSpec) -> tuple[Number, ...]:
    bare = [name for name, value in values.items() if not isinstance(value, tuple)]
    scatter = _scatter(measurement, seen, bench, values) if bare else {}
    out = []
    for q in measurement.quantities(bench):
        if q.name not in values:
            continue
        value = values[q.name]
        at, error = value if isinstance(value, tuple) else (value, scatter[q.name])
        out.append(Number(q.name, at, math.hypot(error, q.floor), q.unit, q.nominal, q.key))
    return tuple(out)


def _scatter(measurement: Measurement, seen: Seen, bench: BenchSpec, values: Values) -> Mapping[str, float]:
    """Standard deviation of each value when the frames' noise is drawn anew (parametric bootstrap; Efron 1979)."""
    generator = torch.Generator().manual_seed(0)
    bare = [name for name, value in values.items() if not isinstance(value, tuple)]
    drawn: dict[str, list[float]] = {name: [] for name in bare}
    for _ in range(_REDRAWN):
        shots = {name: _redrawn(recording, bench, generator) for name, recording in seen.shots.items()}
        try:
            again = measurement.values(replace(seen, shots=shots), bench)
        except RigError:
            continue
        for name in bare:
            value = again.get(name)
            if isinstance(value, float | int):
                drawn[name].append(float(value))
    out = {}
    for name in bare:
        spread = torch.tensor(drawn[name], dtype=torch.float64)
        out[name] = float(spread.std()) if len(spread) > 3 else math.inf
    return out


def _redrawn(recording: Recording, bench: BenchSpec, generator: torch.Generator) -> Recording:
    counts = recording.counts
    noise = torch.randn(counts.shape, generator=generator, dtype=torch.float64)
    return replace(recording, counts=counts + noise * variance(bench, counts).sqrt())


# ---------------------------------------------------------------------- frames


def _capture(series: list[Shots | Flats], rig: Rig, place: Path | None, tell: Tell, every: float) -> Seen:
    shots: dict[str, Recording] = {}
    flats: dict[str, Tensor] = {}
    total = sum(len(s.probes) if isinstance(s, Shots) else s.frames for s in series)
    done = 0
    for one in series:
        before = done

        def step(k: int, before: int = before) -> None:
            tell(before + k, total)

        if isinstance(one, Flats):
            flats[one.name] = _flats(one, rig, place, every, step)
            done += one.frames
        else:
            shots[one.name] = _shots(one, rig, place, every, step)
            done += len(one.probes)
    first = next((s for s in series if isinstance(s, Shots)), None)
    if first is not None and not rig.abilities.recorded:
        again = replace(
            first, name=AGAIN, probes=first.probes[:1], delays=first.delays[:1], pause=0.0, metered=False
        )
        shots[AGAIN] = _shots(again, rig, place, every, lambda k: None, shots[first.name].exposure)
    return Seen(shots, flats)


def _store(place: Path | None, name: str, request: str, every: float) -> FrameStore | None:
    return None if place is None else FrameStore(place / name, request, every=every)


def _go_on(rig: Rig, kept: FrameStore | None) -> None:
    if kept is not None and len(kept) and isinstance(rig.driver, Resumable):
        rig.driver.go_on(kept.state)


def _keep(rig: Rig, kept: FrameStore | None, frame: Tensor, at: float) -> None:
    if kept is not None:
        kept.add(frame, at, rig.driver.state() if isinstance(rig.driver, Resumable) else kept.state)


def _shots(
    one: Shots,
    rig: Rig,
    place: Path | None,
    every: float,
    step: Callable[[int], None],
    exposure: float | None = None,
) -> Recording:
    digests = [one.probes.digest(i) for i in range(len(one.probes))]
    asked = repr(
        (digests, str(one.region), one.delays, one.pause, one.metered, rig.nominal.model_dump_json())
    )
    kept = _store(place, one.name, hashlib.sha256(asked.encode()).hexdigest(), every)
    _go_on(rig, kept)
    seconds = exposure or _exposure(one, rig, kept)
    rig.check(one.probes, region=one.region, exposure=seconds)
    frames: list[Tensor] = list(kept.counts) if kept else []
    times: list[float] = list(kept.times) if kept else []
    try:
        for i in range(len(frames), len(one.probes)):
            if one.pause:
                rig.driver.wait(one.pause)
            delay = one.delays[i] if one.delays else None
            frame, at = rig.take(one.probes, i, region=one.region, exposure=seconds, delay=delay)
            frames.append(frame)
            times.append(at)
            _keep(rig, kept, frame, at)
            step(i + 1)
    finally:
        if kept is not None:
            kept.flush()
    return Recording(
        one.probes,
        torch.stack(frames),
        (one.region[0].start, one.region[1].start),
        binning=rig.camera.binning,
        exposure=seconds,
        times=tuple(t - times[0] for t in times),
        bench=rig.nominal.name,
    )


def _exposure(one: Shots, rig: Rig, kept: FrameStore | None) -> float:
    """The series' exposure: the one that kept frames have, or one that the light is metered for."""
    note = None if kept is None else kept.folder / "exposure.json"
    if kept is not None and len(kept) and note is not None:
        with reading(note, "the exposure of kept frames", fix="remove the folder and measure again."):
            return float(from_json(read_bytes(note))["seconds"])
    seconds = _metered(one, rig) if one.metered else rig.camera.exposure
    if kept is not None and note is not None:
        make_folder(kept.folder)
        write_json(note, {"seconds": seconds})
    return seconds


def _metered(one: Shots, rig: Rig) -> float:
    low, high = rig.abilities.exposures
    seconds = min(max(rig.camera.exposure, low), high)
    top, black = ceiling(rig.nominal), rig.camera.black
    floor = 8 * math.sqrt(float(variance(rig.nominal, torch.tensor(black, dtype=torch.float64))))
    longest = min(high, 1e3 * rig.camera.exposure)
    best = seconds
    for _ in range(_TRIALS):
        rig.check(one.probes, region=one.region, exposure=seconds)
        frame, _ = rig.take(one.probes, one.brightest, region=one.region, exposure=seconds)
        peak = float(frame.max())
        best = seconds
        if peak >= top:
            factor = 0.05
        else:
            lit = peak - black
            factor = _TARGET * (top - black) / max(lit, floor / 4)
            factor = min(factor, 30.0 if lit > floor else 10.0)
            if 0.7 < factor < 1.4:
                return seconds
        seconds = min(max(seconds * factor, low), longest)
        if seconds == best:
            return seconds
    return best


def _flats(one: Flats, rig: Rig, place: Path | None, every: float, step: Callable[[int], None]) -> Tensor:
    kept = _store(place, one.name, hashlib.sha256(repr(one).encode()).hexdigest(), every)
    _go_on(rig, kept)
    frames: list[Tensor] = list(kept.counts) if kept else []
    try:
        for _ in range(len(frames), one.frames):
            frames.append(rig.flat_field(one.photons, 1, exposure=one.exposure)[0])
            _keep(rig, kept, frames[-1], rig.driver.clock())
            step(len(frames))
    finally:
        if kept is not None:
            kept.flush()
    return torch.stack(frames)
