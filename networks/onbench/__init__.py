"""A trained network on a bench: one way a file.

collapsed.py    A trained network on a bench: the same read-out and back end, its optical part made of `optics`
                modules
illuminated.py  A network on a bench whose light is not simply coherent: incoherent, partially coherent, or of
                several wavelengths
masks.py        From collapsed kernels to the complex masks that an SLM is asked for, at the SLM's own pixels
realise.py      How a cascade is put on a bench, by name
staged.py       A cascade built as it is written: one 4f stage per layer, each with its own SLM masks, the camera
                behind the last
tiled.py        Several masks side by side in one frame: each kernel's image lands at a place of its own on the
                camera
"""

from networks.onbench.collapsed import OnBench
from networks.onbench.illuminated import Illuminated
from networks.onbench.realise import realisations
from networks.onbench.staged import Staged
from networks.onbench.tiled import Tiled

__all__ = ["Illuminated", "OnBench", "Staged", "Tiled", "realisations"]
