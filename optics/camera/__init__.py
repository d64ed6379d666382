"""The camera: from expected photons on its pixels to digital counts.

camera.py           A camera: from expected photons on its pixels to digital counts
noise.py            An exposure with a gradient, for training: shot and read noise as one Gaussian, saturation, rounding
summed_exposure.py  Sums of a camera's counts over groups of pixels, drawn without drawing every pixel
"""

from optics.camera.camera import ADCSpec, Camera, CameraSpec, UniformitySpec
from optics.camera.noise import noisy_counts
from optics.camera.summed_exposure import SummedExposure

__all__ = ["ADCSpec", "Camera", "CameraSpec", "SummedExposure", "UniformitySpec", "noisy_counts"]
