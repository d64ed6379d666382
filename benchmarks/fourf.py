"""Speed of the 4f system as ratios to bare torch: `fft2 -> multiply -> ifft2 -> abs()**2` in complex64, in
one run.

ideal: `Periodic4F`, real images in, masks trained, against the bare form with the same images as complex64.
realistic: `PeriodicBench` with every flaw switched on. Its *forward* has the masks on the SLM already (they do
not change from image to image) and draws shot and read noise as training does; its *train* step includes the
SLM's whole device model, forwards and backwards; `train_mask_alone` is that model alone. `psf_over_wave`: how
many times faster FourF's PSF path is than its wave path, for 256 images of 32 x 32 and the whole panel of a
PLUTO-2; `psf_error`: relative difference of their intensities. `padded_over_psf`: that path against `Periodic4F` on
images zero-padded to the SLM's pixels, as a periodic grid needs them on the same bench. `cascade_over_collapsed`: a
training step of a cascade with circular boundaries against the same by `periodic_intensity` of its collapsed masks.
One thread, CPU time, medians over rounds in which all jobs take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import torch
from rich.table import Table
from torch import Tensor

from benchmarks.agreement import agreement
from benchmarks.clock import Job, in_turns, ratio
from benchmarks.fourf_peers import PEERS
from networks import Cascade
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.conventions import abs2
from optics.fourf.periodic import Periodic4F, periodic_intensity
from optics.fourf.periodic_bench import PeriodicBench
from optics.fourf.system import FourF

SCENES = {"512": (1, 1, 512), "1024": (1, 1, 1024), "batch": (32, 8, 128)}
GOALS = {
    **{f"ideal_{scene}_forward": 0.85 for scene in SCENES},
    **{f"ideal_{scene}_train": 0.65 for scene in SCENES},
    "realistic_512_forward": 3.0,
    "realistic_512_train": 3.0,
    "psf_over_wave": 50.0,
    "psf_error": 1e-3,
}


def bare(images: Tensor, masks: Tensor) -> Tensor:
    """Images (B, n, n) complex64, masks (M, n, n) complex64, origin in the corner.

    The form everyone writes first.
    """
    return torch.fft.ifft2(torch.fft.fft2(images)[:, None] * masks).abs() ** 2


def _step(run: Callable[[Tensor], Tensor], parameter: Tensor, weight: Tensor) -> Callable[[], None]:
    def step() -> None:
        parameter.grad = None
        run(parameter).backward(weight)

    return step


def _drawn(scene: str) -> tuple[Tensor, Tensor, Tensor]:
    b, m, n = SCENES[scene]
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(b, n, n, generator=generator)
    masks = torch.polar(torch.ones(m, n, n), 6.28 * torch.rand(m, n, n, generator=generator))
    return images, masks, torch.rand(b, m, n, n, generator=generator)


def every_flaw(n: int) -> BenchSpec:
    """The demo's bench on a periodic grid of n samples, with every flaw that its specs know."""
    bench = load_bench("pluto2-200mm")
    pitch = bench.scale / (n * bench.slm.pitch)
    changes = {
        "stop": None,
        "input.pitch": pitch,
        "input.fill_factor": 0.9,
        "lens1.transmission": 0.98,
        "lens1.decentre": (2e-5, -3e-5),
        "slm.shape": (n, n),
        "slm.reflectivity": 0.8,
        "slm.curvature": {5: 0.3, 6: 0.2},
        "slm.stuck": 1e-3,
        "slm.dead": 1e-4,
        "slm.response.gamma": 1.1,
        "slm.response.range": 6.0,
        "camera.binning": 1,
        "camera.pitch": pitch,
        "camera.shape": (n, n),
        "camera.uniformity.hot_pixels": 1e-4,
        "alignment.input_axial": 1e-4,
        "alignment.mask_axial": 1e-4,
        "alignment.camera_axial": -1e-4,
        "alignment.camera_shift": (3e-6, -5e-6),
    }
    return bench.replace(**changes)


def _ideal(scene: str, rounds: int) -> dict[str, list[float]]:
    images, masks, weight = _drawn(scene)
    as_complex, trained = images.to(torch.complex64), masks.clone().requires_grad_()
    system = Periodic4F()
    return in_turns(
        {
            "bare_forward": Job(lambda: bare(as_complex, masks)),
            "forward": Job(lambda: system(images, masks)),
            "bare_train": Job(_step(lambda m: bare(as_complex, m), trained, weight)),
            "train": Job(_step(lambda m: system(images, m), trained, weight)),
        },
        rounds=rounds,
    )


def _realistic(scene: str, rounds: int) -> dict[str, list[float]]:
    images, masks, weight = _drawn(scene)
    n = SCENES[scene][2]
    as_complex, trained = images.to(torch.complex64), masks.clone().requires_grad_()
    phase = masks.angle()
    trained_phase = phase.clone().requires_grad_()
    system = PeriodicBench(every_flaw(n), (n, n))
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        shown = system.mask(phase)

    def forward(*, poisson: bool) -> None:
        with torch.no_grad():
            system.expose(system.intensity(images, shown), generator=noise, differentiable=not poisson)

    return in_turns(
        {
            "bare_forward": Job(lambda: bare(as_complex, masks)),
            "forward": Job(lambda: forward(poisson=False)),
            "forward_poisson": Job(lambda: forward(poisson=True)),
            "bare_train": Job(_step(lambda m: bare(as_complex, m), trained, weight)),
            "train": Job(
                _step(
                    lambda p: system(images, p, generator=noise, differentiable=True), trained_phase, weight
                )
            ),
            "train_mask_alone": Job(
                _step(lambda p: abs2(system.mask(p, generator=noise)), trained_phase, weight[0])
            ),
        },
        rounds=rounds,
    )


def _paths(rounds: int, bench: BenchSpec, *, images: int, by_wave: int) -> tuple[float, float]:
    """How many times faster the PSF path is, per image, and how far its intensity is from the wave path's."""
    system = FourF(bench, (32, 32))
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand(images, 32, 32, generator=generator)
    shape = system.pupil.shape
    shown = torch.polar(torch.ones(1, *shape), 6.28 * torch.rand(1, *shape, generator=generator))
    with torch.no_grad():
        times = in_turns(
            {
                "psf": Job(lambda: system.intensity(batch, system.psf(shown)), images),
                "wave": Job(lambda: abs2(system.wave(batch[:by_wave], shown)), by_wave),
            },
            rounds=rounds,
        )
        fast = system.intensity(batch[:by_wave], system.psf(shown))
        slow = abs2(system.wave(batch[:by_wave], shown))
    return ratio(times, "wave", "psf"), float((fast - slow).norm() / slow.norm())


def _padded(rounds: int, bench: BenchSpec, *, images: int) -> float:
    """How many times faster 4 masks by the PSF path are than on images of 28 x 28 padded to the SLM's pixels."""
    system, periodic = FourF(bench, (28, 28)), Periodic4F()
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand(images, 28, 28, generator=generator)
    shape = system.pupil.shape
    shown = torch.polar(torch.ones(4, *shape), 6.28 * torch.rand(4, *shape, generator=generator))
    n = round(bench.scale / (bench.input.pitch * bench.slm.pitch))
    cut = [(side - n) // 2 for side in shape]
    masks = shown[:, cut[0] : cut[0] + n, cut[1] : cut[1] + n].contiguous()
    wide = torch.zeros(images, n, n)
    wide[:, :28, :28] = batch
    with torch.no_grad():
        kernels = system.psf(shown)  # once per mask; the images are many
        times = in_turns(
            {
                "psf": Job(lambda: system.intensity(batch, kernels)),
                "padded": Job(lambda: periodic(wide, masks)),
            },
            rounds=rounds,
        )
    return ratio(times, "padded", "psf")


def _cascades(rounds: int, *, images: int) -> float:
    """How many times faster a circular cascade's training step is by its collapsed masks; the light alone."""
    generator = torch.Generator().manual_seed(0)
    cascade = Cascade((1, 16, 32, 16), boundary="circular", generator=generator)
    batch = torch.rand(images, 1, 28, 28, generator=generator)
    weight = torch.rand(images, 16, 28, 28, generator=generator)

    def step(intensity: Callable[[], Tensor]) -> None:
        cascade.zero_grad(set_to_none=True)
        intensity().backward(weight)

    def collapsed() -> Tensor:
        return periodic_intensity(batch[:, 0], cascade.collapse((28, 28))[:, 0])

    with torch.no_grad():
        gap = abs2(cascade(batch)) - collapsed()
        assert gap.norm() < 1e-5 * collapsed().norm(), "the two forms differ"
    jobs = {"cascade": lambda: abs2(cascade(batch)), "collapsed": collapsed}
    times = in_turns({name: Job(partial(step, run)) for name, run in jobs.items()}, rounds=rounds)
    return ratio(times, "cascade", "collapsed")


def measure(*, peers: bool = False, quick: bool = False) -> dict:
    """Ratios, goals and milliseconds; with `peers`, other packages on the 512 x 512 scene."""
    ratios, milliseconds = {}, {}
    for scene in SCENES:
        rounds = 2 if quick else {"512": 31, "1024": 11, "batch": 9}[scene]
        times = _ideal(scene, rounds)
        for kind in ("forward", "train"):
            ratios[f"ideal_{scene}_{kind}"] = ratio(times, kind, f"bare_{kind}")
        milliseconds[f"ideal_{scene}"] = _medians(times)
    for scene in ("512", "batch"):
        times = _realistic(scene, 1 if quick else {"512": 9, "batch": 5}[scene])
        milliseconds[f"realistic_{scene}"] = _medians(times)
        for kind in ("forward", "forward_poisson", "train", "train_mask_alone"):
            against = "bare_train" if kind.startswith("train") else "bare_forward"
            ratios[f"realistic_{scene}_{kind}"] = ratio(times, kind, against)
    bench = load_bench("pluto2-200mm")
    rounds, images = (1, 32) if quick else (3, 256)
    ratios["psf_over_wave"], ratios["psf_error"] = _paths(
        rounds, bench.replace(stop=None), images=images, by_wave=4
    )
    ratios["psf_over_wave_stopped"], ratios["psf_error_stopped"] = _paths(
        rounds, bench, images=images, by_wave=16
    )
    few = 8 if quick else 64
    ratios["padded_over_psf"] = _padded(rounds, bench, images=few)
    ratios["cascade_over_collapsed"] = _cascades(1 if quick else 7, images=few)
    result: dict = {"ratios": ratios, "goals": GOALS, "milliseconds": milliseconds}
    if peers:
        result["peers"], result["not_measured"] = _peers(1 if quick else 5)
        result["agreement"] = {name: agreement(name) for name in result["peers"]}
    return result


def _medians(times: dict[str, list[float]]) -> dict[str, float]:
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def _peers(rounds: int) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Forward and forward + backward of other packages over the bare form, each interleaved with it."""
    images, masks, weight = _drawn("512")
    as_complex, trained = images.to(torch.complex64), masks.clone().requires_grad_()
    found, missing = {}, {}
    for name, build in PEERS.items():
        try:
            jobs = build(images[0], masks[0].angle())
        except ImportError as error:
            missing[name] = f"not installed ({error.name or error})"
            continue
        times = in_turns(
            {
                "bare_forward": Job(lambda: bare(as_complex, masks)),
                "bare_train": Job(_step(lambda m: bare(as_complex, m), trained, weight)),
                **{label: Job(run) for label, run in jobs.items()},
            },
            rounds=rounds,
        )
        found[name] = {
            label: ratio(times, label, "bare_train" if label.startswith("train") else "bare_forward")
            for label in jobs
        }
    return found, missing


def tables(result: dict) -> list[Table]:
    """The ratios beside their goals, and the peers'."""
    table = Table(title="4f system, CPU time over bare torch (..._over_...: times faster)")
    for column in ("", "ratio", "goal"):
        table.add_column(column, justify="left" if not column else "right")
    for name, value in result["ratios"].items():
        goal = result["goals"].get(name)
        sign = ">=" if name == "psf_over_wave" else "<="
        table.add_row(name, f"{value:.3g}", "" if goal is None else f"{sign} {goal:g}")
    out = [table]
    if "peers" in result:
        table = Table(title="Other packages, the 512 x 512 scene, over the same bare form")
        for column in ("package", "path", "ratio", "apart from ours"):
            table.add_column(column, justify="right" if column in ("ratio", "apart from ours") else "left")
        for name, rows in result["peers"].items():
            for label, value in rows.items():
                apart = result["agreement"][name].get(label)
                table.add_row(name, label, f"{value:.3g}", "" if apart is None else f"{apart:.1e}")
        for name, reason in result["not_measured"].items():
            table.add_row(name, reason, "-", "-")
        out.append(table)
    return out
