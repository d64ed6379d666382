"""Do a design's frames make the point-spread functions that were predicted? Read from its directory alone.

    levels out of the image files -> SLM reflectance -> every plane of the bench -> field of single lit pixels

once along this project's wave path and once plane by plane in LightPipes, as in `distill.verify.verification`; the
prediction went by point-spread functions. Fields are complex and compared as they are, phase included. Where the design
came with the user's images their camera counts are compared too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import map_coordinates
from torch import Tensor

from distill.export.design_files import DesignFiles, read_design
from distill.export.design_manifest import DesignManifest
from distill.verify.lightpipes import LightPipesBench
from distill.verify.lightpipes_grid import roomy
from distill.verify.reference_panel import reflectance, ripples, shared_assumptions
from distill.verify.verdict import told_apart
from distill.verify.verification import beyond_rounding
from optics.bench.geometry import carrier_of
from optics.bench.spec import BenchSpec
from optics.conventions import Point, abs2
from optics.errors import OpticsError
from optics.fourf.camera_window import CameraWindow
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.panel import SLM
from optics.spec import Validated

LIGHTPIPES_FRAMES = 16  # that LightPipes is given where nothing else is said

Progress = Callable[[int, int, str], None]
States = list[tuple[Tensor, float]]  # reflectance (F, ny, nx) in each state of the panel, and its weight
_MARGIN = 2  # display pixels beyond the image that predicted fields reach
_WIDER = 16  # display pixels that LightPipes' window is wider than the image: see `roomy`


class PointEngine(Validated):
    """What one physics engine made of a design's frames.

    Attributes:
        psf_error: relative L2 difference of the point sources' complex fields from the predicted ones, all masks
            and points together.
        worst_psf_error: the largest of one point behind one mask.
        worst_mask: which mask that is.
        points: point sources, each behind every mask.
        masks: how many masks.
        images: the user's images.
        counts_error: relative L2 difference of their camera counts from the expected ones, as in `Engine`; None without
            images.
        borrowed: what this engine took from the models that it is meant to check.
        seconds: wall-clock time.
    """

    psf_error: float = Field(ge=0)
    worst_psf_error: float = Field(ge=0)
    worst_mask: int = Field(ge=0)
    points: int = Field(ge=1)
    masks: int = Field(ge=1)
    images: int = Field(default=0, ge=0)
    counts_error: float | None = None
    borrowed: tuple[str, ...] = ()
    seconds: float = Field(ge=0)


class PointLimits(Validated):
    """What passes: largest relative differences, of each point's field behind each mask and of the counts."""

    wave: float = Field(default=0.002, gt=0.0, le=1.0)
    lightpipes: float = Field(default=0.02, gt=0.0, le=1.0)


class PointVerdict(Validated):
    """Whether the frames are proved. failures: one line each."""

    passed: bool
    limits: PointLimits
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The verdict in one line."""
        if not self.passed:
            return "Failed: " + " ".join(self.failures)
        wave, other = (f"{100 * v:.3g} %" for v in (self.limits.wave, self.limits.lightpipes))
        return (
            f"Passed: every point source behind every mask gives the predicted field, to {wave} by the wave path and "
            f"to {other} by LightPipes."
        )


class PointProof(Validated):
    """A design's frames through both engines. shared: what they assume alike, in words."""

    wave: PointEngine
    lightpipes: PointEngine
    shared: tuple[str, ...] = ()

    def engines(self) -> dict[str, PointEngine]:
        """Both engines by what people call them."""
        return {"wave path": self.wave, "LightPipes": self.lightpipes}

    def judged(self, limits: PointLimits | None = None) -> PointVerdict:
        """The verdict by `limits`; the usual ones when absent."""
        limits = limits or PointLimits()
        failures: list[str] = []
        notes: list[str] = []
        for (name, engine), limit in zip(
            self.engines().items(), (limits.wave, limits.lightpipes), strict=True
        ):
            if not engine.worst_psf_error <= limit:
                found, most = told_apart(engine.worst_psf_error, limit)
                failures.append(
                    f"{name}: the field of a point behind mask {engine.worst_mask} differs by {found} from the "
                    f"predicted one, at most {most} may be."
                )
            if engine.counts_error is not None and not engine.counts_error <= limit:
                found, most = told_apart(engine.counts_error, limit)
                failures.append(
                    f"{name}: camera counts of the images differ by {found}, at most {most} may be."
                )
            if engine.masks < self.wave.masks:
                notes.append(f"{name} was given {engine.masks} of {self.wave.masks} masks, spread evenly.")
            if engine.borrowed:
                notes.append(
                    f"{name} borrows from this project's panel and does not check it: {', '.join(engine.borrowed)}."
                )
        if len(failures) > 1 and all(any(name in f for f in failures) for name in self.engines()):
            notes.append(
                "Both engines differ: frames or manifest are not those that the prediction was made with (another "
                "bench, order, orientation or response)."
            )
        return PointVerdict(passed=not failures, limits=limits, failures=tuple(failures), notes=tuple(notes))


def prove_points(
    directory: str | Path,
    *,
    lightpipes_frames: int = LIGHTPIPES_FRAMES,
    processes: int | None = None,
    progress: Progress | None = None,
) -> PointProof:
    """Prove a design's directory.

    Args:
        directory: what `distill.design` wrote.
        lightpipes_frames: SLM frames that LightPipes is given, spread evenly over those that there are; at most
            all. The wave path is given all.
        processes: images that LightPipes works on at once; absent: one per core.
        progress: called with (tiles done, tiles in all, which engine).

    Raises:
        OpticsError: the directory is not whole, or the bench has what an engine refuses to simulate.
    """
    if lightpipes_frames < 1:
        raise OpticsError(f"asked for {lightpipes_frames} frames through LightPipes; give 1 or more.")
    manifest, bench, files = read_design(directory)
    frames = len(files.levels)
    count = min(lightpipes_frames, frames)
    chosen = torch.arange(count) * frames // count
    tell = progress or (lambda done, total, note: None)
    total = 2 * len(manifest.places)
    with torch.no_grad():
        wave = _by_wave(manifest, bench, files, lambda n: tell(n, total, "wave path"))
        lightpipes = _by_lightpipes(
            manifest,
            bench,
            _some(manifest, files, chosen),
            processes,
            lambda n: tell(len(manifest.places) + n, total, "LightPipes"),
        )
        tiles = len(manifest.places)
        worst = lightpipes.worst_mask  # of those that LightPipes was given
        named = int(chosen[worst // tiles]) * tiles + worst % tiles
        lightpipes = lightpipes.replace(worst_mask=named)
    return PointProof(wave=wave, lightpipes=lightpipes, shared=shared_assumptions(bench))


def _some(manifest: DesignManifest, files: DesignFiles, frames: Tensor) -> DesignFiles:
    """The files as if a design had those frames only."""
    tiles = len(manifest.places)
    masks = (frames[:, None] * tiles + torch.arange(tiles)).flatten()
    counts = files.camera_counts[:, masks] if len(files.inputs) else files.camera_counts
    return replace(files, levels=files.levels[frames], fields=files.fields[:, masks], camera_counts=counts)


def point_images(points: tuple[tuple[int, int], ...], image_shape: tuple[int, int]) -> Tensor:
    """Amplitudes (P, H, W) with one lit pixel each."""
    images = torch.zeros(len(points), *image_shape)
    for image, (row, column) in zip(images, points, strict=True):
        image[row, column] = 1.0
    return images


def window(manifest: DesignManifest, place: Point) -> CameraWindow:
    """Where the image of a tile is looked at."""
    return CameraWindow(manifest.image_shape, margin=_MARGIN, offset=place)


# ---------------------------------------------------------------------- the two engines


def _by_wave(
    manifest: DesignManifest, bench: BenchSpec, files: DesignFiles, tell: Callable[[int], None]
) -> PointEngine:
    start, fields, photons = time.perf_counter(), [], []
    points = point_images(manifest.points, manifest.image_shape)
    for n, place in enumerate(manifest.places):
        view = window(manifest, place)
        fourf = FourF(bench, view)
        slm = SLM(bench.slm, region=(fourf.rows, fourf.cols))
        levels = files.levels[:, fourf.rows, fourf.cols]
        fields.append(fourf.wave(points, slm.of_levels(levels)))
        if len(files.inputs):
            seen = (
                abs2(fourf.wave(files.inputs, slm.of_levels(levels, ripple=ripple))) * weight
                for ripple, weight in slm.states
            )
            photons.append(Recorder(bench, view).photons(_total(seen)))
        tell(n + 1)
    return _judged(manifest, bench, files, fields, photons, start, ())


def _by_lightpipes(
    manifest: DesignManifest,
    bench: BenchSpec,
    files: DesignFiles,
    processes: int | None,
    tell: Callable[[int], None],
) -> PointEngine:
    start, fields, photons = time.perf_counter(), [], []
    points = point_images(manifest.points, manifest.image_shape)
    borrowed: tuple[str, ...] = ()
    for n, place in enumerate(manifest.places):
        # the grid follows the chief ray to the window, which the encoding's carrier names
        looking = bench.replace(**{"encoding.carrier": carrier_of(bench, place)})
        engine = _engine(looking, manifest.image_shape)
        region, states = (engine.rows, engine.cols), ripples(bench.slm)
        panels = []
        for ripple, weight in states:
            panel, borrowed = reflectance(files.levels, bench, region, ripple=ripple)
            panels.append((panel, weight))
        mean = np.sum([panel * weight for panel, weight in panels], axis=0).astype(np.complex64)
        view = window(manifest, place)
        axes = (view.axis(bench, 0), view.axis(bench, 1))
        fields.append(_at(engine.wave(points, mean, processes=processes), engine, axes))
        if len(files.inputs):
            seen = (
                abs2(engine.wave(files.inputs, panel, processes=processes)) * weight
                for panel, weight in panels
            )
            recorder = Recorder(bench, view, axes=(engine.y_axis, engine.x_axis))
            photons.append(recorder.photons(_total(seen)))
        tell(n + 1)
    return _judged(manifest, bench, files, fields, photons, start, borrowed)


def _engine(bench: BenchSpec, image_shape: tuple[int, int]) -> LightPipesBench:
    """LightPipes on a roomier grid than images need: behind one lit pixel most light may run to other orders."""
    wide = (image_shape[0] + _WIDER, image_shape[1] + _WIDER)
    return LightPipesBench(bench, image_shape, window_shape=wide, samples=roomy(bench, image_shape, wide))


def _total(parts: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def _at(fields: Tensor, engine: LightPipesBench, axes: tuple[Tensor, Tensor]) -> Tensor:
    """Fields (B, M, oy, ox) on LightPipes' samples, looked up at the coordinates `axes` of the predicted ones."""
    index = [
        ((wanted - given[0]) / (given[1] - given[0])).numpy()
        for wanted, given in zip(axes, (engine.y_axis, engine.x_axis), strict=True)
    ]
    where = np.meshgrid(*index, indexing="ij")
    looked_up: list[NDArray[np.complex64]] = [
        map_coordinates(plane, where, order=5, mode="nearest") for plane in fields.flatten(0, 1).numpy()
    ]
    return torch.from_numpy(np.stack(looked_up)).unflatten(0, fields.shape[:2])


def _judged(
    manifest: DesignManifest,
    bench: BenchSpec,
    files: DesignFiles,
    fields: list[Tensor],
    photons: list[Tensor],
    start: float,
    borrowed: tuple[str, ...],
) -> PointEngine:
    """Fields (P, F, oy, ox) by tile and photons (N, F, cy, cx) by tile, compared with the predicted ones."""
    found = torch.stack(fields, 2).flatten(1, 2).to(torch.complex128)
    expected = files.fields.to(torch.complex128)
    difference = abs2(found - expected).sum((-2, -1))
    size = abs2(expected).sum((-2, -1))
    each = (difference / size).sqrt()
    counts_error = None
    if photons:
        wrong, size2 = torch.zeros(()).double(), torch.zeros(()).double()
        for n, (place, seen) in enumerate(zip(manifest.places, photons, strict=True)):
            told = files.camera_counts[:, n :: len(manifest.places)]
            recorder = Recorder(bench, window(manifest, place))
            wrong = wrong + beyond_rounding(bench, recorder.region, seen, told).square().sum()
            size2 = size2 + (told - bench.camera.black).double().square().sum()
        counts_error = float((wrong / size2.clamp(min=1e-24)).sqrt())
    return PointEngine(
        psf_error=float((difference.sum() / size.sum()).sqrt()),
        worst_psf_error=float(each.max()),
        worst_mask=int(each.amax(0).argmax()),
        points=len(manifest.points),
        masks=found.shape[1],
        images=len(files.inputs),
        counts_error=counts_error,
        borrowed=borrowed,
        seconds=time.perf_counter() - start,
    )
