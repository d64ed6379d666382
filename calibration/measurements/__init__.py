"""One measurement a file, each figure with its uncertainty; `registry.py` is the table of them.

flat_fields.py      Radiometry as a measurement: evenly lit frames in, the camera's figures out
flat_statistics.py  Statistics of flat fields: mean and temporal variance of a level, and what differs from pixel to
                    pixel and stays
fringing.py         Fringing field: how far a pixel's phase bleeds into its neighbours
illumination.py     Illumination of the display
orientation.py      Which of the eight ways are camera and panel mounted
psf.py              Point-spread functions beside their design
radiometry.py       Radiometry of a camera by photon transfer: gain, noise, black level, dark current, efficiency,
                    saturation
registration.py     Where the display's pixels and the panel's gratings land on the camera
registry.py         The measurements there are, by name
response.py         Phase response of the panel, globally and by sub-section
settling.py         Latency and settling of the panel
stability.py        How image and light drift
zero_order.py       Zero order and fill factor
"""

from calibration.measurements.flat_statistics import Measured
from calibration.measurements.radiometry import Radiometry, measure_radiometry
from calibration.measurements.registry import MEASUREMENTS, measurement

__all__ = ["MEASUREMENTS", "Measured", "Radiometry", "measure_radiometry", "measurement"]
