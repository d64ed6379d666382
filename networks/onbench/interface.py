"""A network's optics on a bench: what every way there answers, and the values that go in and out.

    drives()                  what the SLM is asked for: follows from the kernels and the device alone
    light(drives, generator)  what carries images to the camera, with *everything* that was drawn on the way
    intensity(x, responses)   the camera plane in one state of that light, for as many batches as it lasts

A class here is abstract or final. Nothing that was drawn is kept outside the value that is returned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from networks.onbench.arrangement import Arrangement
from networks.onbench.display import Display, Responses
from networks.readouts.readouts import Readout
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.fourf.camera_window import CameraWindow, Size
from optics.fourf.system import FourF
from optics.slm.response import ResponseSpec
from optics.slm.ripple import Ripple, States

__all__ = ["BenchOptics", "CoherentOptics", "Display", "Drive", "FramedOptics", "Light", "Responses", "Setup"]


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

    @property
    @abstractmethod
    def arrangement(self) -> Arrangement:
        """How frames stand to images and answers."""

    @property
    @abstractmethod
    def systems(self) -> tuple[FourF, ...]:
        """The 4f system that each of the `responses` belongs to; all meet the same pixels of their panel."""

    @abstractmethod
    def drives(self) -> tuple[Drive, ...]:
        """What each SLM is asked for; differentiable in the kernels, nothing is drawn."""

    @abstractmethod
    def sent(self, drives: tuple[Drive, ...]) -> tuple[Tensor, ...]:
        """Grey levels of every frame of every SLM that `drives()` asks for, whole panels, (F, NY, NX) int32 each.

        Raises:
            OpticsError: the SLM is ideal and has no levels.
        """

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

    def sent(self, drives: tuple[Drive, ...]) -> tuple[Tensor, ...]:
        """See `BenchOptics.sent`."""
        return (self.levels(drives),)

    @abstractmethod
    def levels(self, drives: tuple[Drive, ...] | None = None) -> Tensor:
        """The grey levels of every frame, whole panel, (F, NY, NX) int32; unlit pixels show level 0.

        Args:
            drives: what `drives()` gave, to be spared working it out again.

        Raises:
            OpticsError: the SLM is ideal and has no levels.
        """
