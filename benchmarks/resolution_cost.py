"""What an image costs a linear 4f network and a nonlinear one, in operations, light, time and energy: the cost model.

Three ways to an answer are compared on one bench:

- *linear*: the linear network on the bench, one exposure a mask, its back end in electronics;
- *converted*: the nonlinear network with its convolutions on the same bench, as the paper's nonlinear optical network
  has them. After each the camera's counts go through the electronics, which apply normalisation and activation, back to
  the display. Each output channel takes one SLM frame and `SIGNED` exposures, for an activation needs the sign that
  intensities lose; all input channels are displayed side by side, as the bench shows colours, however many there are.
  Convolutions of one tap, which mix channels alone, and the last layer stay in electronics;
- *electronic*: the nonlinear network in electronics, without light.

What is assumed, in favour of the nonlinear ways where there is a choice: a display that holds all channels of a layer,
no time or energy for loading it, two exposures a signed map where this project's homodyne read-out takes four, light of
the pixels that a map covers and no more. Light is the budget: as much at the camera as a clear mask passes at full
scale. A multiply-accumulate takes `JOULES` (float32 in 45 nm: 3.7 pJ to multiply and 0.9 to add; Horowitz, ISSCC 2014,
figure 1.1.9). Electronics' time is measured, on one thread of this machine: behind the optics it begins with the
binning of frames that have a pixel for each of the image's.

The bench is one of the catalogue, with what `CHANGES` says: its display's pixels, carrier and second lens are for
images of small digits, and colour pictures of 64 pixels a side do not fit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from scipy.constants import c, h
from torch import nn

from networks import Student, multiply_accumulates
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec
from optics.errors import OpticsError
from optics.modules import evaluating
from optics.plan import plan

CHANGES: dict[str, Any] = {
    "input.pitch": 13e-6,
    "stop.width": (8.18e-3, 8.18e-3),  # lambda f / input pitch
    "encoding.carrier": (0.225, 0.0),  # cycles a pixel of the SLM
    "lens2.focal_length": 0.14,
    "camera.binning": 2,
}
JOULES = 4.6e-12  # a multiply-accumulate
SIGNED = 2  # exposures of a map whose sign counts
ROUNDS, BATCH = 5, 20


class Cost(NamedTuple):
    """Of an image: multiply-accumulates, exposures, seconds on the bench, photons (full scale), electronics' time."""

    operations: float
    exposures: float
    bench_seconds: float
    photons: float
    electronics_seconds: float

    @property
    def seconds(self) -> float:
        """One thing after the other."""
        return self.bench_seconds + self.electronics_seconds

    def joules(self, bench: BenchSpec) -> float:
        """Of the electronics' multiply-accumulates and of the light that reaches the camera; of no device."""
        return self.operations * JOULES + self.photons * h * c / bench.light.wavelength


def bench_of(name: str) -> BenchSpec:
    """A bench of the catalogue with `CHANGES`."""
    return load_bench(name).replace(**CHANGES)


def of_linear(student: Student, bench: BenchSpec) -> Cost:
    """The linear network on the bench.

    Raises:
        OpticsError: its images do not fit the bench.
    """
    size = student.image_shape
    assert size is not None
    cascade = student.cascade
    found = plan(
        bench,
        kernels=cascade.out_channels,
        taps=cascade.kernel_size,
        image_shape=size,
        channels=cascade.in_channels,
    )
    if not found.fits:
        raise OpticsError(f"images of {size} pixels do not fit the bench: {found.problems[0]}")
    told = found.schedules[0]
    bins = student.readout.camera.bins or size
    frames = torch.zeros(BATCH, cascade.out_channels, *size)
    behind = nn.Sequential(nn.AdaptiveAvgPool2d(bins), student.backend)
    return Cost(
        student.operations(torch.zeros(1, student.cascade.in_channels, *size)),
        told.exposures,
        1 / told.images_per_second,
        told.exposures * _light(bench, size),
        _seconds(behind, frames),
    )


def of_electronic(network: nn.Module, image_shape: tuple[int, int, int]) -> Cost:
    """A nonlinear network in electronics; image_shape: (channels, y, x)."""
    operations = multiply_accumulates(network, (1, *image_shape))
    return Cost(operations, 0.0, 0.0, 0.0, _seconds(network, torch.zeros(BATCH, *image_shape)))


def of_converted(network: nn.Module, image_shape: tuple[int, int, int], bench: BenchSpec) -> Cost:
    """A nonlinear network whose convolutions of more than one tap are done on the bench; the rest's time is not told.

    Args:
        network: of which every convolution takes all channels of the layer before.
        image_shape: (channels, y, x).
        bench: with the modulator's and the camera's times.
    """
    layers: list[tuple[nn.Conv2d, tuple[int, int]]] = []

    def seen(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        layers.append((layer, (inputs[0].shape[-2], inputs[0].shape[-1])))

    hooks = [m.register_forward_hook(seen) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with evaluating(network), torch.no_grad():
        network(torch.zeros(1, *image_shape))
    for hook in hooks:
        hook.remove()
    exposures, seconds, photons = 0.0, 0.0, 0.0
    left = float(multiply_accumulates(network, (1, *image_shape)))
    for layer, size in layers:
        taps = max(layer.kernel_size)
        if taps == 1:
            continue
        told = plan(bench, kernels=layer.out_channels, taps=taps, image_shape=size, readout="incoherent")
        assert told.schedules[0].exposures == SIGNED * layer.out_channels
        exposures += told.schedules[0].exposures
        seconds += 1 / told.schedules[0].images_per_second
        photons += told.schedules[0].exposures * _light(bench, size)
        left -= multiply_accumulates(layer, (1, layer.in_channels, *size))
    return Cost(left, exposures, seconds, photons, 0.0)


def _light(bench: BenchSpec, size: tuple[int, int]) -> float:
    """Photons at the camera in one exposure: the bench's photons a sensor pixel, times the pixels a map covers."""
    if bench.light.photons is None:
        return math.nan
    scale = bench.input.pitch * bench.magnification / bench.camera.pitch
    return bench.light.photons * size[0] * size[1] * scale**2


def _seconds(network: nn.Module, inputs: torch.Tensor) -> float:
    """Processor seconds an image, of batches; the least of some rounds after one that is not counted."""
    taken = []
    with evaluating(network), torch.no_grad():
        for _ in range(ROUNDS + 1):
            start = time.process_time()
            network(inputs)
            taken.append((time.process_time() - start) / len(inputs))
    return min(taken[1:])


def at_accuracy(ladder: Sequence[tuple[float, float]], costs: Sequence[float], wanted: float) -> float | None:
    """A cost of the ladder at an accuracy, between rungs linear in its logarithm; None above the last rung.

    Rungs below a better and cheaper one are passed over, so that the curve rises. Below the first rung it is the first.

    Args:
        ladder: (accuracy, operations) of each rung.
        costs: of each rung, above 0; the operations or another.
        wanted: the accuracy.
    """
    best: list[tuple[float, float]] = []
    for (reached, _), cost in sorted(zip(ladder, costs, strict=True), key=lambda rung: rung[0][1]):
        if not best or reached > best[-1][0]:
            best.append((reached, math.log(cost)))
    if wanted > best[-1][0]:
        return None
    if wanted <= best[0][0]:
        return math.exp(best[0][1])
    for (low, cheap), (high, dear) in pairwise(best):
        if wanted <= high:
            return math.exp(cheap + (dear - cheap) * (wanted - low) / (high - low))
    return None


def as_good(ladder: Sequence[tuple[float, float]], costs: Sequence[Cost], wanted: float) -> Cost:
    """Every cost of the ladder at an accuracy; above its last rung those of the best rung, which are too small."""
    capped = min(wanted, max(reached for reached, _ in ladder))

    def of(each: tuple[float, ...]) -> float:
        found = at_accuracy(ladder, each, capped) if all(each) else 0.0
        assert found is not None
        return found

    return Cost(*map(of, zip(*costs, strict=True)))
