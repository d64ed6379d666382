"""Linear optical networks: the cascade, its read-outs and electronic back ends; nonlinear teachers."""

import optics

if not hasattr(optics, "import_guard"):
    raise ImportError(
        f"networks belongs to spectral-cascade and needs its optics, but Python found {optics} first."
    )

from networks.backends.classifier import Backend
from networks.backends.segmenter_embedder import Embedder, Segmenter
from networks.cascade.cascade import Cascade
from networks.cascade.layer import SpectralConv2d
from networks.operations import multiply_accumulates
from networks.readouts.readouts import BinnedCamera, Homodyne, Incoherent, Intensity, Readout, bin_area
from networks.students.controls import ElectronicConvolution, RawImage
from networks.students.student import Student
from networks.teachers.registry import create, names

__all__ = [
    "Backend",
    "BinnedCamera",
    "Cascade",
    "ElectronicConvolution",
    "Embedder",
    "Homodyne",
    "Incoherent",
    "Intensity",
    "RawImage",
    "Readout",
    "Segmenter",
    "SpectralConv2d",
    "Student",
    "bin_area",
    "create",
    "multiply_accumulates",
    "names",
]
