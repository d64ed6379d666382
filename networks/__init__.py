"""Linear optical networks of spectral-cascade: the cascade, its read-outs, electronic back ends, teachers.

Rooms, in the order of the light; each folder's own face says what is in which of its files.

cascade/       the strictly linear network (SCLC) and its exact collapse
readouts/      what a camera sees of a field
backends/      the small electronics behind the camera: classes, pixels, faces
students/      cascade, read-out and back end as one network; its controls; kernels of other programs
teachers/      nonlinear teachers, by name or from a file
onbench/       a trained network on a bench
operations.py  electronic multiply-accumulates, counted
channels_last.py  the order of values in memory that convolutions on a CPU are fastest with
seeded.py      first values and dropout from a generator that the caller passes in

The names below load their room when they are first used; `networks/__init__.pyi` lists them.
"""

import lazy_loader

import optics

if not hasattr(optics, "import_guard"):
    raise ImportError(
        f"networks belongs to spectral-cascade and needs its optics, but Python found {optics} first."
    )

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
