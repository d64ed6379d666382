"""How quickly the command starts: processor time of whole processes, in turns with one that imports typer alone.

Help and the version are asked in every completion and every script; they load no library that computes
(`tests/distill/cli/test_start.py`), and what they take is told as a ratio to Python with the same command-line library.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from typing import Any

from rich.table import Table

REFERENCE = "python -c 'import typer'"
COMMANDS: dict[str, list[str]] = {
    REFERENCE: ["-c", "import typer"],
    "sclc --version": ["-m", "distill.cli.main", "--version"],
    "sclc --help": ["-m", "distill.cli.main", "--help"],
    "sclc run --help": ["-m", "distill.cli.main", "run", "--help"],
    "sclc devices": ["-m", "distill.cli.main", "devices"],
}


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Processor seconds of each of `COMMANDS` and its ratio to the first, medians over the rounds.

    Args:
        quick: two rounds instead of fifteen.
    """
    rounds = 2 if quick else 15
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for k in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            before = _of_children()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            if k > 0:  # the first round brings the files into memory
                seconds[name].append(_of_children() - before)
    reference = seconds[REFERENCE]
    rows = [
        {
            "command": name,
            "seconds": statistics.median(taken),
            "ratio": statistics.median(a / b for a, b in zip(taken, reference, strict=True)),
        }
        for name, taken in seconds.items()
    ]
    return {"rounds": rounds, "reference": REFERENCE, "rows": rows}


def _of_children() -> float:
    """Processor time, user and system, of the processes that this one started and that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tables(result: dict[str, Any]) -> list[Table]:
    """A line a command."""
    table = Table(title=f"processor time of a whole process, {result['rounds']} rounds")
    for name in ("command", "seconds", f"times {result['reference']}"):
        table.add_column(name, justify="left" if name == "command" else "right")
    for row in result["rows"]:
        table.add_row(row["command"], f"{row['seconds']:.2f}", f"{row['ratio']:.2f}")
    return [table]
