"""Calibration (spectral-cascade): a bench, real or simulated, in; a hardware description corrected by measurement out.

doctor/        What is wrong with a bench, in one page: the quick measurements one after another, and which
               number to mend first
measuring/     How a measurement is made: probes, captures, an estimate with its uncertainty, a verdict; faults
               are named
rigs/          benches to measure, behind one face
measurements/  one measurement a file, each figure with its uncertainty
twin/          the whole bench fitted to its frames at once, with error bars

The names below load their room when they are first used; `calibration/__init__.pyi` lists them.
"""

import lazy_loader

import optics

if not hasattr(optics, "import_guard"):
    raise ImportError(
        f"calibration belongs to spectral-cascade and needs its optics, but Python found {optics} first."
    )

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
