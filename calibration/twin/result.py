"""What a twin's fit found: a bench like every other, an uncertainty on each number, and what the frames left open."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibration.twin.parameters import Parameter
from calibration.twin.values import field_of, get_value, set_values
from optics import notebook
from optics.bench.spec import BenchSpec
from optics.bench.write import bench_text
from optics.checks import SpecError
from optics.files import write_json, write_text
from optics.reading import from_json, read_bytes, reading

SCHEMA = "spectral-cascade calibration 1"
_MOST_BYTES = 2**26
_OPEN = 0.7  # posterior over prior deviation from which a number counts as left open
_KNOWN = 4.0  # information, prior variances, from which a combination counts as determined


@dataclass(frozen=True)
class Estimate:
    """One number of the bench.

    nominal: by the data sheet. value, uncertainty: fitted, one standard deviation; both in the number's own unit.
    learnt: share of the prior's variance that the frames took away, 0 to 1.
    """

    name: str
    nominal: float
    value: float
    uncertainty: float
    learnt: float

    @property
    def left_open(self) -> bool:
        """Whether the frames told little of it, alone."""
        return self.learnt < 1 - _OPEN**2


@dataclass(frozen=True)
class Combination:
    """A sum of numbers, each in units of its prior's deviation, that the frames determine though its members are open.

    weights: name and weight, largest first. uncertainty: of the sum, which would be 1 without the frames.
    """

    weights: tuple[tuple[str, float], ...]
    uncertainty: float

    def __str__(self) -> str:
        """For instance `0.71 lens1.zernike.7 - 0.70 lens2.zernike.7`."""
        terms = [f"{'-' if w < 0 else '+'} {abs(w):.2f} {name}" for name, w in self.weights]
        return " ".join(terms).removeprefix("+ ")


@dataclass(frozen=True, repr=False)
class TwinResult:
    """A calibrated bench.

    bench: the outcome. nominal: what it started from. parameters, covariance: what was fitted, (p, p) of the own
    variables. estimates: the same as numbers. combinations: what is determined of those left open. residual: relative
    L2 error of the predicted frames above black, mean over the frames; noise: what the noise alone makes of that;
    held_back: the residual of frames that took no part, and their noise, or None; nominal_residual: of the data sheet.
    share: part of a prediction that is not trusted. frames: how many were fitted. seconds: how long it took. faults: of
    the bench, named (`calibration.twin.faults`, `suspects`).
    """

    bench: BenchSpec
    nominal: BenchSpec
    parameters: tuple[Parameter, ...]
    covariance: Tensor
    estimates: tuple[Estimate, ...]
    combinations: tuple[Combination, ...]
    residual: float
    noise: float
    nominal_residual: float
    held_back: tuple[float, float] | None
    share: float
    frames: int
    seconds: float
    faults: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The verdict, and how well frames are predicted."""
        error, noise = self.held_back or (self.residual, self.noise)
        kind = "held back" if self.held_back else "fitted"
        return (
            f"TwinResult({self.verdict}: frames {kind} predicted to {error:.2%}, noise {noise:.2%}, data sheet "
            f"{self.nominal_residual:.0%}; {len(self.parameters)} numbers from {self.frames} frames in "
            f"{self.seconds:.0f} s)"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: these words, and each number beside the data sheet's."""
        rows = [
            [e.name, f"{e.nominal:.5g}", f"{e.value:.5g}", f"{e.uncertainty:.2g}", f"{e.learnt:.0%}"]
            for e in self.estimates
            if not e.left_open
        ]
        told = notebook.words("\n".join(t for t in (repr(self), self.advice) if t))
        return told + notebook.table(["number, SI units", "data sheet", "calibrated", "±", "learnt"], rows)

    @property
    def verdict(self) -> str:
        """good: frames are predicted to their noise; poor: to less than three times that, or a fault; failed: worse."""
        error, noise = self.held_back or (self.residual, self.noise)
        if error < 1.5 * noise:
            return "poor" if self.faults else "good"
        return "poor" if error < 3 * noise else "failed"

    @property
    def advice(self) -> str:
        """What to change, in a line; empty if good."""
        if self.verdict == "good":
            return ""
        if self.faults:
            return " ".join(self.faults)
        if self.verdict == "failed":
            return (
                "the frames do not come from such a bench: check mounting (mirrored, turned), panel, corners, carrier "
                "and saturation, then the tolerances."
            )
        at_bounds = [
            p.name
            for p in self.parameters
            if get_value(self.bench, p.name) in (p.low, p.high) and p.low != 0.0
        ]
        if at_bounds:
            return f"{', '.join(at_bounds)} ended at its bound: widen the tolerances or check the data sheet."
        return "something the model lacks: look at the residual pictures; drift, defects, background, illumination."

    def draw(self, generator: torch.Generator) -> BenchSpec:
        """A bench as it may be, given the frames: one draw from the covariance, bounds kept."""
        values, vectors = torch.linalg.eigh(self.covariance)
        normal = torch.randn(len(values), generator=generator, dtype=torch.float64)
        change = vectors @ (values.clamp(min=0).sqrt() * normal)
        own = [
            p.own(get_value(self.bench, p.name)) + float(d)
            for p, d in zip(self.parameters, change, strict=True)
        ]
        return set_values(
            self.bench, {p.name: p.number(v) for p, v in zip(self.parameters, own, strict=True)}
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, for JSON; with the covariance."""
        return {
            "schema": SCHEMA,
            "bench": self.bench.name,
            "verdict": self.verdict,
            "advice": self.advice,
            "faults": list(self.faults),
            "frames": self.frames,
            "seconds": self.seconds,
            "residual": self.residual,
            "noise": self.noise,
            "held_back": None if self.held_back is None else list(self.held_back),
            "nominal_residual": self.nominal_residual,
            "share": self.share,
            "estimates": [asdict(e) | {"left_open": e.left_open} for e in self.estimates],
            "combinations": [{"sum": str(c), "uncertainty": c.uncertainty} for c in self.combinations],
            "forms": [p.form for p in self.parameters],
            "covariance": self.covariance.tolist(),
        }

    def save(self, path: str | Path) -> tuple[Path, Path]:
        """Write the bench as TOML, with each uncertainty beside its number, and everything as JSON beside it."""
        toml = Path(path)
        found = toml.with_suffix(".json")
        if toml.suffix != ".toml":
            raise SpecError(f"{toml} is where the calibrated bench goes; its name must end in .toml.")
        write_text(toml, bench_text(self.bench, notes=self.notes(), heading=self.heading()))
        write_json(found, self.to_dict())
        return toml, found

    def heading(self) -> list[str]:
        """Where the bench comes from, in lines."""
        error, noise = self.held_back or (self.residual, self.noise)
        kind = "frames held back" if self.held_back else "frames fitted"
        today = datetime.date.today().isoformat()
        return [
            f"calibrated {today} from {self.frames} frames; started from {self.nominal.name!r}",
            f"{kind}: predicted to {error:.2%} (noise {noise:.2%}, data sheet {self.nominal_residual:.0%}): "
            f"{self.verdict}",
            'with assumed_alignment = "known" at the top, masks and bins are laid out for the alignment that was found',
            "remarks give one standard deviation; what has none is as it was; the covariance is in the .json beside",
        ]

    def notes(self) -> dict[str, str]:
        """A remark for each key of the bench that was fitted."""
        found: dict[str, list[Estimate]] = {}
        for e in self.estimates:
            found.setdefault(field_of(self.bench, e.name), []).append(e)
        return {
            name: "± " + ", ".join(f"{e.uncertainty:.2g}" for e in group) for name, group in found.items()
        }


def estimates(
    nominal: BenchSpec, bench: BenchSpec, parameters: Sequence[Parameter], covariance: Tensor
) -> tuple[Estimate, ...]:
    """The fitted numbers with their uncertainties, from the covariance of their own variables."""
    found = []
    for k, p in enumerate(parameters):
        value, own = get_value(bench, p.name), math.sqrt(max(0.0, float(covariance[k, k])))
        if p.form == "log":
            uncertainty = value * own
        elif p.form == "square":
            uncertainty = own / (2 * value) if value > math.sqrt(own / 2) else math.sqrt(own / 2)
        else:
            uncertainty = own
        found.append(
            Estimate(
                p.name, get_value(nominal, p.name), value, uncertainty, max(0.0, 1 - (own / p.sigma) ** 2)
            )
        )
    return tuple(found)


def combinations(
    parameters: Sequence[Parameter], information: Tensor, found: Sequence[Estimate]
) -> tuple[Combination, ...]:
    """What the frames determine of the numbers that they leave open.

    `information` is that of the frames alone, (p, p), each parameter in units of its prior's deviation. The other
    numbers are allowed for: theirs is the Schur complement.
    """
    is_open = torch.tensor([e.left_open for e in found])
    if not bool(is_open.any()):
        return ()
    rest = ~is_open
    inner = information[is_open][:, is_open]
    if bool(rest.any()):
        across = information[is_open][:, rest]
        known = information[rest][:, rest] + torch.eye(int(rest.sum()), dtype=torch.float64)
        inner = inner - across @ torch.linalg.solve(known, across.mT)
    values, vectors = torch.linalg.eigh((inner + inner.mT) / 2)
    names = [p.name for p, is_in in zip(parameters, is_open.tolist(), strict=True) if is_in]
    made = []
    for value, vector in sorted(zip(values.tolist(), vectors.mT.tolist(), strict=True), reverse=True):
        if value < _KNOWN:
            break
        sign = 1.0 if max(vector, key=abs) > 0 else -1.0
        weights = sorted(
            ((n, sign * w) for n, w in zip(names, vector, strict=True)), key=lambda nw: -abs(nw[1])
        )
        made.append(
            Combination(tuple((n, w) for n, w in weights[:6] if abs(w) > 0.1), 1 / math.sqrt(1 + value))
        )
    return tuple(made)


def load_result(path: str | Path) -> dict[str, Any]:
    """The JSON that `TwinResult.save` wrote.

    Raises:
        OpticsError: not such a file, or one with numbers that are none.
    """
    stored = read_bytes(path, most=_MOST_BYTES)
    with reading(path, "a calibration's result"):
        data = from_json(stored)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise SpecError(f"{path} holds no calibration's result.")
        count, table = len(data["forms"]), torch.tensor(data["covariance"], dtype=torch.float64)
        if tuple(table.shape) != (count, count) or not bool(table.isfinite().all()):
            raise SpecError(f"{path}: covariance is no table of {count} x {count} numbers.")
        numbers = ("nominal", "value", "uncertainty", "learnt")
        for entry in data["estimates"]:
            if not all(math.isfinite(entry[name]) for name in numbers) or not isinstance(entry["name"], str):
                raise SpecError(f"{path}: an estimate is no number with its uncertainty.")
    return data
