"""A design to look at: what was asked for, what is predicted, the mask and the frame."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from torch import Tensor

from distill.designs.frames import Layout, Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def drawn(layout: Layout, shown: Shown, fields: Tensor, asked: Tensor, *, most: int) -> dict[str, bytes]:
    """PNG pictures by their path in a design's directory, of the first `most` masks and their frames.

    Args:
        layout: where the masks stand.
        shown: what the panel is sent.
        fields: (M, oy, ox) predicted, of a point in the middle.
        asked: (M, oy, ox) of the target itself.
        most: masks to draw.
    """
    from optics.plots import plots

    bench, tiles = layout.bench, len(layout.places)
    sy, sx = layout.fourfs[0].oversampling
    pitch = (bench.input.pitch / sy, bench.input.pitch / sx)
    made: dict[str, bytes] = {}
    for m in range(min(most, len(fields))):
        for name, what, plane in (
            ("asked", "asked for", asked[m]),
            ("predicted", "predicted on the bench", _in_step(fields[m], asked[m])),
        ):
            title = f"mask {m}, field of a point, {what}"
            made[f"pictures/{name}-{m:03d}.png"] = _png(plots.field(plane, pitch=pitch, title=title))
        made[f"pictures/intensity-{m:03d}.png"] = _png(
            plots.psf(fields[m], pitch=pitch, title=f"mask {m}, predicted point-spread function")
        )
        frame = m // tiles
        if f"pictures/mask-{frame:03d}.png" not in made:
            of = f"frame {frame}" + (f": masks {m} to {m + tiles - 1}" if tiles > 1 else "")
            made[f"pictures/mask-{frame:03d}.png"] = _png(
                plots.mask(shown.masks[frame], pitch=bench.slm.pitch, title=f"{of}, before the encoding")
            )
            made[f"pictures/levels-{frame:03d}.png"] = _png(
                plots.levels(
                    shown.levels[frame],
                    pitch=bench.slm.pitch,
                    bits=bench.slm.bits or 8,
                    title=f"{of}, lit part of the panel",
                )
            )
    return made


def _in_step(found: Tensor, wanted: Tensor) -> Tensor:
    """A field (y, x) times the phase factor that brings it nearest to another."""
    overlap = (found.conj() * wanted).sum()
    return found * (overlap / overlap.abs().clamp(min=1e-30))


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    return out.getvalue()
