from . import bench, camera, checks, conventions, errors, files, fourf, plan, plots, slm, spec, wave
from .bench.files import bench_names, load_bench
from .bench.light import LightSpec
from .bench.spec import AlignmentSpec, BenchSpec, InputSpec, StopSpec
from .bench.tolerance import ToleranceSpec
from .camera.camera import ADCSpec, Camera, CameraSpec, UniformitySpec
from .conventions import mm, nm, um
from .errors import FileError, OpticsError, SamplingError, ShapeError, SpecError
from .fourf.camera_window import CameraWindow
from .fourf.illumination import Illumination
from .fourf.plane_by_plane import PlaneByPlane
from .fourf.recorder import Recorder
from .fourf.system import FourF
from .slm.direct_design import optimise_phase
from .slm.encoding import EncodingSpec, encode
from .slm.panel import SLM
from .slm.response import ResponseSpec
from .slm.spec import SLMSpec
from .spec import Spec, Validated
from .wave.elements import Mask
from .wave.lens import Lens, LensSpec
from .wave.propagation import FreeSpace, propagate

__all__ = [
    "SLM",
    "ADCSpec",
    "AlignmentSpec",
    "BenchSpec",
    "Camera",
    "CameraSpec",
    "CameraWindow",
    "EncodingSpec",
    "FileError",
    "FourF",
    "FreeSpace",
    "Illumination",
    "InputSpec",
    "Lens",
    "LensSpec",
    "LightSpec",
    "Mask",
    "OpticsError",
    "PlaneByPlane",
    "Recorder",
    "ResponseSpec",
    "SLMSpec",
    "SamplingError",
    "ShapeError",
    "Spec",
    "SpecError",
    "StopSpec",
    "ToleranceSpec",
    "UniformitySpec",
    "Validated",
    "bench",
    "bench_names",
    "camera",
    "checks",
    "conventions",
    "encode",
    "errors",
    "files",
    "fourf",
    "load_bench",
    "mm",
    "nm",
    "optimise_phase",
    "plan",
    "plots",
    "propagate",
    "slm",
    "spec",
    "um",
    "wave",
]
