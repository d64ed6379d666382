"""`.double()` and `.float()` of every module with constants: as if it had been built so."""

from __future__ import annotations

import pytest
import torch

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination
from optics.fourf.periodic_bench import PeriodicBench
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.modules import ModuleTuple
from optics.slm.panel import SLM

SHAPE = (5, 6)
BENCH = BenchSpec(
    name="small",
    light={"wavelength": 532e-9},
    input={"pitch": 32e-6},
    lens1={"focal_length": 0.02},
    stop={"width": (3.3e-4, 2.5e-4)},
    slm={
        "shape": (60, 60),
        "pitch": 8e-6,
        "modulation": "phase",
        "bits": 6,
        "reflectivity": 0.8,
        "curvature": {4: 0.3},
    },
    encoding={"carrier": (0.0, 0.0), "method": "phase_only"},
    lens2={"focal_length": 0.02},
    camera={"shape": (60, 60), "pitch": 8e-6},
    alignment={"mask_shift": (3e-6, -2e-6), "mask_axial": 1e-4, "mask_rotation": 0.01},
)
GRIDS = {"input.pitch": 532e-9 * 0.02 / (8 * 8e-6), "camera.pitch": 532e-9 * 0.02 / (8 * 8e-6), "stop": None}
MODULES = {
    "FourF": lambda dtype: FourF(BENCH, CameraWindow(SHAPE, margin=1), dtype=dtype),
    "PlaneByPlane": lambda dtype: PlaneByPlane(BENCH, CameraWindow(SHAPE, margin=1), dtype=dtype),
    "Illumination": lambda dtype: Illumination(
        BENCH.replace(**{"light.spectrum": ((600e-9, 0.5),)}), SHAPE, dtype=dtype
    ),
    "Recorder": lambda dtype: Recorder(BENCH, SHAPE, dtype=dtype),
    "SLM": lambda dtype: SLM(BENCH.slm, dtype=dtype),
    "PeriodicBench": lambda dtype: PeriodicBench(BENCH.replace(**GRIDS), (8, 8), dtype=dtype),
}


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_converted_is_as_if_built_so(make):
    single, double = make(torch.float32), make(torch.float64)
    for converted, built in ((make(torch.float32).double(), double), (make(torch.float64).float(), single)):
        got, want = dict(converted.named_buffers()), dict(built.named_buffers())
        assert got.keys() == want.keys()
        for name, value in want.items():
            assert got[name].dtype == value.dtype, name
            assert torch.equal(got[name], value), name
    with pytest.raises(OpticsError, match=r"expected torch\.float32 or torch\.float64"):
        make(torch.float32).half()


def test_a_tuple_of_modules_is_one():
    parts = ModuleTuple(SLM(BENCH.slm) for _ in range(3))
    assert len(parts) == 3 and parts[-1] is list(parts)[2]
    assert isinstance(parts[0], SLM)
    assert len(list(parts.buffers())) == 3 * len(list(parts[0].buffers()))
    with pytest.raises(IndexError):
        parts[3]
