"""`sclc schema`: the JSON Schemas of the files that people write, for their editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import Json, command


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "schema", schema)


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
