"""What a spatial light modulator is: its data sheet and its flaws, validated."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from optics.conventions import Point
from optics.numbers import GRADIENT
from optics.slm.response import TWO_PI, ResponseSpec
from optics.spec import Seed, Spec, check_pixels, flaw, metres

NOMINAL = ResponseSpec()


class TimingSpec(Spec):
    """How long a panel takes for a new frame, seconds; the planner waits for both before each exposure.

    latency: from sending a frame until the panel starts to show it. settling: until it has the frame's phase.
    """

    latency: float = flaw(0.0, ge=0.0, le=10.0)
    settling: float = flaw(0.0, ge=0.0, le=10.0)


FrameFormat = Literal["levels", "high_bits", "full_scale", "one_bit"]
"""What grey values an SLM's files hold: levels as they are; levels in the highest bits of 8 or 16; levels stretched to
full white; or pixels of one bit."""


class CorrectionSpec(Spec):
    """What is added to every exported frame so that the panel is flat, see `optics.bench.panel_correction`.

    file: greyscale image or .npy array of the panel's size. two_pi: grey value that stands for 2 pi. measured: the
    file holds the panel's own deformation, whose negative is added.
    """

    file: str
    two_pi: float = Field(default=256.0, gt=0.0)
    measured: bool = False


class SLMSpec(Spec):
    """A spatial light modulator. Lengths in metres, angles in radians, sizes and points (y, x).

    shape: pixels of the panel. pitch: pixel pitch. modulation: what a pixel can do. bits: levels are 0 .. 2**bits - 1;
    None is continuous. fill_factor: active share of the area. reflectivity: of power. response: what the levels really
    do, see ResponseSpec. assumed_response: what whoever computes the levels thinks that they do; absent: they know.
    crosstalk: full widths at half maximum of the fringing field, SLM pixels; one number for both axes is accepted.
    flicker: rms ripple of the phase difference between full drive (2 pi) and none, common to the panel, radians.
    curvature: Noll index to radians rms over the panel's circumscribed circle. stuck, dead: shares of pixels that hold
    a random level, or none. seed: which pixels those are. frame_rate: frames per second. zero_order: power of a clear
    mask's light that never meets the pixels' modulation (cover glass, backplane), beside what the gaps send;
    beam_splitter: share of the power that its splitter leaves after both passes, 1/4 at best. timing: see TimingSpec.
    frame_format: what the files that its driver takes hold. correction: what is added to them. driver_table: a maker's
    table (Meadowlark `.lut`, gamma) that its driver must load; it goes with the frames and is not looked into.
    """

    shape: tuple[int, int]
    pitch: Annotated[float, metres(1e-7, 1e-3)]
    modulation: Literal["complex", "phase", "amplitude", "dmd"] = flaw("complex")
    bits: int | None = flaw(None, ge=1, le=16)
    fill_factor: float = flaw(1.0, ge=1e-3, le=1.0)
    reflectivity: float = flaw(1.0, ge=1e-9, le=1.0)
    response: ResponseSpec = ResponseSpec()
    assumed_response: ResponseSpec | None = flaw(None)
    crosstalk: Point = flaw((0.0, 0.0))
    flicker: float = flaw(0.0, ge=0.0, le=math.pi)
    curvature: Annotated[dict[int, float], GRADIENT] = flaw({})
    stuck: float = flaw(0.0, ge=0.0, le=1.0)
    dead: float = flaw(0.0, ge=0.0, le=1.0)
    seed: Seed = 0
    frame_format: FrameFormat = "levels"
    correction: CorrectionSpec | None = None
    driver_table: str | None = None
    frame_rate: float = Field(default=60.0, gt=0.0)
    zero_order: float = flaw(0.0, ge=0.0, lt=1.0)
    beam_splitter: float = flaw(1.0, ge=1e-9, le=1.0)
    timing: TimingSpec = TimingSpec()

    @property
    def meeting(self) -> float:
        """Amplitude, relative to all that is reflected, of the light that meets the pixels."""
        return math.sqrt(1 - self.zero_order)

    @property
    def bypassing(self) -> complex:
        """Amplitude of the light that bypasses them: in quadrature, so that a clear panel keeps its energy."""
        return 1j * math.sqrt(self.zero_order)

    @property
    def signal_amplitude(self) -> float:
        """Amplitude of the modulated light relative to a lossless panel's."""
        return self.fill_factor * self.meeting * math.sqrt(self.reflectivity * self.beam_splitter)

    @field_validator("crosstalk", mode="before", json_schema_input_type=float | Point)
    @classmethod
    def _both_axes(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _consistent(self) -> SLMSpec:
        check_pixels(self.shape)
        if not all(0.0 <= w <= 4.0 for w in self.crosstalk):
            raise ValueError(
                f"crosstalk is {self.crosstalk}, expected widths (y, x) between 0 and 4 SLM pixels"
            )
        if self.stuck + self.dead > 1.0:
            raise ValueError(
                f"stuck ({self.stuck:g}) and dead ({self.dead:g}) are shares of all pixels; their sum is above 1"
            )
        if self.frame_format == "one_bit" and self.bits not in (None, 1):
            raise ValueError(
                f'frame_format "one_bit" is for a device of one bit; bits is {self.bits}: use "levels", "high_bits" or '
                '"full_scale"'
            )
        for name, response in (("response", self.response), ("assumed_response", self.assumed)):
            lut = response.lut
            if lut is not None and (self.bits is None or len(lut) != 2**self.bits):
                raise ValueError(
                    f"{name}.lut has {len(lut)} values, expected 2**bits of them; bits is {self.bits}"
                )
        if self.modulation in ("amplitude", "dmd"):
            self._check_without_phase()
        return self

    @property
    def assumed(self) -> ResponseSpec:
        """The response that levels are computed with: the panel's own where nothing else is assumed."""
        return self.assumed_response or self.response

    def _check_without_phase(self) -> None:
        """Refuse numbers that would change nothing on a device without phase."""
        phase_only = {
            "flicker": self.flicker != 0.0,
            "response.range": self.response.range != TWO_PI,
            "response.sections": self.response.sections is not None,
            "correction": self.correction is not None,
            "assumed_response.range": self.assumed.range != TWO_PI,
            "assumed_response.sections": self.assumed.sections is not None,
        }
        if self.modulation == "dmd":
            phase_only |= {
                "bits (other than 1)": self.bits not in (None, 1),
                "response": self.response != NOMINAL,
                "assumed_response": self.assumed != NOMINAL,
                "crosstalk": self.crosstalk != (0.0, 0.0),
            }
        wrong = [name for name, is_set in phase_only.items() if is_set]
        if wrong:
            raise ValueError(
                f'{" and ".join(wrong)} has no meaning for modulation "{self.modulation}"; remove it'
            )
        for name, response in (("response", self.response), ("assumed_response", self.assumed)):
            lut = response.lut
            if lut is not None and (min(lut) < 0.0 or max(lut) > 1.0):
                raise ValueError(
                    f"{name}.lut of an amplitude device holds amplitudes, expected between 0 and 1"
                )
