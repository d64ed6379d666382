"""A bench as its owner writes it, the files it comes from, and the catalogue of devices.

assumed.py           What is assumed about a bench, beside what is there: the figures of a camera, and the way
                     back through a rotation
catalogue.py  The catalogue of real devices: published figures, each with its source, in TOML files that anyone
              can add to
files.py      Benches from TOML files, with errors that name the file, the line, the key and the keys that are
              known
geometry.py   Kernels side by side in one camera frame: where their images can stand, and what that costs in light
light.py      The light: wavelength, coherence, spectrum, and how many photons reach a camera pixel
schema.py     The JSON Schema of bench files, for editors that complete and check them
mounting.py   How display, SLM and camera are mounted: mirrored or turned
panel_correction.py  What is added to every frame so that the panel is flat
response_tables.py  Measured responses from files: one phase per level
spec.py       A bench as its owner writes it: light, display, lens 1, Fourier-plane stop, SLM, lens 2, camera,
              alignment
tolerance.py  Tolerances: how far each element of a bench may stand from where its description says, and draws of
              them
write.py      A bench as the text of a TOML file that reads back to the same bench

`benches/` and `devices/` hold the TOML files that come with the package.
"""

from optics.bench.catalogue import Device
from optics.bench.files import bench_from_dict, bench_names, load_bench
from optics.bench.light import LightSpec, photon_energy, photons_per_pixel, power_for
from optics.bench.mounting import MountingSpec, MountSpec
from optics.bench.schema import bench_schema
from optics.bench.spec import AlignmentSpec, BenchSpec, InputSpec, StopSpec
from optics.bench.tolerance import ToleranceSpec

__all__ = [
    "AlignmentSpec",
    "BenchSpec",
    "Device",
    "InputSpec",
    "LightSpec",
    "MountSpec",
    "MountingSpec",
    "StopSpec",
    "ToleranceSpec",
    "bench_from_dict",
    "bench_names",
    "bench_schema",
    "load_bench",
    "photon_energy",
    "photons_per_pixel",
    "power_for",
]
