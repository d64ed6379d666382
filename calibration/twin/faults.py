"""What a fit's residuals tell of the frames: named, with the number that says so.

Where a fit leads somewhere and leaves more than noise, three things are looked for: frames that show what another frame
should (a panel that had not settled, a dropped frame), frames that belong to none, and numbers that moved during the
run. A number `p` that drifts changes frame `i`, taken at `t_i`, by `J_p (t_i - mean t)`; its slope is found beside all
fitted numbers, whose part in it is taken out (Schur complement), and the number that explains most of what is left over
is named. Frames of another bench altogether are for `calibration.twin.suspects`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from calibration.twin.derivatives import linearise
from calibration.twin.fit import Fit
from calibration.twin.model import Model
from calibration.twin.noise import usable, variance
from calibration.twin.parameters import Parameter
from calibration.twin.values import get_value
from optics.bench.spec import BenchSpec

_BETTER = 0.1  # by how much the likeness to another probe must be larger
_SURE = 36.0  # drop of chi squared, of a drift: six standard deviations
_PART = 0.3  # share of what is left over that a drift must explain
_ODD = 4.0  # times the median frame's residual, from which a frame does not belong
_DRIFTING = ("alignment.", "light.photons", "camera.adc.black_level", "slm.flicker", "slm.response.")
_UNITS = {"alignment.mask_rotation": "rad", "alignment.magnification": "", "light.photons": "photons"}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    kind: "frame" or "drift". what: a line for people: what it is and what to do. name: of the number that drifts, or
    the frame. amount: the change during the run in the number's own unit, or the frame's relative residual;
    uncertainty: one standard deviation of a drift, else 0.
    """

    kind: str
    what: str
    name: str
    amount: float
    uncertainty: float = 0.0


def left_over(model: Model, found: Fit, parameters: Sequence[Parameter]) -> tuple[Fault, ...]:
    """What a fit's residuals tell: frames that do not belong, and numbers that moved during the run.

    Args:
        model: of the fitted frames.
        found: where the fit ended.
        parameters: what was fitted through `model`.
    """
    counts = model.recording.counts
    good = usable(found.bench, counts)
    weights = good / variance(found.bench, found.frames.counts)
    pixels = int(good.sum())
    chi2 = float(((counts - found.frames.counts) ** 2 * weights).sum())
    if chi2 < pixels + 6 * math.sqrt(2 * pixels):
        return ()
    odd = _odd_frames(found, counts, good)
    return odd or _drifts(model, found, parameters, weights, chi2 - pixels)


def _odd_frames(found: Fit, counts: Tensor, good: Tensor) -> tuple[Fault, ...]:
    """Frames whose residual is far beyond the others', and which probe they look like."""
    each = (((counts - found.frames.counts) * good) ** 2).flatten(1).sum(1).sqrt()
    each = each / ((counts - found.bench.camera.black) * good).flatten(1).norm(dim=1)
    middle = float(each.median())
    faults = []
    for i in (each > max(_ODD * middle, 0.1)).nonzero()[:, 0].tolist():
        likeness = [_alike(counts[i], p) for p in found.frames.counts]
        best = max(range(len(likeness)), key=lambda k: likeness[k])
        line = f"frame {i} is off by {float(each[i]):.0%}, the others by {middle:.1%}"
        if best != i and likeness[best] > max(0.9, likeness[i] + _BETTER):
            line += f"; it shows probe {best}: wait longer for the panel, or the camera gave an older frame."
        else:
            line += ": leave it out (hold it back), or take it again."
        faults.append(Fault("frame", line, str(i), float(each[i])))
    return tuple(faults) if len(faults) <= len(counts) // 3 else ()


def _alike(a: Tensor, b: Tensor) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-12))


def _drifts(
    model: Model, found: Fit, parameters: Sequence[Parameter], weights: Tensor, excess: float
) -> tuple[Fault, ...]:
    """Numbers that moved steadily during the run, the one that explains most first."""
    moving = [k for k, p in enumerate(parameters) if p.name.startswith(_DRIFTING)]
    if not moving:
        return ()
    times = torch.tensor(model.recording.times or range(len(model.recording)), dtype=torch.float64)
    tau = (times - times.mean()) / max(float(times.max() - times.min()), 1e-12)
    at, jacobian = linearise(model, found.bench, parameters, found.frames)
    p = len(parameters)
    sigma = torch.tensor([q.sigma for q in parameters], dtype=torch.float64)
    gradient = torch.zeros(p + len(moving), dtype=torch.float64)
    hessian = torch.eye(p + len(moving), dtype=torch.float64)
    for i, columns in enumerate(jacobian):
        scaled = columns.flatten(1).double() * sigma[:, None]
        both = torch.cat((scaled, scaled[moving] * tau[i]))
        w = weights[i].flatten()
        gradient += both @ ((model.recording.counts[i] - at.counts[i]).flatten() * w)
        hessian += (both * w) @ both.mT
    faults: list[Fault] = []
    known, rest = list(range(p)), list(range(p, p + len(moving)))
    while rest and len(faults) < 3:
        inner = torch.linalg.inv(hessian[known][:, known])
        across = hessian[rest][:, known]
        schur = hessian[rest, rest] - ((across @ inner) * across).sum(1)
        pull = gradient[rest] - across @ (inner @ gradient[known])
        drop = pull**2 / schur
        best = int(drop.argmax())
        if float(drop[best]) < max(_SURE, _PART * excess):
            break
        number = parameters[moving[rest[best] - p]]
        faults.append(
            _drift(found.bench, number, float(pull[best] / schur[best]), 1 / math.sqrt(schur[best]))
        )
        excess -= float(drop[best])
        known.append(rest.pop(best))
    return tuple(faults)


def _drift(bench: BenchSpec, p: Parameter, change: float, error: float) -> Fault:
    """A drift of a number by `change` prior deviations during the run, known to `error` of them."""
    own = p.own(get_value(bench, p.name))
    ends = [p.number(own + s * change * p.sigma / 2) for s in (1, -1)]
    moved = ends[0] - ends[1]
    uncertainty = abs(moved * error / change) if change else 0.0
    unit = "m" if p.name.startswith("alignment.") else ""
    unit = _UNITS.get(p.name, unit)
    along = f", along {'yx'[int(p.name[-1])]}" if p.name[-1] in "01" else ""
    line = (
        f"drift during the run: {p.name} moved by {moved:.3g} ± {uncertainty:.2g} {unit}".rstrip()
        + f"{along}; let the bench settle and fix the mounts, or take the frames faster."
    )
    return Fault("drift", line, p.name, moved, uncertainty)
