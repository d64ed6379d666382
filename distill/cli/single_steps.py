"""`sclc evaluate`, `export`, `verify`, `report`: the job's steps one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from distill.cli.options import Json, RunDirectory, Sets, Threads


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("evaluate")(evaluate)
    app.command("export")(export)
    app.command("verify")(verify)
    app.command("report")(report)


def evaluate(
    directory: RunDirectory,
    bench: Annotated[
        str | None,
        typer.Option(
            "--bench", help="Another bench: a shipped one's name, or a TOML file; see `sclc devices`."
        ),
    ] = None,
    sets: Sets = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows to this JSON file.")
    ] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Put the distilled network of a finished training on a bench, and tell how many test images it gets right.

    Rows: `ideal_bench` (every flaw off), `bench_as_is`, and `bench_refit` (back end refitted on that bench), each with
    mean and standard deviation over independent noise draws. Reads DIR; changes nothing in it. `--set bench.KEY=VALUE`
    changes one figure of the bench, in SI units, to see what a flaw costs.

    Example: sclc evaluate runs/demo --set bench.slm.crosstalk=1.0 --set bench.alignment.mask_shift='[1e-4, 0.0]'
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.pipeline.single_steps import bench_rows
    from optics.files import write_json

    prepare(threads)
    with cli_show.Bars() as bars:
        rows = bench_rows(directory, bench=bench, sets=sets or (), ui=bars)
    if output is not None:
        write_json(output, rows)
    if json:
        cli_show.print_json(rows)
    else:
        cli_show.show_bench_rows(rows)


def export(
    directory: RunDirectory,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; DIR/export by default.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="Reference images with expected camera counts; as configured."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Write the files for the SLM: the distilled network on its bench, back end refitted.

    Writes slm/frame-NNN.png (grey levels at the panel's native resolution), masks.h5 (complex masks, point-spread
    functions, levels), reference.h5 (images, labels, expected camera counts), backend.safetensors, and manifest.json
    (units, device, wavelength in metres, sha256 of every file).

    Example: sclc export runs/demo --output for-the-lab
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.pipeline.single_steps import export_run

    prepare(threads)
    with cli_show.Bars() as bars:
        found = export_run(directory, output=output, count=count, overwrite=overwrite, ui=bars)
    if json:
        cli_show.print_json(found)
    else:
        cli_show.out().print(
            f"{found['slm_frames']} SLM frames in {found['directory']}", markup=False, soft_wrap=True
        )


def verify(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="An exported directory (it holds manifest.json), or a run's."),
    ],
    wave_images: Annotated[
        int, typer.Option("--wave-images", min=1, help="Images through the wave path.")
    ] = 200,
    lightpipes_images: Annotated[
        int,
        typer.Option("--lightpipes-images", min=1, help="Images through LightPipes; about a second each."),
    ] = 50,
    agreement: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least share of answers, by the wave path, that must agree, else exit code 1.",
        ),
    ] = 0.98,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes", min=1, help="Images that LightPipes works on at once; one per processor."
        ),
    ] = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Prove exported files: read that directory alone and run its images through two optical engines.

    The levels come out of the PNG files; each plane is propagated by this project's wave path, and again by LightPipes,
    which this project did not write. Tells the accuracy of each and the share of images that get the answer of the
    trained network. Exit code 1 if fewer than the share asked for agree.

    Example: sclc verify runs/demo/export --lightpipes-images 20
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.pipeline.single_steps import verify_directory

    prepare(threads)
    options: dict[str, Any] = {
        "wave_images": wave_images,
        "lightpipes_images": lightpipes_images,
        "processes": processes,
    }
    with cli_show.Bars() as bars:
        target, found = verify_directory(directory, ui=bars, **options)
    if json:
        cli_show.print_json({"directory": str(target), **found.model_dump(mode="json")})
    else:
        cli_show.show_verification(found)
    if not found.agrees(agreement):
        raise typer.Exit(1)


def report(directory: RunDirectory, json: Json = False) -> None:
    """Write DIR/report.html and DIR/result.json again from what a finished run holds.

    Example: sclc report runs/demo
    """
    from distill.cli import show as cli_show
    from distill.pipeline.single_steps import report_run

    found = report_run(directory)
    if json:
        cli_show.print_json(found)
    else:
        cli_show.out().print(found["report"], markup=False, soft_wrap=True)
