"""A 4f bench plane by plane in LightPipes, a physics engine that this project did not write.

Display, free space, lens 1, free space, stop and SLM, free space, lens 2, free space, camera: every step between two
elements is LightPipes' `Forvard` (the spectral method on a periodic square grid), every lens its `Lens` and
`Zernike`, every clear aperture its `CircAperture`. What is added, because LightPipes has no such thing, is the image
on the display, the anti-aliased stop, the panel's reflectance (`distill.verify.reference_panel`), the area of an SLM
pixel, and the way from its inverted output to the reported upright axes (`distill.lightpipes_grid`).

A periodic grid wraps. Two kinds of light would leave it and come back; neither reaches the camera's region, and both
are left out:

* Light of the display that meets the Fourier plane outside the stop: the stop blocks it.
* Diffraction orders of the SLM that run away from the camera's region. They are removed behind the SLM by their angle,
  with a band-pass that is 1 for all light that reaches the region. The grid is as large as the light that remains
  needs. Without this the frames of a blazed mask were wrong by 5 to 15 % on 1000 samples, with it by 0.2 %.

LightPipes' lens is ideal and paraxial. `alignment.magnification` scales the axes that are reported; the propagation
does not know it. The light is coherent, of one wavelength.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from distill.environment import processors
from distill.verify.lightpipes_grid import TAPER, Grid
from optics.bench.spec import BenchSpec
from optics.checks import SpecError, check_shape
from optics.conventions import Point
from optics.wave.fourier import fast_length
from optics.wave.lens import LensSpec

PADDING = 1.2  # of the illuminated panel's length: what its transform is zero-padded to, at least
BAND_WIDENING = 1.03  # of the panel's band: a display out of focus spreads
EDGE_SAMPLES = 4  # grid samples beyond that band


class LightPipesBench:
    """The bench for images of one size, as LightPipes propagates it.

    Args:
        bench: what the bench is.
        image_shape: (H, W) of the images on the display, pixels.
        window_shape: (H', W') of the camera-plane window, input pixels; the images' shape when absent.
        samples: grid samples per side, even; absent: the least fast number that keeps all light on the grid.
        offset: where the window's middle nominally is, (y, x) metres in input units; absent: where the signal order
            lands.
        angle: (y, x) radians from which a plane wave lights the display.
        pixelated: the input is a display of square pixels; False: samples of a field, as another 4f stage makes it.
        nodes: points per side of an SLM pixel's active area at which light meets its reflectance (Gauss rule): 2 is
            within 4e-4 of the integral; 1 is a pixel without an area.

    Attributes:
        rows, cols: slices of the panel that light reaches.
        y_axis, x_axis: samples of the camera-plane window, float64 metres, in the units and on the axes that
            `optics.fourf.recorder.Recorder` takes.

    Raises:
        SpecError: incoherent or partially coherent light, or several wavelengths; a stop beside the panel.
        SamplingError: the bench does not fit a grid of one sample per SLM pixel, or `samples` are too few.
    """

    def __init__(
        self,
        bench: BenchSpec,
        image_shape: tuple[int, int],
        *,
        window_shape: tuple[int, int] | None = None,
        samples: int | None = None,
        offset: Point | None = None,
        angle: Point = (0.0, 0.0),
        pixelated: bool = True,
        nodes: int = 2,
    ) -> None:
        _check_light(bench)
        self.bench, self.image_shape, self.nodes = bench, image_shape, nodes
        self.angle, self.pixelated = angle, pixelated
        self.grid = grid = Grid(bench, image_shape, window_shape or image_shape, samples, offset)
        self.rows, self.cols = grid.rows, grid.cols
        self.samples = grid.samples
        self._display = [self._display_matrix(k) for k in (0, 1)]
        self._lenses = (
            self._lens(bench.lens1, [0, 0]),
            self._lens(bench.lens2, grid.chief) * self._straighten(),
        )
        self._leaving = self._stop_and_tilt()
        self._points = np.stack(grid.positions()) / grid.step + self.samples // 2 if grid.moved else None
        self._pad = min(self.samples, max(fast_length(math.ceil(PADDING * len(i))) for i in grid.index))
        self._inside = self._nodes()
        self._orders = [self._order_pass(*node) for node in self._inside]
        self.y_axis, self.x_axis = self._image_axis(0), self._image_axis(1)
        self._plan_camera()

    # ------------------------------------------------------------------ what does not change

    def _display_matrix(self, k: int) -> NDArray[np.float32] | NDArray[np.complex64]:
        """(N, pixels): each display pixel, a square of its own size in its plane wave, without what the stop blocks."""
        n, pitch, step = self.image_shape[k], self.bench.input.pitch, self.grid.step
        size = self.samples * step
        frequency = (np.arange(self.samples) - self.samples // 2) / size
        turned = frequency - self.angle[k] / self.bench.light.wavelength
        side = math.sqrt(self.bench.input.fill_factor) * pitch
        beyond = abs(self.bench.lens1.decentre[k]) + EDGE_SAMPLES * step
        cut = (BAND_WIDENING * self.grid.band(k) + beyond) / self.bench.scale
        spectrum = (side * np.sinc(side * turned) if self.pixelated else pitch) * (np.abs(frequency) < cut)
        pixels = (np.arange(n) - n // 2) * pitch
        where = (np.arange(self.samples) - self.samples // 2) * step
        waves = np.exp(2j * np.pi * np.outer(where, frequency)) * (spectrum / size)
        matrix = waves @ np.exp(-2j * np.pi * np.outer(turned, pixels))
        return matrix.real.astype(np.float32) if self.angle[k] == 0.0 else matrix.astype(np.complex64)

    def _lens(self, spec: LensSpec, origin: list[int]) -> NDArray[np.complex64]:
        """What LightPipes' lens does to a plane wave; `origin`: where the grid's lies from the axis, samples (y, x)."""
        from LightPipes import Begin, CircAperture, Lens
        from LightPipes.zernike import Zernike, noll_to_zern

        step = self.grid.step
        centre = [d / step - n for d, n in zip(spec.decentre, origin, strict=True)]
        whole = [round(c) for c in centre]
        dy, dx = (c - n for c, n in zip(centre, whole, strict=True))
        # LightPipes' Zernike has no centre of its own: a larger grid about the lens is cropped
        size = self.samples + 2 * max(map(abs, whole))
        field = Begin(size * step, self.bench.light.wavelength, size)
        for j, radians in spec.zernike.items():
            n, m = noll_to_zern(j)
            # a positive coefficient of LightPipes advances the phase, and its angle starts at -x
            sign = -1.0 if m % 2 == 0 else 1.0
            field = Zernike(field, n, m, (spec.diameter or 1.0) / 2, A=sign * radians, norm=True, units="rad")
        if spec.zernike and max(abs(dy), abs(dx)) > 1e-6:  # the factor is smooth
            index = np.arange(size)
            where = np.meshgrid(index - dy, index - dx, indexing="ij")
            field.field = map_coordinates(field.field, where, order=5, mode="nearest")
        field = Lens(field, spec.focal_length + spec.defocus, dx * step, dy * step)
        if spec.diameter is not None:
            field = CircAperture(field, spec.diameter / 2, dx * step, dy * step)
        rows, cols = (np.arange(self.samples) + (size - self.samples) // 2 - n for n in whole)
        return (math.sqrt(spec.transmission) * field.field[np.ix_(rows, cols)]).astype(np.complex64)

    def _tilted(self, index: Sequence[NDArray[np.int64]], sign: int) -> NDArray[np.complex128]:
        """`exp(sign i k tilt r)` at grid positions given by their indices (y, x) relative to the origin."""
        turns = [
            i * self.grid.step * t / self.bench.light.wavelength
            for i, t in zip(index, self.grid.tilt, strict=True)
        ]
        y, x = (np.exp(sign * 2j * np.pi * t) for t in turns)
        return np.outer(y, x)

    def _stop_and_tilt(self) -> NDArray[np.complex64]:
        """What light meets at the SLM beside the mask; the chief ray's tilt is taken out."""
        return (self.grid.coverage() * self._tilted(self.grid.index, -1)).astype(np.complex64)

    def _straighten(self) -> NDArray[np.complex64]:
        """Puts the chief ray's tilt back at lens 2, where the frame stops moving across.

        A field `v exp(i k t y)` becomes `V(y - t z) exp(i k t y - i k t^2 z / 2)` after z.
        """
        grid, line = self.grid, np.arange(self.samples) - self.samples // 2
        distance = self._distances()[1][0]
        turns = sum(t * t for t in grid.tilt) * distance / (2 * self.bench.light.wavelength)
        return (self._tilted((line, line), +1) * np.exp(2j * np.pi * turns)).astype(np.complex64)

    def _kept(self, k: int) -> NDArray[np.float64]:
        """Share of the light at each spatial frequency behind the SLM that goes on, along axis k."""
        bench, (middle, half) = self.bench, self.grid.region(k)
        # frequency f meets the (inverted) camera plane at lambda f2 f + decentre of lens 2
        frequency = np.fft.fftfreq(self._pad, self.grid.step) + self.grid.tilt[k] / bench.light.wavelength
        where = frequency * bench.light.wavelength * bench.lens2.focal_length + bench.lens2.decentre[k]
        beyond = np.abs(where + middle) - half
        ramp = np.clip(beyond / (TAPER * bench.magnification * bench.input.pitch), 0, 1)
        return (1 + np.cos(np.pi * ramp)) / 2

    def _nodes(self) -> list[tuple[float, float, float]]:
        """Points of an SLM pixel's active area: (y, x) metres from its centre, and weight."""
        place, weight = np.polynomial.legendre.leggauss(self.nodes)
        half = math.sqrt(self.bench.slm.fill_factor) * self.grid.step / 2
        line = list(zip(half * place, weight / 2, strict=True))
        return [(y, x, a * b) for y, a in line for x, b in line]

    def _order_pass(self, y: float, x: float, weight: float) -> NDArray[np.complex64]:
        """Spectrum's factor for the light of one point of every SLM pixel: its place, and the orders that go on."""
        sides = []
        for k, place in enumerate((y, x)):
            frequency = (
                np.fft.fftfreq(self._pad, self.grid.step) + self.grid.tilt[k] / self.bench.light.wavelength
            )
            sides.append(self._kept(k) * np.exp(-2j * np.pi * frequency * place))
        return (weight * np.outer(*sides)).astype(np.complex64)

    def _image_axis(self, k: int) -> Tensor:
        """The window's samples along axis k as coordinates in the image, input units, upright axes; (n,) float64."""
        bench, m = self.bench, self.bench.magnification
        place = torch.from_numpy(self.grid.window[k] * self.grid.step)
        # either lens carries the (inverted) image with it: lens 1 by its own decentre, magnified, lens 2 by its own
        return (place + bench.lens2.decentre[k]) / (m * bench.stretch) + bench.lens1.decentre[k]

    def _plan_camera(self) -> None:
        """Where the window's samples lie on the grid, and what they are multiplied by.

        LightPipes' field is inverted and stands in the frame of the mask. The factor is the nominal magnification
        (`light.photons` is counted in an image of that size) and the phase of the path, which matters beside a
        reference beam only.
        """
        bench, grid = self.bench, self.grid
        top, left = (self.samples // 2 - n for n in grid.chief)
        y, x = grid.turned_window()
        self._seen = np.ix_(top - grid.window[0], left - grid.window[1])
        self._turned = None
        if bench.alignment.mask_rotation != 0.0:
            where = np.stack([top - y, left - x])
            low = np.floor(where.min((1, 2))).astype(int) - 8
            high = np.ceil(where.max((1, 2))).astype(int) + 9
            self._seen = np.ix_(*(np.arange(a, b) % self.samples for a, b in zip(low, high, strict=True)))
            self._turned = where - low[:, None, None]
        per_sample = grid.step / (bench.light.wavelength * bench.lens2.focal_length)
        path = sum(map(sum, self._distances())) / bench.light.wavelength
        turns = path - per_sample * (y * grid.residual[0] + x * grid.residual[1])
        # focal lengths act in the propagation, alignment.magnification does not: it only spreads the light
        magnified = bench.magnification / bench.alignment.magnification
        # each of the two transforms by a lens brings 1 / i
        self._finish = (-magnified * np.exp(-2j * np.pi * (turns % 1.0))).astype(np.complex64)

    def _distances(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Display to lens 1 to SLM, and SLM to lens 2 to camera, metres."""
        f1, f2, a = self.bench.lens1.focal_length, self.bench.lens2.focal_length, self.bench.alignment
        return (f1 - a.input_axial, f1 + a.mask_axial), (f2 - a.mask_axial, f2 + a.camera_axial)

    # ------------------------------------------------------------------ light

    def at_slm(self, image: NDArray[Any]) -> NDArray[np.complex64]:
        """Field behind the stop at the points of the illuminated SLM pixels, (points, ny, nx), of one image (H, W)."""
        field = self._through(self._display[0] @ image @ self._display[1].T, 0)
        frequency = np.fft.fftfreq(self.samples, self.grid.step)
        angle = self.bench.alignment.mask_rotation
        c, s = math.cos(angle), math.sin(angle)
        spectrum = scipy.fft.fft2(field) if self.nodes > 1 else None
        out = []
        for y, x, _ in self._inside:
            if spectrum is not None:  # light a point farther: the field is smooth, the shift exact
                down, across = (np.exp(2j * np.pi * frequency * d) for d in (c * y + s * x, c * x - s * y))
                field = scipy.fft.ifft2(spectrum * np.outer(down, across).astype(np.complex64))
            out.append(self._at_pixels(field) * self._leaving)
        return np.stack(out)

    def _at_pixels(self, field: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Values (ny, nx) of a plane (N, N) where the illuminated SLM pixels are."""
        if self._points is not None:
            return map_coordinates(field, self._points, order=5, mode="grid-wrap")
        rows, cols = (self.samples // 2 + i for i in self.grid.index)
        return field[np.ix_(rows, cols)]

    def at_camera(self, light: NDArray[np.complex64], mask: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Field on the window (oy, ox) of `light` (points, ny, nx) that meets a mask (ny, nx) of reflectances."""
        ny, nx = mask.shape
        top, left = (self._pad - ny) // 2, (self._pad - nx) // 2
        spectrum = np.zeros((self._pad, self._pad), np.complex64)
        for part, order in zip(light, self._orders, strict=True):
            behind = np.zeros((self._pad, self._pad), np.complex64)
            behind[top : top + ny, left : left + nx] = part * mask
            spectrum += scipy.fft.fft2(behind, overwrite_x=True) * order
        rows, cols = (
            (self.samples // 2 + i[0] - start + np.arange(self._pad)) % self.samples
            for i, start in zip(self.grid.index, (top, left), strict=True)
        )
        plane = np.zeros((self.samples, self.samples), np.complex64)
        plane[np.ix_(rows, cols)] = scipy.fft.ifft2(spectrum, overwrite_x=True)
        window = self._through(plane, 1)[self._seen]
        if self._turned is not None:
            window = map_coordinates(window, self._turned, order=5)
        return window * self._finish

    def _through(self, values: NDArray[Any], lens: int) -> NDArray[np.complex64]:
        """A plane (N, N) through free space, lens 0 or 1 and free space, by LightPipes."""
        from LightPipes import Begin, Forvard

        before, after = self._distances()[lens]
        size = self.samples * self.grid.step
        field = Begin(size, self.bench.light.wavelength, self.samples, np.complex64)
        field.field = values
        field = Forvard(field, before)
        field.field = field.field * self._lenses[lens]
        return Forvard(field, after).field

    def emitted(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the display emits, amplitudes (H, W): its gamma and its black on the intensity, then its light."""
        spec, light, pitch = self.bench.input, self.bench.light, self.bench.input.pitch
        power = image.astype(np.float64) ** 2
        if spec.gamma != 1.0:
            power = power**spec.gamma
        if spec.contrast is not None:
            power = power + (1 - power) / spec.contrast
        y, x = ((np.arange(n) - n // 2) * pitch for n in image.shape)
        if light.beam_radius is not None:
            down, across = y - light.beam_centre[0], x - light.beam_centre[1]
            radius2 = down[:, None] ** 2 + across[None, :] ** 2
            power = power * np.exp(-2 * radius2 / light.beam_radius**2)
        if light.beam_map:
            cells = np.asarray(light.beam_map)
            where = [
                (np.arange(n) + 0.5) / n * m - 0.5 for n, m in zip(image.shape, cells.shape, strict=True)
            ]
            grid = np.meshgrid(*where, indexing="ij")
            power = power * map_coordinates(cells, grid, order=1, mode="nearest")
        return np.sqrt(power).astype(np.float32)

    def wave(
        self,
        images: Tensor,
        reflectance: NDArray[np.complex64],
        *,
        processes: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Every image through every mask; what `optics.fourf.system.FourF.wave` does.

        Args:
            images: amplitudes on the display, (B, H, W) real.
            reflectance: (M, ny, nx) of the illuminated SLM pixels (`rows`, `cols`).
            processes: images at once, each in a thread: the time goes into numpy's transforms, which let other
                threads run. Absent: one per core.
            progress: called with (images done, images in all).

        Returns:
            Field on the window, (B, M, oy, ox) complex64, in units of the input amplitude.
        """
        shown = [self.emitted(image) for image in images.to(torch.float32).numpy()]
        left = torch.from_numpy(np.stack(shown)) if shown else images
        return self.through(left, reflectance, processes=processes, progress=progress)

    def through(
        self,
        fields: Tensor,
        reflectance: NDArray[np.complex64],
        *,
        processes: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """`wave` of fields that have left the display, (B, H, W) real or complex, its plane wave aside."""
        found: list[Tensor] = []
        for some in fields.split(2 * (processes or processors())):
            found.append(
                self.leaving(self.arriving(some, processes=processes), reflectance, processes=processes)
            )
            if progress is not None:
                progress(sum(map(len, found)), len(fields))
        return torch.cat(found)

    def arriving(self, fields: Tensor, *, processes: int | None = None) -> list[NDArray[np.complex64]]:
        """`at_slm` of each of the fields that `through` takes: light that may meet one set of masks after another."""
        check_shape(fields, (None, *self.image_shape), name="images", fix="One channel at a time: (B, H, W).")
        with ThreadPoolExecutor(processes or processors()) as pool:
            return list(pool.map(self.at_slm, fields.resolve_conj().numpy()))

    def leaving(
        self,
        arrived: Sequence[NDArray[np.complex64]],
        reflectance: NDArray[np.complex64],
        *,
        processes: int | None = None,
    ) -> Tensor:
        """The rest of `through`, for what `arriving` found."""
        lit = (self.rows.stop - self.rows.start, self.cols.stop - self.cols.start)
        check_shape(
            torch.from_numpy(reflectance),
            (None, *lit),
            name="reflectance",
            fix="It is that of the illuminated SLM pixels.",
        )

        def one(light: NDArray[np.complex64]) -> Tensor:
            return torch.from_numpy(np.stack([self.at_camera(light, mask) for mask in reflectance]))

        with ThreadPoolExecutor(processes or processors()) as pool:
            return torch.stack(list(pool.map(one, arrived)))


def _check_light(bench: BenchSpec) -> None:
    light = bench.light
    if not light.simple:
        what = f"{len(light.lines)} wavelengths" if light.spectrum else f"{light.coherence} light"
        raise SpecError(
            f"bench {bench.name!r}: LightPipes is used here with coherent light of one wavelength, not {what}; "
            'set light.coherence = "coherent" and leave light.spectrum out.'
        )
