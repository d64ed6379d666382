"""Benches to measure, simulated, recorded or real, behind one face.

captures.py    Many images through few patterns, for a back end that is fitted to them
files.py       Recordings on disk: HDF5 as this package writes it, a folder of pictures with an index, pairs of `.npz`
flat_field.py  An evenly lit camera, as radiometry needs it, and a simulated one
kept.py        A bench that is not there, for measurements whose frames are kept
mounted.py     Windows between planes and the devices' own pictures
opening.py     A rig from a line of text, as commands take it
recording.py   What was shown to a bench and what its camera saw
replay.py      A recorded bench: what was captured once is captured again
rig.py         A bench to measure: one face over real devices, simulated ones and recordings
simulated.py   A simulated bench whose true description is hidden, with the faults that real ones have
slmsuite_driver.py  Real devices through slmsuite, and its simulated ones
slmsuite_files.py   slmsuite's calibration files
slmsuite_wavefront.py  slmsuite's superpixel wavefront calibrations (`wavefront_superpixel`), read into a bench and
                    written from one
store.py       Frames kept on disk as they are taken
windows.py     Which part of the panel light can reach
"""

from calibration.rigs import slmsuite_files
from calibration.rigs.captures import Captures, capture_images, load_captures
from calibration.rigs.files import load_recording, save_recording
from calibration.rigs.flat_field import FlatField, SimulatedCamera, unit_to_unit
from calibration.rigs.kept import kept_rig
from calibration.rigs.mounted import to_pictures, to_planes
from calibration.rigs.opening import open_rig
from calibration.rigs.recording import Probes, Recording, RigError
from calibration.rigs.replay import ReplayDriver, replay_rig
from calibration.rigs.rig import Abilities, Call, CaptureError, Driver, Rig, default_region
from calibration.rigs.simulated import Faults, SimulatedDriver, simulate, simulated_rig

__all__ = [
    "Abilities",
    "Call",
    "CaptureError",
    "Captures",
    "Driver",
    "Faults",
    "FlatField",
    "Probes",
    "Recording",
    "ReplayDriver",
    "Rig",
    "RigError",
    "SimulatedCamera",
    "SimulatedDriver",
    "capture_images",
    "default_region",
    "kept_rig",
    "load_captures",
    "load_recording",
    "open_rig",
    "replay_rig",
    "save_recording",
    "simulate",
    "simulated_rig",
    "slmsuite_files",
    "to_pictures",
    "to_planes",
    "unit_to_unit",
]
