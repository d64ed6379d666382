"""slmsuite's calibration files (HDF5 of `FourierSLM.save_calibration`), read into a bench and written from one.

pixel: `levels`, and `gamma`, the phase of each in turns -> `slm.response.lut`. fourier: `M` (2, 2) and `b` (2, 1),
camera pixels (x, y) for each unit of `kxy`, the angle of deflection in radians -> magnification, rotation of the panel,
place of the camera. wavefront_superpixel -> the backplane's curvature, see `calibration.rigs.slmsuite_wavefront`.
Source: slmsuite 0.5, `hardware/cameraslms`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np

from calibration.rigs import slmsuite_wavefront as wavefronts
from calibration.rigs.recording import RigError
from optics.bench.response_tables import one_way
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.files import writing_hdf5
from optics.reading import check_size, reading, regular_file

Kind = Literal["pixel", "fourier", "wavefront_superpixel"]
_MOST_VALUES = 2**26
_VERSION = "0.5.0"


def read_slmsuite(path: str | Path, bench: BenchSpec) -> dict[str, Any]:
    """What a calibration file of slmsuite says of a bench, as changes by key.

    Args:
        path: the file.
        bench: as its data sheets describe it; the camera is unbinned in the file.

    Raises:
        RigError: no calibration of a kind that is known, or of another panel.
    """
    with reading(path, "an slmsuite calibration"), h5py.File(regular_file(Path(path)), "r") as file:
        keys = set(file)
        if {"gamma", "levels"} <= keys:
            return _response(str(path), bench, _array(file, "levels", path), _array(file, "gamma", path))
        if {"M", "b"} <= keys:
            return _affine(str(path), bench, _array(file, "M", path), _array(file, "b", path))
        if {*wavefronts.KEYS, "superpixel_size", "slm_supershape"} <= keys:
            if _corrected(file):
                raise RigError(
                    f"{path} was measured on top of another correction; calibrate afresh (fresh_calibration = True)."
                )
            names = (*wavefronts.KEYS, "superpixel_size", "slm_supershape")
            arrays = {name: _array(file, name, path, finite=False) for name in names}
            return wavefronts.wavefront_changes(str(path), bench, arrays)
    raise RigError(
        f"{path} is no pixel, fourier or wavefront_superpixel calibration of slmsuite 0.5: expected gamma and levels "
        "(processed), M and b, or kx, ky, phase and r2_fit."
    )


def write_slmsuite(path: str | Path, bench: BenchSpec, kind: Kind) -> None:
    """Write a bench as a calibration file that slmsuite's `load_calibration` reads.

    Raises:
        RigError: the bench has no levels.
    """
    bits = bench.slm.bits
    if bits is None or bench.slm.modulation != "phase":
        raise RigError(f"bench {bench.name!r} has no phase levels to write.")
    arrays: dict[str, Any]
    if kind == "pixel":
        table = bench.slm.response.table(bits).numpy()
        arrays = {"levels": np.arange(2**bits), "gamma": table / (2 * math.pi)}
    elif kind == "wavefront_superpixel":
        arrays = wavefronts.wavefront_arrays(bench)
    else:
        matrix, start = affine_of(bench)
        arrays = {"M": matrix, "b": start.reshape(2, 1), "a": np.zeros((2, 1))}
    with writing_hdf5(path) as file:
        for name, values in arrays.items():
            file[name] = values
        file["__version__"] = _VERSION.encode()
        slm = file.create_group("__meta__").create_group("slm")
        slm["bitresolution"] = 2**bits
        slm["wav_um"] = bench.light.wavelength * 1e6


def affine_of(bench: BenchSpec) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The `M` (2, 2) and `b` (2,) of slmsuite, (x, y) camera pixels, of a bench: `ij = M kxy + b`.

    `kxy = carrier lambda / pitch`: slmsuite's phase goes with minus the level, and so does the deflection here.
    """
    a, camera = bench.alignment, bench.camera
    far = a.magnification * bench.stretch * bench.lens2.focal_length / camera.pitch
    c, s = math.cos(a.mask_rotation), math.sin(a.mask_rotation)
    matrix = far * np.array([[c, -s], [s, c]])
    y, x = (n // 2 - shift / camera.pitch for n, shift in zip(camera.shape, a.camera_shift, strict=True))
    return matrix, np.array([x, y])


def _response(path: str, bench: BenchSpec, levels: Any, gamma: Any) -> dict[str, Any]:
    bits = bench.slm.bits
    levels, gamma = levels.ravel().astype(np.float64), gamma.ravel().astype(np.float64)
    if bits is None or levels.shape != gamma.shape or len(levels) < 2 or levels.max() >= 2**bits:
        raise RigError(f"{path}: {len(gamma)} phases for {len(levels)} levels; the panel has bits = {bits}.")
    order = np.argsort(levels)
    table = np.interp(np.arange(2**bits), levels[order], gamma[order]) * 2 * math.pi
    try:
        fitted, moved = one_way(table - table[0], path)
    except SpecError as error:
        raise RigError(
            f"{error} A response that folds has two levels for a phase: give the panel those before the fold, by its "
            "driver's table, and calibrate again."
        ) from None
    noise = f", noise of up to {moved:.2g} rad taken out" if moved > 0 else ""
    source = f"{Path(path).name}: slmsuite's pixel calibration{noise}"
    return {"slm.response.lut": tuple(fitted.tolist()), "slm.response.source": source}


def _affine(path: str, bench: BenchSpec, matrix: Any, start: Any) -> dict[str, Any]:
    if matrix.shape != (2, 2) or start.size != 2:
        raise RigError(f"{path}: M is {matrix.shape} and b {start.shape}, expected (2, 2) and (2, 1).")
    far = math.sqrt(abs(float(np.linalg.det(matrix))))
    camera = bench.camera
    turn = math.atan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1])
    if float(np.linalg.det(matrix)) <= 0 or abs(turn) > 0.5:
        raise RigError(
            f"{path}: M mirrors or turns the camera by {turn:.2f} rad: write that as mounting.camera, and calibrate "
            "upright pictures."
        )
    nominal = bench.stretch * bench.lens2.focal_length / camera.pitch
    x, y = (float(v) for v in start.ravel())
    return {
        "alignment.magnification": far / nominal,
        "alignment.mask_rotation": turn,
        "alignment.camera_shift": (
            (camera.shape[0] // 2 - y) * camera.pitch,
            (camera.shape[1] // 2 - x) * camera.pitch,
        ),
    }


def _corrected(file: h5py.File) -> bool:
    """Whether a wavefront was measured with another correction on the panel."""
    before = file.get("previous_phase_correction")
    return isinstance(before, h5py.Dataset) and before.size > 1


def _array(file: h5py.File, name: str, path: str | Path, *, finite: bool = True) -> Any:
    found = file[name]
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
        raise RigError(f"{path}: there are no numbers under {name!r}.")
    check_size(f"{path}: {name!r}", found.shape, most=_MOST_VALUES)
    values = np.asarray(found[()])
    if finite and not np.isfinite(values).all():
        raise RigError(f"{path}: {name!r} holds numbers that are not finite.")
    return values
