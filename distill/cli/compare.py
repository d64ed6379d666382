"""`sclc compare`: one network on several benches, one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import (
    Dask,
    Device,
    Draws,
    FileConfig,
    Images,
    Json,
    Network,
    NoiseSeed,
    Processes,
    Refit,
    RefitImages,
    Sets,
    command,
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "compare", compare)


def compare(
    network: Network,
    bench: Annotated[
        list[str],
        typer.Option(
            "--bench",
            help="A shipped bench's name or a TOML file; 'ideal' is the network's own bench without a flaw, 'own' as "
            "it is. Twice or more; the others are compared with the first.",
        ),
    ],
    flaws: Annotated[
        bool, typer.Option("--flaws/--no-flaws", help="What mending each flaw of each bench would earn.")
    ] = True,
    draws: Draws = 10,
    images: Images = None,
    refit: Refit = False,
    refit_images: RefitImages = None,
    seed: NoiseSeed = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; NAME-compare beside the network.")
    ] = None,
    processes: Processes = None,
    dask: Dask = None,
    device: Device = None,
    sets: Sets = None,
    config: FileConfig = None,
    json: Json = False,
) -> None:
    """Put one network on several benches: one page that says which does best, how sure that is, and why.

    Accuracies with standard errors, paired differences, what differs between the benches, the same input through each,
    which images changed their answer, what mending each flaw earns, light and time. Writes compare.html, compare.json,
    compare.pdf and compare.png. Stopped on the way, the same command goes on.

    Example: sclc compare runs/demo --bench ideal --bench pluto2-200mm --bench bench.toml
    """
    from rich.box import SIMPLE
    from rich.table import Table

    from distill.cli import show as cli_show
    from distill.cli.process import goes_on, prepare
    from distill.comparison import comparison
    from distill.studies.statistics import as_it_comes

    prepare(1)
    with goes_on("the same command goes on with the benches that are missing"), cli_show.Bars() as bars:
        found = comparison.compare(
            network,
            bench,
            flaw_costs=flaws,
            draws=draws,
            images=images,
            refit=refit,
            refit_images=refit_images,
            folder=output,
            processes=processes,
            dask=dask,
            seed=seed,
            device=device,
            config=config,
            sets=sets or (),
            ui=bars,
        )
    if json:
        cli_show.print_json(found.to_dict())
        return
    head, lines = found.table()
    table = Table(title=f"{found.plan.name}: {found.rows[0].as_is.sample}, ± standard error", box=SIMPLE)
    for name in head:
        table.add_column(name, no_wrap=name != "note")
    for line in lines:
        table.add_row(*line)
    cli_show.out().print(table)
    if found.plan.conditions.refit is None:
        cli_show.out().print(as_it_comes(found.plan.figure), markup=False, soft_wrap=True)
    cli_show.out().print(f"Page: {found.folder / 'compare.html'}", markup=False, soft_wrap=True)
