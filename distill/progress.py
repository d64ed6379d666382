"""What a long job tells whoever watches it: bars by `tqdm.auto`, in a terminal and in a notebook, nothing in a pipe."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

Progress = Callable[[int, int, str], None]
_TITLE = 44  # characters for the title of a step
_BAR = "{desc} {percentage:3.0f}% |{bar:24}| {postfix} {elapsed}"
_STILL = "{desc} {postfix}"  # before anybody knows how much there is to do


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

    def note(self, text: str) -> None:
        """What the user should know of; the job goes on."""


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

    def note(self, text: str) -> None:
        """Nothing."""


def seen() -> bool:
    """Whether anybody watches: standard error is a terminal, or this is a notebook's kernel."""
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and "IPKernelApp" in running.config


def _tqdm(**options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a notebook without widgets gets bars of text
        from tqdm.auto import tqdm
    return tqdm(file=sys.stderr, leave=False, dynamic_ncols=True, miniters=1, **options)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Bars:
    """A watcher with a bar for each step at work; a context manager that takes the bars away at its end.

    Args:
        say: told a line for each step that is finished or kept; None leaves that out.
        shown: draw bars; by default where somebody watches, see `seen`.
    """

    def __init__(self, say: Callable[[str], None] | None = None, *, shown: bool | None = None) -> None:
        self.say = say
        self.shown = seen() if shown is None else shown
        self.seconds: dict[str, float] = {}
        self._titles: dict[str, str] = {}
        self._bars: dict[str, Any] = {}
        self._lock = threading.Lock()

    def begin(self, step: str, title: str) -> None:
        """Show a bar for the step."""
        self._titles[step] = title
        if self.shown:
            with self._lock:
                self._bars[step] = _tqdm(total=None, desc=f"{title:<{_TITLE}}", bar_format=_STILL)

    def progress(self, step: str, done: int, total: int, note: str = "") -> None:
        """Move the step's bar."""
        if not self.shown or step not in self._titles:
            return
        with self._lock:
            bar = self._bars.get(step)
            if bar is None or bar.total != total:
                if bar is not None:
                    bar.close()
                bar = _tqdm(total=total, desc=f"{self._titles[step]:<{_TITLE}}", bar_format=_BAR)
                self._bars[step] = bar
            bar.set_postfix_str(note, refresh=False)
            bar.update(done - bar.n)

    def end(self, step: str, seconds: float) -> None:
        """Take the step's bar away, and say how long it took."""
        self.seconds[step] = seconds
        self._close(step)
        self._line(f"{self._titles.pop(step, step):<{_TITLE}} {seconds:7.1f} s")

    def kept(self, step: str, title: str) -> None:
        """One line for a step that need not be repeated."""
        self._line(f"{title:<{_TITLE}}    kept")

    def note(self, text: str) -> None:
        """One line, also where no lines are asked for but somebody watches."""
        self._line(f"note: {text}", by=self.say or (_to_stderr if self.shown else None))

    def _line(self, text: str, by: Callable[[str], None] | None = None) -> None:
        say = by or self.say
        if say is None:
            return
        with self._lock:
            for bar in self._bars.values():
                bar.clear()
            say(text)
            for bar in self._bars.values():
                bar.refresh()

    def _close(self, step: str) -> None:
        with self._lock:
            bar = self._bars.pop(step, None)
            if bar is not None:
                bar.close()

    def __enter__(self) -> Bars:
        """Nothing is shown before the first step begins."""
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bars away."""
        for step in list(self._bars):
            self._close(step)


@contextlib.contextmanager
def watched(ui: Watcher | None) -> Iterator[Watcher]:
    """The watcher that was given, or bars where somebody watches."""
    if ui is not None:
        yield ui
        return
    with Bars() as bars:
        yield bars


@contextlib.contextmanager
def told(progress: Progress | None, title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """The callback that was given, `progress(done, total, note)`, or a bar where somebody watches; quiet: none."""
    if progress is not None:
        yield progress
        return
    with Bars(shown=False if quiet else None) as bars:
        bars.begin("", title)

        def tell(done: int, total: int, note: str = "") -> None:
            bars.progress("", done, total, note)

        yield tell
