"""Pages of HTML that need nothing beside themselves: a base in one style, and the parts it is put together from.

A page is a template that extends `base.html.j2` and imports its parts from `parts.html.j2`. It has no script; a picture
is enlarged by a click, which is a checkbox that the style sheet reads, so that a keyboard can do it too. Pictures are
data addresses. A chart (`Chart`) is a figure one journal column wide, as wide as a telephone; a plane (`Plane`) is
pixels, with its axes written beside them as text, so that they stay readable at any size.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from optics.conventions import Point
from optics.files import image_bytes
from optics.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HERE = Path(__file__).parent
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Chart:
    """A figure on a page: its data address, what it shows (read out where it cannot be seen), words below it."""

    src: str
    name: str
    caption: str = ""


@dataclass(frozen=True)
class Plane:
    """Pixels with axes: data address, name, width over height, and what stands along each axis."""

    src: str
    name: str
    aspect: float
    x: tuple[str, str, str]
    y: tuple[str, str, str]


@dataclass(frozen=True)
class Scale:
    """A colour bar: data address, what its ends mean, and of what it is."""

    src: str
    low: str
    high: str
    of: str


def render(template: Path, values: dict[str, Any]) -> str:
    """A page from a template that extends the base; what is text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    colours = {"ink": style.INK, "soft": style.SOFT, "faint": style.FAINT}
    return environment.get_template(template.name).render(**colours, **values)


def address(data: bytes) -> str:
    """A PNG as a data address."""
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def chart(figure: Figure, name: str, caption: str = "") -> Chart:
    """A figure for a page, in few colours: a third of the bytes, and no difference that one sees."""
    from PIL import Image

    figure.savefig(drawn := io.BytesIO(), format="png")
    small = io.BytesIO()
    with Image.open(drawn) as picture:
        few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
        few.save(small, "PNG", optimize=True)
    return Chart(address(small.getvalue()), name, caption)


def plane(
    pixels: Bytes,
    name: str,
    *,
    pitch: float | tuple[float, float],
    shape: tuple[int, int] | None = None,
    offset: Point = (0.0, 0.0),
) -> Plane:
    """Pixels for a page, their edges in millimetres or micrometres.

    Args:
        pixels: 8-bit grey (ny, nx) or colours (ny, nx, 3), origin at index `n // 2`.
        name: what it shows.
        pitch: metres, one number or (y, x).
        shape: (ny, nx) of the plane that the pixels are a smaller picture of; `pitch` and the origin are that plane's.
        offset: (y, x) coordinates of the origin, metres.
    """
    ny, nx = shape or pixels.shape[:2]
    dy, dx = pitch if isinstance(pitch, tuple) else (pitch, pitch)
    unit, word = style.length_unit(max(ny * dy, nx * dx))

    def ends(n: int, step: float, middle: float, axis: str) -> tuple[str, str, str]:
        first = middle - (n // 2 + 0.5) * step
        low, high = (f"{edge / unit:.3g}".replace("-", "−") for edge in (first, first + n * step))
        return low, f"{axis} ({word})", high

    src = address(image_bytes(pixels, smallest=True))
    return Plane(
        src, name, round(nx * dx / (ny * dy), 4), ends(nx, dx, offset[1], "x"), ends(ny, dy, offset[0], "y")
    )


def matrix(pixels: Bytes, name: str, *, x: tuple[str, str, str], y: tuple[str, str, str]) -> Plane:
    """Pixels for a page whose axes are no lengths: what stands at the beginning, middle and end of each."""
    return Plane(
        address(image_bytes(pixels, smallest=True)), name, round(pixels.shape[1] / pixels.shape[0], 4), x, y
    )


# ------------------------------------------------------------------ values as pixels


def complex_pixels(field: NDArray[np.complexfloating], *, full: float | None = None) -> Bytes:
    """A complex field (ny, nx) in hues of phase and brightness of amplitude relative to `full` (its largest)."""
    modulus = np.abs(field).astype(np.float64)
    scale = full if full is not None else float(modulus.max())
    colours = style.phase_colours((modulus / (scale or 1.0)).clip(0, 1), np.angle(field))
    return np.round(colours * 255).astype(np.uint8)


def pixels(values: NDArray[np.floating], *, low: float, high: float, colours: str = style.INTENSITY) -> Bytes:
    """Values (ny, nx) on one of the style's maps from `low` to `high`; NaN is white."""
    import matplotlib as mpl

    values = np.asarray(values, dtype=np.float64)
    place = ((values - low) / ((high - low) or 1.0)).clip(0, 1)
    if colours == style.INTENSITY and not np.isnan(place).any():
        return np.round(255 * place).astype(np.uint8)
    drawn = mpl.colormaps[colours](np.ma.masked_invalid(place), bytes=True)[..., :3]
    drawn[np.isnan(values)] = 255
    return np.ascontiguousarray(drawn)


def scale(colours: str, low: str, high: str, of: str) -> Scale:
    """The colour bar of `pixels`."""
    ramp = pixels(np.tile(np.linspace(0, 1, 128), (4, 1)), low=0.0, high=1.0, colours=colours)
    return Scale(address(image_bytes(ramp, smallest=True)), low, high, of)


def wheel(size: int = 96) -> str:
    """The legend of `complex_pixels`: phase 0 to the right, +pi/2 up, amplitude outwards; data address."""
    axis = (np.arange(size) - (size - 1) / 2) / (size / 2)
    field = axis[None, :] - 1j * axis[:, None]  # rows run down the page
    rgb = complex_pixels(np.where(np.abs(field) <= 1, field, 0), full=1.0)
    alpha = ((np.abs(field) <= 1) * 255).astype(np.uint8)
    return address(image_bytes(np.concatenate([rgb, alpha[..., None]], axis=-1), smallest=True))
