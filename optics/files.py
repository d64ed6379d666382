"""Files that are whole or absent, whatever happens while they are written: a full disk, `kill -9`, a power cut.

Every file of this project is written by `writing` or one of the functions on top of it: under a temporary name in the
same folder, flushed to the disk, moved into place, and the folder flushed too. A folder that makes sense only when
complete is written by `writing_folder` in the same way.

Temporary names are `.NAME.PROCESS-RANDOM.sclc-part`, so that what a killed process left can be told from the user's own
files: `remove_leftovers` removes it, and so does the next write of that name. A folder is replaced by exchanging two
names, which cannot be stopped half way; where the system has no such call, it is called
`.NAME.PROCESS-RANDOM.sclc-old` for the moment between two renames.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import errno
import io
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from optics.errors import FileError

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray
    from torch import Tensor

    Arrays = Mapping[str, tuple[NDArray[Any], Mapping[str, Any]]]

_PART, _OLD = "sclc-part", "sclc-old"
_OURS = re.compile(rf"\.(?P<name>.+)\.(?P<process>\d+)-[0-9a-f]{{8}}\.(?P<kind>{_PART}|{_OLD})")
_HERE, _RENAME_EXCHANGE = -100, 2  # AT_FDCWD of fcntl.h, RENAME_EXCHANGE of linux/fs.h
_at_work: set[Path] = set()  # temporary names of this process; numbers of processes are given out again
_FIXES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room in your quota",
    errno.EACCES: "choose a place where you may write",
    errno.EPERM: "choose a place where you may write",
    errno.EROFS: "choose a place where you may write",
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "a part of that path is a file; choose another path",
    errno.EISDIR: "that is a folder; choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file, open for writing, that is at `path` when the body is done; after an error `path` is as it was.

    Raises:
        FileError: it cannot be written; the message names `path` and the reason.
    """
    path = Path(path)
    with told(path), _beside(path, _PART) as temporary:
        try:
            _clear(_leftovers_of(path))
            with temporary.open("xb+") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _flush_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def put_in_place(whole: str | Path, path: str | Path) -> None:
    """A file beside `path` that is whole and flushed becomes `path`, at once.

    Raises:
        FileError: it cannot be; the message names `path` and the reason.
    """
    path = Path(path)
    with told(path):
        os.replace(whole, path)
        _flush_folder(path.parent)


@contextlib.contextmanager
def writing_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder to fill, that is at `path` when the body is done, in place of one that is there already.

    After an error `path` is as it was. Its parents are made.

    Raises:
        FileError: something cannot be written; the message names the path and the reason.
    """
    path = Path(path)
    with told(path), _beside(path, _PART) as temporary, _beside(path, _OLD) as old:
        try:
            make_folder(path.parent)
            _clear(_leftovers_of(path))
            temporary.mkdir()
            yield temporary
            for item in sorted(temporary.rglob("*"), reverse=True):  # what a folder holds before the folder
                _flush_folder(item) if item.is_dir() else _flush_file(item)
            _flush_folder(temporary)
            if not (path.exists() and _exchange(temporary, path)):
                _move(temporary, path, old)
            _flush_folder(path.parent)
        finally:
            _remove(temporary)
            if path.exists():
                _remove(old)


def make_folder(path: str | Path) -> None:
    """Make a folder and its parents, where they are not there yet.

    Raises:
        FileError: it cannot be made; the message names it and the reason.
    """
    path = Path(path)
    with told(path):
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            _flush_folder(path.parent)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all; see `writing`."""
    with writing(path) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; see `writing`."""
    write_bytes(path, text.encode("utf-8"))


def json_text(value: Any) -> str:
    """A value as JSON text with a line end; NaN and infinity, which JSON does not have, are refused (ValueError)."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as JSON, whole or not at all; see `writing` and `json_text`."""
    write_text(path, json_text(value))


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write at least one row, all with the same keys, as a CSV file with a header, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def hdf5_bytes(arrays: Arrays, attributes: Mapping[str, Any] | None = None) -> bytes:
    """An HDF5 file that holds arrays by their path in it, each with its attributes; compressed from two axes on.

    Made in memory, with the `attributes` of the whole: the library ignores some errors of the disk that it writes to.
    """
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs.update(attributes or {})
        for name, (values, said) in arrays.items():
            packed = (
                {"compression": "gzip", "compression_opts": 4, "shuffle": True}
                if values.ndim > 1 and values.size
                else {}
            )
            file.create_dataset(name, data=values, **packed).attrs.update(said)
    return out.getvalue()


@contextlib.contextmanager
def writing_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """An HDF5 file to fill, that is at `path` when the body is done; see `writing`.

    It is made in memory: the library ignores some errors of a disk that it writes to.
    """
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        yield file
    write_bytes(path, out.getvalue())


def write_hdf5(path: str | Path, arrays: Arrays, attributes: Mapping[str, Any] | None = None) -> None:
    """Write arrays as HDF5, whole or not at all; see `writing` and `hdf5_bytes`."""
    write_bytes(path, hdf5_bytes(arrays, attributes))


def image_bytes(pixels: NDArray[Any], file_format: str = "PNG", *, smallest: bool = False) -> bytes:
    """Pixels as an image file: grey (y, x) of 8 or 16 bits, RGB or RGBA (y, x, c) of 8 bits.

    `smallest` spends time on a smaller PNG.
    """
    import numpy as np
    from PIL import Image

    out = io.BytesIO()
    options = {"optimize": True} if smallest else {}
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, file_format, **options)
    return out.getvalue()


def write_png(path: str | Path, pixels: NDArray[Any]) -> None:
    """Write pixels as a PNG file, whole or not at all; see `writing` and `image_bytes`."""
    write_bytes(path, image_bytes(pixels))


def weights_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file that holds tensors by name, and text by name as its metadata."""
    from safetensors.torch import save

    kept = {
        name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()
    }  # none may share memory
    return save(kept, None if metadata is None else dict(metadata))


def write_weights(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as safetensors, whole or not at all; see `writing` and `weights_bytes`."""
    write_bytes(path, weights_bytes(tensors, metadata))


# ---------------------------------------------------------------------- what killed processes leave


def leftovers(folder: str | Path) -> list[Path]:
    """Temporary files and folders in `folder` and below whose process is gone, in the order of their paths.

    Processes are looked for on this machine only; where they cannot be looked for (not a POSIX system) nothing is
    called a leftover.
    """
    found = []
    for inside, folders, names in os.walk(folder):
        ours = [Path(inside) / name for name in (*folders, *names) if _OURS.fullmatch(name)]
        found += [path for path in ours if _gone(path)]
        folders[:] = [name for name in folders if Path(inside) / name not in ours]
    return sorted(found)


def remove_leftovers(folder: str | Path) -> list[Path]:
    """Remove what `leftovers` finds, and return it.

    A folder that was set aside to be replaced, by a process that did not live to put the new one there, is put back.
    """
    found = leftovers(folder)
    _clear(found)
    return found


def remove_folder(path: str | Path) -> None:
    """Remove a folder with all that is in it; it is gone whole, whenever that is stopped.

    Raises:
        FileError: it cannot be moved aside first.
    """
    path = Path(path)
    with told(path), _beside(path, _PART) as temporary:
        os.replace(path, temporary)
        _remove(temporary)


def remove_leftovers_of(path: str | Path) -> None:
    """Remove what killed processes left of one file or folder, half written or half removed."""
    _clear(_leftovers_of(Path(path)))


def is_temporary(path: Path) -> bool:
    """Whether the name is one that `writing` or `writing_folder` gives while it works."""
    return _OURS.fullmatch(path.name) is not None


def _leftovers_of(path: Path) -> list[Path]:
    """The leftovers of earlier writes of one file or folder."""
    start = f".{path.name}."
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = [path.parent / name for name in os.listdir(path.parent or ".") if name.startswith(start)]
        return sorted(p for p in found if _name_in(p) == path.name and _gone(p))
    return []


def _clear(found: Sequence[Path]) -> None:
    for path in found:
        first = path.with_name(_name_in(path)) if path.name.endswith(_OLD) else path
        if not first.exists():
            os.replace(path, first)
        else:
            _remove(path)


def _name_in(path: Path) -> str:
    match = _OURS.fullmatch(path.name)
    return match["name"] if match else ""


def _gone(path: Path) -> bool:
    """Whether the process that gave a temporary name lives no more."""
    match = _OURS.fullmatch(path.name)
    if match is None or os.name != "posix":
        return False
    process = int(match["process"])
    if process == os.getpid():
        return path.absolute() not in _at_work
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


# ---------------------------------------------------------------------- one write


@contextlib.contextmanager
def _beside(path: Path, kind: str) -> Iterator[Path]:
    """A name of ours in the same folder, that nobody has."""
    name = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.{kind}").absolute()
    _at_work.add(name)
    try:
        yield name
    finally:
        _at_work.discard(name)


def _remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, where it is there; of a link, the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange what two names of one folder mean, in one step; False where the system cannot, and nothing is done."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # of glibc since 2.28, and of musl
    if rename is None:
        return False
    done = rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _RENAME_EXCHANGE)
    return bool(done == 0)  # an error of the disk comes again from the renames that follow


def _move(temporary: Path, path: Path, old: Path) -> None:
    """Move a folder to its place; what is there is set aside first, and put back if the move fails."""
    if path.exists():
        os.replace(path, old)
    try:
        os.replace(temporary, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """An error of the system as one line that names `path` and what would help."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        fix = _FIXES.get(error.errno or 0, "check the path and the disk")
        raise FileError(f"{path} cannot be written ({reason}); {fix}.") from error


def _flush_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    """Make the names in a folder last; systems that cannot flush a folder do so themselves, or not at all."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
