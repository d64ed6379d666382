"""What a measurement is: probes in, captures, an estimate out; one abstract class with finals in `measurements`.

A measurement says beforehand all that it shows, from the data sheet alone, so that its captures can be kept, taken up
again, or recorded in the laboratory and evaluated at home.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from calibration.rigs.recording import Probes, Recording
from calibration.rigs.rig import Abilities, Region
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Verdict = Literal["good", "poor", "failed"]
Values = Mapping[str, float | tuple[float, float]]


@dataclass(frozen=True)
class Shots:
    """One series of frames of the same exposure and the same part of the sensor.

    name: of the series. probes: what is shown, one frame each. region: rows and columns of the binned sensor. delays:
    seconds from showing to exposing, for each frame; empty: until the panel has settled. pause: seconds before each
    frame. metered: whether the exposure is set by the light that is found, so that the brightest pixel is at half of
    what the camera can count. brightest: the probe that this is done with.
    """

    name: str
    probes: Probes
    region: Region
    delays: tuple[float, ...] = ()
    pause: float = 0.0
    metered: bool = True
    brightest: int = 0


@dataclass(frozen=True)
class Flats:
    """One series of evenly lit frames: photons on a sensor pixel, how many frames, seconds (None: the camera's own)."""

    name: str
    photons: float
    frames: int
    exposure: float | None = None


@dataclass(frozen=True)
class Seen:
    """What a measurement's series gave: recordings of probes, and raw evenly lit frames (frames, y, x), by name."""

    shots: Mapping[str, Recording] = field(default_factory=dict)
    flats: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Recording:
        """A series of probes."""
        return self.shots[name]


@dataclass(frozen=True)
class Number:
    """One measured number.

    unit: SI. nominal: what the data sheet says, None where it says nothing. key: of the number in a bench file, or
    empty. harm: relative change of the light that such a deviation makes, for numbers that have no key.
    """

    name: str
    value: float
    uncertainty: float
    unit: str
    nominal: float | None = None
    key: str = ""
    harm: float = 0.0

    @property
    def stated(self) -> float:
        """What the data sheet says.

        Raises:
            OpticsError: it says nothing.
        """
        if self.nominal is None:
            raise OpticsError(
                f"the data sheet says nothing of {self.name}; there is nothing to compare it with."
            )
        return self.nominal

    @property
    def apart(self) -> float:
        """How far it is from the data sheet, in standard errors; 0 where that says nothing."""
        if self.nominal is None:
            return 0.0
        return abs(self.value - self.nominal) / max(self.uncertainty, 1e-300)


@dataclass(frozen=True)
class Quantity:
    """What a measurement tells: name, unit, the data sheet's figure, its key, and the least error it can have.

    floor: what the procedure itself may be off by, in the unit; it is added to the scatter in quadrature.
    """

    name: str
    unit: str
    nominal: float | None = None
    key: str = ""
    floor: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """What the numbers mean. advice: what to change, a line each. changes: for the bench's description, by key."""

    verdict: Verdict
    advice: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """The outcome of one measurement.

    faults: what went wrong with the frames, named (`calibration.measuring.faults`). frames: how many it took.
    """

    name: str
    title: str
    verdict: Verdict
    numbers: tuple[Number, ...]
    advice: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    frames: int = 0

    def number(self, name: str) -> Number:
        """One of the numbers, by its name.

        Raises:
            KeyError: there is none.
        """
        for number in self.numbers:
            if number.name == name:
                return number
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, for JSON."""
        return asdict(self)


class Measurement(ABC):
    """One measurement, abstract; `calibration.measuring.conduct.measure` carries it out.

    Attributes:
        name: how commands call it.
        title: in words.
        quick: whether `sclc doctor` makes it without being asked.
    """

    name: str
    title: str
    quick: bool

    @abstractmethod
    def refuses(self, bench: BenchSpec, abilities: Abilities) -> str:
        """Why it cannot be made on this bench; empty where it can."""

    @abstractmethod
    def series(self, bench: BenchSpec) -> Sequence[Shots | Flats]:
        """All that is shown, in order."""

    @abstractmethod
    def quantities(self, bench: BenchSpec) -> Sequence[Quantity]:
        """What it tells."""

    @abstractmethod
    def values(self, seen: Seen, bench: BenchSpec) -> Values:
        """A value for each quantity, or (value, standard error); the scatter of a bare value is found by redrawing.

        Raises:
            RigError: the frames do not allow it.
        """

    @abstractmethod
    def judge(self, numbers: Mapping[str, Number], seen: Seen, bench: BenchSpec) -> Judgement:
        """What the numbers mean for this bench."""

    @abstractmethod
    def draw(self, figure: Figure, seen: Seen, bench: BenchSpec, finding: Finding) -> None:
        """A picture of what was seen and found."""
