"""`sclc calibrate`: a bench's description fitted to what its camera saw."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distill.cli.bench import image_shape
from distill.cli.options import RIGS, Json, Threads, command

if TYPE_CHECKING:
    from calibration.rigs.recording import Recording
    from calibration.twin.result import TwinResult
    from optics.bench.spec import BenchSpec


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    command(app, "calibrate", calibrate)


def calibrate(
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
            help="Where frames come from: recorded:PATH (HDF5, a folder of pictures, or probes.npz and frames.npz), "
            f"{RIGS}, or with --only kept:FOLDER (frames of an examination).",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The calibrated bench; a .json and a page go beside it.")
    ] = Path("calibrated.toml"),
    frames: Annotated[
        int, typer.Option("--frames", min=3, help="Frames to capture; of a recording, all are used.")
    ] = 14,
    hold_back: Annotated[
        int, typer.Option("--hold-back", min=0, help="Frames that take no part in the fit and judge it.")
    ] = 2,
    image: Annotated[
        str, typer.Option("--image", help="Size of the inputs that are captured: 28, or HxW as 22x31.")
    ] = "22x31",
    tolerances: Annotated[
        Path | None,
        typer.Option(
            "--tolerances",
            help="TOML with standard deviations of the data sheet's figures (docs/calibration.md lists the keys).",
        ),
    ] = None,
    zernikes: Annotated[
        int,
        typer.Option(
            "--zernikes", min=3, max=105, help="Highest Noll index that is fitted; 3 leaves aberrations out."
        ),
    ] = 15,
    candidates: Annotated[
        int,
        typer.Option(
            "--candidates", min=0, help="Probes to choose from by information; 0 takes every kind in turn."
        ),
    ] = 0,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Save what is captured as HDF5, frame by frame.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            help="One measurement instead of the fit, by its name (`sclc doctor --help`); may be repeated.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of the probes' random details and a simulated bench's noise.")
    ] = 0,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="What computes: cpu, cuda, cuda:1, mps, or auto.")
    ] = "cpu",
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Fit a bench's description to captured frames: alignment, focus, aberrations, response, fringing, light, camera.

    Writes the calibrated bench as TOML, which every other command takes, with one standard deviation beside each
    number; a .json with the covariance; and a page with pictures. Exit code 1: the frames are not predicted to three
    times their noise; the last line says what to check.

    Example: sclc calibrate --bench datasheet.toml --rig recorded:frames.h5 -o calibrated.toml
    """
    from calibration.twin.calibrate import calibrate as fit_bench
    from calibration.twin.page import write_page
    from calibration.twin.parameters import load_tolerances
    from distill.cli import show as cli_show
    from distill.cli.process import prepare
    from optics.bench.files import load_bench
    from optics.devices import find

    if only:
        _measure(bench, rig, output, only, seed, threads, json)
        return
    prepare(threads)
    find(device)
    nominal = load_bench(bench)
    output.parent.mkdir(parents=True, exist_ok=True)
    report = (lambda line: None) if json else _tell
    recording = _frames(
        nominal, rig, (frames, candidates), image_shape(image), seed, keep, output.with_suffix(".partial.h5")
    )
    step = max(1, len(recording) // hold_back) if hold_back else 1
    held = [k * step + step // 2 for k in range(hold_back)]
    result = fit_bench(
        recording,
        nominal,
        tolerances=load_tolerances(tolerances) if tolerances else None,
        zernikes=tuple(range(4, zernikes + 1)),
        hold_back=held,
        device=device,
        report=report,
    )
    toml, found = result.save(output)
    page = write_page(result, recording, output.with_suffix(".html"))
    written = {"bench": str(toml), "result": str(found), "page": str(page)}
    if json:
        cli_show.print_json(result.to_dict() | {"files": written})
    else:
        _show(result, written)
    if result.verdict == "failed":
        raise typer.Exit(1)


def _measure(
    bench: str, rig: str, output: Path, only: list[str], seed: int, threads: int | None, json: bool
) -> None:
    """Single measurements in place of the fit; the bench that is written has what they found."""
    from distill.cli import rigs as cli_rigs
    from distill.cli import show as cli_show

    found, written = cli_rigs.examined(bench, rig, output, only, (True, seed), threads)
    if json:
        cli_show.print_json(found.to_dict() | {"files": written})
    else:
        cli_rigs.show(found, written)
    if found.verdict == "failed":
        raise typer.Exit(1)


def _tell(line: str) -> None:
    sys.stderr.write(f"  {line}\n")


def _frames(
    nominal: BenchSpec,
    rig: str,
    counts: tuple[int, int],
    image: tuple[int, int],
    seed: int,
    keep: Path | None,
    partial: Path,
) -> Recording:
    """The frames of a recording, or of a bench that is simulated from its true description."""
    import torch

    from calibration.rigs.files import load_recording, save_recording
    from calibration.rigs.opening import open_rig
    from calibration.rigs.recording import RigError
    from calibration.rigs.rig import CaptureError, default_region
    from calibration.twin.probes import choose_probes, probe_candidates

    kind, _, where = rig.partition(":")
    if kind == "recorded" and where:
        return load_recording(where, nominal)
    generator = torch.Generator().manual_seed(seed)
    frames, candidates = counts
    probes = probe_candidates(nominal, image, max(frames, candidates), generator=generator)
    if candidates > frames:
        probes = probes[choose_probes(nominal, probes, frames)[0]]
    with open_rig(rig, nominal, generator=generator) as bench:
        bench.keep = None if keep is None else (lambda so_far: save_recording(so_far, keep))
        try:
            found = bench.capture(probes, region=default_region(nominal, image))
        except CaptureError as error:
            place = keep or partial
            if error.recording is None:
                raise
            save_recording(error.recording, place)
            raise RigError(
                f"{error} The {len(error.recording)} frames before that are in {place}: --rig recorded:{place}."
            ) from error
        dropped = sum(call.outcome == "dropped" for call in bench.log)
        if dropped:
            _tell(
                f"dropped: {dropped} frames were lost and taken again; check the camera's cable and its port"
            )
        return found


def _show(result: TwinResult, written: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, header_style="bold")
    for name in ("number", "data sheet", "calibrated", "±", "learnt"):
        table.add_column(name, justify="left" if name == "number" else "right")
    for e in result.estimates:
        if not e.left_open:
            cells = (f"{e.nominal:.5g}", f"{e.value:.5g}", f"{e.uncertainty:.2g}", f"{e.learnt:.0%}")
            table.add_row(e.name, *cells)
    console.print(table)
    if result.combinations:
        console.print("Left open, but for these sums (in units of each tolerance, ± after the frames):")
        for c in result.combinations[:8]:
            console.print(f"  {c}  ± {c.uncertainty:.2g}")
    error, noise = result.held_back or (result.residual, result.noise)
    kind = "held back" if result.held_back else "fitted"
    console.print(
        f"\nFrames {kind} are predicted to {error:.2%}; their noise is {noise:.2%}; the data sheet errs by "
        f"{result.nominal_residual:.0%}. {result.frames} frames, {result.seconds:.0f} s: {result.verdict}."
    )
    if result.advice:
        console.print(result.advice)
    console.print(f"Wrote {', '.join(written.values())}.")
