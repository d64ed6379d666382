"""A design as files for the lab, and those files read back; every one is checked against its hash and the manifest.

manifest.json         what everything is, with the hash of every file (`distill.export.design_manifest`)
slm/frame-000.png     one image per SLM frame at the panel's native resolution, as an export has them
masks.h5              levels, complex masks before the encoding, predicted and asked point-spread functions
points.h5             what the bench makes of single lit pixels, and counts of the user's images
design.json           the figures: error, efficiency, zero order, neighbours, encodings
lab/, README.txt      what to show first, and what the camera should see of it
pictures/             all of it to look at
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.environment import version
from distill.export.design_manifest import FORMAT, UNITS, DesignManifest, read_design_manifest
from distill.export.frames import encode_frame, file_bits
from distill.export.lab import LabEntry
from distill.export.manifest import NAME, FileEntry, checked_bytes, entry
from distill.export.read import arrays_of, slm_frame
from distill.export.write import check_directory, device_entry
from optics.bench.spec import BenchSpec
from optics.errors import OpticsError
from optics.files import hdf5_bytes, writing_folder
from optics.fourf.stored_psf import PointSpread

Attributes = dict[str, Any]


@dataclass(frozen=True, eq=False, kw_only=True)
class DesignFiles:
    """What a design's directory holds, beside its manifest.

    F frames of T tiles show M = F T masks; P points.

    Attributes:
        levels: (F, NY, NX) int32.
        masks: (F, ny, nx) complex64, asked of the illuminated SLM pixels, before the encoding.
        psfs: (M, ly, lx) complex64, predicted.
        asked: (M, oy, ox) complex64: the field that a point in the middle would make behind the target itself, on a
            bench without flaws.
        fields: (P, M, oy, ox) complex64: the fields that the points make in each mask's window, predicted.
        inputs: (N, H, W) float32, the user's images, amplitudes; none: N is 0.
        camera_counts: (N, M, cy, cx) float32, expected without noise; photons where there is no converter.
    """

    levels: Tensor
    masks: Tensor
    psfs: Tensor
    asked: Tensor
    fields: Tensor
    inputs: Tensor
    camera_counts: Tensor


def write_design(
    directory: str | Path,
    files: DesignFiles,
    *,
    bench: BenchSpec,
    target: str,
    kind: str,
    image_shape: tuple[int, int],
    places: tuple[tuple[float, float], ...],
    points: tuple[tuple[int, int], ...],
    scales: tuple[float, ...],
    spread: PointSpread,
    lit: tuple[int, int],
    beside: Mapping[str, bytes],
    lab: tuple[LabEntry, ...] = (),
    overwrite: bool = False,
) -> DesignManifest:
    """Write a design's directory, whole or not at all.

    Args:
        directory: where to; made, with its parents.
        files: the arrays.
        bench: the bench, encoding included.
        target: what was asked for, in words.
        kind: of its values.
        image_shape: (H, W) display pixels.
        places: where the tiles land, (y, x) metres.
        points: (row, column) of the point sources.
        scales: one per frame.
        spread: gives pitch and place of the point-spread functions.
        lit: first row and column of the illuminated SLM pixels.
        beside: other files by their path, such as pictures.
        lab: what of `lab/` belongs together.
        overwrite: replace a design that is there.

    Raises:
        OpticsError: the directory exists (and `overwrite` is not set, or it holds something else).
    """
    folder_at = Path(directory)
    check_directory(folder_at, overwrite, kind=FORMAT)
    bits = bench.slm.bits or 8
    with writing_folder(folder_at) as folder:
        listed: dict[str, FileEntry] = {}

        def put(name: str, data: bytes) -> None:
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            listed[name] = entry(data)

        names = frame_names(len(files.levels))
        for name, frame in zip(names, files.levels, strict=True):
            put(
                name,
                encode_frame(frame, bits, frame_format=bench.slm.frame_format, mount=bench.mounting.slm),
            )
        put("masks.h5", hdf5_bytes(_mask_arrays(files, bench, spread, lit)))
        put("points.h5", hdf5_bytes(_point_arrays(files, bench, points)))
        for name, data in beside.items():
            put(name, data)
        manifest = DesignManifest(
            package_version=version(),
            target=target,
            kind=kind,
            bench=bench.model_dump(mode="json"),
            device=device_entry(bench.slm),
            wavelength=bench.light.wavelength,
            image_shape=image_shape,
            places=places,
            points=points,
            scales=scales,
            slm_frames=names,
            slm_frame_bits=file_bits(bits, bench.slm.frame_format),
            lab=lab,
            images=len(files.inputs),
            files=listed,
            units=UNITS,
        )
        (folder / NAME).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def frame_names(count: int) -> tuple[str, ...]:
    """Image files of `count` SLM frames, in order."""
    return tuple(f"slm/frame-{i:03d}.png" for i in range(count))


def _mask_arrays(
    files: DesignFiles, bench: BenchSpec, spread: PointSpread, lit: tuple[int, int]
) -> dict[str, tuple[NDArray[Any], Attributes]]:
    deep = (bench.slm.bits or 8) > 8
    grid: Attributes = {
        "origin": "index n // 2 of y and of x",
        "pitch": np.array(spread.pitch),
        "pitch_units": "m, in the plane of the display",
    }
    return {
        "levels": (
            files.levels.numpy().astype(np.uint16 if deep else np.uint8),
            {"axes": "SLM frame, y, x", "units": "grey level", "panel": "whole panel; unlit pixels are 0"},
        ),
        "masks": (
            files.masks.numpy(),
            {
                "axes": "SLM frame, y, x",
                "units": "field transmission, modulus at most 1",
                "first_row": lit[0],
                "first_column": lit[1],
                "pitch": bench.slm.pitch,
                "pitch_units": "m",
            },
        ),
        "psfs": (
            files.psfs.numpy(),
            {
                "axes": "mask, y, x",
                "units": "field per unit amplitude of one input pixel",
                "centre": np.array(spread.centre),
                "centre_units": "m, in the plane of the display: from an input pixel to where the origin looks",
            }
            | grid,
        ),
        "asked": (
            files.asked.numpy(),
            {"axes": "mask, y, x", "units": "field, of the target on a bench without flaws"} | grid,
        ),
    }


def _point_arrays(
    files: DesignFiles, bench: BenchSpec, points: tuple[tuple[int, int], ...]
) -> dict[str, tuple[NDArray[Any], Attributes]]:
    arrays: dict[str, tuple[NDArray[Any], Attributes]] = {
        "points": (
            np.array(points, np.int64),
            {"axes": "point, (row, column)", "units": "pixel of the display"},
        ),
        "fields": (
            files.fields.numpy(),
            {"axes": "point, mask, y, x", "units": "field per unit amplitude of the lit pixel"},
        ),
    }
    if len(files.inputs):
        whole = bench.camera.adc.bits is not None
        arrays["inputs"] = (
            files.inputs.numpy(),
            {"axes": "image, y, x", "units": "amplitude, full scale 1"},
        )
        arrays["camera_counts"] = (
            files.camera_counts.numpy(),
            {"axes": "image, mask, y, x", "units": "DN" if whole else "photons per binned pixel"},
        )
    return arrays


def read_design(directory: str | Path) -> tuple[DesignManifest, BenchSpec, DesignFiles]:
    """Read and check a design's directory.

    Raises:
        OpticsError: a file is missing, truncated, altered, of the wrong size or kind, or lacks a key; the message names
            the file and the key.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise OpticsError(f"there is no directory {folder}.")
    manifest = read_design_manifest(folder)
    bench = manifest.bench_spec(folder / NAME)
    levels = torch.stack([slm_frame(folder, name, manifest, bench) for name in manifest.slm_frames])
    for name in manifest.files:  # all of them, also those that nothing here is computed from
        checked_bytes(folder, name, manifest)
    found = arrays_of(folder, "masks.h5", manifest, ("levels", "masks", "psfs", "asked"))
    keys = ("points", "fields", "inputs", "camera_counts")[: 4 if manifest.images else 2]
    found |= arrays_of(folder, "points.h5", manifest, keys)
    _check(folder, manifest, found, levels)
    none = torch.zeros(0, *manifest.image_shape)
    single = {k: torch.from_numpy(v) for k, v in found.items() if k not in ("levels", "points")}
    return (
        manifest,
        bench,
        DesignFiles(
            levels=levels,
            masks=single["masks"],
            psfs=single["psfs"],
            asked=single["asked"],
            fields=single["fields"],
            inputs=single.get("inputs", none).to(torch.float32),
            camera_counts=single.get("camera_counts", none).to(torch.float32),
        ),
    )


def _check(folder: Path, manifest: DesignManifest, found: dict[str, NDArray[Any]], levels: Tensor) -> None:
    """Raise OpticsError unless the arrays fit the manifest, the frames and each other."""
    stored = found["levels"]
    if stored.shape != tuple(levels.shape):
        raise OpticsError(
            f"{folder / 'masks.h5'}: key levels has shape {stored.shape}, the {len(levels)} frames in slm/ "
            f"{tuple(levels.shape)}."
        )
    for i, (told, shown) in enumerate(zip(stored, levels.numpy(), strict=True)):
        if not np.array_equal(told, shown):
            other = [j for j in range(len(levels)) if np.array_equal(told, levels[j].numpy())]
            order = f"; it shows frame {other[0]} of masks.h5's order" if other else ""
            raise OpticsError(
                f"{folder / manifest.slm_frames[i]} differs from frame {i} of key levels in masks.h5{order}; "
                "design again."
            )
    count, (p, m) = manifest.images, (len(manifest.points), manifest.masks)
    shapes: dict[str, tuple[int | None, ...]] = {
        "masks": (len(levels), None, None),
        "psfs": (m, None, None),
        "asked": (m, None, None),
        "points": (p, 2),
        "fields": (p, m, *found["asked"].shape[-2:]),
        "inputs": (count, *manifest.image_shape),
        "camera_counts": (count, m, None, None),
    }
    for key, values in found.items():
        where = f"{folder / ('masks.h5' if key in ('levels', 'masks', 'psfs', 'asked') else 'points.h5')}: key {key}"
        want = shapes.get(key, values.shape)
        if len(values.shape) != len(want) or any(
            w not in (None, g) for g, w in zip(values.shape, want, strict=True)
        ):
            shown_as = ", ".join("any" if w is None else str(w) for w in want)
            raise OpticsError(f"{where} has shape {values.shape}, expected ({shown_as}).")
        if not np.isfinite(values).all():
            raise OpticsError(f"{where} holds numbers that are not finite.")
        if key == "inputs" and not ((values >= 0) & (values <= 1)).all():
            raise OpticsError(f"{where} holds numbers outside of 0 to 1, expected amplitudes.")
    if not np.array_equal(found["points"], np.array(manifest.points)):
        raise OpticsError(f"{folder / 'points.h5'}: key points differs from the points in {NAME}.")
    if not (np.abs(found["fields"]) > 0).any(axis=(2, 3)).all():
        raise OpticsError(
            f"{folder / 'points.h5'}: key fields is dark for a point or a mask: nothing can be proved."
        )
