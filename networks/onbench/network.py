"""A trained network on a bench: the same read-out and back end, its optical part made of `optics` modules."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from networks.cascade.cascade import Cascade
from networks.onbench.arrangement import Arrangement
from networks.onbench.display import Display
from networks.onbench.interface import BenchOptics, CoherentOptics, Drive, Light, Responses, Setup
from networks.onbench.operator_cache import OperatorCache
from networks.onbench.ways import of_levels, realise
from networks.readouts.readouts import Readout
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError, ShapeError, SpecError, check_finite, check_shape
from optics.conventions import complex_dtype, real_dtype
from optics.devices import device_of, in_own_precision
from optics.fourf.recorder import Recorder
from optics.modules import ModuleTuple
from optics.notebook import words
from optics.slm.response import ResponseSpec

_ROUNDING = 1e-5  # of an image's values: less is as good as 0 or 1
_CHUNK = 2**25  # field samples that are held at once when no gradient is needed


class OnBench(nn.Module):
    """Optics on a bench, the camera behind them, a read-out and its back end.

    Usually made by `student.on(bench)`. What follows from kernels and device alone is kept between calls while no
    gradient is needed; a draw lives in the `Light` that `light` returns and nowhere else.

    Args:
        optics: one of the ways onto a bench, `networks.onbench.ways`.
        backend: features to logits.
        assumed_camera: camera that the electronics assumes, from a calibration (None: the bench's own).

    Attributes:
        recorders: the camera, one for each place that the optics' images land at.

    Raises:
        SpecError: the read-out does not fit the optics, or an image does not lie on the sensor. OpticsError: the
            reference beam alone saturates the camera.
    """

    def __init__(
        self, optics: BenchOptics, backend: nn.Module, *, assumed_camera: CameraSpec | None = None
    ) -> None:
        super().__init__()
        setup = optics.setup
        if setup.readout.needs_field and not isinstance(optics, CoherentOptics):
            raise SpecError(
                f"the {setup.readout.name!r} read-out needs one field in the camera plane, which "
                f"{type(optics).__name__} has not."
            )
        self.optics, self.readout, self.backend = optics, setup.readout, backend
        self.recorders = ModuleTuple(
            Recorder(setup.bench, window, assumed=assumed_camera, dtype=setup.dtype)
            for window in optics.windows
        )
        self._cache = OperatorCache()
        if self.readout.reference_light is not None:
            self._check_reference(self.readout.reference_light * self.gain)

    def __repr__(self) -> str:
        """Which way onto which bench, for which images."""
        ny, nx = self.image_shape
        way, of = type(self.optics).__name__.lower(), self.in_channels
        light = (
            "no light budget" if self.bench.light.photons is None else f"{self.bench.light.photons:g} photons"
        )
        return (
            f"OnBench({way}, {self.readout.name}, on {self.bench.name!r}; images {of} x {ny} x {nx}; {light}, "
            f"{'training' if self.training else 'eval'} mode)"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: these words, and the bench."""
        return words(repr(self)) + self.bench._repr_html_()

    @classmethod
    def build(
        cls,
        cascade: Cascade,
        readout: Readout,
        backend: nn.Module,
        bench: BenchSpec,
        *,
        image_shape: tuple[int, int],
        realisation: str = "collapsed",
        oversampling: int | tuple[int, int] | None = None,
        assumed_response: ResponseSpec | None = None,
        assumed_camera: CameraSpec | None = None,
        **options: Any,
    ) -> OnBench:
        """A network on a bench from its parts; it computes in the cascade's precision, on its device.

        Args:
            cascade: the optical part.
            readout: what the camera records of it.
            backend: features to logits.
            bench: what the bench is; ideal and realistic by the same code.
            image_shape: (H, W) of one channel of the images.
            realisation: "collapsed", "tiled" or "staged", see `networks.onbench.ways`.
            oversampling: camera samples per input pixel, see `optics.fourf.camera_window.CameraWindow`.
            assumed_response: response that the levels are computed with (None: the bench's `slm.assumed`).
            assumed_camera: camera that the electronics assumes, from a calibration (None: the bench's own).
            options: `compensate` (pre-emphasise the masks by the inverse of the display pixel's transform, on by
                default); tiled also `tiles`.

        Raises:
            OpticsError: no such realisation or option. SpecError: the parts do not fit the bench.
        """
        channels, taps = cascade.in_channels, cascade.kernel_size
        apart = readout.channels_apart and channels > 1
        setup = Setup(
            bench=bench,
            readout=readout,
            display=Display(image_shape, channels, apart, gap=taps),
            taps=taps,
            oversampling=oversampling,
            assumed_response=assumed_response,
            dtype=real_dtype(next(cascade.parameters()).dtype),
        )
        optics = realise(realisation, setup, cascade, **options)
        return cls(optics, backend, assumed_camera=assumed_camera).to(device_of(cascade))

    @classmethod
    def from_levels(
        cls,
        levels: Tensor,
        scales: Tensor,
        *,
        bench: BenchSpec,
        image_shape: tuple[int, int],
        readout: Readout,
        backend: nn.Module,
        arrangement: Arrangement | None = None,
        assumed_camera: CameraSpec | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> OnBench:
        """The same network from what is on the SLMs alone, whichever way it is there; in `eval` mode.

        Args:
            levels: (F, NY, NX) integer levels of the whole panel, in the order of the arrangement.
            scales: (F,) what each frame's masks were divided by, as `drives` gave it.
            bench: see `build`, as for all that follow.
            image_shape: see `build`.
            readout: see `build`.
            backend: see `build`.
            arrangement: how the frames stand to images and answers, as `optics.arrangement` gave it; one mask a frame
                of images with one channel when absent.
            assumed_camera: see `build`.
            dtype: float32 or float64.
        """
        arrangement = arrangement or Arrangement()
        display = arrangement.display(image_shape)
        setup = Setup(bench=bench, readout=readout, display=display, dtype=dtype)
        optics = of_levels(setup, arrangement, levels, scales)
        return cls(optics, backend, assumed_camera=assumed_camera).eval()

    def with_backend(self, backend: nn.Module) -> OnBench:
        """The same optics, camera and read-out with another back end; all but the back end is shared."""
        other = copy.copy(self)
        other._modules = {**self._modules, "backend": backend}
        return other

    # ------------------------------------------------------------------ what it is

    @property
    def bench(self) -> BenchSpec:
        """What the bench is."""
        return self.optics.setup.bench

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W) of one channel of the images."""
        return self.optics.setup.display.image_shape

    @property
    def in_channels(self) -> int:
        """Channels of the images."""
        return self.optics.setup.display.channels

    @property
    def gain(self) -> float:
        """Amplitude of the signal order relative to the mask, see `BenchOptics.gain`."""
        return self.optics.gain

    @property
    def scales(self) -> Tensor:
        """What the fields are too small by, (M,), one per mask."""
        with torch.no_grad():
            return self.light().scales

    # ------------------------------------------------------------------ light

    def drives(self) -> tuple[Drive, ...]:
        """What each SLM is asked for, see `BenchOptics.drives`."""
        return self._operator("drives", self.optics.drives)

    def frames_sent(self) -> tuple[Tensor, Tensor]:
        """What goes to the lab: levels (F, NY, NX) int32 of all SLMs in order, whole panels, and their scales (F,).

        `optics.arrangement` says how they stand to images and answers; `from_levels` takes them back.

        Raises:
            OpticsError: the SLM is ideal and has no levels.
        """
        with torch.no_grad():
            drives = self.drives()
            levels = self.optics.sent(drives)
            scales = [drive.scales.expand(len(part)) for drive, part in zip(drives, levels, strict=True)]
            return torch.cat(levels), torch.cat(scales)

    @in_own_precision
    def light(self, *, generator: torch.Generator | None = None) -> Light:
        """What carries images to the camera: one draw of what the SLM does by chance, or without one all its states."""
        if generator is not None:
            return self.optics.light(self.drives(), generator)
        return self._operator("light", lambda: self.optics.light(self.drives()))

    def _operator(self, name: str, make: Callable[[], Any]) -> Any:
        parameters = list(self.optics.parameters())
        if torch.is_grad_enabled() and any(t.requires_grad for t in (*parameters, *self.optics.buffers())):
            return make()
        if not all(isinstance(p, nn.Parameter) for p in parameters):
            return make()  # stand-ins of a functional call, which carry derivatives of their own
        return self._cache.get(name, parameters, self.optics.buffers(), make)

    @in_own_precision
    def reference_beam(self) -> Tensor:
        """The read-out's reference beam in the camera plane, (M, 1, 1) complex, in units of the fields there; or zeros.

        Its phase is set once the bench is aligned, see `CoherentOptics.reference_turns`.
        """
        return self._reference_beam(self.light().scales)

    def _reference_beam(self, scales: Tensor) -> Tensor:
        dtype, device = complex_dtype(scales.dtype), scales.device
        if not self.readout.needs_field:
            return torch.zeros(len(scales), 1, 1, dtype=dtype, device=device)
        if not isinstance(self.optics, CoherentOptics):  # checked when this was built
            raise OpticsError(f"{type(self.optics).__name__} has no field that a reference beam adds to.")
        if torch.is_grad_enabled() and any(b.requires_grad for b in self.optics.buffers()):
            found = self.optics.reference_turns()
        else:
            found = self._cache.get("reference", (), self.optics.buffers(), self.optics.reference_turns)
        turns = found.to(dtype=dtype, device=device).repeat(len(scales) // len(found))
        amplitudes = self._reference(scales) * self.gain / scales
        if self.readout.reference_light is None:  # else it was checked when this was built
            self._check_reference(float(amplitudes.detach().max()))
        return (turns * amplitudes)[:, None, None]

    def _reference(self, scales: Tensor) -> Tensor:
        """Amplitude of the reference beam in the units of the field, (M,), where a white picture gives `scales`."""
        light = self.readout.reference_light
        return torch.full_like(scales, self.readout.reference) if light is None else light * scales

    def _check_reference(self, amplitude: float) -> None:
        """Raise OpticsError where the reference beam alone, of full-scale light's amplitude 1, fills the camera."""
        full, limit = self.recorders[0].full_scale, self.bench.camera.saturation_photons
        if amplitude**2 * full >= limit:
            most = math.sqrt(limit / full)
            raise OpticsError(
                f"the reference beam alone saturates the camera of {self.bench.name!r}: it has {amplitude / most:.3g} "
                f"of the amplitude that fills it. Choose student.readout.reference_light below {most / self.gain:.3g}, "
                "reference as much smaller, or less light.photons."
            )

    def expected(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Photons that every camera pixel expects, (B, F, cy, cx), from images (B, in, H, W) of 0 to 1.

        The generator draws what the SLM does by chance (flicker); without one, the intensities are their mean over it.
        """
        self._check_images(x)
        return self.photons(x, self.light(generator=generator))

    @in_own_precision
    def photons(self, x: Tensor, light: Light) -> Tensor:
        """`expected` for a light that is known."""
        self._check_images(x)
        drawn = [response for responses, _ in light.states for response in responses]
        if torch.is_grad_enabled() and any(t.requires_grad for t in (x, *drawn)):
            return self._photons(x, light)
        samples = math.prod(self.optics.windows[0].samples(self.bench))
        step = max(1, _CHUNK // (2 * len(light.scales) * samples))
        return torch.cat([self._photons(part, light) for part in x.split(step)])

    def _photons(self, x: Tensor, light: Light) -> Tensor:
        shown, total = self.readout.displayed(x), x.real.new_zeros(())
        for responses, weight in light.states:
            exposures = self._exposures(shown, responses, light.scales)
            photons = self._per_window(lambda recorder, part: recorder.photons(part), exposures)
            total = photons if weight == 1.0 else total + weight * photons
        return total

    def _exposures(self, shown: Tensor, responses: Responses, scales: Tensor) -> Tensor:
        """Intensity in the camera plane, (B, F, oy, ox), in one state."""
        if self.readout.needs_field and isinstance(self.optics, CoherentOptics):
            field = self.optics.field(shown, responses)
            return self.readout.exposures(field, self._reference_beam(scales))
        return self.optics.intensity(shown, responses)

    def _per_window(self, do: Callable[[Recorder, Tensor], Tensor], frames: Tensor) -> Tensor:
        """`do` of each window's part of (B, F, ...), frames kept in order."""
        n = len(self.recorders)
        parts = [do(recorder, frames[:, k::n]) for k, recorder in enumerate(self.recorders)]
        return parts[0] if n == 1 else torch.stack(parts, 2).flatten(1, 2)

    def _check_images(self, x: Tensor) -> None:
        fix = "Build the bench network with image_shape=(H, W) of these images."
        check_shape(x, (None, self.in_channels, *self.image_shape), name="images", fix=fix)
        if len(x) == 0:
            raise OpticsError(f"images has shape {tuple(x.shape)}: there is no image; give at least one.")
        if real_dtype(x.dtype) != self.optics.dtype:
            raise OpticsError(
                f"images are {x.dtype} and the network on the bench computes in {self.optics.dtype}. Convert the "
                "images, or the network by .double() or .float()."
            )
        check_finite(x, name="images")
        amplitudes = x.detach().real if x.is_complex() else x.detach()
        low, high = (float(v) for v in amplitudes.aminmax())
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            raise OpticsError(
                f"images range from {low:g} to {high:g}; a display shows amplitudes from 0 to 1: rescale them, "
                "and do not normalise them by mean and deviation."
            )

    # ------------------------------------------------------------------ camera and electronics

    @in_own_precision
    def record(self, photons: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Camera counts from `expected` photons: one exposure; draw many from the same photons for statistics."""
        through = self.training and torch.is_grad_enabled()

        def expose(recorder: Recorder, part: Tensor) -> Tensor:
            return recorder.camera.expose(part.clamp(min=0), generator=generator, differentiable=through)

        return self._per_window(expose, photons)

    def frames(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Camera counts (B, F, cy, cx); without a generator nothing is drawn, the converter still rounds."""
        return self.record(self.expected(x, generator=generator), generator=generator)

    @in_own_precision
    def features_of(self, counts: Tensor, light: Light | None = None) -> Tensor:
        """Features (B, maps, by, bx) in the units that the back end was trained with, from counts (B, F, cy, cx).

        light: what the counts were made with, where it is known; saves working it out again.
        """
        return self._features(counts, self.light() if light is None else light)

    def _features(self, counts: Tensor, light: Light) -> Tensor:
        def read(recorder: Recorder, part: Tensor) -> Tensor:
            return recorder.bins(recorder.relative(part), self.readout.camera.bins)

        return self.features_of_readings(self._per_window(read, counts), light)

    @in_own_precision
    def features_of_readings(self, readings: Tensor, light: Light) -> Tensor:
        """Features (B, maps, by, bx) from the readings of the bins, (B, F, by, bx) in units of full scale."""
        factor = (light.scales / self.gain) ** 2
        if self.readout.needs_field:  # as if the beam were that of a network without a bench
            factor = factor * self.readout.reference / self._reference(light.scales)
        repeats = readings.shape[1] // len(factor)
        if repeats * len(factor) != readings.shape[1]:
            raise ShapeError(f"got {readings.shape[1]} camera frames for {len(factor)} masks.")
        readings = readings * factor.repeat(repeats)[:, None, None].to(readings.dtype)
        return self.readout.combine(self.optics.setup.display.join(readings))

    @in_own_precision
    def features(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Features (B, maps, by, bx) from images (B, in, H, W)."""
        light = self.light(generator=generator)
        return self._features(self.record(self.photons(x, light), generator=generator), light)

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images (B, in, H, W) to the back end's output; one noise draw with a generator, none without."""
        return self.backend(self.features(x, generator=generator))
