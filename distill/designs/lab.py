"""What a laboratory shows first, and the text that says so: the export's alignment frames, for a design."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distill.designs.frames import Layout, Shown
from distill.export.electronics import camera_window, places
from distill.export.lab import LabEntry, lab_files
from distill.export.lab_readme import listed, readme
from networks.onbench.network import OnBench
from networks.readouts import readouts
from optics.conventions import Point


def for_the_lab(
    layout: Layout, shown: Shown, levels: Tensor, slm_frames: tuple[str, ...], *, images: int
) -> tuple[dict[str, bytes], tuple[LabEntry, ...]]:
    """`lab/` and `README.txt` by path, and what of `lab/` belongs together.

    Args:
        layout: where the masks stand.
        shown: what the panel is sent.
        levels: (F, NY, NX) of the whole panel.
        slm_frames: files in order.
        images: how many of the user's there are.

    Raises:
        SpecError: the signal order does not land on the sensor.
    """
    bench, image_shape = layout.bench, layout.target.image_shape
    optics = OnBench.from_levels(
        levels,
        shown.scales,
        bench=bench,
        image_shape=image_shape,
        readout=readouts.from_config({"name": "intensity"}),
        backend=nn.Identity(),
    )
    with torch.no_grad():
        files, pairs = lab_files(optics)
    window = camera_window(bench, optics.recorders[0])
    then = _then(layout, slm_frames, images)
    text = readme(bench, image_shape, pairs, places(bench), window, slm_frames, len(slm_frames), then=then)
    return files | {"README.txt": text.encode("utf-8")}, pairs


def on_sensor(layout: Layout, place: Point) -> Point:
    """(row, column) of the raw frame's own pixels where a place, metres in input units, lands by the data sheets."""
    bench = layout.bench
    y, x = (
        n // 2 + p * bench.magnification / bench.camera.pitch
        for n, p in zip(bench.camera.shape, place, strict=True)
    )
    return bench.mounting.camera.point((y, x), bench.camera.shape)


def _then(layout: Layout, slm_frames: tuple[str, ...], images: int) -> str:
    tiles = len(layout.places)
    spots = [f"row {y:.1f}, column {x:.1f}" for y, x in (on_sensor(layout, p) for p in layout.places)]
    where = (
        f"Its image's middle lands at {spots[0]}."
        if tiles == 1
        else f"Each shows {tiles} masks side by side; their images' middles land at\n   "
        + "\n   ".join(f"tile {n}: {spot}" for n, spot in enumerate(spots))
    )
    compare = (
        "\n4. Show your images; compare with camera_counts in points.h5, in the order of inputs there."
        if images
        else ""
    )
    return f"""THEN THE DESIGN: {layout.target.name}

1. Show the SLM frames in this order:
   {listed(slm_frames)}
   {where}
2. With lab/display-point.png on the display the camera sees the point-spread function of each mask:
   pictures/intensity-*.png, or psfs in masks.h5, squared. One display pixel is little light: expose for longer.
3. design.json has what to expect: error, efficiency, zero order, the brightest neighbour.{compare}
"""
