"""The camera: from expected photons on its pixels to digital counts.

camera.py  A camera: from expected photons on its pixels to digital counts
noise.py   An exposure with a gradient, for training: shot and read noise as one Gaussian, saturation, rounding
"""

from optics.camera.camera import ADCSpec, Camera, CameraSpec, UniformitySpec
from optics.camera.noise import noisy_counts

__all__ = ["ADCSpec", "Camera", "CameraSpec", "UniformitySpec", "noisy_counts"]
