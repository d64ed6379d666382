"""Options that several benchmarks share, each described once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Allocator(str, Enum):
    """What glibc does with freed memory."""

    default = "default"
    keep = "keep"


Json = Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")]
Peers = Annotated[bool, typer.Option("--peers", help="Measure other packages too, where they are installed.")]
Quick = Annotated[bool, typer.Option("--quick", help="A short run, to see that it works; noisy numbers.")]
Malloc = Annotated[
    Allocator,
    typer.Option(
        "--allocator",
        help="'keep': freed memory stays in the process (fewer page faults), for everyone alike.",
    ),
]

Factor = Annotated[
    list[float] | None,
    typer.Option(min=1e-3, help="Of the file's learning rate; may be repeated. 0.3, 1 and 3 by default."),
]
Epochs = Annotated[int | None, typer.Option(min=1, help="In place of the file's own.")]
Trainings = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="Folder of the teachers and of finished trainings; the same command goes on there.",
    ),
]
Sets = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as of `sclc run`.")]
