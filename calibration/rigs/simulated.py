"""A simulated bench whose true description is hidden from whoever measures it, with the faults that real ones have."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from calibration.rigs.flat_field import SimulatedCamera
from calibration.rigs.mounted import binned_size, checked_region, window_to_picture
from calibration.rigs.recording import Corner, Probes, RigError
from calibration.rigs.rig import Abilities, Region, Rig
from optics.bench.geometry import camera_pixel, sensor_edges
from optics.bench.spec import BenchSpec
from optics.camera.camera import Camera
from optics.checks import present
from optics.conventions import abs2
from optics.devices import CPU
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination, panels
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.fringing_exact import exact_reflectance
from optics.slm.panel import SLM

SETTLED = 5.0  # time constants of the panel in its settling time
_PARTS = 6  # of an exposure during which the panel moves
_MARGIN = 6  # input pixels simulated beyond the region that is read, for the tails of the sinc interpolation


@dataclass(frozen=True)
class Faults:
    """What goes wrong on a simulated bench.

    dropped: share of the frames that the camera loses. silent_after: frames after which it answers no more; None is
    never. drift: the true bench after that many seconds; None is one that stands still. Devices mounted otherwise than
    the data sheet says are the true bench's `mounting`.
    """

    dropped: float = 0.0
    silent_after: int | None = None
    drift: Callable[[float], BenchSpec] | None = None


# masks as light meets them, or point-spread functions of rays; and the state's weight
_State = tuple[tuple[Tensor, ...], float]


@dataclass(frozen=True, eq=False)
class _Optics:
    """What the light of a simulated bench meets on its way to one region of the sensor.

    panels: the SLM as each wavelength meets it, the main one first. under: light that is not simply coherent.
    """

    panels: tuple[SLM, ...]
    fourf: FourF
    recorder: Recorder
    under: Illumination | None = None

    def met(self, levels: Tensor) -> list[_State]:
        """What light meets in each of the panel's states, with the state's weight: all that asks for no image."""
        found: list[_State] = []
        for ripple, weight in self.panels[0].states:
            masks = [exact_reflectance(p, levels, ripple=ripple[0] if ripple else 0.0) for p in self.panels]
            met = (self.fourf.at_pupil(masks[0]),) if self.under is None else self.under.psfs(masks)
            found.append((met, weight))
        return found

    def intensity(self, image: Tensor, states: list[_State]) -> Tensor:
        """In the camera plane, (oy, ox), of amplitudes on the display (H, W), over all states."""
        total = torch.zeros(self.fourf.window)
        if self.under is not None:
            for psfs, weight in states:
                total += weight * self.under.intensity(image[None], psfs)[0, 0]
            return total
        masks = torch.cat([met[0] for met, _ in states])
        fields = self.fourf.through(self.fourf.emitted(image[None]), masks)[0]
        for field, (_, weight) in zip(fields, states, strict=True):
            total += weight * abs2(field)
        return total


class SimulatedDriver:
    """Devices of a bench that is simulated by the package's own 4f model.

    Args:
        truth: the bench as it really is; its `mounting` says how the light meets the pictures.
        generator: source of the noise and of the faults; None is the noiseless mean.
        faults: what goes wrong.
        settling: seconds that the panel takes.
        frame_time: seconds from one frame to the next.
    """

    def __init__(
        self,
        truth: BenchSpec,
        *,
        generator: torch.Generator | None = None,
        faults: Faults | None = None,
        settling: float = 0.05,
        frame_time: float = 0.05,
    ) -> None:
        self.truth = truth
        self.generator = generator
        self.faults = Faults() if faults is None else faults
        self.abilities = Abilities(flat_field=True, settling=settling, simulated=True)
        self.frame_time = frame_time
        self._lamp = SimulatedCamera(truth.camera)
        self._time = 0.0
        self._taken = 0
        self._levels: tuple[Tensor, Corner] | None = None
        self._before: tuple[Tensor, Corner] | None = None
        self._since = 0.0
        self._image: Tensor | None = None
        self._made: tuple[object, _Optics] | None = None
        self._shown: tuple[_Optics, Tensor, list[_State]] | None = None

    def show(self, levels: Tensor, corner: Corner) -> None:
        """Levels on the panel; until `latency` it shows those before, then it settles (`_settled`)."""
        new = (levels, corner)
        if self._levels is not None and corner == self._levels[1] and torch.equal(levels, self._levels[0]):
            return
        self._before, self._since = self._levels, self._time
        self._levels = new

    def display(self, amplitudes: Tensor) -> None:
        """Amplitudes on the display."""
        self._image = amplitudes

    def expose(self, seconds: float, region: Region, timeout: float) -> Tensor | None:
        """One exposure of what is shown."""
        if self._levels is None or self._image is None:
            raise RigError("show levels and display an input before an exposure.")
        begun = self._time
        self._time += self.frame_time
        self._taken += 1
        if self.faults.silent_after is not None and self._taken > self.faults.silent_after:
            self._time += timeout
            raise TimeoutError
        if self.faults.dropped and self.generator is not None:
            draw = torch.rand((), generator=self.generator)
            if float(draw) < self.faults.dropped:
                return None
        return self._frame(seconds, region, begun)

    def flat_field(self, photons: float, seconds: float) -> Tensor:
        """An evenly lit frame of the true camera."""
        plane = self._lamp.flat_field(photons, 1, exposure=seconds, generator=self.generator)[0]
        return self.truth.mounting.camera.to_picture(plane)

    def clock(self) -> float:
        """Simulated seconds."""
        return self._time

    def wait(self, seconds: float) -> None:
        """Time passes at once."""
        self._time += seconds

    def close(self) -> None:
        """Nothing to let go of."""

    def state(self) -> Tensor:
        """Clock, frames taken and the noise's source, (bytes,) uint8."""
        clock = np.array([self._time, self._taken], dtype=np.float64).view(np.uint8)
        noise = torch.zeros(0, dtype=torch.uint8) if self.generator is None else self.generator.get_state()
        return torch.cat((torch.from_numpy(clock.copy()), noise))

    def go_on(self, state: Tensor) -> None:
        """Take up what `state` told.

        Raises:
            RigError: it is no such state.
        """
        try:
            time, taken = state[:16].numpy().view(np.float64).tolist()
            if self.generator is not None:
                self.generator.set_state(state[16:].clone())
        except (RuntimeError, ValueError, TypeError) as error:
            raise RigError(f"the state of a simulated bench is damaged ({error}); begin anew.") from error
        self._time, self._taken = time, int(taken)

    # ------------------------------------------------------------------ the light

    def _frame(self, seconds: float, picture: Region, begun: float) -> Tensor:
        bench = self.truth if self.faults.drift is None else self.faults.drift(self._time)
        bench = bench.replace(**{"camera.exposure": seconds})
        sent, lit = present(self._levels, "an SLM frame"), present(self._image, "a picture of the display")
        mounting = bench.mounting
        sensor = mounting.camera.size(binned_size(bench, bench.camera.binning))
        region = mounting.camera.part_of_plane(checked_region(picture, sensor), sensor)
        image = mounting.display.to_plane(lit)
        optics = self._system(bench, (image.shape[-2], image.shape[-1]), region)
        fourf, recorder = optics.fourf, optics.recorder
        intensity = torch.zeros(fourf.window)
        shown = self._shown_levels(bench, sent, fourf)
        for progress, share in self._progress(bench, begun, seconds):
            levels = shown
            if progress < 1.0:
                before = shown if self._before is None else self._shown_levels(bench, self._before, fourf)
                levels = _between(bench, before, shown, progress)
            intensity += share * optics.intensity(image.float(), self._met(optics, levels))
        photons = recorder.photons(intensity) * (seconds / self.truth.camera.exposure)
        part = tuple(
            slice(want.start - have.start, want.stop - have.start)
            for want, have in zip(region, recorder.region, strict=True)
        )
        camera = Camera(bench.camera, region=region)
        counts = camera.expose(photons[part].clamp(min=0), generator=self.generator)
        return mounting.camera.to_picture(counts)

    def _shown_levels(self, bench: BenchSpec, shown: tuple[Tensor, Corner], fourf: FourF) -> Tensor:
        """Levels (1, ny, nx) of the pixels that light reaches."""
        mount = bench.mounting.slm
        levels, corner = window_to_picture(*shown, mount.inverse, mount.size(bench.slm.shape))
        dark = torch.zeros(1, 1, 1, dtype=torch.float64)
        return Probes(levels[None], dark, corner).on_panel(fourf.rows, fourf.cols)

    def _progress(self, bench: BenchSpec, begun: float, seconds: float) -> list[tuple[float, float]]:
        """How far the panel has settled during an exposure: parts of it as (progress, share)."""
        timing = bench.slm.timing
        if self._before is None or begun - self._since >= timing.latency + 2 * timing.settling:
            return [(1.0, 1.0)]
        found = []
        for k in range(_PARTS):
            since = begun + (k + 0.5) / _PARTS * seconds - self._since - timing.latency
            found.append((settled(since, timing.settling), 1 / _PARTS))
        return found

    def _met(self, optics: _Optics, levels: Tensor) -> list[_State]:
        """What light meets where the panel shows these levels; kept while they stand."""
        if self._shown is None or self._shown[0] is not optics or not torch.equal(self._shown[1], levels):
            self._shown = (optics, levels, optics.met(levels))
        return self._shown[2]

    def _system(self, bench: BenchSpec, image_shape: tuple[int, int], region: Region) -> _Optics:
        """The bench's optics for one region of the sensor; kept while nothing changes."""
        key = (bench, image_shape, str(region))
        if self._made is not None and self._made[0] == key:
            return self._made[1]
        parts = parts_of_display(image_shape)
        fourf, recorder = simulate(bench, image_shape, region, parts=parts)
        lit = (fourf.rows, fourf.cols)
        if bench.light.simple:
            made = _Optics((SLM(bench.slm, region=lit),), fourf, recorder)
        else:
            made = _Optics(tuple(panels(bench, lit)), fourf, recorder, Illumination(bench, fourf.view))
        self._made = (key, made)
        return made


def _between(bench: BenchSpec, before: Tensor, after: Tensor, progress: float) -> Tensor:
    """Levels whose phases are a share of the way from the old to the new: what relaxes is the phase."""
    spec = bench.slm
    if spec.modulation != "phase" or spec.bits is None:
        return (before + progress * (after - before)).round().to(torch.int32)
    table = spec.response.table(spec.bits)
    phase = table[before.long()] * (1 - progress) + table[after.long()] * progress
    return torch.bucketize(phase, (table[1:] + table[:-1]) / 2, out_int32=True)


def settled(since: float, settling: float) -> float:
    """Share of the way from the old levels to the new that a panel has gone `since` seconds after its latency.

    `1 - exp(-5 since / settling)`: within 0.7 % when `settling` is over, as a liquid crystal relaxes.
    """
    if since <= 0:
        return 0.0
    return 1.0 if settling <= 0 else 1 - math.exp(-SETTLED * since / settling)


def parts_of_display(image_shape: tuple[int, int]) -> int:
    """Into how many parts a display is cut that each see lens 1 from their place: about as wide as high."""
    height, width = image_shape
    return max(1, round(width / height))


def simulate(
    bench: BenchSpec,
    image_shape: tuple[int, int],
    region: Region,
    *,
    parts: int = 1,
    dtype: torch.dtype = torch.float32,
    device: torch.device = CPU,
) -> tuple[FourF, Recorder]:
    """4f system and recorder of a bench whose recorder sees at least `region` of the binned sensor.

    `recorder.region` says which binned pixels it really has; the window lies around the signal order or around the
    region, whichever the region asks for. `parts` of the display, side by side, see lens 1 each from its own place
    (`optics.fourf.channels`); it matters where lens 1 has aberrations.

    Raises:
        SpecError: the region's image leaves the sensor, or a lens does not pass the beam.
    """
    pixel = camera_pixel(bench)
    centre, shape = [], []
    for k, part in enumerate(region):
        low, high = (sensor_edges(bench, k)[0] + edge * pixel for edge in (part.start, part.stop))
        shape.append(math.ceil((high - low) / bench.input.pitch - 1e-9))
        centre.append((low + high) / 2)
    window = (shape[0], shape[1])
    # the window's centre is at sample n // 2, the region's in the middle: half an input pixel apart where n is even
    pitch = bench.input.pitch
    offset = (
        centre[0] + (0.0 if window[0] % 2 else pitch / 2),
        centre[1] + (0.0 if window[1] % 2 else pitch / 2),
    )
    view = CameraWindow(
        image_shape, window, margin=_MARGIN, offset=offset, channels=parts, gap=-image_shape[1] % parts
    )
    fourf = FourF(bench, view, dtype=dtype)
    return fourf.to(device), Recorder(bench, fourf.view, dtype=dtype).to(device)


def simulated_rig(
    truth: BenchSpec,
    nominal: BenchSpec,
    *,
    generator: torch.Generator | None = None,
    faults: Faults | None = None,
) -> Rig:
    """A rig over a simulated bench; `nominal` is what whoever measures it is told."""
    driver = SimulatedDriver(truth, generator=generator, faults=faults)
    return Rig(driver, nominal, name=f"sim:{truth.model_dump_json(exclude_defaults=True)}")
