"""Strings of an HDF5 file, read in a process of their own.

The library believes what a damaged heap of strings says: it makes room for gigabytes, or ends the process by a
segmentation fault. So a child with limits on time and memory reads strings of variable length, and hands them back as
JSON; what happens to it is an error here. Numbers, and strings of fixed length, are read where they are needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py

from optics.errors import OpticsError

_SECONDS, _BYTES = 30, 2**31
_CHILD = """
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[3]),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[4]),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
import h5py
import numpy as np

def plain(value):
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return value if isinstance(value, str) else str(value)

found = []
try:
    with h5py.File(sys.argv[1], "r") as file:
        for attribute, name in json.loads(sys.argv[2]):
            value = file.attrs[name] if attribute else file[name][()]
            one = isinstance(value, (str, bytes))
            found.append([plain(value)] if one else [plain(v) for v in np.asarray(value, dtype=object).ravel()])
    print(json.dumps({"found": found}))
except Exception as error:
    print(json.dumps({"error": str(error)[:200] or type(error).__name__}))
"""


def are_variable(dtype: Any) -> bool:
    """Whether a type is that of strings of variable length."""
    told = h5py.check_string_dtype(dtype)
    return told is not None and told.length is None


def read_strings(path: Path, places: Sequence[tuple[str, bool]]) -> list[list[str | bytes]]:
    """The strings at every place of an HDF5 file.

    Args:
        path: the file.
        places: (name, whether it is an attribute of the root and not an array) of each.

    Raises:
        OpticsError: the file is damaged, or what it says of its strings cannot be.
    """
    asked = json.dumps([[attribute, name] for name, attribute in places])
    command = [sys.executable, "-I", "-c", _CHILD, str(path), asked, str(_BYTES), str(_SECONDS)]
    damaged = f"{path} cannot be read as HDF5 (its strings are damaged"
    try:
        done = subprocess.run(command, capture_output=True, timeout=2 * _SECONDS, check=False)
        answer = json.loads(done.stdout) if done.returncode == 0 else {}
    except (subprocess.TimeoutExpired, json.JSONDecodeError, UnicodeDecodeError):
        answer = {}
    if "found" not in answer:
        reason = str(answer.get("error", "")).splitlines()
        raise OpticsError(f"{damaged}{': ' + reason[0] if reason else ''}); copy the file again.")
    return [
        [bytes.fromhex(v["bytes"]) if isinstance(v, dict) else str(v) for v in one] for one in answer["found"]
    ]
