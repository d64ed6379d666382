"""`sclc capture` and `sclc doctor`: commands on a bench, real or simulated.

capture keeps what a bench makes of an exported network's frames; doctor says what is wrong with it, in one page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill.cli.options import RIGS, Json, Rig, Threads, command
from distill.cli.process import goes_on

if TYPE_CHECKING:
    from torch import Tensor

    from calibration.doctor.examination import Diagnosis
    from distill.export.read import Exported
    from networks.onbench.display import Display


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "capture", capture)
    command(app, "doctor", doctor)


def capture(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="An exported directory (it holds manifest.json), or a run's."),
    ],
    rig: Rig,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file of captures, HDF5.")] = Path(
        "captures.h5"
    ),
    part: Annotated[
        str,
        typer.Option(
            "--part",
            help="Which images: reference (those of the export, test images), train or test (of the run's data). A "
            "back end is fitted to those of train.",
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
    from networks.onbench.sensor import sensor_region
    from optics.files import remove_folder

    prepare(threads)
    run = None if (directory / NAME).is_file() else directory
    exported = read_export(directory if run is None else directory / "export")
    _check(exported)
    network = exported.network()
    display = network.optics.setup.display
    inputs, labels = _images(exported, display, run, part, images)
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
            region=sensor_region(network),
            panel_corner=(top, left),
            exposure=exposure,
            labels=labels,
            pictures=display.pictures,
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
    """Refuse what a rig with one panel and without a reference beam cannot record."""
    from optics.checks import OpticsError

    if exported.manifest.arranged.way == "staged":
        raise OpticsError(
            "the export is staged, with a panel for each mask of a layer, and a rig drives one panel; export a network "
            'with student.realisation = "collapsed" or "tiled".'
        )
    if exported.readout.needs_field:
        raise OpticsError(
            f"the read-out {exported.readout.name!r} needs a reference beam, which rigs do not drive; export a network "
            'with student.readout = "intensity".'
        )


def _images(
    exported: Exported, display: Display, run: Path | None, part: str, count: int | None
) -> tuple[Tensor, Tensor]:
    """Amplitudes on the display, (N pictures, H, W), and the images' labels (N, ...)."""
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
    return display.shown(exported.readout.displayed(x[:count].float())), labels[:count]


# ---------------------------------------------------------------------- doctor


def doctor(
    bench: Annotated[
        str,
        typer.Option(
            "--bench", help="The bench as its data sheets describe it: a TOML file or a shipped name."
        ),
    ],
    rig: Annotated[
        str,
        typer.Option(
            "--rig",
            help=f"The bench itself: {RIGS}, or kept:FOLDER (frames of an examination).",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The page; a .json and the corrected bench (.toml) go beside it."
        ),
    ] = Path("doctor.html"),
    only: Annotated[
        list[str] | None, typer.Option("--only", help="One measurement by its name; may be repeated.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that take long, too.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of a simulated bench's noise.")] = 0,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Examine a bench: the quick measurements one after another, what is wrong, and which number to mend first.

    Measurements: orientation, radiometry, settling, display, panel, response, sections, zero_order, fringing,
    illumination, psf, stability; each gives a verdict and an error on every number. Frames are kept in a folder beside
    the page: stopped or failed, the same command goes on with them; --rig kept:FOLDER evaluates them at home. Exit code
    1: a measurement failed.

    Example: sclc doctor --bench bench.toml --rig sim:truth.toml -o doctor.html
    """
    from distill.cli import show as cli_show

    found, written = examined(bench, rig, output, only, (every, seed), threads)
    if json:
        cli_show.print_json(found.to_dict() | {"files": written})
    else:
        show(found, written)
    if found.verdict == "failed":
        raise typer.Exit(1)


def examined(
    bench: str, rig: str, output: Path, only: list[str] | None, options: tuple[bool, int], threads: int | None
) -> tuple[Diagnosis, dict[str, str]]:
    """The examination, and the files that it wrote; options: whether to make those that take long, and the seed."""
    import torch

    from calibration.doctor.examination import examine
    from calibration.doctor.page import write_page
    from calibration.rigs.opening import open_rig
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from optics.bench.files import load_bench
    from optics.bench.write import bench_text
    from optics.files import write_json, write_text

    prepare(threads)
    nominal = load_bench(bench)
    output.parent.mkdir(parents=True, exist_ok=True)
    kind, _, where = rig.partition(":")
    folder = Path(where) if kind == "kept" else output.with_suffix(".frames")
    begun: set[str] = set()
    with (
        goes_on("the same command goes on with the frames that it has"),
        cli_show.Bars() as bars,
        open_rig(rig, nominal, generator=torch.Generator().manual_seed(options[1])) as device,
    ):

        def tell(name: str, done: int, total: int) -> None:
            if name not in begun:
                begun.add(name)
                bars.begin(name, name)
            bars.progress(name, done, total)

        found = examine(device, only or None, folder=folder, tell=tell, quick_only=not options[0])
    toml, data = output.with_suffix(".toml"), output.with_suffix(".json")
    page = write_page(found, output.with_suffix(".html"))
    write_text(toml, bench_text(found.bench))
    write_json(data, found.to_dict())
    return found, {"bench": str(toml), "result": str(data), "page": str(page), "frames": str(folder)}


def show(found: Diagnosis, written: dict[str, Any]) -> None:
    """One page for a terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, header_style="bold")
    for name in ("measurement", "verdict", "number", "measured", "±", "bench file"):
        table.add_column(name, justify="right" if name in ("measured", "±", "bench file") else "left")
    for m in found.measured:
        f = m.finding
        label, verdict = f.name, str(f.verdict)
        for n in f.numbers or ():
            if f.verdict == "good" and not n.key:
                continue
            told = "" if n.nominal is None else f"{n.nominal:.5g}"
            table.add_row(label, verdict, n.name, f"{n.value:.5g}", f"{n.uncertainty:.2g}", told)
            label = verdict = ""
        if label:
            table.add_row(label, verdict, "", "", "", "")
    console.print(table)
    for t in found.troubles[1:]:
        console.print(f"- {t.name} ({t.source}, {t.weight:.1%}): {t.words}", soft_wrap=True, markup=False)
    for name, why in found.skipped.items():
        console.print(f"- {name} was not measured: {why}", soft_wrap=True, markup=False)
    console.print(f"\n{found.verdict}. {found.first}", soft_wrap=True, markup=False)
    console.print(f"Wrote {', '.join(written.values())}.", soft_wrap=True, markup=False)
