"""A mask drawn for every pixel of a panel, to what it does to images: the inverse of designing masks for a bench."""

from __future__ import annotations

import torch
from torch import Tensor

from networks.cascade.convolution import mask_of_taps
from optics.bench import catalogue
from optics.bench.spec import BenchSpec
from optics.conventions import axis
from optics.errors import OpticsError, ShapeError
from optics.fourf.pupil import pixel_transform
from optics.wave.fourier import dft_matrix

_SMALLEST_PANEL = 400  # pixels of the shorter side; nothing smaller is compared with the catalogue
_ROUNDING = 1e-4


def panel_called(shape: tuple[int, int], bench: BenchSpec | None) -> str | None:
    """The panel that has this shape (y, x): the bench's own, or one of the catalogue; None if there is none."""
    if bench is not None and shape == tuple(bench.slm.shape):
        return f"of bench {bench.name!r}"
    if min(shape) < _SMALLEST_PANEL:
        return None
    for name in catalogue.names("slm"):
        known = catalogue.load(name).figures.get("shape", ())
        if shape == tuple(known):
            return name
    return None


def band_of_panel(bank: Tensor, bench: BenchSpec, image_shape: tuple[int, int]) -> Tensor:
    """The band's mask (out, in, 2 ny, 2 nx) that acts on images as a whole panel's transmission does.

    The kernel is the transform of the transmission `P` times the display pixel's, over the band `|xi| < s / (2 pitch)`:

        k(r) = pitch pitch_slm / s * sum_xi P(xi) pixel(xi) exp(+2 pi i r pitch xi / s),   s = lambda f1

    per axis, for every distance `r` between two pixels of the image. What lies outside of the band repeats it, or the
    field stop cuts it off: it is left out. This is the inverse of `networks.onbench.masks.design_masks`.

    Args:
        bank: (out, in, NY, NX) transmissions of the bench's SLM, modulus at most 1, origin in the middle.
        bench: the bench they were drawn for.
        image_shape: (ny, nx) of the images.

    Raises:
        ShapeError: not the shape of the bench's SLM.
        OpticsError: a modulus above 1.
    """
    shape, panel = tuple(bank.shape[-2:]), tuple(bench.slm.shape)
    if shape != panel:
        raise ShapeError(
            f"the mask has {shape[0]} x {shape[1]} pixels, expected {panel[0]} x {panel[1]} (rows x columns) as the "
            f"SLM of bench {bench.name!r} has."
        )
    largest = float(bank.abs().max())
    if largest > 1 + _ROUNDING:
        raise OpticsError(
            f"the panel's transmission has a modulus of {largest:g}; a modulator cannot amplify: divide by it."
        )
    sides = []
    for k in (0, 1):
        xi = axis(panel[k], bench.slm.pitch)
        inside = ((bench.band / 2 - xi.abs()) / bench.slm.pitch + 0.5).clamp(0, 1)  # share of each pixel
        lags = (torch.arange(2 * image_shape[k], dtype=torch.float64) - image_shape[k]) * bench.input.pitch
        weight = bench.input.pitch * bench.slm.pitch / bench.scale * pixel_transform(bench, xi) * inside
        sides.append(weight * dft_matrix(lags, xi, scale=bench.scale, sign=+1))
    taps = sides[0] @ bank.to(torch.complex128) @ sides[1].mT
    return mask_of_taps(taps, (2 * image_shape[0], 2 * image_shape[1]))
