"""What turns camera counts into answers, as numbers that need no other program: window, constants, weights of the bins.

photons  = ((counts - black) electrons_per_count - dark_electrons) / quantum_efficiency - background
readings = bin_rows (photons / full_scale) bin_columns^T (mask_scales / gain)^2    one mask's exposures, of its tile
features = readings of the read-out (`docs/export.md`), and from there the back end
"""

from __future__ import annotations

import torch
from pydantic import Field

from networks.onbench.network import OnBench
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.conventions import Point
from optics.files import hdf5_bytes
from optics.fourf.recorder import Recorder
from optics.slm.response import ResponseSpec
from optics.spec import Validated


class CameraWindowEntry(Validated):
    """The part of the sensor that the counts come from, in the sensor's own pixels as its raw frame has them.

    rows, columns: first, and one past the last. binning: pixels per side that are summed into one count.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    binning: int = Field(ge=1)


class PlacesEntry(Validated):
    """Where light lands by the data sheets and the alignment that is assumed; may lie off the sensor.

    (row, column) of the sensor's raw frame.
    zero_order: of the optical axis: what the SLM does not modulate. signal_order: of the image's origin.
    """

    zero_order: Point
    signal_order: Point


class TileEntry(Validated):
    """Where the image of one tile of a frame is read: its window, and where its middle lands (row, column)."""

    camera_window: CameraWindowEntry
    signal_order: Point


class CountsEntry(Validated):
    """How a binned pixel's count becomes photons, see above; full_scale: photons at intensity 1."""

    black: float
    electrons_per_count: float = Field(gt=0)
    dark_electrons: float
    quantum_efficiency: float = Field(gt=0)
    background: float
    full_scale: float = Field(gt=0)


def camera_window(bench: BenchSpec, recorder: Recorder) -> CameraWindowEntry:
    """The recorder's part of the sensor, as the camera's raw frame has it."""
    n = bench.camera.binning
    rows, cols = (slice(part.start * n, part.stop * n) for part in recorder.region)
    region = bench.mounting.camera.region((rows, cols), bench.camera.shape)
    return CameraWindowEntry(
        rows=(region[0].start, region[0].stop), columns=(region[1].start, region[1].stop), binning=n
    )


def places(bench: BenchSpec) -> PlacesEntry:
    """Where zero order and signal order land, sensor pixels of the raw frame."""
    return PlacesEntry(
        zero_order=on_raw_frame(bench, (0.0, 0.0)), signal_order=on_raw_frame(bench, bench.image_offset)
    )


def on_raw_frame(bench: BenchSpec, place: Point) -> Point:
    """(row, column) of the raw frame where a place, (y, x) metres in input units, lands by what is assumed."""
    y, x = (
        n // 2 + bench.looked_at(k, p) / bench.camera.pitch
        for k, (n, p) in enumerate(zip(bench.camera.shape, place, strict=True))
    )
    return bench.mounting.camera.point((y, x), bench.camera.shape)


def tile_windows(on_bench: OnBench) -> tuple[TileEntry, ...]:
    """Of each tile of a frame; none where a frame holds one mask."""
    bench = on_bench.bench
    if not on_bench.optics.arrangement.tiles:
        return ()
    return tuple(
        TileEntry(
            camera_window=camera_window(bench, recorder), signal_order=on_raw_frame(bench, recorder.offset)
        )
        for recorder in on_bench.recorders
    )


def counts_entry(camera: CameraSpec, recorder: Recorder) -> CountsEntry:
    """The constants of the camera that the electronics assumes."""
    return CountsEntry(
        black=camera.black,
        electrons_per_count=camera.gain,
        dark_electrons=camera.dark_electrons,
        quantum_efficiency=camera.quantum_efficiency,
        background=camera.binning**2 * camera.background,
        full_scale=recorder.assumed_full_scale,
    )


def electronics_file(on_bench: OnBench, assumed: ResponseSpec) -> bytes:
    """`electronics.h5`: weights of the bins, and what each level of the SLM was `assumed` to give."""
    slm, tiled = on_bench.bench.slm, bool(on_bench.optics.arrangement.tiles)
    weights = [recorder.bin_weights(on_bench.readout.camera.bins) for recorder in on_bench.recorders]
    rows, columns = (torch.stack(side) if tiled else side[0] for side in zip(*weights, strict=True))
    bits = slm.bits or 8
    phase = slm.modulation == "phase"
    table = assumed.table(bits) if phase else assumed.amplitudes(bits)
    axes = "tile, bin, camera pixel" if tiled else "bin, camera pixel"
    said = {"axes": axes, "units": "weight; each bin's sum to 1"}
    arrays = {
        "bin_rows": (rows.to(torch.float64).numpy(), said),
        "bin_columns": (columns.to(torch.float64).numpy(), said),
        "level_values": (
            table.numpy(),
            {
                "axes": "level",
                "units": "phase, radians" if phase else "amplitude",
                "meaning": "what the levels were computed with (slm.assumed_response, or slm.response)",
            },
        ),
    }
    sections = assumed.sections
    if sections is not None:
        arrays["level_sections"] = (
            torch.tensor(sections, dtype=torch.float64).numpy(),
            {"axes": "y, x", "units": "factor of the phase in equal parts of the panel, bilinear between"},
        )
    return hdf5_bytes(arrays)
