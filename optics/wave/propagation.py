"""Free space by transfer functions (angular spectrum, band-limited, Fresnel), and one function that chooses.

Every function takes fields (..., ny, nx), real or complex, and keeps energy per sample; lengths are metres,
phases are built in float64 and cast last. Propagation over z > 0 adds `+k z`. Scalar optics, without
polarisation.

*Exact or paraxial.* The thin lens and the 2f transform are paraxial. Exact free space behind a paraxial lens
shows a spherical aberration that no real, corrected lens has (1e-4 of the focal intensity at f/50), so on
grids that hold only small angles `propagate` is paraxial too, unless told otherwise, and says so.

Sources: Goodman, Introduction to Fourier Optics, 3rd ed., sections 3.10 (angular spectrum) and 4.2 (Fresnel);
Matsushima & Shimobaba, Optics Express 17, 19662 (2009), equations 13-20 (band limit).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from optics.checks import ShapeError
from optics.conventions import cis, complex_dtype
from optics.wave.farfield import check_field, fresnel_pitch, fresnel_transform, lens_transform
from optics.wave.fourier import Pitch, as_pair, check_plane
from optics.wave.sampling import (
    check_distance,
    check_wavelength,
    fresnel_distance,
    padded_shape,
    paraxial_error,
    reach,
    steepest_sine,
)

__all__ = [
    "Choice",
    "FreeSpace",
    "angular_spectrum",
    "band_limited_angular_spectrum",
    "choose_propagation",
    "fresnel_pitch",
    "fresnel_transfer",
    "fresnel_transform",
    "lens_transform",
    "propagate",
    "transfer_function",
]

Method = Literal["none", "angular_spectrum", "band_limited", "fresnel_transfer", "fresnel_transform"]

PARAXIAL_SINE = 0.05
"""Grids whose steepest sampled angle has no larger sine (pitch from ten wavelengths) count as paraxial."""

PARAXIAL_ERROR = 0.02
"""Phase error of the Fresnel approximation, radians, that is accepted where exact propagation was wanted."""


def transfer_function(
    shape: tuple[int, int],
    *,
    wavelength: float,
    pitch: Pitch,
    distance: float,
    paraxial: bool = False,
    band_limited: bool = False,
) -> Tensor:
    """What free space multiplies a spectrum by; (ny, nx) complex128, un-centred as `torch.fft` orders it.

    Args:
        shape: (ny, nx) samples of the (padded) window.
        wavelength: metres.
        pitch: metres; one number or (y, x).
        distance: metres; negative goes back.
        paraxial: the Fresnel form; otherwise exact, without evanescent waves.
        band_limited: drop the frequencies whose phase this window cannot sample: those that reach beyond half
            of it.
    """
    check_wavelength(wavelength)
    check_distance(distance)
    pair = as_pair("pitch", pitch)
    widths = [n * p for n, p in zip(shape, pair, strict=True)]
    # even in both frequencies: computed on one quadrant, then mirrored
    index = [torch.minimum(k, n - k) for n, k in ((n, torch.arange(n)) for n in shape)]
    fy, fx = (torch.arange(n // 2 + 1, dtype=torch.float64) / w for n, w in zip(shape, widths, strict=True))
    if paraxial:
        y, x = (cis(2 * math.pi * distance * (0.5 / wavelength - wavelength / 2 * f * f)) for f in (fy, fx))
        quadrant = y[:, None] * x[None, :]
        reach = 2 * wavelength * abs(distance)  # 0 also for a distance too small for this product
        limits = [w / reach if reach else math.inf for w in widths]
    else:
        along_z = wavelength**-2 - fy[:, None] ** 2 - fx[None, :] ** 2
        quadrant = cis(2 * math.pi * distance * along_z.clamp(min=0).sqrt()) * (along_z > 0)
        limits = [1 / (wavelength * math.hypot(2 * distance / w, 1)) for w in widths]
    if band_limited:
        quadrant = quadrant * (fy <= limits[0])[:, None] * (fx <= limits[1])[None, :]
    return quadrant[index[0]][:, index[1]]


def _through(field: Tensor, transfer: Tensor) -> Tensor:
    """Convolve a field with a transfer function given on a padded window.

    The field's own shape comes back.
    """
    ny, nx = field.shape[-2:]
    window = (transfer.shape[-2], transfer.shape[-1])
    spectrum = torch.fft.fft2(field, s=window) * transfer
    return torch.fft.ifft2(spectrum)[..., :ny, :nx]


def _convolve(
    field: Tensor,
    window: tuple[int, int],
    *,
    wavelength: float,
    pitch: Pitch,
    distance: float,
    paraxial: bool = False,
    band_limited: bool = False,
) -> Tensor:
    transfer = transfer_function(
        window,
        wavelength=wavelength,
        pitch=pitch,
        distance=distance,
        paraxial=paraxial,
        band_limited=band_limited,
    )
    return _through(field, transfer.to(device=field.device, dtype=complex_dtype(field.dtype)))


def angular_spectrum(
    field: Tensor, *, wavelength: float, pitch: Pitch, distance: float, periodic: bool = False
) -> Tensor:
    """Carry a field (..., ny, nx) along z by `distance` metres, exactly within its band; same shape out.

    The field is zero outside its window, and is padded inside just so far that nothing comes round its edges.

    Args:
        field: real or complex.
        wavelength: metres.
        pitch: metres; one number or (y, x).
        distance: metres; negative goes back.
        periodic: the field repeats outside its window (a grating): no padding, and no limit on the distance.

    Raises:
        SamplingError: the padding would be larger than `sampling.LARGEST_PADDING`; the message gives the
            distance and the alternatives that would do.
        SpecError, ShapeError: a wavelength, pitch or field that is none.
    """
    shape = check_field(field, wavelength, distance)
    window = shape if periodic else padded_shape(shape, wavelength=wavelength, pitch=pitch, distance=distance)
    return _convolve(field, window, wavelength=wavelength, pitch=pitch, distance=distance)


def band_limited_angular_spectrum(
    field: Tensor, *, wavelength: float, pitch: Pitch, distance: float
) -> Tensor:
    """The angular spectrum without the frequencies that leave the window on the way; any distance.

    On a window of twice the field, a frequency is dropped where its reach exceeds the field's size: it could
    not carry light from any sample to any other. Equal to `angular_spectrum` for short distances. Arguments
    as there.
    """
    shape = check_field(field, wavelength, distance)
    window = padded_shape(shape, wavelength=wavelength, pitch=pitch, distance=distance, band_limited=True)
    return _convolve(field, window, wavelength=wavelength, pitch=pitch, distance=distance, band_limited=True)


def fresnel_transfer(
    field: Tensor, *, wavelength: float, pitch: Pitch, distance: float, periodic: bool = False
) -> Tensor:
    """Paraxial propagation by its transfer function; for short distances. Arguments as `angular_spectrum`."""
    shape = check_field(field, wavelength, distance)
    window = shape
    if not periodic:
        window = padded_shape(shape, wavelength=wavelength, pitch=pitch, distance=distance, paraxial=True)
    return _convolve(field, window, wavelength=wavelength, pitch=pitch, distance=distance, paraxial=True)


@dataclass(frozen=True)
class Choice:
    """What `propagate` does with fields of one shape, and why.

    method: what is used. paraxial: whether it makes the Fresnel approximation. window: (ny, nx) samples of
    the padded window (the field's own where nothing is padded). reason: one sentence with the numbers that
    decided.
    """

    method: Method
    paraxial: bool
    window: tuple[int, int]
    reason: str


def choose_propagation(
    shape: tuple[int, int], *, wavelength: float, pitch: Pitch, distance: float, paraxial: bool | None = None
) -> Choice:
    """The cheapest method that loses nothing on this grid, or else the one that loses least.

    Args:
        shape: (ny, nx) samples of the field.
        wavelength: metres.
        pitch: metres.
        distance: metres.
        paraxial: whether the Fresnel approximation is wanted; None: where the grid holds only angles whose
            sine is below `PARAXIAL_SINE`.
    """
    check_wavelength(wavelength)
    check_distance(distance)
    pair = as_pair("pitch", pitch)
    if distance == 0:
        return Choice("none", False, shape, "the distance is 0")
    sine = max(steepest_sine(wavelength, p) for p in pair)
    if paraxial is None:
        paraxial = sine <= PARAXIAL_SINE
    moved = reach(distance, wavelength=wavelength, pitch=pair, paraxial=paraxial)
    sizes = [n * p for n, p in zip(shape, pair, strict=True)]
    stays = all(m <= s * (1 + 1e-9) for m, s in zip(moved, sizes, strict=True))
    told = (
        f"{'paraxial' if paraxial else 'exact'}: the steepest sampled angle (sine {sine:.3g}) moves "
        f"({moved[0]:.3g}, {moved[1]:.3g}) m, the field is ({sizes[0]:.3g}, {sizes[1]:.3g}) m"
    )
    window = padded_shape(
        shape,
        wavelength=wavelength,
        pitch=pair,
        distance=distance,
        paraxial=paraxial,
        band_limited=not stays,
    )
    if stays:
        return Choice("fresnel_transfer" if paraxial else "angular_spectrum", paraxial, window, told)
    error = paraxial_error(shape, wavelength=wavelength, pitch=pair, distance=distance)
    shortest = max(fresnel_distance(shape, wavelength=wavelength, pitch=pair))
    if abs(distance) >= shortest and (paraxial or error <= PARAXIAL_ERROR):
        reason = (
            f"{told}; the distance is at least n p^2 / lambda = {shortest:.3g} m, and the paraxial phase "
            f"wrong by at most {error:.2g} rad"
        )
        return Choice("fresnel_transform", True, shape, reason)
    return Choice("band_limited", paraxial, window, f"{told}; frequencies that leave the window are dropped")


def propagate(
    field: Tensor, *, wavelength: float, pitch: Pitch, distance: float, paraxial: bool | None = None
) -> tuple[Tensor, Choice]:
    """Carry a field (..., ny, nx) by `distance` metres on its own grid, and say by which method and why.

    Args:
        field: real or complex.
        wavelength: metres.
        pitch: metres; one number or (y, x).
        distance: metres; negative goes back.
        paraxial: see `choose_propagation`.

    Returns:
        The field, same shape, complex of the field's precision, and the `Choice` with its reason.
    """
    shape = check_field(field, wavelength, distance)
    pair = as_pair("pitch", pitch)
    choice = choose_propagation(
        shape, wavelength=wavelength, pitch=pair, distance=distance, paraxial=paraxial
    )
    if choice.method == "none":
        return field.to(complex_dtype(field.dtype)), choice
    if choice.method == "fresnel_transform":
        out = fresnel_transform(field, wavelength=wavelength, pitch=pair, distance=distance, out_pitch=pair)
        return out, choice
    out = _convolve(
        field,
        choice.window,
        wavelength=wavelength,
        pitch=pair,
        distance=distance,
        paraxial=choice.paraxial,
        band_limited=choice.method == "band_limited",
    )
    return out, choice


class FreeSpace(nn.Module):
    """Free space of a fixed length between two planes of one grid; keeps its transfer function in a buffer.

    Args:
        shape: (ny, nx) samples of the fields.
        wavelength: metres.
        pitch: metres; one number or (y, x).
        distance: metres.
        paraxial: see `choose_propagation`.
        dtype: complex64 or complex128.

    Attributes:
        paraxial: whether the Fresnel form is used.
        window: (ny, nx) samples of the padded window. Over distances at which the steepest angles leave the
            window, they are dropped.
    """

    transfer: Tensor

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        wavelength: float,
        pitch: Pitch,
        distance: float,
        paraxial: bool | None = None,
        dtype: torch.dtype = torch.complex64,
    ) -> None:
        super().__init__()
        pair = as_pair("pitch", pitch)
        if paraxial is None:
            paraxial = max(steepest_sine(wavelength, p) for p in pair) <= PARAXIAL_SINE
        self.shape = shape
        self.paraxial = paraxial
        self.window = padded_shape(
            shape, wavelength=wavelength, pitch=pair, distance=distance, paraxial=paraxial, band_limited=True
        )
        transfer = transfer_function(
            self.window,
            wavelength=wavelength,
            pitch=pair,
            distance=distance,
            paraxial=paraxial,
            band_limited=True,
        )
        self.register_buffer("transfer", transfer.to(complex_dtype(dtype)), persistent=False)

    def forward(self, field: Tensor) -> Tensor:
        """Field (..., ny, nx) at the far end; same shape."""
        check_plane(field)
        if tuple(field.shape[-2:]) != tuple(self.shape):
            raise ShapeError(
                f"field has {tuple(field.shape[-2:])} samples, this free space {tuple(self.shape)}. "
                "Pad or crop the field, or make the free space with its shape."
            )
        return _through(field, self.transfer)
