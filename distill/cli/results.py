"""`sclc results`, `sclc info`: finished runs kept as small files and side by side; what a run or a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import Json, command


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "results", results)
    command(app, "info", info)


def results(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Directories of finished runs to keep; none only shows.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of what is kept.")] = Path("results"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what was kept under the same name and seed.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table alone, in Markdown.")] = False,
    json: Json = False,
) -> None:
    """Keep finished runs as small files that belong into a repository, and show the table of all.

    Of each run: its numbers, configuration, training history, bench network (under 2 MB), a chart, and a manifest with
    the sha256 of each. Runs that differ in their seed alone are one line, mean ± standard deviation over seeds.

    Example: sclc results runs/cifar10-0 runs/cifar10-1 runs/cifar10-2 -o results
    """
    import sys

    from rich.table import Table

    from distill.cli import show as cli_show
    from distill.keeping.table import results as gathered

    found = gathered(runs or (), folder=output, overwrite=overwrite)
    if json:
        cli_show.print_json(found.to_dict())
        return
    if markdown:
        sys.stdout.write(found.markdown())
        return
    table = Table(title=f"{output}: per cent, ± standard deviation over seeds")
    for name in found.head():
        table.add_column(name)
    for cells in found.body():
        table.add_row(*cells)
    console = cli_show.out()
    console.print(table)
    for line in found.lines:
        gain = line.gain
        if gain is not None:
            console.print(
                f"{line.name}: distilled less labels alone {100 * gain[0]:+.1f} ± {100 * gain[1]:.1f} points "
                "(standard error of seeds and images)",
                soft_wrap=True,
            )


def info(
    path: Annotated[
        Path, typer.Argument(metavar="RUN|FILE", help="A run, an export, a design, or any file of ours.")
    ],
    json: Json = False,
) -> None:
    """Tell what a directory or a file is: by which version it was made, data, seed, accuracy, sizes, operations.

    Opens nothing that it names elsewhere, so it answers for a run that was made on another machine.

    Examples: sclc info runs/demo

    sclc info mine.safetensors
    """
    from distill.cli import show as cli_show
    from distill.job.about import about

    facts = about(path)
    if json:
        cli_show.print_json({"path": str(path), **facts})
        return
    console = cli_show.out()
    console.print(f"{path}: {facts.pop('what')}", soft_wrap=True)
    for name, value in facts.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        console.print(
            f"  {name:<36} {', '.join(map(str, value)) if isinstance(value, list) else value}", soft_wrap=True
        )
