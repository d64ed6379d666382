"""A trained network on a bench: one way a file, all behind one interface.

arrangement.py     How frames stand to images and answers: what must be known beside the levels
collapsed.py       One mask and one exposure per camera frame
display.py         How the channels of an image are shown: side by side at once, or one after another
drive.py           What the SLM is asked for, from a cascade's kernels or from levels alone; and what it then shows
illuminated.py     Light that is not simply coherent: incoherent, partially coherent, of several wavelengths
interface.py       What every way onto a bench answers, and the values that go in and out
masks.py           From collapsed kernels to the complex masks that an SLM is asked for, at the SLM's own pixels
network.py         Optics, camera, read-out and back end as one network, and the one cache
operator_cache.py  What follows from an operator alone, kept until the operator changes
sensor.py          Which part of the sensor the electronics reads: one frame, and the masks' images in it
staged.py          A cascade as it is written: one 4f stage per layer, each with its own SLM masks
tiled.py           Several masks side by side in one frame: each kernel's image at a place of its own
ways.py            The ways by name
"""

from networks.onbench.arrangement import Arrangement
from networks.onbench.collapsed import Collapsed
from networks.onbench.illuminated import Illuminated
from networks.onbench.interface import BenchOptics, Drive, Light
from networks.onbench.network import OnBench
from networks.onbench.staged import Staged
from networks.onbench.tiled import Tiled
from networks.onbench.ways import realisations

__all__ = [
    "Arrangement",
    "BenchOptics",
    "Collapsed",
    "Drive",
    "Illuminated",
    "Light",
    "OnBench",
    "Staged",
    "Tiled",
    "realisations",
]
