"""What a design is to do: kernels, point-spread functions or masks, of a file, an array, a picture, or by name.

| kind | what the values are |
|---|---|
| "kernel" | point-spread functions, on the display's grid or `pitch` metres apart; real or complex |
| "mask" | complex transmission on the display's band; `corner` says where its zero frequency is |
| "phase", "amplitude" | the same as a phase in radians, or as a real transmission |
| "panel" | complex transmission of every pixel of the bench's SLM, modulus at most 1 |
| "panel-phase", "panel-amplitude" | the same as a phase in radians, or as a real transmission of 0 to 1 |

Of a picture black is 0 and white is 1, or for a phase white is the last level before 2 pi.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.data import pictures
from distill.designs.builtins import NAMES, built_in, is_builtin
from networks.students import interchange
from networks.students.interchange import as_bank, as_cascade
from optics.bench.spec import BenchSpec
from optics.checks import check_range
from optics.errors import OpticsError, ShapeError
from optics.reading import exists, home, may_be_file, quoted, read_bytes

KINDS = ("kernel", "mask", "phase", "amplitude", "panel", "panel-phase", "panel-amplitude")
IMAGE = 28  # pixels a side that a design is for where nothing else is said
_ROUNDING = 1e-4
_PITCHES = (1e-7, 1e-2)  # metres
_TIGHT = 8  # pixels that the usual window is larger than a kernel


@dataclass(frozen=True, eq=False)
class Target:
    """Values as a design takes them.

    Attributes:
        name: what people call it.
        kind: one of `KINDS`, as it was given.
        taps: (M, 1, ky, kx) centred kernels, `pitch` apart; None for a panel's.
        panel: (M, NY, NX) complex transmissions of the whole panel, modulus at most 1; None for others.
        pitch: of the taps, metres.
        image_shape: (H, W) of the images that the design is for, display pixels.
        reach: display pixels that a kernel is wide; those of the images where nobody can tell.
    """

    name: str
    kind: str
    taps: Tensor | None
    panel: Tensor | None
    pitch: float
    image_shape: tuple[int, int]
    reach: int

    @property
    def count(self) -> int:
        """Masks."""
        values = self.taps if self.taps is not None else self.panel
        return 0 if values is None else len(values)


def read_target(
    target: str | Path | Tensor | np.ndarray[Any, Any],
    bench: BenchSpec,
    *,
    kind: str | None = None,
    array: str | None = None,
    imaginary: str | Path | None = None,
    axes: str | None = None,
    corner: bool | None = None,
    pitch: float | None = None,
    image_shape: tuple[int, int] | None = None,
) -> Target:
    """A target from a file, a picture, an array, or by the name of a built-in one.

    Args:
        target: path, array (y, x), (masks, y, x) or (out, in, y, x), or a text for `distill.designs.builtins`.
        bench: the bench it is for.
        kind: see the table above; None: "panel" for a complex array of the panel's shape, "kernel" for all others.
        array: which one of a file that holds several.
        imaginary: file or array of the imaginary part.
        axes: order of four axes, "oiyx" or "ioyx"; see `networks.students.interchange.as_bank`.
        corner: the origin is at index 0 (True) or in the middle (False); a mask over the band must say.
        pitch: of a kernel's samples, metres in the display's plane; None: the display's.
        image_shape: (H, W) display pixels that the design is for; None: `IMAGE`, or a little more than the kernel.

    Raises:
        OpticsError: no such file or name, values that cannot be of that kind, or something that must be said.
    """
    values, name, source = _values(target, array, imaginary)
    if source == "built-in" and corner is None:
        corner = False  # a built-in's origin is in its middle
    kind = _kind(kind, values, bench, name)
    if source == "picture" and "phase" in kind:
        values = values * (2 * math.pi * 255 / 256)
    if "amplitude" in kind:
        values = _amplitude(values, kind)
    if pitch is not None:
        check_range("pitch", pitch, *_PITCHES, fix="Pass metres: 8 um is 8e-6.")
    if pitch is not None and kind != "kernel":
        raise OpticsError(f"{name}: pitch goes with kind 'kernel'; a {kind} lies on the band or the panel.")
    if kind.startswith("panel"):
        shape = image_shape or (IMAGE, IMAGE)
        panel = _panel(values, kind, bench, axes, corner, name)
        return Target(name, kind, None, panel, bench.input.pitch, shape, max(shape))
    sides = values.shape[-2:]
    if kind == "kernel":
        side = max(sides) * (1.0 if pitch is None else pitch / bench.input.pitch)
        shape = image_shape or (max(IMAGE, math.ceil(side) + _TIGHT),) * 2
    else:
        shape = image_shape or (min(IMAGE, sides[0]), min(IMAGE, sides[-1]))
    cascade = as_cascade(
        values,
        kind={"amplitude": "mask"}.get(kind, kind),  # type: ignore[arg-type]
        image_shape=shape,
        axes=axes,
        corner=corner,
        bench=bench,
    )
    with torch.no_grad():
        taps = cascade.kernels().flatten(0, 1)[:, None]
    if not float(taps.abs().max()) > 0:
        raise OpticsError(f"{name}: every value is 0: there is nothing to design.")
    step = pitch or bench.input.pitch
    reach = math.ceil(max(taps.shape[-2:]) * step / bench.input.pitch)
    return Target(name, kind, taps, None, step, shape, reach if kind == "kernel" else max(shape))


def _values(target: Any, array: str | None, imaginary: str | Path | None) -> tuple[Tensor, str, str]:
    """The numbers, a name for them, and where they are from: array, file, picture (0 to 1), or built-in."""
    if isinstance(target, Tensor):
        return _numbers(target), "array", "array"
    if isinstance(target, np.ndarray):
        if target.dtype.kind not in "fciub":
            raise OpticsError(f"the target is an array of {target.dtype}, expected numbers.")
        return _numbers(torch.from_numpy(np.ascontiguousarray(target))), "array", "array"
    path = home(target)
    if isinstance(target, str) and is_builtin(target) and not may_be_file(path):
        return built_in(target), target, "built-in"
    if not exists(path) and path.suffix == "":
        raise OpticsError(
            f"there is no target {quoted(str(target))}: no such file, and no built-in one: {', '.join(NAMES)}."
        )
    if path.suffix.lower() in pictures.SUFFIXES:
        grey = pictures.decode(read_bytes(path), name=str(path), grey=True)
        scale = 255.0 if grey.dtype == np.uint8 else 1.0
        return torch.from_numpy(grey.astype(np.float32) / scale), path.name, "picture"
    return interchange.read(path, name=array, imaginary=imaginary), path.name, "file"


def _numbers(values: Tensor) -> Tensor:
    return values if values.is_complex() or values.is_floating_point() else values.to(torch.float64)


def _kind(kind: str | None, values: Tensor, bench: BenchSpec, name: str) -> str:
    if kind is not None:
        if kind not in KINDS:
            raise OpticsError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}.")
        return kind
    if tuple(values.shape[-2:]) != tuple(bench.slm.shape):
        return "kernel"
    if not values.is_complex():
        raise OpticsError(
            f"{name} has the shape of the panel and real values; say kind 'panel-phase' (radians) or 'panel-amplitude'."
        )
    return "panel"


def _amplitude(values: Tensor, kind: str) -> Tensor:
    if values.is_complex() or float(values.min()) < 0 or float(values.max()) > 1 + _ROUNDING:
        raise OpticsError(f"kind {kind!r} takes real transmissions from 0 to 1; divide by the largest.")
    return values.to(torch.complex64)


def _panel(
    values: Tensor, kind: str, bench: BenchSpec, axes: str | None, corner: bool | None, name: str
) -> Tensor:
    if corner:
        raise OpticsError("a panel's mask has its origin in the panel's middle; leave corner out.")
    bank = as_bank(values, axes=axes).flatten(0, 1)
    shape, panel = tuple(bank.shape[-2:]), tuple(bench.slm.shape)
    if shape != panel:
        raise ShapeError(
            f"{name} has {shape[0]} x {shape[1]} pixels, expected {panel[0]} x {panel[1]} (rows x columns) as the SLM "
            f"of bench {bench.name!r} has."
        )
    if kind == "panel-phase":
        bank = interchange.of_phase(bank, kind)
    largest = float(bank.abs().max())
    if largest > 1 + _ROUNDING:
        raise OpticsError(
            f"{name}: the panel's transmission has a modulus of {largest:g}; a modulator cannot amplify: divide by it."
        )
    if largest == 0:
        raise OpticsError(f"{name}: every value is 0: there is nothing to design.")
    return bank.to(torch.complex64)
