"""`sclc evaluate`, `export`, `verify`, `report`: the job's steps one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from distill.cli.options import (
    AlsoFresh,
    BenchName,
    Device,
    FileConfig,
    FormerCount,
    FormerDirectory,
    Json,
    Network,
    Sets,
    Threads,
    command,
    counted,
    with_device,
)
from distill.cli.process import goes_on


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "evaluate", evaluate)
    command(app, "export", export)
    command(app, "verify", verify)
    command(app, "report", report)


def evaluate(
    network: Network,
    bench: BenchName = None,
    sets: Sets = None,
    config: FileConfig = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows to this JSON file.")
    ] = None,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Put a trained network on a bench, and tell how many test images it gets right.

    Rows: `ideal_bench` (every flaw off), `bench_as_is`, and `bench_refit` (back end refitted on that bench), each with
    mean and standard deviation over independent noise draws; of a FILE also `given`, the network without a bench.
    Of a run, DIR, it is the distilled network. Changes nothing; stopped, the same command goes on with the refit.
    `--set bench.KEY=VALUE` changes one figure of the bench, in SI units, to see what a flaw costs;
    `--set student.realisation=staged` another way onto it.

    Examples: sclc evaluate runs/demo --set bench.slm.crosstalk=1.0 --set bench.alignment.mask_shift='[1e-4, 0.0]'

    sclc evaluate mine.safetensors --set data.source=mnist --bench bench.toml
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.pipeline.single_steps import bench_rows
    from optics.bench.spec import BenchSpec
    from optics.files import write_json
    from optics.plan.hints import hints

    prepare(threads)
    with goes_on("the same command goes on where it was"), cli_show.Bars() as bars:
        rows = bench_rows(network, config=config, bench=bench, sets=with_device(sets, device), ui=bars)
    if output is not None:
        write_json(output, rows)
    if json:
        cli_show.print_json(rows)
    else:
        cli_show.show_bench_rows(rows, hints(BenchSpec.model_validate(rows["bench"])))


def export(
    network: Network,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; DIR/export, or NAME-export beside a FILE."),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option("--images", min=1, help="Reference images with expected camera counts; as configured."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    onnx: Annotated[
        Path | None,
        typer.Option(
            "--onnx", metavar="FILE.onnx", help="Write the electronic back end as ONNX too (extra onnx)."
        ),
    ] = None,
    bench: BenchName = None,
    sets: Sets = None,
    config: FileConfig = None,
    threads: Threads = None,
    json: Json = False,
    count: FormerCount = None,
    fresh: AlsoFresh = False,
) -> None:
    """Write the files for the SLM: a run's distilled network on its bench, back end refitted; or a FILE's, as it is.

    Writes slm/frame-NNN.png (grey levels at the panel's native resolution), masks.h5 (complex masks, point-spread
    functions, levels), reference.h5 (images, labels, expected camera counts), backend.safetensors, and manifest.json
    (units, device, wavelength in metres, sha256 of every file, and which frame is shown when). Colours, tiles, stages,
    several wavelengths, a class per pixel and faces as well. --bench, --set and --config go with a FILE.

    Examples: sclc export runs/demo --output for-the-lab

    sclc export mine.safetensors --bench bench.toml --output for-the-lab
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.pipeline.single_steps import export_network

    prepare(threads)
    with cli_show.Bars() as bars:
        found = export_network(
            network,
            config=config,
            bench=bench,
            sets=sets or (),
            output=output,
            count=count if images is None else images,
            overwrite=overwrite or fresh,
            ui=bars,
        )
    if onnx is not None:
        from distill.export.onnx_file import write_onnx
        from distill.training.checkpoint import load

        found = found | {"onnx": str(write_onnx(load(network), onnx))}
    if json:
        cli_show.print_json(found)
    else:
        cli_show.out().print(
            f"{counted(found['slm_frames'], 'SLM frame')} in {found['directory']}", soft_wrap=True
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
        typer.Option(min=0.0, max=1.0, help="Least share of each engine's predictions that must agree."),
    ] = 0.98,
    wave_counts_error: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Largest relative difference of the counts by the wave path."),
    ] = 0.002,
    lightpipes_counts_error: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Largest relative difference of the counts by LightPipes.")
    ] = 0.02,
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
    which this project did not write. Each is judged on its answers (the share of images that get the prediction of the
    trained network; of a class per pixel, of the pixels; of faces, that lie nearest to their own vector) and on its
    camera counts (how far they are from the expected ones). Exit code 1 if either engine fails in either; the line says
    which, and what the likely causes are.

    A design's directory (`sclc design`) has no network: there the fields of single lit pixels are compared with the
    predicted ones, by the same limits as the counts; --lightpipes-images counts SLM frames then.

    Example: sclc verify runs/demo/export --lightpipes-images 20
    """
    from distill.cli import design as cli_design
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.export.design_manifest import is_design
    from distill.pipeline.single_steps import verify_directory
    from distill.verify.verdict import Limits

    prepare(threads)
    if is_design(directory):
        largest = {"wave": wave_counts_error, "lightpipes": lightpipes_counts_error}
        if not cli_design.verify_design(
            directory, frames=lightpipes_images, processes=processes, json=json, limits=largest
        ):
            raise typer.Exit(1)
        return
    limits = Limits(
        agreement=agreement,
        wave_counts_error=wave_counts_error,
        lightpipes_counts_error=lightpipes_counts_error,
    )
    options: dict[str, Any] = {
        "wave_images": wave_images,
        "lightpipes_images": lightpipes_images,
        "processes": processes,
    }
    with cli_show.Bars() as bars:
        target, found = verify_directory(directory, ui=bars, **options)
    verdict = found.judged(limits)
    if json:
        told = {"directory": str(target), **found.model_dump(mode="json")}
        cli_show.print_json(told | {"verdict": verdict.model_dump(mode="json")})
    else:
        cli_show.show_verification(found, verdict)
    if not verdict.passed:
        raise typer.Exit(1)


def report(
    network: Network,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="With a FILE: where to write; runs/NAME by default."),
    ] = None,
    bench: BenchName = None,
    sets: Sets = None,
    config: FileConfig = None,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
    directory: FormerDirectory = None,
) -> None:
    """Write DIR/report.html and DIR/result.json again from what a finished run holds; or make a run from a FILE.

    The run of a FILE trains no network: it calibrates, refits the back end on the bench, evaluates, writes the files
    for the SLM, verifies them and reports, in a directory that `evaluate`, `export` and `verify` take, too.

    Examples: sclc report runs/demo

    sclc report mine.safetensors --config mine.toml
    """
    from distill.cli import show as cli_show
    from distill.pipeline import single_steps
    from optics.errors import OpticsError

    if network.is_file():
        from distill.cli.process import prepare
        from distill.job.ledger import folder_name, place

        prepare(threads)
        folder = place(output or directory or Path("runs") / folder_name(network.stem))
        with goes_on("the same command goes on where it was"), cli_show.Bars() as bars:
            found = single_steps.report_file(
                network, folder, config=config, bench=bench, sets=with_device(sets, device), ui=bars
            )
    elif output or directory or bench is not None or sets or device or config is not None:
        raise OpticsError(
            f"{network} is no file; --output, --bench, --set, --device and --config go with the file of a network."
        )
    else:
        found = single_steps.report_run(network)
    if json:
        cli_show.print_json(found)
    else:
        cli_show.out().print(found["report"], soft_wrap=True)
