"""`sclc demo` and `sclc run`: the whole job; `sclc search`: sizes for a run file's network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.options import (
    AlsoOverwrite,
    Device,
    FormerDirectory,
    Json,
    Sets,
    Threads,
    command,
    with_device,
)
from distill.cli.process import goes_on

if TYPE_CHECKING:
    from distill.job.config import RunConfig

Fresh = Annotated[bool, typer.Option("--fresh", help="Remove what an earlier run left there and begin anew.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "demo", demo)
    command(app, "run", run)
    command(app, "search", search)


def demo(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; runs/demo, or runs/demo-fast with --fast."),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="The same job with smaller counts, in well under a minute; for tests."),
    ] = False,
    sets: Sets = None,
    fresh: Fresh = False,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
    directory: FormerDirectory = None,
    overwrite: AlsoOverwrite = False,
) -> None:
    """The main job on the digits that come with the package: at most 5 minutes on 2 cores.

    Trains a nonlinear teacher, distils a linear optical network from it, puts that on an ideal and on a realistic 4f
    bench (532 nm, f = 200 mm, HOLOEYE PLUTO-2, 12-bit camera), refits its electronics there, writes the SLM frames,
    and verifies these files by wave propagation and in LightPipes.

    Reads nothing but the package. Writes OUTPUT/result.json (every number), report.html (open it in a browser),
    export/ (SLM frames) and the trained networks. Run again, it keeps every step whose inputs have not changed.

    Example: sclc demo --set bench.slm.bits=4 --output runs/four-bits
    """
    from distill.job.config import demo as shipped

    fresh = fresh or overwrite
    folder = output or directory or Path("runs/demo-fast" if fast else "runs/demo")
    again = " without --fresh" if fresh else ""
    with goes_on(f"the same command{again} goes on where it was"):
        _work(
            shipped(fast=fast, sets=with_device(sets, device)),
            folder,
            resume=not fresh,
            threads=threads,
            json=json,
        )


def run(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="What to do; see docs/run-config.md.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; runs/NAME by default.")
    ] = None,
    sets: Sets = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on in a directory that holds a run: steps with unchanged inputs are kept, an interrupted "
            "training continues, steps whose configuration has changed are done again.",
        ),
    ] = False,
    fresh: Fresh = False,
    device: Device = None,
    threads: Threads = None,
    json: Json = False,
    directory: FormerDirectory = None,
    overwrite: AlsoOverwrite = False,
) -> None:
    """The main job from a TOML file: your data, your network, your bench.

    Reads CONFIG.toml, the bench and the data it names. Writes the same files as `sclc demo`, into OUTPUT. A
    directory that holds a run already is touched only with --resume or --fresh.

    torchrun --nproc-per-node 4 -m distill run mine.toml trains each network in four processes.

    Example: sclc run mine.toml --set bench.camera.read_noise=5 --set 'data.source="digits.h5"' --resume
    """
    from distill.job.config import load
    from distill.job.ledger import CONFIG, folder_name
    from distill.job.named_files import relocated
    from optics.errors import OpticsError

    fresh = fresh or overwrite
    if resume and fresh:
        raise OpticsError("--resume goes on with a run and --fresh removes it; choose one of them.")
    chosen = load(config, sets=with_device(sets, device))
    folder = output or directory or Path("runs") / folder_name(chosen.name)
    if config.resolve() == (folder / CONFIG).resolve():  # the run's own, which may have moved with it
        chosen = relocated(chosen, folder)
    again = "" if resume else " with --resume in place of --fresh" if fresh else " with --resume"
    with goes_on(f"the same command{again} goes on where it was"):
        _work(chosen, folder, resume=True if resume else False if fresh else None, threads=threads, json=json)


def search(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="A run file; sizes around its student's are tried.")
    ],
    most: Annotated[
        int | None,
        typer.Option(
            "--most", min=1, help="Electronic multiply-accumulates that an image may cost; any number."
        ),
    ] = None,
    exposures: Annotated[
        int | None,
        typer.Option("--exposures", min=1, help="Camera exposures that an image may cost; any number."),
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Networks to try.")] = 30,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Of each training.")] = 5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; runs/NAME-search by default.")
    ] = None,
    sets: Sets = None,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Try sizes of a network: masks, kernels, bins, electronics and learning rate, within a budget.

    Each trial trains the student on labels alone for few epochs and is judged on the validation images; test images are
    not looked at. Writes search.json, the front of accuracy against operations and exposures (search.html, front.pdf,
    front.png), and best.toml, the run file of the best. Run again, it goes on. Needs the extra `search` (optuna).

    Example: sclc search examples/configs/cifar10-grey.toml --most 125000 --trials 40
    """
    from rich.table import Table

    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.job.config import load
    from distill.job.ledger import folder_name
    from distill.searches.trials import search as searched

    prepare(threads)
    told = load(config, sets=sets or ())
    folder = output or Path("runs") / f"{folder_name(told.name)}-search"
    with goes_on("the same command goes on behind the last whole trial"), cli_show.Bars() as bars:
        found = searched(
            told,
            folder=folder,
            trials=trials,
            epochs=epochs,
            most=most,
            most_exposures=exposures,
            ui=bars,
        )
    if json:
        cli_show.print_json(found.to_dict())
        return
    head, body = found.table()
    table = Table(title=f"{told.name}: the front of {len(found.trials)} trials")
    for name in head:
        table.add_column(name, justify="right")
    for cells in body:
        table.add_row(*cells)
    cli_show.out().print(table)
    cli_show.out().print(f"The best: sclc run {folder / 'best.toml'}", markup=False, soft_wrap=True)


def _work(config: RunConfig, folder: Path, *, resume: bool | None, threads: int | None, json: bool) -> None:
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.job.ledger import place
    from distill.job.result import Result
    from distill.pipeline import main_job as pipeline
    from distill.training.processes import Processes
    from optics.plan.hints import hints

    processes = Processes.joined()
    prepare(threads)
    folder = place(folder)
    if not processes.first:
        pipeline.run(config, folder, resume=resume, processes=processes)
        processes.leave()
        return
    with cli_show.Bars(hints(config.bench.resolve())) as bars:
        values = pipeline.run(config, folder, resume=resume, ui=bars, processes=processes)
    processes.leave()
    result = Result.model_validate(values)
    if json:
        cli_show.print_json(values)
    else:
        cli_show.show_result(result, folder, bars)
    if result.verdict is not None and not result.verdict.passed:
        raise typer.Exit(1)
