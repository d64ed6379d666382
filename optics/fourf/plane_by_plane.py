"""The 4f bench plane by plane in free space: display, lens 1, stop and SLM, lens 2, camera, each where it stands.

`optics.fourf.system` goes from focal plane to focal plane and refuses what is not shift-invariant. Here every stretch
of free space is propagated and every lens stands where it is, with its stop, decentre and aberrations: vignetting,
axial errors and what lies between the focal planes need no approximation beyond the paraxial one, and any plane can
be looked at.

All planes share one grid with one sample per SLM pixel (or several), origin at index `n // 2`. What makes that enough:

* the display's light is synthesised by its angles; those that would meet the Fourier plane outside the illuminated part
  of the SLM are left out, since they are absorbed there;
* the SLM is sampled at its pixels' centres and rebuilt from its pixels' area; the angles behind it are limited to those
  that reach the part of the camera plane that is asked for (all orders of the first zone, if asked);
* the window holds all light that remains, so nothing comes back at its edges.

A mask that is shifted or turned is met by shifting or turning the *field* into the SLM's own frame and back, by Fourier
interpolation: the pixels' values are never resampled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, SpecError, check_shape
from optics.conventions import Point, axis, cis, complex_dtype
from optics.fourf.camera_window import CameraWindow, Size
from optics.fourf.display import emitted
from optics.fourf.pupil import illuminated_pixels
from optics.modules import ConstantBuffers, check_dtype
from optics.wave.aperture import circular_aperture, rectangular_aperture
from optics.wave.fourier import dft_matrix, fast_length
from optics.wave.lens import LensSpec, lens_transmission
from optics.wave.pixel_integration import gauss_legendre
from optics.wave.propagation import transfer_function
from optics.wave.rotation import rotate

NAMES = (
    "display",
    "before_lens1",
    "after_lens1",
    "before_slm",
    "after_slm",
    "before_lens2",
    "after_lens2",
    "camera",
)
WIDENING = 1.08  # width of the grid and of the display's angles relative to what the geometry needs
EDGE_PIXELS = 4  # SLM or input pixels beyond the nominal edge over which light fades, for its diffraction


@dataclass(frozen=True)
class Planes:
    """Fields of one run on the common grid, by name.

    fields: name -> (B, ny, nx) complex, amplitude on the bench's own axes (the camera plane is inverted, not yet
    reported upright); see `NAMES`. pitch: of the grid, metres. positions: name -> distance from the display, metres.
    """

    fields: dict[str, Tensor]
    pitch: float
    positions: dict[str, float]

    def __getitem__(self, name: str) -> Tensor:
        """The field at a plane; OpticsError names the planes there are."""
        if name not in self.fields:
            raise OpticsError(f"no plane is called {name!r}; the planes are {', '.join(self.fields)}.")
        return self.fields[name]

    def axes(self) -> tuple[Tensor, Tensor]:
        """Coordinates (ny,) and (nx,) of the samples, float64, metres from the optical axis."""
        ny, nx = next(iter(self.fields.values())).shape[-2:]
        return axis(ny, self.pitch), axis(nx, self.pitch)


class PlaneByPlane(ConstantBuffers):
    """A 4f bench for images of one size, propagated plane by plane; coherent light of one wavelength.

    Args:
        bench: what the bench is.
        window: which images are shown and where the camera plane is sampled; or (H, W) of the images alone.
        subsamples: grid samples per SLM pixel and axis; absent: the least that holds all angles.
        nodes: Gauss-Legendre points per axis over each SLM pixel's active area, 2 as in `FourF`. 1 takes the incident
            field at the pixel's centre; more change little.
        all_orders: keep every angle of the SLM's first diffraction zone, not only those that reach the window.
        exact: free space without the paraxial approximation (behind paraxial lenses: shows a spherical aberration
            that corrected lenses do not have).
        dtype: float32 or float64.

    Attributes:
        rows, cols: slices of the panel that light reaches, as in `FourF`.
        pitch: of the grid, metres. shape: (ny, nx) samples of the grid.
        window: (oy, ox) samples of the camera-plane window.

    Raises:
        SpecError: the stop lies outside the SLM, or the light is not coherent.
        OpticsError: a bad count.
    """

    display_y: Tensor
    display_x: Tensor
    lens1: Tensor
    stop: Tensor
    to_nodes_y: Tensor
    to_nodes_x: Tensor
    kept: Tensor
    lens2: Tensor
    camera_y: Tensor
    camera_x: Tensor
    camera_factor: Tensor

    def __init__(
        self,
        bench: BenchSpec,
        window: CameraWindow | Size,
        *,
        subsamples: int | None = None,
        nodes: int = 2,
        all_orders: bool = False,
        exact: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if min(nodes, 1 if subsamples is None else subsamples) < 1:
            raise OpticsError("nodes and subsamples count from 1.")
        check_dtype(dtype)
        bench.refuse_tensors("the path plane by plane")
        self.bench, self.view = bench, CameraWindow.of(window)
        self.image_shape = self.view.image_shape
        self.offset: Point = self.view.centre(bench)
        self.oversampling, self.window = self.view.samples_per_pixel(bench), self.view.samples(bench)
        self.all_orders, self.exact = all_orders, exact
        self.nodes = nodes
        (self.rows, xi_y), (self.cols, xi_x) = illuminated_pixels(bench, 0), illuminated_pixels(bench, 1)
        self._illuminated = tuple(float(x.abs().max()) + bench.slm.pitch for x in (xi_y, xi_x))
        self._angles_in = tuple(self._display_edge(k) for k in (0, 1))
        self._camera_edge = tuple(self._edge(k) for k in (0, 1))
        self.subsamples = subsamples or self._least_subsamples()
        self.pitch = bench.slm.pitch / self.subsamples
        self.shape = (self._samples(0), self._samples(1))
        self.distances = self._distances()
        self._build(dtype)

    def _build(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._constants()
        self._slm_frame()

    # ------------------------------------------------------------------ geometry

    def _display_edge(self, k: int) -> float:
        """How far from the axis the display's light meets the Fourier plane along axis k, metres."""
        bench = self.bench
        passed = self._illuminated[k] if bench.stop is None else bench.stop.width[k] / 2
        return WIDENING * passed + EDGE_PIXELS * bench.slm.pitch

    def _edge(self, k: int) -> float:
        """How far from the axis light is followed in the camera plane along axis k, input units, metres."""
        camera = abs(self.bench.alignment.camera_shift[k] - self.bench.alignment_as_assumed.camera_shift[k])
        shift = (abs(self.bench.lens2.decentre[k]) + camera) / self.bench.magnification
        reach = self.view.shape[k] / 2 + self.view.margin + EDGE_PIXELS
        return abs(self.offset[k]) + reach * self.bench.input.pitch + shift

    def _least_subsamples(self) -> int:
        """Samples per SLM pixel that hold the steepest angles behind each element."""
        bench = self.bench
        f1, f2 = bench.lens1.focal_length, bench.lens2.focal_length
        sines = [
            max(
                (self._angles_in[k] + abs(bench.lens1.decentre[k])) / f1,
                self.image_shape[k] * bench.input.pitch / 2 / f1,
                self._camera_edge[k] / f1,
                self._illuminated[k] / f2,
            )
            for k in (0, 1)
        ]
        return max(1, math.ceil(WIDENING * 2 * max(sines) * bench.slm.pitch / bench.light.wavelength))

    def _samples(self, k: int) -> int:
        bench = self.bench
        image = self.image_shape[k] * bench.input.pitch / 2
        out = self._camera_edge[k] * bench.magnification
        if self.all_orders:
            out = max(out, bench.light.wavelength * bench.lens2.focal_length / (2 * bench.slm.pitch))
        decentre = max(abs(bench.lens1.decentre[k]), abs(bench.lens2.decentre[k]))
        inside = max(self._angles_in[k] + image, self._illuminated[k] + out) + decentre
        return 2 * fast_length(math.ceil(WIDENING * inside / self.pitch))

    def _distances(self) -> tuple[float, float, float, float]:
        """Display to lens 1, lens 1 to SLM, SLM to lens 2, lens 2 to camera; the stop moves with the SLM, metres."""
        bench, a = self.bench, self.bench.alignment
        f1, f2 = bench.lens1.focal_length, bench.lens2.focal_length
        out = (f1 - a.input_axial, f1 + a.mask_axial, f2 - a.mask_axial, f2 + a.camera_axial)
        if min(out) <= 0:
            raise SpecError(
                f"bench {bench.name!r}: an axial error is larger than a focal length; distances {out} m."
            )
        return out

    def camera_axis(self, k: int) -> Tensor:
        """Image coordinates of the samples along axis k that the window sees, metres; as `FourF.camera_axis`."""
        return self.view.axis(self.bench, k)

    # ------------------------------------------------------------------ what does not change

    def _constant(self, name: str, value: Tensor) -> None:
        self._keep(name, value.to(torch.complex128), self.dtype)

    def _frequencies(self, k: int) -> Tensor:
        """Un-centred spatial frequencies of the grid along axis k, cycles per metre, float64."""
        return torch.fft.fftfreq(self.shape[k], d=self.pitch, dtype=torch.float64)

    def _origin(self, k: int) -> Tensor:
        """Phase that moves the transform's origin from sample 0 to sample `n // 2` along axis k."""
        n = self.shape[k]
        return cis(-2 * math.pi * self._frequencies(k) * (n // 2) * self.pitch)

    def _constants(self) -> None:
        bench = self.bench
        wavelength = bench.light.wavelength
        for i, distance in enumerate(self.distances):
            space = transfer_function(
                self.shape,
                wavelength=wavelength,
                pitch=self.pitch,
                distance=distance,
                paraxial=not self.exact,
            )
            self._constant(f"space{i}", space)
        for name, lens in (("lens1", bench.lens1), ("lens2", bench.lens2)):
            self._constant(name, self._lens(lens))
        self._constant("stop", self._stop())
        # the camera field in units of the input's amplitude: without k z and the transforms' two factors 1 / i,
        # for an image of the nominal size
        cycles = math.fmod(sum(self.distances) / wavelength, 1.0)
        scale = -bench.magnification / bench.alignment.magnification
        for k, name in enumerate("yx"):
            f, area = self._frequencies(k), math.sqrt(bench.input.fill_factor) * bench.input.pitch
            # display: angles of its pixels, inverted by the grid's transform
            met = f * wavelength * bench.lens1.focal_length + bench.lens1.decentre[k]
            passed = met.abs() <= self._angles_in[k]
            pixels = dft_matrix(f, axis(self.image_shape[k], bench.input.pitch), scale=1.0)
            filtered = (passed * area * torch.sinc(area * f) / self.pitch)[:, None] * pixels
            self._constant(f"display_{name}", self._origin(k)[:, None] * filtered)
            # camera: the field at any point from its angles
            size = bench.magnification * bench.stretch
            position = bench.lens2.decentre[k] - size * (self.camera_axis(k) - bench.lens1.decentre[k])
            read = dft_matrix(position, f, scale=1.0, sign=+1) / self.shape[k]
            self._constant(f"camera_{name}", read * self._origin(k).conj())
        whole = torch.tensor(-2 * math.pi * cycles, dtype=torch.float64)
        self._constant("camera_factor", cis(whole) * scale)

    def _lens(self, lens: LensSpec) -> Tensor:
        return lens_transmission(
            self.shape,
            wavelength=self.bench.light.wavelength,
            pitch=self.pitch,
            **lens.as_built,
        )

    def _stop(self) -> Tensor:
        stop = self.bench.stop
        if stop is None:
            return torch.ones(1, 1, dtype=torch.float64)
        if stop.shape == "rectangle":
            return rectangular_aperture(self.shape, self.pitch, stop.width)
        return circular_aperture(self.shape, self.pitch, stop.width[0])

    def _slm_frame(self) -> None:
        """Where illuminated pixels stand on the grid, the shifts to their quadrature points, and the angles kept."""
        bench, a = self.bench, self.bench.alignment
        side = math.sqrt(bench.slm.fill_factor) * bench.slm.pitch
        points, weights = gauss_legendre(self.nodes)
        self.weights = torch.outer(weights, weights)
        limits: list[Tensor] = []
        pixels: list[slice] = []
        for k, name in enumerate("yx"):
            whole = round(a.mask_shift[k] / self.pitch)
            xi = illuminated_pixels(bench, k)[1]
            first = round((float(xi[0]) - a.mask_shift[k]) / self.pitch) + self.shape[k] // 2 + whole
            pixels.append(slice(first, first + self.subsamples * len(xi), self.subsamples))
            f = self._frequencies(k)
            away = a.mask_shift[k] - whole * self.pitch + points * side / 2
            # the field at grid + away, as a phase on its spectrum; one row per node
            self._constant(f"to_nodes_{name}", cis(2 * math.pi * away[:, None] * f))
            reached = f.abs() * bench.light.wavelength * bench.lens2.focal_length
            edge = self._camera_edge[k] * bench.magnification
            zone = bench.light.wavelength * bench.lens2.focal_length / (2 * bench.slm.pitch)
            limits.append(
                _taper(reached, edge, min(zone, edge + 8 * bench.input.pitch * bench.magnification))
            )
            if self.all_orders:
                limits[k] = (reached <= zone).double()
            if self.nodes == 1:
                limits[k] = limits[k] * torch.sinc(side * f)
        self._pixels = (pixels[0], pixels[1])
        self._constant("kept", torch.outer(*limits))

    # ------------------------------------------------------------------ light

    def display(self, images: Tensor) -> Tensor:
        """Field at the display, (B, ny, nx) on the grid, from images (B, H, W), real or complex amplitudes."""
        check_shape(images, (None, *self.image_shape), name="images", fix="One channel at a time: (B, H, W).")
        spectrum = (
            self.display_y @ emitted(self.bench, images).to(complex_dtype(self.dtype)) @ self.display_x.mT
        )
        return torch.fft.ifft2(spectrum)

    def _free(self, field: Tensor, i: int) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(field) * getattr(self, f"space{i}"))

    def reflect(self, field: Tensor, reflectance: Tensor) -> Tensor:
        """Field (B, ny, nx) behind stop and SLM; `reflectance` (ny', nx') complex, one value per illuminated pixel."""
        size = (self.rows.stop - self.rows.start, self.cols.stop - self.cols.start)
        fix = "It is that of the illuminated SLM pixels, panel[planes.rows, planes.cols]."
        check_shape(reflectance, size, name="reflectance", fix=fix)
        if not reflectance.is_complex():
            raise OpticsError(
                f"reflectance has dtype {reflectance.dtype}, expected complex: pass slm(phase)."
            )
        angle = self.bench.alignment.mask_rotation
        centre = (float(self.shape[0] // 2), float(self.shape[1] // 2))
        spectrum = torch.fft.fft2(rotate(field * self.stop, -angle, centre=centre))
        total = torch.zeros_like(spectrum)
        panel = reflectance.to(complex_dtype(self.dtype)) * self.subsamples**2
        rows, cols = self._pixels
        for j, i, weight in self._nodes():
            ramp = self.to_nodes_y[j][:, None] * self.to_nodes_x[i]
            seen = torch.fft.ifft2(spectrum * ramp)
            shown = torch.zeros_like(seen)
            shown[..., rows, cols] = seen[..., rows, cols] * panel
            total = total + torch.fft.fft2(shown) * (ramp.conj() * weight)
        return rotate(torch.fft.ifft2(total * self.kept), angle, centre=centre)

    def _nodes(self) -> Iterator[tuple[int, int, float]]:
        for j in range(len(self.weights)):
            for i in range(len(self.weights)):
                yield j, i, float(self.weights[j, i])

    def _incoming(self, images: Tensor) -> dict[str, Tensor]:
        display = self.display(images)
        before = self._free(display, 0)
        after = before * self.lens1
        return dict(zip(NAMES[:4], (display, before, after, self._free(after, 1)), strict=True))

    def _outgoing(self, before_slm: Tensor, reflectance: Tensor) -> dict[str, Tensor]:
        slm = self.reflect(before_slm, reflectance)
        before = self._free(slm, 2)
        after = before * self.lens2
        return dict(zip(NAMES[4:], (slm, before, after, self._free(after, 3)), strict=True))

    def trace(self, images: Tensor, reflectance: Tensor) -> Planes:
        """Every plane of one mask.

        Args:
            images: field amplitudes on the display, (B, H, W), real or complex.
            reflectance: (ny', nx') complex, one value per illuminated SLM pixel (`panel[rows, cols]`).

        Returns:
            The fields by name, (B, ny, nx) each.
        """
        incoming = self._incoming(images)
        fields = incoming | self._outgoing(incoming["before_slm"], reflectance)
        where = [0.0, *(sum(self.distances[:i]) for i in (1, 1, 2, 2, 3, 3, 4))]
        return Planes(fields, self.pitch, dict(zip(NAMES, where, strict=True)))

    def wave(self, images: Tensor, reflectance: Tensor) -> Tensor:
        """Field in the camera window, (B, M, oy, ox), on the reported axes in units of the input's amplitude.

        As `FourF.wave`: images (B, H, W), reflectance (M, ny', nx').
        """
        arriving = self._incoming(images)["before_slm"]
        out = [self.at_camera(self._outgoing(arriving, mask)["camera"]) for mask in reflectance]
        return torch.stack(out, 1)

    def at_camera(self, field: Tensor) -> Tensor:
        """The window (B, oy, ox) on the reported upright axes of a camera-plane field (B, ny, nx) on the grid."""
        spectrum = torch.fft.fft2(field)
        return (self.camera_y @ spectrum @ self.camera_x.mT) * self.camera_factor


def _taper(x: Tensor, edge: float, end: float) -> Tensor:
    """1 up to `edge`, falling as a cosine to 0 at `end`."""
    if end <= edge:
        return (x <= end).double()
    return 0.5 + 0.5 * torch.cos(math.pi * ((x - edge) / (end - edge)).clamp(0.0, 1.0))
