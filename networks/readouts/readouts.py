"""What a camera sees of a field, which decides what "linear" means for the network.

`Intensity`   one exposure: `|field|^2`. Not linear in the image: the only nonlinearity that light gives for nothing.
`Homodyne`    four exposures with a reference beam a quarter wave apart: the field itself, linear in the image.
`Incoherent`  incoherent light: non-negative point-spread functions; a signed kernel is the difference of two frames.

Each has `frames` (what the camera records, binned), `combine` (what the electronics makes of the frames) and
`forward`, which is `combine(frames)` by the shortest way.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from networks.cascade.binned_patches import convolve_binned
from networks.cascade.cascade import Cascade
from networks.cascade.convolution import Every, convolve
from networks.readouts.binned_camera import BinnedCamera
from optics.checks import OpticsError
from optics.conventions import abs2

ChannelSum = Literal["coherent", "incoherent"]
_DARK = 1e-12  # keeps the slope of a square root finite in darkness


class Readout(nn.Module, ABC):
    """What a camera records of a field, abstract; the final read-outs are below.

    Attributes:
        name: reported with every result.
        linear: whether features are linear in the image.
        needs_field: an exposure holds a reference beam, so there must be one field in the camera plane.
        reference: amplitude of that beam, in the units of the field; 0 without one.
        reference_light: what tells it on a bench instead, a share of what a white picture gives there; or None.
        incoherent_light: the display's pixels must not interfere, and images are intensities.
        channels_apart: each input channel makes its own intensity, one exposure after another.
    """

    name: str
    linear: bool
    needs_field: bool
    reference: float
    reference_light: float | None
    incoherent_light: bool
    channels_apart: bool
    camera: BinnedCamera

    @abstractmethod
    def frames(self, cascade: Cascade, x: Tensor) -> Tensor:
        """What the camera records, non-negative, binned: (B, frames, by, bx)."""

    @abstractmethod
    def exposures(self, field: Tensor, beam: Tensor | complex) -> Tensor:
        """Intensities (B, frames, y, x) of all exposures of fields (B, out, y, x), before binning.

        Args:
            field: in the camera plane.
            beam: the reference beam there, a number or (out, 1, 1); without effect where `needs_field` is false.
        """

    @abstractmethod
    def combine(self, frames: Tensor) -> Tensor:
        """Features (B, features, by, bx) from camera frames (B, frames, by, bx)."""

    @abstractmethod
    def features(self, out_channels: int) -> int:
        """Feature maps that `out_channels` output channels give."""

    @abstractmethod
    def frame_count(self, out_channels: int) -> int:
        """Camera frames that `out_channels` output channels need."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Arguments beside `bins` that build this read-out again."""

    @abstractmethod
    def amplitudes(self, kernels: Tensor) -> Tensor:
        """Amplitude kernels (masks, in, K, K) that the optics must realise, of collapsed kernels (out, in, K, K)."""

    @abstractmethod
    def displayed(self, x: Tensor) -> Tensor:
        """Field amplitudes on the display for images, same shape."""

    @abstractmethod
    def forward(self, cascade: Cascade, x: Tensor) -> Tensor:
        """Images (B, in, y, x) through the cascade to features (B, features, by, bx), by the shortest way."""

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build it again, as JSON can hold it."""
        bins = None if self.camera.bins is None else list(self.camera.bins)
        return {"name": self.name, "bins": bins, **self.options()}


def power(real: Tensor, imag: Tensor | None) -> Tensor:
    """`real^2 + imag^2`, same shape."""
    return real * real if imag is None else real * real + imag * imag


def _mean(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)


class Intensity(Readout):
    """`|field|^2`, one exposure per output channel.

    Args:
        bins: (by, bx) of the camera's binning; None keeps every pixel.
        channel_sum: "coherent": the input channels' fields add, then the square; "incoherent": each input channel
            (a colour, or one exposure after another) makes its own intensity and those add.
        oversampling: samples per pixel and axis, see `BinnedCamera`.
    """

    name = "intensity"
    linear = False
    needs_field = False
    reference = 0.0
    reference_light = None
    incoherent_light = False

    def __init__(
        self,
        bins: tuple[int, int] | None = None,
        *,
        channel_sum: ChannelSum = "coherent",
        oversampling: int = 1,
    ) -> None:
        super().__init__()
        self.camera = BinnedCamera(bins, oversampling=oversampling)
        if channel_sum not in ("coherent", "incoherent"):
            raise OpticsError(f"channel_sum is {channel_sum!r}; choose coherent or incoherent.")
        self.channel_sum: ChannelSum = channel_sum
        self.channels_apart = channel_sum == "incoherent"

    def features(self, out_channels: int) -> int:
        """One per output channel."""
        return out_channels

    def frame_count(self, out_channels: int) -> int:
        """One exposure per output channel, where the channels' fields add."""
        return out_channels

    def options(self) -> dict[str, Any]:
        """Arguments beside `bins` that build this read-out again."""
        return {"channel_sum": self.channel_sum, "oversampling": self.camera.oversampling}

    def frames(self, cascade: Cascade, x: Tensor) -> Tensor:
        """(B, out, by, bx) intensities."""
        return _mean([self.camera(self._power(cascade, x, every)) for every in self.camera.views()])

    def _power(self, cascade: Cascade, x: Tensor, every: Every) -> Tensor:
        binned = self.camera.bins is not None
        if self.channel_sum == "coherent" or cascade.in_channels == 1:
            return power(*cascade.parts(x, every, on_pixels=binned))
        each = [power(*cascade.alone(x, i, every, on_pixels=binned)) for i in range(cascade.in_channels)]
        return torch.stack(each).sum(0)

    def exposures(self, field: Tensor, beam: Tensor | complex) -> Tensor:
        """(B, out, y, x): one exposure, no reference beam."""
        return abs2(field)

    def combine(self, frames: Tensor) -> Tensor:
        """The frames themselves."""
        return frames

    def amplitudes(self, kernels: Tensor) -> Tensor:
        """The kernels themselves."""
        return kernels

    def displayed(self, x: Tensor) -> Tensor:
        """The images themselves: they are amplitudes."""
        return x

    def forward(self, cascade: Cascade, x: Tensor) -> Tensor:
        """(B, out, by, bx) intensities."""
        return self.frames(cascade, x)


class Homodyne(Readout):
    """The field by four-step phase shifting: features are its real and its imaginary parts, linear in the image.

    Frame `k` is `|field + reference * exp(i k pi / 2)|^2`; the real part is `(I0 - I2) / (4 reference)`, the imaginary
    part `(I1 - I3) / (4 reference)`. Source: Creath, Prog. Opt. 26 (1988), four-step formula.

    The differences grow with the reference, their shot noise with all light: a weak reference drowns in that of the
    field's intensity. What fields are on a bench follows from masks, so the beam is told by the bench's light.

    Args:
        bins: (by, bx) of the camera's binning; None keeps every pixel.
        reference: amplitude of the reference beam, in the units of the field; None is `reference_light`.
        reference_light: its amplitude on a bench as a share of what a white picture gives there behind an encoded
            clear mask. A quarter is well above the fields of networks and leaves them most of the camera's range.
        oversampling: samples per pixel and axis, see `BinnedCamera`.
    """

    name = "homodyne"
    linear = True
    needs_field = True
    incoherent_light = False
    channels_apart = False

    def __init__(
        self,
        bins: tuple[int, int] | None = None,
        *,
        reference: float | None = None,
        reference_light: float | None = 0.25,
        oversampling: int = 1,
    ) -> None:
        super().__init__()
        self.camera = BinnedCamera(bins, oversampling=oversampling)
        name, told = ("reference_light", reference_light) if reference is None else ("reference", reference)
        if isinstance(told, bool) or not isinstance(told, (int, float)) or not 0 < told < math.inf:
            raise OpticsError(f"{name} is {told!r}; expected a finite amplitude above 0, such as 0.25.")
        self.reference = 1.0 if reference is None else float(reference)
        self.reference_light = reference_light if reference is None else None

    def options(self) -> dict[str, Any]:
        """Arguments beside `bins` that build this read-out again."""
        reference = self.reference if self.reference_light is None else None
        beam = {"reference": reference, "reference_light": self.reference_light}
        return {**beam, "oversampling": self.camera.oversampling}

    def features(self, out_channels: int) -> int:
        """Real and imaginary part of each output channel."""
        return 2 * out_channels

    def frame_count(self, out_channels: int) -> int:
        """Four exposures per output channel."""
        return 4 * out_channels

    def frames(self, cascade: Cascade, x: Tensor) -> Tensor:
        """(B, 4 out, by, bx): all channels at reference phase 0, then all at pi / 2, pi and 3 pi / 2."""
        seen = []
        for every in self.camera.views():
            real, imag = cascade.parts(x, every, on_pixels=self.camera.bins is not None)
            field = torch.complex(real, torch.zeros_like(real) if imag is None else imag)
            seen.append(self.camera(self.exposures(field, self.reference)))
        return _mean(seen)

    def exposures(self, field: Tensor, beam: Tensor | complex) -> Tensor:
        """(B, 4 out, y, x): all channels with the beam as it is, then turned by pi / 2, pi and 3 pi / 2."""
        return torch.cat([abs2(field + beam * 1j**k) for k in range(4)], dim=1)

    def combine(self, frames: Tensor) -> Tensor:
        """(B, 2 out, by, bx): real parts, then imaginary parts."""
        zero, quarter, half, three = frames.chunk(4, dim=1)
        return torch.cat((zero - half, quarter - three), dim=1) / (4 * self.reference)

    def amplitudes(self, kernels: Tensor) -> Tensor:
        """The kernels themselves."""
        return kernels

    def displayed(self, x: Tensor) -> Tensor:
        """The images themselves: they are amplitudes."""
        return x

    def forward(self, cascade: Cascade, x: Tensor) -> Tensor:
        """The field's parts directly: what `combine(frames)` is without noise."""
        bins, samples = self.camera.bins, self.camera.oversampling
        if bins is None and samples == 1:
            field = cascade.maps(x)
        else:
            field = cascade.binned(x, bins or cascade.output_shape(_shape(x)), samples)
        parts = (field.real, field.imag) if field.is_complex() else (field, torch.zeros_like(field))
        return torch.cat(parts, dim=1)


class Incoherent(Readout):
    """Incoherent light: intensities add, so a frame is the image convolved with a non-negative point-spread function.

    The image is an intensity (non-negative). With `signed` the real part of each collapsed kernel is split into its
    positive and its negative part, shown one after the other (two masks), and the frames are subtracted: features are
    linear in the image with signed kernels. Without, the point-spread function is `|h|^2`.

    Args:
        bins: (by, bx) of the camera's binning; None keeps every pixel.
        signed: difference of two frames, or one frame with `|h|^2`.
    """

    name = "incoherent"
    linear = True
    needs_field = False
    reference = 0.0
    reference_light = None
    incoherent_light = True
    channels_apart = False

    def __init__(self, bins: tuple[int, int] | None = None, *, signed: bool = True) -> None:
        super().__init__()
        self.camera = BinnedCamera(bins)
        self.signed = signed

    def features(self, out_channels: int) -> int:
        """One per output channel."""
        return out_channels

    def options(self) -> dict[str, Any]:
        """Arguments beside `bins` that build this read-out again."""
        return {"signed": self.signed}

    def frame_count(self, out_channels: int) -> int:
        """Two exposures per output channel when signed."""
        return 2 * out_channels if self.signed else out_channels

    def psfs(self, kernels: Tensor) -> Tensor:
        """Non-negative point-spread functions (frames, in, K, K) of collapsed kernels (out, in, K, K).

        A mask's coherent amplitude for one of them is its square root, with any phase.
        """
        if not self.signed:
            return abs2(kernels)
        real = kernels.real if kernels.is_complex() else kernels
        return torch.cat((real.clamp(min=0), (-real).clamp(min=0)))

    def frames(self, cascade: Cascade, x: Tensor) -> Tensor:
        """(B, 2 out, by, bx): positive parts, then negative parts; (B, out, by, bx) without `signed`."""
        return self._seen(cascade, x, self.psfs(cascade.kernels()))

    def exposures(self, field: Tensor, beam: Tensor | complex) -> Tensor:
        """(B, frames, y, x): one exposure per mask, no reference beam."""
        return abs2(field)

    def amplitudes(self, kernels: Tensor) -> Tensor:
        """Square roots of the point-spread functions `psfs(kernels)`."""
        return (self.psfs(kernels) + _DARK).sqrt()

    def displayed(self, x: Tensor) -> Tensor:
        """Square roots of the images: they are intensities."""
        return (x + _DARK).sqrt()

    def combine(self, frames: Tensor) -> Tensor:
        """(B, out, by, bx): the difference."""
        if not self.signed:
            return frames
        positive, negative = frames.chunk(2, dim=1)
        return positive - negative

    def forward(self, cascade: Cascade, x: Tensor) -> Tensor:
        """The signed kernels directly: what `combine(frames)` is without noise."""
        kernels = cascade.kernels().real if self.signed else self.psfs(cascade.kernels())
        return self._seen(cascade, x, kernels)

    def _seen(self, cascade: Cascade, x: Tensor, psfs: Tensor) -> Tensor:
        bins = self.camera.bins
        if bins is not None:
            return convolve_binned(x, psfs, bins, boundary=cascade.boundary)
        if cascade.output_shape(_shape(x)) != _shape(x):
            raise OpticsError(
                "with incoherent light a pooled cascade needs the camera's bins; give bins=(by, bx)."
            )
        return convolve(x, psfs, boundary=cascade.boundary)


def _shape(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


def names() -> tuple[str, ...]:
    """The read-outs by name."""
    return ("homodyne", "incoherent", "intensity")


def create(name: str, bins: tuple[int, int] | None = None, **options: object) -> Readout:
    """The read-out called `name`.

    Raises:
        OpticsError: no such read-out; the message lists those there are.
    """
    kinds: dict[str, type[Readout]] = {k.name: k for k in (Intensity, Homodyne, Incoherent)}
    if name not in kinds:
        raise OpticsError(f"no read-out is called {name!r}; choose one of {', '.join(names())}.")
    return kinds[name](bins, **options)


def from_config(config: Mapping[str, Any]) -> Readout:
    """The read-out that `Readout.config()` described."""
    options = dict(config)
    bins = options.pop("bins", None)
    return create(options.pop("name"), None if bins is None else (int(bins[0]), int(bins[1])), **options)
