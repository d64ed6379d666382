"""The 4f system: display, lens 1, Fourier-plane stop, SLM, lens 2, camera. Wave path and PSF path, which agree.

Both paths are the same double sum, taken in a different order. With the SLM's pixel centres `xi` (where they really
are), the display's pixel centres `x_n`, and a point `X` of the camera plane in input units on the reported, upright
axes, `s = lambda f1`:

    U(xi) = sum_n u_n pixel(xi) exp(-2 pi i x_n xi / s)                      lens 1: one matrix Fourier transform
    o(X)  = mean over nodes d of sum_xi  w M(xi) P(xi) U(xi + d) exp(+2 pi i X (xi + d) / s)     SLM, stop, lens 2

`pixel` is the transform of one square display pixel, `P` the stop with the aberrations, `w = pitch d_xi / s` per axis,
so that an empty system of unlimited aperture returns the image itself (over `D` where the image is `D` times as large
as it should be, since the light is spread: `BenchSpec.distortion`). The nodes `d` are the two points an axis of the
Gauss-Legendre rule over an SLM pixel's active area: a pixel sends light from x to X in proportion to
`sinc(side (X - x) / s)`, here `cos(pi side (X - x) / (sqrt(3) s))`, 2e-4 off where that argument of sinc is 0.15.

The *wave* path evaluates the two lines for every image; the *PSF* path evaluates the point-spread function `h(X - x)`
once for every mask and convolves. The SLM is sampled at its own pixels: nothing is resampled but for a rotated mask.
Where channels stand side by side before a lens 1 with aberrations, `P` and `h` are each channel's own, and the fields
of the display's parts add (`optics.fourf.channels`).

Sources: Goodman, Introduction to Fourier Optics, 3rd ed., sections 5.2 and 8.1; matrix Fourier transform: Soummer et
al., Optics Express 15, 15935 (2007).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, check_shape
from optics.conventions import Point, axis, cis
from optics.fourf.camera_window import CameraWindow, Size
from optics.fourf.channels import Cells, pupils_of_cells, straight_phase
from optics.fourf.convolved_intensity import filtered, intensity, polyphase
from optics.fourf.display import emitted
from optics.fourf.pupil import check_lenses, illuminated_pixels, number, pixel_transform, pupil
from optics.modules import ConstantBuffers, check_dtype
from optics.numbers import is_plainly, is_tensor, root
from optics.wave.fourier import dft_matrix, fast_length
from optics.wave.rotation import rotate

_MOST_SAMPLES = 2**25  # of a point-spread function; a convolution with it takes 5 GB


class FourF(ConstantBuffers):
    """A 4f bench for images of one size; coherent light of one wavelength.

    Numbers of the bench that are tensors are carried through: what comes out has a gradient to them. Such a system
    serves one backward pass; build it anew, for it holds what follows from their values.

    Args:
        bench: what the bench is.
        window: which images are shown and where the camera plane is sampled; or (H, W) of the images alone.
        pixelated: the input is a display of square pixels; False: samples of a field of light, as another 4f stage
            makes it.
        dtype: float32 or float64; `.double()` and `.float()` change it.

    Attributes:
        rows, cols: slices of the panel that light reaches; masks and reflectances are given for these pixels.
        axis_index: where the optical axis meets them, (y, x) in pixels, fractional.
        oversampling: (sy, sx) samples per input pixel.
        window: (oy, ox) samples of the camera-plane window.
        view: the `CameraWindow`.
        cells: the display's parts that have a pupil of their own, where channels stand side by side before a lens 1
            with aberrations (`optics.fourf.channels`); else None.

    Raises:
        SpecError: the beam does not pass a lens, or the stop lies outside the SLM.
        OpticsError: another dtype, or images beyond what memory holds.
    """

    to_slm_y: Tensor
    to_slm_x: Tensor
    to_camera_y: Tensor
    to_camera_x: Tensor
    to_psf_y: Tensor
    to_psf_x: Tensor
    nodes_in_y: Tensor
    nodes_in_x: Tensor
    nodes_out_y: Tensor
    nodes_out_x: Tensor
    pupil: Tensor
    pupils: Tensor | None
    chirp_in: Tensor | None
    chirp_out: Tensor | None

    def __init__(
        self,
        bench: BenchSpec,
        window: CameraWindow | Size,
        *,
        pixelated: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_dtype(dtype)
        self.bench, self.pixelated = bench, pixelated
        self.view = CameraWindow.of(window)
        self.image_shape = self.view.image_shape
        self.offset: Point = self.view.centre(bench)
        self.oversampling = self.view.samples_per_pixel(bench)
        self.window = self.view.samples(bench)
        self.rows, xi_y = illuminated_pixels(bench, 0)
        self.cols, xi_x = illuminated_pixels(bench, 1)
        check_lenses(bench, self.image_shape, self.offset)
        self.cells = Cells.of(self.view) if self.view.channels > 1 and bench.lens1.zernike else None
        ly, lx = (self._count_of_lags(k) for k in (0, 1))
        if ly * lx * (1 if self.cells is None else self.cells.count) > _MOST_SAMPLES:
            (h, w), most = self.image_shape, math.isqrt(_MOST_SAMPLES)
            raise OpticsError(
                f"images of {h} x {w} pixels need a point-spread function of {ly} x {lx} samples; at most {most} x "
                f"{most} fit into memory. Show smaller images, or read a smaller part of the camera."
            )
        self.axis_index = (
            -float(xi_y[0].detach()) / bench.slm.pitch,
            -float(xi_x[0].detach()) / bench.slm.pitch,
        )
        self._build(dtype)

    def _build(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        bench, scale = self.bench, self.bench.true_scale
        xi = [illuminated_pixels(bench, k)[1] - bench.lens1.decentre[k] for k in (0, 1)]
        # a larger image is dimmer: its energy is kept
        weight = bench.input.pitch * bench.slm.pitch / scale / root(bench.distortion)
        side = math.sqrt(bench.slm.fill_factor) * bench.slm.pitch
        # phase per metre of a Gauss node over the SLM's pixels
        node = math.pi * side / (math.sqrt(3) * scale)
        for name, k in (("y", 0), ("x", 1)):
            image = axis(self.image_shape[k], bench.input.pitch)
            pixel = pixel_transform(bench, xi[k]) if self.pixelated else torch.ones_like(xi[k])
            out = self.camera_axis(k)
            to_slm = pixel[:, None] * dft_matrix(xi[k], image, scale=scale)
            to_camera = weight * dft_matrix(out, xi[k], scale=scale, sign=+1)
            to_psf = [
                weight
                * pixel
                * dft_matrix(lags, xi[k], scale=scale, sign=+1)
                * torch.cos(node * lags)[:, None]
                for lags in self._lags(k)
            ]
            self._keep(f"to_slm_{name}", to_slm, dtype)
            self._keep(f"to_camera_{name}", to_camera, dtype)
            self._keep(f"to_psf_{name}", to_psf[0] if len(to_psf) == 1 else torch.stack(to_psf), dtype)
            for side_name, x in (("in", image), ("out", out)):
                nodes = torch.stack((torch.cos(node * x), torch.sin(node * x)))
                self._keep(f"nodes_{side_name}_{name}", nodes, dtype)
        self._keep("pupil", pupil(bench, xi[0], xi[1], self.offset), dtype)
        into, out_of = self._chirps()
        pupils = None
        if self.cells is not None:
            across = straight_phase(bench, self.image_shape)
            into = across if into is None else into * across
            middle = (number(xi[0][len(xi[0]) // 2]), number(xi[1][len(xi[1]) // 2]))
            pupils = pupils_of_cells(bench, self.cells, (len(xi[0]), len(xi[1])), middle)
        self._keep("pupils", pupils, dtype)
        self._keep("chirp_in", into, dtype)
        self._keep("chirp_out", out_of, dtype)

    def slm_axis(self, k: int) -> Tensor:
        """Nominal Fourier-plane places of the illuminated SLM pixels along axis k, metres; masks are designed there."""
        region = (self.rows, self.cols)[k]
        return axis(self.bench.slm.shape[k], self.bench.slm.pitch)[region]

    def camera_axis(self, k: int) -> Tensor:
        """Image coordinates of the samples along axis k that the camera's window really sees: input units, metres."""
        return self.view.axis(self.bench, k)

    def _shown_apart(self, k: int) -> int:
        """Display pixels along axis k that share a point-spread function."""
        return self.image_shape[k] if k == 0 or self.cells is None else self.cells.width

    def _count_of_lags(self, k: int) -> int:
        return self.window[k] + (self._shown_apart(k) - 1) * self.oversampling[k]

    def _lags(self, k: int) -> list[Tensor]:
        """All distances between a camera sample and a display pixel along axis k, ascending by one sample.

        Of each cell along x where the display has some.
        """
        s, n = self.oversampling[k], self._shown_apart(k)
        step = self.bench.input.pitch / s
        out = torch.arange(self._count_of_lags(k), dtype=torch.float64) - self.window[k] // 2
        middles = [0] if k == 0 or self.cells is None else self.cells.middles()
        seen = self.bench.seen_at(k, self.offset[k])
        return [(out - (middle + n - 1 - n // 2) * s) * step + seen for middle in middles]

    def _chirps(self) -> tuple[Tensor | None, Tensor | None]:
        """Quadratic phases of input and output: an SLM out of the focal planes, or lenses of another focal length.

        They are the diagonal terms of the ray matrices of `f, lens, f + dz`; Goodman, section 5.3 (Fourier
        transform with the object at another distance).
        """
        bench, dz = self.bench, self.bench.alignment.mask_axial
        rate = math.pi / (bench.light.wavelength * bench.lens1.focal_length**2)
        into = rate * (bench.lens1.defocus - dz)
        out_of = rate * (bench.lens2.defocus / bench.magnification**2 + dz)
        if is_plainly(into, 0.0) and is_plainly(out_of, 0.0):
            return None, None
        y, x = (axis(n, bench.input.pitch) for n in self.image_shape)
        oy, ox = self.camera_axis(0), self.camera_axis(1)
        return (
            cis(into * (y[:, None] ** 2 + x[None, :] ** 2)),
            cis(out_of * (oy[:, None] ** 2 + ox[None, :] ** 2)),
        )

    # ------------------------------------------------------------------ what is refused

    def _check_images(self, images: Tensor) -> None:
        check_shape(images, (None, *self.image_shape), name="images", fix="One channel at a time: (B, H, W).")

    def check_psf(self, psf: Tensor) -> None:
        """Raise unless `psf` is what `psf(reflectance)` returns for this system, complex."""
        lags = (*self.to_psf_x.shape[:-2], self.to_psf_y.shape[-2], self.to_psf_x.shape[-2])
        check_shape(psf, (None, *lags), name="psf", fix="Make it with psf(reflectance) of this system.")
        if psf.dtype != self.pupil.dtype:
            raise OpticsError(
                f"psf has dtype {psf.dtype}, expected {self.pupil.dtype}, as psf(...) makes it."
            )

    # ------------------------------------------------------------------ the two paths

    def at_pupil(self, reflectance: Tensor) -> Tensor:
        """Mask as light meets it: `reflectance` (..., ny, nx) of illuminated pixels, turned; with stop and phases."""
        check_shape(
            reflectance,
            (None, *self.pupil.shape),
            name="reflectance",
            fix="It is that of the illuminated SLM pixels, panel[:, fourf.rows, fourf.cols].",
        )
        if reflectance.dtype != self.pupil.dtype:
            raise OpticsError(
                f"reflectance has dtype {reflectance.dtype}, expected {self.pupil.dtype}. A phase is no reflectance: "
                "pass slm(phase)."
            )
        return rotate(reflectance, self.bench.alignment.mask_rotation, centre=self._centre()) * self.pupil

    def _centre(self) -> Point:
        """`axis_index`, with the gradient to a mask that moves while it is turned."""
        alignment = self.bench.alignment
        if is_plainly(alignment.mask_rotation, 0.0) or not any(is_tensor(s) for s in alignment.mask_shift):
            return self.axis_index
        y, x = (-illuminated_pixels(self.bench, k)[1][0] / self.bench.slm.pitch for k in (0, 1))
        return (y, x)  # type: ignore[return-value]

    def at_slm(self, images: Tensor) -> Tensor:
        """Field arriving at the illuminated part of the SLM, (B, ny, nx) complex, from images (B, H, W).

        What stop and lenses do to it is in `pupil`, but for what cells have of their own.
        """
        return self._at_slm(self.emitted(images))

    def emitted(self, images: Tensor) -> Tensor:
        """Amplitudes that leave the display for images (B, H, W); a field of light that is no display's as it is."""
        self._check_images(images)
        return emitted(self.bench, images) if self.pixelated else images

    def _at_slm(self, images: Tensor) -> Tensor:
        half = self.to_slm_y @ self._entering(images)
        if self.cells is None or self.pupils is None:
            return half @ self.to_slm_x.mT
        total = half.new_zeros(())
        for columns, own in zip(self.cells, self.pupils, strict=True):
            total = total + half[..., columns] @ self.to_slm_x[:, columns].mT * own
        return total

    def wave(self, images: Tensor, reflectance: Tensor) -> Tensor:
        """Every image through every mask, plane by plane.

        Args:
            images: field amplitudes on the display, (B, H, W), real or complex.
            reflectance: (M, ny, nx) complex, one value per illuminated SLM pixel.

        Returns:
            Field in the camera plane, (B, M, oy, ox) complex, in units of the input amplitude.
        """
        return self.through(self.emitted(images), self.at_pupil(reflectance))

    def through(self, images: Tensor, masks: Tensor) -> Tensor:
        """`wave` of fields that have left the display, (B, H, W), and of masks as light meets them (`at_pupil`)."""
        self._check_images(images)
        total: list[Tensor] = [torch.zeros((), dtype=masks.dtype)] * len(masks)
        for j in (0, 1):
            for i in (0, 1):
                # cos(X - x) and its like for the two axes, as products of a factor of x and one of X
                weighted = images * torch.outer(self.nodes_in_y[j], self.nodes_in_x[i])
                spectrum = self._at_slm(weighted)
                left = self.nodes_out_y[j][:, None] * self.to_camera_y
                right = (self.nodes_out_x[i][:, None] * self.to_camera_x).mT
                total = [t + left @ (spectrum * m @ right) for t, m in zip(total, masks, strict=True)]
        return self._leave(torch.stack(total, 1))

    def psf(self, reflectance: Tensor) -> Tensor:
        """Point-spread functions (M, ly, lx) of masks (M, ny, nx): one per mask, on all lags the window needs.

        With `cells` one per mask and cell, (M, cells, ly, lx).
        """
        return self.spread(self.at_pupil(reflectance))

    def spread(self, masks: Tensor) -> Tensor:
        """`psf` of masks as light meets them (`at_pupil`)."""
        if self.pupils is None:
            return self.to_psf_y @ (masks @ self.to_psf_x.mT)
        parts = zip(self.pupils, self.to_psf_x, strict=True)
        return torch.stack([self.to_psf_y @ (masks * own @ to_x.mT) for own, to_x in parts], 1)

    def convolve(self, images: Tensor, psf: Tensor) -> Tensor:
        """Field in the camera plane (B, M, oy, ox) of images (B, H, W) and `psf(...)`; `wave` to rounding.

        Each of the `sy sx` positions of a camera sample within an input pixel is a convolution on the input's
        grid.
        """
        field = self.by_cell(self._entering(self.emitted(images)))
        self.check_psf(psf)
        (sy, sx), (h, w) = self.oversampling, field.shape[-2:]
        ly, lx = psf.shape[-2] // sy, psf.shape[-1] // sx
        size = (fast_length(ly), fast_length(lx))
        filters = torch.fft.fft2(polyphase(psf, self.oversampling), s=size)
        product = filtered(torch.fft.fft2(field, s=size), filters)
        full = torch.fft.ifft2(product)[..., h - 1 : ly, w - 1 : lx]
        field = full.permute(0, 1, 4, 2, 5, 3).reshape(len(images), len(psf), *self.window)
        return self._leave(field)

    def intensity(self, images: Tensor, psf: Tensor) -> Tensor:
        """`|convolve(images, psf)|^2` (B, M, oy, ox) without building the fields; one backward transform a field."""
        images = self.emitted(images)
        self.check_psf(psf)
        field = self._entering(images) if self.chirped or images.is_complex() else images.to(psf.real.dtype)
        return intensity(self.by_cell(field), psf, self.window, self.oversampling)

    def forward(self, images: Tensor, reflectance: Tensor) -> Tensor:
        """Intensity in the camera plane (B, M, oy, ox) by the PSF path."""
        return self.intensity(images, self.psf(reflectance))

    def _entering(self, images: Tensor) -> Tensor:
        u = images.to(self.pupil.dtype)
        return u if self.chirp_in is None else u * self.chirp_in

    def _leave(self, field: Tensor) -> Tensor:
        return field if self.chirp_out is None else field * self.chirp_out

    def by_cell(self, images: Tensor) -> Tensor:
        """Images (B, H, W) as what meets `psf(...)`: as they are, or by their cells, (B, cells, H, width)."""
        return images if self.cells is None else self.cells.split(images)

    @property
    def chirped(self) -> bool:
        """Whether the display's light meets a phase on its way in."""
        return self.chirp_in is not None
