"""From the intensity in the camera plane to camera counts, and back to the intensities that the electronics uses.

A recorder knows where the image of one 4f window lies on the sensor: which (binned) pixels see it, at which positions,
and how their readings are averaged into the bins of a read-out. Positions are where the pixels *really* are;
the bins are computed from where they are *assumed* to be, by default as an experimenter would who does not know the
misalignment.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.bench.geometry import ROUNDING, camera_pixel, camera_pixels, image_edges, on_sensor, sensor_edges
from optics.bench.spec import BenchSpec
from optics.camera.camera import Camera, CameraSpec
from optics.checks import OpticsError, ShapeError, SpecError, check_shape
from optics.conventions import Point
from optics.devices import in_own_precision
from optics.fourf.camera_window import CameraWindow, Size
from optics.modules import ConstantBuffers
from optics.wave.pixel_integration import pixel_weights


class Recorder(ConstantBuffers):
    """The camera of a bench, looking at the image of one window.

    Args:
        bench: the bench.
        window: the part of the camera plane that it looks at; or (H, W) of the images alone.
        axes: rows (oy,) and columns (ox,) of the intensity samples, float64, uniform, input units on the reported
            axes, metres; absent: the window's own.
        assumed: the camera by whose figures the electronics turns counts into photons, as a calibration gave it;
            `bench.camera_as_assumed` when absent.

    Attributes:
        shape: (cy, cx) binned camera pixels that see the window.
        region: their slices on the binned sensor.

    Raises:
        SpecError: the window's image does not lie on the sensor.
    """

    rows: Tensor
    cols: Tensor

    def __init__(
        self,
        bench: BenchSpec,
        window: CameraWindow | Size,
        *,
        axes: tuple[Tensor, Tensor] | None = None,
        assumed: CameraSpec | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.bench = bench
        self.view = CameraWindow.of(window)
        self.offset: Point = self.view.centre(bench)
        slices, centres = zip(*(self._pixels(k) for k in (0, 1)), strict=True)
        self.region: tuple[slice, slice] = (slices[0], slices[1])
        self.shape = (len(centres[0]), len(centres[1]))
        self.camera = Camera(bench.camera, region=self.region)
        self.reader = Camera(assumed or bench.camera_as_assumed, region=self.region)
        self.nominal = centres
        self.axes = axes or (self.view.axis(bench, 0), self.view.axis(bench, 1))
        self._build(dtype)

    def _build(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        for k, name in enumerate(("rows", "cols")):
            # where in the image the pixels really look
            true = self.bench.seen_at(k, self.nominal[k])
            seen = self.pixel * self.bench.alignment_as_assumed.magnification / self.bench.distortion
            weights = pixel_weights(self.axes[k], true, seen)
            self._keep(name, weights, dtype)

    @property
    def pixel(self) -> float:
        """Side of a binned camera pixel in input units, metres."""
        return camera_pixel(self.bench)

    @property
    def full_scale(self) -> float:
        """Photons that a binned pixel receives at intensity 1; 1 when the bench has no light budget."""
        photons = self.bench.light.photons
        return 1.0 if photons is None else photons * self.bench.camera.binning**2

    @property
    def assumed_full_scale(self) -> float:
        """What the electronics takes for that: an image known to be larger is known to be dimmer."""
        return self.full_scale / self.bench.alignment_as_assumed.magnification**2

    def _pixels(self, k: int) -> tuple[slice, Tensor]:
        """Binned pixels along axis k whose nominal area meets the image, and their nominal centres, input units."""
        bench = self.bench
        centres = camera_pixels(bench, k)
        low, high = self._edges(k)
        half = self.pixel * (0.5 - ROUNDING)
        seen = ((centres + half > low) & (centres - half < high)).nonzero()[:, 0]
        if not on_sensor(bench, self.view.shape[k], self.offset[k], k):
            m, (first, last) = bench.magnification, sensor_edges(bench, k)
            raise SpecError(
                f"bench {bench.name!r}: along {'yx'[k]} the image lies at {low * m * 1e3:.3g} to "
                f"{high * m * 1e3:.3g} mm from the axis, the camera at {first * m * 1e3:.3g} to "
                f"{last * m * 1e3:.3g} mm. Use a smaller carrier, a larger sensor, or a shorter lens 2."
            )
        part = slice(int(seen[0]), int(seen[-1]) + 1)
        return part, centres[part]

    def _edges(self, k: int) -> tuple[float, float]:
        return image_edges(self.bench, self.view.shape[k], self.offset[k])

    @in_own_precision
    def photons(self, intensity: Tensor) -> Tensor:
        """Expected photons per binned pixel (..., cy, cx) of intensity samples (..., oy, ox), full scale 1."""
        window = (self.rows.shape[1], self.cols.shape[1])
        check_shape(
            intensity,
            (*intensity.shape[:-2], *window),
            name="intensity",
            fix="One value per sample of the camera window.",
        )
        if not intensity.is_floating_point():
            raise OpticsError(
                f"intensity has dtype {intensity.dtype}, expected real floating point: pass abs2(field)."
            )
        rows, cols = self.rows.to(intensity.dtype), self.cols.to(intensity.dtype)
        return (rows @ intensity @ cols.mT) * self.full_scale

    def expose(
        self, intensity: Tensor, *, generator: torch.Generator | None = None, differentiable: bool = False
    ) -> Tensor:
        """Camera counts (..., cy, cx) of intensity samples (..., oy, ox); without a generator nothing is drawn."""
        # the interpolation of a sampled intensity can undershoot zero
        photons = self.photons(intensity).clamp(min=0)
        return self.camera.expose(photons, generator=generator, differentiable=differentiable)

    @in_own_precision
    def relative(self, counts: Tensor) -> Tensor:
        """Intensities in units of full scale, estimated from counts (..., cy, cx); noise can make them negative."""
        self._check_frames(counts, "counts")
        return self.reader.photons_of(counts) / self.assumed_full_scale

    def _check_frames(self, frames: Tensor, name: str) -> None:
        fix = "One value per binned camera pixel of the region of interest."
        check_shape(frames, (*frames.shape[:-2], *self.shape), name=name, fix=fix)

    @in_own_precision
    def bins(self, relative: Tensor, bins: tuple[int, int] | None) -> Tensor:
        """Average readings (..., cy, cx) over `bins` = (by, bx) parts of the image; None: one an input pixel.

        A camera pixel that lies in two bins counts in each by the area it covers there.

        Raises:
            ShapeError: the bins are finer than the camera's pixels.
        """
        self._check_frames(relative, "relative")
        left, right = (weights.to(relative) for weights in self.bin_weights(bins))
        return left @ relative @ right.mT

    def bin_weights(self, bins: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
        """What `bins` multiplies readings with from both sides: (by, cy) and (bx, cx) float64; rows sum to 1."""
        wanted = self.view.shape if bins is None else bins
        return self._bin_matrix(0, wanted[0]), self._bin_matrix(1, wanted[1])

    def _bin_matrix(self, k: int, bins: int) -> Tensor:
        low, high = self._edges(k)
        if bins < 1 or ((high - low) / bins < self.pixel * (1 - 1e-9) and bins != self.view.shape[k]):
            raise ShapeError(
                f"{bins} bins along {'yx'[k]} are finer than the camera's pixels; choose between 1 and "
                f"{math.floor((high - low) / self.pixel)}."
            )
        edges = torch.linspace(low, high, bins + 1, dtype=torch.float64)
        centre = self.nominal[k]
        cover = torch.minimum(edges[1:, None], centre + self.pixel / 2) - torch.maximum(
            edges[:-1, None], centre - self.pixel / 2
        )
        cover = cover.clamp(min=0)
        return cover / cover.sum(1, keepdim=True)
