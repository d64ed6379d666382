"""`sclc devices`, `sclc encodings`, `sclc schema`: which hardware there is, how it shows a mask, what files may say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.options import Json, Threads, command

if TYPE_CHECKING:
    from torch import Tensor

    from optics.bench.spec import BenchSpec


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "devices", devices)
    command(app, "encodings", encodings)
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
    from distill.cli.show import print_json
    from distill.job.schema import schema as made
    from optics.files import write_json

    if output is None:
        print_json(made(name))
    else:
        write_json(output, made(name))
