from . import measurements, rigs
from .measurements.radiometry import Measured, Radiometry, measure_radiometry
from .rigs.rig import Rig, SimulatedRig, unit_to_unit

__all__ = [
    "Measured",
    "Radiometry",
    "Rig",
    "SimulatedRig",
    "measure_radiometry",
    "measurements",
    "rigs",
    "unit_to_unit",
]
