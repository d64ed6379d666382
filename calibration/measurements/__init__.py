"""One measurement a file, each figure with its uncertainty.

flat_statistics.py  Statistics of flat fields: mean and temporal variance of a level, and what differs from pixel to
                    pixel and stays
radiometry.py       Radiometry of a camera by photon transfer: gain, noise, black level, dark current, efficiency,
                    saturation
"""

from calibration.measurements.flat_statistics import Measured
from calibration.measurements.radiometry import Radiometry, measure_radiometry

__all__ = ["Measured", "Radiometry", "measure_radiometry"]
