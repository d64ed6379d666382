"""What is added to every frame so that the panel is flat: a maker's correction bitmap, or a measured wavefront map.

    [slm.correction]
    file = "CAL_532nm.bmp"         # of the panel's size; greyscale image, or an .npy array of radians

A greyscale image holds the phase to add, 2 pi at grey value `two_pi` (256 for the bitmaps of 8 bits that makers ship;
their "2 pi at level n" is the panel's response: `slm.response.range = 2 pi 256 / n`). `measured = true` says that the
file holds the panel's own deformation instead, whose negative is added. The bench describes the panel *with* its
correction; levels are those of phase plus correction, by the response that is assumed.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.reading import quoted, read_bytes, reading
from optics.slm.response import ResponseSpec, look_up, nearest_level

_MOST_BYTES = 2**28
_KINDS = ("PNG", "BMP", "TIFF")


def correction_map(bench: BenchSpec) -> Tensor | None:
    """Phase to add on the plane (NY, NX), radians, float64; None where the bench names no correction.

    Raises:
        OpticsError: no such file, of another size than the panel, or not an image or array of numbers.
    """
    spec = bench.slm.correction
    if spec is None:
        return None
    path = Path(spec.file)
    data = read_bytes(path, most=_MOST_BYTES)
    if path.suffix.lower() == ".npy":
        with reading(path, "an .npy array", fix="save it with numpy.save."):
            values = np.load(io.BytesIO(data), allow_pickle=False)
        if values.dtype.kind not in "fiu":
            raise SpecError(f"{path} holds {quoted(values.dtype)}, expected phases in radians.")
        phase = values.astype(np.float64)
    else:
        phase = _grey(path, data) * (2 * math.pi / spec.two_pi)
    wanted = bench.mounting.slm.size(bench.slm.shape)
    if phase.shape != wanted:
        raise SpecError(
            f"{path} has {' x '.join(map(str, phase.shape))} values, the panel {wanted[0]} x {wanted[1]} (rows x "
            "columns)."
        )
    if not np.isfinite(phase).all():
        raise SpecError(f"{path} holds values that are not finite.")
    return bench.mounting.slm.to_plane(torch.from_numpy(-phase if spec.measured else phase)).contiguous()


def corrected(levels: Tensor, correction: Tensor, bits: int, assumed: ResponseSpec) -> Tensor:
    """Levels (..., NY, NX) int32 whose phase is nearest to that of `levels` plus the correction (NY, NX)."""
    table = assumed.table(bits)
    factor = assumed.section_map((levels.shape[-2], levels.shape[-1]))
    phase = look_up(table, levels.to(torch.int32)) * (1.0 if factor is None else factor)
    return nearest_level(phase + correction, table, factor)


def _grey(path: Path, data: bytes) -> np.ndarray:
    with reading(path, "a whole greyscale image", fix="give PNG, BMP or TIFF."):
        try:
            image = Image.open(io.BytesIO(data), formats=_KINDS)
        except UnidentifiedImageError:
            raise SpecError(
                f"{path} is no image that is read here ({', '.join(_KINDS)}), and no .npy array."
            ) from None
        with image:
            if image.width * image.height > 2**28:
                raise SpecError(f"{path} has {image.height} x {image.width} pixels: no panel has so many.")
            # bitmaps of makers have a palette of greys
            values = np.array(image.convert("RGB") if image.mode == "P" else image)
    if values.ndim == 3:
        if (values[..., :3] != values[..., :1]).any():
            raise SpecError(f"{path} is in colour; a correction is greyscale.")
        values = values[..., 0]
    if values.ndim != 2:
        raise SpecError(f"{path} is no greyscale image.")
    return values.astype(np.float64)
