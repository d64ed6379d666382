"""`python -m benchmarks NAME`: run one benchmark and print its table, or JSON for machines."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.options import Allocator, Epochs, Factor, Json, Malloc, Peers, Quick, Sets, Trainings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Speed and accuracy, as ratios measured in one run. One thread; CPU time.",
)

# glibc: take large blocks from the heap and never give freed pages back
_KEEP = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "-1",
    "MALLOC_TOP_PAD_": "67108864",
}


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"benchmarks.{name}":
            raise
        typer.echo(f"this checkout has no benchmarks/{name}.py", err=True)
        raise typer.Exit(2) from None


def _run(name: str, /, *, as_json: bool, allocator: Allocator = Allocator.default, **options: Any) -> None:
    module = _module(name)
    if allocator is Allocator.keep and any(os.environ.get(k) != v for k, v in _KEEP.items()):
        # malloc reads its settings when the process starts
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], os.environ | _KEEP)
    import torch

    from optics.errors import OpticsError

    torch.set_num_threads(1)
    try:
        result = module.measure(**options)
    except OpticsError as error:
        typer.echo(f"benchmarks {name}: {error}", err=True)
        raise typer.Exit(1) from None
    result = {"benchmark": name, "allocator": allocator.value, "torch": torch.__version__} | result
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    console = Console()
    for table in module.tables(result):
        console.print(table)


@app.command()
def airy(
    as_json: Json = False, peers: Peers = False, quick: Quick = False, allocator: Malloc = Allocator.default
) -> None:
    """Error of the Airy pattern at a lens's focus, ours and theirs."""
    _run("airy", as_json=as_json, peers=peers, quick=quick, allocator=allocator)


@app.command()
def fourf(
    as_json: Json = False, peers: Peers = False, quick: Quick = False, allocator: Malloc = Allocator.default
) -> None:
    """Speed of the 4f system against bare torch transforms; of the PSF path against the wave path."""
    _run("fourf", as_json=as_json, peers=peers, quick=quick, allocator=allocator)


@app.command()
def cascade(
    as_json: Json = False, peers: Peers = False, quick: Quick = False, allocator: Malloc = Allocator.default
) -> None:
    """Speed and memory of the linear cascade against the paper's formulation."""
    _run("cascade", as_json=as_json, peers=peers, quick=quick, allocator=allocator)


@app.command()
def depthwise(as_json: Json = False, quick: Quick = False, allocator: Malloc = Allocator.default) -> None:
    """Training step of a convolution that looks some bins far, against the CPU library's own."""
    _run("depthwise", as_json=as_json, quick=quick, allocator=allocator)


@app.command()
def start(as_json: Json = False, quick: Quick = False) -> None:
    """Processor time of `sclc --help` and others beside that of Python with the same command-line library."""
    _run("start", as_json=as_json, quick=quick)


@app.command()
def training(as_json: Json = False, quick: Quick = False, allocator: Malloc = Allocator.default) -> None:
    """Images a second of a training step by distillation method, and where the time of a step goes."""
    _run("training", as_json=as_json, quick=quick, allocator=allocator)


@app.command()
def measurements(
    as_json: Json = False,
    quick: Quick = False,
    benches: Annotated[int, typer.Option(min=1, help="How many random benches.")] = 10,
    first: Annotated[int, typer.Option(min=0, help="Seed of the first.")] = 0,
    doctor: Annotated[
        bool, typer.Option("--doctor", help="The whole examination of one bench of full size; minutes.")
    ] = False,
) -> None:
    """Single measurements and their stated errors, on random simulated benches with every flaw at once."""
    _run("measurements", as_json=as_json, quick=quick, benches=benches, first=first, doctor=doctor)


@app.command()
def calibration(
    as_json: Json = False,
    quick: Quick = False,
    full: Annotated[bool, typer.Option("--full", help="Benches of full size: minutes each.")] = False,
    benches: Annotated[int, typer.Option(min=1, help="How many random benches.")] = 20,
    first: Annotated[int, typer.Option(min=0, help="Seed of the first.")] = 0,
    frames: Annotated[int, typer.Option(min=3, help="Frames fitted; two more judge.")] = 14,
    candidates: Annotated[
        int, typer.Option(min=0, help="Probes to choose from by information; 0 takes every kind in turn.")
    ] = 0,
    save: Annotated[
        Path | None,
        typer.Option(help="JSON file that receives each bench when it is done; it goes on there."),
    ] = None,
    digits: Annotated[
        bool,
        typer.Option(
            "--digits",
            help="What calibration, refits and the bench in the loop win back on digits; minutes each.",
        ),
    ] = False,
    captures: Annotated[
        int, typer.Option(min=100, help="With --digits: images captured for a refit, or in the loop.")
    ] = 300,
    data: Annotated[
        str, typer.Option(help="With --digits: other pictures than digits, such as cifar10 or cifar10.h5.")
    ] = "digits",
) -> None:
    """Accuracy of the digital twin and of its error bars, on random simulated benches with every flaw at once."""
    if digits:
        options: dict[str, Any] = {"benches": benches, "first": first, "captures": captures, "save": save}
        options["data"] = data
        _run("calibration_digits", as_json=as_json, quick=quick, **options)
        return
    _run(
        "calibration",
        as_json=as_json,
        quick=quick,
        full=full,
        benches=benches,
        first=first,
        frames=frames,
        candidates=candidates,
        save=save,
    )


@app.command()
def resolution(
    as_json: Json = False,
    quick: Quick = False,
    name: Annotated[
        str, typer.Option("--set", help="cats_vs_dogs, or high10_imagenette224.")
    ] = "cats_vs_dogs",
    pixels: Annotated[
        list[int] | None,
        typer.Option(min=16, help="Pixels a side; may be repeated. The set's own by default."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of every training.")] = 20,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network.")] = 1,
    data: Annotated[Path, typer.Option(envvar="SCLC_DATA", help="Directory of the data sets.")] = Path(
        "../shared/data"
    ),
    save: Annotated[
        Path | None,
        typer.Option(help="JSON file that receives each training when it is done; it goes on there."),
    ] = None,
    allocator: Malloc = Allocator.default,
) -> None:
    """Cost at equal accuracy against resolution, of linear optics and of a ladder of nonlinear networks."""
    options = {"name": name, "resolutions": pixels or (), "epochs": epochs, "seeds": seeds}
    _run("resolution", as_json=as_json, allocator=allocator, quick=quick, data=data, save=save, **options)


@app.command()
def depth(
    config: Annotated[Path, typer.Argument(help="A run file, such as examples/configs/cifar10-grey.toml.")],
    as_json: Json = False,
    factor: Factor = None,
    epochs: Epochs = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each form and rate.")] = 3,
    images: Annotated[int | None, typer.Option(min=1, help="Training images; all by default.")] = None,
    save: Annotated[
        Path | None,
        typer.Option(help="JSON file that receives each training when it is done; it goes on there."),
    ] = None,
    sets: Sets = None,
) -> None:
    """The same masks learned as one free kernel and as collapsed cascades, each at several learning rates."""
    from benchmarks.depth import FACTORS

    _run(
        "depth",
        as_json=as_json,
        config=config,
        factors=tuple(factor or FACTORS),
        epochs=epochs,
        seeds=seeds,
        images=images,
        save=save,
        sets=tuple(sets or ()),
    )


@app.command()
def beam(
    network: Annotated[
        Path, typer.Argument(help="Of a homodyne run, as distill.save or sclc results wrote it.")
    ],
    config: Annotated[Path, typer.Option(help="The run file that names its data and its bench.")],
    as_json: Json = False,
    strength: Annotated[
        list[float] | None,
        typer.Option(
            min=0.0, help="Share of a white picture's amplitude; may be repeated. 0.0003 to 0.25 by default."
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Of the test part.")] = 500,
    draws: Annotated[int, typer.Option(min=1, help="Of the noise.")] = 3,
    sets: Sets = None,
) -> None:
    """What a homodyne network answers on its bench by the strength of its reference beam."""
    from benchmarks.beam import BEAMS

    options: dict[str, Any] = {"beams": tuple(strength or BEAMS), "images": images, "draws": draws}
    _run("beam", as_json=as_json, network=network, config=config, sets=tuple(sets or ()), **options)


@app.command()
def labels(
    config: Annotated[Path, typer.Argument(help="A run file, such as examples/configs/cars.toml.")],
    directory: Trainings,
    as_json: Json = False,
    share: Annotated[
        list[float] | None,
        typer.Option(help="Of the labels; may be repeated. 0.05, 0.2 and 1 by default."),
    ] = None,
    epochs: Epochs = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each row.")] = 3,
    sets: Sets = None,
) -> None:
    """What a teacher earns where few pictures are labelled: distilled on all of them, beside the labels alone."""
    from benchmarks.labels import SHARES

    _run(
        "labels",
        as_json=as_json,
        config=config,
        directory=directory,
        shares=tuple(share or SHARES),
        epochs=epochs,
        seeds=seeds,
        sets=tuple(sets or ()),
    )


@app.command()
def methods(
    config: Annotated[Path, typer.Argument(help="A run file, such as examples/configs/cifar10-grey.toml.")],
    directory: Trainings,
    as_json: Json = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="'plain', 'fading', 'function matching', 'decoupled', 'feature hints' or 'neural tangents'; may be "
            "repeated, all by default. Labels alone are always there."
        ),
    ] = None,
    factor: Factor = None,
    epochs: Epochs = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each setting and rate.")] = 3,
    sets: Sets = None,
) -> None:
    """What each way of distilling earns over the labels alone, every one tuned on the validation images."""
    from benchmarks.methods import FACTORS

    _run(
        "methods",
        as_json=as_json,
        config=config,
        directory=directory,
        methods=tuple(method or ()),
        factors=tuple(factor or FACTORS),
        epochs=epochs,
        seeds=seeds,
        sets=tuple(sets or ()),
    )


@app.command()
def tuning(
    config: Annotated[Path, typer.Argument(help="A run file, such as examples/configs/mnist.toml.")],
    directory: Annotated[
        Path, typer.Option("--output", "-o", help="Directory of the run that trains; it goes on there.")
    ],
    as_json: Json = False,
    factor: Factor = None,
    epochs: Epochs = None,
    sets: Sets = None,
) -> None:
    """Every row of a configuration at several learning rates, on the validation images."""
    from benchmarks.tuning import FACTORS

    options: dict[str, Any] = {"factors": factor or FACTORS, "epochs": epochs, "sets": sets or ()}
    _run("tuning", as_json=as_json, config=config, directory=directory, **options)


@app.command()
def controls(
    as_json: Json = False,
    quick: Quick = False,
    task: Annotated[
        list[str] | None,
        typer.Option(help="digits, cifar10, cars, faces, people, strangers; may be repeated."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each row.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of the tasks' own.")] = None,
    data: Annotated[
        Path,
        typer.Option(
            envvar="SCLC_DATA", help="Directory of the data sets; a task without its file is skipped."
        ),
    ] = Path("../shared/data"),
    save: Annotated[
        Path | None, typer.Option(help="JSON file that receives each task when it is done.")
    ] = None,
    allocator: Malloc = Allocator.default,
) -> None:
    """Optics against random masks, no mask, the raw image and electronic convolution, on real images."""
    from benchmarks.controls_tasks import TASKS

    unknown = [name for name in task or () if name not in TASKS]
    if unknown:
        typer.echo(f"no task is called {unknown[0]!r}; choose from {', '.join(TASKS)}", err=True)
        raise typer.Exit(2)
    options = {"tasks": task or (), "seeds": seeds, "epochs": epochs, "data": data, "save": save}
    _run("controls", as_json=as_json, allocator=allocator, quick=quick, **options)


@app.command()
def study(
    as_json: Json = False,
    quick: Quick = False,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Also 6 flaws x 8 values x 20 draws x 1000 digits, in local processes."),
    ] = False,
    processes: Annotated[int | None, typer.Option(min=1, help="Of --whole; all processors.")] = None,
    allocator: Malloc = Allocator.default,
) -> None:
    """How the cost of a study grows with its cells, beside evaluating each bench by every pixel and draw."""
    _run("study", as_json=as_json, allocator=allocator, quick=quick, whole=whole, processes=processes)


if __name__ == "__main__":
    app()
