"""slmsuite's superpixel wavefront calibrations (`wavefront_superpixel`), read into a bench and written from one.

slmsuite cuts the panel into squares of some pixels, interferes each with a reference at one point of the camera, and
keeps for each the blaze `kxy` (angles of deflection, radians) and the phase that bring it in step: on the pixels of a
superpixel the correction is

    2 pi (kx X + ky Y) + phase,        X, Y: pixels from the panel's middle, times pitch / wavelength

It is a correction, which goes with minus the level there: a bench whose levels turn the phase by `+2 pi / 256` each is
flat with it when its own wavefront is the correction, so `slm.curvature` is its Zernike coefficients, as it stands.
What lenses and focus of the bench file add at the signal order is no part of the panel and is taken out. Tilt is a
shift of the camera, and left out. Sources: slmsuite 0.5, `hardware/cameraslms/_wavefront_superpixel`; Cizmar, Mazilu,
Dholakia, Nature Photonics 4, 388 (2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calibration.rigs.recording import RigError
from optics.bench.spec import BenchSpec
from optics.conventions import cis
from optics.fourf.camera_window import CameraWindow
from optics.fourf.pupil import illuminated_pixels, pupil
from optics.slm.panel import SLM
from optics.wave.zernike_polynomials import zernike

Array = NDArray[np.float64]
KEYS = ("kx", "ky", "phase", "r2_fit")
ZERNIKES = tuple(range(4, 16))
_TRUSTED = 0.9  # r^2 of a superpixel's fringe that slmsuite takes for good
_ACROSS = 24  # superpixels along the panel's longer side, about, in a file that is written
_LEFT = (
    0.3  # radians rms, of what the polynomials leave of the superpixels' phases, from which a file is refused
)


def wavefront_changes(path: str, bench: BenchSpec, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """The backplane's curvature that a superpixel calibration tells, as changes by key.

    Args:
        path: the file, for messages.
        bench: as its data sheets describe it.
        arrays: of the file: `KEYS` (points, NY, NX), `superpixel_size` and `slm_supershape`.

    Raises:
        RigError: of another panel, too few superpixels that are trusted, or no smooth wavefront.
    """
    _check(bench)
    size = int(arrays["superpixel_size"].ravel()[0])
    tall, wide = _supershape(path, bench, size, arrays["slm_supershape"])
    values = {name: np.asarray(arrays[name], dtype=np.float64) for name in KEYS}
    if any(v.ndim != 3 or v.shape[1:] != (tall, wide) or len(v) < 1 for v in values.values()):
        raise RigError(f"{path}: its arrays are not (points, {tall}, {wide}), one value a superpixel.")
    kx, ky, phase, r2 = (torch.from_numpy(values[name][0]) for name in KEYS)
    ny, nx = bench.slm.shape
    whole = torch.zeros(
        tall, wide, dtype=torch.bool
    )  # those that the panel's edge cuts have a middle of their own
    whole[: ny // size, : nx // size] = True
    good = whole & (r2 >= _TRUSTED) & kx.isfinite() & ky.isfinite() & phase.isfinite()
    if int(good.sum()) < 2 * (len(ZERNIKES) + 3):
        raise RigError(
            f"{path}: {int(good.sum())} of {good.numel()} superpixels have fringes of r2 {_TRUSTED} or better; "
            f"{2 * (len(ZERNIKES) + 3)} are needed. Measure with more light or larger superpixels."
        )
    per_pixel = 2 * math.pi * bench.slm.pitch / bench.light.wavelength
    y, x = _centres(bench, size, tall, wide)
    slopes = torch.stack((ky, kx)) * per_pixel
    centre = phase + per_pixel * (kx * x + ky * y)
    lens = _superpixels(_lens_field(bench), size)
    slopes, centre = slopes - lens[:2], centre - lens[2]
    found, left = _fit(bench, y[good], x[good], slopes[:, good], centre[good])
    if left > _LEFT:
        raise RigError(
            f"{path}: Zernike polynomials {ZERNIKES[0]} to {ZERNIKES[-1]} leave {left:.2f} rad rms of the superpixels' "
            "phases; check the fringes, or that panel and pitch are those of the bench file."
        )
    return {"slm.curvature": dict(zip(ZERNIKES, found.tolist(), strict=True))}


def wavefront_arrays(bench: BenchSpec) -> dict[str, Any]:
    """What `save_calibration("wavefront_superpixel")` would keep of a bench: one point, the signal order.

    Raises:
        RigError: a panel that is mounted mirrored or turned.
    """
    _check(bench)
    size = max(2, math.ceil(max(bench.slm.shape) / _ACROSS))
    tall, wide = (math.ceil(n / size) for n in bench.slm.shape)
    surface = SLM(bench.slm.replace(reflectivity=1.0, beam_splitter=1.0, stuck=0.0, dead=0.0)).surface
    field = _lens_field(bench)
    slopes_y, slopes_x, centre = _superpixels(field if surface is None else field * surface, size)
    per_pixel = 2 * math.pi * bench.slm.pitch / bench.light.wavelength
    y, x = _centres(bench, size, tall, wide)
    phase = torch.remainder(centre - slopes_y * y - slopes_x * x, 2 * math.pi)
    maps = {"kx": slopes_x / per_pixel, "ky": slopes_y / per_pixel, "phase": phase}
    flat = torch.ones(tall, wide, dtype=torch.float64)
    maps |= dict.fromkeys(("power", "normalization", "amp_fit", "contrast_fit", "r2_fit"), flat)
    maps["background"] = 0 * flat
    return {name: m[None].numpy().astype(np.float32) for name, m in maps.items()} | {
        "superpixel_size": size,
        "slm_supershape": np.array((tall, wide)),
        "reference_superpixels": np.array([(tall // 2) * wide + wide // 2]),
        "calibration_points": np.zeros((2, 1)),
        "interference_size": np.ones(2),
        "interference_window": np.ones(2, dtype=int),
        "phase_steps": 1,
        "previous_phase_correction": False,
    }


def _check(bench: BenchSpec) -> None:
    if not bench.mounting.slm.plain:
        raise RigError(
            "wavefronts are read and written for a panel that is mounted upright; mounting.slm says otherwise."
        )


def _supershape(path: str, bench: BenchSpec, size: int, told: Array) -> tuple[int, int]:
    if size < 2 or told.size != 2:
        raise RigError(
            f"{path}: superpixels of {size} pixels, shape of {told.size} numbers; expected 2 or more, 2."
        )
    tall, wide = (int(n) for n in told.ravel())
    wanted = tuple(math.ceil(n / size) for n in bench.slm.shape)
    if (tall, wide) != wanted:
        raise RigError(
            f"{path}: {tall} x {wide} superpixels of {size} pixels are no panel of {bench.slm.shape}; check slm.shape."
        )
    return tall, wide


def _centres(bench: BenchSpec, size: int, tall: int, wide: int) -> tuple[Tensor, Tensor]:
    """Middles of the superpixels, pixels from the panel's middle, (NY, NX) each."""
    axes = [
        (torch.arange(count, dtype=torch.float64) + 0.5) * size - 0.5 - (n - 1) / 2
        for count, n in zip((tall, wide), bench.slm.shape, strict=True)
    ]
    y, x = torch.broadcast_tensors(axes[0][:, None], axes[1][None, :])
    return y, x


def _lens_field(bench: BenchSpec) -> Tensor:
    """Phase factor of lenses and focus over the whole panel at the signal order, (ny, nx) complex128."""
    bare = bench.replace(stop=None)
    rows, cols = (illuminated_pixels(bare, k)[1] - bare.lens1.decentre[k] for k in (0, 1))
    offset = CameraWindow.of((1, 1)).centre(bare)
    field = pupil(bare, rows, cols, offset)
    return field / field.abs().clamp(min=1e-12)


def _superpixels(field: Tensor, size: int) -> Tensor:
    """Slopes along y and x, radians per pixel, and the phase at the middle, of each superpixel; (3, NY, NX)."""
    tall, wide = (math.ceil(n / size) for n in field.shape)
    out = torch.zeros(3, tall, wide, dtype=torch.float64)
    for i in range(tall):
        for j in range(wide):
            part = field[i * size : (i + 1) * size, j * size : (j + 1) * size]
            slopes = [
                float((part.narrow(k, 1, n - 1) * part.narrow(k, 0, n - 1).conj()).sum().angle())
                if n > 1
                else 0.0
                for k, n in enumerate(part.shape)
            ]
            y, x = (torch.arange(n, dtype=torch.float64) - (size - 1) / 2 for n in part.shape)
            flat = part * cis(-(slopes[0] * y[:, None] + slopes[1] * x[None, :]))
            out[:, i, j] = torch.tensor([*slopes, float(flat.sum().angle())])
    return out


def _fit(bench: BenchSpec, y: Tensor, x: Tensor, slopes: Tensor, phase: Tensor) -> tuple[Tensor, float]:
    """Zernike coefficients of superpixels at (y, x) pixels by slopes (2, m) and phases (m,) known modulo a turn.

    The slopes say which turn, the phases the rest. Returns what is left of the phases, radians rms, too.
    """
    ny, nx = bench.slm.shape
    radius = math.hypot(ny, nx) / 2
    # the disc's middle is pixel n // 2
    y, x = y + (ny - 1) / 2 - ny // 2, x + (nx - 1) / 2 - nx // 2

    def basis(dy: float, dx: float) -> Tensor:
        v, u = (y + dy) / radius, (x + dx) / radius
        rho, theta = torch.hypot(v, u), torch.atan2(v, u)
        return torch.stack([zernike(j, rho, theta) for j in (1, 2, 3, *ZERNIKES)], 1)

    here = basis(0.0, 0.0)
    sloping = torch.cat((basis(0.5, 0.0) - basis(-0.5, 0.0), basis(0.0, 0.5) - basis(0.0, -0.5)))
    found = torch.linalg.lstsq(sloping[:, 1:], torch.cat((slopes[0], slopes[1]))[:, None]).solution[:, 0]
    found = torch.cat((found.new_zeros(1), found))
    rest = phase
    for _ in range(4):
        rest = phase - here @ found
        rest = rest - cis(rest).mean().angle()
        rest = torch.remainder(rest + math.pi, 2 * math.pi) - math.pi
        found = found + torch.linalg.lstsq(here, rest[:, None]).solution[:, 0]
    left = torch.remainder(phase - here @ found + math.pi, 2 * math.pi) - math.pi
    return found[3:], float((left - cis(left).mean().angle()).pow(2).mean().sqrt())
