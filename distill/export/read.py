"""An exported directory read back: every file checked against its hash, every array against the manifest.

Nothing that is read is executed: PNG, HDF5, safetensors and JSON. The levels come from the image files, as an SLM would
get them; the copy in `masks.h5` must be the same.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor, nn

from distill.export.answers import KEYS, check_classes, classes_of
from distill.export.design_manifest import DesignManifest
from distill.export.frames import decode_frame
from distill.export.manifest import NAME, Listing, Manifest, checked_bytes, read_manifest
from distill.export.reference import check_shapes, check_values
from networks.backends import registry as backends
from networks.onbench.network import OnBench
from networks.readouts import readouts
from networks.readouts.readouts import Readout
from optics.bench.panel_correction import corrected
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError
from optics.reading import attribute, check_size, reading, reason
from optics.slm.response import ResponseSpec

_MOST_VALUES = 2**30


_READ = ("masks.h5", "reference.h5", "backend.safetensors")


@dataclass(frozen=True)
class Exported:
    """What an exported directory holds.

    Attributes:
        manifest: the manifest.
        bench: the bench.
        assumed_camera: the camera that the electronics assumes, None: the bench's own.
        levels: (F, NY, NX) int32, from the image files, in the order of `manifest.arranged`.
        masks: (F, ny, nx) complex, asked of the illuminated SLM pixels, before the encoding; None where unknown.
        psfs: (F, ly, lx) complex64; of the first tile, stage or wavelength.
        scales: (F,) float32.
        readout: the read-out.
        backend: the electronic back end, in `eval` mode; `nn.Identity` without one.
        inputs: (N, C, H, W) float32, reference images in [0, 1].
        labels: (N,) int64, or (N, H, W) of pixels.
        camera_counts: (N, readings, cy, cx) float32, expected without noise; photons where there is no converter.
        answers: what the back end makes of them, by the keys of `distill.export.answers.KEYS`.
    """

    manifest: Manifest
    bench: BenchSpec
    assumed_camera: CameraSpec | None
    levels: Tensor
    masks: Tensor | None
    psfs: Tensor
    scales: Tensor
    readout: Readout
    backend: nn.Module
    inputs: Tensor
    labels: Tensor
    camera_counts: Tensor
    answers: dict[str, Tensor]

    @property
    def logits(self) -> Tensor:
        """(N, classes) float32, of pixels (N, classes, H, W), of the network on that bench without noise."""
        return self._answer("logits")

    @property
    def predictions(self) -> Tensor:
        """(N,) int64, of pixels (N, H, W)."""
        return self._answer("predictions")

    @property
    def embeddings(self) -> Tensor:
        """(N, dimension) float32 unit vectors."""
        return self._answer("embeddings")

    def _answer(self, key: str) -> Tensor:
        if key not in self.answers:
            raise OpticsError(f"this export answers {self.manifest.kind}; it has no {key}.")
        return self.answers[key]

    def network(self) -> OnBench:
        """The network on its bench, from what is on the SLMs alone."""
        return OnBench.from_levels(
            self.levels,
            self.scales,
            bench=self.bench,
            image_shape=self.manifest.image_shape,
            readout=self.readout,
            backend=self.backend,
            arrangement=self.manifest.arranged,
            assumed_camera=self.assumed_camera,
        )


def read_export(directory: str | Path) -> Exported:
    """Read and check an exported directory.

    Raises:
        OpticsError: a file is missing, truncated, altered, of the wrong size or kind, or lacks a key; the message names
            the file and the key.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise OpticsError(f"there is no exported directory {folder}.")
    manifest = read_manifest(folder)
    bench = manifest.bench_spec(folder / NAME)
    levels = torch.stack([slm_frame(folder, name, manifest, bench) for name in manifest.slm_frames])
    known = ("masks",) if manifest.masks_known else ()
    arrays = arrays_of(folder, "masks.h5", manifest, ("levels", "psfs", "scales", *known))
    for key in ("psfs", *known):
        if arrays[key].dtype.kind != "c" or arrays[key].ndim != 3:
            raise OpticsError(
                f"{folder / 'masks.h5'}: key {key} holds no complex numbers (count, y, x); export again."
            )
    kind = manifest.kind
    reference = arrays_of(
        folder,
        "reference.h5",
        manifest,
        tuple(dict.fromkeys(("inputs", "camera_counts", "labels", *KEYS[kind]))),
    )
    for name in sorted(set(manifest.files) - {*manifest.slm_frames, *_READ}):
        checked_bytes(folder, name, manifest)  # what is only for the laboratory is what was written, too
    levels = _checked_levels(folder, manifest, bench, levels, arrays["levels"])
    scales = torch.tensor(manifest.scales, dtype=torch.float32)
    if not np.array_equal(arrays["scales"].astype(np.float32), scales.numpy()):
        raise OpticsError(
            f"{folder / 'masks.h5'}: key scales differs from the scales in {NAME}; export again."
        )
    backend = _backend(folder, manifest)
    check_classes(kind, manifest.backend, manifest.class_names, str(folder / NAME))
    _check_names(folder, manifest)
    inputs = _checked_reference(folder, manifest, bench, reference)
    found = {key: torch.from_numpy(reference[key]) for key in KEYS[kind] if key != "labels"}
    return Exported(
        manifest=manifest,
        bench=bench,
        assumed_camera=_camera(folder / NAME, manifest),
        levels=levels,
        masks=torch.from_numpy(arrays["masks"]) if manifest.masks_known else None,
        psfs=torch.from_numpy(arrays["psfs"]),
        scales=scales,
        readout=_built(folder / NAME, "readout", lambda: readouts.from_config(manifest.readout)),
        backend=backend,
        inputs=inputs,
        labels=torch.from_numpy(reference["labels"].astype(np.int64)),
        camera_counts=torch.from_numpy(reference["camera_counts"].astype(np.float32)),
        answers={k: v.to(torch.int64 if k == "predictions" else torch.float32) for k, v in found.items()},
    )


def _checked_levels(
    folder: Path, manifest: Manifest, bench: BenchSpec, levels: Tensor, copied: NDArray[Any]
) -> Tensor:
    """Levels of the masks, after they were compared with the copy in `masks.h5`."""
    path = folder / "masks.h5"
    if copied.shape != tuple(levels.shape):
        raise OpticsError(
            f"{path}: key levels has shape {copied.shape} and the image files in slm/ make {tuple(levels.shape)}: a "
            "frame is missing or too many; export again."
        )
    if not np.array_equal(copied, levels.numpy()):
        raise OpticsError(f"{path}: key levels differs from the image files in slm/{_where(levels, copied)}")
    if bench.slm.correction is not None:
        return _without_correction(path, folder, manifest, bench, levels)
    return levels


def _where(levels: Tensor, copied: NDArray[Any]) -> str:
    """Where files and copy differ, in words."""
    found = levels.numpy()
    order = [int(np.argmax([np.array_equal(frame, other) for other in copied])) for frame in found]
    same = [np.array_equal(frame, copied[k]) for frame, k in zip(found, order, strict=True)]
    if all(same) and order != sorted(order):
        return f": the same frames in another order ({', '.join(map(str, order[:8]))}, ...); export again."
    at = tuple(int(k) for k in np.argwhere(found != copied)[0])
    number = int((found != copied).sum())
    return f": {number} pixels, the first in frame {at[0]} at row {at[1]}, column {at[2]}; export again."


def _checked_reference(
    folder: Path, manifest: Manifest, bench: BenchSpec, reference: dict[str, NDArray[Any]]
) -> Tensor:
    """The reference images (N, C, H, W) float32 in [0, 1], after all arrays were checked."""
    path, kind = str(folder / "reference.h5"), manifest.kind
    check_shapes(
        path,
        reference,
        kind,
        images=manifest.images,
        inputs=(manifest.arranged.channels, *manifest.image_shape),
        readings=manifest.readings,
        classes=None if manifest.backend is None else classes_of(manifest.backend),
    )
    inputs = torch.from_numpy(reference["inputs"])
    inputs = inputs.to(torch.float32) / 255 if inputs.dtype == torch.uint8 else inputs.to(torch.float32)
    names = len(manifest.class_names)
    check_values(path, reference | {"inputs": inputs.numpy()}, names, bench.camera, kind)
    return inputs


def slm_frame(folder: Path, name: str, manifest: Manifest | DesignManifest, bench: BenchSpec) -> Tensor:
    """Levels (y, x) of one SLM frame of an export or a design, upright, after its hash was compared."""
    return decode_frame(
        checked_bytes(folder, name, manifest),
        bits=manifest.slm_frame_bits,
        shape=bench.slm.shape,
        name=str(folder / name),
        device_bits=manifest.device.bits,
        frame_format=bench.slm.frame_format,
        mount=bench.mounting.slm,
    )


def _without_correction(
    path: Path, folder: Path, manifest: Manifest, bench: BenchSpec, shown: Tensor
) -> Tensor:
    """Levels of the masks alone, whose sum with the correction is what the image files show."""
    arrays = arrays_of(folder, path.name, manifest, ("correction", "mask_levels"))
    if arrays["mask_levels"].shape != tuple(shown.shape) or arrays["correction"].shape != bench.slm.shape:
        raise OpticsError(
            f"{path}: keys correction and mask_levels are not of the panel's size; export again."
        )
    masks = torch.from_numpy(arrays["mask_levels"].astype(np.int32))
    assumed = ResponseSpec.model_validate(manifest.assumed_response or {})
    if int(masks.max()) >= 2**manifest.device.bits or not torch.equal(
        corrected(masks, torch.from_numpy(arrays["correction"]), manifest.device.bits, assumed), shown
    ):
        raise OpticsError(
            f"{path}: the image files in slm/ are not its mask_levels with its correction added; export again."
        )
    return masks


# ---------------------------------------------------------------------- arrays


def arrays_of(folder: Path, name: str, manifest: Listing, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Arrays of numbers of one HDF5 file of an exported directory, by `keys`, after its hash was compared."""
    data, path = checked_bytes(folder, name, manifest), folder / name
    with reading(path, "a whole HDF5 file", fix="export again."), h5py.File(io.BytesIO(data), "r") as file:
        called = {key: manifest.key_of(key) if isinstance(manifest, Manifest) else key for key in keys}
        missing = [name for name in called.values() if not isinstance(file.get(name), h5py.Dataset)]
        if missing:
            raise OpticsError(f"{path} has no key {missing[0]!r}; export again.")
        for name in called.values():
            if file[name].dtype.kind not in "fciub" or file[name].shape is None:
                raise OpticsError(f"{path}: key {name} holds no numbers; export again.")
            check_size(f"{path}: key {name}", file[name].shape, most=_MOST_VALUES)
        return {key: file[name][()] for key, name in called.items()}


def _check_names(folder: Path, manifest: Manifest) -> None:
    """Raise OpticsError unless the labels were written for the classes that the manifest names."""
    path = folder / "reference.h5"
    data = checked_bytes(folder, path.name, manifest)
    with reading(path, "a whole HDF5 file", fix="export again."), h5py.File(io.BytesIO(data), "r") as file:
        names = attribute(path, file["labels"], "class_names")
    if names is not None and names != manifest.class_names:
        raise OpticsError(
            f"{path}: its labels are of the classes {', '.join(names)[:80]}, class_names in {NAME} are others; export "
            "again."
        )


# ---------------------------------------------------------------------- electronics


def _built(path: Path, key: str, build: Any) -> Any:
    try:
        return build()
    except (OpticsError, KeyError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise OpticsError(f"{path}: {key} cannot be built ({text[:200]}).") from None


def _camera(path: Path, manifest: Manifest) -> CameraSpec | None:
    told = manifest.assumed_camera
    if told is None:
        return None
    camera: CameraSpec = _built(path, "assumed_camera", lambda: CameraSpec.model_validate(told))
    return camera


def _backend(folder: Path, manifest: Manifest) -> nn.Module:
    if manifest.backend is None:
        return nn.Identity()
    told = manifest.backend
    name = "backend.safetensors"
    data, path = checked_bytes(folder, name, manifest), folder / name
    backend: nn.Module = _built(folder / NAME, "backend", lambda: backends.from_config(told))
    try:
        backend.load_state_dict(from_bytes(data))
    except SafetensorError as error:
        raise OpticsError(
            f"{path} is not a whole safetensors file ({reason(error)}); export again."
        ) from None
    except RuntimeError as error:
        text = " ".join(str(error).split())
        raise OpticsError(f"{path} does not fit key backend of {NAME} ({text[:200]}).") from None
    return backend.eval()
