"""What is assumed about a bench, beside what is there: the figures of a camera, and the way back through a rotation.

    [camera]                       # what is there: the light is counted by it
    [assumed_camera]               # what the electronics thinks: counts become photons by it
    [alignment]                    # where the elements are
    [assumed_alignment]            # where masks and bins take them to be

Where a table of assumptions is absent, the camera and the response are known, and of the alignment nothing is.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from optics.camera.camera import CameraSpec
from optics.conventions import Point
from optics.spec import Spec


class AssumedADCSpec(Spec):
    """What is assumed of a converter; an absent figure is the camera's own. Units as in `ADCSpec`."""

    gain: float | None = Field(default=None, ge=1e-9, le=1e9)
    black_level: float | None = Field(default=None, ge=0.0, le=1e9)


class AssumedCameraSpec(Spec):
    """What turns counts into photons, where it is not what the camera does; an absent figure is the camera's own.

    quantum_efficiency: electrons per photon. dark_current: electrons per second. background: photons per exposure on
    each sensor pixel. adc: see AssumedADCSpec.
    """

    quantum_efficiency: float | None = Field(default=None, ge=1e-9, le=1.0)
    dark_current: float | None = Field(default=None, ge=0.0, le=1e15)
    background: float | None = Field(default=None, ge=0.0, le=1e15)
    adc: AssumedADCSpec = AssumedADCSpec()

    def of(self, camera: CameraSpec) -> CameraSpec:
        """That camera with the figures that are given here."""
        given: dict[str, Any] = {f"adc.{k}": v for k, v in self.adc.model_dump().items() if v is not None}
        own = self.model_dump(exclude={"adc"})
        given |= {name: value for name, value in own.items() if value is not None}
        return camera.replace(**given) if given else camera


def turned_back(point: Point, angle: float) -> Point:
    """A point (y, x) seen from axes that are turned by `angle` radians from +x towards +y."""
    (y, x), c, s = point, math.cos(angle), math.sin(angle)
    return (c * y - s * x, s * y + c * x)
