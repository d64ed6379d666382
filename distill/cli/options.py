"""What several commands share: options with the help that a physicist reads, and how a command joins the others."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
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
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="What computes: cpu, cuda, cuda:1, mps, or auto, the first accelerator; as configured, else cpu.",
    ),
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
RIGS = "slmsuite:LAB.toml (devices that slmsuite drives), sim:TRUTH.toml (a simulated bench)"
Rig = Annotated[str, typer.Option("--rig", help=f"The bench itself: {RIGS}.")]
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

# former names of options, still taken, not shown
FormerDirectory = Annotated[Path | None, typer.Option("--directory", "-d", hidden=True)]
FormerCount = Annotated[int | None, typer.Option("--count", min=1, hidden=True)]
FormerImages = Annotated[Path | None, typer.Option("--images", hidden=True)]
AlsoBench = Annotated[str | None, typer.Option("--bench", hidden=True)]
AlsoFresh = Annotated[bool, typer.Option("--fresh", hidden=True)]
AlsoOverwrite = Annotated[bool, typer.Option("--overwrite", hidden=True)]

Draws = Annotated[int, typer.Option("--draws", min=1, help="Exposures of every image.")]
Images = Annotated[int | None, typer.Option("--images", min=2, help="Test images; all of them.")]
Refit = Annotated[
    bool,
    typer.Option("--refit", help="Fit the back end anew on every bench, too; takes several times longer."),
]
RefitImages = Annotated[
    int | None, typer.Option("--refit-images", min=2, help="Training images for that; all of them.")
]
NoiseSeed = Annotated[int | None, typer.Option("--seed", min=0, help="Of the noise; the run's own.")]
Processes = Annotated[
    int | None, typer.Option("--processes", min=1, help="Local processes; all processors. 1 is this one.")
]
Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="A Dask scheduler, such as tcp://host:8786.")
]


def command(app: typer.Typer, name: str, work: Callable[..., None]) -> None:
    """Add a command whose help is the docstring of `work`, its paragraphs unwrapped: typer keeps their line ends."""
    paragraphs = inspect.cleandoc(work.__doc__ or "").split("\n\n")
    app.command(name, help="\n\n".join(" ".join(p.split()) for p in paragraphs))(work)


def with_device(sets: list[str] | None, device: str | None) -> tuple[str, ...]:
    """The assignments with that of the device behind them, where one was asked for."""
    return (*(sets or ()), *([] if device is None else [f"device={json.dumps(device)}"]))


def counted(number: int, noun: str) -> str:
    """`1 kernel`, `2 kernels`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
