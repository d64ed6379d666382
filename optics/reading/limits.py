"""Reading what others made: limits before memory, and the one place where a foreign error becomes one of ours.

A reader asks `regular_file` for the path, `check_size` before it makes room for what a header promises, and does the
rest inside `reading`: whatever a library raises on a damaged file then is one line that names the file. Nothing heavy
is imported here.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import math
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optics.errors import OpticsError

if TYPE_CHECKING:
    from pydantic import ValidationError

MOST_VALUES = 2**31  # of one array; 8 GiB as float32
MOST_BYTES = 2**32  # of one file that is read whole
_LONGEST = 100  # characters that are kept of a foreign error, and of a value in a message


def regular_file(path: str | Path, *, what: str = "file", most: int = MOST_BYTES) -> Path:
    """The path with `~` replaced, of a regular file of at most `most` bytes.

    Raises:
        OpticsError: no such file, a folder, a pipe or a device, or too large.
    """
    found = home(path)
    try:
        status = found.stat()
    except (OSError, ValueError) as error:  # a NUL in a name is a ValueError
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise OpticsError(f"there is no {what} {found}; check the path.") from None
        raise OpticsError(f"{str(found)!r} cannot be opened: {reason(error)}.") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise OpticsError(f"{found} is {kind}, expected a regular file.")
    if status.st_size > most:
        raise OpticsError(f"{found} holds {status.st_size} bytes; at most {most} are read.")
    return found


def home(path: str | Path) -> Path:
    """The path with a leading `~` replaced by the user's folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no such user
        return Path(path)


def check_size(what: str, shape: Sequence[int], *, most: int = MOST_VALUES, fix: str = "") -> int:
    """The number of values in an array of `shape`, before any is read.

    Raises:
        OpticsError: a negative length, or more than `most` values.
    """
    count = prod(int(n) for n in shape)
    if any(int(n) < 0 for n in shape) or count > most:
        shown = "(" + ", ".join(str(n) for n in list(shape)[:8]) + (", ...)" if len(shape) > 8 else ")")
        raise OpticsError(
            f"{what} has shape {shown}, {count} values; at most {most} are read. {fix}".rstrip()
        )
    return count


@contextlib.contextmanager
def reading(
    what: str | Path, kind: str, *, fix: str = "it is truncated, damaged or of another kind."
) -> Iterator[None]:
    """Whatever the body raises becomes an OpticsError of one line: `what`, as which `kind`, why, and what would help.

    Errors of ours pass as they are, and so do KeyboardInterrupt and the like.
    """
    try:
        yield
    except OpticsError:
        raise
    except MemoryError:
        raise OpticsError(f"{what} needs more memory than there is; use fewer or smaller images.") from None
    except RecursionError:
        raise OpticsError(f"{what} cannot be read as {kind}: it is nested too deeply.") from None
    except Exception as error:
        raise OpticsError(f"{what} cannot be read as {kind} ({reason(error)}); {fix}") from error


def reason(error: BaseException) -> str:
    """The first line of what an error says, or its kind; short, and free of characters that do not print."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return shortened(lines[0].strip().rstrip(".:;") if lines else "") or type(error).__name__


def shortened(text: str, *, most: int = _LONGEST) -> str:
    """Text for a message: at most `most` characters, the end left out, and `?` for those that do not print."""
    printed = "".join(c if c.isprintable() else "?" for c in text[: most + 1])
    return printed if len(printed) <= most else printed[: most - 3] + "..."


def quoted(value: object) -> str:
    """A user's value as Python writes it, shortened: what stands behind `is` or `=` in a message."""
    try:
        return shortened(repr(value))
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"


def exists(path: Path) -> bool:
    """Whether there is something under a name that a user gave; False where no file can be called so."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or a NUL in it
        return False


def may_be_file(path: Path) -> bool:
    """Whether a name may stand for a file that is there: a folder of that name, an earlier output, is none."""
    return exists(path) and not path.is_dir()


def read_bytes(path: str | Path, *, most: int = MOST_BYTES) -> bytes:
    """A regular file whole; see `regular_file`."""
    found = regular_file(path, most=most)
    with reading(found, "a file"):
        return found.read_bytes()


def from_json(text: str | bytes) -> Any:
    """The value of a JSON text. NaN, infinity and numbers beyond every float, which JSON does not have, are refused.

    Raises:
        ValueError: no JSON.
        RecursionError: nested too deeply; `reading` makes both one line that names the file.
    """
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(word: str) -> float:
    found = float(word)
    return found if math.isfinite(found) else _refuse(shortened(word))


def unpacked(data: bytes, *, what: str | Path, most: int = MOST_BYTES) -> bytes:
    """The first `most` bytes of what a gzip file holds, one byte more if there are more; other data as it is."""
    if data[:2] != b"\x1f\x8b":
        return data
    with reading(what, "a gzip file"), gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        return stream.read(most + 1)


def inflated(data: bytes | memoryview, *, what: str | Path, most: int = MOST_BYTES) -> bytes:
    """What zlib-compressed bytes hold.

    Raises:
        OpticsError: damaged, truncated, or more than `most` bytes.
    """
    with reading(what, "zlib-compressed data"):
        machine = zlib.decompressobj()
        found = machine.decompress(data, most + 1)
        if len(found) > most:
            raise OpticsError(f"{what} unpacks to more than {most} bytes; that many are not read.")
        if not machine.eof:
            raise OpticsError(f"{what} ends within its compressed data; it is truncated.")
        return found


def damaged(path: Path, error: ValidationError, *, fix: str) -> OpticsError:
    """What a file of ours that does not follow its form is called: the first place that is wrong, in one line."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "its contents"
    return OpticsError(f"{path} is damaged: {quoted(where)}: {quoted(first['msg'])}; {fix}")


def sha256_of(path: Path) -> str:
    """sha256 of what a file of ours holds, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def listed(names: Sequence[str], *, most: int = 5) -> str:
    """Names for a message: the first few, and how many more there are."""
    shown = ", ".join(os.fspath(n) for n in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
