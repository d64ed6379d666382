"""`sclc results`, `controls`, `info`: finished runs kept as small files, and given controls; what a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import Device, Json, Threads, command


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "results", results)
    command(app, "controls", controls)
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


def controls(
    kept: Annotated[Path, typer.Argument(metavar="KEPT", help="A kept run, such as results/mine-seed0.")],
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="random_masks, no_mask, raw_image, shuffled.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the trainings; the same command goes on there.")
    ] = Path("runs/controls"),
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Train controls that a kept run has not, on the labels alone, from what is kept of it and its images.

    They are those of `sclc run` with `student.distilled_controls = false`; each joins the kept rows when it is done,
    marked as of the labels. A run whose directory is there takes them by `sclc run ... --resume`, distilled if the
    others are. In a table over seeds they count where no other seed's of that name was distilled.

    random_masks: masks at their first values; no_mask: a plain lens; raw_image: no optics; shuffled: the network's
    kernels with their taps in another order.

    Example: sclc controls results/cifar10-small-seed0 random_masks shuffled
    """
    from distill.cli import show as cli_show
    from distill.cli.process import goes_on, prepare
    from distill.job.ledger import RESULT
    from distill.job.result import Result
    from distill.job.rows import title_of
    from distill.keeping.more_controls import add_controls

    prepare(threads)
    with goes_on("the same command goes on behind the last whole epoch"), cli_show.Bars() as bars:
        add_controls(kept, names, output, device=device, ui=bars)
    rows = Result.read(kept / RESULT).rows.by_name()
    if json:
        cli_show.print_json({name: row.model_dump(mode="json") for name, row in rows.items()})
        return
    for name in ("linear", *names):
        row = rows[name]
        cli_show.out().print(
            f"{title_of(name)}: {row.metric} {100 * row.accuracy:.2f} ± {100 * row.uncertainty:.2f} %",
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
