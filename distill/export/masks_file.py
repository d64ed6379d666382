"""`masks.h5` of an export: levels, the masks that they encode, the point-spread functions that they make, scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.export.manifest import UNITS
from networks.onbench.illuminated import Illuminated
from networks.onbench.network import OnBench
from optics.bench.panel_correction import corrected, correction_map
from optics.bench.spec import BenchSpec
from optics.files import hdf5_bytes
from optics.fourf.stored_psf import point_spread
from optics.slm.response import ResponseSpec

Arrays = dict[str, tuple[NDArray[Any], dict[str, Any]]]


def masks_file(on_bench: OnBench, levels: Tensor, scales: Tensor, extra: Arrays) -> bytes:
    """The file.

    Args:
        on_bench: the network.
        levels: (F, NY, NX) of what is shown, in the order of the arrangement.
        scales: (F,).
        extra: further arrays.
    """
    deep = (on_bench.bench.slm.bits or 8) > 8
    arrays: Arrays = {
        "levels": (
            levels.numpy().astype(np.uint16 if deep else np.uint8),
            {"axes": "SLM frame, y, x", "units": "grey level", "panel": "whole panel; unlit pixels are 0"},
        ),
        "scales": (scales.double().numpy(), {"axes": "SLM frame", "units": UNITS["scales"]}),
    }
    return hdf5_bytes(arrays | _designed(on_bench) | _spreads(on_bench) | extra)


def masks_known(on_bench: OnBench) -> bool:
    """Whether the masks behind the levels are known; not where levels alone were given."""
    return all(drive.designed is not None for drive in on_bench.drives())


def _designed(on_bench: OnBench) -> Arrays:
    if not masks_known(on_bench):
        return {}
    fourf = on_bench.optics.systems[0]
    masks = torch.cat([drive.masks for drive in on_bench.drives()])
    said = {
        "axes": "SLM frame, y, x",
        "units": "field transmission, modulus at most 1",
        "first_row": fourf.rows.start,
        "first_column": fourf.cols.start,
        "pitch": fourf.bench.slm.pitch,
        "pitch_units": "m",
    }
    return {"masks": (masks.cpu().numpy(), said)}


def _spreads(on_bench: OnBench) -> Arrays:
    """`psfs` of one mask a frame; with a letter for each tile, stage or further wavelength."""
    optics, found = on_bench.optics, {}
    parts = list(zip(optics.systems, optics.responses(on_bench.drives()), strict=True))
    kind = "tile" if optics.arrangement.tiles else "stage" if optics.arrangement.stages else "wavelength"
    if isinstance(optics, Illuminated):  # of each wavelength the middle of the source
        rays = optics.illumination.rays
        middle = {
            line: min((abs(y) + abs(x), i) for i, (n, (y, x), _) in enumerate(rays) if n == line)[1]
            for line, _, _ in rays
        }
        parts = [parts[i] for i in middle.values()]
    for i, (fourf, psfs) in enumerate(parts):
        spread = point_spread(fourf, psfs.flatten(0, 1) if optics.arrangement.stages else psfs)
        said: dict[str, Any] = {
            "axes": "SLM frame, y, x",
            "units": "field per unit amplitude of one input pixel",
            "origin": "index n // 2 of y and of x",
            "pitch": np.array(spread.pitch),
            "pitch_units": "m, in the plane of the display",
            "centre": np.array(spread.centre),
            "centre_units": "m, in the plane of the display: from an input pixel to where the origin looks",
            "wavelength": fourf.bench.light.wavelength,
        }
        name = "psfs" if i == 0 else f"psfs_{kind}_{i}"
        found[name] = (
            spread.samples.cpu().numpy(),
            said if len(parts) == 1 else said | {"of": f"{kind} {i}"},
        )
    return found


def with_correction(bench: BenchSpec, levels: Tensor, assumed: ResponseSpec) -> tuple[Tensor, Arrays]:
    """Levels (..., NY, NX) with the panel's correction added, and what tells of it in `masks.h5`."""
    correction = correction_map(bench)
    if correction is None:
        return levels, {}
    said = {"axes": "y, x", "units": "phase, radians, added to every frame (slm.correction)"}
    return corrected(levels, correction, bench.slm.bits or 8, assumed), {
        "correction": (correction.numpy(), said),
        "mask_levels": (
            levels.numpy().astype(np.uint16),
            {"axes": "SLM frame, y, x", "units": "grey level before the correction was added"},
        ),
    }
