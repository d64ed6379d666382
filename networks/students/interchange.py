"""Masks and kernels from and to files of other programs: `.npy`, `.npz`, `.pt`, `.h5`, `.safetensors`, `.mat`.

    masks = read("published_real.npy", imaginary="published_imag.npy")       # 1 x 256 x 30 x 30, complex
    cascade = as_cascade(masks, kind="mask", axes="ioyx", corner=True, image_shape=(28, 28))

Reading never executes anything: pickles are opened with `weights_only=True` only, NumPy's with `allow_pickle=False`.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from networks.cascade.cascade import Cascade
from networks.cascade.convolution import Boundary
from optics.checks import OpticsError, ShapeError, check_finite
from optics.files import hdf5_bytes, weights_bytes, write_bytes

Kind = Literal["mask", "kernel"]
_NPY_MAGIC = b"\x93NUMPY"
_MAT_HEADER = 128  # bytes of text before the data of a MATLAB file
SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".h5", ".hdf5", ".safetensors", ".mat")


def read(path: str | Path, *, name: str | None = None, imaginary: str | Path | None = None) -> Tensor:
    """An array of numbers from a file, as it is stored: real or complex, any shape.

    Args:
        path: the file; its ending says the format, its content decides between `.npy` and a saved tensor.
        name: which array, where the file holds several ("group/array" in HDF5).
        imaginary: a second file with the imaginary part, or the name of another array in the same file.

    Raises:
        OpticsError: no such file, a damaged one, an unknown ending, no such array, or not numbers.
    """
    path = Path(path)
    arrays = _arrays(path)
    value = _chosen(path, arrays, name, other=None if imaginary is None else str(imaginary))
    if imaginary is None:
        return value
    second = arrays.get(str(imaginary))
    if second is None:
        second = read(imaginary)
    second = torch.as_tensor(second)
    if value.is_complex() or second.is_complex() or value.shape != second.shape:
        raise ShapeError(
            f"{path} holds {tuple(value.shape)} {value.dtype} and {imaginary} {tuple(second.shape)} "
            f"{second.dtype}; the two parts of one array are real and of one shape."
        )
    return torch.complex(value, second.to(value.dtype))


def write(path: str | Path, values: Tensor, *, name: str = "masks") -> None:
    """Write an array as a file that is whole or absent; its ending says the format.

    Raises:
        OpticsError: an unknown ending, or a place that cannot be written to.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise OpticsError(f"cannot write {path}: choose one of {', '.join(SUFFIXES)}.")
    values = values.detach().cpu().contiguous()
    write_bytes(path, _encoded(path.suffix, values, name))


def as_bank(values: Tensor, *, axes: str = "oiyx", corner: bool = False) -> Tensor:
    """Masks or kernels as this package keeps them: (out, in, y, x), centred; singleton axes of the file go.

    Args:
        values: (y, x), (out, y, x), or four axes in the order of `axes`; more if the others have length 1.
        axes: order of the four axes in the file: "oiyx", or "ioyx" as the published masks are (1 x 256 x 30 x 30).
        corner: the origin is at index 0, as a discrete transform leaves it, not in the middle.

    Raises:
        ShapeError: no reading of the axes fits.
        OpticsError: a value is not finite.
    """
    if sorted(axes) != sorted("oiyx"):
        raise OpticsError(f"axes is {axes!r}; give the order of out, in, y and x, as 'oiyx' or 'ioyx'.")
    given = tuple(values.shape)
    if values.dim() > 4:  # the published files have a fifth axis, of length 1, behind the channels
        for axis in range(values.dim() - 3, 0, -1):
            if values.dim() > 4 and values.shape[axis] == 1:
                values = values.squeeze(axis)
    if values.dim() == 2:
        values = values[None, None]
    elif values.dim() == 3:
        values = values[:, None]
    elif values.dim() == 4:
        values = values.permute(*(axes.index(a) for a in "oiyx"))
    else:
        raise ShapeError(
            f"an array of {given} is no bank of masks; give (y, x), (out, y, x) or (out, in, y, x)."
        )
    check_finite(torch.view_as_real(values) if values.is_complex() else values, name="the masks")
    return torch.fft.fftshift(values, dim=(-2, -1)) if corner else values


def as_cascade(
    values: Tensor,
    *,
    kind: Kind,
    image_shape: tuple[int, int],
    axes: str = "oiyx",
    corner: bool = False,
    boundary: Boundary = "zero",
) -> Cascade:
    """A cascade of one layer that does what masks or kernels of a file do: put it on a bench, train it, export it.

    Args:
        values: as `read` gave them.
        kind: "mask": values on the Fourier plane, on the grid they have; "kernel": values in the image plane.
        image_shape: (ny, nx) of the images; a mask's grid must not be smaller.
        axes: order of the file's axes, see `as_bank`.
        corner: where the file has its origin, see `as_bank`.
        boundary: see `Cascade`; a mask with "circular" has the images' own size.

    Raises:
        ShapeError: the sizes do not fit.
    """
    bank = as_bank(values, axes=axes, corner=corner)
    bank = bank.to(torch.complex64 if bank.is_complex() else torch.float32)
    out, into = bank.shape[:2]
    if kind == "mask":
        cascade = Cascade(
            (into, out),
            parameterisation="mask",
            boundary=boundary,
            image_shape=image_shape,
            mask_shape=(bank.shape[-2], bank.shape[-1]),
            generator=torch.Generator(),
        )
        values = torch.view_as_real(bank.to(torch.complex64))
    elif kind == "kernel":
        bank = _odd_square(bank)
        cascade = Cascade(
            (into, out),
            bank.shape[-1],
            parameterisation="complex" if bank.is_complex() else "real",
            boundary=boundary,
            generator=torch.Generator(),
        )
        values = torch.view_as_real(bank) if bank.is_complex() else bank
    else:
        raise OpticsError(f"kind is {kind!r}; choose mask or kernel.")
    with torch.no_grad():
        next(cascade.parameters()).copy_(values)
    return cascade


def _odd_square(bank: Tensor) -> Tensor:
    """The same kernels with as many taps on both sides, an odd number, their origin in the middle."""
    ky, kx = bank.shape[-2:]
    side = max(ky, kx)
    side += 1 - side % 2
    top, left = side // 2 - ky // 2, side // 2 - kx // 2
    return torch.nn.functional.pad(bank, (left, side - kx - left, top, side - ky - top))


# ---------------------------------------------------------------------- formats


def _chosen(path: Path, arrays: Mapping[str, Tensor], name: str | None, *, other: str | None) -> Tensor:
    if not arrays:
        raise OpticsError(f"{path} holds no array of numbers.")
    if name is not None:
        if name not in arrays:
            raise OpticsError(f"{path} has no array {name!r}; it has {', '.join(sorted(arrays))}.")
        return arrays[name]
    rest = {key: value for key, value in arrays.items() if key != other}
    if len(rest) != 1:
        raise OpticsError(f"{path} holds several arrays; name one of {', '.join(sorted(arrays))}.")
    return next(iter(rest.values()))


def _arrays(path: Path) -> dict[str, Tensor]:
    """Every array of numbers in a file by its name."""
    if not path.is_file():
        raise OpticsError(f"there is no file {path}; check the path.")
    readers = {
        ".npy": _npy,
        ".npz": _npz,
        ".pt": _saved,
        ".pth": _saved,
        ".h5": _hdf5,
        ".hdf5": _hdf5,
        ".safetensors": _safetensors,
        ".mat": _mat,
    }
    if path.suffix not in readers:
        raise OpticsError(f"cannot read {path}: choose one of {', '.join(SUFFIXES)}.")
    try:
        return readers[path.suffix](path)
    except OpticsError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        reason = str(error).strip().split("\n")[0]
        raise OpticsError(f"{path} cannot be read as {path.suffix}: {reason}") from error


def _tensor(array: Any) -> Tensor | None:
    """A tensor of floats, complex numbers or integers as floats; None for anything else."""
    if isinstance(array, Tensor):
        return (
            array
            if array.is_complex()
            else array.to(torch.float64 if array.dtype == torch.float64 else torch.float32)
        )
    array = np.asarray(array)
    if array.dtype.names is not None and set(array.dtype.names) == {"real", "imag"}:  # MATLAB 7.3
        array = array["real"] + 1j * array["imag"]
    if array.dtype.kind not in "fciu":
        return None
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    return torch.from_numpy(array)


def _named(items: Mapping[str, Any]) -> dict[str, Tensor]:
    tensors = {name: _tensor(value) for name, value in items.items()}
    return {name: value for name, value in tensors.items() if value is not None}


def _npy(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        magic = file.read(len(_NPY_MAGIC))
    if magic != _NPY_MAGIC:  # the published masks are saved tensors with this ending
        return _saved(path)
    with path.open("rb") as file:
        return _named({"array": np.load(file, allow_pickle=False)})


def _npz(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return _named({name: archive[name] for name in archive.files})


def _saved(path: Path) -> dict[str, Tensor]:
    from pickle import UnpicklingError

    # what it takes to rebuild a NumPy array, and nothing that acts; by the names old and new NumPy give it
    numpy_array: list[Any] = [
        (np.empty(0).__reduce__()[0], "numpy.core.multiarray._reconstruct"),
        (np.empty(0).__reduce__()[0], "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(kind)) for kind in ("f4", "f8", "c8", "c16", "i4", "i8")),
    ]
    try:
        with torch.serialization.safe_globals(numpy_array), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual pickle protocols: they are read or refused
            loaded = torch.load(path, weights_only=True, map_location="cpu")
    except UnpicklingError as error:
        raise OpticsError(f"{path} holds more than arrays; only files that need no code are read.") from error
    if isinstance(loaded, Mapping):
        return _named({str(k): v for k, v in loaded.items() if isinstance(v, Tensor | np.ndarray)})
    if isinstance(loaded, Tensor | np.ndarray):
        return _named({"array": loaded})
    raise OpticsError(
        f"{path} holds a {type(loaded).__name__}, expected a tensor or a dictionary of tensors."
    )


def _hdf5(path: Path, *, matlab: bool = False) -> dict[str, Tensor]:
    import h5py

    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and not name.startswith("#"):
                value = item[()]
                found[name] = np.transpose(value) if matlab else value

        file.visititems(visit)
    return _named(found)


def _safetensors(path: Path) -> dict[str, Tensor]:
    import safetensors
    from safetensors.torch import load

    try:
        return _named(load(path.read_bytes()))
    except safetensors.SafetensorError as error:
        raise OpticsError(f"{path} is truncated or not a safetensors file ({error}).") from error


def _mat(path: Path) -> dict[str, Tensor]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    with path.open("rb") as file:
        modern = file.read(_MAT_HEADER).startswith(b"MATLAB 7.3") or path.stat().st_size < _MAT_HEADER
    if modern:  # an HDF5 file, whose axes run backwards
        return _hdf5(path, matlab=True)
    try:
        loaded = loadmat(path)
    except MatReadError as error:
        raise OpticsError(f"{path} is truncated or not a MATLAB file ({error}).") from error
    return _named({name: value for name, value in loaded.items() if not name.startswith("__")})


def _encoded(suffix: str, values: Tensor, name: str) -> bytes:
    array = values.numpy()
    if suffix in (".h5", ".hdf5"):
        return hdf5_bytes({name: (array, {})})
    if suffix == ".safetensors":
        return weights_bytes({name: values})
    out = io.BytesIO()
    if suffix == ".npy":
        np.save(out, array)
    elif suffix == ".npz":
        np.savez(out, allow_pickle=False, **{name: array})
    elif suffix in (".pt", ".pth"):
        torch.save({name: values}, out)
    else:
        from scipy.io import savemat

        savemat(out, {name: array})
    return out.getvalue()
