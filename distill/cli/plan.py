"""`sclc plan`: whether a network's kernels fit a bench, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.options import Json, command, counted

if TYPE_CHECKING:
    from rich.console import Console

    from optics.plan.planner import Plan, Readout, Schedule


_COLUMNS = (
    "photons a pixel: on a binned camera pixel where image and mask are 1; typical: the same through the mask of a "
    "random kernel; SNR: signal to noise of one pixel at typical; -: not known."
)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "plan", plan)


def plan(
    bench: Annotated[
        str, typer.Argument(metavar="[BENCH]", help="A shipped bench's name, or a TOML file.")
    ] = "pluto2-200mm",
    kernels: Annotated[int, typer.Option("--kernels", min=1, help="Masks to show.")] = 16,
    taps: Annotated[int, typer.Option("--taps", min=1, help="Taps per side of a collapsed kernel.")] = 7,
    image: Annotated[
        str, typer.Option("--image", help="Image size, input pixels: 28, or HxW as 28x32.")
    ] = "28",
    readout: Annotated[
        str, typer.Option("--readout", help="intensity, homodyne or incoherent.")
    ] = "intensity",
    tiles: Annotated[int, typer.Option("--tiles", min=1, help="Kernels side by side in one SLM frame.")] = 1,
    rate: Annotated[float | None, typer.Option("--rate", help="Images per second that are wanted.")] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Images of a simulated batch, for its memory.")
    ] = 256,
    json: Json = False,
) -> None:
    """Tell whether kernels of some size fit a bench, in how many SLM frames, how fast, with how much light.

    Ends with exit code 1 where it does not fit, after saying what would. Lengths in metres.

    Example: sclc plan pluto2-200mm --kernels 16 --taps 7 --image 28
    """
    from distill.cli import show as cli_show
    from optics.bench.files import load_bench
    from optics.plan.planner import plan as find

    found = find(
        load_bench(bench),
        kernels=kernels,
        taps=taps,
        image_shape=image_shape(image),
        readout=_readout(readout),
        tiles_wanted=tiles,
        rate=rate,
        batch=batch,
    )
    if json:
        cli_show.print_json(found.model_dump(mode="json"))
    else:
        _show(found, cli_show.out())
    if not found.fits:
        raise typer.Exit(1)


def image_shape(text: str) -> tuple[int, int]:
    """(H, W) that `--image` asks for: `28` or `28x32`."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise typer.BadParameter(
            f"--image is {text!r}, expected a number of pixels as 28, or height x width as 28x32."
        )
    return (int(sides[0]), int(sides[-1]))


def _readout(name: str) -> Readout:
    from optics.plan.planner import EXPOSURES

    for known in EXPOSURES:
        if name == known:
            return known
    raise typer.BadParameter(f"--readout is {name!r}, expected one of {', '.join(EXPOSURES)}.")


def _show(found: Plan, console: Console) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    height, width = found.image_shape
    asked = f"{counted(found.kernels, 'kernel')} of {found.taps} x {found.taps} taps on images of {height} x {width}"
    verdict = "fits" if found.fits else "does not fit"
    console.print(f"{found.bench}: {asked}, {found.readout} read-out: {verdict}", soft_wrap=True)
    for problem in found.problems:
        console.print(f"  ! {problem}", soft_wrap=True)
    lines = [
        ("band at the SLM", f"{found.band * 1e3:.2f} mm, {found.band_pixels:.0f} SLM pixels"),
        ("the panel", f"{found.panel[0] * 1e3:.2f} x {found.panel[1] * 1e3:.2f} mm"),
        ("unaliased field", f"{found.field * 1e3:.2f} mm, {found.field_pixels:.0f} input pixels"),
        ("lenses need", " and ".join(f"{d * 1e3:.1f} mm" for d in found.lens_diameters)),
        ("side by side", _side_by_side(found)),
        ("focal lengths", _focal_lengths(found)),
    ]
    lines += [
        (f"memory, {path}", f"{size / 1e6:.0f} MB for {found.batch} images")
        for path, size in found.memory.items()
    ]
    for name, value in lines:
        console.print(f"  {name:<16}{value}", soft_wrap=True)
    table = Table(box=SIMPLE)
    for name in (
        "kernels a frame",
        "SLM frames",
        "exposures an image",
        "images/s",
        "photons a pixel",
        "typical",
        "SNR",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for schedule in found.schedules:
        table.add_row(*_cells(schedule))
    console.print(table)
    console.print(f"  {_COLUMNS}", soft_wrap=True)
    for note in found.notes:
        console.print(f"  {note}", soft_wrap=True)


def _side_by_side(found: Plan) -> str:
    if found.tiles_possible == 0:
        return "no place in an SLM frame for even one kernel; what would help is said above"
    return f"up to {counted(found.tiles_possible, 'kernel')} in one SLM frame"


def _cells(schedule: Schedule) -> list[str]:
    light = (schedule.photons_full_scale, schedule.photons_typical, schedule.signal_to_noise)
    return [
        str(schedule.tiles),
        str(schedule.frames),
        str(schedule.exposures),
        f"{schedule.images_per_second:.3g}",
        *("-" if value is None else f"{value:.3g}" for value in light),
    ]


def _focal_lengths(found: Plan) -> str:
    """f1, each with the range of f2 that fits, millimetres."""
    ranges: dict[float, list[float]] = {}
    for f1, f2 in found.focal_lengths:
        ranges.setdefault(f1, []).append(f2)
    parts = [f"{f1 * 1e3:.0f} with {min(f2) * 1e3:.0f}-{max(f2) * 1e3:.0f}" for f1, f2 in ranges.items()]
    return f"f1 with f2, mm: {', '.join(parts)}" if parts else "no pair of stock lenses fits"
