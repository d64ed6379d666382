"""How a measurement is made: probes, captures, an estimate with its uncertainty, a verdict; faults are named.

conduct.py    A measurement carried out: shown, kept frame by frame, checked for faults, estimated, judged
drawing.py    What their pictures share: one style, lengths in SI units
faults.py     What can be wrong with frames whatever they are for
fitting.py    Least squares with few parameters
interface.py  What a measurement is: one abstract class, and the values it deals in
patterns.py   What measurements show, and where its light lands
spots.py      Spots in a frame, and how far one frame lies from another
"""

from calibration.measuring.conduct import Measured, MeasurementError, measure
from calibration.measuring.faults import Fault
from calibration.measuring.interface import (
    Finding,
    Flats,
    Judgement,
    Measurement,
    Number,
    Quantity,
    Seen,
    Shots,
)

__all__ = [
    "Fault",
    "Finding",
    "Flats",
    "Judgement",
    "Measured",
    "Measurement",
    "MeasurementError",
    "Number",
    "Quantity",
    "Seen",
    "Shots",
    "measure",
]
