"""Least squares with few parameters: Levenberg-Marquardt steps, priors, and standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Fit = tuple[Tensor, Tensor, float]  # parameters, covariance, chi-squared per degree of freedom


def best_of(fits: Sequence[Fit]) -> Fit:
    """Of fits from several starts the one that describes the data best; the first of equals."""
    return min(fits, key=lambda fit: fit[2])


def least_squares(
    model: Callable[[Tensor], Tensor],
    data: Tensor,
    error: Tensor,
    start: Sequence[float],
    *,
    scale: Sequence[float],
    prior: Sequence[float] | None = None,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    steps: int = 30,
) -> Fit:
    """Fit `model(parameters)` to `data`.

    Args:
        model: parameters (p,) float64 to predictions (n,).
        data: (n,).
        error: standard deviation of each, (n,) or a number.
        start: first parameters, and the prior's means.
        scale: how far each moves to be felt; a hundredth of it is the difference quotient's step.
        prior: standard deviation of each parameter before the data; `inf` for none.
        low: bounds.
        high: likewise.
        steps: at most.

    Returns:
        Parameters (p,), their covariance (p, p), and chi-squared per degree of freedom; the covariance is as the errors
        say, or larger where the model does not fit that well.
    """
    at = torch.tensor(list(start), dtype=torch.float64)
    first = at.clone()
    unit = torch.tensor(list(scale), dtype=torch.float64)
    tight = torch.zeros_like(at) if prior is None else 1 / torch.tensor(list(prior), dtype=torch.float64) ** 2
    lower = torch.full_like(at, -math.inf) if low is None else torch.tensor(list(low), dtype=torch.float64)
    upper = torch.full_like(at, math.inf) if high is None else torch.tensor(list(high), dtype=torch.float64)
    weight = 1 / torch.as_tensor(error, dtype=torch.float64).expand_as(data) ** 2

    def cost(p: Tensor) -> tuple[float, Tensor]:
        residual = data - model(p)
        return float((weight * residual**2).sum() + (tight * (p - first) ** 2).sum()), residual

    def slopes(p: Tensor) -> Tensor:
        columns = []
        for k in range(len(p)):
            step = torch.zeros_like(p)
            step[k] = 0.01 * unit[k]
            high_p, low_p = (p + step).clamp(lower, upper), (p - step).clamp(lower, upper)
            columns.append((model(high_p) - model(low_p)) / (high_p[k] - low_p[k]))
        return torch.stack(columns)

    value, residual = cost(at)
    damp = 1e-3
    jacobian = slopes(at)
    for _ in range(steps):
        gram = (jacobian * weight) @ jacobian.mT + torch.diag(tight)
        rhs = (jacobian * weight) @ residual - tight * (at - first)
        diagonal = gram.diagonal() + 1e-30
        step = torch.linalg.solve(gram + damp * torch.diag(diagonal) + 1e-14 * torch.diag(diagonal), rhs)
        new = (at + step).clamp(lower, upper)
        found, left = cost(new)
        if found < value:
            done = value - found < 1e-6 * (1 + found) and damp < 1e-2
            at, value, residual, damp = new, found, left, max(damp / 8, 1e-10)
            jacobian = slopes(at)
            if done:
                break
        else:
            damp *= 8
            if damp > 1e8:
                break
    gram = (jacobian * weight) @ jacobian.mT + torch.diag(tight)
    gram = gram + 1e-14 * torch.diag(gram.diagonal() + 1e-30)
    free = max(1, len(data) - len(at))
    ratio = float((weight * residual**2).sum()) / free
    return at, torch.linalg.inv(gram) * max(1.0, ratio), ratio
