"""What a laboratory shows first, and the text that says so: the export's alignment frames, for a design."""

from __future__ import annotations

from distill.designs.frames import Layout
from distill.export.electronics import camera_window, on_raw_frame, places
from distill.export.lab import LabEntry, lab_files
from distill.export.lab_readme import listed, readme
from optics.fourf.camera_window import CameraWindow
from optics.fourf.recorder import Recorder


def for_the_lab(
    layout: Layout, slm_frames: tuple[str, ...], *, images: int
) -> tuple[dict[str, bytes], tuple[LabEntry, ...]]:
    """`lab/` and `README.txt` by path, and what of `lab/` belongs together.

    Args:
        layout: where the masks stand.
        slm_frames: files in order.
        images: how many of the user's there are.

    Raises:
        SpecError: the signal order does not land on the sensor.
    """
    bench, image_shape = layout.bench, layout.target.image_shape
    files, pairs = lab_files(bench, image_shape)
    window = camera_window(bench, Recorder(bench, CameraWindow(image_shape)))
    text = readme(bench, image_shape, pairs, places(bench), window, _then(layout, slm_frames, images))
    return files | {"README.txt": text.encode("utf-8")}, pairs


def _then(layout: Layout, slm_frames: tuple[str, ...], images: int) -> str:
    tiles = len(layout.places)
    spots = [
        f"row {y:.1f}, column {x:.1f}" for y, x in (on_raw_frame(layout.bench, p) for p in layout.places)
    ]
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
