"""`sclc design`: frames for an SLM from a kernel, a point-spread function or a mask; no network, no images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill.cli.bench import image_shape
from distill.cli.options import AlsoFresh, FormerImages, Json, Threads, command, counted

if TYPE_CHECKING:
    from torch import Tensor

    from distill.designs.designer import Design
    from distill.verify.point_sources import PointProof, PointVerdict


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "design", design)


def design(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A file (.npy .npz .mat .h5 .safetensors .pt), a picture, or a built-in: sobel, laplace, gabor, "
            "donut, line, gaussian, identity, random; with options as gabor:count=8,period=6 or "
            "donut:radius=4,charge=2.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The directory to write.")],
    bench: Annotated[
        str, typer.Option("--bench", help="A shipped bench's name, or a TOML file; see `sclc devices`.")
    ] = "pluto2-200mm",
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="What the values are. kernel: point-spread functions, real or complex. mask, phase, amplitude: on the "
            "display's band. panel, panel-phase, panel-amplitude: one value for each pixel of the SLM. Phases in "
            "radians. By default kernel, or panel where a complex array has the panel's shape.",
        ),
    ] = None,
    array: Annotated[
        str | None, typer.Option("--array", help="Which array of a file that holds several.")
    ] = None,
    imaginary: Annotated[
        str | None, typer.Option("--imaginary", help="File or array with the imaginary part.")
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option("--axes", help="Order of four axes: oiyx or ioyx (o: masks out, i: channels in)."),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--origin", help="Where a mask's zero frequency or a kernel's origin is: middle or corner."
        ),
    ] = None,
    pitch: Annotated[
        float | None,
        typer.Option(
            "--pitch", help="Of a kernel's samples, metres on the display; the display's by default."
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Another one than the bench's; see `sclc encodings`.")
    ] = None,
    carrier: Annotated[
        str | None,
        typer.Option(
            "--carrier", help="Y,X cycles per SLM pixel, as 0.125,0; 0,0 puts the mask on the axis."
        ),
    ] = None,
    tiles: Annotated[
        int,
        typer.Option("--tiles", min=1, help="Masks side by side in each frame; must divide their number."),
    ] = 1,
    image: Annotated[
        str | None,
        typer.Option(
            "--image", help="Display pixels that it is for: 28, or HxW; as large as needed by default."
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            "--inputs",
            help="Your images (images, H, W), amplitudes 0 to 1, or a picture: their camera counts too.",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Measure every encoding beside the chosen one.")
    ] = True,
    prove: Annotated[
        bool, typer.Option("--prove/--no-prove", help="Send the files through wave path and LightPipes.")
    ] = True,
    lightpipes_frames: Annotated[
        int, typer.Option("--lightpipes-frames", min=1, help="At most so many frames through LightPipes.")
    ] = 16,
    pictures: Annotated[int, typer.Option("--pictures", min=0, help="Masks to draw, the first ones.")] = 4,
    lab: Annotated[
        bool, typer.Option("--lab/--no-lab", help="Write alignment frames and README.txt for the laboratory.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a design that is there.")] = False,
    threads: Threads = None,
    json: Json = False,
    images: FormerImages = None,
    fresh: AlsoFresh = False,
) -> None:
    """Make the files that show a kernel, a point-spread function or a mask on your SLM, and prove them.

    Needs no network, no labels and no images. Writes slm/frame-NNN.png (at the panel's own resolution, as its driver
    takes them), masks.h5 (masks, predicted and asked point-spread functions with pitch and origin), points.h5 (fields
    of single lit pixels), design.json (every number below), pictures/, lab/ and README.txt (what to show first), and
    manifest.json (sha256 of every file).

    error: of the predicted field of one lit pixel against the target, after the best complex factor. efficiency: share
    of the light of a clear panel that carries the target. zero order: share that lands un-modulated on the axis.
    neighbour: the brightest other order or tile, relative to the mask's own image. Exit code 1 if an engine disagrees.

    Examples: sclc design donut:radius=4 --bench pluto2-200mm -o donut

    sclc design gabor:count=16 --tiles 2 -o gabors

    sclc design hologram.npy --kind panel-phase --encoding phase_only --carrier 0,0 -o hologram
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.designs import design as make
    from optics.bench.files import load_bench
    from optics.plan.hints import unbinned

    prepare(threads)
    shown = inputs or images
    with cli_show.Bars(unbinned(load_bench(bench))) as bars:
        bars.begin("design", "Designing the frames, and proving them")

        def tell(done: int, total: int, note: str) -> None:
            bars.progress("design", done, total, note)

        made = make(
            target,
            bench=bench,
            directory=output,
            kind=kind,
            array=array,
            imaginary=imaginary,
            axes=axes,
            corner=_corner(origin),
            pitch=pitch,
            encoding=encoding,
            carrier=None if carrier is None else _pair(carrier),
            tiles=tiles,
            image_shape=None if image is None else image_shape(image),
            images=None if shown is None else _images(shown),
            compare=compare,
            pictures=pictures,
            lab=lab,
            prove=prove,
            lightpipes_frames=lightpipes_frames,
            overwrite=overwrite or fresh,
            progress=tell,
        )
    if json:
        cli_show.print_json(made.model_dump(mode="json"))
    else:
        _show(made)
    if made.verdict is not None and not made.verdict.passed:
        raise typer.Exit(1)


def _corner(origin: str | None) -> bool | None:
    if origin not in (None, "middle", "corner"):
        raise typer.BadParameter(f"--origin is {origin!r}, expected middle or corner.")
    return None if origin is None else origin == "corner"


def _pair(text: str) -> tuple[float, float]:
    try:
        y, x = (float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--carrier is {text!r}, expected Y,X as 0.125,0.") from None
    return (y, x)


def _images(path: Path) -> Tensor:
    import numpy as np
    import torch

    from distill.data import pictures
    from networks.students import interchange
    from optics.reading import read_bytes

    if path.suffix.lower() in pictures.SUFFIXES:
        grey = pictures.decode(read_bytes(path), name=str(path), grey=True)
        shown = torch.from_numpy(grey.astype(np.float32))
        return shown.div_(255.0) if grey.dtype == np.uint8 else shown
    return interchange.read(path)


_SHOWN = 16  # masks in the table


def _show(made: Design) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from distill.cli import show as cli_show

    console = cli_show.out()
    y, x = (f"{1e6 * v:.4g}" for v in made.psf_pitch)
    console.print(
        f"{made.target} on {made.bench}: {counted(len(made.masks), 'mask')} in {counted(made.frames, 'SLM frame')} "
        f"({made.encoding}, carrier "
        f"{made.carrier[0]:g}, {made.carrier[1]:g}) in {made.directory}; point-spread functions every {y} x {x} µm "
        "(y, x) of the display, origin at the middle sample",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=SIMPLE)
    names = ("mask", "frame", "lands at y, x mm", "error %", "of intensity %", "efficiency %", "zero order %")
    for name in (*names, "worst neighbour, relative"):
        table.add_column(name, justify="right", no_wrap=True)
    for m in made.masks[:_SHOWN]:
        beside = "-" if m.neighbour is None else f"{m.neighbour.name}: {m.neighbour.energy:.2g}"
        table.add_row(
            str(m.mask),
            str(m.frame),
            ", ".join(f"{1e3 * v + 0.0:.3g}" for v in m.place),
            *_percent(m.error, m.intensity_error, m.efficiency, m.zero_order),
            beside,
        )
    console.print(table)
    if len(made.masks) > _SHOWN:
        console.print(f"  and {len(made.masks) - _SHOWN} more, in design.json", markup=False)
    if made.circular is not None:
        (ny, nx), told = made.circular.grid, made.circular
        own = "" if told.images is None else f", {100 * told.images:.3g} % with your images"
        console.print(
            f"A network that multiplies spectra of {ny} x {nx} samples convolves in a circle, a bench does not: the "
            f"fields differ by {100 * told.uncorrelated:.3g} % (images of uncorrelated pixels; one mask by at most "
            f"{100 * told.worst:.3g} %){own}.",
            markup=False,
            soft_wrap=True,
        )
    if made.encodings:
        seen = made.encodings[0].masks
        on = "" if seen == len(made.masks) else f", on {seen} of the {len(made.masks)} masks"
        beside_it = Table(box=SIMPLE, title=f"Every encoding{on}")
        for name in ("encoding", *names[3:], "worst neighbour, relative"):
            beside_it.add_column(name, justify="left" if name == "encoding" else "right", no_wrap=True)
        for e in made.encodings:
            worst = "-" if e.worst_neighbour is None else f"{e.worst_neighbour:.2g}"
            label = f"{e.method} (chosen)" if e.chosen else e.method
            beside_it.add_row(label, *_percent(e.error, e.intensity_error, e.efficiency, e.zero_order), worst)
        console.print(beside_it)
    if made.proof is not None and made.verdict is not None:
        show_points(made.proof, made.verdict)


def _percent(*values: float | None) -> list[str]:
    return ["-" if v is None else f"{100 * v:.3g}" for v in values]


def show_points(found: PointProof, verdict: PointVerdict) -> None:
    """One line for each engine, the verdict, what else to know, and what the engines share."""
    from distill.cli import show as cli_show

    lines: list[str] = []
    for name, part in found.engines().items():
        line = (
            f"{name:<11}{counted(part.points, 'point')} behind {counted(part.masks, 'mask')}, fields differ by "
            f"{100 * part.psf_error:.2g} % from the predicted ones, at worst {100 * part.worst_psf_error:.2g} %"
        )
        if part.counts_error is not None:
            line += f"; camera counts of {part.images} images by {100 * part.counts_error:.2g} %"
        lines.append(line)
    lines += [verdict.line, *verdict.notes]
    if found.shared:
        lines.append(f"Both engines share: {'; '.join(found.shared)}.")
    for text in lines:
        cli_show.out().print(text, markup=False, soft_wrap=True)


def verify_design(
    directory: Path, *, frames: int, processes: int | None, json: bool, limits: dict[str, Any]
) -> bool:
    """`sclc verify` of a design's directory; returns whether it passed."""
    from distill.cli import show as cli_show
    from distill.verify.point_sources import PointLimits, prove_points

    with cli_show.Bars() as bars:
        bars.begin("verify", "Verifying the frames on point sources, also in LightPipes")
        found = prove_points(
            directory,
            lightpipes_frames=frames,
            processes=processes,
            progress=lambda n, of, note: bars.progress("verify", n, of, note),
        )
    verdict = found.judged(PointLimits(**limits))
    if json:
        told = {"directory": str(directory), **found.model_dump(mode="json")}
        cli_show.print_json(told | {"verdict": verdict.model_dump(mode="json")})
    else:
        show_points(found, verdict)
    return verdict.passed
