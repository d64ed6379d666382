"""An evenly lit camera, as radiometry needs it, and a simulated one whose true figures are hidden from it."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from optics.camera.camera import Camera, CameraSpec
from optics.checks import OpticsError


class FlatField(Protocol):
    """A camera that can be lit evenly. A real one looks at an integrating sphere or a defocused lamp."""

    @property
    def camera(self) -> CameraSpec:
        """The camera as its data sheet describes it; what a calibration starts from."""
        ...

    def flat_field(
        self,
        photons: float,
        frames: int,
        *,
        exposure: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Raw frames of an evenly lit sensor, unbinned.

        Args:
            photons: photons per sensor pixel and exposure, as the bench's power meter tells; 0 = dark.
            frames: how many frames.
            exposure: seconds; None = the camera's own.
            generator: source of simulated noise; a real bench ignores it.

        Returns:
            Counts (frames, y, x) of the whole sensor or a fixed part of it, floating point.
        """
        ...


class SimulatedCamera:
    """A simulated `FlatField`. The calibration sees frames only; `truth` is for the comparison that follows.

    Args:
        truth: the camera as it really is.
        nominal: what its data sheet says; None = the truth.
        window: pixels per side of the part of the sensor that is read out, at its centre.
        shading: relative fall of the illumination from the window's centre to its corners.
    """

    def __init__(
        self,
        truth: CameraSpec,
        nominal: CameraSpec | None = None,
        *,
        window: int = 128,
        shading: float = 0.02,
    ) -> None:
        if window < 2 or not 0.0 <= shading < 1.0:
            raise OpticsError(f"window {window} must be at least 2 pixels, shading {shading:g} in [0, 1).")
        self.truth = truth.replace(binning=1)
        self.camera = truth if nominal is None else nominal
        self.window = (min(window, truth.shape[0]), min(window, truth.shape[1]))
        self.shading = shading
        self._cameras: dict[float, Camera] = {}

    def flat_field(
        self,
        photons: float,
        frames: int,
        *,
        exposure: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Frames (frames, y, x) of a flat field; see `FlatField`."""
        if photons < 0 or frames < 1:
            raise OpticsError(f"photons {photons:g} must not be negative and frames {frames} at least 1.")
        light = (self._illumination() * photons).expand(frames, *self.window)
        return self._camera(exposure).expose(light, generator=generator)

    def _camera(self, exposure: float | None) -> Camera:
        seconds = self.truth.exposure if exposure is None else exposure
        if seconds not in self._cameras:
            region = tuple(
                slice((n - w) // 2, (n - w) // 2 + w)
                for n, w in zip(self.truth.shape, self.window, strict=True)
            )
            spec = self.truth.replace(exposure=seconds)
            self._cameras[seconds] = Camera(spec, region=(region[0], region[1]))
        return self._cameras[seconds]

    def _illumination(self) -> Tensor:
        """Relative illumination, mean 1, float32: the smooth fall-off of a real lamp."""
        y, x = (torch.linspace(-1, 1, n) for n in self.window)
        plane = 1.0 - self.shading * (y[:, None] ** 2 + x[None, :] ** 2) / 2
        return plane / plane.mean()


def unit_to_unit(nominal: CameraSpec, *, generator: torch.Generator, spread: float = 0.05) -> CameraSpec:
    """A camera as one might arrive: the data sheet's figures, each off by its own random relative error.

    Gain, read noise, dark current and full well vary by `spread` rms, the quantum efficiency by half of it
    (and stays below 1), the black level by two counts rms. Figures that are ideal in the data sheet stay
    ideal.
    """
    z = torch.randn(6, generator=generator, dtype=torch.float64).clamp(-2, 2).tolist()
    factor = [1.0 + spread * v for v in z]
    changes: dict[str, object] = {
        "read_noise": nominal.read_noise * factor[1],
        "dark_current": nominal.dark_current * factor[2],
    }
    if nominal.adc.bits is not None:
        changes["adc.gain"] = nominal.gain * factor[0]
        changes["adc.black_level"] = max(0.0, nominal.adc.black_level + 2.0 * z[5])
    if nominal.full_well is not None:
        changes["full_well"] = nominal.full_well * factor[3]
    if nominal.quantum_efficiency < 1.0:
        changes["quantum_efficiency"] = min(1.0, nominal.quantum_efficiency * (1.0 + spread * z[4] / 2))
    return nominal.replace(**changes)
