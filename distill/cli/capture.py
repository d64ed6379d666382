"""`sclc capture`: what a bench makes of an exported network's frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill.cli.options import Json, Threads, command
from distill.cli.process import goes_on

if TYPE_CHECKING:
    from torch import Tensor

    from distill.export.read import Exported


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "capture", capture)


def capture(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="An exported directory (it holds manifest.json), or a run's."),
    ],
    rig: Annotated[
        str,
        typer.Option("--rig", help="The bench: sim:TRUTH.toml is a simulated one."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file of captures, HDF5.")] = Path(
        "captures.h5"
    ),
    part: Annotated[
        str,
        typer.Option(
            "--part", help="Which images: reference (those of the export), train or test (of the run's data)."
        ),
    ] = "reference",
    images: Annotated[int | None, typer.Option("--images", min=1, help="How many of them; all.")] = None,
    exposure: Annotated[
        float | None, typer.Option("--exposure", min=1e-9, help="Seconds; the bench's own camera.exposure.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of a simulated bench's noise.")] = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Record what a bench makes of an exported network: every image through every SLM frame.

    Frames are kept as they are taken: stopped or failed, the same command goes on. The file holds the images, their
    labels, the levels and the counts (docs/calibration.md); a back end can be fitted to it.

    Example: sclc capture runs/demo --rig sim:truth.toml --part train --images 200 -o captures.h5
    """
    import torch

    from calibration.rigs.captures import capture_images
    from calibration.rigs.opening import open_rig
    from calibration.rigs.windows import lit_window
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from distill.export.manifest import NAME
    from distill.export.read import read_export
    from optics.files import remove_folder

    prepare(threads)
    run = None if (directory / NAME).is_file() else directory
    exported = read_export(directory if run is None else directory / "export")
    _check(exported)
    inputs, labels = _images(exported, run, part, images)
    (top, left), (height, width) = lit_window(exported.bench)
    generator = torch.Generator().manual_seed(seed)
    output.parent.mkdir(parents=True, exist_ok=True)
    store = output.with_name(output.name + ".part")
    with (
        goes_on("the same command goes on with the frames that it has"),
        cli_show.Bars() as bars,
        open_rig(rig, exported.bench, generator=generator) as bench,
    ):
        bars.begin("capture", "frames captured")
        found = capture_images(
            bench,
            exported.levels[:, top : top + height, left : left + width].contiguous(),
            inputs,
            region=_region(exported),
            panel_corner=(top, left),
            exposure=exposure,
            labels=labels,
            store=store,
            progress=lambda done, total: bars.progress("capture", done, total),
        )
        dropped = sum(call.outcome == "dropped" for call in bench.log)
    found.save(output)
    if store.is_dir():
        remove_folder(store)
    told: dict[str, Any] = {
        "captures": str(output),
        "images": len(found),
        "patterns": len(found.levels),
        "counts": list(found.counts.shape),
        "dropped": dropped,
    }
    if json:
        cli_show.print_json(told)
    else:
        again = f"; {dropped} were dropped and taken again" if dropped else ""
        cli_show.out().print(
            f"{len(found)} images through {len(found.levels)} SLM frames in {output}{again}", soft_wrap=True
        )


def _check(exported: Exported) -> None:
    """Refuse what a rig without a reference beam cannot record."""
    from optics.checks import OpticsError

    if exported.readout.needs_field:
        raise OpticsError(
            f"the read-out {exported.readout.name!r} needs a reference beam, which rigs do not drive; export a network "
            'with student.readout = "intensity".'
        )


def _images(exported: Exported, run: Path | None, part: str, count: int | None) -> tuple[Tensor, Tensor]:
    """Amplitudes on the display (N, H, W) and labels (N,)."""
    from optics.checks import OpticsError

    if part == "reference":
        x, labels = exported.inputs, exported.labels
    elif part in ("train", "test") and run is not None:
        from distill.pipeline.single_steps import open_run

        splits = open_run(run, ()).splits
        split = splits.train if part == "train" else splits.test
        x, labels = split.images, split.labels
    elif part in ("train", "test"):
        raise OpticsError(
            f"--part {part} needs a run's directory: an export alone holds reference images only."
        )
    else:
        raise OpticsError(f"--part is {part!r}, expected reference, train or test.")
    if count is not None and count > len(x):
        raise OpticsError(f"--images {count}: there are {len(x)} {part} images.")
    shown = exported.readout.displayed(x[:count].float())
    return shown[:, 0], labels[:count]


def _region(exported: Exported) -> tuple[slice, slice]:
    """Rows and columns of the binned sensor, upright, that the network's electronics reads."""
    from distill.verify.verification import rebuilt

    return rebuilt(exported).recorders[0].region
