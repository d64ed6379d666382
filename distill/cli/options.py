"""Options that several commands share, with the help that a physicist reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else; for scripts.")
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Processor threads; all of them by default, or OMP_NUM_THREADS."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace one value of the configuration, written as in TOML; may be repeated. "
        "Example: --set bench.slm.bits=4 --set student.training.epochs=10",
    ),
]
Network = Annotated[
    Path,
    typer.Argument(
        metavar="DIR|FILE",
        help="The directory of a run, such as runs/demo, or the file of a network, as distill.save wrote it.",
    ),
]
BenchName = Annotated[
    str | None,
    typer.Option("--bench", help="Another bench: a shipped one's name, or a TOML file; see `sclc devices`."),
]
FileConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="CONFIG.toml",
        help="With a FILE: a run's configuration, which names its data and its bench; the digits and pluto2-200mm "
        "by default.",
    ),
]
