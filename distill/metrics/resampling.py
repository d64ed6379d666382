"""Errors of figures that are no mean over images: by drawing the images, or the people, again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_RESAMPLES = 200


def bootstrapped(count: int, figures: Callable[[Tensor], Tensor], *, resamples: int = _RESAMPLES) -> Tensor:
    """Standard errors of figures over resamples of `count` units (Efron & Tibshirani 1993, chapter 6); seeded.

    Resamples in which a figure is NaN, as the IoU of a class that none of them shows, are left out of its own.
    """
    generator = torch.Generator().manual_seed(0)
    each = (figures(torch.randint(count, (count,), generator=generator)).double() for _ in range(resamples))
    found = torch.stack(list(each))
    several = (~found.isnan()).sum(0) - 1
    return ((found - found.nanmean(0)).square().nansum(0) / several.clamp(min=1)).sqrt()
