"""Fetching a public file once, and only if its sha256 is the published one."""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from optics.errors import OpticsError
from optics.files import make_folder, writing

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Remote:
    """A public file. url: where it is. sha256: hexadecimal. name: what it is called on disk."""

    url: str
    sha256: str
    name: str


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
SETS: dict[str, tuple[Remote, ...]] = {
    "mnist": tuple(
        Remote(_MNIST + name, digest, name)
        for name, digest in (
            (
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            (
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        )
    ),
    "cifar10": (
        Remote(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "cifar-10-binary.tar.gz",
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
    remote: Remote, directory: Path, *, timeout: float = 30.0, progress: Progress | None = None
) -> Path:
    """The file's path in `directory`, downloaded unless it is there already with the right sha256.

    Args:
        remote: what to fetch.
        directory: where to keep it; made if needed.
        timeout: seconds without an answer before giving up.
        progress: called with (bytes so far, bytes in all or None).

    Raises:
        OpticsError: the address cannot be reached, or what it sends has another sha256, or `directory` cannot be
            written to; nothing is kept then.
    """
    path = directory / remote.name
    if path.is_file() and sha256_of(path) == remote.sha256:
        return path
    make_folder(directory)
    total, done = hashlib.sha256(), 0
    with writing(path) as out:
        for block, size in _stream(remote, path, timeout):
            out.write(block)
            total.update(block)
            done += len(block)
            if progress is not None:
                progress(done, size)
        if total.hexdigest() != remote.sha256:
            raise OpticsError(
                f"{remote.url} sent a file with sha256 {total.hexdigest()}, expected {remote.sha256}; it was not "
                f"kept. Try again, or put the right file at {path}."
            )
    return path


def _stream(remote: Remote, path: Path, timeout: float) -> Iterator[tuple[bytes, int | None]]:
    """The blocks that the address sends, each with the size of the whole where it is told."""
    try:
        with urllib.request.urlopen(remote.url, timeout=timeout) as answer:
            length = answer.headers.get("Content-Length")
            size = int(length) if length is not None and length.isdigit() else None
            while block := answer.read(1 << 16):
                yield block, size
    except OSError as error:  # URLError, TimeoutError and ConnectionError are such
        reason = getattr(error, "reason", None) or error
        raise OpticsError(
            f"{remote.url} cannot be downloaded ({reason}). Connect to the network, or put the file at "
            f"{path}; the shipped digits need no download: use the name 'digits'."
        ) from error


def fetch_set(name: str, directory: Path, *, progress: Progress | None = None) -> Path:
    """All files of the public data set `name` (a key of `SETS`) in `directory`; returns the directory."""
    for remote in SETS[name]:
        fetch(remote, directory, progress=progress)
    return directory
