"""Windows between planes and the devices' own pictures (`optics.bench.mounting`).

A `Recording` holds planes, as all of calibration does. Devices take and give pictures: `to_pictures` is what they were
sent and what they returned, `to_planes` the way back.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from calibration.rigs.recording import Corner, Probes, Recording, RigError
from optics.bench.mounting import MountingSpec, MountSpec, Size, Slices
from optics.bench.spec import BenchSpec


def window_to_picture(values: Tensor, corner: Corner, mount: MountSpec, shape: Size) -> tuple[Tensor, Corner]:
    """A window (..., y, x) of a plane of `shape` as a window of the picture, and the corner that it has there.

    Raises:
        RigError: the window leaves the plane.
    """
    rows, cols = checked_region(window(values, corner), shape)
    region = mount.region((rows, cols), shape)
    return mount.to_picture(values), (region[0].start, region[1].start)


def window(values: Tensor, corner: Corner) -> Slices:
    """Rows and columns that a window (..., y, x) with this corner covers."""
    (r, c), (h, w) = corner, values.shape[-2:]
    return slice(r, r + h), slice(c, c + w)


def checked_region(region: Slices, shape: Size) -> Slices:
    """The region itself.

    Raises:
        RigError: it leaves a plane or picture of `shape`.
    """
    if any(part.start < 0 or part.stop > n for part, n in zip(region, shape, strict=True)):
        found = ", ".join(f"{part.start}..{part.stop}" for part in region)
        raise RigError(
            f"a window has rows and columns {found}, its device {shape[0]} x {shape[1]} as mounted: check mounting, "
            "shapes and corners."
        )
    return region


def binned_size(bench: BenchSpec, binning: int) -> Size:
    """Rows and columns of the plane of the sensor, in bins.

    Raises:
        RigError: a camera that is not upright and whose bins do not fill the sensor, so that they change with it.
    """
    shape = bench.camera.shape
    if not bench.mounting.camera.plain and any(n % binning for n in shape):
        raise RigError(
            f"camera.shape {shape} is no multiple of the binning {binning}: bins of a mirrored or turned picture are "
            "then not those of the plane; crop camera.shape to a multiple."
        )
    return shape[0] // binning, shape[1] // binning


def to_pictures(recording: Recording, bench: BenchSpec) -> Recording:
    """What the bench's devices were sent and returned, of a recording of planes.

    Raises:
        RigError: a window leaves its device.
    """
    sensor = binned_size(bench, recording.binning)
    return _moved(recording, bench.mounting, bench.slm.shape, sensor)


def to_planes(recording: Recording, bench: BenchSpec) -> Recording:
    """The planes of a recording of pictures: `to_pictures` the other way round.

    Raises:
        RigError: a window leaves its device.
    """
    mounting, sensor = bench.mounting, binned_size(bench, recording.binning)
    back = MountingSpec(
        display=mounting.display.inverse, slm=mounting.slm.inverse, camera=mounting.camera.inverse
    )
    return _moved(recording, back, mounting.slm.size(bench.slm.shape), mounting.camera.size(sensor))


def _moved(recording: Recording, mounting: MountingSpec, panel: Size, sensor: Size) -> Recording:
    probes = recording.probes
    levels, corner = window_to_picture(probes.levels, probes.corner, mounting.slm, panel)
    counts, where = window_to_picture(recording.counts, recording.corner, mounting.camera, sensor)
    moved = Probes(levels, mounting.display.to_picture(probes.inputs), corner)
    return replace(recording, probes=moved, counts=counts, corner=where)
