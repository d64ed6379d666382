"""`sclc results`: keep finished runs as small files, and show them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import Json, command


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "results", results)


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
        gain = line.gain()
        if gain is not None:
            console.print(
                f"{line.name}: distilled less labels alone {100 * gain[0]:+.1f} ± {100 * gain[1]:.1f} points "
                "(standard error of seeds and images)",
                soft_wrap=True,
            )
