"""The measurements there are, by name: the one table that commands and tests walk. A new one is a line."""

from __future__ import annotations

from collections.abc import Callable

from calibration.measurements.flat_fields import FlatFields
from calibration.measurements.fringing import Fringing
from calibration.measurements.illumination import Illumination
from calibration.measurements.orientation import Orientation
from calibration.measurements.psf import PointSpread
from calibration.measurements.registration import DisplayRegistration, PanelRegistration
from calibration.measurements.response import Response
from calibration.measurements.settling import Settling
from calibration.measurements.stability import Stability
from calibration.measurements.zero_order import ZeroOrder
from calibration.measuring.interface import Measurement
from calibration.rigs.recording import RigError

MEASUREMENTS: dict[str, Callable[[], Measurement]] = {
    "orientation": Orientation,
    "radiometry": FlatFields,
    "settling": Settling,
    "display": DisplayRegistration,
    "panel": PanelRegistration,
    "response": Response,
    "sections": lambda: Response(sections=(2, 2)),
    "zero_order": ZeroOrder,
    "fringing": Fringing,
    "illumination": Illumination,
    "psf": PointSpread,
    "stability": Stability,
}
"""In the order in which a bench is measured: what later ones need comes first."""


def measurement(name: str) -> Measurement:
    """One measurement by its name.

    Raises:
        RigError: there is none of that name.
    """
    if name not in MEASUREMENTS:
        raise RigError(f"there is no measurement {name!r}; expected {', '.join(MEASUREMENTS)}.")
    return MEASUREMENTS[name]()
