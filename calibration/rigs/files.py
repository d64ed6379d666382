"""Recordings on disk: HDF5 as this package writes it, a folder of pictures with an index, and pairs of `.npz`.

`load_recording` takes any of them. HDF5 and arrays hold planes, upright. A folder of pictures is what a laboratory has
anyway, as the devices were sent and returned it: the bench's `mounting` turns it upright. Its `recording.toml` says

    binning = 1                    # sensor pixels per side already summed into a picture's pixel
    exposure = 0.01                # seconds
    panel_corner = [309, 748]      # where the levels' first pixel lies on the panel
    sensor_corner = [528, 1296]    # where the frames' first pixel lies on the sensor, in the frames' own pixels
    inputs = "amplitude"           # what the display pictures hold; "intensity" takes the root
    [[shots]]
    levels = "slm-00.png"          # grey values are levels
    input = "display-00.png"       # full scale of the picture's depth is amplitude 1
    frame = "camera-00.tif"        # grey values are counts
"""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from calibration.rigs.mounted import to_planes
from calibration.rigs.recording import Probes, Recording, RigError
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, ShapeError
from optics.files import write_hdf5
from optics.reading import (
    attribute,
    check_size,
    fixed,
    home,
    listed,
    quoted,
    read_bytes,
    reading,
    regular_file,
)
from optics.reading.archives import zip_entries
from optics.toml_errors import parse

SCHEMA = "spectral-cascade recording 1"
INDEX = "recording.toml"
_MOST_VALUES = 2**28  # of one array
_MOST_PIXELS = 2**26  # of one picture


def save_recording(recording: Recording, path: str | Path) -> None:
    """Write a recording as HDF5 (docs/calibration.md lists the keys)."""
    told = {
        "schema": fixed(SCHEMA),
        "bench": fixed(recording.bench),
        "binning": recording.binning,
        "exposure": recording.exposure,
        "panel_corner": recording.probes.corner,
        "sensor_corner": recording.corner,
    }
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "levels": recording.probes.levels.numpy().astype(np.uint16),
        "inputs": recording.probes.inputs.numpy().astype(np.float64),
        "counts": recording.counts.numpy().astype(np.float64),
        "times": np.asarray(recording.times, dtype=np.float64),
    }
    write_hdf5(path, {name: (array, {}) for name, array in arrays.items()}, told)


def load_recording(path: str | Path, bench: BenchSpec) -> Recording:
    """A recording from an HDF5 file, a folder with `recording.toml`, or one with `probes.npz` and `frames.npz`.

    Args:
        path: the file or folder.
        bench: the bench as its data sheet describes it: the frames are summed to its binning, pictures turned
            upright by its mounting, and what the panel cannot have shown is refused.

    Raises:
        RigError: no such recording, keys that are missing, another panel or a coarser camera.
    """
    try:
        return _loaded(home(path), bench)
    except (RigError, ShapeError):
        raise
    except OpticsError as error:
        raise RigError(str(error)) from error


def _loaded(path: Path, bench: BenchSpec) -> Recording:
    with reading(path, "a recording"):
        if path.is_dir() and (path / INDEX).is_file():
            found = to_planes(_from_pictures(path), bench)
        elif path.is_dir() and (path / "probes.npz").is_file():
            found = _from_arrays(path, bench)
        elif path.is_file():
            found = _from_hdf5(path)
        else:
            raise RigError(
                f"{path} is no recording: expected an HDF5 file, a folder with {INDEX}, or one with probes.npz and "
                "frames.npz."
            )
        found = found.binned(bench.camera.binning)
        found.probes.check(bench)
    for k, n in enumerate(bench.camera.binned_shape):
        if found.region[k].stop > n:
            raise RigError(
                f"{path}: frames reach binned {'row' if k == 0 else 'column'} {found.region[k].stop}, the sensor has "
                f"{n}: check camera.shape and the frames' corner."
            )
    return found


def _from_hdf5(path: Path) -> Recording:
    with h5py.File(regular_file(path), "r") as file:
        schema, bench = (attribute(path, file, name) for name in ("schema", "bench"))
        if schema != (SCHEMA,):
            raise RigError(f"{path} has schema {quoted(schema and schema[0])}, expected {SCHEMA!r}.")
        levels, inputs, counts, times = (
            dataset(file, name, str(path)) for name in ("levels", "inputs", "counts", "times")
        )
        attributes = {name: number(file, name, str(path)) for name in ATTRIBUTES}
        if "level_index" in file:  # captures: each pattern and each image stands once
            levels, inputs = (
                taken(values, dataset(file, name, str(path)), f"{path}: {name}")
                for values, name in ((levels, "level_index"), (inputs, "input_index"))
            )
    return Recording(
        Probes(
            _integers(levels, str(path)),
            torch.from_numpy(inputs).double(),
            _pair(attributes["panel_corner"], f"{path}: panel_corner"),
        ),
        torch.from_numpy(counts).double(),
        _pair(attributes["sensor_corner"], f"{path}: sensor_corner"),
        binning=int(attributes["binning"]),
        exposure=float(attributes["exposure"]),
        times=tuple(times.tolist()),
        bench=bench[0] if bench else "",
    )


ATTRIBUTES = ("panel_corner", "sensor_corner", "binning", "exposure")


def number(file: h5py.File, name: str, source: str) -> Any:
    """An attribute that is a number, or several."""
    if name not in file.attrs or file.attrs.get_id(name).dtype.kind not in "fiu":
        raise RigError(f"{source} is no recording: its attribute {name!r} is missing, or no number.")
    return file.attrs[name]


def dataset(file: h5py.File, name: str, source: str) -> Any:
    """A dataset of numbers, after its size was compared with what is read at most."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset) or found.shape is None or found.dtype.kind not in "fiu":
        raise RigError(f"{source}: there are no numbers under {name!r}.")
    check_size(f"{source}: {name!r}", found.shape, most=_MOST_VALUES)
    return np.asarray(found[()])


def taken(values: Any, index: Any, what: str) -> Any:
    """`values[index]`, after the index was checked, and the size of what it makes."""
    if index.ndim != 1 or index.dtype.kind not in "iu" or not ((index >= 0) & (index < len(values))).all():
        raise RigError(f"{what} is no index into {len(values)} values.")
    check_size(what, (len(index), *values.shape[1:]), most=_MOST_VALUES)
    return values[index]


def _pair(values: Any, what: str) -> tuple[int, int]:
    """Two whole numbers, (row, column)."""
    array = np.asarray(values)
    if array.shape != (2,) or array.dtype.kind not in "iu":
        raise RigError(f"{what} is {quoted(values)}, expected two whole numbers, row and column.")
    return int(array[0]), int(array[1])


def _from_arrays(folder: Path, bench: BenchSpec) -> Recording:
    """`probes.npz` (levels, inputs, first_row, first_column) and `frames.npz` (counts, first_row, first_column).

    The frames are binned as the bench's camera.
    """
    probes, frames = (_arrays(folder / f"{name}.npz", keys) for name, keys in _ARRAYS.items())
    return Recording(
        Probes(
            _integers(probes["levels"], str(folder)),
            torch.from_numpy(probes["inputs"]).double(),
            _corner(probes),
        ),
        torch.from_numpy(frames["counts"]).double(),
        _corner(frames),
        binning=bench.camera.binning,
        exposure=bench.camera.exposure,
        bench=bench.name,
    )


_ARRAYS = {
    "probes": ("levels", "inputs", "first_row", "first_column"),
    "frames": ("counts", "first_row", "first_column"),
}


def _arrays(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    path = regular_file(path)
    with reading(path, "arrays", fix=f"expected {', '.join(keys)}."):
        with zipfile.ZipFile(path) as archive:
            zip_entries(archive, path, most=8 * _MOST_VALUES)
        with np.load(path, allow_pickle=False) as file:
            found = {key: np.asarray(file[key]) for key in keys}
    for key, values in found.items():
        if values.dtype.kind not in "fiu":
            raise RigError(f"{path}: {key} holds {values.dtype}, expected numbers.")
    return found


def _corner(arrays: dict[str, Any]) -> tuple[int, int]:
    return _pair([arrays["first_row"].item(), arrays["first_column"].item()], "first_row, first_column")


def _integers(levels: Any, source: str) -> Tensor:
    if levels.dtype.kind not in "ui":
        raise RigError(f"{source}: levels are {levels.dtype}, expected integers.")
    return torch.from_numpy(levels.astype(np.int32))


_INDEX_KEYS = ("binning", "exposure", "panel_corner", "sensor_corner", "inputs", "bench", "shots")


def _from_pictures(folder: Path) -> Recording:
    index, _ = parse(folder / INDEX)
    wrong = set(index) - set(_INDEX_KEYS)
    shots = index.get("shots", [])
    if wrong or not shots or not all(map(_is_shot, shots)):
        raise RigError(
            f"{folder / INDEX}: expected the keys {', '.join(_INDEX_KEYS)} and in each of [[shots]] levels, input and "
            f"frame{', not ' + listed(sorted(map(quoted, wrong))) if wrong else ''}."
        )
    kind = index.get("inputs", "amplitude")
    if kind not in ("amplitude", "intensity"):
        raise RigError(f'{folder / INDEX}: inputs is {quoted(kind)}, expected "amplitude" or "intensity".')
    levels, inputs, frames = (
        [_picture(folder / shot[key]) for shot in shots] for key in ("levels", "input", "frame")
    )
    shown = torch.stack([_stackable(a, inputs[0]) / np.iinfo(a.dtype).max for a in inputs])
    corners = [
        _pair(index.get(k, (0, 0)), f"{folder / INDEX}: {k}") for k in ("panel_corner", "sensor_corner")
    ]
    return Recording(
        Probes(
            torch.stack([_stackable(a, levels[0]) for a in levels]).to(torch.int32),
            shown.sqrt() if kind == "intensity" else shown,
            corners[0],
        ),
        torch.stack([_stackable(a, frames[0]) for a in frames]),
        corners[1],
        binning=int(index.get("binning", 1)),
        exposure=float(index.get("exposure", 1e-2)),
        bench=str(index.get("bench", "")),
    )


def _is_shot(shot: Any) -> bool:
    """Whether an entry names its three pictures."""
    names = {"levels", "input", "frame"}
    return isinstance(shot, dict) and set(shot) == names and all(isinstance(v, str) for v in shot.values())


def _picture(path: Path) -> Any:
    """A grey picture of 8, 16 or 32 bits as an integer array (y, x)."""
    data = read_bytes(path, most=8 * _MOST_PIXELS)
    with reading(path, "a picture"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many pixels: their number is checked before they are unpacked
        with Image.open(
            io.BytesIO(data)
        ) as image:  # of a file, as much is asked for as a damaged chunk promises
            if image.mode not in ("L", "I;16", "I;16B", "I"):
                raise RigError(f"{path} is a picture of mode {image.mode}, expected grey of 8 or 16 bits.")
            check_size(str(path), (image.height, image.width), most=_MOST_PIXELS)
            array = np.asarray(image)
    return array.astype(np.uint16) if array.dtype.kind == "i" or array.dtype.itemsize == 2 else array


def _stackable(array: Any, first: Any) -> Tensor:
    if array.shape != first.shape:
        raise RigError(
            f"pictures of one kind have {array.shape} and {first.shape} pixels, expected one size."
        )
    return torch.from_numpy(array.astype(np.float64))
