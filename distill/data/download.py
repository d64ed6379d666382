"""Fetching a public file once, and only if its sha256 is the published one; what was cut off goes on where it was."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from optics.errors import OpticsError
from optics.files import make_folder, put_in_place
from optics.reading import home

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Remote:
    """A public file. url: where it is. sha256: hexadecimal. name: what it is called on disk."""

    url: str
    sha256: str
    name: str


def _idx(folder: str, digests: dict[str, str]) -> tuple[Remote, ...]:
    return tuple(
        Remote(f"{folder}{name}-ubyte.gz", digest, f"{name}-ubyte.gz") for name, digest in digests.items()
    )


_TORONTO = "https://www.cs.toronto.edu/~kriz/"
SETS: dict[str, tuple[Remote, ...]] = {
    "mnist": _idx(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion-mnist": _idx(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # its authors
        {
            "train-images-idx3": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    "cifar10": (
        Remote(
            f"{_TORONTO}cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "cifar-10-binary.tar.gz",
        ),
    ),
    "cifar100": (
        Remote(
            f"{_TORONTO}cifar-100-python.tar.gz",
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            "cifar-100-python.tar.gz",
        ),
    ),
}


def sha256_of(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def fetch(
    remote: Remote, directory: str | Path, *, timeout: float = 30.0, progress: Progress | None = None
) -> Path:
    """The file's path in `directory`, downloaded unless it is there already with the right sha256.

    What was received before a connection broke stays as `NAME.part`, and the next call asks for the rest only.

    Args:
        remote: what to fetch.
        directory: where to keep it; made if needed.
        timeout: seconds without an answer before giving up.
        progress: called with (bytes so far, bytes in all or None).

    Raises:
        OpticsError: the address cannot be reached, does not have the file, breaks off, or sends another sha256, or
            `directory` cannot be written to; under the file's own name nothing is kept then.
    """
    directory = home(directory)
    path = directory / remote.name
    if path.is_file() and sha256_of(path) == remote.sha256:
        return path
    make_folder(directory)
    part = path.with_name(f"{path.name}.part")
    try:
        with _answer(remote, path, part, timeout) as (answer, begun):
            size = _size(answer, begun)
            with part.open("ab" if begun else "wb") as out:
                _receive(answer, out.write, begun, size, progress)
                out.flush()
                os.fsync(out.fileno())
    except (OSError, HTTPException) as error:  # URLError, TimeoutError and ConnectionError are OSErrors
        raise OpticsError(_unreached(remote, path, part, error)) from error
    received = part.stat().st_size
    if size is not None and received < size:
        raise OpticsError(
            f"{remote.url} broke off after {received} of {size} bytes. The same command goes on from there."
        )
    found = sha256_of(part)
    if found != remote.sha256:
        part.unlink()
        raise OpticsError(
            f"{remote.url} sent a file with sha256 {found}, expected {remote.sha256}; it was not kept. Try again, or "
            f"put the right file at {path}."
        )
    put_in_place(part, path)
    return path


@contextmanager
def _answer(remote: Remote, path: Path, part: Path, timeout: float) -> Iterator[tuple[HTTPResponse, int]]:
    """What the address sends, and how many bytes before it are there already."""
    begun = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(remote.url)
    if begun:
        request.add_header("Range", f"bytes={begun}-")
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if not begun or error.code != 416:  # a part that is longer than the file
            raise
        part.unlink()
        answer, begun = urllib.request.urlopen(remote.url, timeout=timeout), 0
    with answer:
        yield answer, begun if answer.status == 206 else 0


def _size(answer: HTTPResponse, begun: int) -> int | None:
    """Bytes of the whole file, where that is told."""
    length = answer.headers.get("Content-Length")
    return begun + int(length) if length is not None and length.isdigit() else None


def _receive(
    answer: HTTPResponse,
    write: Callable[[bytes], object],
    done: int,
    size: int | None,
    progress: Progress | None,
) -> None:
    while block := answer.read(1 << 16):
        write(block)
        done += len(block)
        if progress is not None:
            progress(done, size)


def _unreached(remote: Remote, path: Path, part: Path, error: Exception) -> str:
    if isinstance(error, OSError) and error.filename in (str(part), str(path)):
        return f"{error.filename}: {error.strerror or error}."
    if isinstance(error, urllib.error.HTTPError):
        return (
            f"{remote.url} does not give the file ({error.code} {error.reason}). It may have moved: put the file at "
            f"{path} (sha256 {remote.sha256})."
        )
    reason = getattr(error, "reason", None) or error
    have = part.stat().st_size if part.is_file() else 0
    rest = f" {have} bytes are kept, and the same command goes on from there." if have else ""
    return (
        f"{remote.url} cannot be downloaded ({reason}).{rest} Connect to the network, or put the file at {path}; the "
        "shipped digits need no download: use the name 'digits'."
    )


def fetch_set(name: str, directory: Path, *, progress: Progress | None = None) -> Path:
    """All files of the public data set `name` (a key of `SETS`) in `directory`; returns the directory."""
    for remote in SETS[name]:
        fetch(remote, directory, progress=progress)
    return directory
