"""A network on a bench as files: SLM frames, and all that is needed to check them without it.

    manifest.json         what everything is, with the hash of every file (`distill.export.manifest`)
    slm/frame-000.png     one image per SLM frame at the panel's native resolution, grey value = level
    masks.h5              levels, complex masks before the encoding, point-spread functions
    backend.safetensors   the electronic back end
    electronics.h5        weights of the bins, what the levels were assumed to give
    lab/, README.txt      what to show first, and what the camera should see of it
    reference.h5          reference images, labels, expected camera counts, logits and predictions

The directory is written under a temporary name and moved into place when it is whole. `read_export` reads it back,
losslessly (`distill.export.read`); `distill.verify.verification` proves it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distill.data.dataset import Dataset
from distill.environment import version
from distill.export.electronics import camera_window, counts_entry, electronics_file, places
from distill.export.frames import encode_frame, file_bits
from distill.export.lab import lab_files
from distill.export.lab_readme import readme
from distill.export.manifest import NAME, UNITS, DeviceEntry, FileEntry, Manifest, entry
from distill.export.read import Exported, read_export
from distill.export.reference import check_classes, check_values, classes_of
from networks.backends import registry as backends
from networks.onbench.collapsed import Collapsed
from networks.onbench.interface import Drive
from networks.onbench.network import OnBench
from optics.bench import catalogue
from optics.bench.panel_correction import corrected, correction_map
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, check_shape
from optics.files import hdf5_bytes, weights_bytes, writing_folder
from optics.fourf.stored_psf import point_spread
from optics.fourf.system import FourF
from optics.slm.panel import SLMSpec
from optics.slm.response import ResponseSpec

__all__ = ["Exported", "encode_frame", "export", "read_export"]

_BATCH = 64
Arrays = dict[str, tuple[NDArray[Any], dict[str, Any]]]


def export(
    on_bench: OnBench,
    directory: str | Path,
    *,
    inputs: Dataset,
    count: int = 200,
    overwrite: bool = False,
    bmp: bool = False,
) -> Manifest:
    """Write everything that shows and proves a network on its bench.

    Args:
        on_bench: a classifier on a bench whose SLM has levels; its back end is one of `networks.backends`.
        directory: where to; made, with its parents.
        inputs: images that the references are taken from, evenly through the set.
        count: how many.
        overwrite: replace an exported directory that is there already.
        bmp: write each SLM frame also as an 8-bit BMP, which some SLM drivers prefer.

    Returns:
        The manifest that was written.

    Raises:
        OpticsError: the directory exists (and `overwrite` is not set, or it is not an exported directory), there are
            fewer than `count` images, or the network or its SLM cannot be exported.
    """
    target = Path(directory)
    check_directory(target, overwrite)
    _check_network(on_bench, inputs, count, bmp)
    index = torch.arange(count) * len(inputs) // count
    with writing_folder(target) as folder:
        return _write(on_bench, folder, inputs.take(index), bmp)


def check_directory(target: Path, overwrite: bool, *, kind: str = "spectral-cascade export") -> None:
    """Raise OpticsError unless files may be written to `target`.

    Args:
        target: absent, empty, or a directory of the same kind where `overwrite` is set.
        overwrite: whether that may be replaced.
        kind: of directory that is to be written, as the key `format` of its manifest names it.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise OpticsError(f"{target} is a file; give a directory for the export.")
    if not any(target.iterdir()):
        return
    if not (target / NAME).is_file():
        raise OpticsError(
            f"{target} is not empty and holds no export, so it is not replaced; choose another directory."
        )
    if not overwrite:
        raise OpticsError(
            f"{target} holds an export already; choose another directory, or replace it by --overwrite "
            "(from Python: overwrite=True)."
        )
    other = _told(target / NAME, "format")
    if isinstance(other, str) and other != kind:
        raise OpticsError(
            f"{target} holds a {other}, no {kind}, so it is not replaced; choose another directory."
        )
    listed = {NAME, *_listed(target / NAME)}
    strange = [
        p for p in sorted(target.rglob("*")) if not p.is_dir() and str(p.relative_to(target)) not in listed
    ]
    if strange:
        raise OpticsError(
            f"{strange[0]} is not of the export that is there, which {NAME} lists; move it, or choose another "
            "directory."
        )


def _listed(path: Path) -> set[str]:
    """The files that a manifest lists, of whatever version; none where it is damaged."""
    files = _told(path, "files")
    return set(files) if isinstance(files, dict) else set()


def _told(path: Path, key: str) -> Any:
    """What a manifest of whatever version has under `key`; None where it is damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _check_network(on_bench: OnBench, inputs: Dataset, count: int, bmp: bool) -> None:
    slm, name = on_bench.bench.slm, on_bench.bench.name
    if not isinstance(on_bench.optics, Collapsed):
        raise OpticsError(
            f"the network is on its bench as {type(on_bench.optics).__name__}; the export is for coherent light and "
            'one exposure per mask: student.on(bench, realisation="collapsed").'
        )
    if slm.bits is None or slm.modulation == "complex":
        raise OpticsError(
            f"bench {name!r}: an SLM with slm.bits {slm.bits} and slm.modulation {slm.modulation!r} has no levels to "
            'export; set slm.bits and slm.modulation = "phase".'
        )
    if bmp and slm.bits > 8:
        raise OpticsError(
            f"bench {name!r}: BMP files hold 8 bits and slm.bits is {slm.bits}; use the PNG files."
        )
    electronics = backends.description(on_bench.backend)
    if electronics.get("backend", electronics)["kind"] == "segmenter":
        raise OpticsError(
            "the back end is a segmenter; the export takes one that answers with a class per image."
        )
    if on_bench.in_channels != 1:
        raise OpticsError(
            f"the network takes {on_bench.in_channels} channels; the export is for one (grey images)."
        )
    if inputs.segmentation:
        raise OpticsError(
            "the reference images have one class per pixel; the export takes one label per image."
        )
    check_classes(inputs.class_names, classes_of(electronics), "the reference images")
    if not 1 <= count <= len(inputs):
        raise OpticsError(
            f"count is {count} and there are {len(inputs)} images; choose between 1 and that (export.count in a "
            "run's configuration)."
        )
    check_shape(
        inputs.images,
        (None, on_bench.in_channels, *on_bench.image_shape),
        name="inputs.images",
        fix="Give images like those that the network was built for.",
    )


# ---------------------------------------------------------------------- what is written


def _write(on_bench: OnBench, folder: Path, inputs: Dataset, bmp: bool) -> Manifest:
    bench, optics = on_bench.bench, on_bench.optics
    if not isinstance(optics, Collapsed):
        raise OpticsError(f"{type(optics).__name__} optics cannot be exported.")  # checked before
    assumed = optics.setup.assumed_response or bench.slm.assumed
    was_training = on_bench.training
    on_bench.eval()
    try:
        with torch.no_grad():
            drives = on_bench.drives()
            levels, scales = optics.levels(drives), drives[0].scales
            shown, extra = _corrected(bench, levels, assumed)
            written = _masks(optics.fourf, shown, drives[0], optics.responses(drives)[0], extra)
            reference = _reference(on_bench, inputs)
    finally:
        on_bench.train(was_training)
    files: dict[str, FileEntry] = {}

    def put(name: str, data: bytes) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        files[name] = entry(data)

    bits = bench.slm.bits or 8
    form: Any = {"frame_format": bench.slm.frame_format, "mount": bench.mounting.slm}
    slm_frames = []
    for i, frame in enumerate(shown):
        slm_frames.append(f"slm/frame-{i:03d}.png")
        put(slm_frames[-1], encode_frame(frame, bits, **form))
        if bmp:
            put(f"slm/frame-{i:03d}.bmp", encode_frame(frame, bits, file_format="BMP", **form))
    put("masks.h5", written)
    put("backend.safetensors", weights_bytes(on_bench.backend.state_dict()))
    put("reference.h5", hdf5_bytes(reference))
    put("electronics.h5", electronics_file(on_bench, assumed))
    recorder = on_bench.recorders[0]
    camera = recorder.reader.spec
    lab, pairs = lab_files(on_bench, correct=lambda frame: _corrected(bench, frame, assumed)[0])
    for name, data in lab.items():
        put(name, data)
    window, landing = camera_window(bench, recorder), places(bench)
    exposures = on_bench.readout.frame_count(len(levels))
    text = readme(bench, on_bench.image_shape, pairs, landing, window, slm_frames, exposures)
    put("README.txt", text.encode("utf-8"))
    manifest = Manifest(
        package_version=version(),
        bench=bench.model_dump(mode="json"),
        assumed_camera=None if camera == bench.camera else camera.model_dump(mode="json"),
        device=device_entry(bench.slm),
        wavelength=bench.light.wavelength,
        image_shape=on_bench.image_shape,
        readout=on_bench.readout.config(),
        backend=backends.description(on_bench.backend),
        scales=tuple(scales.tolist()),
        gain=on_bench.gain,
        assumed_response=assumed.model_dump(mode="json"),
        camera_window=window,
        places=landing,
        lab=pairs,
        counts=counts_entry(camera, recorder),
        normalisation_epsilon=_epsilon(on_bench.backend),
        slm_frames=tuple(slm_frames),
        slm_frame_bits=file_bits(bits, bench.slm.frame_format),
        class_names=inputs.class_names,
        source=inputs.source,
        images=len(inputs),
        files=files,
        units=UNITS,
    )
    (folder / NAME).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _corrected(bench: BenchSpec, levels: Tensor, assumed: ResponseSpec) -> tuple[Tensor, Arrays]:
    """Levels (..., NY, NX) with the panel's correction added, and what tells of it in `masks.h5`."""
    correction = correction_map(bench)
    if correction is None:
        return levels, {}
    said = {"axes": "y, x", "units": "phase, radians, added to every frame (slm.correction)"}
    return corrected(levels, correction, bench.slm.bits or 8, assumed), {
        "correction": (correction.numpy(), said),
        "mask_levels": (
            levels.numpy().astype(np.uint16),
            {"axes": "SLM frame, y, x", "units": "grey level before the correction was added"},
        ),
    }


def _masks(fourf: FourF, levels: Tensor, drive: Drive, psfs: Tensor, extra: Arrays) -> bytes:
    deep = (fourf.bench.slm.bits or 8) > 8
    spread = point_spread(fourf, psfs)
    return hdf5_bytes(
        {
            "levels": (
                levels.numpy().astype(np.uint16 if deep else np.uint8),
                {
                    "axes": "SLM frame, y, x",
                    "units": "grey level",
                    "panel": "whole panel; unlit pixels are 0",
                },
            ),
            "masks": (
                drive.masks.numpy(),
                {
                    "axes": "SLM frame, y, x",
                    "units": "field transmission, modulus at most 1",
                    "first_row": fourf.rows.start,
                    "first_column": fourf.cols.start,
                    "pitch": fourf.bench.slm.pitch,
                    "pitch_units": "m",
                },
            ),
            "psfs": (
                spread.samples.numpy(),
                {
                    "axes": "SLM frame, y, x",
                    "units": "field per unit amplitude of one input pixel",
                    "origin": "index n // 2 of y and of x",
                    "pitch": np.array(spread.pitch),
                    "pitch_units": "m, in the plane of the display",
                    "centre": np.array(spread.centre),
                    "centre_units": "m, in the plane of the display: from an input pixel to where the origin looks",
                },
            ),
            "scales": (drive.scales.double().numpy(), {"axes": "SLM frame", "units": UNITS["scales"]}),
            **extra,
        }
    )


def _reference(on_bench: OnBench, inputs: Dataset) -> dict[str, tuple[NDArray[Any], dict[str, Any]]]:
    """Reference images and what the network on the bench makes of them when nothing is drawn by chance."""
    parts, logits = [], []
    for x in inputs.images.split(_BATCH):
        parts.append(on_bench.frames(x))
        logits.append(on_bench.backend(on_bench.features_of(parts[-1])))
    counts, outputs = torch.cat(parts), torch.cat(logits)
    found = {
        "inputs": inputs.images,
        "labels": inputs.labels,
        "camera_counts": counts,
        "logits": outputs,
        "predictions": outputs.argmax(1),
    }
    arrays = {key: value.numpy() for key, value in found.items()}
    check_values("what is to be exported", arrays, outputs.shape[1], on_bench.bench.camera)
    whole = on_bench.bench.camera.adc.bits is not None
    grey = (inputs.images * 255).round().to(torch.uint8)
    exact = bool((grey.to(torch.float32) / 255 == inputs.images).all())
    return {
        "inputs": (
            (grey if exact else inputs.images).numpy(),
            {
                "axes": "image, channel, y, x",
                "units": "amplitude / 255" if exact else "amplitude, full scale 1",
            },
        ),
        "labels": (
            inputs.labels.numpy(),
            {"axes": "image", "units": "class", "class_names": list(inputs.class_names)},
        ),
        "camera_counts": (
            counts.numpy().astype(_smallest(counts)) if whole else counts.numpy(),
            {
                "axes": "image, exposure, y, x (upright)",
                "units": "DN" if whole else "photons per binned pixel",
            },
        ),
        "logits": (outputs.numpy(), {"axes": "image, class", "units": "dimensionless"}),
        "predictions": (outputs.argmax(1).numpy(), {"axes": "image", "units": "class"}),
    }


def _smallest(counts: Tensor) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if float(counts.max()) < 2**16 else np.uint32


def _epsilon(backend: nn.Module) -> float:
    """What the back end's normalisation adds to the variance."""
    return next(m.eps for m in backend.modules() if isinstance(m, nn.BatchNorm1d))


def device_entry(slm: SLMSpec) -> DeviceEntry:
    """The manifest's entry for an SLM."""
    return DeviceEntry(
        catalogue=_catalogue_name(slm),
        shape=slm.shape,
        pitch=slm.pitch,
        bits=slm.bits or 8,
        modulation=slm.modulation,
    )


def _catalogue_name(slm: SLMSpec) -> str | None:
    """The device of the catalogue with this panel: resolution, pitch, bits, modulation and fill factor."""
    keys = ("shape", "pitch", "bits", "modulation", "fill_factor")
    for name in catalogue.names("slm"):
        figures = catalogue.load(name, kind="slm").spec()
        if all(getattr(figures, key) == getattr(slm, key) for key in keys):
            return name
    return None
