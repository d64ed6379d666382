"""A small bench for designs: 62 SLM pixels see light, so that both engines take a fraction of a second."""

from __future__ import annotations

from typing import Any

from optics.bench.files import bench_from_dict
from optics.bench.spec import BenchSpec

SHAPE = (10, 12)  # display pixels
PANEL = (72, 90)
WIDTH = 532e-9 * 0.03 / 32e-6  # one band of the display's pixels
ENCODINGS = {
    "phase": {"method": "blazed", "carrier": [0.25, 0.0]},
    "amplitude": {"method": "interferogram", "carrier": [0.25, 0.1]},
    "dmd": {"method": "lee", "carrier": [0.25, 0.1]},
}


def bench(slm: dict[str, Any] | None = None, *, modulation: str = "phase", **tables: Any) -> BenchSpec:
    """The bench with another panel, or other tables."""
    panel = {
        "pitch": 8e-6,
        "modulation": "phase",
        "bits": 8,
        "fill_factor": 0.93,
        "crosstalk": 0.3,
        "flicker": 0.05,
    }
    return bench_from_dict(
        {
            "name": "small",
            "light": {"wavelength": 532e-9, "photons": 3e4},
            "input": {"pitch": 32e-6},
            "lens1": {"focal_length": 0.03, "diameter": 10e-3, "zernike": {7: 0.05}},
            "stop": {"width": [WIDTH, WIDTH]},
            "slm": {"shape": PANEL} | (panel if slm is None else slm),
            "encoding": ENCODINGS[modulation],
            "lens2": {"focal_length": 0.03, "diameter": 10e-3, "zernike": {5: 0.05}},
            "camera": {
                "shape": (500, 400),
                "pitch": 4e-6,
                "binning": 4,
                "full_well": 1e6,
                "adc": {"bits": 14},
            },
            "alignment": {"mask_shift": [8e-6, -4e-6], "mask_rotation": 2e-3},
        }
        | tables,
        source="the tests",
    )
