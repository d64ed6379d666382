"""What a camera sees of a field, which decides what "linear" means.

readouts.py  What a camera sees of a field, which decides what "linear" means for the network
"""

from networks.readouts.readouts import BinnedCamera, Homodyne, Incoherent, Intensity, Readout

__all__ = ["BinnedCamera", "Homodyne", "Incoherent", "Intensity", "Readout"]
