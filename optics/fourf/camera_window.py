"""Which part of the camera plane is looked at, and at which points: one value for all that simulate or read it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.conventions import Point, axis

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CameraWindow:
    """A window on the camera plane of a bench that shows images of one size.

    Attributes:
        image_shape: (H, W) of the images on the display, pixels.
        window_shape: (H', W') of the window, input pixels; the images' shape when absent.
        margin: how far beyond that the samples reach on each side, input pixels.
        oversampling: field samples per input pixel, one number or (sy, sx); absent: what the *intensity* needs, twice
            the stop's width over the display's band. 1 is enough for a field, and for intensities that are binned over
            several pixels; it costs a quarter.
        offset: centre of the window, (y, x) metres in input units; absent: where the signal order lands.
        channels: that stand side by side along x in the images, as wide as each other; all images of one mask land in
            the window (`optics.fourf.channels`).
        gap: dark columns between neighbours.

    Raises:
        OpticsError: sizes or an oversampling that are not positive; channels that do not fill the images.
    """

    image_shape: Size
    window_shape: Size | None = None
    margin: int = 2
    oversampling: int | Size | None = None
    offset: Point | None = None
    channels: int = 1
    gap: int = 0

    def __post_init__(self) -> None:
        """Check the sizes."""
        for name, shape in (("image_shape", self.image_shape), ("window_shape", self.shape)):
            if min(shape) < 1:
                raise OpticsError(
                    f"{name} is {tuple(shape)}, expected (H, W) in input pixels, at least 1 each."
                )
        if min(self.shape) + 2 * self.margin < 1:
            raise OpticsError(
                f"margin is {self.margin}: nothing remains of a window of {tuple(self.shape)} pixels. Use 0 or more."
            )
        asked = self.oversampling
        if asked is not None and (asked if isinstance(asked, int) else min(asked)) < 1:
            raise OpticsError(f"oversampling is {asked}; use 1 or more samples per input pixel.")
        whole = self.image_shape[1] + self.gap
        if self.channels < 1 or self.gap < 0 or whole % self.channels or whole // self.channels <= self.gap:
            raise OpticsError(
                f"{self.channels} channels side by side with {self.gap} columns between them do not fill images of "
                f"{self.image_shape[1]} columns; give channels x width + (channels - 1) x gap columns."
            )

    @classmethod
    def of(cls, window: CameraWindow | Size) -> CameraWindow:
        """A window itself, or the usual one for images of a shape."""
        return window if isinstance(window, CameraWindow) else cls(window)

    @property
    def spacing(self) -> int:
        """Distance of neighbouring channels, input pixels."""
        return (self.image_shape[1] + self.gap) // self.channels

    @property
    def shape(self) -> Size:
        """(H', W') of the window without its margin, input pixels."""
        return self.image_shape if self.window_shape is None else self.window_shape

    def centre(self, bench: BenchSpec) -> Point:
        """Nominal centre of the window, (y, x) metres in input units."""
        return bench.image_offset if self.offset is None else self.offset

    def samples_per_pixel(self, bench: BenchSpec) -> Size:
        """(sy, sx) samples per input pixel."""
        if isinstance(self.oversampling, int):
            return (self.oversampling, self.oversampling)
        if self.oversampling is not None:
            return self.oversampling
        panel = [n * bench.slm.pitch for n in bench.slm.shape]
        width = (
            panel if bench.stop is None else [min(w, p) for w, p in zip(bench.stop.width, panel, strict=True)]
        )
        # an intensity has twice the bandwidth of its field
        sy, sx = (max(1, math.ceil(2 * w / bench.band - 1e-6)) for w in width)
        return (sy, sx)

    def samples(self, bench: BenchSpec) -> Size:
        """(oy, ox) samples, margin included."""
        (h, w), (sy, sx) = self.shape, self.samples_per_pixel(bench)
        return ((h + 2 * self.margin) * sy, (w + 2 * self.margin) * sx)

    def axis(self, bench: BenchSpec, k: int) -> Tensor:
        """Image coordinates of the samples along axis k that the window really sees: input units, metres, float64."""
        step = bench.input.pitch / self.samples_per_pixel(bench)[k]
        return axis(self.samples(bench)[k], step) + bench.seen_at(k, self.centre(bench)[k])
