"""The 4f system: the same bench by several paths that agree, and the light and the camera around it.

camera_window.py        Which part of the camera plane is looked at, and at which points
channels.py             Channels side by side on the display: each sees a part of lens 1 of its own
convolved_intensity.py  Intensity of a batch of images convolved with complex point-spread functions, and its
                        gradient
display.py              What the display emits for the image that it is sent: its light, its contrast, its gamma
illumination.py         A bench under its own light: coherent, partially coherent, incoherent; one wavelength or
                        several. Intensities add
periodic.py             The ideal coherent 4f system on a periodic grid, as fast as its transforms allow
periodic_bench.py       A bench on a periodic grid: the fast periodic 4f with what SLM, lenses, alignment and
                        camera do to it
plane_by_plane.py       The 4f bench plane by plane in free space: display, lens 1, stop and SLM, lens 2, camera,
                        each where it stands
pupil.py                The Fourier plane of a 4f bench: which SLM pixels are illuminated, where they are, and what stop
                        and lenses add there
recorder.py             From the intensity in the camera plane to camera counts, and back to the intensities that
                        the electronics uses
stored_psf.py           A point-spread function as it is stored and drawn: origin in the middle, pitch, place
system.py               The 4f system: display, lens 1, Fourier-plane stop, SLM, lens 2, camera. Wave path and PSF
                        path, which agree
"""

from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination, incoherent, partially_coherent
from optics.fourf.periodic import Periodic4F
from optics.fourf.periodic_bench import PeriodicBench
from optics.fourf.plane_by_plane import PlaneByPlane
from optics.fourf.recorder import Recorder
from optics.fourf.stored_psf import PointSpread, point_spread
from optics.fourf.system import FourF

__all__ = [
    "CameraWindow",
    "FourF",
    "Illumination",
    "Periodic4F",
    "PeriodicBench",
    "PlaneByPlane",
    "PointSpread",
    "Recorder",
    "incoherent",
    "partially_coherent",
    "point_spread",
]
