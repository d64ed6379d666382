"""Tolerances: how far each element of a bench may stand from where its description says, and draws of them."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from optics import draws
from optics.bench.spec import AXIAL, BenchSpec
from optics.conventions import Point
from optics.spec import SHIFT, Validated, metres

_PAIRS = ("mask_shift", "camera_shift")
_SINGLES = ("mask_rotation", "mask_axial", "input_axial", "camera_axial", "magnification")


class ToleranceSpec(Validated):
    """Standard deviations of the alignment's errors about the bench's own alignment; normal, independent.

    Lengths in metres, angles in radians, as in `optics.bench.spec.AlignmentSpec`; magnification is relative.
    """

    mask_shift: Annotated[Point, metres(0.0, 0.01, usual=SHIFT)] = (0.0, 0.0)
    mask_rotation: float = Field(default=0.0, ge=0.0)
    mask_axial: Annotated[float, metres(0.0, 0.1, usual=AXIAL)] = 0.0
    input_axial: Annotated[float, metres(0.0, 0.1, usual=AXIAL)] = 0.0
    camera_axial: Annotated[float, metres(0.0, 0.1, usual=AXIAL)] = 0.0
    camera_shift: Annotated[Point, metres(0.0, 0.01, usual=SHIFT)] = (0.0, 0.0)
    magnification: float = Field(default=0.0, ge=0.0, le=0.1)

    def draw(self, bench: BenchSpec, generator: torch.Generator) -> BenchSpec:
        """One bench as it might have been put together.

        A tolerance that is changed leaves the draws of the others as they were.

        Raises:
            SpecError: a draw leaves what `AlignmentSpec` allows; the tolerance is too wide.
        """
        like = torch.empty((), dtype=torch.float64)
        normal = draws.normal((2 * len(_PAIRS) + len(_SINGLES),), generator, like=like).tolist()
        changes: dict[str, object] = {}
        for i, name in enumerate(_PAIRS):
            centre, sigma = getattr(bench.alignment, name), getattr(self, name)
            changes[name] = tuple(
                c + s * z for c, s, z in zip(centre, sigma, normal[2 * i : 2 * i + 2], strict=True)
            )
        for name, z in zip(_SINGLES, normal[2 * len(_PAIRS) :], strict=True):
            changes[name] = getattr(bench.alignment, name) + getattr(self, name) * z
        return bench.replace(alignment=bench.alignment.replace(**changes))
