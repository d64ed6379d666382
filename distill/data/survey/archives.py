"""Archives of pictures (zip, tar), unpacked into a folder of their own where nothing can leave it."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from distill.data import cifar
from distill.data.parts import Options
from optics.errors import OpticsError
from optics.reading import check_size, home, quoted, reading
from optics.reading.archives import most_unpacked, opened_tar, pieces, zip_entries

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_MOST_FILES = 2**22
_DEEPEST = 32  # folders in each other; a thousand take a second for every file, to make and to remove


@contextmanager
def opened(source: str | Path) -> Iterator[str | Path]:
    """A source that `sources.find` reads: the same, or the folder into which an archive of pictures was unpacked.

    CIFAR's archives are read as they are. The folder is removed at the end.

    Raises:
        OpticsError: damaged, or larger than the disk, or 200 times as large unpacked; it holds links, or names that
            lead out of it.
    """
    path = home(source)
    if not path.is_file() or not path.name.lower().endswith(SUFFIXES) or _is_cifar(path):
        yield source
        return
    with tempfile.TemporaryDirectory(
        prefix=f"{path.stem}-", dir=path.parent if _writable(path.parent) else None
    ) as place:
        folder = Path(place)
        with reading(path, "an archive"):
            if zipfile.is_zipfile(path):
                _from_zip(path, folder)
            else:
                _from_tar(path, folder)
        yield folder


def _is_cifar(path: Path) -> bool:
    if path.suffix.lower() not in cifar.SUFFIXES:
        return False
    try:
        return cifar.find(path, Options()) is not None
    except OpticsError:
        return False


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _from_zip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        files = zip_entries(archive, path, most=most_unpacked(path))
        _check_room(path, len(files), sum(entry.file_size for entry in files), folder)
        for entry in files:
            _inside(path, entry.filename)  # of all, before any is unpacked
        for entry in files:
            with archive.open(entry) as file:
                _write(path, entry.filename, file, entry.file_size, folder)


def _from_tar(path: Path, folder: Path) -> None:
    count = total = 0
    with opened_tar(path, most=most_unpacked(path)) as archive:
        for entry in archive:
            if entry.isdir():
                continue
            if not entry.isfile():
                raise OpticsError(
                    f"{path}: {quoted(entry.name)} is a link or a device, which is not unpacked."
                )
            count, total = count + 1, total + entry.size
            _check_room(path, count, total, folder)
            file = archive.extractfile(entry)
            if file is not None:
                _write(path, entry.name, file, entry.size, folder)


def _check_room(path: Path, count: int, size: int, folder: Path) -> None:
    check_size(f"{path}, its files", (count,), most=_MOST_FILES)
    check_size(f"{path}, unpacked", (size,), most=most_unpacked(path))
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OpticsError(f"{path} unpacks to {size} bytes and {free} are free beside it.")


def _inside(path: Path, name: str) -> PurePosixPath:
    """A member's name below the folder that it is unpacked into."""
    inside = PurePosixPath(name.replace("\\", "/"))  # Windows' own, which also begin with //HOST or C:
    parts = inside.parts
    if not parts or inside.is_absolute() or ".." in parts or ":" in parts[0] or "\0" in name:
        raise OpticsError(
            f"{path}: {quoted(name)} leads out of the archive's folder; this is no archive of pictures."
        )
    if len(parts) > _DEEPEST:
        raise OpticsError(
            f"{path}: {quoted(name)} lies in {len(parts) - 1} folders; at most {_DEEPEST - 1} are made."
        )
    return inside


def _write(path: Path, name: str, file: IO[bytes], size: int, folder: Path) -> None:
    target = folder / _inside(path, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        written = sum(out.write(block) for block in pieces(file, size))
    if written < size:
        raise OpticsError(f"{path}: {quoted(name)} is shorter than its header says; the archive is damaged.")
