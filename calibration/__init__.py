"""Calibration: a bench, real or simulated, in; a hardware description corrected by measurement out."""

import optics

if not hasattr(optics, "import_guard"):
    raise ImportError(
        f"calibration belongs to spectral-cascade and needs its optics, but Python found {optics} first."
    )

from calibration.measurements.radiometry import Measured, Radiometry, measure_radiometry
from calibration.rigs.rig import Rig, SimulatedRig, unit_to_unit

__all__ = ["Measured", "Radiometry", "Rig", "SimulatedRig", "measure_radiometry", "unit_to_unit"]
