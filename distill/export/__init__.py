"""A network on a bench as files for the lab, and those files read back.

answers.py          What a network's electronics answers: classes, a class per pixel, a point in a space of
                    faces; or nothing but counts
design_files.py     A design's directory, which holds no network, written and read back
design_manifest.py  What its `manifest.json` holds
electronics.py  What turns camera counts into answers, as numbers that need no other program
exposures.py        In which order a laboratory exposes its camera, and what each exposure is: frame, channel,
                    tile, stage, phase, lines
frames.py    SLM frames as image files that the device takes, and back, bit for bit
lab.py       What a laboratory shows first, and what its camera should see of it
lab_readme.py  `README.txt`: in which order, which way up, what to check first
manifest.py  What `manifest.json` of an exported directory holds, as a validated schema; `docs/export.md` explains
             it to users
masks_file.py       `masks.h5` of an export: levels, the masks that they encode, the point-spread functions that
                    they make, scales
onnx_file.py The electronic back end as an ONNX file
read.py      An exported directory read back: every file checked against its hash, every array against the
             manifest
reference.py Images, labels, camera counts and answers that can be a proof, or a refusal
write.py     A network on a bench as files: SLM frames, and all that is needed to check them without it
"""

from distill.export.manifest import Manifest, read_manifest
from distill.export.onnx_file import write_onnx
from distill.export.read import Exported, read_export
from distill.export.write import export

__all__ = ["Exported", "Manifest", "export", "read_export", "read_manifest", "write_onnx"]
