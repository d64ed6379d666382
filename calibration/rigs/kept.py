"""A bench that is not there: a measurement whose frames are all kept is evaluated without it."""

from __future__ import annotations

from torch import Tensor

from calibration.rigs.recording import Corner, RigError
from calibration.rigs.rig import Abilities, Region, Rig
from optics.bench.spec import BenchSpec


class KeptDriver:
    """Devices that answer nothing: what is not kept cannot be had.

    Args:
        folder: where frames are kept, for messages.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.abilities = Abilities(flat_field=True)

    def show(self, levels: Tensor, corner: Corner) -> None:
        """Refused."""
        raise self._missing()

    def display(self, amplitudes: Tensor) -> None:
        """Refused."""
        raise self._missing()

    def expose(self, seconds: float, region: Region, timeout: float) -> Tensor | None:
        """Refused."""
        raise self._missing()

    def flat_field(self, photons: float, seconds: float) -> Tensor:
        """Refused."""
        raise self._missing()

    def clock(self) -> float:
        """No time passes."""
        return 0.0

    def wait(self, seconds: float) -> None:
        """No time passes."""

    def close(self) -> None:
        """Nothing to let go of."""

    def _missing(self) -> RigError:
        return RigError(
            f"{self.folder} does not hold all frames of this measurement, or those of another bench file; "
            "measure it on the bench first."
        )


def kept_rig(folder: str, nominal: BenchSpec) -> Rig:
    """A rig over kept frames alone; give the same folder to what measures."""
    return Rig(KeptDriver(folder), nominal)
