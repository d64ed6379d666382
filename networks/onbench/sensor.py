"""Which part of the sensor a network's electronics reads: one frame of the camera, and the masks' images in it."""

from __future__ import annotations

import torch
from torch import Tensor

from networks.onbench.network import OnBench
from optics.checks import check_shape

Region = tuple[slice, slice]


def sensor_region(network: OnBench) -> Region:
    """Rows and columns of the binned sensor that hold all that the network reads: its image, or those of all tiles."""
    parts = list(zip(*(recorder.region for recorder in network.recorders), strict=True))
    rows, cols = (slice(min(s.start for s in side), max(s.stop for s in side)) for side in parts)
    return rows, cols


def frames_of_masks(network: OnBench, counts: Tensor) -> Tensor:
    """Camera frames (B, F, cy, cx) on `sensor_region` as the network's electronics takes them: (B, masks, cy, cx).

    Raises:
        ShapeError: frames of another part of the sensor.
    """
    rows, cols = sensor_region(network)
    size = (rows.stop - rows.start, cols.stop - cols.start)
    fix = "They are the counts of `sensor_region(network)`."
    check_shape(counts, (None, None, *size), name="camera frames", fix=fix)
    seen = [
        counts[..., _within(rows, recorder.region[0]), _within(cols, recorder.region[1])]
        for recorder in network.recorders
    ]
    return seen[0] if len(seen) == 1 else torch.stack(seen, 2).flatten(1, 2)


def _within(whole: slice, part: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)
