"""What is varied: `PATH=VALUES` as text, and a bench or a student with another value at a path.

    slm.bits=1..8                     whole numbers, both ends
    light.photons=1e1..1e5:log        8 values, evenly spaced in the logarithm; `:log:5` for 5 of them
    slm.crosstalk=0..1:5              5 values, evenly spaced
    camera.read_noise=1,2.5,10        these
    alignment.mask_shift.y=0..2e-4    one component of a pair (y, x)
    lens1.zernike.4=0,0.1,0.3         one coefficient, Noll index 4
    student.backend.hidden=[],[16]    of the electronics, which is then fitted anew

A path without its first word is a bench's. Values are written as in TOML, SI units.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from networks.students.spec import StudentSpec
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.reading import quoted, shortened
from optics.spec import Validated
from optics.toml_errors import table_of, unknown

COUNT = 8  # values of a range whose number is not said
MOST = 1000  # values of a range
_LARGEST = 1e300
_RANGE = re.compile(r"(?P<low>[^.,\[]+(?:\.\d[^.,]*)?)\.\.(?P<high>[^:,]+)(?P<how>(?::[^:,]+)*)\Z")
_BARE = re.compile(r"[A-Za-z_][\w-]*\Z")
_SIDES = {"y": 0, "x": 1}
ELECTRONICS = ("backend", "readout.bins")
"""Paths of a student that touch the electronics alone: the optics stay, the back end is fitted anew."""


class Axis(Validated):
    """One quantity that is varied.

    path: dotted, "slm.bits" of the bench or "student.backend.hidden". values: in their order. log: spaced, hence drawn,
    logarithmically.
    """

    path: str
    values: tuple[Any, ...]
    log: bool = False

    @property
    def numbers(self) -> tuple[float, ...] | None:
        """The values as numbers; None where one is not a number."""
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values):
            return tuple(float(v) for v in self.values)
        return None

    @property
    def of_student(self) -> bool:
        """Whether it is the student's rather than the bench's."""
        return self.path.startswith("student.")


def parse(text: str) -> Axis:
    """An axis from `PATH=VALUES`; see the top of this module.

    Raises:
        SpecError: in one line, what is wrong and how it is written.
    """
    path, equals, told = (part.strip() for part in text.partition("="))
    if not equals or not path or not told:
        raise SpecError(
            f"--vary {quoted(text)}: expected PATH=VALUES, as slm.bits=1..8 or light.photons=1e1..1e5:log."
        )
    path = path.removeprefix("bench.")
    found = _RANGE.match(told)
    if found is None:
        return Axis(path=path, values=_listed(text, told))
    low, high = (_number(text, found[name]) for name in ("low", "high"))
    words = [word for word in found["how"].split(":") if word]
    log, count = "log" in words, None
    for word in words:
        if word.isdecimal() and len(word) < 5 and 2 <= int(word) <= MOST:
            count = int(word)
        elif word not in ("log", "linear"):
            raise SpecError(
                f"--vary {quoted(text)}: {quoted(word)} after ':' is neither log nor a number of values, 2 to {MOST}."
            )
    return Axis(path=path, values=_spread(text, low, high, count, log=log), log=log)


def _number(text: str, word: str) -> int | float:
    try:
        value = table_of(f"v = {word.strip()}")["v"]
    except ValueError:
        value = None
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
        raise SpecError(
            f"--vary {quoted(text)}: {quoted(word.strip())} is not a number, as a range A..B needs at both ends."
        )
    return value


def _spread(text: str, low: float, high: float, count: int | None, *, log: bool) -> tuple[Any, ...]:
    if low == high or (log and min(low, high) <= 0):
        what = "both ends are positive" if log else "its ends differ"
        raise SpecError(f"--vary {quoted(text)}: a range needs that {what}.")
    if isinstance(low, int) and isinstance(high, int) and count is None and not log:
        step = 1 if high > low else -1
        if abs(high - low) >= MOST:
            raise SpecError(
                f"--vary {quoted(text)}: {abs(high - low) + 1:.4g} values; add a number of them, as :8."
            )
        return tuple(range(low, high + step, step))
    n = count or COUNT
    if log:
        a, b = math.log(low), math.log(high)
        made = [math.exp(a + (b - a) * k / (n - 1)) for k in range(n)]
    else:
        made = [low + (high - low) * k / (n - 1) for k in range(n)]
    made = [float(f"{v:.6g}") for v in made]  # numbers that can be read, and typed again
    whole = isinstance(low, int) and isinstance(high, int) and all(v.is_integer() for v in made)
    return tuple(int(v) for v in made) if whole else tuple(made)


def _listed(text: str, told: str) -> tuple[Any, ...]:
    """The values of a list, bare words as strings."""
    for attempt in (told, ",".join(w if _is_toml(w) else _quoted(w) for w in told.split(","))):
        try:
            values = table_of(f"v = [{attempt}]")["v"]
        except ValueError:
            continue
        if len(values) == 1 and ".." in told:
            break
        return tuple(values)
    raise SpecError(f"--vary {quoted(text)}: values are A..B, A..B:log, A..B:5, or a list as 1,2,5.")


def _quoted(word: str) -> str:
    word = word.strip()
    return json.dumps(word) if _BARE.match(word) else word


def _is_toml(word: str) -> bool:
    try:
        table_of(f"v = {word}")
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------------- values at a path


def value_at(spec: BaseModel, path: str) -> Any:
    """The value at a dotted path of a description.

    Raises:
        SpecError: nothing is there; the message lists what is.
    """
    value: Any = spec
    for k, name in enumerate(path.split(".")):
        value = _inside(value, name, ".".join(path.split(".")[:k]) or "the bench")
    return value


def _inside(value: Any, name: str, where: str) -> Any:
    if isinstance(value, BaseModel):
        if name not in type(value).model_fields:
            known = tuple(type(value).model_fields)
            raise SpecError(f"{where}: {unknown('key', name, known)}")
        return getattr(value, name)
    if isinstance(value, Mapping) and name.isdecimal() and len(name) < 5:
        return value.get(int(name), 0.0)
    if isinstance(value, tuple) and len(value) == 2 and name in _SIDES:
        return value[_SIDES[name]]
    raise SpecError(f"{where} has no part {quoted(name)}.")


def _with(value: Any, names: list[str], new: Any, where: str) -> Any:
    if not names:
        return new
    name, rest = names[0], names[1:]
    inner = _with(_inside(value, name, where), rest, new, f"{where}.{name}")
    if isinstance(value, Validated):
        return value.replace(**{name: inner})
    if isinstance(value, Mapping):
        return {**value, int(name): inner}
    pair = list(value)
    pair[_SIDES[name]] = inner
    return tuple(pair)


#: tables of what is there, and of what is assumed of it
_ASSUMED = {
    "alignment": "assumed_alignment",
    "camera": "assumed_camera",
    "slm.response": "slm.assumed_response",
}


def bench_with(bench: BenchSpec, path: str, value: Any) -> BenchSpec:
    """The bench with another value at a path.

    Raises:
        SpecError: no such key, or a value that it does not take.
    """
    made = _with(bench, path.split("."), value, "the bench")
    if not isinstance(made, BenchSpec):
        raise SpecError(f"{path} leads to no bench.")
    return made


def flaw_with(start: BenchSpec, path: str, value: Any, bench: BenchSpec) -> BenchSpec:
    """The bench `start` with one flaw of `bench` put there, or mended: that flaw alone, as far as it is known.

    What is assumed of it goes with it: a displacement that the masks are laid out for is no surprise to them, and one
    that is mended is not looked for any more.

    A converter without a gain of its own spans the full well. Where one of the two is there alone, it keeps the step of
    `bench`: else a converter without a full well would count single electrons, and end at 2^bits of them.

    Raises:
        SpecError: no such key, or a value that it does not take.
    """
    made, camera = _believed(bench_with(start, path, value), path, value, bench), bench.camera
    spans = camera.adc.gain is None and camera.adc.bits is not None and camera.full_well is not None
    alone = made.camera.adc.bits is not None and made.camera.full_well is None
    return bench_with(made, "camera.adc.gain", camera.gain) if spans and alone else made


def _believed(made: BenchSpec, path: str, value: Any, bench: BenchSpec) -> BenchSpec:
    """`made` with what `bench` assumes of the figure at `path`; of one that is mended, that it is mended."""
    for table, assumed in _ASSUMED.items():
        told = value_at(bench, assumed)
        if told is None or not path.startswith(f"{table}."):
            continue
        key = path.removeprefix(f"{table}.").split(".")
        whole = value_at(made, assumed) or type(told)()
        try:
            own = value_at(told, ".".join(key))
        except SpecError:  # nothing can be assumed of this figure
            return made
        if own is None:  # the camera's own figure is assumed, whatever it is
            return made
        mended = None if table == "camera" else value
        new = own if value_at(bench, path) == value else mended
        return bench_with(made, assumed, _with(whole, key, new, assumed))
    return made


def student_with(spec: StudentSpec, path: str, value: Any) -> StudentSpec:
    """The student with another value at a path of its electronics, "backend.hidden" or "readout.bins".

    Raises:
        SpecError: the optics would have to be trained anew, no such key, or a value that it does not take.
    """
    if not any(path == p or path.startswith(f"{p}.") for p in ELECTRONICS):
        raise SpecError(
            f"student.{shortened(path, most=40)}: a study changes the electronics alone, student.readout.bins and "
            "student.backend; train another network for other optics."
        )
    made = _with(spec, path.split("."), value, "the student")
    if not isinstance(made, StudentSpec):
        raise SpecError(f"student.{path} leads to no student.")
    return made


def flaws(bench: BenchSpec) -> dict[str, Any]:
    """Every imperfection that the bench has, by its path, with its value; those at their ideal value are left out.

    What is assumed of it is no imperfection by itself: it goes with what is there, see `flaw_with`.
    """
    found: dict[str, Any] = {}
    ideal = bench.ideal()

    def walk(real: Any, perfect: Any, path: str) -> None:
        for name in type(real).model_fields:
            a, b = getattr(real, name), getattr(perfect, name)
            if name.startswith("assumed_"):
                continue
            if isinstance(a, BaseModel) and isinstance(b, BaseModel):
                walk(a, b, f"{path}{name}.")
            elif a != b:
                found[f"{path}{name}"] = a

    walk(bench, ideal, "")
    return found
