"""One measurement a file, each figure with its uncertainty.

radiometry.py  Radiometry of a camera by photon transfer: gain, noise, black level, dark current, efficiency,
               saturation
"""

from calibration.measurements.radiometry import Measured, Radiometry, measure_radiometry

__all__ = ["Measured", "Radiometry", "measure_radiometry"]
