"""`sclc devices`, `encodings`, `plan`, `schema`: which hardware there is, what it shows, what fits, what files say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.options import AlsoBench, Json, Threads, command, counted
from optics.reading import quoted

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from optics.bench.spec import BenchSpec
    from optics.plan.planner import Plan, Readout, Schedule


_SIDE = 32768  # pixels; no display has as many
_COLUMNS = (
    "photons a pixel: on a binned camera pixel where image and mask are 1; typical: the same through the mask of a "
    "random kernel; SNR: signal to noise of one pixel at typical; -: not known."
)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "devices", devices)
    command(app, "encodings", encodings)
    command(app, "plan", plan)
    command(app, "schema", schema)


def devices(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One device, with the source of each figure; or a TOML file."),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="slm, camera or display; all by default.")
    ] = None,
    json: Json = False,
) -> None:
    """The catalogue of SLMs, cameras and displays, and the benches that come with the package.

    Figures are those of the makers' data sheets, in SI units. Your own device is a TOML file of the same form beside
    your bench file (docs/benches.md).

    Example: sclc devices holoeye-pluto-2
    """
    from distill.cli import show as cli_show
    from optics.bench import catalogue
    from optics.bench.files import bench_names
    from optics.errors import OpticsError

    if name is not None:
        if name in bench_names():
            raise OpticsError(f"{name} is a bench, not a device; `sclc plan {name}` tells what fits it.")
        device = catalogue.load(name, kind=kind)
        found = {
            "name": device.name,
            "kind": device.kind,
            "title": device.title,
            "figures": device.figures,
            "at_wavelength": device.tables,
            "source": device.source,
            "note": device.note,
        }
        if json:
            cli_show.print_json(found)
        else:
            cli_show.show_device(found)
        return
    listed = [catalogue.load(n) for n in catalogue.names(kind)]
    rows = [{"name": d.name, "kind": d.kind, "title": d.title, "figures": d.figures} for d in listed]
    benches = list(bench_names()) if kind is None else []
    if json:
        cli_show.print_json({"devices": rows, "benches": benches})
    else:
        cli_show.show_devices(rows, benches)


def encodings(
    bench: Annotated[
        str, typer.Option("--bench", help="A shipped bench's name, or a TOML file.")
    ] = "pluto2-200mm",
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks", help="Masks to encode: DIR/export/masks.h5 of a run; random ones by default."
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many masks to take.")] = 4,
    steps: Annotated[int, typer.Option("--steps", min=0, help="Steps of the direct optimisation.")] = 40,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Ways to show a complex mask on an SLM that cannot, compared on the same masks through the bench's own SLM.

    efficiency: share of the light on the mask that the signal order carries. relative: the same relative to an ideal
    complex modulator. error: relative rms of the far field around that order. zero order: share of the light left on
    the axis. The SLM's levels, fill factor, crosstalk and response are those of the bench.

    Example: sclc encodings --masks runs/demo/export/masks.h5
    """
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from optics.bench.files import load_bench
    from optics.slm.direct_design import encoding_table

    prepare(threads)
    spec = load_bench(bench)
    chosen = _random_masks(spec, count) if masks is None else _read_masks(masks, count)
    found = encoding_table(chosen, spec.slm, carrier=spec.encoding.carrier, steps=steps)
    rows = [row.as_dict() for row in found]
    if json:
        cli_show.print_json({"bench": spec.name, "masks": len(chosen), "rows": rows})
    else:
        cli_show.show_encodings(f"{len(chosen)} masks on {spec.name}", rows)


def _random_masks(bench: BenchSpec, count: int) -> Tensor:
    """Masks of a cascade with random kernels, as the bench's SLM would be asked for them, (count, ny, nx)."""
    import torch

    from networks import Student

    student = Student.build((1, 8, count), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return student.on(bench, image_shape=(28, 28)).drives()[0].masks


def _read_masks(path: Path, count: int) -> Tensor:
    import h5py
    import torch

    from optics.checks import check_finite
    from optics.errors import OpticsError
    from optics.reading import check_size, listed, reading, regular_file

    found = regular_file(path, what="HDF5 file of masks")
    with reading(path, "HDF5"), h5py.File(found, "r") as file:
        key = next((k for k in ("masks", "targets") if k in file), None)  # exports of version 1: targets
        if key is None:
            raise OpticsError(f"{path} has no key 'masks'; it has {listed(list(file)) or 'none'}.")
        data = file[key]
        if not isinstance(data, h5py.Dataset) or data.ndim != 3 or data.dtype.kind not in "fc":
            raise OpticsError(f"{path}: {key!r} holds no masks, expected complex numbers (count, y, x).")
        check_size(f"{path}: {key!r}", (count, *data.shape[1:]))
        masks = torch.from_numpy(data[:count]).to(torch.complex64)
    check_finite(masks, name=f"{path}: {key!r}")
    return masks


def schema(
    name: Annotated[str, typer.Argument(metavar="run|bench|result", help="Of which files.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write it to this file instead of stdout.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the JSON Schema of run files, bench files or result.json, by which an editor completes and checks keys.

    Editors with a TOML language server (Even Better TOML, Taplo, Tombi) take it from a file's first line:
    `#:schema run.schema.json`.

    Example: sclc schema run --output run.schema.json
    """
    from distill.cli.show import out, print_json
    from distill.job.schema import schema as made
    from optics.files import write_json

    if output is None:
        print_json(made(name))
    else:
        write_json(output, made(name))
        if json:
            print_json({"schema": str(output)})
        else:
            out().print(
                f"Schema of {name} files: {output}; a TOML file takes it by its first line, #:schema {output.name}",
                markup=False,
                soft_wrap=True,
            )


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
    channels: Annotated[
        int, typer.Option("--channels", min=1, help="Channels of an image, side by side on the display.")
    ] = 1,
    tiles: Annotated[int, typer.Option("--tiles", min=1, help="Kernels side by side in one SLM frame.")] = 1,
    rate: Annotated[float | None, typer.Option("--rate", help="Images per second that are wanted.")] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Images of a simulated batch, for its memory.")
    ] = 256,
    json: Json = False,
    named: AlsoBench = None,
) -> None:
    """Tell whether kernels of some size fit a bench, in how many SLM frames, how fast, with how much light.

    Ends with exit code 1 where it does not fit, after saying what would. Lengths in metres.

    Example: sclc plan pluto2-200mm --kernels 16 --taps 7 --image 28
    """
    from distill.cli import show as cli_show
    from optics.bench.files import load_bench
    from optics.plan.planner import plan as find

    found = find(
        load_bench(named or bench),
        kernels=kernels,
        taps=taps,
        image_shape=image_shape(image),
        readout=_readout(readout),
        channels=channels,
        tiles_wanted=tiles,
        rate=rate,
        batch=batch,
    )
    if json:
        cli_show.print_json(found.model_dump(mode="json"))
    else:
        _show_plan(found, cli_show.out())
    if not found.fits:
        raise typer.Exit(1)


def image_shape(text: str) -> tuple[int, int]:
    """(H, W) that `--image` asks for: `28` or `28x32`."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(s.isdecimal() and len(s) < 6 and 0 < int(s) <= _SIDE for s in sides):
        raise typer.BadParameter(
            f"--image is {quoted(text)}, expected pixels as 28, or height x width as 28x32, up to {_SIDE}."
        )
    return (int(sides[0]), int(sides[-1]))


def _readout(name: str) -> Readout:
    from optics.plan.planner import EXPOSURES

    for known in EXPOSURES:
        if name == known:
            return known
    raise typer.BadParameter(f"--readout is {name!r}, expected one of {', '.join(EXPOSURES)}.")


def _show_plan(found: Plan, console: Console) -> None:
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
