"""The 4f system: display, lens 1, Fourier-plane stop, SLM, lens 2, camera. A wave path and a PSF path that agree.

Both paths are the same double sum, taken in a different order. With the SLM's pixel centres `xi` (where they really
are), the display's pixel centres `x_n`, and a point `X` of the camera plane in input units on the reported, upright
axes:

    U(xi) = sum_n u_n pixel(xi) exp(-2 pi i x_n xi / (lambda f1))           lens 1: one matrix Fourier transform
    o(X)  = sum_xi  w M(xi) P(xi) U(xi) exp(+2 pi i X xi / (lambda f1))     SLM, stop and pupil, then lens 2

`pixel` is the transform of one square display pixel, `P` the stop with the aberrations, `w = pitch d_xi / (lambda f1)`
per axis, so that an empty system of unlimited aperture returns the image itself. The *wave* path evaluates the two
lines for every image; the *PSF* path evaluates `h(t) = sum_xi w M P pixel exp(+2 pi i t xi / (lambda f1))` once for
every mask and convolves. The SLM is sampled once per pixel, at its own pitch and size: nothing is resampled but for a
rotated mask. Source: Goodman, Introduction to Fourier Optics, 3rd ed., sections 5.2 and 8.1; matrix Fourier transform:
Soummer et al., Optics Express 15, 15935 (2007).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from optics.aperture import circular_aperture, rectangular_aperture
from optics.bench import BenchSpec
from optics.checks import SpecError, check_shape
from optics.conventions import abs2, axis, cis, complex_dtype
from optics.fourier import dft_matrix
from optics.rotation import rotate
from optics.zernike import zernike_phase


def fast_length(n: int) -> int:
    """The smallest length >= n whose factors are 2, 3 and 5."""
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n
        n += 1


class FourF(nn.Module):
    """A 4f bench for images of one size; coherent light.

    Args:
        bench: what the bench is.
        image_shape: (H, W) of the images on the display, pixels.
        margin: how far beyond the image the camera-plane window reaches on each side, input pixels.
        dtype: float32 or float64.

    Attributes:
        oversampling: (sy, sx) field samples per input pixel in the camera plane: enough for the *intensity*.
        window: (oy, ox) samples of the camera-plane window, centred on the wanted order.

    Raises:
        SpecError: the beam does not pass a lens, or the stop lies outside the SLM.
    """

    def __init__(
        self,
        bench: BenchSpec,
        image_shape: tuple[int, int],
        *,
        margin: int = 8,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.bench = bench
        self.image_shape = image_shape
        self.margin = margin
        self.rows, xi_y = self._lit(0)
        self.cols, xi_x = self._lit(1)
        self._check_lenses(xi_y, xi_x)
        widths = (float(xi_y[-1] - xi_y[0]), float(xi_x[-1] - xi_x[0]))
        self.oversampling = tuple(max(1, math.ceil(2 * w / bench.band - 1e-9)) for w in widths)
        self.window = tuple(
            (n + 2 * margin) * s for n, s in zip(image_shape, self.oversampling, strict=True)
        )
        cdtype = complex_dtype(dtype)
        # transforms of the two axes, and the pupil they share
        for name, xi, k in (("y", xi_y, 0), ("x", xi_x, 1)):
            image = axis(image_shape[k], bench.input.pitch)
            pixel = self._pixel_transform(xi)
            out = self.camera_axis(k)
            lags = self._lags(k)
            weight = bench.input.pitch * bench.slm.pitch / bench.scale
            self._constant(f"to_slm_{name}", pixel[:, None] * dft_matrix(xi, image, scale=bench.scale, dtype=torch.complex128), cdtype)
            self._constant(f"to_camera_{name}", weight * dft_matrix(out, xi, scale=bench.scale, sign=+1, dtype=torch.complex128), cdtype)
            self._constant(f"to_psf_{name}", weight * pixel * dft_matrix(lags, xi, scale=bench.scale, sign=+1, dtype=torch.complex128), cdtype)
        self._constant("pupil", self._pupil(xi_y, xi_x), cdtype)
        chirp_in, chirp_out = self._axial_chirps()
        self.chirped = chirp_in is not None
        if chirp_in is not None and chirp_out is not None:
            self._constant("chirp_in", chirp_in, cdtype)
            self._constant("chirp_out", chirp_out, cdtype)

    def _constant(self, name: str, value: Tensor, dtype: torch.dtype) -> None:
        self.register_buffer(name, value.to(dtype).contiguous(), persistent=False)

    # ------------------------------------------------------------------ geometry

    def _lit(self, k: int) -> tuple[slice, Tensor]:
        """The SLM pixels that light reaches along axis k, as a slice, and where they really are (metres)."""
        bench = self.bench
        xi = axis(bench.slm.shape[k], bench.slm.pitch) + bench.alignment.mask_shift[k]
        if bench.stop is None:
            return slice(0, len(xi)), xi
        inside = (xi.abs() < (bench.stop.width[k] + bench.slm.pitch) / 2).nonzero()[:, 0]
        if len(inside) < 2:
            raise SpecError(
                f"bench {bench.name!r}: the stop passes no light to the SLM along {'yx'[k]}. Its width is "
                f"{bench.stop.width[k]:.3g} m and the SLM is shifted by {bench.alignment.mask_shift[k]:.3g} m."
            )
        lit = slice(int(inside[0]), int(inside[-1]) + 1)
        return lit, xi[lit]

    def slm_axis(self, k: int) -> Tensor:
        """Nominal Fourier-plane coordinates of the SLM's pixels along axis k, metres; where masks are designed."""
        return axis(self.bench.slm.shape[k], self.bench.slm.pitch)

    def camera_axis(self, k: int) -> Tensor:
        """Camera-plane samples along axis k: input units (divided by f2/f1), reported axes, metres."""
        step = self.bench.input.pitch / self.oversampling[k]
        return axis(self.window[k], step) + self.bench.image_offset[k]

    def _lags(self, k: int) -> Tensor:
        """All distances between a camera sample and a display pixel along axis k, ascending by one sample."""
        s, n = self.oversampling[k], self.image_shape[k]
        step = self.bench.input.pitch / s
        out = torch.arange(self.window[k] + (n - 1) * s, dtype=torch.float64) - self.window[k] // 2
        return (out - (n - 1 - n // 2) * s) * step + self.bench.image_offset[k]

    def _pixel_transform(self, xi: Tensor) -> Tensor:
        side = math.sqrt(self.bench.input.fill_factor)
        return side * torch.sinc(side * self.bench.input.pitch * xi / self.bench.scale)

    def _pupil(self, xi_y: Tensor, xi_x: Tensor) -> Tensor:
        """Stop (anti-aliased) times the phases that aberrations and axial errors add in the Fourier plane."""
        bench = self.bench
        shape = (len(xi_y), len(xi_x))
        middle = (float(xi_y[shape[0] // 2]), float(xi_x[shape[1] // 2]))
        stop = torch.ones(shape, dtype=torch.float64)
        if bench.stop is not None:
            centre = (-middle[0], -middle[1])
            if bench.stop.shape == "rectangle":
                stop = rectangular_aperture(shape, bench.slm.pitch, bench.stop.width, centre=centre)
            else:
                stop = circular_aperture(shape, bench.slm.pitch, bench.stop.width[0], centre=centre)
        radius2 = xi_y[:, None] ** 2 + xi_x[None, :] ** 2
        wavelength, f1, f2 = bench.light.wavelength, bench.lens1.focal_length, bench.lens2.focal_length
        a = bench.alignment
        defocus1 = a.input_axial + bench.lens1.defocus
        defocus2 = a.camera_axial + bench.lens2.defocus
        phase = math.pi * radius2 / wavelength * (defocus1 / f1**2 - defocus2 / f2**2)
        # a beam from the mask reaches lens 2 displaced by the carrier's angle
        offset = [o * bench.magnification for o in bench.image_offset]
        for lens, shift in ((bench.lens1, (0.0, 0.0)), (bench.lens2, (offset[0], offset[1]))):
            if lens.zernike and lens.diameter is not None:
                centre = tuple(lens.decentre[k] + shift[k] - middle[k] for k in (0, 1))
                phase = phase + zernike_phase(
                    lens.zernike, shape, bench.slm.pitch, lens.diameter, centre=(centre[0], centre[1])
                )
        transmission = math.sqrt(bench.lens1.transmission * bench.lens2.transmission)
        return transmission * stop * cis(phase)

    def _axial_chirps(self) -> tuple[Tensor | None, Tensor | None]:
        """An SLM displaced by dz sees each input point's plane wave later: a quadratic phase on input and output."""
        dz = self.bench.alignment.mask_axial
        if dz == 0.0:
            return None, None
        rate = math.pi * dz / (self.bench.light.wavelength * self.bench.lens1.focal_length**2)
        y, x = (axis(n, self.bench.input.pitch) for n in self.image_shape)
        oy, ox = self.camera_axis(0), self.camera_axis(1)
        return (
            cis(-rate * (y[:, None] ** 2 + x[None, :] ** 2)),
            cis(rate * (oy[:, None] ** 2 + ox[None, :] ** 2)),
        )

    def _check_lenses(self, xi_y: Tensor, xi_x: Tensor) -> None:
        bench = self.bench
        half = [n * bench.input.pitch / 2 for n in self.image_shape]
        xi = [float(x.abs().max()) for x in (xi_y, xi_x)]
        for name, lens, far in (
            ("lens1", bench.lens1, [xi[k] + half[k] for k in (0, 1)]),
            (
                "lens2",
                bench.lens2,
                [xi[k] + (abs(bench.image_offset[k]) + half[k]) * bench.magnification for k in (0, 1)],
            ),
        ):
            if lens.diameter is None:
                continue
            far = [far[k] + abs(lens.decentre[k]) for k in (0, 1)]
            needed = 2 * math.hypot(*far)
            if needed > lens.diameter:
                raise SpecError(
                    f"bench {bench.name!r}: {name} vignettes, so the system is not shift-invariant: the beam needs "
                    f"{needed * 1e3:.3g} mm and {name}.diameter is {lens.diameter * 1e3:.3g} mm. Use a larger lens, a "
                    "smaller stop, a smaller image or a smaller carrier."
                )

    # ------------------------------------------------------------------ the two paths

    def at_pupil(self, reflectance: Tensor) -> Tensor:
        """Mask as the light meets it: `reflectance` (..., NY, NX) of the whole panel, rotated, cropped to the lit part."""
        check_shape(
            reflectance,
            (*reflectance.shape[:-2], *self.bench.slm.shape),
            name="reflectance",
            fix="It is the whole SLM panel, (..., y, x), one complex value per pixel.",
        )
        angle = self.bench.alignment.mask_rotation
        if angle != 0.0:
            reflectance = rotate(reflectance, angle)
        return reflectance[..., self.rows, self.cols] * self.pupil

    def wave(self, images: Tensor, reflectance: Tensor) -> Tensor:
        """Every image through every mask, plane by plane.

        Args:
            images: field amplitudes on the display, (B, H, W), real or complex.
            reflectance: (M, NY, NX) complex, the whole SLM panel.

        Returns:
            Field in the camera plane, (B, M, oy, ox) complex, in units of the input amplitude.
        """
        check_shape(images, (None, *self.image_shape), name="images", fix="One channel at a time: (B, H, W).")
        masks = self.at_pupil(reflectance)
        spectrum = self.at_slm(images)
        out = [
            self.to_camera_y @ (spectrum * mask @ self.to_camera_x.mT) for mask in masks
        ]
        field = torch.stack(out, 1)
        return field * self.chirp_out if self.chirped else field

    def at_slm(self, images: Tensor) -> Tensor:
        """Field arriving at the lit part of the SLM, (B, ny, nx) complex, from images (B, H, W)."""
        u = images.to(self.pupil.dtype)
        if self.chirped:
            u = u * self.chirp_in
        return self.to_slm_y @ u @ self.to_slm_x.mT

    def psf(self, reflectance: Tensor) -> Tensor:
        """Point-spread functions (M, ly, lx) of masks (M, NY, NX): one per mask, on all lags the window needs."""
        return self.to_psf_y @ (self.at_pupil(reflectance) @ self.to_psf_x.mT)

    def convolve(self, images: Tensor, psf: Tensor) -> Tensor:
        """Field in the camera plane (B, M, oy, ox) of images (B, H, W) and `psf(...)`; equals `wave` to rounding."""
        check_shape(images, (None, *self.image_shape), name="images", fix="One channel at a time: (B, H, W).")
        (sy, sx), (h, w) = self.oversampling, self.image_shape
        u = images.to(psf.dtype)
        if self.chirped:
            u = u * self.chirp_in
        size = tuple(fast_length(n) for n in psf.shape[-2:])
        spread = u.new_zeros(len(u), (h - 1) * sy + 1, (w - 1) * sx + 1)
        spread[:, ::sy, ::sx] = u
        product = torch.fft.fft2(spread, s=size)[:, None] * torch.fft.fft2(psf, s=size)
        full = torch.fft.ifft2(product)
        field = full[..., (h - 1) * sy : psf.shape[-2], (w - 1) * sx : psf.shape[-1]]
        return field * self.chirp_out if self.chirped else field

    def forward(self, images: Tensor, reflectance: Tensor) -> Tensor:
        """Intensity in the camera plane (B, M, oy, ox) by the PSF path: `|o|^2` at each sample."""
        return abs2(self.convolve(images, self.psf(reflectance)))
