"""Where the elements of a 4f bench lie on the periodic square grid of LightPipes: one sample per SLM pixel.

The plane behind the SLM is kept in the frame of the mask: a shift by whole pixels is a shift of the index, and what
remains of a shift, or a rotation, is met by looking up the (smooth) light that arrives where each pixel really is. The
camera's samples are looked up in that turned frame likewise.

Behind the SLM the origin follows the *chief ray*, from the middle of the SLM to the middle of the camera's region. For
paraxial light that is exact (Fresnel's integral keeps its form in a frame that moves across), and the grid need not
hold the 1.7 mm between the optical axis and the signal order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from optics.bench.spec import BenchSpec
from optics.checks import SamplingError, SpecError
from optics.conventions import Point
from optics.wave.fourier import fast_length

MARGIN = 3  # how far the camera-plane window reaches beyond the image, input pixels
ROOM = 1.5  # see `roomy`
TAPER = 8  # over how many more the light that is kept behind the SLM fades to nothing


def roomy(
    bench: BenchSpec,
    image_shape: tuple[int, int],
    window_shape: tuple[int, int],
    offset: Point | None = None,
) -> int:
    """Grid samples per side that are `ROOM` times the least, where more light than an image's own is about.

    Behind a single lit pixel, a stage's masks, or channels side by side, most light may run to other orders; on the
    least grid what of it wraps is 1 to 2.5 % of the field.
    """
    return 2 * fast_length(math.ceil(ROOM * Grid(bench, image_shape, window_shape, None, offset).samples / 2))


class Grid:
    """The geometry, in metres and in samples.

    Args:
        bench: the bench.
        image_shape: (H, W) of the images on the display, pixels.
        window_shape: (H', W') of the camera-plane window, input pixels.
        samples: grid samples per side; None: the least fast even number that keeps all light on the grid.
        offset: where the window's middle nominally is, (y, x) metres in input units; None: where the signal order
            lands.

    Attributes:
        step: distance of the samples, the SLM's pitch, metres.
        rows, cols: slices of the panel that light reaches.
        index: where those pixels stand on the grid, relative to its origin, (y, x) integer arrays.
        residual: what is left of the mask's shift, (y, x) metres.
        chief: where the chief ray crosses lens 2, (y, x) samples from the axis.
        tilt: its slope before lens 2, (y, x) radians.
        window: samples of the camera-plane window relative to the origin, ascending on the upright axes, (y, x).

    Raises:
        SpecError: the stop lies beside the panel.
        SamplingError: the bench does not fit one sample per SLM pixel, or `samples` are too few.
    """

    def __init__(
        self,
        bench: BenchSpec,
        image_shape: tuple[int, int],
        window_shape: tuple[int, int],
        samples: int | None,
        offset: Point | None = None,
    ) -> None:
        self.bench, self.image_shape, self.window_shape = bench, image_shape, window_shape
        self.offset: Point = bench.image_offset if offset is None else offset
        self.step = bench.slm.pitch
        whole = [round(s / self.step) for s in bench.alignment.mask_shift]
        self.residual = [s - n * self.step for s, n in zip(bench.alignment.mask_shift, whole, strict=True)]
        self.rows, self.cols = self._lit(0), self._lit(1)
        self.index = [
            np.arange(part.start, part.stop) - n // 2 + moved
            for part, n, moved in zip((self.rows, self.cols), bench.slm.shape, whole, strict=True)
        ]
        # the camera plane is inverted: a region at +middle (upright) lies at -middle, a decentred lens 2 moves it along
        self.chief = [-round((self.region(k)[0] + bench.lens2.decentre[k]) / self.step) for k in (0, 1)]
        distance = bench.lens2.focal_length - bench.alignment.mask_axial
        self.tilt = [n * self.step / distance for n in self.chief]
        self.samples = self._samples(samples)
        self.window = [self._window(0), self._window(1)]

    @property
    def moved(self) -> bool:
        """Whether the mask's pixels lie between the samples of the light that arrives."""
        return self.bench.alignment.mask_rotation != 0.0 or max(map(abs, self.residual)) > 1e-6 * self.step

    def _lit(self, k: int) -> slice:
        bench = self.bench
        n = bench.slm.shape[k]
        if bench.stop is None:
            return slice(0, n)
        turn = abs(bench.alignment.mask_rotation) * max(bench.stop.width) / 2
        where = (np.arange(n) - n // 2) * self.step + bench.alignment.mask_shift[k]
        inside = np.flatnonzero(np.abs(where) < bench.stop.width[k] / 2 + self.step + turn)
        if len(inside) < 2:
            raise SpecError(
                f"bench {bench.name!r}: the stop passes no light to the SLM along {'yx'[k]}; stop.width is "
                f"{bench.stop.width[k]:.3g} m, alignment.mask_shift {bench.alignment.mask_shift[k]:.3g} m."
            )
        return slice(int(inside[0]), int(inside[-1]) + 1)

    # ------------------------------------------------------------------ metres

    def centre(self, k: int) -> float:
        """Centre of the window on the camera, input units, upright axes."""
        bench = self.bench
        moved = bench.alignment.camera_shift[k] - bench.alignment_as_assumed.camera_shift[k]
        return self.offset[k] + moved / bench.magnification

    def half(self, k: int) -> float:
        """Half the window, input units."""
        return (self.window_shape[k] / 2 + MARGIN) * self.bench.input.pitch

    def region(self, k: int) -> tuple[float, float]:
        """Centre and half width along axis k of what the window covers in the mask's frame; camera metres."""
        m, angle = self.bench.magnification, self.bench.alignment.mask_rotation
        c, s = math.cos(angle), math.sin(angle) * (-1 if k == 0 else 1)
        return (
            m * (c * self.centre(k) + s * self.centre(1 - k)),
            m * (abs(c) * self.half(k) + abs(s) * self.half(1 - k)),
        )

    def band(self, k: int) -> float:
        """How far from the axis light meets the Fourier plane, metres."""
        return (float(np.abs(self.index[k]).max()) + 1) * self.step

    def positions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where illuminated SLM pixels really are, (y, x) metres, (ny, nx) each: shifted, turned about the axis."""
        y, x = (i * self.step + r for i, r in zip(self.index, self.residual, strict=True))
        c, s = math.cos(self.bench.alignment.mask_rotation), math.sin(self.bench.alignment.mask_rotation)
        return c * y[:, None] + s * x[None, :], c * x[None, :] - s * y[:, None]

    def coverage(self) -> NDArray[np.float64]:
        """Share of each illuminated SLM pixel that the stop leaves open, (ny, nx)."""
        y, x = self.positions()
        stop = self.bench.stop
        if stop is None:
            return np.ones(y.shape)
        if stop.shape == "circle":
            return np.clip((stop.width[0] / 2 - np.hypot(y, x)) / self.step + 0.5, 0, 1)
        down = np.clip((stop.width[0] / 2 - np.abs(y)) / self.step + 0.5, 0, 1)
        return down * np.clip((stop.width[1] / 2 - np.abs(x)) / self.step + 0.5, 0, 1)

    # ------------------------------------------------------------------ samples

    def _samples(self, asked: int | None) -> int:
        bench, widest = self.bench, 0.0
        for k, name in enumerate("yx"):
            lit, around = self.band(k), self.region(k)[1]
            for what, focal_length, reach in (
                ("illuminated SLM reaches", bench.lens1.focal_length, lit),
                ("camera's region extends", bench.lens2.focal_length, around),
            ):
                limit = bench.light.wavelength * focal_length / (2 * self.step)
                if reach > limit:
                    raise SamplingError(
                        f"bench {bench.name!r}: along {name} the {what} {reach * 1e3:.3g} mm from its middle, one "
                        f"sample per SLM pixel holds {limit * 1e3:.3g} mm. Use a stop or a smaller image."
                    )
            shown = self.image_shape[k] * bench.input.pitch / 2
            aside = max(abs(bench.lens1.decentre[k]), abs(bench.lens2.decentre[k]))
            fading = TAPER / 2 * bench.magnification * bench.input.pitch
            # a ray from Fourier-plane position p to image position q crosses its lens at p + q
            widest = max(widest, lit + max(shown, around + fading) + aside)
        least = math.ceil(2 * widest / self.step)
        good = 2 * fast_length(math.ceil(least / 2))
        if asked is None:
            return good
        if asked % 2 or asked < least:
            raise SamplingError(
                f"samples is {asked}; for this bench LightPipes needs an even number of at least {least}, "
                f"such as {good}."
            )
        return asked

    def _window(self, k: int) -> NDArray[np.int64]:
        m = self.bench.magnification
        middle, half = round(self.centre(k) * m / self.step), math.ceil(self.half(k) * m / self.step)
        return np.arange(middle - half, middle + half + 1)

    def turned_window(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The window's samples in the frame of the mask, (y, x) in samples from the axis, upright, each (oy, ox)."""
        c, s = math.cos(self.bench.alignment.mask_rotation), math.sin(self.bench.alignment.mask_rotation)
        down, across = self.window[0][:, None], self.window[1][None, :]
        return c * down - s * across, c * across + s * down
