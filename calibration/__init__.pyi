from . import measurements, rigs
from .measurements.radiometry import Measured, Radiometry, measure_radiometry
from .rigs.files import load_recording, save_recording
from .rigs.flat_field import FlatField, SimulatedCamera, unit_to_unit
from .rigs.recording import Probes, Recording, RigError
from .rigs.replay import replay_rig
from .rigs.rig import Abilities, CaptureError, Driver, Rig
from .rigs.simulated import Faults, simulated_rig

__all__ = [
    "Abilities",
    "CaptureError",
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
    "load_recording",
    "measure_radiometry",
    "measurements",
    "replay_rig",
    "rigs",
    "save_recording",
    "simulated_rig",
    "unit_to_unit",
]
