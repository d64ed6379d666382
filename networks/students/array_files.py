"""Arrays of numbers in files of other programs: `.npy`, `.npz`, `.pt`, `.h5`, `.safetensors`, `.mat`, by one interface.

Reading never executes anything: pickles are opened with `weights_only=True` only, NumPy's with `allow_pickle=False`,
and MATLAB's by a reader of ours that a damaged file cannot crash. What a header promises is compared with what the file
holds before memory is taken, and whatever a library raises becomes one line that names the file.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from networks.students import matlab
from optics.errors import OpticsError, ShapeError
from optics.files import hdf5_bytes, weights_bytes, write_bytes
from optics.reading import check_size, home, listed, read_bytes, reading, reason, regular_file
from optics.reading.archives import zip_entries

_MOST_VALUES = 2**28
_NPY_MAGIC = b"\x93NUMPY"
_HALVES = ({"real", "imag"}, {"re", "im"}, {"r", "i"})  # names of the parts of a complex number, in any case


def read(path: str | Path, *, name: str | None = None, imaginary: str | Path | None = None) -> Tensor:
    """An array of numbers from a file, as it is stored: real or complex, any shape.

    Whole numbers and booleans come as floats. Two arrays `x.real` and `x.imag` are one complex array `x`.

    Args:
        path: the file; its ending, in any case, says the format, its content decides between `.npy` and a saved tensor.
        name: which array, where the file holds several ("group/array" in HDF5, "struct.field" in MATLAB,
            "state_dict.weight" in a checkpoint).
        imaginary: a second file with the imaginary part, or the name of another array in the same file.

    Raises:
        OpticsError: no such file, a damaged one, an unknown ending, no such array, or not numbers.
    """
    path = home(path)
    arrays = _arrays(path)
    if imaginary is None:
        return _chosen(path, arrays if name in arrays else _joined(arrays), name, other=None)
    value = _chosen(path, arrays, name, other=str(imaginary))
    second = arrays.get(str(imaginary))
    if second is None:
        second = read(imaginary)
    if value.is_complex() or second.is_complex() or value.shape != second.shape:
        raise ShapeError(
            f"{path} holds {tuple(value.shape)} {value.dtype} and {imaginary} {tuple(second.shape)} "
            f"{second.dtype}; the two parts of one array are real and of one shape."
        )
    return torch.complex(value, second.to(value.dtype))


def write(path: str | Path, values: Tensor, *, name: str = "masks") -> None:
    """Write an array as a file that is whole or absent; its ending says the format.

    What a format cannot hold is written as the next that can, without loss: bfloat16 as float32, and complex128 in
    safetensors as two arrays `name.real` and `name.imag`, which `read` joins.

    Raises:
        OpticsError: an unknown ending, a sparse or quantised tensor, or a place that cannot be written to.
    """
    path = home(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise OpticsError(f"cannot write {path}: choose one of {', '.join(SUFFIXES)}.")
    if values.layout != torch.strided or values.is_quantized:
        raise OpticsError(
            f"cannot write {path}: the tensor is sparse or quantised; pass values.to_dense() or floats."
        )
    values = values.detach().resolve_conj().resolve_neg().cpu().contiguous()
    if values.dtype == torch.complex32:
        values = values.to(torch.complex64)
    if values.is_floating_point() and values.dtype not in (torch.float16, torch.float32, torch.float64):
        values = values.to(torch.float32)
    write_bytes(path, _encoded(suffix, values, name))


def _encoded(suffix: str, values: Tensor, name: str) -> bytes:
    if suffix == ".safetensors":
        if values.dtype == torch.complex128:
            return weights_bytes(
                {f"{name}.real": values.real.contiguous(), f"{name}.imag": values.imag.contiguous()}
            )
        return weights_bytes({name: values})
    array = values.numpy()
    if suffix in (".h5", ".hdf5"):
        return hdf5_bytes({name: (array, {})})
    out = io.BytesIO()
    if suffix == ".npy":
        np.save(out, array)
    elif suffix == ".npz":
        np.savez(out, **{name: array})  # type: ignore[arg-type]
    elif suffix in (".pt", ".pth"):
        torch.save({name: values}, out)
    else:
        from scipy.io import savemat

        savemat(out, {name: array})
    return out.getvalue()


def _chosen(path: Path, arrays: Mapping[str, Tensor], name: str | None, *, other: str | None) -> Tensor:
    names = sorted(arrays)
    if name is not None:
        if name not in arrays:
            raise OpticsError(f"{path} has no array {name!r}; it has {listed(names, most=20)}.")
        return arrays[name]
    rest = {key: value for key, value in arrays.items() if key != other}
    if len(rest) != 1:
        raise OpticsError(f"{path} holds several arrays; name one of {listed(names, most=20)}.")
    return next(iter(rest.values()))


def _joined(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same with `x.real` and `x.imag` as one complex `x`."""
    found = dict(arrays)
    for key, real in arrays.items():
        stem = key.removesuffix(".real")
        imag = arrays.get(f"{stem}.imag")
        if stem == key or stem in arrays or imag is None or real.shape != imag.shape:
            continue
        if not (real.is_complex() or imag.is_complex()):
            found[stem] = torch.complex(real, imag.to(real.dtype))
            del found[key], found[f"{stem}.imag"]
    return found


# ---------------------------------------------------------------------- formats


def _arrays(path: Path) -> dict[str, Tensor]:
    """Every array of numbers in a file by its name; at least one."""
    reader = _READERS.get(path.suffix.lower())
    path = regular_file(path)
    if reader is None:
        raise OpticsError(f"cannot read {path}: choose one of {', '.join(SUFFIXES)}.")
    with reading(path, path.suffix.lower()):
        found = reader(path)
    if not found:
        raise OpticsError(f"{path} holds no array of numbers.")
    return found


def _tensor(value: Any) -> Tensor | None:
    """A tensor of floats or complex numbers; whole numbers and booleans as floats; None for anything else."""
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized:
            return None
        if value.is_complex():
            return value.to(torch.complex64) if value.dtype == torch.complex32 else value
        return value.to(torch.float64 if value.dtype in (torch.float64, torch.int64) else torch.float32)
    array = np.asarray(value)
    names = array.dtype.names
    if names is not None and len(names) == 2 and {n.lower() for n in names} in _HALVES:
        real, imag = sorted(names, key=lambda n: n.lower().startswith("i"))
        if array.dtype[real].kind not in "fiu" or array.dtype[imag].kind not in "fiu":
            return None
        array = array[real] + 1j * array[imag]
    kind = array.dtype.kind
    if kind not in "fciub":
        return None
    if kind in "iu":
        wanted: Any = np.float64
    elif kind == "b" or array.dtype.itemsize < 4:
        wanted = np.float32
    else:
        widest = 8 if kind == "f" else 16  # more than double precision has no tensor
        wanted = np.dtype(f"{kind}{min(array.dtype.itemsize, widest)}")
    return torch.from_numpy(np.ascontiguousarray(array.astype(wanted)))


def _named(items: Mapping[str, Any]) -> dict[str, Tensor]:
    tensors = {name: _tensor(value) for name, value in items.items()}
    return {name: value for name, value in tensors.items() if value is not None}


def _npy(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        if file.read(len(_NPY_MAGIC)) != _NPY_MAGIC:  # the published masks are saved tensors with this ending
            return _saved(path)
        file.seek(0)
        return _named({"array": _npy_array(file, str(path), os.fstat(file.fileno()).st_size)})


def _npy_array(file: IO[bytes], what: str, size: int) -> np.ndarray[Any, Any]:
    """An array in NumPy's format, if the `size` bytes that are there can hold what its header says."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(file)
    if dtype.hasobject:
        raise OpticsError(f"{what} holds Python objects; only files that need no code are read.")
    count = check_size(what, shape, most=_MOST_VALUES)
    if count * dtype.itemsize > size:
        raise OpticsError(
            f"{what} is truncated or damaged: its shape {shape} needs {count * dtype.itemsize} bytes, {size} are there."
        )
    file.seek(0)
    found: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    return found


def numpy_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a `.npy` or `.npz` file by their names ("array" in the former), of the types that they have.

    Raises:
        OpticsError: damaged, or it holds Python objects.
    """
    import zipfile

    if path.suffix.lower() == ".npy":
        with path.open("rb") as one:
            return {"array": _npy_array(one, str(path), os.fstat(one.fileno()).st_size)}
    found = {}
    with zipfile.ZipFile(path) as archive:
        entries = zip_entries(archive, path, most=16 * _MOST_VALUES)
        entries = [e for e in entries if e.filename.endswith(".npy")]
        for entry in entries:
            with archive.open(entry) as file:
                found[entry.filename.removesuffix(".npy")] = _npy_array(
                    file, f"{path}: {entry.filename}", entry.file_size
                )
    return found


def _npz(path: Path) -> dict[str, Tensor]:
    return _named(numpy_arrays(path))


def _saved(path: Path) -> dict[str, Tensor]:
    from pickle import UnpicklingError

    # what it takes to rebuild a NumPy array, and nothing that acts; by the names old and new NumPy give it
    numpy_array: list[Any] = [
        (np.empty(0).__reduce__()[0], "numpy.core.multiarray._reconstruct"),
        (np.empty(0).__reduce__()[0], "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "c8", "c16", "i4", "i8", "u1", "u2", "b1")),
    ]
    try:
        with torch.serialization.safe_globals(numpy_array), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickle protocols: they are read or refused
            loaded = torch.load(path, weights_only=True, map_location="cpu")
    except UnpicklingError as error:
        with path.open("rb") as file:
            saved = file.read(2)
        if not saved.startswith((b"PK", b"\x80")):  # as archives and pickles begin
            raise OpticsError(
                f"{path} cannot be read as {path.suffix}; it is truncated, damaged or of another kind."
            ) from error
        raise OpticsError(f"{path} holds more than arrays; only files that need no code are read.") from error
    if isinstance(loaded, Tensor | np.ndarray):
        return _named({"array": loaded})
    if not isinstance(loaded, Mapping | list | tuple):
        raise OpticsError(
            f"{path} holds a {type(loaded).__name__}, expected a tensor or a dictionary of tensors."
        )
    return _named(_flat(loaded))


def _flat(value: Any, prefix: str = "", depth: int = 8) -> dict[str, Any]:
    """Arrays in dictionaries and lists inside of each other, by names with dots."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    found: dict[str, Any] = {}
    for key, inner in items:
        if isinstance(inner, Tensor | np.ndarray):
            found[f"{prefix}{key}"] = inner
        elif isinstance(inner, Mapping | list | tuple) and depth:
            found |= _flat(inner, f"{prefix}{key}.", depth - 1)
    return found


def _hdf5(path: Path, *, matlab: bool = False) -> dict[str, Tensor]:
    import h5py

    found: dict[str, Any] = {}
    total = 0
    with h5py.File(path, "r") as file:

        def visit(name: str, item: Any) -> None:
            nonlocal total
            if not isinstance(item, h5py.Dataset) or name.startswith("#") or item.shape is None:
                return
            if item.dtype.hasobject or (item.dtype.kind in "SV" and item.dtype.names is None):
                return
            total += check_size(f"{path}: {name!r}", item.shape, most=_MOST_VALUES)
            check_size(str(path), (total,), most=_MOST_VALUES)
            value = item[()]
            found[name] = np.transpose(value) if matlab else value

        file.visititems(visit)
    return _named(found)


def _safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors
    from safetensors.torch import load

    try:
        return _named(load(read_bytes(path)))
    except safetensors.SafetensorError as error:
        raise OpticsError(f"{path} is truncated or not a safetensors file ({reason(error)}).") from error


def _mat(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        head = file.read(matlab.HEADER)
    if head.startswith(b"MATLAB 7.3"):  # an HDF5 file, whose axes run backwards
        return _hdf5(path, matlab=True)
    contents = matlab.read(read_bytes(path), what=str(path))
    if not contents.arrays:
        others = [f"{name} is {kind}" for name, kind in contents.others.items()]
        raise OpticsError(f"{path} holds no array of numbers{': ' + listed(others) if others else ''}.")
    return _named(contents.arrays)


_READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".pt": _saved,
    ".pth": _saved,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".safetensors": _safetensors,
    ".mat": _mat,
}
SUFFIXES = tuple(_READERS)
