"""Speed and memory of the cascade against the paper's formulation, per image, one thread, CPU time, in turns."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn

from benchmarks import paper_cascade
from benchmarks.clock import Job, added_memory, in_turns, ratio
from networks.cascade.cascade import Cascade
from networks.cascade.normalised import NormalisedMaps
from networks.cascade.separable import bin_area
from optics.checks import present

DIGITS = (1, 32, 128, 256)
PHOTOGRAPHS = (3, 32, 64, 128, 256, 256)
POOLS = (113, 55, 27, 13, None)
GOALS = {
    "train_28": 300,
    "train_28_cropping": None,
    "train_28_binned": 700,
    "train_224": 100,
    "train_224_batch_32": None,
    "train_224_periodic": 150,
    "train_224_periodic_batch_32": None,
    "infer_28": 1000,
    "infer_28_maps": None,
    "infer_224": 1000,
}
_WHAT = {
    "train_28": "training step 28², batch 64, all maps; equal to the reference to 1e-5",
    "train_28_cropping": "the same, against the reference that crops every layer (borders differ)",
    "train_28_binned": "training step 28², batch 64, maps normalised and binned to 6x6, logits",
    "train_224": "training step 224², batch 2, same-size model; equal to the reference to 1e-5",
    "train_224_batch_32": "the same at batch 32",
    "train_224_periodic": "training step 224², batch 2, periodic 4f model (one mask)",
    "train_224_periodic_batch_32": "the same at batch 32",
    "infer_28": "inference 28², batch 64, frozen, linear read-out binned to 6x6",
    "infer_28_maps": "inference 28², batch 64, frozen, all maps",
    "infer_224": "inference 224², batch 32, frozen mask, periodic 4f model",
}


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _cascade(channels: Sequence[int], **options: Any) -> Cascade:
    return Cascade(channels, 3, parameterisation="real", generator=_generator(), **options)


def _kernels(cascade: Cascade) -> list[Tensor]:
    return [layer.weight for layer in cascade._all_layers()]


def _step(maps: Callable[[], Tensor], parameters: Sequence[Tensor]) -> Callable[[], None]:
    """One training step under a given gradient at the maps: forward, backward, update."""
    with torch.no_grad():
        # laid out as a loss would give it
        gradient = torch.empty_like(maps()).normal_(generator=_generator(1))

    def step() -> None:
        maps().backward(gradient)
        _descend(parameters)

    return step


def _descend(parameters: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(present(parameter.grad, "a gradient"), alpha=-1e-9)
            parameter.grad = None


def _classify(
    features: Callable[[], Tensor], head: nn.Module, parameters: Sequence[Tensor], count: int
) -> Callable[[], None]:
    labels = torch.randint(10, (count,), generator=_generator(2))

    def step() -> None:
        nn.functional.cross_entropy(head(features().flatten(1)), labels).backward()
        _descend([*parameters, *head.parameters()])

    return step


def _frozen(maps: Callable[[], Tensor]) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            maps()

    return run


def _error(ours: Tensor, theirs: Tensor) -> float:
    return float(((ours - theirs).abs().max() / theirs.abs().max()).detach())


def _digits(rounds: int, batch: int) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    cascade = _cascade(DIGITS)
    kernels = _kernels(cascade)
    few, many = (torch.rand(n, 1, 28, 28, generator=_generator(3)) for n in (batch, 64))
    theirs = functools.partial(paper_cascade.digits, few, kernels, crop=False)
    cropping = functools.partial(paper_cascade.digits, few, kernels, crop=True)
    ours = functools.partial(cascade.maps, many)
    errors = {"28": _error(cascade.maps(few), theirs())}
    norm, their_norm = NormalisedMaps(DIGITS[-1]), nn.BatchNorm2d(DIGITS[-1])
    head = nn.Linear(DIGITS[-1] * 36, 10)

    def their_bins() -> Tensor:
        return bin_area(their_norm(theirs()), (6, 6))

    errors["28_binned"] = _error(norm(cascade, few), their_bins())
    their_parts = [*kernels, *their_norm.parameters()]
    our_parts = [*kernels, *norm.parameters()]
    jobs = {
        "reference": Job(_step(theirs, kernels), batch),
        "reference_cropping": Job(_step(cropping, kernels), batch),
        "reference_binned": Job(_classify(their_bins, head, their_parts, batch), batch),
        "reference_infer": Job(_frozen(theirs), batch),
        "ours": Job(_step(ours, kernels), 64, 3),
        "ours_binned": Job(_classify(lambda: norm(cascade, many), head, our_parts, 64), 64, 5),
        "ours_infer": Job(_frozen(lambda: cascade.binned(many, (6, 6))), 64, 20),
        "ours_infer_maps": Job(_frozen(ours), 64, 5),
    }
    times = in_turns(jobs, rounds=rounds)
    ratios = {
        "train_28": ratio(times, "reference", "ours"),
        "train_28_cropping": ratio(times, "reference_cropping", "ours"),
        "train_28_binned": ratio(times, "reference_binned", "ours_binned"),
        "infer_28": ratio(times, "reference_infer", "ours_infer"),
        "infer_28_maps": ratio(times, "reference_infer", "ours_infer_maps"),
    }
    return ratios, {f"28_{k}": min(v) for k, v in times.items()}, errors


def _photographs(rounds: int, quick: bool) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    options: dict[str, Any] = {"image_shape": (224, 224), "pool": POOLS}
    cropping, periodic = (
        _cascade(PHOTOGRAPHS, **options),
        _cascade(PHOTOGRAPHS, **options, boundary="circular"),
    )
    few, many = (torch.rand(n, 3, 224, 224, generator=_generator(3)) for n in (2, 4 if quick else 32))
    theirs = functools.partial(paper_cascade.photographs, few, _kernels(cropping), POOLS)
    errors = {
        "224": _error(cropping.maps(few), theirs()),
        "224_periodic": _error(periodic.maps(few), periodic.layer_by_layer(few).real),
    }
    jobs = {
        "reference": Job(_step(theirs, _kernels(cropping)), 2),
        "reference_infer": Job(_frozen(theirs), 2),
        "ours": Job(_step(lambda: cropping.maps(few), _kernels(cropping)), 2, 4),
        "ours_periodic": Job(_step(lambda: periodic.maps(few), _kernels(periodic)), 2, 4),
        "ours_many": Job(_step(lambda: cropping.maps(many), _kernels(cropping)), len(many)),
        "ours_periodic_many": Job(_step(lambda: periodic.maps(many), _kernels(periodic)), len(many), 4),
        "ours_infer": Job(_frozen(lambda: periodic.maps(many)), len(many), 4),
    }
    times = in_turns(jobs, rounds=rounds)
    ratios = {
        "train_224": ratio(times, "reference", "ours"),
        "train_224_batch_32": ratio(times, "reference", "ours_many"),
        "train_224_periodic": ratio(times, "reference", "ours_periodic"),
        "train_224_periodic_batch_32": ratio(times, "reference", "ours_periodic_many"),
        "infer_224": ratio(times, "reference_infer", "ours_infer"),
    }
    return ratios, {f"224_{k}": min(v) for k, v in times.items()}, errors


def _small_bins(rounds: int, quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """The bins of a linear read-out at 32² in colour, 2 x 2 pixels each: their maps formed and averaged, over ours."""
    cascade = Cascade((3, 24, 48, 12), 3, generator=_generator())
    x = torch.rand(4 if quick else 64, 3, 32, 32, generator=_generator(4))
    bins = (16, 16)

    def by_maps() -> Tensor:
        return torch.view_as_real(bin_area(cascade.maps(x), bins))

    def ours() -> Tensor:
        return torch.view_as_real(cascade.binned(x, bins))

    jobs = {
        "maps": Job(_frozen(by_maps), len(x)),
        "ours": Job(_frozen(ours), len(x), 4),
        "maps_step": Job(_step(by_maps, _kernels(cascade)), len(x)),
        "ours_step": Job(_step(ours, _kernels(cascade)), len(x), 4),
    }
    times = in_turns(jobs, rounds=rounds)
    ratios = {
        "binned_32": ratio(times, "maps", "ours"),
        "binned_32_step": ratio(times, "maps_step", "ours_step"),
    }
    return ratios, {f"binned_32_{k}": min(v) for k, v in times.items()}


def _growth(rounds: int) -> float:
    """How our step grows from 28² to 896² at fixed channels, over how a bare transform of the same images does."""
    cascade = _cascade((1, 8, 16, 8))
    jobs: dict[str, Job] = {}
    for side, count, repeat in ((28, 64, 10), (896, 1, 1)):
        x = torch.rand(count, 1, side, side, generator=_generator(4))
        jobs[f"ours_{side}"] = Job(
            _step(functools.partial(cascade.maps, x), _kernels(cascade)), count, repeat
        )
        jobs[f"fft_{side}"] = Job(functools.partial(torch.fft.fft2, x.to(torch.complex64)), count, 4 * repeat)
    times = in_turns(jobs, rounds=rounds)
    return ratio(times, "ours_896", "ours_28") / ratio(times, "fft_896", "fft_28")


def _bench_step(rounds: int, quick: bool) -> tuple[float, dict[str, float]]:
    """A training step on the shipped realistic bench over one on the same bench without flaws, batch 256, 32²."""
    from networks.students.student import Student
    from optics.bench.files import load_bench

    bench = load_bench("pluto2-200mm")
    count = 16 if quick else 256
    x = torch.rand(count, 1, 32, 32, generator=_generator(5))
    labels = torch.randint(10, (count,), generator=_generator(6))
    jobs: dict[str, Job] = {}
    for name, spec in (("ideal", bench.ideal()), ("realistic", bench)):
        student = Student.build((1, 8, 16, 16), image_shape=(32, 32), generator=_generator())
        network = student.on(spec).train()
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-9)
        draw = _generator(7)

        def step(network: nn.Module = network, optimiser: Any = optimiser, draw: Any = draw) -> None:
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x, generator=draw), labels).backward()
            optimiser.step()

        jobs[name] = Job(step, count)
    times = in_turns(jobs, rounds=rounds)
    return ratio(times, "realistic", "ideal"), {f"bench_{k}": min(v) for k, v in times.items()}


def memory_job(job: str, images: int) -> None:
    """Three training steps at 28²; `job` is "ours", "wide" (four times the hidden channels) or "reference"."""
    cascade = _cascade((1, 128, 512, 256) if job == "wide" else DIGITS)
    x = torch.rand(images, 1, 28, 28, generator=_generator(3))
    maps = functools.partial(cascade.maps, x)
    if job == "reference":
        maps = functools.partial(paper_cascade.digits, x, _kernels(cascade), crop=False)
    for _ in range(3):
        field = maps()
        field.backward(torch.ones_like(field))  # made anew in every step, as a loss does
        del field
        _descend(_kernels(cascade))


def measure(*, peers: bool = False, quick: bool = False) -> dict[str, Any]:
    """All ratios (reference over ours, per image, unless the name says otherwise), times, errors and memory."""
    rounds = 1 if quick else 5
    ratios: dict[str, float] = {}
    seconds: dict[str, float] = {}
    errors: dict[str, float] = {}
    for part in (_digits(rounds, 2 if quick else 4), _photographs(rounds, quick)):
        ratios |= part[0]
        seconds |= part[1]
        errors |= part[2]
    bins, bins_seconds = _small_bins(rounds, quick)
    ratios |= bins
    ratios["growth_28_896"] = _growth(rounds)
    ratios["realistic_over_ideal_step"], bench_seconds = _bench_step(rounds, quick)
    here = "benchmarks.cascade"
    memory = {
        job: added_memory(here, job, images) for job, images in (("ours", 64), ("wide", 64), ("reference", 4))
    }
    ratios["memory_28_mb"] = memory["ours"]
    ratios["memory_28_wide_mb"] = memory["wide"]
    ratios["memory_28_reference_mb_per_image"] = memory["reference"] / 4
    return {
        "ratios": ratios,
        "seconds_per_image": seconds | bins_seconds | bench_seconds,
        "errors": errors,
        "goals": GOALS,
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """The measured ratios beside their goals."""
    ratios = result["ratios"]
    speed = Table(
        "work",
        "times faster",
        "goal",
        title=f"The paper's formulation over ours ({result['allocator']} allocator)",
    )
    for name, goal in GOALS.items():
        speed.add_row(_WHAT[name], f"{ratios[name]:.0f}", "" if goal is None else f"≥ {goal}")
    other = Table("quantity", "measured", "goal", title="Memory and growth")
    other.add_row("peak memory of a step at 28², 64 images, MB", f"{ratios['memory_28_mb']:.0f}", "≤ 150")
    other.add_row(
        "the same with four times the hidden channels, MB", f"{ratios['memory_28_wide_mb']:.0f}", ""
    )
    other.add_row("the reference, MB an image", f"{ratios['memory_28_reference_mb_per_image']:.0f}", "")
    other.add_row(
        "growth from 28² to 896² over a bare transform's", f"{ratios['growth_28_896']:.2f}", "≤ 1.3"
    )
    other.add_row(
        "step on the realistic bench over the ideal one", f"{ratios['realistic_over_ideal_step']:.2f}", "≤ 3"
    )
    other.add_row(
        "linear read-out, 16x16 bins at 32², frozen: its maps averaged over ours",
        f"{ratios['binned_32']:.1f}",
        "",
    )
    other.add_row("the same, a training step", f"{ratios['binned_32_step']:.1f}", "")
    checks = Table("largest difference from the layer-by-layer form", "relative", title="Equality")
    for name, error in result["errors"].items():
        checks.add_row(name, f"{error:.1e}")
    return [speed, other, checks]
