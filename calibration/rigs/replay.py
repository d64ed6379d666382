"""A recorded bench: what was captured once in the laboratory is captured again at home."""

from __future__ import annotations

from torch import Tensor

from calibration.rigs.mounted import to_pictures
from calibration.rigs.recording import Corner, Probes, Recording, RigError
from calibration.rigs.rig import Abilities, Region, Rig
from optics.bench.spec import BenchSpec


class ReplayDriver:
    """Devices that answer from a recording; each repetition of a probe gives the next frame that was taken of it.

    Args:
        recording: the pictures that the devices were sent and returned (`to_pictures`), binned as the bench's camera.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.abilities = Abilities(exposures=(recording.exposure, recording.exposure), recorded=True)
        self._frames: dict[str, list[int]] = {}
        for i in range(len(recording)):
            self._frames.setdefault(recording.probes.digest(i), []).append(i)
        self._shown: tuple[Tensor, Corner] | None = None
        self._image: Tensor | None = None
        self._time = 0.0

    def show(self, levels: Tensor, corner: Corner) -> None:
        """Levels on the panel."""
        self._shown = (levels, corner)

    def display(self, amplitudes: Tensor) -> None:
        """Amplitudes on the display."""
        self._image = amplitudes

    def expose(self, seconds: float, region: Region, timeout: float) -> Tensor | None:
        """The next frame that was recorded of what is shown.

        Raises:
            RigError: it was never recorded, or no more often, or not on all of the region.
        """
        if self._shown is None or self._image is None:
            raise RigError("show levels and display an input before an exposure.")
        levels, corner = self._shown
        found = self._frames.get(Probes(levels[None], self._image[None], corner).digest(0))
        if found is None:
            raise RigError(
                f"this recording of {len(self.recording)} frames has none of what is shown; it can repeat only its own "
                "probes."
            )
        if not found:
            raise RigError("this probe was recorded less often than it is asked for.")
        have = self.recording.region
        if any(w.start < h.start or w.stop > h.stop for w, h in zip(region, have, strict=True)):
            raise RigError(f"the recording holds {have} of the binned sensor, asked for {region}.")
        i = found.pop(0)
        self._time = self.recording.times[i] if self.recording.times else self._time + seconds
        rows, cols = (slice(w.start - h.start, w.stop - h.start) for w, h in zip(region, have, strict=True))
        return self.recording.counts[i, rows, cols]

    def flat_field(self, photons: float, seconds: float) -> Tensor:
        """Nothing: flat fields are not recorded."""
        raise RigError("a recording holds no flat fields.")

    def clock(self) -> float:
        """Seconds, as recorded."""
        return self._time

    def wait(self, seconds: float) -> None:
        """Recorded frames have settled."""

    def close(self) -> None:
        """Nothing to let go of."""


def replay_rig(recording: Recording, nominal: BenchSpec) -> Rig:
    """A rig over a recording of planes, which can repeat `recording.probes`.

    Raises:
        RigError: a window leaves the panel or sensor of `nominal`.
    """
    return Rig(ReplayDriver(to_pictures(recording, nominal)), nominal)
