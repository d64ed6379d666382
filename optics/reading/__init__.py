"""Reading what others made: limits before memory, and one place where a foreign error becomes one of ours.

limits.py         Files, sizes, messages, JSON: `regular_file`, `check_size`, `reading`, `from_json`
hdf5_strings.py   Strings of HDF5, read in a process of their own
archives.py       Zip and tar archives, and what they may unpack to (not imported here)
"""

from optics.reading.hdf5_strings import are_variable, as_text, attribute, fixed, read_strings
from optics.reading.limits import (
    MOST_BYTES,
    MOST_VALUES,
    check_size,
    damaged,
    exists,
    from_json,
    home,
    inflated,
    listed,
    may_be_file,
    quoted,
    read_bytes,
    reading,
    reason,
    regular_file,
    sha256_of,
    shortened,
    unpacked,
)

__all__ = [
    "MOST_BYTES",
    "MOST_VALUES",
    "are_variable",
    "as_text",
    "attribute",
    "check_size",
    "damaged",
    "exists",
    "fixed",
    "from_json",
    "home",
    "inflated",
    "listed",
    "may_be_file",
    "quoted",
    "read_bytes",
    "read_strings",
    "reading",
    "reason",
    "regular_file",
    "sha256_of",
    "shortened",
    "unpacked",
]
