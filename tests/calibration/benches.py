"""A small bench for the tests of calibration: 83 x 75 illuminated SLM pixels, frames of 26 x 29 bins."""

from __future__ import annotations

import torch

from calibration.rigs.recording import Probes
from calibration.rigs.rig import Region, default_region
from optics.bench.files import bench_from_dict
from optics.bench.spec import BenchSpec
from tests.scenes import generator

IMAGE = (9, 11)


def bench(**changes: object) -> BenchSpec:
    tables = {
        "name": "small",
        "light": {"wavelength": 633e-9, "photons": 4e4},
        "input": {"pitch": 36e-6},
        "lens1": {"focal_length": 0.05, "diameter": 0.0127},
        "stop": {"width": [0.66e-3, 0.6e-3]},
        "slm": {
            "shape": [240, 320],
            "pitch": 8e-6,
            "modulation": "phase",
            "bits": 8,
            "fill_factor": 0.93,
        },
        "encoding": {"carrier": [0.125, -0.0625]},
        "lens2": {"focal_length": 0.0375, "diameter": 0.0127},
        "camera": {
            "shape": [512, 640],
            "pitch": 3.45e-6,
            "binning": 4,
            "quantum_efficiency": 0.65,
            "shot_noise": True,
            "read_noise": 2.3,
            "full_well": 10500.0,
            "adc": {"bits": 12, "black_level": 16.0},
        },
    }
    return bench_from_dict(tables, source="small bench").replace(**changes)


def probes(count: int, seed: int = 0) -> Probes:
    draws = generator(seed)
    y, x = torch.arange(104)[:, None], torch.arange(96)[None, :]
    rough = torch.rand(count, 1, 14, 13, generator=draws)
    smooth = torch.nn.functional.interpolate(rough, size=(104, 96), mode="bicubic")[:, 0]
    turns = 0.125 * y - 0.0625 * x + 1.2 * smooth
    levels = (torch.remainder(turns, 1.0) * 256).to(torch.int32) % 256
    inputs = (torch.rand(count, *IMAGE, generator=draws) < 0.6).double()
    return Probes(levels, inputs, (68, 112))


def region(spec: BenchSpec) -> Region:
    return default_region(spec, IMAGE, margin=2)
