"""What to show a bench so that its frames tell most: candidates, and a choice among them by expected information.

A candidate is a pattern of levels and an input. Patterns: a plain blaze at the carrier; the blaze with a smooth random
phase, gentle or rough; with pixel-to-pixel noise, which the fringing field smears; a blaze of part of the levels, which
shows the response's curve; a two-level grating. Inputs: everything bright, sparse points, random blocks, a half plane.

The choice is greedy: the next probe is the one that adds most to the logarithm of the determinant of information plus
prior (Bayesian D-optimality; Chaloner & Verdinelli, Statistical Science 10, 273 (1995)), at a bench with flaws as its
tolerances expect them. Adding frames one by one is within `1 - 1/e` of the best choice (Nemhauser et al., 1978).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from calibration.rigs.recording import Probes, Recording
from calibration.rigs.rig import default_region
from calibration.rigs.windows import lit_window
from calibration.twin.derivatives import linearise
from calibration.twin.model import Model
from calibration.twin.noise import variance
from calibration.twin.parameters import Parameter, Tolerances, bench_parameters
from calibration.twin.values import set_values
from optics.bench.spec import BenchSpec
from optics.checks import SpecError

_MARGIN_INPUT = 2  # input pixels that are read beyond the image


def probe_candidates(
    bench: BenchSpec, image_shape: tuple[int, int], count: int, *, generator: torch.Generator
) -> Probes:
    """Pairs of a pattern and an input, every kind in turn, with random details.

    Args:
        bench: its panel, stop and carrier.
        image_shape: (H, W) of the inputs.
        count: how many.
        generator: of the details.

    Raises:
        SpecError: a bench without levels.
    """
    if bench.slm.bits is None or bench.slm.modulation == "complex":
        raise SpecError(f"bench {bench.name!r} has no levels to show; set slm.bits and slm.modulation.")
    corner, shape = lit_window(bench)
    patterns: list[Callable[[], Tensor]] = [
        lambda: _blaze(bench, corner, shape),
        lambda: _blaze(bench, corner, shape) + _smooth(shape, 24, 0.5, generator),
        lambda: _blaze(bench, corner, shape) + _smooth(shape, 10, 1.0, generator),
        lambda: _blaze(bench, corner, shape) + 0.25 * _noise(shape, generator),
        lambda: _shallow(_blaze(bench, corner, shape), generator),
        lambda: _two_levels(_blaze(bench, corner, shape), generator),
    ]
    inputs: list[Callable[[], Tensor]] = [
        lambda: _blocks(image_shape, 2, generator),
        lambda: _points(image_shape, generator),
        lambda: _blocks(image_shape, 4, generator),
        lambda: torch.ones(image_shape, dtype=torch.float64),
        lambda: _blocks(image_shape, 1, generator),
    ]
    top = 2**bench.slm.bits
    levels, shown = [], []
    for k in range(count):
        turns = patterns[k % len(patterns)]()
        levels.append((torch.remainder(turns, 1.0) * top).round().to(torch.int32) % top)
        shown.append(inputs[k % len(inputs)]())
    return Probes(torch.stack(levels), torch.stack(shown), corner)


def choose_probes(
    bench: BenchSpec,
    candidates: Probes,
    count: int,
    *,
    tolerances: Tolerances | None = None,
    zernikes: tuple[int, ...] = tuple(range(4, 16)),
) -> tuple[list[int], list[float]]:
    """The `count` candidates that tell most together, in the order of their choice.

    Returns:
        Their indices, and how much each adds: nats of information.

    Raises:
        SpecError: fewer candidates than asked for.
    """
    if not 0 < count <= len(candidates):
        raise SpecError(f"{count} probes of {len(candidates)} candidates cannot be chosen.")
    t = Tolerances() if tolerances is None else tolerances
    parameters = bench_parameters(bench, t, zernikes=zernikes)
    expected = expected_bench(bench, parameters)
    information = frame_information(expected, candidates, parameters)
    total = torch.eye(len(parameters), dtype=torch.float64)
    left, chosen, gains = list(range(len(candidates))), [], []
    for _ in range(count):
        before = float(torch.linalg.slogdet(total)[1])
        scores = [float(torch.linalg.slogdet(total + information[k])[1]) - before for k in left]
        best = max(range(len(left)), key=lambda i: scores[i])
        gains.append(scores[best] / 2)
        total = total + information[left[best]]
        chosen.append(left.pop(best))
    return chosen, gains


def frame_information(bench: BenchSpec, probes: Probes, parameters: Sequence[Parameter]) -> Tensor:
    """Expected Fisher information of each probe's frame, (n, p, p), parameters in units of their prior's deviation."""
    region = default_region(bench, probes.image_shape, margin=_MARGIN_INPUT)
    shape = [part.stop - part.start for part in region]
    sigma = torch.tensor([p.sigma for p in parameters], dtype=torch.float64)
    found = []
    for k in range(len(probes)):
        blank = Recording(
            probes[[k]],
            torch.ones(1, shape[0], shape[1], dtype=torch.float64),
            (region[0].start, region[1].start),
            binning=bench.camera.binning,
            exposure=bench.camera.exposure,
        )
        at, jacobian = linearise(Model(blank), bench, parameters)
        columns = jacobian[0].flatten(1).double() * sigma[:, None]
        found.append((columns / variance(bench, at.counts[0]).flatten()) @ columns.mT)
    return torch.stack(found)


def expected_bench(bench: BenchSpec, parameters: Sequence[Parameter]) -> BenchSpec:
    """The bench with the flaws of its panel that are never absent, at half of what its tolerances allow."""
    changes = {}
    for p in parameters:
        if p.name.startswith("slm.crosstalk.") and bench.slm.crosstalk == (0.0, 0.0):
            changes[p.name] = p.number(p.mean)
        if p.name == "slm.flicker" and bench.slm.flicker == 0.0:
            changes[p.name] = 0.5 * math.sqrt(p.sigma)
    return set_values(bench, changes)


# ---------------------------------------------------------------------- patterns, in turns of the nominal phase


def _blaze(bench: BenchSpec, corner: tuple[int, int], shape: tuple[int, int]) -> Tensor:
    cy, cx = bench.encoding.offset
    y, x = (
        torch.arange(n, dtype=torch.float64) + c - m // 2
        for n, c, m in zip(shape, corner, bench.slm.shape, strict=True)
    )
    return cy * y[:, None] + cx * x[None, :]


def _smooth(shape: tuple[int, int], length: int, turns: float, generator: torch.Generator) -> Tensor:
    """A smooth random map of `turns` peak to peak, with a grain of `length` pixels."""
    coarse = [math.ceil(n / length) + 3 for n in shape]
    rough = torch.rand(1, 1, *coarse, generator=generator, dtype=torch.float64)
    return turns * torch.nn.functional.interpolate(rough, size=shape, mode="bicubic")[0, 0]


def _noise(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _shallow(blaze: Tensor, generator: torch.Generator) -> Tensor:
    """The blaze squeezed into a part of the levels."""
    span = 0.3 + 0.5 * float(torch.rand((), generator=generator))
    start = (1 - span) * float(torch.rand((), generator=generator))
    return start + span * torch.remainder(blaze, 1.0)


def _two_levels(blaze: Tensor, generator: torch.Generator) -> Tensor:
    low, high = torch.rand(2, generator=generator).sort().values.tolist()
    return torch.where(torch.remainder(blaze, 1.0) < 0.5, low, min(0.999, high + 0.2))


# ---------------------------------------------------------------------- inputs


def _blocks(shape: tuple[int, int], size: int, generator: torch.Generator) -> Tensor:
    coarse = torch.rand([math.ceil(n / size) for n in shape], generator=generator) < 0.5
    return (
        coarse.double()
        .repeat_interleave(size, 0)
        .repeat_interleave(size, 1)[: shape[0], : shape[1]]
        .contiguous()
    )


def _points(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Single pixels, far apart: each shows the point-spread function."""
    out = torch.zeros(shape, dtype=torch.float64)
    shift = torch.randint(0, 5, (2,), generator=generator).tolist()
    out[2 + shift[0] :: 7, 2 + shift[1] :: 7] = 1.0
    return out
