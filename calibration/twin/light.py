"""The light of one frame through a bench's lenses, and how it changes when a stage does; see `model.py`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.wave.rotation import rotate

Turn = tuple[float, tuple[float, float]]
"""By how much a mask is turned, radians, and about which point, (y, x) in lit pixels."""


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
    turns: tuple[Turn, Turn, float] | None = None

    def mask(self, reflectance: Tensor) -> Tensor | None:
        """Derivative of a mask (ny, nx) as the light meets it; None where it does not change."""
        if self.turns is None:
            return None
        high, low, width = self.turns
        return (turned(reflectance, high) - turned(reflectance, low)) / width


class Light:
    """The light of one frame through the lenses, in single precision on a device, and how it changes."""

    def __init__(self, stages: Stages, device: torch.device) -> None:
        self.device = device
        self.ay, self.ax, self.by, self.bx, self.pupil = (
            t.to(device, torch.complex64) for t in (stages.ay, stages.ax, stages.by, stages.bx, stages.pupil)
        )
        self.chirp = self._single(stages.chirp)

    def _single(self, value: Tensor | None) -> Tensor | None:
        return None if value is None else value.to(self.device, torch.complex64)

    def shine(self, image: Tensor, mask: Tensor) -> None:
        """Take the amplitudes (H, W) that leave the display and a mask (ny, nx), turned."""
        self.image = image.to(self.device, torch.complex64)
        self.u = self.image if self.chirp is None else self.image * self.chirp
        self.half = self.ay @ self.u  # (ny, W)
        self.at_slm = self.half @ self.ax.mT
        self.reflected = mask * self.pupil
        lit = self.at_slm * self.reflected
        self.field = (self.by @ lit) @ self.bx.mT
        self.lit_x = lit @ self.bx.mT  # (ny, ox)
        self.lit_y = self.by @ lit  # (oy, nx)
        self.seen = self.at_slm * mask
        self.arriving = self.at_slm * self.pupil

    def tangent(self, change: Change, mask: Tensor | None) -> Tensor | None:
        """Derivative of the field on the camera plane (oy, ox), or None where it does not change.

        `mask` is the derivative of the turned mask.
        """
        c = {name: self._single(getattr(change, name)) for name in ("ay", "ax", "by", "bx", "pupil", "chirp")}
        inside: Tensor | None = None
        arriving: Tensor | None = None
        if c["ay"] is not None:
            arriving = (c["ay"] @ self.u) @ self.ax.mT
        if c["ax"] is not None:
            part = self.half @ c["ax"].mT
            arriving = part if arriving is None else arriving + part
        if c["chirp"] is not None:
            part = (self.ay @ (self.image * c["chirp"])) @ self.ax.mT
            arriving = part if arriving is None else arriving + part
        if arriving is not None:
            inside = arriving * self.reflected
        if c["pupil"] is not None:
            part = self.seen * c["pupil"]
            inside = part if inside is None else inside + part
        if mask is not None:
            part = self.arriving * mask
            inside = part if inside is None else inside + part
        out: Tensor | None = None
        if inside is not None:
            out = (self.by @ inside) @ self.bx.mT
        if c["by"] is not None:
            part = c["by"] @ self.lit_x
            out = part if out is None else out + part
        if c["bx"] is not None:
            part = self.lit_y @ c["bx"].mT
            out = part if out is None else out + part
        return out


def turned(mask: Tensor, turn: Turn) -> Tensor:
    """A mask (ny, nx) as the light meets it."""
    return rotate(mask, turn[0], centre=turn[1])


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
