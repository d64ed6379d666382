"""Does what was exported work? The directory alone is read, and its SLM frames go through two physics engines.

    levels out of the image files -> SLM reflectance -> every plane of the bench -> camera without noise -> features
    -> back end -> answers

once along this project's wave path (`optics.fourf.system.FourF.wave`; the network on the bench was computed along the
other one, by point-spread functions), and once plane by plane in LightPipes, with a panel that is worked out
by other means (`distill.verify.simulators`). Whatever way the network is on its bench, `distill.verify.scenes` puts it
together again. Each engine is compared with the labels (accuracy), with the answers of the network on that bench
without noise (agreement), and with the expected camera counts. `distill.verify.verdict` judges both engines on both.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from distill.environment import processors
from distill.export.answers import accuracy, agreement, of_counts
from distill.export.manifest import SCHEMA_VERSION
from distill.export.read import Exported, read_export
from distill.verify.older import as_written, camera_of
from distill.verify.reference_panel import shared_assumptions
from distill.verify.scenes import Scene, scene
from distill.verify.simulators import LightPipesPath, Simulator, WavePath
from distill.verify.verdict import Engine, Verification
from networks.onbench.network import OnBench
from optics.bench.spec import BenchSpec
from optics.camera.camera import Camera, Region
from optics.checks import OpticsError

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
    network = as_written(exported)
    wanted = [min(n, len(exported.inputs)) for n in (wave_images, lightpipes_images)]
    tell = progress or (lambda done, total, note: None)
    engines: tuple[tuple[Simulator, int], ...] = (
        (WavePath(), _BATCH),
        (LightPipesPath(processes), 2 * (processes or processors())),
    )
    found: list[Engine | None] = []
    with torch.no_grad():
        for k, (simulator, batch) in enumerate(engines):
            if not wanted[k]:
                found.append(None)
                continue

            def told(n: int, before: int = sum(wanted[:k]), name: str = simulator.name) -> None:
                tell(before + n, sum(wanted), name)

            found.append(_judged(simulator, exported, network, wanted[k], batch, told))
    return Verification(wave=found[0], lightpipes=found[1], shared=shared_assumptions(exported.bench))


def _judged(
    simulator: Simulator,
    exported: Exported,
    network: OnBench,
    count: int,
    batch: int,
    tell: Callable[[int], None],
) -> Engine:
    """Photons of `count` images, spread evenly over the references, through camera and electronics; compared."""
    start, manifest = time.perf_counter(), exported.manifest
    chosen = torch.arange(count) * len(exported.inputs) // count
    made = scene(simulator, network, exported.levels, camera_of(exported))
    photons, expected = _photons(made, exported.inputs[chosen], batch, tell), exported.camera_counts[chosen]
    if photons.shape != expected.shape:
        raise OpticsError(
            f"reference.h5: key camera_counts has readings of {tuple(expected.shape[1:])}, this bench gives "
            f"{tuple(photons.shape[1:])} (readings, y, x){_of_another_version(exported)}."
        )
    kind = manifest.kind
    found = of_counts(network, network.record(photons), kind)
    for values in found.values():
        if values.is_floating_point() and not bool(values.isfinite().all()):
            wrong = int((~values.isfinite().flatten(1).all(1)).nonzero()[0, 0])
            raise OpticsError(
                f"{simulator.name}: the network answers image {int(chosen[wrong])} with no finite number."
            )
    camera = exported.bench.camera
    difference = beyond_rounding(exported.bench, made.recorders[0].region, photons, expected)
    signal = (expected - camera.black).double().flatten(1)
    size = signal.norm(dim=1).clamp(min=1e-12)
    rounding = 0.0 if camera.adc.bits is None else math.sqrt(signal.numel() / 12) / float(size.norm())
    answered = kind != "counts"
    return Engine(
        answers=kind,
        accuracy=accuracy(kind, found, exported.answers, exported.labels, chosen) if answered else None,
        agreement=agreement(kind, found, exported.answers, chosen) if answered else None,
        images=count,
        counts_error=float(difference.norm() / size.norm()),
        worst_counts_error=float((difference / size).max()),
        rounding=rounding,
        signal=float(signal.mean()),
        seconds=time.perf_counter() - start,
        borrowed=made.borrowed,
        written_by=None if manifest.schema_version == SCHEMA_VERSION else manifest.package_version,
    )


def _photons(made: Scene, images: Tensor, batch: int, tell: Callable[[int], None]) -> Tensor:
    parts, done = [], 0
    for x in images.split(batch):
        parts.append(made.photons(x))
        done += len(x)
        tell(done)
    return torch.cat(parts)


def _of_another_version(exported: Exported) -> str:
    manifest = exported.manifest
    if manifest.schema_version == SCHEMA_VERSION:
        return ""
    return f"; it was written by another version of the package ({manifest.package_version}), export again"


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
