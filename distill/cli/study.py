"""`sclc study`: vary anything of a bench, rank its flaws, draw benches within tolerances."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill.cli.options import (
    BenchName,
    Dask,
    Device,
    Draws,
    FileConfig,
    Images,
    Json,
    NoiseSeed,
    Processes,
    Refit,
    RefitImages,
    Sets,
    command,
)

if TYPE_CHECKING:
    from distill.studies.result import Study

Network = Annotated[
    Path,
    typer.Argument(
        metavar="DIR|FILE",
        help="The directory of a run, or the file of a network; with --cell the folder of a study.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "study", study)


def study(
    network: Network,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="PATH=VALUES",
            help="What is varied, one at a time; may be repeated. A..B (whole numbers), A..B:5 (5 values), A..B:log, "
            "or a list as 1,2,5; PATH as in a bench file, or student.backend.KEY with --refit.",
        ),
    ] = None,
    grid: Annotated[bool, typer.Option("--grid", help="All combinations of what is varied.")] = False,
    ranking: Annotated[
        bool | None,
        typer.Option(
            "--ranking/--no-ranking",
            help="What each flaw of the bench costs alone and mending it earns; on where nothing else is asked.",
        ),
    ] = None,
    monte_carlo: Annotated[
        int,
        typer.Option(
            "--monte-carlo", min=0, help="Draw so many benches within the tolerances: a yield curve."
        ),
    ] = 0,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--tolerance",
            metavar="KEY=VALUE",
            help="Standard deviation of an alignment, SI, in place of the usual ones; may be repeated. "
            "Example: --tolerance mask_shift='[2e-5, 2e-5]'",
        ),
    ] = None,
    draws: Draws = 10,
    images: Images = None,
    refit: Refit = False,
    refit_images: RefitImages = None,
    seed: NoiseSeed = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; NAME-study beside the network.")
    ] = None,
    processes: Processes = None,
    dask: Dask = None,
    device: Device = None,
    cells: Annotated[
        bool, typer.Option("--cells", help="Compute nothing; print one command a bench, for a Slurm array.")
    ] = False,
    cell: Annotated[
        str | None,
        typer.Option("--cell", metavar="KEY", help="Do one bench of the study in DIR, and no more."),
    ] = None,
    bench: BenchName = None,
    sets: Sets = None,
    config: FileConfig = None,
    json: Json = False,
) -> None:
    """Vary anything of a bench and see what it does to a trained network; without --vary, rank the bench's flaws.

    All benches meet the same images and the same noise, so that their differences are sharp; every figure has its
    standard error, noise and sampling told apart. Writes study.csv, study.h5, study.json, ranking.csv, and a figure,
    study.pdf and study.png. Stopped on the way, the same command goes on with the benches that are missing.

    Examples: sclc study runs/demo --vary slm.bits=1..8 --vary light.photons=1e1..1e5:log

    sclc study runs/demo --ranking --refit

    sclc study runs/demo --monte-carlo 100 --tolerance mask_shift='[2e-5, 2e-5]'
    """
    from distill.cli import show as cli_show
    from distill.cli.process import goes_on, prepare
    from distill.pipeline import study as studies

    prepare(1)
    if cell is not None:
        studies.one_cell(network, cell)
        return
    options: dict[str, Any] = {
        "vary": vary or (),
        "grid": grid,
        "ranking": ranking,
        "monte_carlo": monte_carlo,
        "tolerance": studies.tolerances(tolerance or ()),
        "draws": draws,
        "images": images,
        "refit": refit,
        "refit_images": refit_images,
        "seed": seed,
        "device": device,
        "folder": output,
        "bench": bench,
        "sets": sets or (),
        "config": config,
    }
    if cells:
        folder, keys = studies.cells(network, **options)
        sys.stdout.write("".join(f"sclc study {folder} --cell {key}\n" for key in keys))
        return
    with goes_on("the same command goes on with the benches that are missing"), cli_show.Bars() as bars:
        found = studies.study(network, **options, processes=processes, dask=dask, ui=bars)
    if json:
        cli_show.print_json(found.to_dict())
    else:
        _show(found)


def _show(found: Study) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from distill.cli.show import out
    from distill.studies.statistics import as_it_comes

    def table(title: str, head: list[str], lines: list[list[str]]) -> None:
        made = Table(title=title, box=SIMPLE)
        for k, name in enumerate(head):
            made.add_column(
                name, justify="left" if k == 0 or name == "note" else "right", no_wrap=name != "note"
            )
        for line in lines:
            made.add_row(*line)
        out().print(made)

    c = found.plan.conditions
    table(
        f"{found.plan.name}: {found.rows[0].best.sample}, {c.draws} draws, ± standard error", *found.table()
    )
    if c.refit is None:
        out().print(as_it_comes(found.plan.figure), markup=False, soft_wrap=True)
    if found.ranking:
        table(f"Flaws: paired differences of {found.plan.figure}", *found.ranking_table())
    if drawn := found.of("drawn"):
        values = sorted(row.best.mean for row in drawn)
        low, middle = values[len(values) // 10], values[len(values) // 2]
        out().print(
            f"{len(values)} drawn benches: half reach {100 * middle:.2f} %, nine of ten reach {100 * low:.2f} %",
            markup=False,
        )
    for skipped in found.plan.skipped:
        out().print(f"left out: {skipped.what}: {skipped.reason}", markup=False, soft_wrap=True)
    out().print(f"Figure: {found.folder / 'study.pdf'}", markup=False, soft_wrap=True)
