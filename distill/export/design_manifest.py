"""What `manifest.json` of a design's directory holds: frames without a network; `docs/design.md` explains it to users.

A design has no back end, no classes and no labels. What stands in their place are point sources on the display, and the
fields that the bench makes of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from distill.export.lab import LabEntry
from distill.export.manifest import NAME, DeviceEntry, FileEntry, check_device, checked, manifest_data
from optics.bench.files import bench_from_dict
from optics.bench.spec import BenchSpec
from optics.conventions import Point
from optics.errors import OpticsError
from optics.files import json_text
from optics.spec import Validated

FORMAT = "spectral-cascade design"
_WRONG = ": the wrong device"
SCHEMA_VERSION = 1

#: what the numbers are in, written into every manifest for whoever reads it without this package
UNITS = {
    "bench": "SI: metres, radians, photons, electrons, seconds; sizes and points are (y, x)",
    "wavelength": "metres",
    "device.pitch": "metres",
    "places": "metres in the display's plane, upright: where each tile's image lands, from the axis",
    "points": "display pixels (row, column) that are lit, one at a time, at amplitude 1",
    "scales": "field amplitude of the target per unit of mask amplitude, one per frame",
    "levels": "grey levels of the SLM, 0 .. 2^bits - 1, whole panel, row 0 first",
    "masks": "complex field transmission asked of the illuminated SLM pixels, before the encoding; modulus at most 1",
    "psfs": "complex field per unit amplitude of one input pixel",
    "fields": "complex field in the camera plane, per unit amplitude of the lit pixel",
    "inputs": "field amplitude on the display, full scale is 1",
    "camera_counts": "camera counts (DN) without noise; photons per binned pixel where the camera has no converter",
}


class DesignManifest(Validated):
    """The contents of a design's `manifest.json`.

    Attributes:
        format: tells this from other JSON files.
        schema_version: of this layout.
        package_version: of the package that wrote it.
        target: what was asked for: a file's name, or a built-in's text.
        kind: what its values are, see `distill.designs.targets`.
        bench: tables and keys as in a bench file (`docs/benches.md`), devices resolved, encoding included.
        device: the SLM.
        wavelength: metres.
        image_shape: (H, W) of the display's part that the design is for, pixels.
        places: where the image of each of a frame's tiles lands; mask `m` is tile `m % len(places)` of frame
            `m // len(places)`.
        points: (row, column) of the point sources.
        scales: one number per SLM frame.
        slm_frames: image files in the order in which the SLM shows them.
        slm_frame_bits: bits per pixel of those files.
        lab: what to show first, and what the camera should see of it.
        images: how many of the user's images there are.
        files: every file but the manifest itself, by its path relative to it.
        units: what the numbers are in.
    """

    format: Literal["spectral-cascade design"] = "spectral-cascade design"
    schema_version: Literal[1] = 1
    package_version: str
    target: str
    kind: str
    bench: dict[str, Any]
    device: DeviceEntry
    wavelength: float = Field(gt=0)
    image_shape: tuple[int, int]
    places: tuple[Point, ...] = Field(min_length=1)
    points: tuple[tuple[int, int], ...] = Field(min_length=1)
    scales: tuple[float, ...] = Field(min_length=1)
    slm_frames: tuple[str, ...] = Field(min_length=1)
    slm_frame_bits: Literal[1, 8, 16]
    lab: tuple[LabEntry, ...] = ()
    images: int = Field(default=0, ge=0)
    files: dict[str, FileEntry]
    units: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> DesignManifest:
        for name in self.files:
            if name.startswith("/") or ".." in Path(name).parts or "\\" in name or not name:
                raise ValueError(f"files: {name!r} does not lie inside the directory")
        missing = [name for name in self.slm_frames if name not in self.files]
        if missing:
            raise ValueError(f"SLM frame {missing[0]!r} is not among the files")
        if len(set(self.slm_frames)) != len(self.slm_frames):
            raise ValueError("slm_frames names a file twice")
        if len(self.scales) != len(self.slm_frames):
            raise ValueError(f"there are {len(self.scales)} scales for {len(self.slm_frames)} SLM frames")
        if min(self.image_shape) < 1:
            raise ValueError(f"image_shape is {self.image_shape}, expected (H, W) of 1 or more")
        for point in self.points:
            if not all(0 <= p < n for p, n in zip(point, self.image_shape, strict=True)):
                raise ValueError(f"point {point} does not lie on the display's {self.image_shape} pixels")
        return self

    @property
    def masks(self) -> int:
        """How many masks the frames show."""
        return len(self.slm_frames) * len(self.places)

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return json_text(self.model_dump(mode="json"))

    def bench_spec(self, path: Path) -> BenchSpec:
        """The bench; `path` names the manifest in errors.

        Raises:
            OpticsError: it is not a bench, or another device, wavelength or panel than the manifest's own keys say.
        """
        bench = bench_from_dict(self.bench, source=f"{path}: bench")
        check_device(path, self.wavelength, self.device, bench, _WRONG)
        if self.device.modulation != bench.slm.modulation:
            told, real = self.device.modulation, bench.slm.modulation
            raise OpticsError(f"{path}: device.modulation is {told} and its bench says {real}{_WRONG}.")
        return bench


def is_design(directory: str | Path) -> bool:
    """Whether a directory's manifest is a design's."""
    folder = Path(directory)
    return (folder / NAME).is_file() and manifest_data(folder).get("format") == FORMAT


def read_design_manifest(directory: Path) -> DesignManifest:
    """The manifest of a design's directory.

    Raises:
        OpticsError: there is none, it is not JSON, of another kind or an unknown version, or a key is missing or wrong;
            one line naming file and key.
    """
    data, path = manifest_data(directory), directory / NAME
    if data.get("format") != FORMAT:
        raise OpticsError(f'{path}: key format is not "{FORMAT}"; this is another kind of directory.')
    version = data.get("schema_version")
    if version != SCHEMA_VERSION:
        raise OpticsError(
            f"{path}: schema_version is {version!r}, this package reads {SCHEMA_VERSION}; use the version of "
            f"spectral-cascade that wrote it ({data.get('package_version', 'unknown')})."
        )
    return checked(DesignManifest, path, data)
