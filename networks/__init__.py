"""Linear optical networks: the cascade, its read-outs and electronic back ends; nonlinear teachers."""

import optics

if not hasattr(optics, "siblings"):
    raise ImportError(
        f"networks belongs to spectral-cascade and needs its optics, but Python found {optics} first."
    )

from networks.backend import Backend
from networks.cascade import Cascade
from networks.controls import ElectronicConvolution, RawImage
from networks.heads import Embedder, Segmenter
from networks.operations import multiply_accumulates
from networks.readout import BinnedCamera, Homodyne, Incoherent, Intensity, Readout, bin_area
from networks.spectral import SpectralConv2d
from networks.student import Student
from networks.teachers import create, names

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
