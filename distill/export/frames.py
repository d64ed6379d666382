"""SLM frames as image files that the device's driver takes, and back, bit for bit.

What the grey values are is the device's `frame_format` (`optics.slm.spec`): levels as they are, levels in the highest
bits of an 8- or 16-bit value (10-bit level 300 is 19200), levels stretched to full white (a mirror that is on is 255),
or pixels of one bit. The rows and columns are the device's own (`optics.bench.mounting`).
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from optics.bench.mounting import MountSpec
from optics.checks import OpticsError
from optics.files import image_bytes
from optics.reading import reading
from optics.slm.spec import FrameFormat

UPRIGHT = MountSpec()
_MODES = {1: ("1",), 8: ("L",), 16: ("I;16", "I;16B", "I")}  # what Pillow calls greyscale of that depth


def file_bits(bits: int, frame_format: FrameFormat = "levels") -> int:
    """Bits per pixel of the files for a device of `bits`: 1, 8 or 16."""
    return 1 if frame_format == "one_bit" else 8 if bits <= 8 else 16


def encode_frame(
    levels: Tensor,
    bits: int,
    *,
    file_format: str = "PNG",
    frame_format: FrameFormat = "levels",
    mount: MountSpec = UPRIGHT,
) -> bytes:
    """One SLM frame as an image file.

    Args:
        levels: (NY, NX) of the plane, integers 0 .. 2**bits - 1.
        bits: of the device.
        file_format: "PNG", or "BMP" of at most 8 bits.
        frame_format: what the grey values are.
        mount: how the device is mounted.
    """
    grey = _grey(mount.to_picture(levels).numpy().astype(np.int64), bits, frame_format)
    kinds: dict[int, type] = {1: np.bool_, 8: np.uint8, 16: np.uint16}
    return image_bytes(grey.astype(kinds[file_bits(bits, frame_format)]), file_format)


def decode_frame(
    data: bytes,
    *,
    bits: int,
    shape: tuple[int, int],
    name: str,
    device_bits: int | None = None,
    frame_format: FrameFormat = "levels",
    mount: MountSpec = UPRIGHT,
) -> Tensor:
    """Levels (NY, NX) int32 of the plane from the bytes of an image file.

    Args:
        data: a greyscale PNG or BMP.
        bits: of the file: 1, 8 or 16.
        shape: (NY, NX) of the plane.
        name: what errors call it.
        device_bits: of the device; the file's when absent.
        frame_format: what the grey values are.
        mount: how the device is mounted.

    Raises:
        OpticsError: it is not a whole image of that size and depth, or a grey value stands for no level.
    """
    rows, columns = mount.size(shape)
    with reading(name, "a whole PNG image", fix="export again."), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many pixels: their number is checked before they are unpacked
        try:
            image = Image.open(io.BytesIO(data), formats=("PNG", "BMP"))
        except UnidentifiedImageError:
            raise OpticsError(f"{name} is not a whole PNG image; export again.") from None
        with image:
            if (image.height, image.width) != (rows, columns):
                raise OpticsError(
                    f"{name} has {image.height} x {image.width} pixels (rows x columns), the SLM {rows} x {columns}."
                )
            mode, values = image.mode, np.array(image)
    if mode not in _MODES[bits]:
        raise OpticsError(
            f"{name} has pixels of mode {mode!r}, expected {bits}-bit greyscale ({_MODES[bits][0]!r})."
        )
    levels = _levels(values.astype(np.int64), device_bits or bits, bits, frame_format, name)
    return mount.to_plane(torch.from_numpy(levels.astype(np.int32))).contiguous()


def _grey(levels: NDArray[np.int64], bits: int, frame_format: FrameFormat) -> NDArray[np.int64]:
    depth = file_bits(bits, frame_format)
    if frame_format == "high_bits":
        return levels << (depth - bits)
    if frame_format == "full_scale":
        return (levels * (2**depth - 1) + (2**bits - 1) // 2) // (2**bits - 1)
    return levels


def _levels(
    grey: NDArray[np.int64], bits: int, depth: int, frame_format: FrameFormat, name: str
) -> NDArray[np.int64]:
    levels = grey
    if frame_format == "high_bits":
        levels = grey >> (depth - bits)
    elif frame_format == "full_scale":
        levels = (grey * (2**bits - 1) + (2**depth - 1) // 2) // (2**depth - 1)
    if (levels >= 2**bits).any():
        raise OpticsError(f"{name} holds level {int(levels.max())}, the SLM has levels 0 to {2**bits - 1}.")
    other = _grey(levels, bits, frame_format) != grey
    if other.any():
        raise OpticsError(
            f"{name} holds grey value {int(grey[other][0])}, which stands for no level of {bits} bits "
            f"(slm.frame_format {frame_format!r})."
        )
    return levels
