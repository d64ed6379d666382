"""What a camera sees of a field, which decides what "linear" means.

binned_camera.py  The camera of a computed network: which samples of the intensity it sees, and their bins
readouts.py       What a camera sees of a field, which decides what "linear" means for the network
"""

from networks.readouts.binned_camera import BinnedCamera
from networks.readouts.readouts import Homodyne, Incoherent, Intensity, Readout

__all__ = ["BinnedCamera", "Homodyne", "Incoherent", "Intensity", "Readout"]
