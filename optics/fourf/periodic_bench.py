"""A bench on a periodic grid: the fast periodic 4f with what SLM, lenses, alignment and camera do to it.

One SLM pixel per sample of the images' spectrum and one camera pixel per image pixel. Then every flaw but a wrong
magnification is a factor of the mask (SLM, lenses' phases, display pixel, camera shift), a factor of the images
(mask shift, axial shift of the SLM), or the camera. The images are taken as periodic and the SLM's pixels as points:
`FourF` has neither limit. For phase masks shown as they are, without a carrier.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.bench.geometry import camera_pixel
from optics.bench.spec import BenchSpec
from optics.camera.camera import Camera
from optics.checks import SpecError, check_shape
from optics.conventions import axis, cis, complex_dtype
from optics.fourf.display import emitted
from optics.fourf.periodic import Workspace, periodic_intensity
from optics.fourf.pupil import pixel_transform, pupil
from optics.modules import ConstantBuffers
from optics.slm.panel import SLM
from optics.slm.ripple import Ripple
from optics.wave.rotation import Rotation


class PeriodicBench(ConstantBuffers):
    """A bench whose grids match, periodic, for images of one size; coherent light of one wavelength.

    Args:
        bench: what the bench is; its SLM pitch is `lambda f1 / (n input pitch)` and its binned camera pixel is
            `f2 / f1` input pixels.
        shape: (ny, nx) samples of images, masks and frames; the middle of the SLM and of the camera.
        dtype: float32 or float64.

    Raises:
        SpecError: the grids do not match (the message says which pitch would), or the bench has what a periodic grid
            cannot hold: a magnification error, several wavelengths, light that is not coherent.
    """

    pupil: Tensor
    onto_images: Tensor | None

    def __init__(
        self, bench: BenchSpec, shape: tuple[int, int], *, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        bench.refuse_tensors("the periodic path")
        _check_periodic(bench, shape)
        self.bench, self.shape = bench, shape
        self.slm = SLM(bench.slm, region=_middle(bench.slm.shape, shape, "slm.shape"), dtype=dtype)
        region = _middle(bench.camera.binned_shape, shape, "camera.shape")
        self.camera = Camera(bench.camera, region=region)
        photons = bench.light.photons
        self.photons = 1.0 if photons is None else photons * bench.camera.binning**2
        self.workspace = Workspace()
        self._build(dtype)

    def _build(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        rotation = self.bench.alignment.mask_rotation
        self.rotation = Rotation(self.shape, rotation, dtype=complex_dtype(dtype))
        self._keep("pupil", self._pupil(), dtype)
        self._keep("onto_images", self._onto_images(), dtype)

    def _pupil(self) -> Tensor:
        """Stop, lenses, display pixel and camera shift at the SLM's real pixel positions; (ny, nx) complex128."""
        bench = self.bench
        xi = [
            axis(self.shape[k], bench.slm.pitch) + bench.alignment.mask_shift[k] - bench.lens1.decentre[k]
            for k in (0, 1)
        ]
        seen = [float(bench.seen_at(k, 0.0)) for k in (0, 1)]
        y, x = (
            pixel_transform(bench, xi[k]) * cis(2 * math.pi * xi[k] * seen[k] / bench.scale) for k in (0, 1)
        )
        return pupil(bench, xi[0], xi[1], (0.0, 0.0)) * y[:, None] * x[None, :]

    def _onto_images(self) -> Tensor | None:
        """Phase that a displaced SLM puts on the images: a shift of the spectrum, a defocus of it; None without."""
        bench = self.bench
        shift = [bench.alignment.mask_shift[k] - bench.lens1.decentre[k] for k in (0, 1)]
        rate = -math.pi * bench.alignment.mask_axial / (bench.light.wavelength * bench.lens1.focal_length**2)
        if shift == [0.0, 0.0] and rate == 0.0:
            return None
        y, x = (
            cis(rate * u * u - 2 * math.pi * u * shift[k] / bench.scale)
            for k, u in enumerate(axis(n, bench.input.pitch) for n in self.shape)
        )
        return y[:, None] * x[None, :]

    def mask(
        self, target: Tensor, *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Tensor:
        """What the light meets in the Fourier plane: (M, ny, nx) complex, from targets (M, ny, nx) of the SLM.

        Keep it for as long as the SLM shows the same; `generator` draws the SLM's flicker, `ripple` is that of one of
        its states.
        """
        check_shape(target, (None, *self.shape), name="target", fix="One per mask: (M, ny, nx).")
        shown = self.slm(target, generator=generator, ripple=ripple)
        return self.rotation(shown) * self.pupil

    def intensity(self, images: Tensor, mask: Tensor) -> Tensor:
        """Intensity (B, M, ny, nx) on the camera, in units of the input's, of images (B, ny, nx) and `mask(...)`."""
        check_shape(images, (None, *self.shape), name="images", fix="One channel at a time: (B, ny, nx).")
        images = emitted(self.bench, images)
        field = images if self.onto_images is None else images * self.onto_images
        return periodic_intensity(field, mask, workspace=self.workspace)

    def forward(
        self,
        images: Tensor,
        target: Tensor,
        *,
        generator: torch.Generator | None = None,
        differentiable: bool = False,
    ) -> Tensor:
        """Camera counts (B, M, ny, nx) of images (B, ny, nx) and SLM targets (M, ny, nx).

        Args:
            images: amplitudes on the display, 0 to 1 of full scale.
            target: what the SLM should do, see `SLM`.
            generator: draws flicker and camera noise; None is the mean.
            differentiable: see `Camera.expose`.
        """
        if generator is not None:
            light = self.intensity(images, self.mask(target, generator=generator))
        else:
            parts = [
                self.intensity(images, self.mask(target, ripple=ripple)) * weight
                for ripple, weight in self.slm.states
            ]
            light = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
        return self.expose(light, generator=generator, differentiable=differentiable)

    def expose(
        self, intensity: Tensor, *, generator: torch.Generator | None = None, differentiable: bool = False
    ) -> Tensor:
        """Counts of `intensity(...)`, same shape."""
        photons = intensity * self.photons if self.photons != 1.0 else intensity
        return self.camera.expose(photons, generator=generator, differentiable=differentiable)


def _middle(whole: tuple[int, int], part: tuple[int, int], name: str) -> tuple[slice, slice]:
    """The middle of a panel or sensor, its origin on the part's."""
    starts = [n // 2 - m // 2 for n, m in zip(whole, part, strict=True)]
    if min(starts) < 0:
        raise SpecError(
            f"{name} is {whole}, smaller than the {part} samples of the images. Use smaller images."
        )
    return (slice(starts[0], starts[0] + part[0]), slice(starts[1], starts[1] + part[1]))


def _check_periodic(bench: BenchSpec, shape: tuple[int, int]) -> None:
    name = f"bench {bench.name!r}"
    for k, n in enumerate(shape):
        want = bench.scale / (n * bench.slm.pitch)
        if abs(bench.input.pitch / want - 1) > 1e-3:
            raise SpecError(
                f"{name}: the grids do not match along {'yx'[k]}: input.pitch is {bench.input.pitch:.5g} m, "
                f"lambda f1 / ({n} slm.pitch) is {want:.5g} m. Use that pitch, or FourF."
            )
    pixel = camera_pixel(bench)
    if abs(pixel / bench.input.pitch - 1) > 1e-3:
        raise SpecError(
            f"{name}: a binned camera pixel sees {pixel:.5g} m of the input, not one pixel of "
            f"{bench.input.pitch:.5g} m. Use camera.pitch = "
            f"{bench.input.pitch * bench.magnification / bench.camera.binning:.5g} m, or FourF."
        )
    if bench.distortion != 1.0:
        raise SpecError(
            f"{name}: the image is {bench.distortion:.6g} times its nominal size (magnification or focal lengths). "
            "A periodic grid cannot hold that; use FourF."
        )
    if not bench.light.simple:
        raise SpecError(f"{name}: only coherent light of one wavelength here; see optics.fourf.illumination.")
