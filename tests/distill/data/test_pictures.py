"""Every sample type, orientation and page count of a picture file: what a viewer shows is read, or it is refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from distill.data.pictures import decode, decode_mask
from optics.errors import OpticsError

RAMP = np.arange(24, dtype=np.float64).reshape(4, 6) / 23  # not square, nothing symmetric


def encoded(array, kind="PNG", mode=None, **options):
    out = io.BytesIO()
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array, mode)
    picture.save(out, kind, **options)
    return out.getvalue()


def rotated_by_exif(orientation):
    """A picture whose pixels are stored turned and whose EXIF says how to turn them back."""
    stored = Image.fromarray((RAMP * 255).round().astype(np.uint8))
    turn = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(stored.transpose(turn[orientation]), exif=exif)


def palette():
    picture = Image.fromarray((RAMP * 23).round().astype(np.uint8), "P")
    picture.putpalette([v for i in range(24) for v in [round(i / 23 * 255)] * 3])
    return encoded(picture)


GREY = (RAMP * 255).round().astype(np.uint8)
DEEP = (RAMP * 65535).round().astype(np.uint16)
GOOD = {
    "8 bit PNG": (encoded(GREY), {}),
    "8 bit BMP": (encoded(GREY, "BMP"), {}),
    "16 bit PNG": (encoded(DEEP), {}),
    "16 bit TIFF": (encoded(DEEP, "TIFF"), {}),
    "big-endian TIFF": (encoded(Image.frombytes("I;16B", (6, 4), DEEP.astype(">u2").tobytes()), "TIFF"), {}),
    "16 bit PGM": (b"P5 6 4 65535\n" + DEEP.astype(">u2").tobytes(), {}),
    "12 bits in 16": (encoded((RAMP * 4095).round().astype(np.uint16)), {"white": 4095}),
    "32 bit integers": (encoded((RAMP * 1e6).round().astype(np.int32), "TIFF"), {"white": 1e6}),
    "floats": (encoded(RAMP.astype(np.float32), "TIFF"), {}),
    "floats to 255": (encoded((RAMP * 255).astype(np.float32), "TIFF"), {"white": 255}),
    "palette": (palette(), {"grey": True}),
    "orientation 3": (rotated_by_exif(3), {}),
    "orientation 6": (rotated_by_exif(6), {}),
    "orientation 8": (rotated_by_exif(8), {}),
    "opaque alpha": (encoded(np.dstack([GREY, np.full_like(GREY, 255)])), {}),
    "colour to grey": (encoded(np.dstack([GREY] * 3)), {"grey": True}),
}


def unit(array):
    return array / 255 if array.dtype == np.uint8 else array


@pytest.mark.parametrize("case", GOOD)
def test_what_a_viewer_shows_is_read(case):
    data, options = GOOD[case]
    found = unit(decode(data, name="x", **options))
    assert found.shape == RAMP.shape
    np.testing.assert_allclose(found, RAMP, atol=0.6 / 255)


@pytest.mark.parametrize("case", ["8 bit PNG", "16 bit PNG", "floats"])
def test_every_depth_shrinks_alike(case):
    small = unit(decode(GOOD[case][0], name="x", size=(2, 3)))
    assert small.shape == (2, 3)
    assert abs(small.mean() - RAMP.mean()) < 0.02
    assert small[1, 2] > small[1, 0] > small[0, 2] > small[0, 0]


def test_colours_and_transparency():
    red = np.zeros((4, 6, 4), np.uint8)
    red[..., 0], red[:, 3:, 3] = 255, 255
    found = decode(encoded(red), name="x")
    assert found[:, 3:].reshape(-1, 3).tolist() == [[255, 0, 0]] * 12
    assert not found[:, :3].any()  # what is transparent is dark


def gif(pages=3, kind="GIF"):
    frames = [Image.fromarray(GREY // (k + 1)) for k in range(pages)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def huge_png(side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 10**6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


REFUSED = {
    "pages of a TIFF": (gif(kind="TIFF"), "holds 3 pages"),
    "pages of a GIF": (gif(), "holds 3 pages"),
    "13000 x 13000": (huge_png(13000), "has 13000 x 13000 pixels; at most"),
    "more than its bytes": (b"P5 4000 4000 255\n" + bytes(1000), "4000 x 4000 pixels in 1017 bytes"),
    "a bomb": (huge_png(2**20), "pixels; at most"),
    "integers without white": (encoded(np.full((4, 6), 70000, np.int32), "TIFF"), "data.white"),
    "floats beyond 1": (encoded((RAMP * 255).astype(np.float32), "TIFF"), r"holds 11.087 at index \(0, 1\)"),
    "NaN": (encoded(np.where(RAMP > 0.5, np.nan, RAMP).astype(np.float32), "TIFF"), r"nan at index \(2, 0\)"),
    "L*a*b*": (encoded(Image.new("LAB", (6, 4)), "TIFF"), "samples of type 'LAB'"),
    "truncated": (encoded(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))[:900], "truncated"),
    "no picture": (b"GIF89a?", "x "),
    "nothing": (b"", "is no picture"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case):
    data, said = REFUSED[case]
    with pytest.raises(OpticsError, match=said) as error:
        decode(data, name="x")
    assert "\n" not in str(error.value)
    assert "0x7f" not in str(error.value)


def test_a_phone_s_pair_of_pictures_is_its_first():
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert abs(unit(decode(data, name="x")) - RAMP).max() < 0.1


LABELS = (np.arange(24).reshape(4, 6) % 5).astype(np.uint8)
LABELS[0, 0] = 255


def voc():
    picture = Image.fromarray(LABELS, "P")
    picture.putpalette([i * 37 % 256 for i in range(768)])
    return encoded(picture)


@pytest.mark.parametrize(
    "data", [encoded(LABELS), voc(), encoded(np.dstack([LABELS] * 3)), encoded(LABELS.astype(np.uint16))]
)
def test_masks_keep_their_values(data):
    assert (decode_mask(data, name="m") == LABELS).all()
    assert set(decode_mask(data, name="m", size=(9, 13)).flat) == {0, 1, 2, 3, 4, 255}


def test_masks_that_hold_no_labels_are_refused():
    colours = np.dstack([LABELS, 0 * LABELS, LABELS])
    for data, said in (
        (encoded(LABELS, "JPEG"), "JPEG"),
        (encoded(colours), "as colours"),
        (b"", "no picture"),
    ):
        with pytest.raises(OpticsError, match=said):
            decode_mask(data, name="m")


def test_damage_anywhere_gives_one_of_our_errors():
    rng = np.random.default_rng(0)
    for data, _ in GOOD.values():
        for _ in range(40):
            bad = bytearray(data)
            for at in rng.integers(0, len(bad), 4):
                bad[at] = rng.integers(0, 256)
            try:
                decode(bytes(bad), name="x", white=1e9)
            except OpticsError as error:
                assert "\n" not in str(error)
