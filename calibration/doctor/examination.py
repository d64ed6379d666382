"""The measurements of a bench in turn, and its troubles in the order in which they are to be mended.

A trouble's weight is the relative change (L2) of the frames that the data sheet predicts when this number alone is put
right: what matters most for whoever computes masks from that description comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from calibration.measurements.registry import MEASUREMENTS, measurement
from calibration.measuring.conduct import Measured, MeasurementError, measure
from calibration.measuring.interface import Finding, Seen
from calibration.rigs.recording import Recording, RigError
from calibration.rigs.rig import Rig, default_region
from calibration.twin.model import Model
from calibration.twin.probes import probe_candidates
from calibration.twin.values import set_values
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError

_IMAGE, _FRAMES = (9, 11), 4  # of the frames that weigh a deviation
_ENDS = ("blank", "timed out", "failed", "dropped")  # after a fault of these kinds nothing more is asked
_AT_ONCE = ("mounting", "slm.timing")  # changes without which the next measurements mean little
_MINUTE = 60.0
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Trouble:
    """One thing to mend. weight: relative change of the predicted frames. words: what to do. source: a measurement."""

    name: str
    weight: float
    words: str
    source: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found. bench: the description with every change written. skipped: measurement and why, not made."""

    nominal: BenchSpec
    bench: BenchSpec
    measured: tuple[Measured, ...]
    troubles: tuple[Trouble, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`failed` where a measurement failed, poor where something is to be mended, else good."""
        found = {m.finding.verdict for m in self.measured}
        return "failed" if "failed" in found else "poor" if "poor" in found or self.troubles else "good"

    @property
    def first(self) -> str:
        """What to mend first, in a line."""
        if not self.troubles:
            return "Nothing to mend: the bench is as its description says, within the errors."
        first = self.troubles[0]
        return f"Mend first: {first.name} ({first.source}, {first.weight:.0%} of the light). {first.words}"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, for JSON."""
        findings = [m.finding.to_dict() | {"changes": _plain(m.finding.changes)} for m in self.measured]
        return {
            "bench": self.nominal.name,
            "verdict": self.verdict,
            "first": self.first,
            "troubles": [vars(t) for t in self.troubles],
            "findings": findings,
            "skipped": dict(self.skipped),
        }


def examine(
    rig: Rig,
    names: Sequence[str] | None = None,
    *,
    folder: str | Path | None = None,
    tell: Tell | None = None,
    quick_only: bool = True,
) -> Diagnosis:
    """Measure a bench.

    Args:
        rig: the bench.
        names: which measurements; None: the quick ones.
        folder: where frames are kept; the same call goes on with them.
        tell: called with (measurement, frames done, frames in all).
        quick_only: whether those that take long are left out where no names are given.

    Raises:
        RigError: no such measurement.
    """
    nominal = rig.nominal
    asked = list(MEASUREMENTS) if names is None else list(names)
    chosen = [measurement(name) for name in asked]
    if names is None and quick_only:
        chosen = [m for m in chosen if m.quick]
    done: list[Measured] = []
    skipped: dict[str, str] = {}
    ended = ""
    for one in chosen:
        why = ended or one.refuses(rig.nominal, rig.abilities)
        if why:
            skipped[one.name] = why
            continue
        step = None if tell is None else (lambda k, n, name=one.name: tell(name, k, n))
        try:
            found = measure(one, rig, folder=folder, tell=step)
        except MeasurementError as error:
            faults = error.faults
            failed = Finding(one.name, one.title, "failed", (), (str(error),), faults)
            found = Measured(failed, Seen(), rig.nominal)
        except RigError as error:
            skipped[one.name] = str(error)
            continue
        done.append(found)
        kinds = [fault.partition(":")[0] for fault in found.finding.faults]
        if found.finding.verdict == "failed" and any(kind in _ENDS for kind in kinds):
            ended = f"{one.name} found {found.finding.faults[0].partition(':')[0]}"
        at_once = {k: v for k, v in found.finding.changes.items() if k.startswith(_AT_ONCE)}
        rig.nominal = corrected_bench(rig.nominal, at_once)
    changes: dict[str, Any] = {}
    for m in done:
        changes |= m.finding.changes
    rig.nominal = nominal
    troubles = sorted(_troubles(nominal, done), key=lambda t: -t.weight)
    return Diagnosis(nominal, corrected_bench(nominal, changes), tuple(done), tuple(troubles), skipped)


def corrected_bench(bench: BenchSpec, changes: Mapping[str, Any]) -> BenchSpec:
    """The bench with changes by key; a table for the response takes the place of range and gamma."""
    for key, value in changes.items():
        if isinstance(value, float | int):
            bench = set_values(bench, {key: float(value)})
        else:
            bench = bench.replace(**{key: value})
    return bench


def _plain(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.model_dump(mode="json") if hasattr(v, "model_dump") else v for k, v in changes.items()}


# ---------------------------------------------------------------------- what matters


def _troubles(nominal: BenchSpec, done: Sequence[Measured]) -> list[Trouble]:
    probe = _probe(nominal)
    found = []
    for m in done:
        f = m.finding
        if f.verdict == "failed":
            kind = f.faults[0].partition(":")[0] if f.faults else f.name
            found.append(Trouble(kind, 1.0, f.advice[0] if f.advice else "", f.name))
            continue
        for fault in f.faults:
            kind, _, words = fault.partition(": ")
            found.append(Trouble(kind, _of_fault(kind), words, f.name))
        for group, change in _grouped(f.changes if f.verdict == "poor" else {}).items():
            words = next((a for a in f.advice if group in a or any(k in a for k in change)), "")
            shown = ", ".join(f"{k} = {_shown(v)}" for k, v in change.items())
            found.append(Trouble(group, _weight(nominal, change, probe), words or f"Write {shown}.", f.name))
        found += _others(f, nominal, probe)
    return found


def _of_fault(kind: str) -> float:
    """Weights of faults that are no number of the description."""
    return {"drift": 0.3, "dropped": 0.05}.get(kind, 1.0)


def _grouped(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of one number together: both axes of a shift, range and gamma."""
    out: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        head, _, last = key.rpartition(".")
        together = head if last.isdigit() or head in ("slm.response", "slm.timing") else key
        out.setdefault(together, {})[key] = value
    return out


def _others(finding: Finding, nominal: BenchSpec, probe: Recording | None) -> list[Trouble]:
    """Troubles of findings that have no key in a bench file."""
    if finding.verdict == "good" or finding.changes or finding.faults:
        return []
    if finding.name == "psf":
        blur = max(0.0, 1 - finding.number("strehl").value)
        worst = max(n.value for n in finding.numbers if n.name.startswith("error"))
        return [Trouble("point-spread function", max(blur, worst), finding.advice[0], finding.name)]
    if finding.name == "stability":
        moves = [finding.number(k).value * _MINUTE for k in ("drift_y", "drift_x")]
        a = nominal.alignment.camera_shift
        change = {f"alignment.camera_shift.{k}": a[k] + moves[k] for k in (0, 1)}
        dims = abs(finding.number("light").value) * _MINUTE
        weight = max(_weight(nominal, change, probe), min(1.0, dims))
        return [Trouble("drift", weight, finding.advice[0], finding.name)]
    return [Trouble(finding.name, 0.02, finding.advice[0], finding.name)]


def _probe(bench: BenchSpec) -> Recording | None:
    """A few frames as a network's are, to weigh deviations with."""
    try:
        probes = probe_candidates(bench, _IMAGE, _FRAMES, generator=torch.Generator().manual_seed(0))
        region = default_region(bench, _IMAGE)
    except OpticsError:
        return None
    shape = [part.stop - part.start for part in region]
    return Recording(
        probes,
        torch.zeros(_FRAMES, shape[0], shape[1], dtype=torch.float64),
        (region[0].start, region[1].start),
        binning=bench.camera.binning,
        exposure=bench.camera.exposure,
    )


def _weight(nominal: BenchSpec, change: Mapping[str, Any], probe: Recording | None) -> float:
    """Relative change of the predicted frames; 1 where they are others altogether, or cannot be predicted."""
    if any(k.startswith("mounting") for k in change):
        return 1.0
    if any(k.startswith("slm.timing") for k in change):
        return 0.5
    if probe is None:
        return 0.0
    model = Model(replace(probe))
    try:
        before = model.predict(nominal).counts - nominal.camera.black
        after = model.predict(corrected_bench(nominal, change)).counts - nominal.camera.black
    except OpticsError:
        return 1.0
    return min(1.0, float((after - before).norm() / before.norm()))


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"a table of {len(value)} values" if isinstance(value, tuple) and len(value) > 4 else str(value)
