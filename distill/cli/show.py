"""What the command line shows: progress on stderr, tables or JSON on stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from distill import progress
from distill.job.result import Result
from distill.job.rows import TRAINED
from distill.metrics.row import Row
from distill.report.remarks import distillation
from distill.verify.verdict import AGREE, Verdict, Verification
from optics.bench.catalogue import dotted

_WIDE = 132  # characters a line where stdout is not a terminal
_FIGURES = ("± draws", "± sampling", "draws", "images")
_ERRORS = (
    "± draws: standard deviation over draws, with the same images; a draw is one of the noise on a bench, one training "
    "without. ± sampling: standard error from having only so many test images."
)
_ENCODINGS = (
    "efficiency: share of the light on the mask that the signal order carries. relative: that order's light over what "
    "an ideal complex modulator would send there; above 100 % where an encoding makes the mask's weak parts brighter "
    "than they should be, which the error shows. error: relative rms of the far field around the order. zero order: "
    "share of the light that stays on the axis."
)
_ROOMY = 120  # characters a line from which the devices' titles are shown


class Bars:
    """The command's progress on stderr: `distill.progress.Bars` with a line for each step that is finished or kept.

    `notes` are shown when the first step begins. A context manager: `with Bars() as bars:` takes the bars away at its
    end, whatever happened.
    """

    def __init__(self, notes: Sequence[str] = ()) -> None:
        self.notes = list(notes)
        self.console = _console(stderr=True)
        self.started = time.perf_counter()
        self._bars = progress.Bars(self._say, shown=self.console.is_terminal)

    def _say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)

    def begin(self, step: str, title: str) -> None:
        """Show a bar for the step."""
        while self.notes:
            self._say(f"note: {self.notes.pop(0)}")
        self._bars.begin(step, title)

    def progress(self, step: str, done: int, total: int, note: str = "") -> None:
        """Move the step's bar."""
        self._bars.progress(step, done, total, note)

    def end(self, step: str, seconds: float) -> None:
        """Replace the bar by one line."""
        self._bars.end(step, seconds)

    def kept(self, step: str, title: str) -> None:
        """One line for a step that need not be repeated."""
        self._bars.kept(step, title)

    def note(self, text: str) -> None:
        """One line about what the user should know of."""
        self._bars.note(text)

    def __enter__(self) -> Bars:
        """Nothing is shown before the first step begins."""
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bars away."""
        self._bars.__exit__(*error)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each step took."""
        return self._bars.seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the first."""
        return time.perf_counter() - self.started


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def out() -> Console:
    """The console for results: stdout; wide where it is not a terminal, so that nothing is cut."""
    console = _console()
    return console if console.is_terminal else _console(width=_WIDE)


def _console(**options: Any) -> Console:
    """A console that shows text as it is: names of runs, devices and classes may look like rich's markup."""
    return Console(highlight=False, markup=False, emoji=False, **options)


def show_result(result: Result, folder: Path, bars: Bars) -> None:
    """The rows, the verification, the report's path, the seconds of each step done now and in all."""
    console = out()
    table = Table(title=f"{result.name}: test images of {result.data['source_name']}")
    table.add_column("row", no_wrap=True)
    for name in (result.rows.bench_refit.metric, *_FIGURES):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("read-out", no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    for name, row in result.rows.by_name().items():
        eye = "-" if name == "teacher" else result.readout
        last = name in ("teacher", TRAINED[-1], "given")  # of its part of the table
        table.add_row(name, *_cells(row), eye, f"{result.operations.of(name):,}", end_section=last)
    console.print(table)
    console.print(_ERRORS, soft_wrap=True)
    for name, row in result.rows.by_name().items():
        if row.figures:
            console.print(f"{name}: {row.told()}", soft_wrap=True)
    if words := distillation(result.rows, result.gain):
        console.print(words, soft_wrap=True)
    if result.verify is not None:
        show_verification(result.verify, result.verdict or result.verify.judged())
    console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
    spent = ", ".join(f"{name} {value:.1f}" for name, value in bars.seconds.items()) or "every step kept"
    console.print(f"Seconds: {spent}; in all {bars.elapsed:.1f}", soft_wrap=True)


def show_bench_rows(found: Mapping[str, Any], notes: Sequence[str] = ()) -> None:
    """Rows of one network on one bench, and what to know of that."""
    table = Table(title=f"on the bench {found['bench']['name']!r}")
    table.add_column("row", no_wrap=True)
    rows = {name: Row(**row) for name, row in found["rows"].items()}
    for name in (next((row.metric for row in rows.values()), "accuracy"), *_FIGURES):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in rows.items():
        table.add_row(name, *_cells(row))
    console = out()
    console.print(table)
    console.print(_ERRORS, soft_wrap=True)
    for line in notes:
        console.print(f"note: {line}", soft_wrap=True)


def _cells(row: Row) -> tuple[str, ...]:
    """The row's figure of merit and those of `_FIGURES`, in points of per cent."""
    spread = f"{100 * row.spread:.2f}" if row.draws > 1 else "-"
    sampling = f"{100 * row.uncertainty:.2f}"
    return f"{100 * row.accuracy:.2f} %", spread, sampling, str(row.draws), str(row.images)


def show_verification(found: Verification, verdict: Verdict) -> None:
    """One line for each engine, the verdict, what else to know, and what the engines share."""
    for name, part in found.engines().items():
        line = "not run"
        if part is not None:
            right = "" if part.accuracy is None else f"accuracy {100 * part.accuracy:.1f} %, "
            agree = "" if part.agreement is None else f"{100 * part.agreement:.1f} % {AGREE[part.answers]}, "
            line = f"{part.images:>4} images, {right}{agree}camera counts differ by {100 * part.counts_error:.2g} %"
        out().print(f"{name:<11}{line}", soft_wrap=True)
    for text in (verdict.line, *verdict.notes):
        out().print(text, soft_wrap=True)
    if found.shared:
        out().print(f"Both engines share: {'; '.join(found.shared)}.", soft_wrap=True)


def show_devices(rows: list[dict[str, Any]], benches: list[str]) -> None:
    """The catalogue as a table."""
    table = Table(title="Devices: `sclc devices NAME` tells every figure and its source", box=SIMPLE)
    cells = []
    for row in rows:
        figures = row["figures"]
        shape = figures.get("shape")
        bits = figures.get("bits", figures.get("adc", {}).get("bits"))
        cells.append(
            (
                row["name"],
                row["kind"],
                f"{shape[0]} x {shape[1]}" if shape else "-",
                f"{1e6 * figures['pitch']:.3g} µm" if "pitch" in figures else "-",
                str(bits) if bits is not None else "-",
                row["title"],
            )
        )
    for k, name in enumerate(("name", "kind", "pixels y, x", "pitch", "bits")):
        table.add_column(name, no_wrap=True, min_width=max(len(c[k]) for c in [*cells, [name] * 5]))
    console = out()
    if roomy := console.width >= _ROOMY:
        table.add_column("title", no_wrap=True, overflow="ellipsis")
    for line in cells:
        table.add_row(*(line if roomy else line[:-1]))
    console.print(table)
    if benches:
        console.print(f"Benches: {', '.join(benches)}")


def show_encodings(title: str, rows: list[dict[str, Any]]) -> None:
    """Efficiency and error of each encoding."""
    table = Table(title=title)
    table.add_column("encoding", no_wrap=True)
    for name in ("efficiency %", "relative %", "error %", "zero order %"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        shares = (row[k] for k in ("efficiency", "relative", "error", "zero_order"))
        table.add_row(row["method"], *(f"{100 * v:.2f}" for v in shares))
    out().print(table)
    out().print(_ENCODINGS, soft_wrap=True)


def show_device(found: Mapping[str, Any]) -> None:
    """One device: every figure and where it comes from."""
    table = Table(title=found["title"])
    for name in ("figure", "value", "source"):
        table.add_column(name, no_wrap=name != "source")
    for key, value in dotted(found["figures"]):
        table.add_row(key, str(value), found["source"].get(key, ""))
    console = out()
    console.print(table)
    if found["note"]:
        console.print(found["note"])
