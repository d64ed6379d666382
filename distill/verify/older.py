"""Exports of older versions: what was different when their counts were computed, so that these are compared alike.

Up to manifest version 2 a binned sensor's pixel `n // 2` stood with its *middle* on the axis, `n` binned pixels; since
then the unbinned pixel `N // 2` does, whatever the binning. The two grids are up to half a binned pixel apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from distill.export.read import Exported
from networks.onbench.network import OnBench
from optics.bench.geometry import camera_pixel, sensor_edges
from optics.conventions import Point
from optics.fourf.camera_window import CameraWindow
from optics.fourf.recorder import Recorder
from optics.modules import ModuleTuple

_BINNED_PIXEL_ON_AXIS = 2  # the last manifest version with that grid


Axes = tuple[Tensor, Tensor] | None


def as_written(exported: Exported) -> OnBench:
    """The network on its bench from an export alone, with the camera of the version that wrote it."""
    network = exported.network()
    if any(_moved(exported)):
        camera = camera_of(exported)
        network.recorders = ModuleTuple(camera(window, None) for window in network.optics.windows)
    return network


def camera_of(exported: Exported) -> Callable[[CameraWindow, Axes], Recorder]:
    """What makes the camera that looks at a window, through samples at given axes or the window's own."""
    bench, assumed = exported.bench, exported.assumed_camera
    moved = _moved(exported)
    shift = tuple(
        s + bench.magnification * d for s, d in zip(bench.alignment.camera_shift, moved, strict=True)
    )
    seen = bench.replace(**{"alignment.camera_shift": shift}) if any(moved) else bench

    def camera(window: CameraWindow, axes: Axes) -> Recorder:
        y, x = window.centre(bench)
        placed = replace(window, offset=(y - moved[0], x - moved[1])) if any(moved) else window
        return Recorder(seen, placed, axes=axes, assumed=assumed)

    return camera


def _moved(exported: Exported) -> Point:
    """How far the sensor's grid stood from where it is now, (y, x) metres in input units."""
    bench = exported.bench
    if exported.manifest.schema_version > _BINNED_PIXEL_ON_AXIS:
        return (0.0, 0.0)
    pixel = camera_pixel(bench)
    y, x = (
        -(bench.camera.shape[k] // bench.camera.binning // 2 + 0.5) * pixel - sensor_edges(bench, k)[0]
        for k in (0, 1)
    )
    return (y, x)
