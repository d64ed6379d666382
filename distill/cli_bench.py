"""`sclc devices`, `encodings`, `plan`: what can be had and what fits, before anything is trained."""

from __future__ import annotations

from typing import Annotated

import typer

from distill.cli_options import Json


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("devices")(devices)


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
    from distill import cli_show
    from optics import catalogue
    from optics.toml import bench_names

    if name is not None:
        device = catalogue.load(name, kind=kind)
        found = {
            "name": device.name,
            "kind": device.kind,
            "title": device.title,
            "figures": device.figures,
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
