"""One picture file to numbers: what a viewer shows is what is read.

| sample type | how it is read |
|---|---|
| 1 bit, 8 bit grey, grey + alpha, palette, RGB, RGBA, CMYK, YCbCr | 0 .. 255, as Pillow converts it |
| 16 bit grey (PNG, TIFF, PGM) | divided by 65535, or by `white` |
| 32 bit integer | divided by `white`, which must be given: the file does not say what is white |
| 32 bit float (TIFF) | as it is, within 0 .. 1; or divided by `white` |
| anything else (L*a*b*, HSV, 16 bit colour TIFF) | refused by name |

The orientation that a camera noted (EXIF) is applied. What is transparent is dark, as an unlit display is. A file
of several pages is refused; of a phone's multi-picture JPEG (MPO) the picture that viewers show is read.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optics.errors import OpticsError
from optics.reading import reading

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm", ".pnm")
MOST_PIXELS = 2**26  # of one picture: 8192 x 8192
_FEW_PIXELS = 2**16  # that any file may hold
_DENSEST = 10_000  # pixels in a byte of a larger picture; deflate makes 1 bit pixels 8256 times smaller
_ROWS = 256  # that are worked on at once
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
_EIGHT_BIT = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")


def decode(
    data: bytes,
    *,
    name: str,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    white: float | None = None,
) -> NDArray[Any]:
    """One encoded picture to (H, W) or (H, W, 3): uint8, or float32 in [0, 1] where 8 bits do not hold it.

    Args:
        data: the file's bytes.
        name: for messages.
        size: (H, W) to resize to, averaging where it shrinks.
        grey: turn colour to grey (ITU-R 601 luma).
        white: stored value of full white; None is the largest that the sample type holds (1 for floats).

    Raises:
        OpticsError: damaged, of a sample type that is not read, larger than 2**26 pixels, or of several pages.
    """
    with reading(name, "a picture"):
        picture = _opened(data, name)
        bits = _bits(picture)
        _make_upright(picture)
        if picture.mode in _EIGHT_BIT and white is None:
            return np.asarray(_sized(_opaque(picture, grey), size))
        values = _numbers(picture, bits, name, white)
        if values.ndim == 3 and grey:
            values = values @ np.array([0.299, 0.587, 0.114], np.float32)
        return _sized_floats(values, size)


def decode_mask(data: bytes, *, name: str, size: tuple[int, int] | None = None) -> NDArray[Any]:
    """One picture whose grey values (or palette indices) are labels of pixels, (H, W) integers, resized by nearest.

    Raises:
        OpticsError: see `decode`; or colours, which are no labels, or a JPEG, whose values are not exact.
    """
    from PIL import Image

    with reading(name, "a picture of labels"):
        picture = _opened(data, name)
        if picture.format in ("JPEG", "MPO"):
            raise OpticsError(f"{name} is a JPEG, whose labels blur into each other; save the masks as PNG.")
        _make_upright(picture)
        if picture.mode in ("LA", "PA"):
            picture = picture.getchannel(0)
        if picture.mode in ("RGB", "RGBA"):
            bands = np.asarray(picture)[..., :3]
            if (bands != bands[..., :1]).any():
                raise OpticsError(
                    f"{name} shows its labels as colours; save each pixel's class as its grey value (0, 1, 2 ...)."
                )
            picture = picture.getchannel(0)
        if picture.mode not in ("1", "L", "P", "I", *_DEEP):
            raise OpticsError(f"{name} has samples of type {picture.mode!r}; labels are whole numbers.")
        values = np.asarray(picture)
        if size is not None and values.shape != tuple(size):
            frame = Image.fromarray(values.astype(np.int32))
            values = np.asarray(frame.resize((size[1], size[0]), Image.Resampling.NEAREST))
        return values.astype(np.int32) if values.dtype != np.uint8 else values


def shape_of(data: bytes, *, name: str) -> tuple[int, int]:
    """(H, W) of an encoded picture as it is shown, from its header."""
    with reading(name, "a picture"):
        picture = _opened(data, name, load=False)
        turned = picture.getexif().get(0x0112) in (5, 6, 7, 8)
        return (picture.width, picture.height) if turned else (picture.height, picture.width)


def _opened(data: bytes, name: str, *, load: bool = True) -> Image:
    from PIL import Image as images

    with warnings.catch_warnings():  # of its own limit, which is above ours, and of odd metadata
        warnings.simplefilter("ignore")
        try:
            picture: Image = images.open(io.BytesIO(data))
        except images.DecompressionBombError:
            raise OpticsError(f"{name} has too many pixels; at most {MOST_PIXELS} are read.") from None
        except images.UnidentifiedImageError:
            raise OpticsError(
                f"{name} is no picture that can be read; it is damaged or of another kind."
            ) from None
        if picture.width * picture.height > MOST_PIXELS:
            raise OpticsError(
                f"{name} has {picture.height} x {picture.width} pixels; at most {MOST_PIXELS} are read. Make it "
                "smaller first."
            )
        if picture.width * picture.height > max(_FEW_PIXELS, _DENSEST * len(data)):
            raise OpticsError(
                f"{name} says it has {picture.height} x {picture.width} pixels in {len(data)} bytes; it is damaged."
            )
        pages = getattr(picture, "n_frames", 1)
        if pages > 1 and picture.format != "MPO":
            raise OpticsError(f"{name} holds {pages} pages; save each as a picture of its own.")
        if load:
            picture.load()
    return picture


def _make_upright(picture: Image) -> None:
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ImageOps.exif_transpose(picture, in_place=True)


def _opaque(picture: Image, grey: bool = False) -> Image:
    """The picture in grey or RGB, on black where it has transparency: a band of rows at a time, to need less memory."""
    from PIL import Image

    own = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    mode = "L" if grey else own
    if not picture.has_transparency_data:
        return picture if picture.mode == mode else picture.convert(mode)
    made = Image.new(mode, picture.size)
    for top in range(0, picture.height, _ROWS):
        band = picture.crop((0, top, picture.width, min(top + _ROWS, picture.height))).convert("RGBA")
        black = Image.new("RGBA", band.size, (0, 0, 0, 255))
        made.paste(Image.alpha_composite(black, band).convert(own).convert(mode), (0, top))
    return made


def _numbers(picture: Image, bits: int, name: str, white: float | None) -> NDArray[Any]:
    """Samples of any depth as float32 in [0, 1]."""
    if picture.mode in _EIGHT_BIT:
        values, full = np.asarray(_opaque(picture)), 255.0
    elif picture.mode in _DEEP or (picture.mode == "I" and bits == 16):
        values, full = np.asarray(picture), 65535.0
    elif picture.mode == "F":
        values, full = np.asarray(picture), 1.0
    elif picture.mode == "I" and white is not None:
        values, full = np.asarray(picture), white
    else:
        hint = " Say what is white: data.white = 4095, for instance." if picture.mode == "I" else ""
        raise OpticsError(
            f"{name} has samples of type {picture.mode!r}; 8 or 16 bit grey, 8 bit colour, or floats are read.{hint}"
        )
    return to_unit(values, white or full, name)


def _bits(picture: Image) -> int:
    """Bits of a sample, where an older Pillow opens 16 bit files as 32 bit integers."""
    if picture.format == "TIFF":
        found: Any = getattr(picture, "tag_v2", {}).get(258, (32,))
        return int(found[0] if isinstance(found, tuple) else found)
    return 16 if picture.format in ("PNG", "PPM") else 32


def to_unit(values: NDArray[Any], white: float, name: str) -> NDArray[Any]:
    """Stored values divided by `white`, float32.

    Raises:
        OpticsError: a value that is not finite, or lies outside 0 .. `white`; its index and the key that helps.
    """
    if not white > 0:
        raise OpticsError(f"data.white is {white:g}; give the stored value that is full white, such as 4095.")
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if not (low >= 0 and high <= white):
        wrong = ~((values >= 0) & (values <= white))
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        if not np.isfinite(values[index]):
            fix = "give every pixel a number, or leave the picture out"
        elif low < 0:
            fix = f"bring the values to that range first (those of -1 to 1 by x -> {white / 2:g} (x + 1))"
        else:
            fix = "set data.white to the stored value that is full white"
        raise OpticsError(f"{name} holds {values[index]:g} at index {index}, expected 0 to {white:g}; {fix}.")
    made = np.empty(values.shape, np.float32)
    for start in range(0, len(values), _ROWS):  # float64 of some rows, not of all
        made[start : start + _ROWS] = values[start : start + _ROWS].astype(np.float64) / white
    return made


def _sized(picture: Image, size: tuple[int, int] | None) -> Image:
    from PIL import Image

    if size is None or picture.size == (size[1], size[0]):
        return picture
    return picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)  # Pillow's widens when it shrinks


def _sized_floats(values: NDArray[Any], size: tuple[int, int] | None) -> NDArray[Any]:
    from PIL import Image

    if size is None or values.shape[:2] == tuple(size):
        return np.ascontiguousarray(values, np.float32)
    bands = values[..., None] if values.ndim == 2 else values
    done = [
        np.asarray(_sized(Image.fromarray(np.ascontiguousarray(b)), size)) for b in np.moveaxis(bands, -1, 0)
    ]
    found = np.clip(np.stack(done, -1), 0, 1)
    return found[..., 0] if values.ndim == 2 else found
