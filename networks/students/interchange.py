"""Masks and kernels of other programs, from their files to a cascade, with every choice said or asked for.

    masks = read("published_real.npy", imaginary="published_imag.npy")       # 1 x 256 x 30 x 30, complex
    cascade = as_cascade(masks, kind="mask", axes="ioyx", corner=True, image_shape=(28, 28))

| kind | what the values are | where the origin is |
|---|---|---|
| "mask" | complex transmission on the band, the Fourier plane up to `wavelength f / display pitch` | `corner` says |
| "phase" | the same, as a phase in radians | `corner` says |
| "panel" | complex transmission of every pixel of the bench's SLM | the panel's middle |
| "panel-phase" | the same, as a phase in radians | the panel's middle |
| "kernel" | point-spread functions on the display's grid | the middle, or `corner` |

Nothing in the values of a mask tells where its zero frequency is (for an even grid both places are symmetric alike), so
`corner` must be said for it. An array of four axes with fewer outputs than inputs is asked for its `axes`, since the
published masks are stored the other way round. A shape that is a panel's is never taken for a band.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from networks.cascade.cascade import Cascade
from networks.cascade.convolution import Boundary
from networks.students.array_files import SUFFIXES, read, write
from networks.students.panel_masks import band_of_panel, panel_called
from optics.bench.spec import BenchSpec
from optics.checks import check_finite
from optics.conventions import cis
from optics.errors import OpticsError, ShapeError
from optics.reading import check_size

__all__ = ["KINDS", "SUFFIXES", "Kind", "as_bank", "as_cascade", "read", "write"]

Kind = Literal["mask", "phase", "kernel", "panel", "panel-phase"]
KINDS: tuple[str, ...] = get_args(Kind)
_MOST_AXES = 8
_MOST_TAPS = 2**26
_LARGEST_PHASE = 1e6  # radians
_ALONE = 4.0  # times more energy around the corner than around the middle: a kernel that begins in the corner


def as_bank(values: Tensor, *, axes: str | None = None, corner: bool = False) -> Tensor:
    """Masks or kernels as this package keeps them: (out, in, y, x), centred; singleton axes of the file go.

    Args:
        values: (y, x), (out, y, x), or four axes in the order of `axes`; more if the others have length 1.
        axes: order of the four axes in the file: "oiyx", or "ioyx" as the published masks are (1 x 256 x 30 x 30). None
            is "oiyx" where there are at least as many outputs as inputs, and asks where there are fewer.
        corner: the origin is at index 0, as a discrete transform leaves it, not in the middle.

    Raises:
        ShapeError: no reading of the axes fits, or two do.
        OpticsError: a value is not finite.
    """
    if axes is not None and sorted(axes) != sorted("oiyx"):
        raise OpticsError(f"axes is {axes!r}; give the order of out, in, y and x, as 'oiyx' or 'ioyx'.")
    given = tuple(values.shape)
    if values.dim() > _MOST_AXES:
        raise ShapeError(f"an array of {values.dim()} axes is no bank of masks; give (out, in, y, x).")
    if values.dim() > 4:  # the published files have a fifth axis, of length 1, behind the channels
        for axis in range(values.dim() - 3, 0, -1):
            if values.dim() > 4 and values.shape[axis] == 1:
                values = values.squeeze(axis)
    if values.dim() == 2:
        values = values[None, None]
    elif values.dim() == 3:
        values = values[:, None]
    elif values.dim() == 4:
        if axes is None and values.shape[0] < values.shape[1]:
            raise ShapeError(
                f"an array of {given} has fewer outputs ({values.shape[0]}) than inputs ({values.shape[1]}), if its "
                "axes are out, in, y, x; say axes='oiyx' if they are, or axes='ioyx'."
            )
        values = values.permute(*((axes or "oiyx").index(a) for a in "oiyx"))
    else:
        raise ShapeError(
            f"an array of {given} is no bank of masks; give (y, x), (out, y, x) or (out, in, y, x)."
        )
    if values.numel() == 0:
        raise ShapeError(f"an array of {given} holds no values.")
    check_finite(torch.view_as_real(values) if values.is_complex() else values, name="the masks")
    return torch.fft.fftshift(values, dim=(-2, -1)) if corner else values


def as_cascade(
    values: Tensor,
    *,
    kind: Kind,
    image_shape: tuple[int, int],
    axes: str | None = None,
    corner: bool | None = None,
    boundary: Boundary = "zero",
    bench: BenchSpec | None = None,
) -> Cascade:
    """A cascade of one layer that does what masks or kernels of a file do: put it on a bench, train it, export it.

    Args:
        values: as `read` gave them.
        kind: what they are, see the table above.
        image_shape: (ny, nx) of the images; a mask's grid must not be smaller.
        axes: order of the file's axes, see `as_bank`.
        corner: whether the file has its origin at index 0 (True) or in the middle (False). A mask must say; of a kernel
            None is the middle, unless its energy lies around the corner: then it must say, too.
        boundary: see `Cascade`; a mask with "circular" has the images' own size. "zero" for panels.
        bench: the bench that a panel's mask is for.

    Raises:
        ShapeError: the sizes do not fit, or a mask has the shape of a panel.
        OpticsError: something must be said that the values do not tell; the message says what.
    """
    if kind not in KINDS:
        raise OpticsError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}.")
    _check_origin(kind, corner, values)
    bank = as_bank(values, axes=axes, corner=bool(corner))
    if "phase" in kind:
        bank = of_phase(bank, kind)
    bank = bank.to(torch.complex64 if bank.is_complex() else torch.float32)
    check_finite(
        torch.view_as_real(bank) if bank.is_complex() else bank, name="the masks in single precision"
    )
    out, into = bank.shape[:2]
    if kind == "kernel":
        check_size("the kernels, made square,", (out, into, *(max(bank.shape[-2:]),) * 2), most=_MOST_TAPS)
        bank = _odd_square(bank if corner is not None else _centred(bank))
        cascade = Cascade(
            (into, out),
            bank.shape[-1],
            parameterisation="complex" if bank.is_complex() else "real",
            boundary=boundary,
            generator=torch.Generator(),
        )
        found = torch.view_as_real(bank) if bank.is_complex() else bank
    else:
        if kind.startswith("panel"):
            if bench is None or boundary != "zero":
                raise OpticsError(
                    f"kind {kind!r} needs bench=, whose SLM the mask is for, and boundary='zero'."
                )
            bank = band_of_panel(bank, bench, image_shape)
        else:
            _check_band(bank, kind, bench)
        cascade = Cascade(
            (into, out),
            parameterisation="mask",
            boundary=boundary,
            image_shape=image_shape,
            mask_shape=(bank.shape[-2], bank.shape[-1]),
            generator=torch.Generator(),
        )
        found = torch.view_as_real(bank.to(torch.complex64))
    with torch.no_grad():
        next(cascade.parameters()).copy_(found)
    return cascade


def _check_origin(kind: str, corner: bool | None, values: Tensor) -> None:
    if kind in ("mask", "phase") and corner is None and max(values.shape[-2:], default=1) > 1:
        raise OpticsError(
            f"say where the {kind} of shape {tuple(values.shape)} has its zero frequency: corner=True (--origin "
            "corner) if at index 0, as a discrete transform leaves it, corner=False (--origin middle) if in the middle."
        )
    if kind.startswith("panel") and corner:
        raise OpticsError("a panel's mask has its origin in the panel's middle; leave corner out.")


def of_phase(bank: Tensor, kind: str) -> Tensor:
    """exp(+i phase) of radians; what looks like levels or degrees is refused."""
    if bank.is_complex():
        raise OpticsError(
            f"kind {kind!r} takes a real phase in radians, and the values are complex; use 'mask'."
        )
    largest = float(bank.abs().max())
    if largest > _LARGEST_PHASE or (largest > 7 and bool((bank == bank.round()).all())):
        raise OpticsError(
            f"kind {kind!r} takes radians, and the values are whole numbers up to {largest:g}, as levels or degrees "
            "are; multiply levels by 2 pi / 2**bits, degrees by pi / 180."
        )
    return cis(bank.double())


def _check_band(bank: Tensor, kind: str, bench: BenchSpec | None) -> None:
    shape = (bank.shape[-2], bank.shape[-1])
    panel = panel_called(shape, bench)
    if panel is not None:
        raise ShapeError(
            f"a {kind} of {shape[0]} x {shape[1]} has the shape of the panel {panel}, and the band of the display is "
            f"only part of a panel; use kind='{'panel' if kind == 'mask' else 'panel-phase'}' with bench=."
        )


def _centred(bank: Tensor) -> Tensor:
    """The same kernels, unless they look as if they began in the corner."""
    power = bank.abs().double().square().sum((0, 1))
    if min(power.shape) < 4:
        return bank

    def middle(grid: Tensor) -> float:
        ny, nx = grid.shape
        return float(grid[ny // 4 : ny - ny // 4, nx // 4 : nx - nx // 4].sum())

    if middle(torch.fft.fftshift(power)) > _ALONE * middle(power):
        raise OpticsError(
            f"kernels of {tuple(bank.shape)} have their energy around index 0; say corner=True if that is their "
            "origin, corner=False if not."
        )
    return bank


def _odd_square(bank: Tensor) -> Tensor:
    """The same kernels with as many taps on both sides, an odd number, their origin in the middle."""
    ky, kx = bank.shape[-2:]
    side = max(ky, kx)
    side += 1 - side % 2
    top, left = side // 2 - ky // 2, side // 2 - kx // 2
    return torch.nn.functional.pad(bank, (left, side - kx - left, top, side - ky - top))
