"""What `manifest.json` of an exported directory holds, as a validated schema; `docs/export.md` explains it to users.

An exported directory describes itself: the bench, the SLM, the read-out, and the size and sha256 of every file. A file
that is not as the manifest says is never used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from distill.export.answers import Kind, kind_of
from distill.export.electronics import CameraWindowEntry, CountsEntry, PlacesEntry, TileEntry
from distill.export.exposures import ExposureEntry
from distill.export.lab import LabEntry
from networks.onbench.arrangement import Arrangement
from optics.bench.files import bench_from_dict
from optics.bench.spec import BenchSpec
from optics.errors import OpticsError
from optics.files import json_text
from optics.reading import from_json, home, read_bytes, reason, regular_file
from optics.spec import Validated, validated

M = TypeVar("M", bound=Validated)

NAME = "manifest.json"
SCHEMA_VERSION = 4
_MOST_BYTES = 2**26  # of a manifest

_KEYS_OF_VERSION_1 = {"masks": "targets", "camera_counts": "frames"}

#: what the numbers are in, written into every manifest for whoever reads it without this package
UNITS = {
    "bench": "SI: metres, radians, photons, electrons, seconds; sizes and points are (y, x)",
    "wavelength": "metres",
    "device.pitch": "metres",
    "scales": "what each SLM frame's masks were divided by",
    "mask_scales": "field amplitude of the network per unit of mask amplitude, one per mask; readings are multiplied "
    "by (mask_scales / gain)^2",
    "levels": "grey levels of the SLM, 0 .. 2^bits - 1, whole panel, row 0 first, unscaled also in 16-bit files",
    "masks": "complex field transmission asked of the illuminated SLM pixels, before the encoding; modulus at most 1",
    "psfs": "complex field per unit amplitude of one input pixel; origin at index n // 2",
    "gain": "amplitude of the signal order relative to an ideal modulator's mask",
    "camera_window": "pixels of the sensor's raw frame; counts are sums over binning x binning of them",
    "places": "pixels of the sensor's raw frame, (row, column)",
    "upright": "images, masks, levels in masks.h5 and camera_counts are planes: raw frames and SLM files are turned by "
    "bench.mounting, and the camera's plane is upright although two lenses invert the image",
    "inputs": "value / 255 for uint8, value itself for float32, full scale 1: field amplitude on the display; with the "
    "incoherent read-out intensity",
    "camera_counts": "camera counts (DN) without noise, upright; without a converter photons per binned pixel",
    "arrangement.tiles": "metres in the display's plane, (y, x) from the axis, upright",
    "logits": "dimensionless",
    "embeddings": "unit vectors",
}


# of a network with a back end; without one `normalisation_epsilon` is absent
_SINCE = {
    3: ("gain", "assumed_response", "camera_window", "places", "counts", "normalisation_epsilon"),
    4: ("answers", "arrangement", "mask_scales", "exposures"),
}


class FileEntry(Validated):
    """One file: its sha256 (hexadecimal) and its size in bytes."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class DeviceEntry(Validated):
    """The SLM that the files are for.

    catalogue: name of the device in this package's catalogue whose figures these are, if there is one. shape: rows and
    columns of the panel. pitch: metres. bits: levels are 0 .. 2**bits - 1.
    """

    catalogue: str | None = None
    shape: tuple[int, int]
    pitch: float = Field(gt=0)
    bits: int = Field(ge=1, le=16)
    modulation: str


class Manifest(Validated):
    """The contents of `manifest.json`.

    Attributes:
        format: tells this from other JSON files.
        schema_version: of this layout; older ones are read too, see `_renamed` and `_SINCE`.
        package_version: of the package that wrote it.
        bench: tables and keys as in a bench file (`docs/benches.md`), devices resolved.
        assumed_camera: the camera that the electronics assumes when it turns counts into photons, where that is not the
            bench's: from `[assumed_camera]`, or as a calibration gave it.
        device: the SLM.
        wavelength: metres.
        image_shape: (H, W) of one channel of the images, pixels.
        readout: name, bins and options of the read-out.
        answers: what the electronics answers, see `distill.export.answers`.
        backend: configuration of the electronic back end; None without one.
        own_backend: what the back end is called where it is one of the user's own, which is not exported.
        arrangement: how frames stand to images and answers: channels, tiles, stages.
        scales: one number per SLM frame.
        mask_scales: one number per mask whose image the camera sees.
        gain: readings are multiplied by the square of mask_scales over gain.
        assumed_response: what the levels were computed with, the keys of `slm.response`.
        camera_window: the part of the sensor that counts come from.
        places: where zero order and signal order land on the sensor.
        tile_windows: where the image of each tile is read, where there are several.
        exposures: of the camera, for one image, in order.
        masks_known: whether `masks.h5` holds the masks that the levels encode.
        counts: how counts become photons.
        lab: what to show first, and what the camera should see of it.
        normalisation_epsilon: of the back end's normalisation, added to the variance.
        slm_frames: image files in the order in which the SLM shows them.
        slm_frame_bits: bits per pixel of those files.
        driver_table: the maker's table that the SLM's driver must load before it shows them.
        class_names: label `i` is `class_names[i]`.
        source: where the reference images come from.
        images: how many there are.
        files: every file but the manifest itself, by its path relative to it.
        units: what the numbers are in.
    """

    format: Literal["spectral-cascade export"] = "spectral-cascade export"
    schema_version: Literal[1, 2, 3, 4] = 4
    package_version: str
    bench: dict[str, Any]
    assumed_camera: dict[str, Any] | None = None
    device: DeviceEntry
    wavelength: float = Field(gt=0)
    image_shape: tuple[int, int]
    readout: dict[str, Any]
    answers: Kind | None = None
    backend: dict[str, Any] | None = None
    own_backend: str | None = None
    arrangement: Arrangement | None = None
    scales: tuple[float, ...] = Field(min_length=1)
    mask_scales: tuple[float, ...] | None = None
    gain: float | None = Field(default=None, gt=0)
    assumed_response: dict[str, Any] | None = None
    camera_window: CameraWindowEntry | None = None
    places: PlacesEntry | None = None
    tile_windows: tuple[TileEntry, ...] = ()
    exposures: tuple[ExposureEntry, ...] | None = None
    masks_known: bool = True
    counts: CountsEntry | None = None
    normalisation_epsilon: float | None = None
    lab: tuple[LabEntry, ...] = ()
    slm_frames: tuple[str, ...] = Field(min_length=1)
    slm_frame_bits: Literal[1, 8, 16]
    driver_table: str | None = None
    class_names: tuple[str, ...]
    source: str
    images: int = Field(ge=1)
    files: dict[str, FileEntry]
    units: dict[str, str]

    @field_validator("files")
    @classmethod
    def _inside(cls, value: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for name in value:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
                raise ValueError(f"{name!r} does not lie inside the exported directory")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        for version, names in _SINCE.items():
            absent = [name for name in names if getattr(self, name) is None and self._needs(name)]
            if self.schema_version >= version and absent:
                raise ValueError(f"{absent[0]} is missing")
        missing = [name for name in self.slm_frames if name not in self.files]
        if missing:
            raise ValueError(f"SLM frame {missing[0]!r} is not among the files")
        if self.driver_table is not None and self.driver_table not in self.files:
            raise ValueError(f"the driver's table {self.driver_table!r} is not among the files")
        if len(self.scales) != len(self.slm_frames):
            raise ValueError(f"there are {len(self.scales)} scales for {len(self.slm_frames)} SLM frames")
        if self.slm_frame_bits < self.device.bits:
            raise ValueError(
                f"slm_frame_bits is {self.slm_frame_bits} and the device has {self.device.bits} bits"
            )
        self._check_arrangement()
        return self

    def _needs(self, name: str) -> bool:
        return name != "normalisation_epsilon" or self.backend is not None

    def _check_arrangement(self) -> None:
        if self.answers not in (None, kind_of(self.backend)):
            raise ValueError(
                f"answers is {self.answers!r} and the back end answers {kind_of(self.backend)!r}"
            )
        frames, masks = len(self.slm_frames), 0
        try:
            masks = self.arranged.masks(frames)
        except OpticsError as error:
            raise ValueError(f"arrangement: {error}".removesuffix(".")) from None
        if self.mask_scales is not None and len(self.mask_scales) != masks:
            raise ValueError(f"there are {len(self.mask_scales)} mask_scales for {masks} masks")
        for entry in self.exposures or ():
            if max(entry.slm_frames) >= frames or max(entry.channels) >= self.arranged.channels:
                raise ValueError("exposures name frames or channels that there are not")

    @property
    def kind(self) -> Kind:
        """What the electronics answers."""
        return self.answers or kind_of(self.backend)

    @property
    def arranged(self) -> Arrangement:
        """How frames stand to images and answers; before version 4 one mask a frame of grey images."""
        return self.arrangement or Arrangement()

    @property
    def readings(self) -> int | None:
        """Readings of one image in `camera_counts`; None before version 4."""
        return None if self.exposures is None else sum(len(entry.readings) for entry in self.exposures)

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return json_text(self.model_dump(mode="json"))

    def key_of(self, name: str) -> str:
        """What the array `name` ("masks", "camera_counts", ...) is called in the HDF5 files of this version."""
        return _KEYS_OF_VERSION_1.get(name, name) if self.schema_version == 1 else name

    def bench_spec(self, path: Path) -> BenchSpec:
        """The bench; `path` names the manifest in errors.

        Raises:
            SpecError: it is not a bench.
        """
        bench = bench_from_dict(self.bench, source=f"{path}: bench")
        check_device(path, self.wavelength, self.device, bench)
        return bench


def check_device(path: Path, wavelength: float, device: DeviceEntry, bench: BenchSpec, so: str = "") -> None:
    """Raise OpticsError unless a manifest's own keys say what its bench says; `so` ends the message."""
    for name, told, real in (
        ("wavelength", wavelength, bench.light.wavelength),
        ("device.shape", device.shape, bench.slm.shape),
        ("device.pitch", device.pitch, bench.slm.pitch),
        ("device.bits", device.bits, bench.slm.bits),
    ):
        if told != real:
            raise OpticsError(f"{path}: {name} is {told} and its bench says {real}{so}.")


def read_manifest(directory: str | Path) -> Manifest:
    """The manifest of an exported directory.

    Raises:
        OpticsError: there is none, it is not JSON, of an unknown version, or a key is missing or wrong; one line
            naming file and key.
    """
    data, path = manifest_data(directory), home(directory) / NAME
    if data.get("format") != "spectral-cascade export":
        raise OpticsError(
            f'{path}: key format is not "spectral-cascade export"; this is another kind of file.'
        )
    version = data.get("schema_version")
    if version not in range(1, SCHEMA_VERSION + 1):
        raise OpticsError(
            f"{path}: schema_version is {version!r}, this package reads 1 to {SCHEMA_VERSION}; use the version of "
            f"spectral-cascade that wrote it ({data.get('package_version', 'unknown')})."
        )
    return checked(Manifest, path, _renamed(data))


def checked(model: type[M], path: Path, data: dict[str, Any]) -> M:
    """The manifest of a kind that `data` describe; `path` names it in errors.

    Raises:
        OpticsError: a key is missing or wrong; one line naming file and key.
    """
    try:
        return validated(model, data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "its contents"
        raise OpticsError(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}.") from None


def manifest_data(directory: str | Path) -> dict[str, Any]:
    """What `manifest.json` of a directory holds, unchecked; its key `format` tells what kind of directory it is.

    Raises:
        OpticsError: there is none, or it is no JSON object.
    """
    path = home(directory) / NAME
    if not path.is_file():
        raise OpticsError(f"{directory} is not an exported directory: it has no {NAME}.")
    text = read_bytes(path, most=_MOST_BYTES)
    try:
        data = from_json(text)
    except (ValueError, RecursionError) as error:
        raise OpticsError(f"{path} is not JSON ({reason(error)}); export again.") from None
    if not isinstance(data, dict):
        raise OpticsError(f"{path}: key format is missing; this is another kind of file.")
    return data


def _renamed(data: dict[str, Any]) -> dict[str, Any]:
    """A manifest with today's names. In version 1 "frames" meant the SLM's files and the camera's counts."""
    names = {} if "assumed_camera" in data else {"believed_camera": "assumed_camera"}
    if data.get("schema_version") == 1:
        names |= {"frames": "slm_frames", "frame_bits": "slm_frame_bits"}
    return {names.get(key, key): value for key, value in data.items()}


def entry(data: bytes) -> FileEntry:
    """The manifest's entry for a file with these contents."""
    return FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


class Listing(Protocol):
    """A manifest of any kind, as far as its files go."""

    @property
    def files(self) -> dict[str, FileEntry]:
        """Path relative to the manifest -> sha256 and size."""


def checked_bytes(directory: Path, name: str, manifest: Listing) -> bytes:
    """The contents of one file of an exported directory, after its size and hash were compared.

    Raises:
        OpticsError: the file is not in the manifest, is missing, or has changed.
    """
    told = manifest.files.get(name)
    path = directory / name
    if told is None:
        raise OpticsError(f"{directory / NAME}: files has no {name!r}; export again.")
    regular_file(path)
    size = path.stat().st_size
    if size != told.bytes:
        raise OpticsError(
            f"{path} has {size} bytes, the manifest says {told.bytes}: truncated or altered; export again."
        )
    data = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != told.sha256:
        raise OpticsError(f"{path} has another sha256 than the manifest says: it was altered; export again.")
    return data
