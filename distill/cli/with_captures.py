"""`sclc refit` and `sclc loop`: a trained network learns from what a real bench gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from distill.cli.options import (
    BenchName,
    FileConfig,
    FormerCount,
    Json,
    Network,
    Rig,
    Sets,
    Threads,
    command,
)
from distill.cli.process import goes_on

Distilled = Annotated[bool, typer.Option("--distilled", help="The run's teacher teaches, beside the labels.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "refit", refit)
    command(app, "loop", loop)


def refit(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The run whose exported network was captured.")
    ],
    captures: Annotated[
        Path, typer.Argument(metavar="CAPTURES.h5", help="What `sclc capture` recorded of it.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The network with its new back end.")] = Path(
        "refitted.safetensors"
    ),
    images: Annotated[
        int | None,
        typer.Option("--images", min=20, help="Fit to the first so many images; all but those held."),
    ] = None,
    held: Annotated[
        int | None, typer.Option("--held", min=1, help="Images at the end that judge; a fifth of them.")
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve",
            metavar="N,N,...",
            help="Tell what so many captured images are worth, for instance 50,100,200,500; writes no network.",
        ),
    ] = None,
    distilled: Distilled = False,
    own_answers: Annotated[
        bool,
        typer.Option(
            "--own-answers", help="Fit to what the network answers where it is computed: needs no labels."
        ),
    ] = False,
    threads: Threads = None,
    json: Json = False,
    count: FormerCount = None,
) -> None:
    """Fit the back end of an exported network to what a bench gave: on the captures' labels, the teacher, or itself.

    The masks stay. The network that is written goes on like any other: `sclc export FILE`, `sclc evaluate FILE`.

    Examples: sclc refit runs/demo captures.h5 -o refitted.safetensors

    sclc refit runs/demo captures.h5 --curve 50,100,200,500
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.pipeline.with_captures import refit_run
    from distill.training.captured import CurvePoint

    prepare(threads)
    out = cli_show.out()

    def tell(point: CurvePoint) -> None:
        if not json:
            out.print(f"{point.images:6d} images  {point.accuracy:.1%}")

    found = refit_run(
        directory,
        captures,
        output=output,
        distilled=distilled,
        own_answers=own_answers,
        count=count if images is None else images,
        curve=_counts(curve),
        held=held,
        done=tell,
    )
    if found["of_test"] and not json:
        out.print(
            f"{found['of_test']} of these images are of the run's test part, which cannot judge this network any more; "
            "sclc capture --part train records others",
            soft_wrap=True,
        )
    if json:
        cli_show.print_json(found)
    elif "curve" in found:
        out.print(
            f"{found['metric']}; as it came {found['curve'][0][1]:.1%}; judged by {found['held']} images",
            soft_wrap=True,
        )
    else:
        judged = ""
        if "before" in found:
            judged = f"{found['metric']} {found['before']:.1%} before, {found['after']:.1%} after, "
        out.print(
            f"{judged}fitted to {found['images']} images, judged by {found['held']}; {found['network']}",
            soft_wrap=True,
        )


def _counts(text: str | None) -> tuple[int, ...]:
    """`50,100` as numbers."""
    from optics.errors import OpticsError
    from optics.reading import quoted

    words = [] if text is None else text.split(",")
    if not all(word.strip().isdecimal() and len(word) < 10 for word in words):
        raise OpticsError(f"--curve is {quoted(text)}, expected numbers of images such as 50,100,200.")
    return tuple(int(word.strip()) for word in words)


def loop(
    network: Network,
    rig: Rig,
    bench: BenchName = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The trained network.")] = Path(
        "in-the-loop.safetensors"
    ),
    images: Annotated[
        int, typer.Option("--images", min=2, help="Training images, shown once in each epoch.")
    ] = 100,
    held: Annotated[
        int, typer.Option("--held", min=1, help="Validation images, shown once after each epoch.")
    ] = 25,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over them.")] = 4,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", min=1e-9, help="Its largest value.")
    ] = 1e-3,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images for each step.")] = 25,
    test: Annotated[
        int, typer.Option("--test", min=0, help="Test images shown before and after, to judge; 0 for none.")
    ] = 100,
    distilled: Distilled = False,
    sets: Sets = None,
    config: FileConfig = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of the order and a simulated bench's noise.")
    ] = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Train a network with the bench in the loop: it answers by what the bench counts, its twin gives the gradient.

    --bench is the twin: a calibrated bench (`sclc calibrate`), or a data sheet. Masks and back end begin where the
    network stands. The bench shows (images + held) x epochs images, each once through every mask. Stopped or failed,
    the same command goes on after its last whole epoch.

    Example: sclc loop runs/demo --rig sim:truth.toml --bench calibrated.toml -o in-the-loop.safetensors
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.pipeline.single_steps import open_network
    from distill.pipeline.with_captures import loop_network
    from distill.training.spec import TrainSpec

    prepare(threads)
    training = TrainSpec(epochs=epochs, batch_size=batch, learning_rate=learning_rate, seed=seed)
    with goes_on("the same command goes on after the last whole epoch"), cli_show.Bars() as bars:
        job = open_network(network, config=config, bench=bench, sets=sets or (), watcher=bars)
        job.step = "loop"
        bars.begin("loop", "Training with the bench in the loop")
        found: dict[str, Any] = loop_network(
            job,
            rig,
            twin=job.bench,
            output=output,
            images=images,
            held=held,
            test=test,
            training=training,
            distilled=distilled,
        )
    if json:
        cli_show.print_json(found)
        return
    judged = f"{found['metric']} {found['before']:.1%} before, {found['after']:.1%} after; " if test else ""
    cli_show.out().print(
        f"{judged}{found['images']} images in {found['frames']} exposures; {found['network']}", soft_wrap=True
    )
