"""`README.txt` of an export: what to show, in which order, what the camera should see, which way up, what to check."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from distill.export.electronics import CameraWindowEntry, PlacesEntry
from distill.export.lab import LabEntry, grid
from optics.bench.mounting import MountSpec
from optics.bench.spec import BenchSpec
from optics.reading import home, read_bytes

_LARGEST_TABLE = 2**24  # bytes


def readme(
    bench: BenchSpec,
    image_shape: tuple[int, int],
    entries: Sequence[LabEntry],
    places: PlacesEntry,
    window: CameraWindowEntry,
    then: str,
) -> str:
    """The text.

    Args:
        bench: the bench.
        image_shape: (H, W) of the images.
        entries: what belongs together in `lab/`.
        places: where the orders land on the sensor.
        window: the part of the sensor that is read.
        then: the last section: what is shown when all is aligned, `network_section` or a design's own.
    """
    mounting = bench.mounting
    step = grid(image_shape)[1] * bench.input.pitch * bench.magnification / bench.camera.pitch
    zero, signal = (f"row {y:.1f}, column {x:.1f}" for y, x in (places.zero_order, places.signal_order))
    pairs = "\n\n".join(_pair(i, entry, bench.camera.ceiling) for i, entry in enumerate(entries, 1))
    return f"""FOR THE LABORATORY: {bench.name}

Everything that is needed beside this text is in manifest.json (what each number is in: its key "units").
Check the files first:  sclc verify THIS_DIRECTORY


WHICH WAY UP

A picture is what a device takes or gives, row 0 first: the files here and the camera's raw frame.
The files were written for these mountings:

    display   {_mount(mounting.display)}
    SLM       {_mount(mounting.slm)}
    camera    {_mount(mounting.camera)}

They say how the light meets a picture, for somebody who looks along the light with +x to the right and +y down,
the axes going with the light through mirrors, and the camera's plane taken upright although two lenses invert the
image. Every reflection, the SLM's own included, reverses left and right. Do not work that out: look at the two Fs
below.
Show files unscaled, full screen, without gamma and without colour management.


{_driver(bench)}WHAT TO SHOW, IN THIS ORDER

Rows and columns are pixels of the sensor's raw frame, without binning, counted from 0.
Zero order (the optical axis): {zero}.
Signal order (the image's middle): {signal}.
A picture lab/camera-*.png is part of the raw frame, {window.binning} x {window.binning} sensor pixels to one of it;
grey value 255 is the larger of the two counts; what is brighter, as a zero order can be, is 255 too.

{pairs}


WHAT TO CHECK FIRST

* Nothing moves between the blank panel and the grating: the panel does not show what is sent, or the polarisation
  is wrong.
* The grating's image is on the other side of the zero order, at the same distance: the panel is turned by a half, or
  its phase falls with the level. Intensities are the same for both: mounting.slm.turned = 2 mends either.
* The display's F is not as in its camera picture: display and camera. Change mounting.camera until it is
  (mirrored, and turned 0 to 3 quarters), or mounting.display if you know the camera to be right.
* The SLM's F alone is wrong: mounting.slm. Export again with what you found.
* Neighbouring points of the display's grid should be {step:.1f} sensor pixels apart. Another distance is another focal
  length or magnification; bent rows are distortion or a tilted camera. Two are missing, side by side at the upper left.
* Light at the zero order beside a dim signal order: the panel's response is not the one that is assumed
  (manifest.json: assumed_response), or the fill factor is less.
* Counts that end at the same highest value: the exposure is too long.


{then}"""


def network_section(order: str, windows: Sequence[CameraWindowEntry], answered: str) -> str:
    """The last section of a network's text.

    Args:
        order: which frame belongs to what, and in which order (`distill.export.exposures.order_in_words`).
        windows: the parts of the sensor that are read, one for each tile.
        answered: what the electronics answers.
    """
    many = len(windows) > 1
    read = "\n   ".join(
        f"{f'tile {t}: ' if many else ''}rows {w.rows[0]} to {w.rows[1] - 1} and columns {w.columns[0]} to "
        f"{w.columns[1] - 1}"
        for t, w in enumerate(windows)
    )
    how = "docs/export.md of spectral-cascade says how counts become answers; examples/logits_from_counts.py does it."
    last = (
        f"{how}"
        if answered != "counts"
        else "There is no back end here: the counts are all that is compared."
    )
    return f"""THEN THE NETWORK

1. Show the SLM frames in this order, one camera exposure each:

{textwrap.indent(order, "   ")}

2. Of the raw frame read
   {read},
   sum {windows[0].binning} x {windows[0].binning} pixels, turn the result upright as mounting.camera says.
3. Compare with camera_counts in reference.h5 for the images there, before any other image.
4. {last}
"""


def driver_table(bench: BenchSpec) -> tuple[str, bytes] | None:
    """The maker's table that goes with the frames: its name there and its bytes; None without one.

    Raises:
        OpticsError: no such file, or a larger one than any table.
    """
    name = bench.slm.driver_table
    if name is None:
        return None
    path = home(name)
    return f"driver/{path.name}", read_bytes(path, most=_LARGEST_TABLE)


def _driver(bench: BenchSpec) -> str:
    name = bench.slm.driver_table
    if name is None:
        return ""
    return (
        "LOAD FIRST\n\n"
        f"driver/{home(name).name} into the SLM's driver: the frames are for a panel that answers with that table as\n"
        "manifest.json says (assumed_response).\n\n\n"
    )


def _mount(mount: MountSpec) -> str:
    turned = (
        "not turned",
        "turned a quarter clockwise",
        "turned by a half",
        "turned a quarter anticlockwise",
    )
    return f"{'mirrored left for right, ' if mount.mirrored else ''}{turned[mount.turned]}"


def _pair(number: int, entry: LabEntry, ceiling: float) -> str:
    y, x = entry.first
    full = ", the most there are: expose for less" if entry.white >= ceiling else ""
    return (
        f"{number}. {entry.what[0].upper()}{entry.what[1:]}.\n"
        f"   SLM {entry.slm}, display {entry.display}\n"
        f"   camera {entry.camera}: from row {y}, column {x}; counts {entry.black:.6g} to {entry.white:.6g}{full}"
    )


def listed(names: Sequence[str]) -> str:
    """Files in order, in a line."""
    if len(names) <= 4:
        return ", ".join(names)
    return f"{names[0]}, {names[1]}, ... {names[-1]} ({len(names)} files)"
