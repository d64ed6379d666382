"""What a long job tells whoever watches it. The library calls this; only the command line prints."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Receives the progress of a job; steps that run side by side call it from their own threads."""

    def begin(self, step: str, title: str) -> None:
        """A step begins; `title` says in words what it does."""

    def progress(self, step: str, done: int, total: int, note: str = "") -> None:
        """Within a step: `done` of `total`, with a short note such as the validation accuracy."""

    def end(self, step: str, seconds: float) -> None:
        """The step is finished."""

    def kept(self, step: str, title: str) -> None:
        """The step was done before for the same inputs and is not repeated."""


class Silent:
    """A watcher that says nothing."""

    def begin(self, step: str, title: str) -> None:
        """Nothing."""

    def progress(self, step: str, done: int, total: int, note: str = "") -> None:
        """Nothing."""

    def end(self, step: str, seconds: float) -> None:
        """Nothing."""

    def kept(self, step: str, title: str) -> None:
        """Nothing."""
