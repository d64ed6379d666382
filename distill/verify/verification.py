"""Does what was exported work? The directory alone is read, and its SLM frames go through two physics engines.

    levels out of the image files -> SLM reflectance -> every plane of the bench -> camera without noise -> features
    -> back end -> prediction

once along this project's wave path (`optics.fourf.system.FourF.wave`; the network on the bench was computed along the
other one, by point-spread functions), and once plane by plane in LightPipes, with a panel that is worked out
by other means (`distill.verify.lightpipes`, `distill.verify.reference_panel`). Each is compared with the labels
(accuracy), with the predictions of the network on that bench without noise (agreement), and with the expected camera
counts. `distill.verify.verdict` judges both engines on both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.export.manifest import SCHEMA_VERSION
from distill.export.read import Exported, read_export
from distill.verify.lightpipes import LightPipesBench
from distill.verify.reference_panel import reflectance, ripples, shared_assumptions
from distill.verify.verdict import Engine, Verification
from networks.onbench.collapsed import Collapsed
from networks.onbench.network import OnBench
from optics.bench.spec import BenchSpec
from optics.camera.camera import Camera, Region
from optics.checks import OpticsError
from optics.fourf.recorder import Recorder

Progress = Callable[[int, int, str], None]
_BATCH = 16


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
    bench_network = rebuilt(exported)
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
    return Verification(wave=wave, lightpipes=lightpipes, shared=shared_assumptions(exported.bench))


def rebuilt(exported: Exported) -> OnBench:
    """The network on its bench, from an export alone."""
    manifest = exported.manifest
    return OnBench.from_levels(
        exported.levels,
        exported.scales,
        bench=exported.bench,
        image_shape=manifest.image_shape,
        readout=exported.readout,
        backend=exported.backend,
        assumed_camera=exported.assumed_camera,
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
        photons = _photons(network, network.recorders[0], fields, weights)
        tell(done + len(x))
        return photons

    return _judged("wave path", exported, network, count, expose)


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
        return _photons(network, recorder, field, weights)

    return _judged("LightPipes", exported, network, count, expose, borrowed=borrowed)


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
    name: str,
    exported: Exported,
    network: OnBench,
    count: int,
    expose: Callable[[Tensor, int], Tensor],
    *,
    borrowed: tuple[str, ...] = (),
) -> Engine:
    """Photons of `count` images, spread evenly over the references, through camera and electronics; compared."""
    start = time.perf_counter()
    chosen = torch.arange(count) * len(exported.inputs) // count
    parts, done = [], 0
    for x in exported.inputs[chosen].split(_BATCH):
        parts.append(expose(x, done))
        done += len(x)
    photons, expected = torch.cat(parts), exported.camera_counts[chosen]
    if photons.shape != expected.shape:
        written = exported.manifest
        if written.schema_version < SCHEMA_VERSION:
            raise OpticsError(
                "reference.h5: key camera_counts was written by another version of the package "
                f"({written.package_version}), whose camera pixels stood elsewhere; export again to have a proof."
            )
        raise OpticsError(
            f"reference.h5: key camera_counts has exposures of {tuple(expected.shape[1:])}, this bench gives "
            f"{tuple(photons.shape[1:])} (exposures, y, x)."
        )
    logits = network.backend(network.features_of(network.record(photons)))
    if not bool(logits.isfinite().all()):
        wrong = int((~logits.isfinite().all(1)).nonzero()[0, 0])
        raise OpticsError(f"{name}: the network answers image {int(chosen[wrong])} with no finite number.")
    predicted = logits.argmax(1)
    camera = exported.bench.camera
    difference = beyond_rounding(exported.bench, network.recorders[0].region, photons, expected)
    signal = (expected - camera.black).double().flatten(1)
    size = signal.norm(dim=1).clamp(min=1e-12)
    rounding = 0.0 if camera.adc.bits is None else math.sqrt(signal.numel() / 12) / float(size.norm())
    return Engine(
        accuracy=float((predicted == exported.labels[chosen]).double().mean()),
        agreement=float((predicted == exported.predictions[chosen]).double().mean()),
        images=count,
        counts_error=float(difference.norm() / size.norm()),
        worst_counts_error=float((difference / size).max()),
        rounding=rounding,
        signal=float(signal.mean()),
        seconds=time.perf_counter() - start,
        borrowed=borrowed,
    )


def beyond_rounding(bench: BenchSpec, region: Region, photons: Tensor, expected: Tensor) -> Tensor:
    """Norms (N,) of the differences of camera counts (N, F, cy, cx), float64.

    An expected count stands for all that the converter rounds to it: half a count to either side is no difference. So
    a dim frame is judged by its light and not by which way its pixels were rounded.
    """
    spec = bench.camera
    analogue = spec.replace(**{"adc.bits": None, "adc.gain": spec.gain})
    counts = Camera(analogue, region=region).expose(photons.clamp(min=0)).clamp(0.0, spec.ceiling)
    difference = (counts - expected).abs().double()
    if spec.adc.bits is not None:
        difference = (difference - 0.5).clamp(min=0)
    return difference.flatten(1).norm(dim=1)
