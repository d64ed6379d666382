"""A network's optics on a bench: what every way there answers, and the values that go in and out.

    drives()                  what the SLM is asked for: follows from the kernels and the device alone
    light(drives, generator)  what carries images to the camera, with *everything* that was drawn on the way
    intensity(x, responses)   the camera plane in one state of that light, for as many batches as it lasts

A class here is abstract or final. Nothing that was drawn is kept outside the value that is returned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from networks.readouts.readouts import Readout
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.fourf.camera_window import CameraWindow, Size
from optics.slm.response import ResponseSpec
from optics.slm.ripple import Ripple, States


@dataclass(frozen=True, eq=False)
class Drive:
    """What one SLM is asked for.

    Attributes:
        asked: (F, ny, nx) of the lit pixels: the masks themselves on a complex device, what encodes them (phases,
            amplitudes) on another, or integer levels.
        scales: (F,) the masks' largest moduli, by which they were divided since a modulator cannot amplify.
        designed: the masks that this encodes; None where levels were given and nobody knows them. See `masks`.
    """

    asked: Tensor
    scales: Tensor
    designed: Tensor | None = None

    @property
    def masks(self) -> Tensor:
        """(F, ny, nx) complex masks of modulus at most 1, on the lit pixels.

        Raises:
            OpticsError: levels were given, the masks behind them are not known.
        """
        if self.designed is None:
            raise OpticsError(
                "this network was rebuilt from levels; the masks that they encode are not known."
            )
        return self.designed


Responses = tuple[Tensor, ...]
"""Complex point-spread functions in one state of the panels: by tile, by stage, or by wavelength and source point."""


@dataclass(frozen=True, eq=False)
class Light:
    """What carries images to the camera in one exposure.

    Attributes:
        states: what the panels ripple through, each with its weight: the intensities add up. One, of weight 1, where
            a ripple was drawn or there is none.
        scales: (M,) what the fields are too small by, one per mask.
    """

    states: tuple[tuple[Responses, float], ...]
    scales: Tensor


@dataclass(frozen=True)
class Display:
    """How the channels of an image are shown: side by side at once, or one after another.

    Attributes:
        image_shape: (H, W) of one channel.
        channels: how many.
        one_by_one: each channel has an exposure of its own.
        gap: dark pixels between neighbours side by side.
    """

    image_shape: Size
    channels: int
    one_by_one: bool = False
    gap: int = 0

    @property
    def at_once(self) -> int:
        """Channels in one exposure."""
        return 1 if self.one_by_one else self.channels

    @property
    def spacing(self) -> int:
        """Distance of neighbouring channels, pixels."""
        return self.image_shape[1] + self.gap

    @property
    def canvas_shape(self) -> Size:
        """(H, W) of all channels that are shown at once."""
        return (self.image_shape[0], self.image_shape[1] + (self.at_once - 1) * self.spacing)

    def positions(self) -> Tensor | None:
        """Where the channels' origins stand relative to the display's, (at once,) float64 pixels; None: on the axis."""
        if self.at_once == 1:
            return None
        first = self.image_shape[1] // 2 - self.canvas_shape[1] // 2
        return first + self.spacing * torch.arange(self.at_once, dtype=torch.float64)

    def per_mask(self, kernels: Tensor) -> Tensor:
        """Kernels (out, in, K, K) as (masks, channels at once, K, K)."""
        return kernels.flatten(0, 1)[:, None] if self.one_by_one else kernels

    def exposures(self, x: Tensor) -> list[Tensor]:
        """What is shown, one exposure after another, (B, *canvas_shape), of images (B, channels, H, W)."""
        if self.one_by_one or self.channels == 1:
            return list(x.unbind(1))
        canvas = x.new_zeros(len(x), *self.canvas_shape)
        for i in range(self.channels):
            canvas[:, :, i * self.spacing : i * self.spacing + self.image_shape[1]] = x[:, i]
        return [canvas]

    def each(self, see: Callable[[Tensor, Responses], Tensor], x: Tensor, responses: Responses) -> Tensor:
        """`see(images, responses)` of every exposure with the masks that belong to it, (B, masks, ...) in order."""
        shown = self.exposures(x)
        parts = [see(x, tuple(r[i :: len(shown)] for r in responses)) for i, x in enumerate(shown)]
        return parts[0] if len(parts) == 1 else torch.stack(parts, 2).flatten(1, 2)

    def join(self, readings: Tensor) -> Tensor:
        """Readings (B, masks, y, x) with those of the channels that were shown one by one added up."""
        return readings.unflatten(1, (-1, self.channels)).sum(2) if self.one_by_one else readings


@dataclass(frozen=True, kw_only=True, eq=False)
class Setup:
    """What every way onto a bench is built from.

    Attributes:
        bench: what the bench is; ideal and realistic by the same code.
        readout: what the camera shall see.
        display: how images are shown.
        taps: of a collapsed kernel's side; 0 where levels were given.
        oversampling: camera samples per input pixel, see `optics.fourf.camera_window.CameraWindow`.
        assumed_response: response that the levels are computed with (None: the bench's `slm.assumed`).
        dtype: float32 or float64.
    """

    bench: BenchSpec
    readout: Readout
    display: Display
    taps: int = 0
    oversampling: int | Size | None = None
    assumed_response: ResponseSpec | None = None
    dtype: torch.dtype = torch.float32


class BenchOptics(nn.Module, ABC):
    """A network's optics on a bench.

    Attributes:
        setup: what it was built from.
        windows: where the camera looks; mask `m` is seen in window `m % len(windows)`. All have equally many samples.
        gain: amplitude of the signal order relative to the mask, by the data sheets; the electronics divides by its
            square.
    """

    setup: Setup
    windows: tuple[CameraWindow, ...]
    gain: float

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """The working precision, float32 or float64."""

    @abstractmethod
    def drives(self) -> tuple[Drive, ...]:
        """What each SLM is asked for; differentiable in the kernels, nothing is drawn."""

    @property
    @abstractmethod
    def states(self) -> States:
        """What the panels ripple through in an exposure: (one ripple per panel, weight) pairs."""

    @abstractmethod
    def responses(
        self, drives: tuple[Drive, ...], *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Responses:
        """What `drives()` make of the light: of a ripple that the generator draws, or of one of `states`.

        Neither: of the mean *field*, whose square is not the mean intensity.
        """

    @abstractmethod
    def scales(self, drives: tuple[Drive, ...]) -> Tensor:
        """What the fields are too small by, (M,), one per mask."""

    def light(self, drives: tuple[Drive, ...], generator: torch.Generator | None = None) -> Light:
        """One draw of what the panels do by chance, or without a generator all their `states`."""
        states: States = self.states if generator is None else ((None, 1.0),)
        found = (
            (self.responses(drives, generator=generator, ripple=ripple), weight) for ripple, weight in states
        )
        return Light(tuple(found), self.scales(drives))

    @abstractmethod
    def intensity(self, x: Tensor, responses: Responses) -> Tensor:
        """Camera-plane intensity (B, M, oy, ox) of amplitudes on the display (B, channels, H, W)."""


class CoherentOptics(BenchOptics, ABC):
    """Optics with one field in the camera plane, which a reference beam can be added to."""

    @abstractmethod
    def field(self, x: Tensor, responses: Responses) -> Tensor:
        """Camera-plane field (B, M, oy, ox) complex of amplitudes on the display (B, channels, H, W)."""

    @abstractmethod
    def reference_turns(self) -> Tensor:
        """Phase factor that a reference beam is set to, one per window, (W,) complex.

        That of a point of light in the middle of the display behind a clear mask, as an interferometer is set once it
        is aligned: a mask that stands aside turns the phase of an off-axis order by `2 pi carrier shift / pitch`.
        """


class FramedOptics(BenchOptics, ABC):
    """Optics with one SLM, hence one set of frames."""

    @abstractmethod
    def levels(self, drives: tuple[Drive, ...] | None = None) -> Tensor:
        """The grey levels of every frame, whole panel, (F, NY, NX) int32; unlit pixels show level 0.

        Args:
            drives: what `drives()` gave, to be spared working it out again.

        Raises:
            OpticsError: the SLM is ideal and has no levels.
        """
