"""Frames kept on disk as they are taken, so that the same command goes on after an interruption.

A store is a folder beside the file that it becomes. It holds chunks of frames, each written whole or not at all, and
the digest of what was asked for: another request does not go on with these frames.
"""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from calibration.rigs.files import dataset
from calibration.rigs.recording import RigError
from optics.files import hdf5_bytes, make_folder, remove_folder, remove_leftovers_of, write_bytes
from optics.reading import attribute, fixed, quoted, reading, regular_file

_SCHEMA = "spectral-cascade frames 1"
_NAMES = ("counts", "times", "state")


class FrameStore:
    """Frames of one request, in the order in which they are taken.

    Args:
        folder: where they are kept.
        request: digest of what is asked for.
        every: seconds between two writings; 0 writes each frame at once.

    Attributes:
        counts: the frames so far.
        times: when each was taken, by the bench's clock, seconds.
        state: what a simulated bench needs to go on, after the last frame; (bytes,) uint8.

    Raises:
        RigError: the folder holds frames of another request, or is damaged.
    """

    def __init__(self, folder: str | Path, request: str, *, every: float = 2.0) -> None:
        self.folder = Path(folder)
        self.request = request
        self.every = every
        self.counts: list[Tensor] = []
        self.times: list[float] = []
        self.state = torch.zeros(0, dtype=torch.uint8)
        self._written = 0
        self._last = time.monotonic()
        remove_leftovers_of(self.folder)
        for path in sorted(self.folder.glob("*.h5")):
            self._read(path)

    def __len__(self) -> int:
        """How many frames."""
        return len(self.counts)

    def add(self, counts: Tensor, at: float, state: Tensor) -> None:
        """One more frame (cy, cx), when it was taken, and the bench's state after it."""
        self.counts.append(counts)
        self.times.append(at)
        self.state = state
        if time.monotonic() - self._last >= self.every:
            self.flush()

    def flush(self) -> None:
        """Write what is not on disk yet."""
        self._last = time.monotonic()
        if self._written == len(self.counts):
            return
        make_folder(self.folder)
        new = slice(self._written, len(self.counts))
        told = {"schema": fixed(_SCHEMA), "request": fixed(self.request)}
        arrays = {
            "counts": (torch.stack(self.counts[new]).numpy(), told),
            "times": (np.asarray(self.times[new], dtype=np.float64), {}),
            "state": (self.state.numpy(), {}),
        }
        write_bytes(self.folder / f"{self._written:08d}.h5", hdf5_bytes(arrays))
        self._written = len(self.counts)

    def clear(self) -> None:
        """Remove the folder: its frames are in a file of their own now."""
        if self.folder.is_dir():
            remove_folder(self.folder)

    def _read(self, path: Path) -> None:
        with reading(path, "kept frames"), h5py.File(regular_file(path), "r") as file:
            found = {name: dataset(file, name, str(path)) for name in _NAMES}
            schema, request = (attribute(path, file["counts"], name) for name in ("schema", "request"))
            whole = len(found["counts"]) == len(found["times"]) and found["counts"].ndim == 3
            if schema != (_SCHEMA,) or not whole or path.stem != f"{len(self.counts):08d}":
                raise RigError(
                    f"{path} is no chunk of kept frames ({quoted(schema and schema[0])}); remove {self.folder}."
                )
            if request != (self.request,):
                raise RigError(
                    f"{self.folder} holds frames of another request; give another name, or remove that folder to begin "
                    "anew."
                )
            self.counts += list(torch.from_numpy(found["counts"]))
            self.times += [float(t) for t in found["times"]]
            self.state = torch.from_numpy(found["state"].astype(np.uint8))
        self._written = len(self.counts)
