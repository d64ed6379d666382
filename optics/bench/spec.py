"""A bench as its owner writes it: light, display, lens 1, Fourier-plane stop, SLM, lens 2, camera, alignment.

One frozen description for ideal and realistic optics: every key that is absent is ideal.
`optics.bench.files.load_bench` reads it from a TOML file; `bench.ideal()` is the same geometry with every flaw
switched off.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from torch import Tensor

from optics.bench.assumed import AssumedCameraSpec, turned_back
from optics.bench.light import LightSpec
from optics.bench.mounting import MountingSpec
from optics.camera.camera import CameraSpec
from optics.checks import SpecError
from optics.conventions import Point
from optics.notebook import number, table
from optics.numbers import GRADIENT
from optics.slm.encoding import EncodingSpec
from optics.slm.panel import SLMSpec
from optics.spec import SHIFT, Spec, flaw, metres
from optics.wave.lens import LensSpec

AXIAL = (1e-6, 0.1)  # metres: usual errors along the axis


class InputSpec(Spec):
    """The display that shows the images.

    pitch: one image pixel on the display, metres. fill_factor: share of that square's area that is bright. contrast:
    intensity of full scale over that of black; None: black is dark. gamma: the intensity shown goes with that power of
    the one asked for; 1 where the display is driven through the inverse of its own. See `optics.fourf.display`.
    """

    pitch: Annotated[float, metres(1e-7, 1e-2)]
    fill_factor: float = Field(default=1.0, ge=1e-3, le=1.0)
    contrast: float | None = flaw(None, gt=1.0)
    gamma: float = flaw(1.0, ge=0.2, le=5.0)


class StopSpec(Spec):
    """A field stop in the Fourier plane: it blocks the replica orders of the display's pixels.

    shape: "rectangle" or "circle". width: (y, x) full widths (diameters), metres.
    """

    shape: Literal["rectangle", "circle"] = "rectangle"
    width: Annotated[Point, metres(1e-6, 1.0, usual=(1e-4, 0.1))]


class AlignmentSpec(Spec):
    """Where the elements really are, relative to where they should be. Lengths in metres, angles in radians.

    mask_shift: (y, x) displacement of the SLM in its plane. mask_rotation: about the optical axis, positive from +x
    towards +y. mask_axial: displacement of the SLM along the axis, away from lens 1. input_axial, camera_axial:
    displacement of the display and the camera from their focal planes, along the direction of the light. camera_shift:
    (y, x) displacement of the camera on the reported (upright) axes. magnification: of the camera image relative to
    `f2 / f1`, about the optical axis, after all that the lenses do; its light is spread over the square of that.
    Each may be a tensor that carries a gradient, see `optics.numbers`.
    """

    mask_shift: Annotated[Point, metres(-0.1, 0.1, usual=SHIFT), GRADIENT] = flaw((0.0, 0.0))
    mask_rotation: Annotated[float, GRADIENT] = flaw(0.0, ge=-0.5, le=0.5)
    mask_axial: Annotated[float, metres(-1.0, 1.0, usual=AXIAL), GRADIENT] = flaw(0.0)
    input_axial: Annotated[float, metres(-1.0, 1.0, usual=AXIAL), GRADIENT] = flaw(0.0)
    camera_axial: Annotated[float, metres(-1.0, 1.0, usual=AXIAL), GRADIENT] = flaw(0.0)
    camera_shift: Annotated[Point, metres(-0.1, 0.1, usual=SHIFT), GRADIENT] = flaw((0.0, 0.0))
    magnification: Annotated[float, GRADIENT] = flaw(1.0, gt=0.5, lt=2.0)


class BenchSpec(Spec):
    """A whole 4f bench. See `docs/benches.md` for every key; lengths in metres, angles in radians.

    What is there and what is assumed are different tables: `camera` beside `assumed_camera`, `alignment` beside
    `assumed_alignment`, `slm.response` beside `slm.assumed_response`. Masks, levels, bins and the electronics'
    constants follow what is assumed; the light follows what is there.
    """

    name: str
    light: LightSpec
    input: InputSpec
    lens1: LensSpec
    stop: StopSpec | None = None
    slm: SLMSpec
    encoding: EncodingSpec = EncodingSpec()
    lens2: LensSpec
    camera: CameraSpec
    assumed_camera: AssumedCameraSpec | None = flaw(None)
    alignment: AlignmentSpec = AlignmentSpec()
    assumed_alignment: AlignmentSpec | None = flaw(None)
    mounting: MountingSpec = MountingSpec()

    @field_validator(
        "assumed_alignment", mode="before", json_schema_input_type=AlignmentSpec | Literal["known"] | None
    )
    @classmethod
    def _table(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(
                'expected a table like [alignment], or "known": the alignment that is there is assumed'
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _known(cls, tables: Any) -> Any:
        """`assumed_alignment = "known"` is the alignment as it is written beside it."""
        if isinstance(tables, Mapping) and tables.get("assumed_alignment") == "known":
            return {**tables, "assumed_alignment": tables.get("alignment", AlignmentSpec())}
        return tables

    @model_validator(mode="after")
    def _encoded(self) -> BenchSpec:
        self.encoding.check_modulation(self.slm.modulation)
        for name, lens in (("lens1", self.lens1), ("lens2", self.lens2)):
            for wavelength, _ in self.light.lines:
                try:
                    lens.focal_shift(wavelength)
                except SpecError as e:
                    raise ValueError(f"{name}.{e}".removesuffix(".")) from None
        return self

    def __repr__(self) -> str:
        """The name, then a line for each part with what differs from its defaults; SI units."""
        lines = [f"BenchSpec {self.name!r}"]
        for name, value in self.__repr_args__():
            if name != "name" and name is not None:
                parts = value.__repr_args__() if isinstance(value, Spec) else [("", value)]
                told = ", ".join(f"{key} {number(v)}" for key, v in parts)
                lines.append(f"  {name:<10} {shorten(told, 96, placeholder=' ...')}")
        return "\n".join(lines)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows: every figure that differs from its default, beside its ideal value."""
        lines, ideal = [], self.ideal()
        for part, value in self.__repr_args__():
            if isinstance(value, Spec) and part is not None:
                perfect = getattr(ideal, part)
                for key, has in value.__repr_args__():
                    flawless = getattr(perfect, str(key))
                    lines.append([f"{part}.{key}", number(has), "" if flawless == has else number(flawless)])
        return table(["key, SI units", "value", "without the flaw"], lines, caption=self.name)

    @property
    def camera_as_assumed(self) -> CameraSpec:
        """The camera by whose figures counts become photons."""
        return self.camera if self.assumed_camera is None else self.assumed_camera.of(self.camera)

    @property
    def alignment_as_assumed(self) -> AlignmentSpec:
        """The alignment that masks and bins are laid out for: nothing displaced, where nothing is assumed."""
        return _ALIGNED if self.assumed_alignment is None else self.assumed_alignment.without_tensors()

    @property
    def driven_encoding(self) -> EncodingSpec:
        """The encoding on the panel's own axes: its carrier turned back by the rotation that is assumed."""
        angle = self.alignment_as_assumed.mask_rotation
        if angle == 0.0 or self.encoding.carrier == (0.0, 0.0):
            return self.encoding
        return self.encoding.replace(carrier=turned_back(self.encoding.carrier, angle))

    @property
    def scale(self) -> float:
        """`lambda f1`, square metres: the Fourier-plane position of spatial frequency f is `lambda f1 f`."""
        return self.light.wavelength * self.lens1.focal_length

    @property
    def true_scale(self) -> float:
        """`lambda f1` with the focal length that lens 1 really has, square metres."""
        return self.light.wavelength * (self.lens1.focal_length + self.lens1.defocus)

    @property
    def magnification(self) -> float:
        """`f2 / f1`: size of the camera image relative to the input, on the reported upright axes."""
        return self.lens2.focal_length / self.lens1.focal_length

    @property
    def stretch(self) -> float:
        """Size of the image that the lenses make over its nominal size: errors of the focal lengths."""
        f1, f2 = self.lens1, self.lens2
        return (1 + f2.defocus / f2.focal_length) / (1 + f1.defocus / f1.focal_length)

    @property
    def distortion(self) -> float:
        """True size of the camera image over its nominal size; its light is spread over that squared."""
        return self.alignment.magnification * self.stretch

    @property
    def band(self) -> float:
        """Width of the input pixels' band in the Fourier plane, `lambda f1 / pitch`, metres."""
        return self.scale / self.input.pitch

    @property
    def image_offset(self) -> Point:
        """Where the signal order lands, (y, x) metres in input units on the reported, upright axes.

        `-carrier lambda f1 / pitch`: a phase that rises along +y deflects the light to +y, and the reported axes are
        flipped. Only a complex modulator needs no carrier: it puts the image on the axis.
        """
        if self.slm.modulation == "complex":
            return (0.0, 0.0)
        cy, cx = self.encoding.offset
        return (-cy * self.scale / self.slm.pitch, -cx * self.scale / self.slm.pitch)

    def seen_at(self, k: int, nominal: Tensor | float) -> Any:
        """Image coordinate along axis k that a camera point really sees, where `nominal` is the one it is taken for.

        Input units on the reported axes, metres. In the order of the light: lens 1 carries the spectrum and the image
        with it, the lenses make the image `magnification stretch` times as large, lens 2 carries it with it (the
        reported axes are flipped), `alignment.magnification` spreads that about the optical axis, and the camera has
        moved by `alignment.camera_shift`.
        """
        a, m = self.alignment, self.magnification
        place = (self.looked_at(k, nominal) + a.camera_shift[k]) / a.magnification
        return (place + self.lens2.decentre[k]) / (m * self.stretch) + self.lens1.decentre[k]

    def looked_at(self, k: int, place: Tensor | float) -> Any:
        """Where along axis k of the sensor, metres from its middle, the image coordinate `place` is looked for.

        By the alignment that is assumed: `m place magnification - camera_shift`; input units in, camera metres out.
        """
        a = self.alignment_as_assumed
        return self.magnification * place * a.magnification - a.camera_shift[k]


_ALIGNED = AlignmentSpec()
