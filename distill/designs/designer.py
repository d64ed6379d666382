"""From a target to the directory for the lab, with its proof: `distill.design`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distill.designs.frames import Layout, Shown, asked_fields, lay_out, point_fields, show
from distill.designs.lab import for_the_lab
from distill.designs.pictures import drawn
from distill.designs.quality import (
    CircularDifference,
    EncodingQuality,
    MaskQuality,
    circular,
    every_encoding,
    measure,
)
from distill.designs.targets import read_target
from distill.export.design_files import DesignFiles, frame_names, write_design
from distill.export.design_manifest import FORMAT
from distill.export.lab import LabEntry
from distill.export.write import check_directory
from distill.progress import told
from distill.verify.point_sources import (
    LIGHTPIPES_FRAMES,
    PointLimits,
    PointProof,
    PointVerdict,
    prove_points,
)
from optics import notebook
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.checks import check_finite
from optics.conventions import Point
from optics.errors import OpticsError, ShapeError
from optics.files import json_text
from optics.fourf.recorder import Recorder
from optics.fourf.stored_psf import point_spread
from optics.spec import Validated

Progress = Callable[[int, int, str], None]
PICTURES = 4


class Design(Validated):
    """What `distill.design` made.

    Attributes:
        directory: where it is.
        target: what was asked for. kind: of its values.
        bench: name of the bench.
        encoding: method that the frames are made with. carrier: (y, x) cycles per SLM pixel.
        frames: SLM frames. tiles: masks in each of them.
        psf_pitch: of the predicted point-spread functions, (y, x) metres in the display's plane; their origin is
            at index `n // 2` of each axis.
        camera_pitch: the same on the camera, metres.
        masks: every mask's figures.
        circular: how far a network that multiplies spectra on the masks' grid is from a bench; None for kernels and
            masks over a panel.
        encodings: every encoding beside the chosen one; empty where that was not asked for.
        proof: both engines on point sources; None where that was not asked for. verdict: by the usual limits.
    """

    directory: str
    target: str
    kind: str
    bench: str
    encoding: str
    carrier: Point
    frames: int = Field(ge=1)
    tiles: int = Field(ge=1)
    psf_pitch: Point
    camera_pitch: Point
    masks: tuple[MaskQuality, ...] = Field(min_length=1)
    circular: CircularDifference | None = None
    encodings: tuple[EncodingQuality, ...] = ()
    proof: PointProof | None = None
    verdict: PointVerdict | None = None

    def __repr__(self) -> str:
        """A few words; `model_dump()` has every number."""
        worst = max(m.error for m in self.masks)
        told = "not proved" if self.verdict is None else self.verdict.line.split(":")[0].lower()
        masks = "1 mask" if len(self.masks) == 1 else f"{len(self.masks)} masks"
        frames = "1 frame" if self.frames == 1 else f"{self.frames} frames"
        return (
            f"Design({self.target!r} on {self.bench!r}: {masks} in {frames}, "
            f"{self.encoding}, error up to {100 * worst:.2g} %, {told}, in {self.directory})"
        )

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows: these words, and a row for each mask."""
        names = ("mask", "frame", "error", "of intensity", "efficiency", "zero order")
        rows = []
        for m in self.masks:
            shares = (m.error, m.intensity_error, m.efficiency, m.zero_order)
            cells = [str(m.mask), str(m.frame), *("-" if v is None else f"{100 * v:.3g} %" for v in shares)]
            rows.append(cells)
        pictures = "".join(notebook.file(path) for path in self.pictures[:PICTURES])
        return notebook.words(repr(self)) + pictures + notebook.table(names, rows)

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The PNG files that were drawn, where they still are: the intensities first."""
        found = sorted((Path(self.directory) / "pictures").glob("*.png"))
        return tuple(sorted(found, key=lambda path: (not path.name.startswith("intensity"), path.name)))


def design(
    target: str | Path | Tensor | np.ndarray[Any, Any],
    *,
    bench: BenchSpec | str | Path,
    directory: str | Path,
    kind: str | None = None,
    array: str | None = None,
    imaginary: str | Path | None = None,
    axes: str | None = None,
    corner: bool | None = None,
    pitch: float | None = None,
    encoding: str | None = None,
    carrier: Point | None = None,
    tiles: int = 1,
    image_shape: tuple[int, int] | None = None,
    images: Tensor | np.ndarray[Any, Any] | None = None,
    compare: bool = True,
    pictures: int = PICTURES,
    lab: bool = True,
    prove: bool = True,
    lightpipes_frames: int = LIGHTPIPES_FRAMES,
    overwrite: bool = False,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Design:
    """Make the frames that show kernels, point-spread functions or masks on a bench, and prove them.

    Args:
        target: a file (.npy .npz .mat .h5 .safetensors .pt), a picture, an array, or a built-in by name, as
            "gabor:count=8,period=6" (`distill.designs.builtins`).
        bench: a bench, a shipped one's name, or a TOML file.
        directory: where to; made, with its parents.
        kind: what the values are, see `distill.designs.targets`.
        array: which one of a file that holds several.
        imaginary: file or array of the imaginary part.
        axes: order of four axes, "oiyx" or "ioyx".
        corner: the origin is at index 0 (True) or in the middle (False); a mask over the band must say.
        pitch: of a kernel's samples, metres in the display's plane; None: the display's.
        encoding: another method than the bench's.
        carrier: another one, (y, x) cycles per SLM pixel.
        tiles: masks side by side in each frame, a divisor of their number.
        image_shape: (H, W) display pixels that the design is for; None: the images', 28 x 28, or what a kernel needs.
        images: (N, H, W) amplitudes 0 to 1 on the display, whose camera counts are predicted and proved as well.
        compare: measure every encoding beside the chosen one.
        pictures: masks to draw, the first ones.
        lab: write what a laboratory shows first, and README.txt.
        prove: send the written frames through both engines.
        lightpipes_frames: through LightPipes at most so many, spread evenly; all through the wave path.
        overwrite: replace a design that is there.
        processes: images that LightPipes works on at once; None: one per core.
        progress: called with (done, in all, what); by default a bar, where somebody watches.

    Raises:
        OpticsError: the target, the bench or the directory cannot be used; one line that says why.
    """
    spec = _encoded(bench if isinstance(bench, BenchSpec) else load_bench(bench), encoding, carrier)
    check_directory(Path(directory), overwrite, kind=FORMAT)
    if pictures < 0:
        raise OpticsError(f"pictures is {pictures}; expected how many masks to draw, 0 or more.")
    shown_images = _images(images)
    if shown_images is not None:
        image_shape = _size_of(shown_images, image_shape)
    wanted = read_target(
        target,
        spec,
        kind=kind,
        array=array,
        imaginary=imaginary,
        axes=axes,
        corner=corner,
        pitch=pitch,
        image_shape=image_shape,
    )
    layout = lay_out(spec, wanted, tiles)
    with torch.no_grad():
        made = _written(
            layout, show(layout), shown_images, Path(directory), compare, pictures, lab, overwrite
        )
    if not prove:
        return made
    with told(progress, "Proving the frames") as tell:
        proof = prove_points(
            directory, lightpipes_frames=lightpipes_frames, processes=processes, progress=tell
        )
    return made.replace(proof=proof, verdict=proof.judged(PointLimits()))


def _encoded(bench: BenchSpec, method: str | None, carrier: Point | None) -> BenchSpec:
    """The bench with what was asked for of another encoding, changed at once: they depend on each other."""
    changes = {key: v for key, v in (("method", method), ("carrier", carrier)) if v is not None}
    return bench.replace(encoding=bench.encoding.replace(**changes)) if changes else bench


def _size_of(images: Tensor, image_shape: tuple[int, int] | None) -> tuple[int, int]:
    size = (images.shape[-2], images.shape[-1])
    if image_shape is not None and tuple(image_shape) != size:
        raise ShapeError(f"image_shape is {image_shape} and the images have {size} pixels; leave one out.")
    return size


def _written(
    layout: Layout,
    shown: Shown,
    images: Tensor | None,
    directory: Path,
    compared: bool,
    pictures: int,
    lab: bool,
    overwrite: bool,
) -> Design:
    bench, target, fourf = layout.bench, layout.target, layout.fourfs[0]
    fields, asked = point_fields(layout, shown.reflectance), asked_fields(layout)
    psfs = [fourf.psf(shown.reflectance) for fourf in layout.fourfs]
    spread = point_spread(fourf, psfs[0])
    spreads = [point_spread(f, psf).samples for f, psf in zip(layout.fourfs, psfs, strict=True)]
    levels = torch.zeros(layout.frames, *bench.slm.shape, dtype=torch.int32)
    levels[:, fourf.rows, fourf.cols] = shown.levels
    m = bench.magnification
    made = Design(
        directory=str(directory),
        target=target.name,
        kind=target.kind,
        bench=bench.name,
        encoding=bench.encoding.method,
        carrier=bench.encoding.carrier,
        frames=layout.frames,
        tiles=len(layout.places),
        psf_pitch=spread.pitch,
        camera_pitch=(spread.pitch[0] * m, spread.pitch[1] * m),
        masks=measure(layout, shown, asked),
        circular=circular(target, images),
        encodings=every_encoding(layout, asked) if compared else (),
    )
    inputs = images if images is not None else torch.zeros(0, *target.image_shape)
    for_lab: tuple[dict[str, bytes], tuple[LabEntry, ...]] = ({}, ())
    if lab:
        for_lab = for_the_lab(layout, frame_names(len(levels)), images=len(inputs))
    figures = made.model_dump(mode="json", exclude={"directory", "proof", "verdict"})
    write_design(
        directory,
        DesignFiles(
            levels=levels,
            masks=shown.masks,
            psfs=torch.stack(spreads, 1).flatten(0, 1),
            asked=asked,
            fields=fields,
            inputs=inputs,
            camera_counts=_counts(layout, shown, inputs),
        ),
        bench=bench,
        target=target.name,
        kind=target.kind,
        image_shape=target.image_shape,
        places=layout.places,
        points=layout.points,
        scales=tuple(shown.scales.tolist()),
        spread=spread,
        lit=(fourf.rows.start, fourf.cols.start),
        beside={"design.json": json_text(figures).encode()}
        | drawn(layout, shown, fields[0], asked, most=pictures)
        | for_lab[0],
        lab=for_lab[1],
        overwrite=overwrite,
    )
    return made


def _counts(layout: Layout, shown: Shown, images: Tensor) -> Tensor:
    """(N, M, cy, cx) expected camera counts of images (N, H, W); averaged over the ripple."""
    if not len(images):
        return torch.zeros(0)
    seen = []
    for fourf in layout.fourfs:
        recorder = Recorder(layout.bench, fourf.view)
        intensity = torch.stack(
            [
                fourf.intensity(images, fourf.psf(layout.slm.of_levels(shown.levels, ripple=ripple))) * weight
                for ripple, weight in layout.slm.states
            ]
        ).sum(0)
        seen.append(recorder.expose(intensity))
    return torch.stack(seen, 2).flatten(1, 2)


def _images(images: Tensor | np.ndarray[Any, Any] | None) -> Tensor | None:
    if images is None:
        return None
    found = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    if found.dim() == 4 and found.shape[1] == 1:
        found = found[:, 0]
    if found.dim() == 2:
        found = found[None]
    if found.dim() != 3 or not found.numel() or found.is_complex():
        raise ShapeError(f"images have shape {tuple(images.shape)}, expected real amplitudes (images, H, W).")
    found = found.to(torch.float32)
    check_finite(found, name="images")
    if float(found.min()) < 0 or float(found.max()) > 1:
        raise OpticsError(
            f"images span {float(found.min()):g} to {float(found.max()):g}, expected amplitudes 0 to 1."
        )
    return found
