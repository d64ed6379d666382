"""How much memory a 4f scene takes, before it is built: the peak of the wave path and of the PSF path.

The tensors that live at the worst moment are counted, no gradient kept, as `FourF.wave` followed by `abs2`,
or `FourF.forward`, hold them: buffers and inputs included, the interpreter and the libraries not. An
allocator that keeps freed pages can hold a fifth more.
"""

from __future__ import annotations

import math
from typing import Literal

from optics.fourf.system import FourF
from optics.wave.fourier import fast_length

Path = Literal["psf", "wave"]


def peak_memory(system: FourF, *, images: int, masks: int, path: Path = "psf") -> int:
    """Bytes that `images` x `masks` intensities take at the worst moment, without gradients.

    Args:
        system: the 4f system; its buffers say how large its planes are.
        images: batch size.
        masks: number of masks.
        path: "psf" for `FourF.forward`, "wave" for `FourF.wave` and `abs2`.
    """
    size = system.pupil.element_size()  # of one complex number
    ny, nx = system.pupil.shape
    oy, ox = system.window
    reflectances, window = masks * ny * nx, images * masks * oy * ox
    held = sum(buffer.nbytes for buffer in system.buffers())
    held += size // 2 * images * math.prod(system.image_shape) + size * reflectances
    reflecting = size * _at_pupil(system, masks)
    later = _wave(system, images, masks, window) if path == "wave" else _psf(system, images, masks, window)
    return held + max(reflecting, size * later)


def _at_pupil(system: FourF, masks: int) -> int:
    """Complex numbers that live while the masks are turned and meet the pupil."""
    plane = system.pupil.numel()
    if system.bench.alignment.mask_rotation == 0.0:
        return masks * plane
    # two or three shears, each a transform, a product and the inverse; the first makes its ramp in double
    return max(3 * masks * plane, (masks + 6) * plane)


def _psf(system: FourF, images: int, masks: int, window: int) -> int:
    """Complex numbers that live in `psf` and `intensity` at the worst moment."""
    ny, nx = system.pupil.shape
    ly, lx = system.to_psf_y.shape[-2], system.to_psf_x.shape[-2]
    cells = 1 if system.cells is None else system.cells.count
    phases = math.prod(system.oversampling)
    sides = zip((ly, lx), system.oversampling, strict=True)
    grid = math.prod(fast_length(n // s) for n, s in sides)
    making = masks * max(ny * nx + ny * lx, 2 * ny * lx + ly * lx)
    if cells > 1:  # beside the masks themselves and what is made already
        making += masks * (ny * nx + 2 * cells * ly * lx)
    filters = masks * cells * phases * grid
    preparing = masks * cells * ly * lx + 2 * filters + cells * images * grid
    convolving = masks * cells * ly * lx + filters + (cells + 2) * images * grid + window // 2
    return max(making, preparing, convolving)


def _wave(system: FourF, images: int, masks: int, window: int) -> int:
    """Complex numbers that live in `wave` and `abs2` at the worst moment; the turned masks are kept to the end."""
    (ny, nx), ox = system.pupil.shape, system.window[1]
    arriving = images * ny * (system.image_shape[1] + nx)
    if system.cells is not None:  # their sum, beside what the node before left
        arriving += 3 * images * ny * nx + window
    kept = masks * ny * nx + images * ny * nx
    per_mask = images * (ny * nx + ny * ox)
    passing = kept + per_mask + window * (masks - 1) // masks
    leaving = kept + 3 * window
    return max(masks * ny * nx + arriving, passing, leaving)
