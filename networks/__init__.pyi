from . import backends, cascade, onbench, operations, readouts, students, teachers
from .backends.classifier import Backend
from .backends.segmenter_embedder import Embedder, Segmenter
from .cascade.cascade import Cascade
from .cascade.layer import SpectralConv2d
from .operations import multiply_accumulates
from .readouts.binned_camera import BinnedCamera
from .readouts.readouts import Homodyne, Incoherent, Intensity, Readout
from .students.adjustable import Adjustable
from .students.controls import ElectronicConvolution, RawImage
from .students.noise_aware import NoiseAware
from .students.parts import BackendSpec, CascadeSpec, ReadoutSpec, RealisationSpec
from .students.spec import StudentSpec
from .students.student import Student
from .teachers.registry import create_teacher, teacher_names

__all__ = [
    "Adjustable",
    "Backend",
    "BackendSpec",
    "BinnedCamera",
    "Cascade",
    "CascadeSpec",
    "ElectronicConvolution",
    "Embedder",
    "Homodyne",
    "Incoherent",
    "Intensity",
    "NoiseAware",
    "RawImage",
    "Readout",
    "ReadoutSpec",
    "RealisationSpec",
    "Segmenter",
    "SpectralConv2d",
    "Student",
    "StudentSpec",
    "backends",
    "cascade",
    "create_teacher",
    "multiply_accumulates",
    "onbench",
    "operations",
    "readouts",
    "students",
    "teacher_names",
    "teachers",
]
