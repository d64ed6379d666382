"""The Fourier plane of a 4f bench: which SLM pixels are illuminated, where they are, what stop and lenses add there."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.bench.geometry import vignetting
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import Point, axis, cis
from optics.numbers import is_plainly, plain
from optics.wave.aperture import circular_aperture, rectangular_aperture
from optics.wave.fourier import fast_length
from optics.wave.zernike_polynomials import zernike_phase


def illuminated_pixels(bench: BenchSpec, k: int) -> tuple[slice, Tensor]:
    """The SLM pixels that light reaches along axis k (0: y, 1: x), and where they stand.

    A rotated mask gets a few more, so that what turns into the stop is known, and a count without large prime
    factors.

    Returns:
        The slice of the panel, and where its pixels really are, from the optical axis: (n,) float64, metres.

    Raises:
        SpecError: the stop lies beside the panel.
    """
    n, pitch = bench.slm.shape[k], bench.slm.pitch
    xi = axis(n, pitch) + bench.alignment.mask_shift[k]
    if bench.stop is None:
        return slice(0, n), xi
    inside = (xi.detach().abs() < (bench.stop.width[k] + pitch) / 2).nonzero()[:, 0]
    if len(inside) < 2:
        raise SpecError(
            f"bench {bench.name!r}: the stop passes no light to the SLM along {'yx'[k]}. stop.width is "
            f"{bench.stop.width[k]:.3g} m and alignment.mask_shift is {plain(bench.alignment.mask_shift[k]):.3g} m; "
            f"the panel reaches {n * pitch / 2:.3g} m from its centre."
        )
    start, stop = int(inside[0]), int(inside[-1]) + 1
    if not is_plainly(bench.alignment.mask_rotation, 0.0):
        reach = math.ceil(abs(plain(bench.alignment.mask_rotation)) * max(bench.stop.width) / (2 * pitch)) + 1
        length = fast_length(stop - start + 2 * reach)
        start = max(0, start - (length - (stop - start)) // 2)
        stop = min(n, start + length)
    return slice(start, stop), xi[start:stop]


def pixel_transform(bench: BenchSpec, xi: Tensor) -> Tensor:
    """Transform of one square display pixel along an axis, 1 at the origin for fill factor 1; (n,) float64."""
    side = math.sqrt(bench.input.fill_factor)
    return side * torch.sinc(side * bench.input.pitch * xi / bench.scale)


def slm_envelope(bench: BenchSpec, moved: Tensor) -> Tensor:
    """What the area of an SLM pixel leaves of light that its mask moves by `moved` metres along an axis.

    Amplitude, input units, 1 for light that stays; the sinc of `optics.bench.geometry.order_gain`.
    """
    side = math.sqrt(bench.slm.fill_factor) * bench.slm.pitch
    return torch.sinc(side * moved / bench.scale)


def pupil(bench: BenchSpec, xi_y: Tensor, xi_x: Tensor, offset: Point) -> Tensor:
    """Anti-aliased stop times transmission and the phases that lenses and axial errors add; complex128.

    Args:
        bench: the bench.
        xi_y: where rows of illuminated pixels are, from the middle of the spectrum, which lens 1 carries along, metres.
        xi_x: where their columns are, likewise.
        offset: where the signal order lands, (y, x) metres in input units: its beam meets lens 2 displaced by
            that.

    A lens's Zernike phase is taken where the beam of the field's centre crosses it: exact for a field much
    smaller than the lens. What channels side by side see of lens 1 beside that is in `optics.fourf.channels`;
    `optics.fourf.plane_by_plane` places it at the lens itself.
    """
    shape = (len(xi_y), len(xi_x))
    middle = (number(xi_y[shape[0] // 2]), number(xi_x[shape[1] // 2]))
    stop = torch.ones(shape, dtype=torch.float64)
    if bench.stop is not None:
        centre = (-middle[0] - bench.lens1.decentre[0], -middle[1] - bench.lens1.decentre[1])
        if bench.stop.shape == "rectangle":
            stop = rectangular_aperture(shape, bench.slm.pitch, bench.stop.width, centre=centre)
        else:
            stop = circular_aperture(shape, bench.slm.pitch, bench.stop.width[0], centre=centre)
    radius2 = xi_y[:, None] ** 2 + xi_x[None, :] ** 2
    f1, f2 = bench.lens1.focal_length, bench.lens2.focal_length
    # a display dz nearer to its lens misses exp(-i k dz sin^2 / 2), a camera dz farther gains it; a focal
    # length that is longer than it should be acts like a display or camera that is nearer
    near1 = bench.alignment.input_axial + bench.lens1.defocus
    near2 = bench.lens2.defocus - bench.alignment.camera_axial
    phase = math.pi * radius2 / bench.light.wavelength * (near1 / f1**2 + near2 / f2**2)
    for lens, centre in zip((bench.lens1, bench.lens2), lens_centres(bench, middle, offset), strict=True):
        if not lens.zernike:
            continue
        if lens.diameter is None:
            raise SpecError(
                f"bench {bench.name!r}: a lens has zernike coefficients but no diameter; they are defined on its disc. "
                "Give diameter in metres."
            )
        phase = phase + zernike_phase(lens.zernike, shape, bench.slm.pitch, lens.diameter, centre=centre)
    transmission = math.sqrt(bench.lens1.transmission * bench.lens2.transmission)
    return transmission * stop * cis(phase)


def number(value: Tensor) -> float:
    """A plain number, or the tensor itself where a gradient goes through it."""
    return value if value.requires_grad else float(value)  # type: ignore[return-value]


def lens_centres(bench: BenchSpec, middle: Point, offset: Point) -> tuple[Point, Point]:
    """Where the discs of lens 1 and lens 2 lie as the light in the Fourier plane meets them, (y, x) metres.

    Args:
        bench: the bench.
        middle: (y, x) from which the centres are measured, as `pupil` measures `xi`.
        offset: where the signal order lands, as for `pupil`.
    """
    # the signal order's beam crosses lens 2 at f2 times its angle from where it leaves the mask
    d1, d2, m = bench.lens1.decentre, bench.lens2.decentre, bench.magnification
    beam = (offset[0] * m - d1[0] * (1 + m), offset[1] * m - d1[1] * (1 + m))
    return (
        (d1[0] + 0.0 - middle[0], d1[1] + 0.0 - middle[1]),
        (d2[0] + beam[0] - middle[0], d2[1] + beam[1] - middle[1]),
    )


def check_lenses(bench: BenchSpec, image_shape: tuple[int, int], offset: Point) -> None:
    """Raise SpecError when the beam does not pass a lens whole: then the system is not shift-invariant."""
    for name, diameter, needed in vignetting(bench.without_tensors(), image_shape, offset):
        raise SpecError(
            f"bench {bench.name!r}: {name} vignettes, so the system is not shift-invariant: the beam needs "
            f"{needed * 1e3:.3g} mm and {name}.diameter is {diameter * 1e3:.3g} mm. Use a larger lens, a "
            "smaller stop, a smaller image or a smaller carrier; optics.fourf.plane_by_plane simulates it as it is."
        )
