"""Archives that others made (zip, tar): what they say of themselves is checked before anything is unpacked.

A few kilobytes can stand for gigabytes. So an archive may unpack to so many times its size and no more. Of a tar
archive no piece beyond a mebibyte is taken at once, since its headers are read whole. Of a zip archive those members
are read that are stored or deflated, as every program writes them: the other ways unpack without end.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from optics.errors import OpticsError
from optics.reading import check_size, quoted, reading, regular_file

FEW_BYTES = 2**28  # that any archive may unpack to
DENSEST = (
    200  # times its size that a larger one may; deflate makes zeros 1032 times smaller, and pictures hardly
)
_PIECE = 2**20  # bytes of a tar archive that are read at once
_XZ_BYTES = 2**28  # of memory to unpack .xz; `xz -9` asks for 65 MB


def most_unpacked(path: Path) -> int:
    """Bytes that an archive of pictures may unpack to, by its size."""
    return max(FEW_BYTES, DENSEST * path.stat().st_size)


def zip_entries(archive: zipfile.ZipFile, what: str | Path, *, most: int) -> list[zipfile.ZipInfo]:
    """The files of a zip archive, folders left out, that unpack to `most` bytes together.

    Raises:
        OpticsError: more bytes; a member that is encrypted, or compressed in a way that is not read.
    """
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    check_size(f"{what}, unpacked", (sum(entry.file_size for entry in entries),), most=most)
    for entry in entries:
        if entry.flag_bits & 1:
            raise OpticsError(f"{what}: {quoted(entry.filename)} is encrypted; save it without a password.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise OpticsError(
                f"{what}: {quoted(entry.filename)} is compressed by method {entry.compress_type}; stored or deflated "
                "members are read."
            )
    return entries


@contextlib.contextmanager
def opened_tar(path: str | Path, *, most: int) -> Iterator[tarfile.TarFile]:
    """A tar archive, plain or compressed (gzip, bzip2, xz), of which `most` bytes are unpacked.

    Raises:
        OpticsError: damaged, or more bytes.
    """
    found = regular_file(path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(reading(found, "a tar archive"))
        bounded: Any = _Bounded(stack.enter_context(_plain(found)), str(found), most)
        yield stack.enter_context(tarfile.open(fileobj=bounded, mode="r:"))


def _plain(path: Path) -> Any:
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:2] == b"\x1f\x8b":
        return gzip.open(path)
    if head[:3] == b"BZh":
        return bz2.open(path)
    if head[:6] == b"\xfd7zXZ\0":
        lzma.LZMADecompressor(memlimit=_XZ_BYTES).decompress(head, 1)  # raises where it asks for more
        return lzma.open(path)
    return path.open("rb")


class _Bounded:
    """What `tarfile` needs of a stream: no piece longer than a mebibyte, and nothing behind `most` bytes."""

    def __init__(self, stream: Any, what: str, most: int) -> None:
        self.name, self.mode = what, "rb"
        self._stream, self._what, self._most = stream, what, most

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _PIECE:
            raise OpticsError(f"{self._what} has a header of {size} bytes; it is damaged.")
        self._within(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        self._within(place)
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _within(self, place: int) -> None:
        if place > self._most + _PIECE:
            raise OpticsError(
                f"{self._what} unpacks to more than {self._most} bytes; that many are not read."
            )


def pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The `size` bytes of a member, or the fewer that there are, a piece at a time."""
    left = size
    while left > 0 and (block := file.read(min(left, _PIECE))):
        yield block
        left -= len(block)


def whole(file: Any, size: int, what: str) -> bytes:
    """A member's `size` bytes.

    Raises:
        OpticsError: there are fewer.
    """
    found = b"".join(pieces(file, size))
    if len(found) < size:
        raise OpticsError(f"{what} is shorter than its header says; the archive is damaged.")
    return found
