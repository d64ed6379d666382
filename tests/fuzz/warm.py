"""The process that reads strings of HDF5 (`optics.reading.hdf5_strings`), without its start: a warm one forks.

To start Python and its libraries takes half a second, as long as hundreds of inputs. What is forked runs the same code
with the same limits, and its end is seen in the same way. Each child of the harness has a warm process of its own.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence

from optics.reading import hdf5_strings

_ZYGOTE = """
import io, json, os, select, sys
import h5py
import numpy as np

code, wait = compile(sys.argv[1], "<strings>", "exec"), float(sys.argv[2])

def forked(arguments):
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(out)
            os.dup2(into, 1)
            sys.argv = ["-c", *arguments]
            exec(code, {"__name__": "__main__"})
            sys.stdout.flush()
        except BaseException:
            os._exit(1)
        os._exit(0)
    os.close(into)
    said = b""
    while (ready := select.select([out], [], [], wait)[0]) and (data := os.read(out, 65536)):
        said += data
    os.close(out)
    if not ready:
        os.kill(child, 9)
    _, status, used = os.wait4(child, 0)
    return {"said": said.hex() if status == 0 else "", "bytes": used.ru_maxrss * 1024}

for line in sys.stdin:
    print(json.dumps(forked(json.loads(line))), flush=True)
"""


class WarmStrings:
    """What stands in for `hdf5_strings._in_a_process`. most_bytes: the most that an answer took so far."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.most_bytes = 0

    def __call__(self, arguments: Sequence[str]) -> bytes:
        if self._process is None:
            command = [sys.executable, "-I", "-c", _ZYGOTE, hdf5_strings._CHILD, str(hdf5_strings._WAIT)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        into, out = self._process.stdin, self._process.stdout
        assert into is not None and out is not None
        into.write(json.dumps(list(arguments)) + "\n")
        into.flush()
        told = json.loads(out.readline())
        self.most_bytes = max(self.most_bytes, told["bytes"])
        return bytes.fromhex(told["said"])

    def end(self) -> None:
        """Stop the process."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
            self._process = None
