"""What a long job tells whoever watches it. The library calls this; only the command line prints."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Receives the progress of a job."""

    def begin(self, step: str, title: str) -> None:
        """A step begins; `title` says in words what it does."""

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Within the current step: `done` of `total`, with a short note such as the validation accuracy."""

    def end(self, step: str, seconds: float) -> None:
        """The step is finished."""

    def kept(self, step: str, title: str) -> None:
        """The step was done before for the same inputs and is not repeated."""


class Silent:
    """A watcher that says nothing."""

    def begin(self, step: str, title: str) -> None:
        """Nothing."""

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Nothing."""

    def end(self, step: str, seconds: float) -> None:
        """Nothing."""

    def kept(self, step: str, title: str) -> None:
        """Nothing."""
