"""What a cell gave, in a file of its own: whole or absent; what is damaged counts as absent, and is done again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from distill.studies.light import Exposure
from optics.checks import present
from optics.errors import OpticsError
from optics.files import make_folder, write_bytes
from optics.reading import check_size, reading, regular_file
from optics.spec import Validated

CELLS = "cells"
_MOST_SCORES = 2**27  # of a cell


class Given(Validated):
    """What one network gave in a cell, stored beside it: see `Outcome`."""

    seconds: float = Field(ge=0)
    brightest: float | None
    saturated: float = Field(ge=0, le=1)
    photons: float | None
    blind: bool


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a cell gave.

    Attributes:
        as_is: scores (draws, images) with the network's own back end; None where the cell has another one.
        refit: scores with the back end fitted on the cell's bench; None without.
        predictions: classes (draws, images) behind the last of them; None for pixels and faces.
        exposure: how exposed the camera is.
        seconds: of work, without the shared light.
    """

    as_is: Tensor | None
    refit: Tensor | None
    predictions: Tensor | None
    exposure: Exposure
    seconds: float

    @property
    def scores(self) -> Tensor:
        """The refitted scores where there are any, else as it comes."""
        return present(self.refit if self.refit is not None else self.as_is, "an outcome")


def read_outcome(folder: Path, key: str) -> Outcome | None:
    """What a cell gave; None where it is not done, or its file is damaged: then the cell is done again."""
    path = folder / CELLS / f"{key}.h5"
    try:
        with reading(path, "a cell"), h5py.File(regular_file(path), "r") as file:
            given = _given(file)
            parts = {name: _table(file, name, path) for name in ("as_is", "refit", "predictions")}
    except (OpticsError, ValidationError):
        return None
    shapes = {tuple(table.shape) for table in parts.values() if table is not None}
    scores = [table for table in (parts["as_is"], parts["refit"]) if table is not None]
    if not scores or len(shapes) > 1 or not all(bool(((s >= 0) & (s <= 1)).all()) for s in scores):
        return None
    seen = Exposure(given.brightest, given.saturated, given.photons, given.blind)
    return Outcome(exposure=seen, seconds=given.seconds, **parts)


def _given(file: h5py.File) -> Given:
    """What stands beside the scores, as JSON in bytes of fixed length."""
    told = file["given"]
    if told.shape != () or told.dtype.kind != "S":
        raise OpticsError("a cell without its conditions")
    return Given.model_validate_json(told[()])


def _table(file: h5py.File, name: str, path: Path) -> Tensor | None:
    """Numbers (draws, images), at least one of each; None where there are none."""
    if name not in file:
        return None
    values = file[name]
    if (
        values.dtype.kind != ("i" if name == "predictions" else "f")
        or len(values.shape) != 2
        or not values.size
    ):
        raise OpticsError(f"{path}: {name} is no table of draws and images.")
    check_size(f"{path}: {name}", values.shape, most=_MOST_SCORES)
    return torch.from_numpy(values[()])


def write_outcome(folder: Path, key: str, outcome: Outcome) -> None:
    """Keep what a cell gave, whole or not at all."""
    e = outcome.exposure
    given = Given(
        seconds=outcome.seconds,
        brightest=e.brightest,
        saturated=e.saturated,
        photons=e.photons,
        blind=e.blind,
    ).model_dump_json()
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["given"] = np.bytes_(given.encode())
        for name in ("as_is", "refit", "predictions"):
            values: Tensor | None = getattr(outcome, name)
            if values is not None:
                packed = values.numpy().astype(np.int16 if name == "predictions" else np.float32)
                file.create_dataset(name, data=packed, compression="gzip", shuffle=True)
    make_folder(folder / CELLS)
    write_bytes(folder / CELLS / f"{key}.h5", out.getvalue())
