"""One job: what it is to do, what it has done, what came out.

about.py   What a directory or a file is: a run, an export, a design, a network, a bench
config.py  What a run is to do: one TOML file, validated, with `--set key=value` on top. `docs/run-config.md`
           lists every key
given_teacher.py  A teacher that the user brings, and the proof that it knows these images
job.py     One job in its directory: the configuration, the bench and the images it means, and the models it has
           made so far
ledger.py  The ledger of a run's directory: which steps are done, for which inputs, so that a killed run can go on
moved_keys.py  Keys that may also stand elsewhere: a shorter place, or the one they had before
rehearsal.py  Every training tried on a few images before the first one begins
named_files.py  The files that a run's configuration names, as absolute paths
result.py  `result.json`: every number of a run, validated when it is written. `docs/result-schema.md` explains
           each key
rows.py    The rows of the table that a run ends with: which network, where, what it is called
schema.py  The JSON Schemas of run, bench and result files, for editors and other programs
toml.py    Settings of a run: `--set key=value` on top of a TOML file, validated with one-line errors, and TOML
           written back
"""

from distill.job.config import RunConfig
from distill.job.job import Job
from distill.job.ledger import Ledger
from distill.job.result import Result

__all__ = ["Job", "Ledger", "Result", "RunConfig"]
