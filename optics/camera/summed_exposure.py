"""Sums of a camera's counts over groups of pixels, drawn without drawing every pixel.

Electronics that averages a camera's pixels into bins needs their sums only, and the sum of independent pixels has a
simple law while each pixel is *linear* (far from the full well, from the converter's ends, and with noise enough that
rounding is one more noise of `gain^2 / 12`):

    sum of n pixels = Poisson(sum of the mean electrons) + Normal(0, n (read^2 + gain^2 / 12))

Pixels that may saturate or clip, or whose noise is below half a step of the converter, are drawn one by one, through
the whole chain of `optics.camera.camera`. A Poisson number comes from a normal one, so that two cameras that are given
the same generator meet the same noise: `lambda + sqrt(lambda) z + (z^2 - 1) / 6`, the Cornish-Fisher expansion
(Johnson, Kemp & Kotz, Univariate Discrete Distributions, 3rd ed., section 4.5), right in mean, variance and skewness;
below `_FEW` expected electrons it is drawn as what it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from optics import draws
from optics.camera.camera import Camera
from optics.camera.noise import Chain
from optics.checks import ShapeError

_FEW = 64.0  # expected electrons below which a Poisson number is drawn exactly
_FAR = 6.0  # standard deviations that a linear pixel stays away from every limit
_SOME = 8  # times as many pixels as are drawn one by one, from which those get numbers of their own
_DITHER = (
    0.5  # noise over the converter's step from which rounding is a noise of its own (error 1 % of a step)
)


@dataclass(frozen=True, eq=False)
class ExpectedSums:
    """What exposures of one stack of frames are drawn from; S states of the light, of which a draw is a mixture.

    Attributes:
        sums: (S, ..., Gy, Gx) mean electrons of the linear pixels of each group.
        linear: (..., Gy, Gx) how many these are.
        index: (K,) which pixels of the stack, counted in order, are drawn one by one.
        single: (S, K) their mean electrons.
        shape: (..., cy, cx) of the stack.
        offsets: (..., Gy, Gx) sum of the linear pixels' fixed offsets, electrons; None without any.
    """

    sums: Tensor
    linear: Tensor
    index: Tensor
    single: Tensor
    shape: tuple[int, ...]
    offsets: Tensor | None = None

    @property
    def share_single(self) -> float:
        """Share of the pixels that are drawn one by one."""
        return len(self.index) / math.prod(self.shape)


class SummedExposure:
    """A camera whose counts are wanted as sums over groups of pixels: all pairs of a group of rows and one of columns.

    Args:
        camera: the camera, or the region of interest.
        rows: group of each row, (cy,) int64, -1 for rows that belong to none.
        cols: group of each column, (cx,).
    """

    def __init__(self, camera: Camera, rows: Tensor, cols: Tensor) -> None:
        if (len(rows), len(cols)) != camera.shape:
            raise ShapeError(
                f"groups of {len(rows)} rows and {len(cols)} columns, the camera has {camera.shape}."
            )
        self.camera, self.chain = camera, camera.chain()
        self.rows, self.cols = _membership(rows), _membership(cols)
        self.pixels = self.rows.sum(1)[:, None] * self.cols.sum(1)[None, :]

    def expect(self, states: Sequence[Tensor], weights: Sequence[float]) -> ExpectedSums:
        """The means behind any number of exposures.

        Args:
            states: photons (..., cy, cx) in each state of the light.
            weights: of the states in the mean, by which linear pixels are told.
        """
        electrons = [self.camera.mean_electrons(photons.clamp(min=0)) for photons in states]
        mean = electrons[0]
        if len(states) > 1:
            mean = sum((w * e for w, e in zip(weights, electrons, strict=True)), torch.zeros(()))
        alone = self._not_linear(mean)
        index = alone.flatten().nonzero()[:, 0]
        single = torch.stack([e.flatten()[index] for e in electrons])
        if len(index):
            electrons = [e.masked_fill(alone, 0.0) for e in electrons]
            linear = self._sum((~alone).to(mean.dtype))
        else:
            linear = self.pixels.to(mean).expand(*mean.shape[:-2], -1, -1)
        shape = tuple(mean.shape)
        offsets = self._offsets(index, shape, mean.dtype)
        sums = torch.stack([self._sum(e) for e in electrons])
        return ExpectedSums(sums, linear, index, single, shape, offsets)

    def draw(self, expected: ExpectedSums, mixture: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Mean counts of the pixels of each group, (..., Gy, Gx), in one exposure.

        Args:
            expected: what `expect` gave, for a stack (N, F, cy, cx).
            mixture: (S, F) share of each state in each of the F frames; may be negative, sums to 1 over the states.
            generators: two, of the groups' noise and of single pixels', so that what a camera draws for its single
                pixels does not move what the groups meet.
        """
        chain = self.chain
        shares = mixture.to(expected.sums)[:, None, :, None, None]
        electrons = (expected.sums * shares).sum(0).clamp(min=0)
        groups, pixels = generators
        electrons = self._shot(electrons, groups)
        sigma = math.sqrt(chain.read**2 + (chain.gain**2 / 12 if math.isfinite(chain.ceiling) else 0.0))
        noise = _normal(electrons.shape, groups, electrons)
        if chain.read > 0.0 or (chain.shot and sigma > 0.0):
            electrons = electrons + sigma * expected.linear.sqrt() * noise
        counts = electrons / chain.gain + chain.black * expected.linear
        if expected.offsets is not None:
            counts = counts + expected.offsets / chain.gain
        if len(expected.index):
            counts = counts + self._singles(expected, mixture, pixels)
        return counts / self.pixels.to(counts)

    # ------------------------------------------------------------------ parts

    def _not_linear(self, electrons: Tensor) -> Tensor:
        """Which pixels (..., cy, cx) meet a limit, or the converter's steps."""
        chain = self.chain
        if not (math.isfinite(chain.well) or math.isfinite(chain.ceiling)):
            return torch.zeros_like(electrons, dtype=torch.bool)
        variance = chain.read**2 + (electrons if chain.shot else torch.zeros_like(electrons))
        sigma = variance.clamp(min=0).sqrt()
        alone = electrons + _FAR * sigma >= chain.well
        if math.isfinite(chain.ceiling):
            signal = electrons if chain.offset is None else electrons + chain.offset.to(electrons.dtype)
            alone |= signal + _FAR * sigma >= (chain.ceiling - chain.black) * chain.gain
            alone |= signal - _FAR * sigma <= -chain.black * chain.gain
            alone |= sigma < _DITHER * chain.gain
        return alone

    def _sum(self, frames: Tensor) -> Tensor:
        return self.rows.to(frames) @ frames @ self.cols.to(frames).mT

    def _offsets(self, index: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
        offset = self.chain.offset
        if offset is None:
            return None
        if len(index) == 0:
            return self._sum(offset.to(dtype))
        linear = torch.ones(shape, dtype=dtype, device=offset.device)
        linear.view(-1)[index] = 0.0
        return self._sum(linear * offset.to(dtype))

    def _shot(self, electrons: Tensor, generator: torch.Generator) -> Tensor:
        """Poisson numbers of these means, where the camera has shot noise."""
        if not self.chain.shot:
            return electrons
        normal = _normal(electrons.shape, generator, electrons)
        return poisson(electrons, normal, generator)

    def _singles(self, expected: ExpectedSums, mixture: Tensor, generator: torch.Generator) -> Tensor:
        """Sums of the counts of the pixels that are drawn one by one, (..., Gy, Gx)."""
        chain, shape, index = self.chain, expected.shape, expected.index
        frame = (index // (shape[-2] * shape[-1])) % shape[-3]
        electrons = (expected.single * mixture.to(expected.single)[:, frame]).sum(0).clamp(min=0)
        if chain.shot:
            electrons = poisson(electrons, _of_pixels(shape, index, generator, electrons), generator)
        if math.isfinite(chain.well):
            electrons = electrons.clamp(max=chain.well)
        if chain.read != 0.0:
            electrons = electrons + chain.read * _of_pixels(shape, index, generator, electrons)
        counts = _digital(self._with_offset(electrons, index, shape), chain)
        total = counts.new_zeros(shape)
        total.view(-1)[index] = counts
        return self._sum(total)

    def _with_offset(self, electrons: Tensor, index: Tensor, shape: tuple[int, ...]) -> Tensor:
        if self.chain.offset is None:
            return electrons
        place = index % (shape[-2] * shape[-1])
        return electrons + self.chain.offset.to(electrons.dtype).flatten()[place]


def poisson(mean: Tensor, normal: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson numbers of `mean` from standard normal ones of the same shape; few expected, drawn as what they are."""
    drawn = (mean + mean.sqrt() * normal + (normal**2 - 1) / 6).round().clamp(min=0)
    few = mean < _FEW
    if bool(few.any()):
        drawn[few] = draws.poisson(mean[few], generator)
    return drawn


def _digital(electrons: Tensor, chain: Chain) -> Tensor:
    counts = electrons / chain.gain + chain.black
    return counts if math.isinf(chain.ceiling) else counts.clamp(0.0, chain.ceiling).round()


def _normal(shape: Sequence[int], generator: torch.Generator, like: Tensor) -> Tensor:
    return draws.normal(shape, generator, like=like)


def _of_pixels(shape: tuple[int, ...], index: Tensor, generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers of some pixels; where they are many, each pixel's own whichever the others are."""
    if _SOME * len(index) < math.prod(shape):
        return _normal((len(index),), generator, like)
    return _normal(shape, generator, like).flatten()[index]


def _membership(group: Tensor) -> Tensor:
    """(G, n) float64: 1 where a line of pixels belongs to a group."""
    count = int(group.max()) + 1
    return (group[None, :] == torch.arange(count)[:, None]).double()
