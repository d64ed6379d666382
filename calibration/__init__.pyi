from . import doctor, measurements, measuring, rigs, twin
from .measurements.radiometry import Measured, Radiometry, measure_radiometry
from .rigs.captures import Captures, capture_images, load_captures
from .rigs.files import load_recording, save_recording
from .rigs.flat_field import FlatField, SimulatedCamera, unit_to_unit
from .rigs.recording import Probes, Recording, RigError
from .rigs.replay import replay_rig
from .rigs.rig import Abilities, CaptureError, Driver, Rig
from .rigs.simulated import Faults, simulated_rig
from .twin.calibrate import calibrate
from .twin.parameters import Tolerances
from .twin.result import TwinResult, load_result

__all__ = [
    "Abilities",
    "CaptureError",
    "Captures",
    "Driver",
    "Faults",
    "FlatField",
    "Measured",
    "Probes",
    "Radiometry",
    "Recording",
    "Rig",
    "RigError",
    "SimulatedCamera",
    "Tolerances",
    "TwinResult",
    "calibrate",
    "capture_images",
    "doctor",
    "load_captures",
    "load_recording",
    "load_result",
    "measure_radiometry",
    "measurements",
    "measuring",
    "replay_rig",
    "rigs",
    "save_recording",
    "simulated_rig",
    "twin",
    "unit_to_unit",
]
