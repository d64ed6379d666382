"""Benches to measure, simulated or real, behind one face.

rig.py  What a calibration needs from a bench, and a simulated bench whose true figures are hidden from it
"""

from calibration.rigs.rig import Rig, SimulatedRig, unit_to_unit

__all__ = ["Rig", "SimulatedRig", "unit_to_unit"]
