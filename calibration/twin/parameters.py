"""What a twin may fit: numbers of a bench, what the data sheet says of each, and how far it may be wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from calibration.twin.values import get_value, set_values
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.spec import Spec
from optics.toml_errors import parse

Stage = Literal["phase", "lens", "camera", "frames"]
Form = Literal["plain", "log", "square"]
_KNOTS = 8  # intervals of a response's table, where nothing else is said
_NARROWEST = 0.03  # SLM pixels: a fringing field that no frame shows


@dataclass(frozen=True)
class Parameter:
    """One number that may be fitted.

    name: of the number in the bench. stage: what it changes: a phase in the Fourier plane, lenses and geometry, the
    counts alone, or frames in no way that is simpler. mean, sigma: what the data sheet says, in the parameter's own
    variable. form: the own variable is the number, its logarithm, or its square. low, high: bounds of the number.
    step: of the difference quotient, in the own variable. moves: it moves the lenses' discs relative to the mask.
    """

    name: str
    stage: Stage
    mean: float
    sigma: float
    form: Form = "plain"
    low: float = -math.inf
    high: float = math.inf
    step: float = 0.0
    moves: bool = False

    def own(self, number: float) -> float:
        """The own variable of a value of the number."""
        if self.form == "log":
            return math.log(max(number, 1e-300))
        return number if self.form == "plain" else number * number

    def number(self, own: float) -> float:
        """The number for a value of the own variable, within the bounds."""
        made = own
        if self.form != "plain":
            made = math.exp(own) if self.form == "log" else math.sqrt(max(own, 0.0))
        return min(max(made, self.low), self.high)

    def beside(self, bench: BenchSpec) -> tuple[BenchSpec, float]:
        """The bench a step above, or below at the upper bound, and the step in the own variable."""
        at = self.own(get_value(bench, self.name))
        number = self.number(at + self.step)
        if self.own(number) - at < self.step / 2:
            number = self.number(at - self.step)
        return set_values(bench, {self.name: number}), self.own(number) - at

    def around(self, bench: BenchSpec) -> tuple[BenchSpec, BenchSpec, float]:
        """The bench a step above and a step below, and how far these are apart in the own variable."""
        at = self.own(get_value(bench, self.name))
        step = self.step or 1e-3 * self.sigma
        numbers = [self.number(at + s * step) for s in (1.0, -1.0)]
        width = self.own(numbers[0]) - self.own(numbers[1])
        high, low = (set_values(bench, {self.name: n}) for n in numbers)
        return high, low, width


MOST_ZERNIKES = 105
Deviation = Annotated[float, Field(ge=0, le=1e6)]


class Tolerances(Spec):
    """How far a bench may be from its data sheets, standard deviations; the defaults are those of a careful assembly.

    Lengths in metres, angles and phases in radians, wavefronts radians rms per Zernike coefficient; light, gain, range
    and gamma relative. crosstalk, fill_factor, flicker: SLM pixels, share, radians. table: of a response's table at its
    knots, radians; knots: a response by range and gamma is fitted as a table with so many intervals, None leaves it
    as it is. sections: relative, of a response by sub-sections; section_grid: (rows, columns) of sub-sections that a
    uniform panel is fitted with, None leaves it uniform. A number whose deviation is 0 is known, and not fitted. also:
    other numbers of the bench that are to be fitted, by name, with deviations in their own units: `{ "input.gamma" =
    0.1 }`.
    """

    mask_shift: Deviation = 100e-6
    mask_rotation: Deviation = 0.01
    axial: Deviation = 1e-3
    camera_shift: Deviation = 200e-6
    magnification: Deviation = 0.015
    zernike: Deviation = 0.3
    curvature: Deviation = 0.5
    range: Deviation = 0.15
    gamma: Deviation = 0.25
    crosstalk: Deviation = 0.5
    fill_factor: Deviation = 0.02
    flicker: Deviation = 0.3
    light: Deviation = 0.3
    black_level: Deviation = 3.0
    table: Deviation = 0.2
    knots: int | None = Field(default=None, ge=2, le=64)
    sections: Deviation = 0.05
    section_grid: tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]] | None = None
    also: dict[str, Annotated[float, Field(ge=1e-12, le=1e6)]] = Field(default={})


def load_tolerances(path: str | Path) -> Tolerances:
    """Tolerances from a TOML file with keys of `Tolerances`; absent ones keep their default.

    Raises:
        SpecError: no such file, an unknown key or a value that is no number.
    """
    table, _ = parse(Path(path))
    try:
        return Tolerances(**table)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None


def bench_parameters(
    bench: BenchSpec, tolerances: Tolerances | None = None, *, zernikes: tuple[int, ...] = tuple(range(4, 16))
) -> tuple[Parameter, ...]:
    """The numbers of a bench that frames can tell something about.

    Args:
        bench: as its data sheets describe it: the means.
        tolerances: how far it may be wrong.
        zernikes: Noll indices of lenses and backplane; without tilt, which is a shift.

    What is left out is what no such frame tells apart from something here: magnification by a longer lens 2, the
    quantum efficiency from the light, tilt from a shift of the camera.
    """
    if len(set(zernikes)) < len(zernikes) or not all(4 <= j <= MOST_ZERNIKES for j in zernikes):
        raise SpecError(f"zernikes are Noll indices from 4 to {MOST_ZERNIKES}, each once.")
    t = Tolerances() if tolerances is None else tolerances

    def plain(name: str, stage: Stage, sigma: float, **more: Any) -> Parameter:
        return Parameter(name, stage, get_value(bench, name), sigma, **more)

    a = "alignment."
    found = [plain(f"{a}mask_shift.{k}", "lens", t.mask_shift, moves=True) for k in (0, 1)]
    found += [plain(f"{a}camera_shift.{k}", "lens", t.camera_shift) for k in (0, 1)]
    found += [
        plain(f"{a}mask_rotation", "lens", t.mask_rotation, low=-0.5, high=0.5),
        plain(f"{a}magnification", "lens", t.magnification, low=0.6, high=1.9),
        plain(f"{a}input_axial", "lens", t.axial),
        plain(f"{a}mask_axial", "lens", t.axial),
    ]
    if bench.light.photons is not None:
        mean = math.log(bench.light.photons)
        found.append(Parameter("light.photons", "lens", mean, t.light, "log", step=1e-3))
    if bench.camera.adc.bits is not None:
        found.append(plain("camera.adc.black_level", "camera", t.black_level, low=0.0, step=0.1))
    found += _panel(bench, t)
    for part, sigma in (
        ("lens1.zernike", t.zernike),
        ("lens2.zernike", t.zernike),
        ("slm.curvature", t.curvature),
    ):
        if part != "slm.curvature" and getattr(bench, part[:5]).diameter is None:
            continue
        found += [plain(f"{part}.{j}", "phase", sigma) for j in zernikes]
    known = {p.name for p in found}
    for name, sigma in t.also.items():
        if name in known:
            raise SpecError(f"tolerance of {name!r}: this number is fitted anyway; leave it out of `also`.")
        found.append(plain(name, "frames", sigma, step=0.01 * sigma))
    return tuple(p for p in found if p.sigma > 0)


def as_fitted(bench: BenchSpec, t: Tolerances) -> BenchSpec:
    """The same bench with its response in the form in which it is fitted: as a table, by sub-sections, or as it is.

    Raises:
        SpecError: a panel without levels, or one that has sub-sections of another grid.
    """
    response, changes = bench.slm.response, {}
    if t.knots is not None and response.lut is None:
        if bench.slm.bits is None or bench.slm.modulation != "phase":
            raise SpecError(f"knots is {t.knots}; a table is fitted to a phase panel with levels.")
        changes["slm.response.lut"] = tuple(response.table(bench.slm.bits).tolist())
    if t.section_grid is not None:
        rows, columns = t.section_grid
        grid = tuple((1.0,) * columns for _ in range(rows))
        have = response.sections
        if have is not None and (len(have), len(have[0])) != (rows, columns):
            raise SpecError(f"section_grid is {t.section_grid}, the bench has {len(have)} x {len(have[0])}.")
        changes["slm.response.sections"] = have or grid
    return bench.replace(**changes) if changes else bench


def _response(bench: BenchSpec, t: Tolerances) -> list[Parameter]:
    """Range and gamma, or a table at its knots; and the factors of sub-sections."""
    response, found = bench.slm.response, []
    if response.lut is None:
        for key, sigma, low, high in (("range", t.range, 0.5, 8 * math.pi), ("gamma", t.gamma, 0.2, 5.0)):
            mean = math.log(getattr(response, key))
            name = f"slm.response.{key}"
            found.append(Parameter(name, "frames", mean, sigma, "log", low=low, high=high, step=1e-3))
    else:
        count = min(t.knots or _KNOTS, len(response.lut) - 1)
        for k in range(count + 1):
            name = f"slm.response.lut.{k}of{count}"
            found.append(Parameter(name, "frames", get_value(bench, name), t.table, step=2e-3))
    for i, row in enumerate(response.sections or ()):
        for j, factor in enumerate(row):
            name = f"slm.response.sections.{i}.{j}"
            mean = math.log(factor)
            found.append(Parameter(name, "frames", mean, t.sections, "log", low=0.1, high=10.0, step=1e-3))
    return found


def _panel(bench: BenchSpec, t: Tolerances) -> list[Parameter]:
    slm = bench.slm
    found = []
    if slm.modulation == "phase":
        found += _response(bench, t)
        found.append(
            Parameter(
                "slm.flicker", "frames", slm.flicker**2, t.flicker**2, "square", high=math.pi, step=2e-3
            )
        )
    if slm.modulation in ("phase", "amplitude") and t.crosstalk > 0:
        for k, width in enumerate(slm.crosstalk):
            # in its logarithm: where a width is too small to be seen, nothing would lead out of zero again
            mean = math.log(max(width, 0.8 * t.crosstalk))
            name = f"slm.crosstalk.{k}"
            found.append(Parameter(name, "frames", mean, 0.8, "log", low=_NARROWEST, high=3.0, step=5e-3))
    found.append(
        Parameter("slm.fill_factor", "frames", slm.fill_factor, t.fill_factor, low=0.5, high=1.0, step=1e-3)
    )
    return found
