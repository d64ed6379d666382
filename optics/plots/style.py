"""The one style of all pictures: colours, sizes, units, legends. For figures, pages, docs and papers.

Colours are chosen so that a red-green-blind reader, and a reader of a grey print, loses as little as can be:

lines        five colours whose lightness differs, and a marker and a dash each
phase        a circle of hues, cyclic. It is tilted in lightness (dark near phase 0, light near pi), for red-green
             blindness projects equally light hues onto a line: 90 degrees would look like none
amplitude    brightness of that hue
intensity    black to white; over powers of ten "magma", which is as monotone in lightness
difference   "cividis": darker and blue below, grey at zero, lighter and yellow above

`tests/optics/plots/test_style.py` measures this with the dichromats' projections of Machado, Oliveira & Fernandes, IEEE
Trans. Vis. Comput. Graph. 15, 1291 (2009). Hues are a circle in OKLab (Ottosson 2020). matplotlib is imported by the
functions, never by this module.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from optics.notebook import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

Array = npt.NDArray[np.floating[Any]]

STYLES: tuple[tuple[str, str, Any], ...] = (
    ("#12284c", "o", "-"),
    ("#b23a48", "s", "--"),
    ("#2b8fc4", "^", "-."),
    ("#e8a21a", "D", ":"),
    ("#5b3a8c", "v", (0, (4, 1, 1, 1, 1, 1))),
)
INK, SOFT, FAINT = "#1c1e21", "#5d636b", "#d9dce0"
INTENSITY, DECADES, DIFFERENCE = "gray", "magma", "cividis"
TITLE, LABEL, TICK = 9.0, 8.0, 7.0  # points
COLUMN = 3.4  # inches: one column of a journal, and a telephone held upright
DPI = 200

_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M"}
_PREFIXED = ("m", "rad", "s")  # units that take one

_OKLAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
_CHROMA, _LIGHTNESS, _TILT, _LIGHTEST = 0.125, 0.70, 0.12, math.radians(165.0)
_RED = math.radians(25.0)  # the hue of phase 0


def phase_colours(amplitude: Array, phase: Array) -> Array:
    """Hue for phase, brightness for amplitude.

    Args:
        amplitude: (ny, nx), 0 (black) to 1 (full colour).
        phase: (ny, nx) radians; 0 is red, +pi/2 yellow-green, pi cyan, -pi/2 violet.

    Returns:
        (ny, nx, 3) sRGB, 0 to 1.
    """
    hue = phase + _RED
    light = _LIGHTNESS + _TILT * np.cos(phase - _LIGHTEST)
    lab = np.stack([light, _CHROMA * np.cos(hue), _CHROMA * np.sin(hue)], -1)
    linear = ((lab @ _OKLAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T).clip(0, 1) * np.asarray(amplitude)[..., None] ** 2
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def cyclic_map() -> ListedColormap:
    """The hues of `phase_colours` at full amplitude as a colour map from phase 0 to 2 pi."""
    from matplotlib.colors import ListedColormap as NewMap

    phase = np.linspace(0.0, 2 * math.pi, 256, endpoint=False)
    return NewMap(phase_colours(np.ones_like(phase), phase), name="phase")


# ------------------------------------------------------------------ units


def length_unit(extent: float) -> tuple[float, str]:
    """The unit for lengths up to `extent` metres: (metres per unit, its name)."""
    return (1e-3, "mm") if extent >= 1e-3 else (1e-6, "µm")


def prefix(largest: float, unit: str) -> tuple[float, str]:
    """Factor by which to multiply values of up to `largest`, and the unit with its prefix: `(1e6, "µm")`."""
    if unit not in _PREFIXED or largest == 0 or not math.isfinite(largest):
        return 1.0, unit
    power = min(6, max(-9, 3 * math.floor(math.log10(abs(largest)) / 3)))
    return 10.0**-power, _PREFIXES[power] + unit


def quantity(value: float, unit: str) -> str:
    """A value with its unit as one writes it: `quantity(3.45e-6, "m")` is "3.45 µm"."""
    factor, shown = prefix(value, unit)
    return f"{value * factor:.4g} {shown}".rstrip()


# ------------------------------------------------------------------ figures and axes


@cache
def _kind() -> type[Figure]:
    from matplotlib.figure import Figure as Plain

    class Figure(Plain):
        """A figure that a notebook shows by itself, without `%matplotlib inline`."""

        def _repr_png_(self) -> bytes:
            return png(self)

    return Figure


def new_figure(width: float, height: float, *, layout: str | None = None) -> Figure:
    """A figure of that many inches that no global state knows of; a notebook shows it."""
    return _kind()(figsize=(width, height), dpi=DPI, layout=layout)  # type: ignore[arg-type]


def dress(axes: Axes, *, grid: bool = True) -> Axes:
    """Sizes and lines of a chart's axes."""
    axes.tick_params(labelsize=TICK, color=SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(SOFT)
    if grid:
        axes.grid(visible=True, linewidth=0.4, color=FAINT)
        axes.set_axisbelow(True)
    return axes


def wheel(axes: Axes, of: str) -> None:
    """The legend of complex colours on polar axes: angle is phase, radius is amplitude."""
    radius = np.linspace(0, 1, 33)
    angle = np.linspace(-math.pi, math.pi, 181)
    middle = (radius[:-1] + radius[1:]) / 2
    colours = phase_colours(*np.meshgrid(middle, (angle[:-1] + angle[1:]) / 2, indexing="ij"))
    axes.pcolormesh(angle, radius, colours, rasterized=True)
    turns = [0, math.pi / 2, math.pi, 3 * math.pi / 2]
    axes.set_xticks(turns, ["0", "π/2", "π", "−π/2"], fontsize=TICK)
    axes.tick_params(pad=-3)
    axes.set_yticks([])
    axes.grid(False)
    axes.set_title(f"hue: phase\nbrightness:\namplitude\n({of})", fontsize=TICK, pad=6)
