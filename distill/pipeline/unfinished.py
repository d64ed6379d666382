"""A command that writes nothing but its answer, killed on its way, goes on where it was.

Its work is kept in a hidden folder beside what it reads, until it has answered: `DIR/.evaluate` of a run,
`.NAME.evaluate` of a file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from distill.job.ledger import LEDGER, LOCK, Ledger
from distill.training.train_loop import CHECKPOINT, METRICS
from optics.errors import OpticsError

_STEP = "refit"


@contextlib.contextmanager
def kept(network: Path, command: str, key: str) -> Iterator[Path | None]:
    """A folder for a training's checkpoint, with what the same command has left there; removed when the body is done.

    Args:
        network: a run's directory, or the file of a network.
        command: names the folder.
        key: hash of all that the training depends on; what was done for another is removed.

    Yields:
        The folder, or None where nothing can be kept: the place cannot be written, or another process is at it.
    """
    folder = network / f".{command}" if network.is_dir() else network.with_name(f".{network.name}.{command}")
    with contextlib.ExitStack() as stack:
        try:
            book = Ledger(folder, {_STEP: (f"{_STEP}/{CHECKPOINT}", f"{_STEP}/{METRICS}")})
            stack.enter_context(book.locked())
            book.begin()
            book.drop_stale({_STEP: key})
        except OpticsError:
            book = None
        if book is None:
            yield None
            return
        with book.working(_STEP, key, keep=True):
            yield folder / _STEP
        book.clear()
        for name in (LEDGER, LOCK):
            (folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else is in it
            folder.rmdir()
