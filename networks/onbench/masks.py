"""From collapsed kernels to the complex masks that an SLM is asked for, at the SLM's own pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from optics.bench.assumed import turned_back
from optics.bench.geometry import field_width
from optics.bench.spec import BenchSpec
from optics.conventions import Point, abs2, cis, complex_dtype
from optics.fourf.pupil import pixel_transform, slm_envelope
from optics.fourf.system import FourF
from optics.slm.direct_design import optimise_phase
from optics.slm.panel import SLM
from optics.wave.fourier import dft_matrix


def design_masks(
    fourf: FourF,
    kernels: Tensor,
    *,
    positions: Tensor | None = None,
    compensate: bool = True,
    pitch: float | None = None,
    landing: Tensor | None = None,
) -> Tensor:
    """Masks whose point-spread functions are `kernels`, on the illuminated SLM pixels where they are assumed to be.

        M_m(xi) = sum_i exp(2 pi i d_i xi_x / s) sum_r k_mi(r) exp(-2 pi i r pitch xi / s) / pixel(xi),  s = lambda f1

    Args:
        fourf: gives the geometry.
        kernels: (M, in, ky, kx) centred convolution kernels on the input's grid; real or complex.
        positions: (in,) float64, where the origin of each input channel stands on the display along x, input pixels;
            its mask brings it to the axis. None: all on the axis.
        compensate: divide by the display pixel's transform (within the band), so that the field at the pixel centres
            is the digital convolution's; and each channel by what the SLM pixels' area leaves of light that is moved so
            far, so that channels side by side keep their weights.
        pitch: distance of the kernels' taps, metres in the display's plane; None: the display's pixels.
        landing: (M,) float64, where each mask's image lands along x, metres; None: where the bench's carrier puts it.

    Returns:
        (M, ny, nx) complex, not yet limited to what a modulator can do; differentiable in the kernels.
    """
    bench, assumed = fourf.bench, fourf.bench.alignment_as_assumed
    if compensate and positions is not None:
        kernels = kernels / _left_of_channels(bench, positions, landing).to(kernels)[:, :, None, None]
    scale, step = bench.scale, bench.input.pitch if pitch is None else pitch
    dtype = complex_dtype(kernels.dtype)
    # where the light that meets a pixel is taken to be
    xi = [fourf.slm_axis(k) + assumed.mask_shift[k] for k in (0, 1)]
    focus = _in_focus(bench, xi)
    if assumed.mask_rotation != 0.0:
        compensated = compensate and fourf.pixelated
        turned = _turned_masks(bench, kernels.to(dtype), xi, step, positions, compensated=compensated)
        return turned if focus is None else turned * focus.to(turned)
    sides = []
    for k, n in ((0, kernels.shape[-2]), (1, kernels.shape[-1])):
        place = (torch.arange(n, dtype=torch.float64) - n // 2) * step
        side = dft_matrix(xi[k], place, scale=scale)
        if compensate and fourf.pixelated:
            edge = torch.full_like(xi[k], bench.band / 2)
            side = side / pixel_transform(bench, torch.minimum(xi[k].abs(), edge))[:, None]
        sides.append(side.to(kernels.device, dtype))
    left, right = sides
    taps = kernels.to(dtype)
    if positions is None:
        made = left @ taps.sum(1) @ right.mT
    else:
        tilts = dft_matrix(positions * bench.input.pitch, xi[1], scale=scale, sign=+1).to(taps)
        made = torch.einsum("myix,ix->myx", (left @ taps @ right.mT).transpose(1, 2), tilts)
    return made if focus is None else made * focus.to(made)


def _left_of_channels(bench: BenchSpec, positions: Tensor, landing: Tensor | None) -> Tensor:
    """What the SLM pixels' area leaves of each channel beside one on the axis, (M or 1, in) float64."""
    lands = torch.tensor([bench.image_offset[1]], dtype=torch.float64) if landing is None else landing
    moved = lands[:, None] - positions * bench.input.pitch
    return slm_envelope(bench, moved) / slm_envelope(bench, lands)[:, None]


def _in_focus(bench: BenchSpec, xi: list[Tensor]) -> Tensor | None:
    """What undoes the axial errors of display and camera that are assumed, (ny, nx) complex128; None without any.

    The conjugate of their phase in `optics.fourf.pupil`. What an SLM out of focus does, no mask undoes.
    """
    a, f1, f2 = bench.alignment_as_assumed, bench.lens1.focal_length, bench.lens2.focal_length
    rate = math.pi / bench.light.wavelength * (a.input_axial / f1**2 - a.camera_axial / f2**2)
    if rate == 0.0:
        return None
    y, x = (cis(-rate * each**2) for each in xi)
    return y[:, None] * x[None, :]


def _turned_masks(
    bench: BenchSpec,
    kernels: Tensor,
    xi: list[Tensor],
    step: float,
    positions: Tensor | None,
    *,
    compensated: bool,
) -> Tensor:
    """`design_masks` on a panel that is taken to be turned: its pixels (ny, nx) are no product of two axes.

    A tap's phase at the turned place `Y = c y + s x`, `X = c x - s y` is a product of four factors of one axis each.
    """
    angle, scale = bench.alignment_as_assumed.mask_rotation, bench.scale
    c, s = math.cos(angle), math.sin(angle)
    (channels, ky, kx), (y, x) = kernels.shape[1:], xi
    down = (torch.arange(ky, dtype=torch.float64) - ky // 2) * step
    total = kernels.new_zeros(())
    for i in range(channels):
        aside = 0.0 if positions is None else float(positions[i]) * bench.input.pitch
        across = (torch.arange(kx, dtype=torch.float64) - kx // 2) * step - aside
        rows, cols = (dft_matrix(axis, across, scale=scale).to(kernels) for axis in (-s * y, c * x))
        for j in range(ky):
            tall, wide = (
                dft_matrix(axis, down[j : j + 1], scale=scale).to(kernels) for axis in (c * y, s * x)
            )
            total = total + tall * ((rows * kernels[:, i, j, None, :]) @ cols.mT) * wide.mT
    if compensated:
        places = (c * y[:, None] + s * x[None, :], c * x[None, :] - s * y[:, None])
        for place in places:
            total = total / pixel_transform(bench, place.abs().clamp(max=bench.band / 2)).to(kernels)
    return total


def fit_to_modulator(masks: Tensor, lit: Tensor, *, together: bool = False) -> tuple[Tensor, Tensor]:
    """Divide masks by their largest lit modulus, since a modulator cannot amplify.

    Args:
        masks: (M, ny, nx) complex.
        lit: (ny, nx) bool, where light arrives.
        together: one divisor for all masks, which keeps their ratios.

    Returns:
        Masks of modulus at most 1 everywhere (M, ny, nx), and the divisors (M,).
    """
    power = abs2(masks) * lit
    largest = power.amax() if together else power.amax((-2, -1))
    scales = largest.clamp(min=1e-24).sqrt().expand(len(masks))
    masks = masks / scales[:, None, None]
    # where nothing is lit, ask for what the device can do
    return masks / masks.abs().clamp(min=1.0), scales


def tile_carriers(fourf: FourF, places: Sequence[Point]) -> Tensor:
    """Masks that send the whole display to each place, (places, ny, nx) complex: its carrier beside the encoding's.

    Args:
        fourf: gives the geometry.
        places: (y, x) metres in input units.
    """
    sides = []
    for k, beside in enumerate(zip(*_beside_the_carrier(fourf.bench, places), strict=True)):
        shifts = torch.tensor(beside, dtype=torch.float64)
        sides.append(dft_matrix(shifts, fourf.slm_axis(k), scale=fourf.bench.scale))
    return (sides[0][:, :, None] * sides[1][:, None, :]).to(fourf.pupil)


def _beside_the_carrier(bench: BenchSpec, places: Sequence[Point]) -> list[Point]:
    """Places beside the image at the bench's carrier, seen from the axes that the panel is taken to have; metres."""
    angle, (y, x) = bench.alignment_as_assumed.mask_rotation, bench.image_offset
    return [turned_back((place[0] - y, place[1] - x), angle) for place in places]


def order_phase(fourf: FourF, reflectance: Tensor) -> Tensor:
    """Phase factor, a complex scalar, of the brightest sample that a point amid the display makes behind a mask."""
    ny, nx = fourf.image_shape
    point = torch.zeros(1, ny, nx, dtype=reflectance.real.dtype, device=reflectance.device)
    point[0, ny // 2, nx // 2] = 1.0
    field = fourf.convolve(point, fourf.psf(reflectance[None])).flatten()
    brightest = field[field.detach().abs().argmax()]
    return brightest / brightest.abs()


def optimised_phases(
    targets: Tensor,
    slm: SLM,
    bench: BenchSpec,
    shown: tuple[int, int],
    read: tuple[int, int],
    *,
    origin: tuple[int, int],
    places: Sequence[Point] = (),
) -> Tensor:
    """Phases (M, ny, nx) designed through the device model for the part of the camera plane that the network reads.

    A display pixel's light has to be right wherever an image is read, seen from that pixel: over both widths together,
    about every place that a frame sends light to.

    Args:
        targets: complex masks of modulus at most 1, (M, ny, nx).
        slm: the lit part of the panel.
        bench: the bench.
        shown: (y, x) input pixels of all that the display shows at once.
        read: (y, x) input pixels of one image on the camera.
        origin: index of the panel's middle in the masks.
        places: as in `tile_carriers`; none: where the bench's carrier sends the light.
    """
    if (
        slm.spec.without_tensors() is not slm.spec
    ):  # a design's own descent does not go through tensors of the bench
        slm = SLM(slm.spec.without_tensors(), region=slm.region, assumed=slm.assumed, dtype=slm.dtype)
    centre, half = [], []
    for k, beside in enumerate(zip(*(_beside_the_carrier(bench, places) or [(0.0, 0.0)]), strict=True)):
        width = (shown[k] + read[k]) * bench.input.pitch + max(beside) - min(beside)
        centre.append(-(max(beside) + min(beside)) / 2 / field_width(bench))  # cycles per SLM pixel
        half.append(min(width / 2 / field_width(bench), 0.5))
    made = [
        optimise_phase(
            mask,
            slm,
            encoding=bench.driven_encoding,
            origin=origin,
            centre=(centre[0], centre[1]),
            half=(half[0], half[1]),
            gain=bench.slm.signal_amplitude,
        )
        for mask in targets.split(1)
    ]
    return torch.cat(made)
