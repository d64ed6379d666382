"""Strings of variable length in HDF5, read in a process of their own.

The library believes what a damaged heap of strings says, and makes room for gigabytes, searches it without end, or ends
the process by a segmentation fault. So a child with limits on time and memory reads them and hands them back as JSON;
what happens to it is an error here. Numbers, and strings of fixed length, as this package writes its own (`fixed`), are
read where they are needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optics.errors import OpticsError

if TYPE_CHECKING:
    import h5py

_SECONDS, _BYTES = 2, 2**30  # of computing; of memory beyond what the libraries take
_WAIT = 60  # seconds, on a busy machine
_CHILD = """
import json, sys
import h5py
import numpy as np
try:
    import resource
    with open("/proc/self/statm") as told:
        held = int(told.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[3]),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[4]),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass

def plain(value):
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return value if isinstance(value, str) else str(value)

found = []
try:
    with h5py.File(sys.argv[1], "r") as file:
        for name, attribute in json.loads(sys.argv[2]):
            value = file[name][()] if attribute is None else file[name].attrs[attribute]
            one = isinstance(value, (str, bytes))
            found.append([plain(value)] if one else [plain(v) for v in np.asarray(value, dtype=object).ravel()])
    print(json.dumps({"found": found}))
except Exception as error:
    print(json.dumps({"error": str(error)[:200] or type(error).__name__}))
"""


def are_variable(dtype: Any) -> bool:
    """Whether a type is that of strings of variable length."""
    import h5py

    told = h5py.check_string_dtype(dtype)
    return told is not None and told.length is None


def fixed(words: str | Sequence[str]) -> Any:
    """Text, or several, as an attribute that is safe to read: UTF-8 of fixed length."""
    import numpy as np

    if isinstance(words, str):
        return np.bytes_(words.encode())
    return np.array([word.encode() for word in words] or [b""], dtype=np.bytes_)


def attribute(path: Path, holder: h5py.Group | h5py.Dataset, name: str) -> tuple[str, ...] | None:
    """The text or texts of an attribute of an open file; None where there is no such attribute, or it is no text.

    Args:
        path: the file, once more.
        holder: the group or dataset that has it.
        name: of the attribute.

    Raises:
        OpticsError: the file is damaged, or what it says of its strings cannot be.
    """
    import numpy as np

    if name not in holder.attrs:
        return None
    kind = holder.attrs.get_id(name).dtype
    if are_variable(kind):
        words = read_strings(path, [(holder.name, name)])[0]
    elif kind.kind == "S":
        words = [bytes(word) for word in np.atleast_1d(holder.attrs[name]).ravel()]
    else:
        return None
    return tuple(as_text(word) for word in words)


def as_text(value: Any) -> str:
    """A string as it stands, bytes as UTF-8, another value as its text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def read_strings(path: Path, places: Sequence[tuple[str, str | None]]) -> list[list[str | bytes]]:
    """The strings at every place of an HDF5 file.

    Args:
        path: the file.
        places: (group or dataset, the name of its attribute) of each; None for a dataset's own values.

    Raises:
        OpticsError: the file is damaged, or what it says of its strings cannot be.
    """
    damaged = f"{path} cannot be read as HDF5 (its strings are damaged"
    try:
        answer = json.loads(_in_a_process([str(path), json.dumps(places), str(_BYTES), str(_SECONDS)]))
    except (subprocess.TimeoutExpired, json.JSONDecodeError, UnicodeDecodeError):
        answer = {}
    if "found" not in answer:
        reason = str(answer.get("error", "")).splitlines()
        raise OpticsError(f"{damaged}{': ' + reason[0] if reason else ''}); copy the file again.")
    return [
        [bytes.fromhex(v["bytes"]) if isinstance(v, dict) else str(v) for v in one] for one in answer["found"]
    ]


def _in_a_process(arguments: Sequence[str]) -> bytes:
    """What a process of its own says that runs `_CHILD`; nothing where it does not end well."""
    command = [sys.executable, "-I", "-c", _CHILD, *arguments]
    done = subprocess.run(command, capture_output=True, timeout=_WAIT, check=False)
    return done.stdout if done.returncode == 0 else b""
