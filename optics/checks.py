"""Checks that raise an error naming what was wrong, where, and what would be right."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor

from optics.errors import OpticsError, SamplingError, ShapeError, SpecError

__all__ = [
    "OpticsError",
    "SamplingError",
    "ShapeError",
    "SpecError",
    "check_finite",
    "check_phase",
    "check_range",
    "check_shape",
    "present",
]

T = TypeVar("T")


def present(value: T | None, what: str) -> T:
    """A value that must be there by now, whatever its type says; raises OpticsError where it is absent."""
    if value is None:
        raise OpticsError(
            f"{what} is absent where it must be there: a mistake of this package; please report it."
        )
    return value


def check_shape(x: Tensor, want: tuple[int | None, ...], *, name: str, fix: str) -> None:
    """Raise ShapeError unless x has shape `want`; None matches any size."""
    got = tuple(x.shape)
    if len(got) != len(want) or any(w not in (None, g) for g, w in zip(got, want, strict=True)):
        shown = "(" + ", ".join("any" if w is None else str(w) for w in want) + ")"
        raise ShapeError(f"{name} has shape {got}, expected {shown}. {fix}")


def check_range(name: str, value: float, low: float, high: float, *, fix: str) -> None:
    """Raise SpecError unless low <= value <= high and value is finite."""
    if not (math.isfinite(value) and low <= value <= high):
        raise SpecError(f"{name} is {value:g}, expected between {low:g} and {high:g}. {fix}")


def check_phase(phase: Tensor, *, name: str = "phase") -> None:
    """Raise OpticsError unless `phase` is real floating point and finite (radians)."""
    if phase.is_complex() or not phase.is_floating_point():
        raise OpticsError(
            f"{name} has dtype {phase.dtype}, expected a real floating-point tensor of radians. "
            "Pass mask.angle(), or encode a complex mask with optics.slm.encoding.encode."
        )
    check_finite(phase, name=name)


def check_finite(x: Tensor, *, name: str) -> None:
    """Raise OpticsError if x holds NaN or infinity, naming the first such index."""
    if bool(torch.isfinite(x.detach().sum())):  # one NaN or infinity spoils a sum, and a sum is cheap
        return
    bad = ~torch.isfinite(x)
    if bool(bad.any()):
        first = tuple(int(i) for i in bad.nonzero()[0])
        raise OpticsError(f"{name} is {x[first].item()} at index {first}; every value must be finite.")
