"""A network on a bench as files: SLM frames, and all that is needed to check them without it.

    manifest.json         what everything is, with the hash of every file (`distill.export.manifest`)
    slm/frame-000.png     one image per SLM frame at the panel's native resolution, grey value = level
    masks.h5              levels, complex masks before the encoding, point-spread functions
    backend.safetensors   the electronic back end, where there is one
    electronics.h5        weights of the bins, what the levels were assumed to give
    lab/, README.txt      what to show first, and what the camera should see of it
    reference.h5          reference images, labels, expected camera counts and answers

The directory is written under a temporary name and moved into place when it is whole. `read_export` reads it back,
losslessly (`distill.export.read`); `distill.verify.verification` proves it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill.data.dataset import Dataset
from distill.environment import version
from distill.export.answers import check_classes, described, kind_of
from distill.export.electronics import camera_window, counts_entry, electronics_file, places, tile_windows
from distill.export.exposures import exposures, frame_names, order_in_words
from distill.export.frames import encode_frame, file_bits
from distill.export.lab import lab_files
from distill.export.lab_readme import driver_table, network_section, readme
from distill.export.manifest import NAME, UNITS, DeviceEntry, FileEntry, Manifest, entry
from distill.export.masks_file import masks_file, masks_known, with_correction
from distill.export.read import Exported, read_export
from distill.export.reference import reference_arrays
from networks.onbench.network import OnBench
from optics.bench import catalogue
from optics.bench.panel_correction import correction_map
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, check_shape
from optics.files import hdf5_bytes, weights_bytes, writing_folder
from optics.modules import evaluating
from optics.reading import from_json
from optics.slm.panel import SLMSpec

__all__ = ["Exported", "encode_frame", "export", "read_export"]


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
        on_bench: a network on a bench whose SLM has levels, whichever way it is there. Without a back end
            (`nn.Identity`), or with one of the user's own, its camera counts alone are stored as a reference.
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
        return from_json(path.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def check_levels(bench: BenchSpec) -> None:
    """Raise OpticsError unless the bench's SLM has levels, and its correction can be had."""
    slm, name = bench.slm, bench.name
    if slm.bits is None or slm.modulation == "complex":
        raise OpticsError(
            f"bench {name!r}: an SLM with slm.bits {slm.bits} and slm.modulation {slm.modulation!r} has no levels to "
            'export; set slm.bits and slm.modulation = "phase".'
        )
    correction_map(bench)


def check_images(config: dict[str, Any] | None, inputs: Dataset, where: str = "the reference images") -> None:
    """Raise OpticsError unless the labels are of the kind that a back end of this configuration answers."""
    kind = kind_of(config)
    if kind in ("classes", "pixels") and inputs.segmentation != (kind == "pixels"):
        have, gives = ("pixel", "image") if inputs.segmentation else ("image", "pixel")
        raise OpticsError(f"{where} have one class per {have} and the back end answers with one per {gives}.")
    check_classes(kind, config, tuple(inputs.class_names), where)


def _check_network(on_bench: OnBench, inputs: Dataset, count: int, bmp: bool) -> None:
    slm, name = on_bench.bench.slm, on_bench.bench.name
    check_levels(on_bench.bench)
    if bmp and slm.bits is not None and slm.bits > 8:
        raise OpticsError(
            f"bench {name!r}: BMP files hold 8 bits and slm.bits is {slm.bits}; use the PNG files."
        )
    check_images(described(on_bench.backend), inputs)
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
    with evaluating(on_bench), torch.no_grad():
        return _written(_Part(on_bench, inputs, folder, bmp))


@dataclass
class _Part:
    """What is written where. files: so far, by path."""

    network: OnBench
    inputs: Dataset
    folder: Path
    bmp: bool
    files: dict[str, FileEntry] = field(default_factory=dict)

    def put(self, name: str, data: bytes) -> None:
        """Write one file."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        self.files[name] = entry(data)

    def put_frames(self, levels: Tensor) -> tuple[str, ...]:
        """Write (F, NY, NX) levels; the files' names in order."""
        bench = self.network.bench
        bits = bench.slm.bits or 8
        form: Any = {"frame_format": bench.slm.frame_format, "mount": bench.mounting.slm}
        names = frame_names(self.network.optics.arrangement, len(levels))
        for name, frame in zip(names, levels, strict=True):
            self.put(f"{name}.png", encode_frame(frame, bits, **form))
            if self.bmp:
                self.put(f"{name}.bmp", encode_frame(frame, bits, file_format="BMP", **form))
        return tuple(f"{name}.png" for name in names)


def _written(part: _Part) -> Manifest:
    network, inputs, bench = part.network, part.inputs, part.network.bench
    setup = network.optics.setup
    assumed = setup.assumed_response or bench.slm.assumed
    levels, scales = (values.cpu() for values in network.frames_sent())
    shown, extra = with_correction(bench, levels, assumed)
    config = described(network.backend)
    kind = kind_of(config)
    rebuilt = _from_files(network, levels, scales)  # in single precision, sampled as its bench needs it
    slm_frames = part.put_frames(shown)
    part.put("masks.h5", masks_file(network, shown, scales, extra))
    if config is not None:
        part.put("backend.safetensors", weights_bytes(network.backend.state_dict()))
    part.put("reference.h5", hdf5_bytes(reference_arrays(rebuilt, inputs, kind, inputs.classes)))
    part.put("electronics.h5", electronics_file(rebuilt, assumed))
    lab, pairs = lab_files(
        bench,
        network.image_shape,
        assumed_response=setup.assumed_response,
        correct=lambda frame: with_correction(bench, frame, assumed)[0],
    )
    for name, data in lab.items():
        part.put(name, data)
    recorder = rebuilt.recorders[0]
    camera = recorder.reader.spec
    window, landing, tiles = camera_window(bench, recorder), places(bench), tile_windows(rebuilt)
    if tiles:
        window = tiles[0].camera_window
    arrangement = network.optics.arrangement
    shots = exposures(arrangement, len(levels), network.readout)
    spots = tuple("row {:.1f}, column {:.1f}".format(*tile.signal_order) for tile in tiles)
    beams = tuple((network.reference_beam().abs() / network.gain).flatten().tolist())
    order = order_in_words(
        bench, arrangement, network.readout, network.image_shape, slm_frames, shots, spots, beams
    )
    windows = [tile.camera_window for tile in tiles] or [window]
    text = readme(bench, network.image_shape, pairs, landing, window, network_section(order, windows, kind))
    part.put("README.txt", text.encode("utf-8"))
    table = driver_table(bench)
    if table is not None:
        part.put(*table)
    own = None if config is not None or isinstance(network.backend, nn.Identity) else type(network.backend)
    manifest = Manifest(
        package_version=version(),
        bench=bench.model_dump(mode="json"),
        assumed_camera=None if camera == bench.camera else camera.model_dump(mode="json"),
        device=device_entry(bench.slm),
        wavelength=bench.light.wavelength,
        image_shape=network.image_shape,
        readout=network.readout.config(),
        answers=kind,
        backend=config,
        own_backend=None if own is None else own.__name__,
        arrangement=arrangement,
        scales=tuple(scales.tolist()),
        mask_scales=tuple(rebuilt.scales.tolist()),
        gain=network.gain,
        assumed_response=assumed.model_dump(mode="json"),
        camera_window=window,
        places=landing,
        tile_windows=tiles,
        exposures=shots,
        masks_known=masks_known(network),
        lab=pairs,
        counts=counts_entry(camera, recorder),
        normalisation_epsilon=None if config is None else _epsilon(network.backend),
        slm_frames=slm_frames,
        slm_frame_bits=file_bits(bench.slm.bits or 8, bench.slm.frame_format),
        driver_table=None if table is None else table[0],
        class_names=inputs.class_names,
        source=inputs.source,
        images=len(inputs),
        files=part.files,
        units=UNITS,
    )
    (part.folder / NAME).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _from_files(network: OnBench, levels: Tensor, scales: Tensor) -> OnBench:
    """The network as whoever reads the files builds it."""
    camera = network.recorders[0].reader.spec
    return OnBench.from_levels(
        levels,
        scales.to(torch.float32),
        bench=network.bench,
        image_shape=network.image_shape,
        readout=network.readout,
        backend=copy.deepcopy(network.backend).float().cpu(),
        arrangement=network.optics.arrangement,
        assumed_camera=camera,
    )


def _epsilon(backend: nn.Module) -> float:
    """What the back end's normalisation adds to the variance."""
    return next(m.eps for m in backend.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d))


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
