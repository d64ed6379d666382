"""The student, its controls, its training with the bench in the loop, and kernels of other programs.

adjustable.py   A network on a bench of which some numbers are parameters
array_files.py  Arrays of numbers in files of other programs: `.npy`, `.npz`, `.pt`, `.h5`, `.safetensors`, `.mat`
controls.py     Controls without optics: what the same back end reaches on the image itself, or behind electronic
                kernels
interchange.py  Masks and kernels of other programs, from their files to a cascade, with every choice said or asked for
matlab.py       Arrays in MATLAB files of level 4 and 5, read so that a damaged one gives an error, never a crash
noise_aware.py  Training with the bench in the loop: every step meets another draw of the misalignment and of the
                noise
panel_masks.py  A mask drawn for every pixel of a panel, to what it does to images
parts.py        What a student is made of, each part described once: optics, read-out, electronics, and the way onto
                a bench
spec.py         The one description of a student: what Python builds, a saved file holds, and a run's configuration
                says
student.py      The student: linear optics, what a camera sees of it, and a small electronic back end; and its
                controls
"""

from networks.students import interchange
from networks.students.adjustable import Adjustable
from networks.students.controls import ElectronicConvolution, RawImage
from networks.students.noise_aware import NoiseAware
from networks.students.parts import BackendSpec, CascadeSpec, ReadoutSpec, RealisationSpec
from networks.students.spec import StudentSpec
from networks.students.student import Student

__all__ = [
    "Adjustable",
    "BackendSpec",
    "CascadeSpec",
    "ElectronicConvolution",
    "NoiseAware",
    "RawImage",
    "ReadoutSpec",
    "RealisationSpec",
    "Student",
    "StudentSpec",
    "interchange",
]
