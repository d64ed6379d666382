"""The fit: Gauss-Newton steps, damped (Levenberg-Marquardt), over the numbers of a bench, with its data sheet as prior.

What is minimised, with the own variables `x` of the parameters, their data-sheet means `m` and tolerances `s`,

    sum (counts - predicted)^2 / (variance + (share predicted)^2)  +  sum ((x - m) / s)^2

`share` is the part of a prediction that is not trusted: it is set so that the residuals are as large as they are
expected to be, falls as the fit proceeds (so that the start may be far off), and stays above zero only where the bench
does something that the model does not know; then the uncertainties grow with it. The inverse of the Hessian, prior
included, is the covariance. Sources: Marquardt, SIAM J. Appl. Math. 11, 431 (1963); Tarantola, Inverse Problem Theory
(SIAM, 2005), section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from calibration.twin.derivatives import linearise
from calibration.twin.model import Frames, Model
from calibration.twin.noise import usable, variance
from calibration.twin.parameters import Parameter
from calibration.twin.values import get_value, set_values
from optics.bench.spec import BenchSpec

_HELD = 0.5  # of the fall that the derivatives promise: if it is off by more, they are worked out anew
_KEPT = 5  # steps for which derivatives are kept at most
_LARGEST = 1.5  # standard deviations of the prior that one step may change a parameter


@dataclass(frozen=True)
class Fit:
    """Where a fit ended.

    bench: the fitted bench. parameters: what was fitted. covariance: (p, p) of their own variables. frames: predicted.
    share: part of a prediction that is not trusted. chi2: mean square of the residuals over their variance without that
    share. steps: accepted ones. jacobian: the last derivatives (n, p, cy, cx) that were worked out; None where there
    was no step. settled: the last step fell by less than was asked for, or none led down.
    """

    bench: BenchSpec
    parameters: tuple[Parameter, ...]
    covariance: Tensor
    information: Tensor
    frames: Frames
    share: float
    chi2: float
    steps: int
    jacobian: Tensor | None
    settled: bool


def fit(
    model: Model,
    bench: BenchSpec,
    parameters: Sequence[Parameter],
    *,
    steps: int = 12,
    fall: float = 0.3,
    exact: bool = True,
    jacobian: Tensor | None = None,
    report: Callable[[str], None] | None = None,
) -> Fit:
    """Fit some numbers of a bench to the frames of `model.recording`.

    Args:
        model: predicts those frames.
        bench: the start.
        parameters: what is fitted.
        steps: derivatives are worked out at most so many times; they are kept while frames change as they say.
        fall: of the objective, below which the fit has converged; 0.3 is half a standard deviation in all.
        exact: the fringing field is taken exactly, see `Model.refine`.
        jacobian: derivatives (n, p, cy, cx) of the frames near the start, as another fit of these parameters left them.
        report: told each step in a line.
    """
    counts = model.recording.counts.double()
    good = usable(bench, counts)
    mean = torch.tensor([p.mean for p in parameters], dtype=torch.float64)
    sigma = torch.tensor([p.sigma for p in parameters], dtype=torch.float64)
    unit = torch.eye(len(parameters), dtype=torch.float64)
    damping, taken, worked_out, kept = 1.0, 0, 0, 0
    at = model.predict(bench)
    last, settled, hessian = jacobian, False, unit
    while True:
        fresh = jacobian is None
        if jacobian is None:
            if worked_out == steps:
                break
            if exact and model.refine(bench):
                at = model.predict(bench)
            at, jacobian = linearise(model, bench, parameters, at)
            worked_out, last = worked_out + 1, jacobian
        share = untrusted(bench, counts, at.counts, good)
        weights = good / _spread(bench, at.counts, share)
        gradient, hessian = _normal(jacobian, (counts - at.counts) * weights, weights, sigma)
        z = (_own(bench, parameters) - mean) / sigma
        gradient, hessian = gradient - z, hessian + unit
        objective = _objective(counts, at.counts, weights) + float(z @ z)
        moved = None
        while damping < 1e6:
            step = _step(hessian, gradient, damping, _at_bounds(bench, parameters))
            trial = _moved(bench, parameters, z + step)
            frames = model.predict(trial)
            reached = (_own(trial, parameters) - mean) / sigma
            value = _objective(counts, frames.counts, weights) + float(reached @ reached)
            if value < objective:
                moved = (trial, frames, value)
                break
            if not fresh:
                break
            damping = max(damping * 8, 1.0)
        if moved is None and fresh:
            settled = True
            break
        if moved is None:
            jacobian = None
            continue
        fell, hoped = objective - moved[2], float(step @ (2 * gradient - hessian @ step))
        bench, at, damping, taken = moved[0], moved[1], max(damping / 8, 1e-3), taken + 1
        if report is not None:
            report(
                f"step {taken}: residual {residual(bench, counts, at.counts, good):.4f}, "
                f"share {share:.4f}, fell by {fell:.3g}"
            )
        if fell < fall and exact and model.refine(bench):
            at = model.predict(bench)
        elif fell < fall:
            settled = True
            break
        kept = kept + 1 if abs(fell - hoped) < _HELD * hoped else _KEPT
        if kept >= _KEPT:
            jacobian, kept = None, 0
    information = hessian - unit
    scale = torch.outer(sigma, sigma)
    return Fit(
        bench=bench,
        parameters=tuple(parameters),
        covariance=torch.linalg.inv(hessian) * scale,
        information=information,
        frames=at,
        share=untrusted(bench, counts, at.counts, good),
        chi2=float((((counts - at.counts) ** 2 / variance(bench, at.counts))[good]).mean()),
        steps=taken,
        jacobian=last,
        settled=settled,
    )


def _at_bounds(bench: BenchSpec, parameters: Sequence[Parameter]) -> Tensor:
    """-1 where a parameter lies at its lower bound, +1 at its upper one, else 0; (p,) float64."""
    sides = []
    for p in parameters:
        value = get_value(bench, p.name)
        sides.append(-1.0 if value <= p.low else 1.0 if value >= p.high else 0.0)
    return torch.tensor(sides, dtype=torch.float64)


def _step(hessian: Tensor, gradient: Tensor, damping: float, bounds: Tensor) -> Tensor:
    """The damped step, in which no parameter at a bound moves beyond it."""
    free = torch.ones_like(bounds, dtype=torch.bool)
    step = torch.zeros_like(gradient)
    lifted = hessian + damping * torch.eye(len(bounds), dtype=torch.float64)
    for _ in range(len(bounds) + 1):
        step = torch.zeros_like(gradient)
        step[free] = torch.linalg.solve(lifted[free][:, free], gradient[free])
        outward = free & (bounds * step > 0)
        if not bool(outward.any()):
            break
        free &= ~outward
    return step * min(1.0, _LARGEST / max(float(step.abs().max()), 1e-300))


def residual(bench: BenchSpec, counts: Tensor, predicted: Tensor, good: Tensor) -> float:
    """Relative L2 error of predicted frames above black, over the usable pixels."""
    error = ((counts - predicted) * good).norm()
    return float(error / ((counts - bench.camera.black) * good).norm())


def untrusted(bench: BenchSpec, counts: Tensor, predicted: Tensor, good: Tensor) -> float:
    """Share of the predictions whose square, beside the noise, makes the mean square residual 1; 0 if noise does."""
    square, noise = (counts - predicted)[good] ** 2, variance(bench, predicted)[good]
    signal = (predicted[good] - bench.camera.black) ** 2 + 0.01 * float(
        ((predicted[good] - bench.camera.black) ** 2).mean()
    )
    low, high = 0.0, 10.0
    if float((square / noise).mean()) <= 1.0:
        return 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if float((square / (noise + middle**2 * signal)).mean()) > 1 else (low, middle)
        )
    return high


def _spread(bench: BenchSpec, predicted: Tensor, share: float) -> Tensor:
    signal = (predicted - bench.camera.black) ** 2
    return variance(bench, predicted) + share**2 * (signal + 0.01 * signal.mean())


def _own(bench: BenchSpec, parameters: Sequence[Parameter]) -> Tensor:
    return torch.tensor([p.own(get_value(bench, p.name)) for p in parameters], dtype=torch.float64)


def _moved(bench: BenchSpec, parameters: Sequence[Parameter], z: Tensor) -> BenchSpec:
    return set_values(
        bench, {p.name: p.number(p.mean + p.sigma * v) for p, v in zip(parameters, z.tolist(), strict=True)}
    )


def _objective(counts: Tensor, predicted: Tensor, weights: Tensor) -> float:
    return float(((counts - predicted) ** 2 * weights).sum())


def _normal(jacobian: Tensor, weighted: Tensor, weights: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """`J^T W r` and `J^T W J` with each column in units of its prior's sigma; frame by frame."""
    p = jacobian.shape[1]
    gradient = torch.zeros(p, dtype=torch.float64)
    hessian = torch.zeros(p, p, dtype=torch.float64)
    for columns, r, w in zip(jacobian, weighted, weights, strict=True):
        scaled = columns.flatten(1).double() * sigma[:, None]
        gradient += scaled @ r.flatten()
        hessian += (scaled * w.flatten()) @ scaled.mT
    return gradient, hessian
