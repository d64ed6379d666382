"""Pictures for the report: arrays to PNG data addresses, curves to SVG.

A complex field is shown with its phase as hue (cyclic: no jump at +-pi) and its modulus as lightness, in the colours
of `optics.plots.plots`; `phase_wheel` is the legend. Intensities use one ramp from black to white through blue, on a
scale that the caller gives, so that pictures placed side by side can share it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image

from optics.files import image_bytes

Bytes = NDArray[np.uint8]

# black, deep blue, azure, pale, white; even steps of lightness in OKLab
_RAMP = np.array([[0, 0, 0], [4, 7, 45], [25, 35, 125], [40, 83, 166], [61, 130, 207]])
_RAMP = np.concatenate([_RAMP, [[108, 175, 215], [157, 219, 221], [203, 237, 233], [248, 254, 245]]])
COLOURS = ("#1f6fb4", "#c8501e", "#2b8a5b", "#8a5bb0", "#6b6b6b")


def complex_rgb(field: NDArray[np.complexfloating], *, full: float | None = None) -> Bytes:
    """A complex field (y, x) as 8-bit RGB: hue is the phase, lightness the modulus relative to `full` (its maximum)."""
    from optics.plots.plots import phase_colours  # the plots are a leaf that nothing imports at load time

    modulus = np.abs(field).astype(np.float64)
    scale = full if full is not None else float(modulus.max())
    colours = phase_colours((modulus / (scale or 1.0)).clip(0, 1), np.angle(field))
    return np.round(colours * 255).astype(np.uint8)


def intensity_rgb(values: NDArray[np.floating], *, full: float) -> Bytes:
    """Non-negative values (y, x) as 8-bit RGB on the ramp from 0 (black) to `full` (white)."""
    place = (np.asarray(values, dtype=np.float64) / (full or 1.0)).clip(0, 1) * (len(_RAMP) - 1)
    rgb = np.stack([np.interp(place, np.arange(len(_RAMP)), _RAMP[:, k]) for k in range(3)], axis=-1)
    return np.round(rgb).astype(np.uint8)


def ramp_bar(width: int = 128) -> str:
    """The legend of `intensity_rgb`: 0 on the left, full scale on the right; data address."""
    return picture(intensity_rgb(np.tile(np.linspace(0, 1, width), (8, 1)), full=1.0))


def phase_wheel(size: int = 96) -> str:
    """The legend of `complex_rgb`: phase 0 to the right, +pi/2 up, modulus from the centre outwards; data address."""
    axis = (np.arange(size) - (size - 1) / 2) / (size / 2)
    field = axis[None, :] - 1j * axis[:, None]  # rows run down the page
    rgb = complex_rgb(np.where(np.abs(field) <= 1, field, 0), full=1.0)
    alpha = ((np.abs(field) <= 1) * 255).astype(np.uint8)
    return picture(np.concatenate([rgb, alpha[..., None]], axis=-1))


def picture(pixels: Bytes) -> str:
    """8-bit grey (y, x), RGB or RGBA (y, x, c) as a PNG data address."""
    return "data:image/png;base64," + base64.b64encode(image_bytes(pixels, smallest=True)).decode("ascii")


def thumbnail(pixels: Bytes, width: int) -> str:
    """An 8-bit grey image reduced to `width` by averaging areas; data address."""
    image = Image.fromarray(pixels)
    small = image.resize((width, max(1, round(width * image.height / image.width))), Image.Resampling.BOX)
    return picture(np.asarray(small))


def curves(
    series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x: str, y: str, percent: bool = True
) -> Markup:
    """Lines (x, y) by name as one SVG chart with a legend; `percent` labels 0-1 as per cent."""
    points = [p for line in series.values() for p in line]
    if not points:
        return Markup("")
    low_y, high_y = min(p[1] for p in points), max(p[1] for p in points)
    ticks = _ticks(low_y, high_y)
    low_y, high_y = min(low_y, ticks[0]), max(high_y, ticks[-1])
    low_x, high_x = min(p[0] for p in points), max(max(p[0] for p in points), 1)
    width, height, left, top, bottom = 460, 260, 50, 12, 40

    def place(px: float, py: float) -> tuple[float, float]:
        across = (px - low_x) / ((high_x - low_x) or 1)
        up = (py - low_y) / ((high_y - low_y) or 1)
        return left + across * (width - left - 14), height - bottom - up * (height - bottom - top)

    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" class="chart">']
    for tick in ticks:
        ty = place(low_x, tick)[1]
        label = f"{100 * tick:g} %" if percent else f"{tick:g}"
        parts.append(f'<line x1="{left}" x2="{width - 14}" y1="{ty:.1f}" y2="{ty:.1f}" class="grid"/>')
        parts.append(f'<text x="{left - 6}" y="{ty + 4:.1f}" text-anchor="end">{label}</text>')
    for tick in _ticks(low_x, high_x, whole=True):
        tx = place(tick, low_y)[0]
        parts.append(f'<text x="{tx:.1f}" y="{height - bottom + 18}" text-anchor="middle">{tick:g}</text>')
    for colour, line in zip(COLOURS, series.values(), strict=False):
        path = " ".join("{:.1f},{:.1f}".format(*place(*p)) for p in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    middle = (left + width) / 2
    parts.append(f'<text x="{middle}" y="{height - 4}" text-anchor="middle">{escape(x)}</text></svg>')
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in zip(COLOURS, series, strict=False)
    )
    return Markup(f'<p class="legend"><b>{escape(y)}</b> {legend}</p>') + Markup("".join(parts))


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Four to seven round numbers that cover low to high (for `whole`: whole numbers inside)."""
    span = (high - low) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step = next(step * m for m in (1, 2, 2.5, 5, 10) if span / (step * m) <= 6)
    if whole:
        step = max(1.0, math.ceil(step))
        first, last = math.ceil(low / step), math.floor(high / step)
    else:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]
