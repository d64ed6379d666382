"""Channels side by side on the display: each sees a part of lens 1 of its own.

A ray from x on the display through xi of the Fourier plane crosses lens 1 at `x + xi` and gains its aberration there,
`W1(x + xi)`. The pupil (`optics.fourf.pupil`) has it for the display's middle, `W1(xi)`. Around a channel whose middle
is at d it is taken as

    W1(x + xi) = W1(d + xi) + W1(x) - W1(d)

`W1(d + xi)` is a pupil of the channel's own, `W1(x)` a phase on the display. Together they are exact for light from
the channel's middle at every angle and for light that leaves straight, `xi = 0`, from every point: what is left out
is of second order, `(x - d) xi` times the curvature of W1. A system of one channel keeps the pupil of its middle alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.conventions import Point, cis
from optics.fourf.camera_window import CameraWindow
from optics.wave.zernike_polynomials import zernike_phase


@dataclass(frozen=True, slots=True)
class Cells:
    """Equal parts of the display beside each other along x, one a channel; neighbours share the gap between them.

    Attributes:
        count: how many.
        width: of each, pixels; those at the edges reach beyond the display.
        first: column where the first begins, 0 or less.
        columns: of the display.
    """

    count: int
    width: int
    first: int
    columns: int

    @classmethod
    def of(cls, view: CameraWindow) -> Cells:
        """Those of images whose channels stand side by side as `view` says."""
        columns, spacing = view.image_shape[1], view.spacing
        return cls(view.channels, spacing, (spacing - view.gap) // 2 - spacing // 2, columns)

    def __iter__(self) -> Iterator[slice]:
        """The display's columns of each cell."""
        for i in range(self.count):
            begin = self.first + i * self.width
            yield slice(max(0, begin), min(self.columns, begin + self.width))

    def middles(self) -> list[int]:
        """Where each cell's middle, its channel's origin, stands relative to the display's, pixels."""
        return [self.first + i * self.width + self.width // 2 - self.columns // 2 for i in range(self.count)]

    def split(self, images: Tensor) -> Tensor:
        """Images (B, H, W) cell by cell, (B, cells, H, width); dark beyond the display."""
        beyond = self.first + self.count * self.width - self.columns
        padded = torch.nn.functional.pad(images, (-self.first, beyond))
        return padded.unflatten(-1, (self.count, self.width)).movedim(-2, 1)


def pupils_of_cells(bench: BenchSpec, cells: Cells, shape: tuple[int, int], middle: Point) -> Tensor:
    """What the pupil of each cell has beside that of the display's middle; (cells, ny, nx) complex128.

    Args:
        bench: the bench; lens 1 has aberrations and a diameter.
        cells: the display's parts.
        shape: (ny, nx) illuminated SLM pixels.
        middle: (y, x) where the pixel `n // 2` of each axis is, as `optics.fourf.pupil.pupil` measures it, metres.
    """
    here, straight = _lens1(bench, shape, bench.slm.pitch, middle), (0.0, 0.0)
    found = []
    for pixels in cells.middles():
        aside = (0.0, pixels * bench.input.pitch)
        moved = (middle[0], middle[1] + aside[1])
        # one sample each: what light that leaves straight gains, which `straight_phase` puts on the display
        from_cell, from_middle = (_lens1(bench, (1, 1), bench.slm.pitch, at) for at in (aside, straight))
        found.append(_lens1(bench, shape, bench.slm.pitch, moved) - here - from_cell + from_middle)
    return cis(torch.stack(found))


def straight_phase(bench: BenchSpec, image_shape: tuple[int, int]) -> Tensor:
    """Phase factor that lens 1's aberration gives light that leaves each display pixel straight, (H, W) complex128.

    Relative to the display's middle.
    """
    straight = (0.0, 0.0)
    phase = _lens1(bench, image_shape, bench.input.pitch, straight)
    return cis(phase - _lens1(bench, (1, 1), bench.input.pitch, straight))


def _lens1(bench: BenchSpec, shape: tuple[int, int], pitch: float, middle: Point) -> Tensor:
    """Lens 1's aberration on a grid whose sample `n // 2` is at `middle` (y, x) from the axis; radians, float64."""
    lens = bench.lens1
    if lens.diameter is None:  # refused by `optics.fourf.pupil.pupil`, which is built before
        return torch.zeros(shape, dtype=torch.float64)
    centre = (lens.decentre[0] - middle[0], lens.decentre[1] - middle[1])
    return zernike_phase(lens.zernike, shape, pitch, lens.diameter, centre=centre)
