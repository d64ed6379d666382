"""The light of one frame through a bench's lenses, and how it changes when a stage does; see `model.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.wave.rotation import Rotation


@dataclass(frozen=True)
class Stages:
    """One bench's operators, double precision; see the module for the letters."""

    fourf: FourF
    recorder: Recorder
    ay: Tensor
    ax: Tensor
    by: Tensor
    bx: Tensor
    pupil: Tensor
    chirp: Tensor | None


@dataclass(frozen=True)
class Change:
    """Derivatives of the stages by one parameter; None is no change.

    turns: the mask's turn a step above and a step below, and how far these are apart. counts: of the counts with the
    light on the camera plane held, (n, cy, cx).
    """

    ay: Tensor | None = None
    ax: Tensor | None = None
    by: Tensor | None = None
    bx: Tensor | None = None
    pupil: Tensor | None = None
    chirp: Tensor | None = None
    counts: Tensor | None = None
    turns: tuple[Rotation, Rotation, float] | None = None

    def on(self, device: torch.device) -> Change:
        """The same in single precision on a device."""
        names = ("ay", "ax", "by", "bx", "pupil", "chirp")
        turns = None if self.turns is None else tuple(t.to(device) for t in self.turns[:2])
        return replace(
            self,
            turns=None if turns is None or self.turns is None else (turns[0], turns[1], self.turns[2]),
            **{name: _single(getattr(self, name), device) for name in names},
        )

    def mask(self, reflectance: Tensor) -> Tensor | None:
        """Derivative of a mask (ny, nx) as the light meets it; None where it does not change."""
        if self.turns is None:
            return None
        high, low, width = self.turns
        turned: Tensor = high(reflectance) - low(reflectance)
        return turned / width


def _single(value: Tensor | None, device: torch.device) -> Tensor | None:
    return None if value is None else value.to(device, torch.complex64)


class Light:
    """The light of one frame through the lenses, in single precision on a device, and how it changes."""

    def __init__(self, stages: Stages, device: torch.device) -> None:
        self.device = device
        self.ay, self.ax, self.by, self.bx, self.pupil = (
            t.to(device, torch.complex64) for t in (stages.ay, stages.ax, stages.by, stages.bx, stages.pupil)
        )
        self.chirp = _single(stages.chirp, device)

    def enter(self, image: Tensor) -> None:
        """Take the amplitudes (H, W) that leave the display as far as the panel."""
        self.image = image.to(self.device, torch.complex64)
        self.u = self.image if self.chirp is None else self.image * self.chirp
        self.half = self.ay @ self.u  # (ny, W)
        self.at_slm = self.half @ self.ax.mT
        self.arriving = self.at_slm * self.pupil

    def leave(self, mask: Tensor) -> Tensor:
        """Field on the camera plane (oy, ox), but for the phase that it leaves with, of a turned mask (ny, nx)."""
        return (self.by @ (self.arriving * mask)) @ self.bx.mT

    def shine(self, image: Tensor, mask: Tensor) -> None:
        """Take the amplitudes (H, W) that leave the display and a mask (ny, nx), turned."""
        self.enter(image)
        self.reflected = mask * self.pupil
        self.lit = self.at_slm * self.reflected
        self.lit_x = self.lit @ self.bx.mT  # (ny, ox)
        self.lit_y = self.by @ self.lit  # (oy, nx)
        self.field = self.lit_y @ self.bx.mT
        self.seen = self.at_slm * mask

    def tangent(self, c: Change, mask: Tensor | None) -> Tensor | None:
        """Derivative of the field on the camera plane (oy, ox), or None where it does not change.

        `c` is in single precision on the device (`Change.on`), `mask` the derivative of the turned mask.
        """
        inside: Tensor | None = None
        arriving: Tensor | None = None
        if c.ay is not None:
            arriving = (c.ay @ self.u) @ self.ax.mT
        if c.ax is not None:
            part = self.half @ c.ax.mT
            arriving = part if arriving is None else arriving + part
        if c.chirp is not None:
            part = (self.ay @ (self.image * c.chirp)) @ self.ax.mT
            arriving = part if arriving is None else arriving + part
        if arriving is not None:
            inside = arriving * self.reflected
        if c.pupil is not None:
            part = self.seen * c.pupil
            inside = part if inside is None else inside + part
        if mask is not None:
            part = self.arriving * mask
            inside = part if inside is None else inside + part
        out: Tensor | None = None
        if inside is not None:
            out = (self.by @ inside) @ self.bx.mT
        if c.by is not None:
            part = c.by @ self.lit_x
            out = part if out is None else out + part
        if c.bx is not None:
            part = self.lit_y @ c.bx.mT
            out = part if out is None else out + part
        return out

    def rise(self, tangent: Tensor) -> Tensor:
        """Derivative of the intensity (..., oy, ox) for one of the field."""
        return 2 * (self.field.conj() * tangent).real

    def phases(self, rows: Tensor, cols: Tensor) -> Tensor:
        """Derivative of the intensity by phases `rows[a] cols[b]` over the lit pixels, (a, b) in order, a + b < A.

        rows, cols: (A, ny) and (A, nx) float32 on the device. Returns (A (A + 1) / 2, oy, ox).
        """
        order, (oy, ox) = len(rows), self.field.shape
        left = ((rows[:, None] * self.by).flatten(0, 1) @ self.lit).unflatten(0, (order, oy))
        right = (cols[:, None] * self.bx).flatten(0, 1).mT  # (nx, A ox)
        # i phase times the field, times its conjugate: 2 Re(i z) = -2 Im(z)
        found = []
        for a in range(order):
            part = (left[a] @ right[:, : (order - a) * ox]).unflatten(1, (order - a, ox)).movedim(1, 0)
            found.append(-2 * (self.field.conj() * part).imag)
        return torch.cat(found)


def mask_turn(fourf: FourF, device: torch.device, base: FourF | None = None) -> Rotation:
    """How a bench turns masks (ny, nx) on its lit pixels, or on those of `base`; complex64 on a device."""
    on = fourf if base is None else base
    shape = (on.pupil.shape[0], on.pupil.shape[1])
    turn = Rotation(shape, fourf.bench.alignment.mask_rotation, centre=centre_on(fourf, on))
    return turn.to(device)


def centre_on(fourf: FourF, base: FourF) -> tuple[float, float]:
    """Where the optical axis meets the base's lit pixels, (y, x)."""
    return (
        fourf.axis_index[0] + fourf.rows.start - base.rows.start,
        fourf.axis_index[1] + fourf.cols.start - base.cols.start,
    )


def node_factors(fourf: FourF, axis_name: str) -> tuple[Tensor, Tensor]:
    """The pixels' envelope `cos(node (X - x))` as a factor of the image's x and one of the camera's X, (H,), (oy,)."""
    image, camera = (getattr(fourf, f"nodes_{side}_{axis_name}") for side in ("in", "out"))
    u, s, v = torch.linalg.svd(camera.mT @ image)
    sign = torch.sign(u[:, 0].sum())
    return sign * v[0] * s[0].sqrt(), sign * u[:, 0] * s[0].sqrt()


def difference(high: Tensor | None, low: Tensor | None, width: float) -> Tensor | None:
    """`(high - low) / width`; None where they are the same."""
    if high is None or low is None or torch.equal(high, low):
        return None
    return (high - low) / width


def aligned(stages: Stages, name: str, base: Stages) -> Tensor | None:
    """An operator on the base's lit pixels: those that it lacks are dark, those that only it has are left out."""
    value: Tensor | None = getattr(stages, name)
    if value is None or name == "chirp":
        return value
    for dim, k in {"ay": ((0, 0),), "ax": ((0, 1),), "by": ((1, 0),), "bx": ((1, 1),)}.get(
        name, ((0, 0), (1, 1))
    ):
        have, want = ((s.fourf.rows, s.fourf.cols)[k] for s in (stages, base))
        if have == want:
            continue
        low, high = max(have.start, want.start), min(have.stop, want.stop)
        shape = list(value.shape)
        shape[dim] = want.stop - want.start
        out = value.new_zeros(shape)
        out.narrow(dim, low - want.start, high - low).copy_(value.narrow(dim, low - have.start, high - low))
        value = out
    return value
