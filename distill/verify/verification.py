"""Does what was exported work? The directory alone is read, and its SLM frames go through two physics engines.

    levels out of the image files -> SLM reflectance -> every plane of the bench -> camera without noise -> features
    -> back end -> prediction

once along this project's wave path (`optics.fourf.system.FourF.wave`; the network on the bench was computed along the
other one, by point-spread functions), and once plane by plane in LightPipes, with a panel that is worked out
independently (`distill.verify.lightpipes`, `distill.verify.reference_panel`). Each is compared with the labels
(accuracy), with the predictions of the network on that bench without noise (agreement), and with the expected camera
counts, so that a difference in predictions can be traced.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distill.export.read import Exported, read_export
from distill.verify.lightpipes import LightPipesBench
from distill.verify.reference_panel import reflectance, ripples
from networks.onbench.collapsed import Collapsed
from networks.onbench.network import OnBench
from optics.checks import OpticsError
from optics.fourf.recorder import Recorder
from optics.spec import Validated

Progress = Callable[[int, int, str], None]
_BATCH = 16


class Engine(Validated):
    """What one physics engine made of the exported SLM frames.

    Attributes:
        accuracy: share of predictions equal to the label.
        agreement: share of predictions equal to those of the network on the same bench without noise.
        images: how many images.
        counts_error: relative L2 difference of the camera counts (above black level) from the expected ones.
        worst_counts_error: the largest such difference of a single image.
        seconds: wall-clock time.
        borrowed: what this engine took from the models that it is meant to check; empty for independence.
        unmodelled: what the bench has and this engine leaves out. Both refuse what they do not model, so nothing yet.
    """

    accuracy: float = Field(ge=0, le=1)
    agreement: float = Field(ge=0, le=1)
    images: int = Field(ge=1)
    counts_error: float = Field(ge=0)
    worst_counts_error: float = Field(ge=0)
    borrowed: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()
    seconds: float = Field(ge=0)


class Verification(Validated):
    """The exported files run through the wave path and through LightPipes; None for one that was given no images."""

    wave: Engine | None
    lightpipes: Engine | None

    @property
    def agreement(self) -> float:
        """The share of predictions that decides: the wave path's, LightPipes' where that was not asked; else 0."""
        decides = self.wave or self.lightpipes
        return 0.0 if decides is None else decides.agreement

    def agrees(self, least: float) -> bool:
        """Whether at least this share (0 to 1) of predictions are those of the trained network."""
        return self.agreement >= least

    def engines(self) -> dict[str, Engine | None]:
        """Both engines by what people call them."""
        return {"wave path": self.wave, "LightPipes": self.lightpipes}


def verify(
    directory: str | Path,
    *,
    wave_images: int = 200,
    lightpipes_images: int = 50,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Prove an exported directory.

    Args:
        directory: what `distill.export.write.export` wrote.
        wave_images: reference images through the wave path, spread evenly over those that there are; at most all.
        lightpipes_images: likewise through LightPipes.
        processes: images that LightPipes works on at once; absent: one per core.
        progress: called with (images done, images in all, which engine).

    Raises:
        OpticsError: the directory is not whole, or the bench has what an engine refuses to simulate.
    """
    if wave_images < 0 or lightpipes_images < 0:
        raise OpticsError(f"asked for {min(wave_images, lightpipes_images)} images; give 0 or more.")
    exported = read_export(directory)
    bench_network = _rebuilt(exported)
    wanted = [min(n, len(exported.inputs)) for n in (wave_images, lightpipes_images)]
    tell = progress or (lambda done, total, note: None)
    total = sum(wanted)
    wave = lightpipes = None
    with torch.no_grad():
        if wanted[0]:
            wave = _by_wave(exported, bench_network, wanted[0], lambda n: tell(n, total, "wave path"))
        if wanted[1]:
            lightpipes = _by_lightpipes(
                exported,
                bench_network,
                wanted[1],
                processes,
                lambda n: tell(wanted[0] + n, total, "LightPipes"),
            )
    return Verification(wave=wave, lightpipes=lightpipes)


def _rebuilt(exported: Exported) -> OnBench:
    manifest = exported.manifest
    return OnBench.from_levels(
        exported.levels,
        exported.scales,
        bench=exported.bench,
        image_shape=manifest.image_shape,
        readout=exported.readout,
        backend=exported.backend,
        believed_camera=exported.believed_camera,
    )


# ---------------------------------------------------------------------- the two engines


def _by_wave(exported: Exported, network: OnBench, count: int, tell: Callable[[int], None]) -> Engine:
    optics = network.optics
    if not isinstance(optics, Collapsed):
        raise OpticsError(
            f"bench {exported.bench.name!r}: the wave path is for coherent light of one wavelength."
        )
    fourf, states = optics.fourf, optics.states
    levels = exported.levels[:, fourf.rows, fourf.cols]
    shown = torch.cat([optics.slm.of_levels(levels, ripple=ripple) for ripple, _ in states])
    weights = [weight for _, weight in states]

    def expose(x: Tensor, done: int) -> Tensor:
        fields = fourf.wave(x[:, 0], shown)
        counts = network.record(_photons(network, network.recorders[0], fields, weights))
        tell(done + len(x))
        return counts

    return _judged(exported, network, count, expose)


def _by_lightpipes(
    exported: Exported, network: OnBench, count: int, processes: int | None, tell: Callable[[int], None]
) -> Engine:
    engine = LightPipesBench(exported.bench, exported.manifest.image_shape)
    region, states = (engine.rows, engine.cols), ripples(exported.bench.slm)
    panels = [reflectance(exported.levels, exported.bench, region, ripple=e) for e, _ in states]
    shown, borrowed = np.concatenate([panel for panel, _ in panels]), panels[0][1]
    weights = [weight for _, weight in states]
    recorder = Recorder(exported.bench, exported.manifest.image_shape, axes=(engine.y_axis, engine.x_axis))

    def expose(x: Tensor, done: int) -> Tensor:
        field = engine.wave(x[:, 0], shown, processes=processes, progress=lambda n, of: tell(done + n))
        return network.record(_photons(network, recorder, field, weights))

    return _judged(exported, network, count, expose, borrowed=borrowed)


def _photons(network: OnBench, recorder: Recorder, fields: Tensor, weights: list[float]) -> Tensor:
    """Photons per camera pixel (B, exposures, cy, cx): every exposure of the read-out, averaged over the ripple.

    fields: (B, states * masks, oy, ox), with one weight per state of the panel.
    """
    parts = zip(fields.chunk(len(weights), 1), weights, strict=True)
    return torch.stack([_of_state(network, recorder, field) * weight for field, weight in parts]).sum(0)


def _of_state(network: OnBench, recorder: Recorder, field: Tensor) -> Tensor:
    """`_photons` of the fields (B, masks, oy, ox) of one state."""
    return recorder.photons(network.readout.exposures(field, network.reference_beam()))


def _judged(
    exported: Exported,
    network: OnBench,
    count: int,
    expose: Callable[[Tensor, int], Tensor],
    *,
    borrowed: tuple[str, ...] = (),
) -> Engine:
    """Camera counts of `count` images, spread evenly over the references, through the electronics; compared."""
    start = time.perf_counter()
    chosen = torch.arange(count) * len(exported.inputs) // count
    parts, done = [], 0
    for x in exported.inputs[chosen].split(_BATCH):
        parts.append(expose(x, done))
        done += len(x)
    counts, expected = torch.cat(parts), exported.camera_counts[chosen]
    if counts.shape != expected.shape:
        raise OpticsError(
            f"reference.h5: key camera_counts has exposures of {tuple(expected.shape[1:])}, this bench gives "
            f"{tuple(counts.shape[1:])} (exposures, y, x)."
        )
    predicted = network.backend(network.features_of(counts)).argmax(1)
    black = exported.bench.camera.black
    difference = (counts - expected).double().flatten(1).norm(dim=1)
    size = (expected - black).double().flatten(1).norm(dim=1).clamp(min=1e-12)
    return Engine(
        accuracy=float((predicted == exported.labels[chosen]).double().mean()),
        agreement=float((predicted == exported.predictions[chosen]).double().mean()),
        images=count,
        counts_error=float(difference.norm() / size.norm()),
        worst_counts_error=float((difference / size).max()),
        seconds=time.perf_counter() - start,
        borrowed=borrowed,
    )
