"""A bench to measure: one face over real devices, simulated ones and recordings.

A `Driver` is what a kind of hardware implements: show, display, expose. `Rig` does what all benches need, once: checks
what it is asked, waits until the panel has settled, asks again when a frame is dropped, gives up after a time-out,
notes every call, and keeps the frames that it has when the bench fails. What it is given and gives are planes, upright;
its driver's are the devices' own pictures, by the bench's `mounting`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from calibration.rigs.mounted import binned_size, window_to_picture
from calibration.rigs.recording import Corner, Probes, Recording, RigError
from optics.bench.geometry import camera_pixel, sensor_edges
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.checks import check_shape

Region = tuple[slice, slice]


@dataclass(frozen=True)
class Abilities:
    """What a bench can do.

    panel, display: whether other levels and inputs can be shown. flat_field: whether the camera can be lit evenly.
    exposures: shortest and longest, seconds. settling: seconds from a new frame on the panel until it stands.
    simulated: no light was involved. recorded: it can only repeat what was captured before.
    """

    panel: bool = True
    display: bool = True
    flat_field: bool = False
    exposures: tuple[float, float] = (1e-6, 100.0)
    settling: float = 0.0
    simulated: bool = False
    recorded: bool = False


class Driver(Protocol):
    """One kind of hardware. Methods are called in the order show, display, wait, expose; none of them retries.

    What it takes and gives are the devices' own pictures, row 0 first, as their memory has it.
    """

    @property
    def abilities(self) -> Abilities:
        """What it can do."""
        ...

    def show(self, levels: Tensor, corner: Corner) -> None:
        """Put levels (ly, lx) on the panel at `corner`, 0 elsewhere."""
        ...

    def display(self, amplitudes: Tensor) -> None:
        """Put amplitudes (H, W) in [0, 1] on the display."""
        ...

    def expose(self, seconds: float, region: Region, timeout: float) -> Tensor | None:
        """Counts (cy, cx) of a region of the binned sensor; None where the camera dropped the frame.

        Raises:
            TimeoutError: no answer within `timeout` seconds.
        """
        ...

    def flat_field(self, photons: float, seconds: float) -> Tensor:
        """One raw, unbinned frame (y, x) of an evenly lit sensor; called only where `abilities` has it."""
        ...

    def clock(self) -> float:
        """Seconds, ascending; a simulated bench has its own time."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def close(self) -> None:
        """Let go of the devices; the panel may go blank."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A driver without light, which goes on after an interruption as if there had been none."""

    def state(self) -> Tensor:
        """What it needs for that, (bytes,) uint8."""
        ...

    def go_on(self, state: Tensor) -> None:
        """Take up a state."""
        ...


@dataclass(frozen=True)
class Call:
    """One line of a rig's log: what was asked, what it showed (a digest), when, how long, and how it ended.

    outcome: "done", "dropped" (and asked again), "timed out" or "failed".
    """

    what: str
    digest: str
    begun: float
    seconds: float
    exposure: float
    outcome: str


class CaptureError(RigError):
    """The bench failed half-way; `recording` holds the frames before that, or None."""

    def __init__(self, message: str, recording: Recording | None) -> None:
        super().__init__(message)
        self.recording = recording


class Rig:
    """A bench to measure; use it in a `with` block, which lets go of the devices at its end.

    Args:
        driver: the hardware.
        nominal: the bench as its data sheets describe it; its `mounting` leads from planes to the driver's pictures.
        timeout: seconds that one frame may take.
        retries: how often a dropped frame is asked for again.
        keep: called with the recording so far after every frame, for instance to save it.
        name: which bench it is, for what goes on with it later.

    Attributes:
        log: every call, in order.
    """

    def __init__(
        self,
        driver: Driver,
        nominal: BenchSpec,
        *,
        timeout: float = 10.0,
        retries: int = 3,
        keep: Callable[[Recording], None] | None = None,
        name: str = "",
    ) -> None:
        if timeout <= 0 or retries < 0:
            raise RigError(f"timeout {timeout:g} s must be positive, retries {retries} at least 0.")
        self.driver = driver
        self.nominal = nominal
        self.timeout = timeout
        self.retries = retries
        self.keep = keep
        self.name = name
        self.log: list[Call] = []

    def __enter__(self) -> Rig:
        """The rig itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the devices."""
        self.close()

    def close(self) -> None:
        """Let go of the devices."""
        self.driver.close()

    @property
    def abilities(self) -> Abilities:
        """What the bench can do."""
        return self.driver.abilities

    @property
    def camera(self) -> CameraSpec:
        """The camera as its data sheet describes it."""
        return self.nominal.camera

    def capture(self, probes: Probes, *, region: Region, exposure: float | None = None) -> Recording:
        """Show every probe in turn and take one frame of each.

        Args:
            probes: what to show.
            region: rows and columns of the binned sensor that are read.
            exposure: seconds; None = the camera's own.

        Raises:
            RigError: what the panel, the sensor or the shutter cannot do.
            CaptureError: no frame came in time, or every repetition was dropped; it holds the frames before that.
        """
        seconds = self.camera.exposure if exposure is None else exposure
        self.check(probes, region=region, exposure=seconds)
        frames: list[Tensor] = []
        times: list[float] = []
        for i in range(len(probes)):
            try:
                frame, time = self.take(probes, i, region=region, exposure=seconds)
            except RigError as error:
                done = self._recording(probes, frames, times, region, seconds)
                raise CaptureError(f"frame {i} of {len(probes)}: {error}", done) from error
            frames.append(frame)
            times.append(time)
            if self.keep is not None:
                so_far = self._recording(probes, frames, times, region, seconds)
                if so_far is not None:
                    self.keep(so_far)
        recording = self._recording(probes, frames, times, region, seconds)
        if recording is None:
            raise RigError("nothing was captured.")
        return recording

    def flat_field(
        self,
        photons: float,
        frames: int,
        *,
        exposure: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Raw frames (frames, y, x) of an evenly lit sensor; see `calibration.rigs.flat_field.FlatField`.

        Raises:
            RigError: this bench has no lamp, or the request makes no sense.
        """
        if not self.abilities.flat_field:
            raise RigError("this bench cannot light its camera evenly; radiometry needs a lamp or a sphere.")
        if photons < 0 or frames < 1:
            raise RigError(f"photons {photons:g} must not be negative and frames {frames} at least 1.")
        seconds = self.camera.exposure if exposure is None else exposure
        pictures = torch.stack([self.driver.flat_field(photons, seconds) for _ in range(frames)])
        return self.nominal.mounting.camera.to_plane(pictures)

    # ------------------------------------------------------------------ one frame

    def check(self, probes: Probes, *, region: Region, exposure: float) -> None:
        """Raise RigError where the panel, the sensor or the shutter cannot do it."""
        probes.check(self.nominal)
        low, high = self.abilities.exposures
        if not low <= exposure <= high:
            raise RigError(f"exposure is {exposure:g} s, this camera takes {low:g} to {high:g} s.")
        for part, n in zip(region, binned_size(self.nominal, self.camera.binning), strict=True):
            if part.step not in (None, 1) or not 0 <= part.start < part.stop <= n:
                raise RigError(f"region {part} leaves the sensor's {n} binned pixels, or is empty.")

    def take(
        self, probes: Probes, i: int, *, region: Region, exposure: float, delay: float | None = None
    ) -> tuple[Tensor, float]:
        """One frame (cy, cx) of probe `i`, upright, and when it was taken by the bench's clock.

        Args:
            probes: what to show; `check` has accepted them.
            i: which of them.
            region: rows and columns of the binned sensor.
            exposure: seconds.
            delay: seconds from showing to exposing; None: until the panel has settled.

        Raises:
            RigError: no frame came in time, or every repetition was dropped.
        """
        driver, mounting, seconds = self.driver, self.nominal.mounting, exposure
        timing = self.nominal.slm.timing
        settled = max(self.abilities.settling, timing.latency + timing.settling) if delay is None else delay
        digest = probes.digest(i)
        levels, corner = window_to_picture(
            probes.levels[i], probes.corner, mounting.slm, self.nominal.slm.shape
        )
        image = mounting.display.to_picture(probes.inputs[i])
        part = mounting.camera.region(region, self.camera.binned_shape)
        for _ in range(self.retries + 1):
            begun = driver.clock()
            driver.show(levels, corner)
            driver.display(image)
            driver.wait(settled)
            time = driver.clock()
            outcome, frame = "failed", None
            try:
                frame = driver.expose(seconds, part, self.timeout)
                outcome = "dropped" if frame is None else "done"
            except TimeoutError:
                outcome = "timed out"
            finally:
                self.log.append(Call("capture", digest, begun, driver.clock() - begun, seconds, outcome))
            if outcome == "timed out":
                raise RigError(f"no frame within {self.timeout:g} s; check the camera's trigger and cable.")
            if frame is not None:
                shape = tuple(p.stop - p.start for p in part)
                check_shape(
                    frame, shape, name="frame", fix="The driver returns the region that it is asked for."
                )
                return mounting.camera.to_plane(frame.double()), time
        raise RigError(f"the camera dropped the frame {self.retries + 1} times in a row.")

    def _recording(
        self, probes: Probes, frames: list[Tensor], times: list[float], region: Region, seconds: float
    ) -> Recording | None:
        if not frames:
            return None
        start = times[0]
        recording = Recording(
            probes[: len(frames)],
            torch.stack(frames),
            (region[0].start, region[1].start),
            binning=self.camera.binning,
            exposure=seconds,
            times=tuple(t - start for t in times),
        )
        return replace(recording, bench=self.nominal.name)


def default_region(bench: BenchSpec, image_shape: tuple[int, int], margin: int = 2) -> Region:
    """Binned pixels that the image of the signal order covers by the data sheet, and `margin` input pixels around.

    Raises:
        RigError: the image does not lie on the sensor.
    """
    pixel = camera_pixel(bench)
    parts = []
    for k, (n, size) in enumerate(zip(bench.camera.binned_shape, image_shape, strict=True)):
        half = (size / 2 + margin) * bench.input.pitch
        middle = bench.image_offset[k] - sensor_edges(bench, k)[0] - pixel / 2
        low = max(0, round((middle - half) / pixel))
        high = min(n, round((middle + half) / pixel))
        if high - low < 2:
            raise RigError(
                f"bench {bench.name!r}: the signal order lies beside the sensor; check encoding.carrier, camera.shape."
            )
        parts.append(slice(low, high))
    return parts[0], parts[1]
