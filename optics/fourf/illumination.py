"""A bench under its own light: coherent, partially coherent, incoherent; one wavelength or several. Intensities add.

    coherent     I = |h * u|^2
    partial      I = sum over source points s of w_s |h_s * (u exp(2 pi i s x / lambda))|^2        (Abbe's method)
    incoherent   I = |h|^2 * |u|^2
    wavelengths  I = sum over lines of w_lambda I_lambda

`h_s` is the point-spread function with the display pixel's diffraction lobe turned by the source point's angle.
In "incoherent" light each display pixel is coherent in itself and unrelated to all others. Sources: Goodman,
Introduction to Fourier Optics, 3rd ed., section 6.1.3; Statistical Optics, 2nd ed., sections 5.7 and 7.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, SpecError, check_range, check_shape
from optics.conventions import Point, abs2, axis, cis
from optics.fourf.camera_window import CameraWindow, Size
from optics.fourf.convolved_intensity import filtered, polyphase
from optics.fourf.pupil import pixel_transform
from optics.fourf.system import FourF
from optics.modules import ModuleTuple
from optics.slm.panel import SLM, SLMSpec
from optics.slm.response import ResponseSpec
from optics.wave.fourier import fast_length

DARKEST_LOBE = (
    0.05  # relative amplitude of a display pixel's diffraction lobe below which it cannot be turned
)


def incoherent(fourf: FourF, images: Tensor, psf: Tensor) -> Tensor:
    """Intensity (B, M, oy, ox) where the display's pixels do not interfere: `|images|^2` convolved with `|psf|^2`.

    Args:
        fourf: the bench.
        images: amplitudes on the display, (B, H, W), real or complex.
        psf: `fourf.psf(reflectance)`, (M, ly, lx) complex, with cells (M, cells, ly, lx).
    """
    check_shape(images, (None, *fourf.image_shape), name="images", fix="One channel at a time: (B, H, W).")
    fourf.check_psf(psf)
    shining = fourf.by_cell(abs2(fourf.emitted(images)))
    (sy, sx), (h, w) = fourf.oversampling, shining.shape[-2:]
    ly, lx = psf.shape[-2] // sy, psf.shape[-1] // sx
    size = (fast_length(ly), fast_length(lx))
    kernels = torch.fft.rfft2(polyphase(abs2(psf), fourf.oversampling), s=size)
    product = filtered(torch.fft.rfft2(shining, s=size), kernels)
    full = torch.fft.irfft2(product, s=size)[..., h - 1 : ly, w - 1 : lx]
    return full.permute(0, 1, 4, 2, 5, 3).reshape(len(images), len(psf), *fourf.window)


def tilted_psf(fourf: FourF, reflectance: Tensor, angle: Point) -> Tensor:
    """PSFs, as `FourF.psf` has them, for a source point at `angle` (y, x), radians, seen from the display.

    The plane wave's phase itself goes with the image (see `tilt`); here each pixel's own diffraction lobe follows it.

    Raises:
        SpecError: the stop reaches the zeros of the pixel's lobe, where it cannot be turned; an impossible angle.
    """
    return fourf.spread(tilted_pupil(fourf, reflectance, angle))


def tilted_pupil(fourf: FourF, reflectance: Tensor, angle: Point) -> Tensor:
    """Masks (M, ny, nx) as the light of such a source point meets them, each pixel's lobe turned; see `tilted_psf`."""
    _check_angle(angle)
    masks = fourf.at_pupil(reflectance)
    if fourf.pixelated and angle != (0.0, 0.0):
        bench, factors = fourf.bench, []
        for k in (0, 1):
            xi = fourf.slm_axis(k) + bench.alignment.mask_shift[k] - bench.lens1.decentre[k]
            if bench.stop is not None:
                half = bench.stop.width[k] / 2
                xi = xi.clamp(-half, half)
            straight = pixel_transform(bench, xi)
            if float((straight.abs().min() / straight.abs().max()).detach()) < DARKEST_LOBE:
                raise SpecError(
                    f"bench {bench.name!r}: along {'yx'[k]} the stop passes the display pixels' first zero, "
                    f"{bench.band:.3g} m from the axis. Use a stop of at most {1.9 * bench.band:.3g} m."
                )
            turned = pixel_transform(bench, xi - angle[k] * bench.lens1.focal_length)
            factors.append(turned / straight)
        masks = masks * torch.outer(*factors).to(masks)
    return masks


def tilt(fourf: FourF, images: Tensor, angle: Point) -> Tensor:
    """Images (B, H, W) illuminated by the plane wave of a source point at `angle` (y, x), radians; complex."""
    _check_angle(angle)
    check_shape(images, (None, *fourf.image_shape), name="images", fix="One channel at a time: (B, H, W).")
    bench, pitch = fourf.bench, fourf.bench.input.pitch
    y, x = (
        cis(2 * math.pi / bench.light.wavelength * angle[k] * axis(fourf.image_shape[k], pitch))
        for k in (0, 1)
    )
    return images * torch.outer(y, x).to(fourf.pupil)


def _check_angle(angle: Point) -> None:
    for name, value in zip("yx", angle, strict=True):
        check_range(f"angle along {name}", value, -0.5, 0.5, fix="Pass radians, seen from the display.")


def partially_coherent(
    fourf: FourF, images: Tensor, reflectance: Tensor, angles: Tensor, weights: Tensor
) -> Tensor:
    """Intensity (B, M, oy, ox) summed over source points, each coherent in itself.

    Args:
        fourf: the bench.
        images: amplitudes on the display, (B, H, W).
        reflectance: (M, ny, nx) complex, of the illuminated SLM pixels.
        angles: (n, 2) radians (y, x), as `LightSpec.source` gives them.
        weights: (n,) shares of the light.
    """
    check_shape(angles, (None, 2), name="angles", fix="One (y, x) pair of radians per source point.")
    check_shape(weights, (len(angles),), name="weights", fix="One share per source point.")
    total: Tensor | None = None
    for (y, x), weight in zip(angles.tolist(), weights.tolist(), strict=True):
        psf = tilted_psf(fourf, reflectance, (y, x))
        light = fourf.intensity(tilt(fourf, images, (y, x)), psf) * weight
        total = light if total is None else total + light
    if total is None:
        raise OpticsError("partially coherent light has no source points; give at least one.")
    return total


class Illumination(nn.Module):
    """A 4f bench as `bench.light` lights it: images in, camera-plane intensity out.

    What a mask does to the light (`psfs`) is worked out once and handed back with each batch (`intensity`).

    Args:
        bench: what the bench is.
        window: which images are shown and where the camera plane is sampled; or (H, W) of the images alone. All
            wavelengths are sampled at the same points, those of the main one.
        dtype: float32 or float64.

    Attributes:
        lines: one `FourF` per wavelength, on the same camera window, the main one first.
        rays: what is coherent in itself: (line, angle of the source point, share of the light).
    """

    def __init__(
        self, bench: BenchSpec, window: CameraWindow | Size, *, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        self.bench, view = bench, CameraWindow.of(window)
        self.view = replace(view, oversampling=view.samples_per_pixel(bench), offset=view.centre(bench))
        self.lines = ModuleTuple(
            FourF(at_wavelength(bench, wavelength), self.view, dtype=dtype)
            for wavelength, _ in bench.light.lines
        )
        self.rays: list[tuple[int, Point, float]] = [
            (i, angle, weight * share)
            for i, (_, weight) in enumerate(bench.light.lines)
            for angle, share in _source_points(bench)
        ]

    def psfs(self, reflectance: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Point-spread functions (M, ly, lx) complex of every ray.

        Args:
            reflectance: (M, ny, nx) complex of illuminated SLM pixels, for all wavelengths or one per wavelength (see
                `panels`: a phase panel retards shorter waves by more).

        Raises:
            OpticsError: not one reflectance per wavelength.
        """
        each = [reflectance] * len(self.lines) if isinstance(reflectance, Tensor) else list(reflectance)
        if len(each) != len(self.lines):
            raise OpticsError(
                f"{len(each)} reflectances for {len(self.lines)} wavelengths; give one for each."
            )
        return tuple(tilted_psf(self.lines[i], each[i], angle) for i, angle, _ in self.rays)

    def intensity(self, images: Tensor, psfs: Sequence[Tensor]) -> Tensor:
        """Intensity (B, M, oy, ox) in units of full scale, of amplitudes on the display (B, H, W) and `psfs(...)`.

        Raises:
            OpticsError: not one set of point-spread functions per ray.
        """
        if len(psfs) != len(self.rays):
            raise OpticsError(f"{len(psfs)} sets of point-spread functions for {len(self.rays)} rays.")
        apart = self.bench.light.coherence == "incoherent"
        total: Tensor | None = None
        for (i, angle, weight), psf in zip(self.rays, psfs, strict=True):
            line = self.lines[i]
            field = images if angle == (0.0, 0.0) else tilt(line, images, angle)
            light = (incoherent(line, field, psf) if apart else line.intensity(field, psf)) * weight
            total = light if total is None else total + light
        if total is None:
            raise OpticsError("the light has no wavelength.")
        return total

    def forward(self, images: Tensor, reflectance: Tensor | Sequence[Tensor]) -> Tensor:
        """Intensity (B, M, oy, ox) of amplitudes (B, H, W) behind masks that reflect so; see `psfs`."""
        return self.intensity(images, self.psfs(reflectance))


def _source_points(bench: BenchSpec) -> list[tuple[Point, float]]:
    """Angles of the source's points and their shares; one on the axis unless the light is partially coherent."""
    if bench.light.coherence != "partial":
        return [((0.0, 0.0), 1.0)]
    angles, weights = bench.light.source()
    return [((y, x), w) for (y, x), w in zip(angles.tolist(), weights.tolist(), strict=True)]


def at_wavelength(bench: BenchSpec, wavelength: float) -> BenchSpec:
    """The same bench in light of one other wavelength (metres).

    Aberrations are optical paths, given in radians of the main wavelength: their radians go with `1 / wavelength`.
    Focal lengths move by the lenses' `chromatic_shift`.
    """
    main = bench.light.wavelength
    changes: dict[str, object] = {"light.wavelength": wavelength, "light.spectrum": ()}
    for name, lens in (("lens1", bench.lens1), ("lens2", bench.lens2)):
        moved = lens.focal_shift(wavelength) - lens.focal_shift(main)
        changes[f"{name}.defocus"] = lens.defocus + moved
        changes[f"{name}.zernike"] = _in_radians(lens.zernike, main / wavelength)
    changes["slm.curvature"] = _in_radians(bench.slm.curvature, main / wavelength)
    return bench.replace(**changes)


def _in_radians(paths: Mapping[int, float], ratio: float) -> dict[int, float]:
    """Zernike coefficients of an optical path, radians, in light of another wavelength."""
    return {noll: value * ratio for noll, value in paths.items()}


def dispersed(spec: SLMSpec, ratio: float) -> SLMSpec:
    """A panel as light of another wavelength meets it: every phase times `ratio`, design over new wavelength.

    The optical path that a level gives is taken to be the same for both (no dispersion of the liquid crystal), as is
    that of the backplane's curvature. The modulation of a panel without phase levels does not change.
    """
    spec = spec.replace(curvature=_in_radians(spec.curvature, ratio))
    if spec.modulation != "phase":
        return spec
    response = spec.response
    lut = None if response.lut is None else tuple(v * ratio for v in response.lut)
    changed = {"lut": lut} if lut is not None else {"range": response.range * ratio}
    return spec.replace(response=response.replace(**changed))


def panels(
    bench: BenchSpec,
    region: tuple[slice, slice],
    *,
    assumed: ResponseSpec | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[SLM]:
    """The bench's SLM once per wavelength of its light, the main one first; drive all with the same levels.

    Args:
        bench: what the bench is.
        region: (rows, columns) of the panel that light reaches.
        assumed: the response at the main wavelength that whoever computes the levels assumes; None is the SLM's
            `assumed`.
        dtype: float32 or float64.
    """
    main = bench.light.wavelength
    return [
        SLM(
            dispersed(bench.slm, main / wavelength),
            region=region,
            assumed=assumed or bench.slm.assumed,
            dtype=dtype,
        )
        for wavelength, _ in bench.light.lines
    ]
