"""Where to begin: a bench may stand so far from its data sheet that no gradient leads home.

A mask that stands `d` aside tilts the phase of every input pixel by `exp(-2 pi i x d / (lambda f))`, radians over the
image for each few tens of micrometres. So the start is searched: the point-spread functions of some frames are made
once, the tilt is tried on a grid of shifts, and for each the place where the predicted frames lie on the measured ones
is their cross-correlation's peak. What wins is the grid's best shift of the mask with its shift of the camera.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from calibration.rigs.recording import Recording
from calibration.rigs.simulated import simulate
from calibration.twin.model import Model
from calibration.twin.parameters import Tolerances
from calibration.twin.values import set_values
from optics.bench.spec import BenchSpec
from optics.conventions import axis, cis
from optics.devices import CPU

_REACH = 2.5  # standard deviations of the mask's shift that the grid spans on each side
_STEP = 2.4  # radians of tilt across the image from one grid point to the next


def coarse_start(
    bench: BenchSpec,
    recording: Recording,
    tolerances: Tolerances,
    *,
    frames: int = 5,
    keep: int = 3,
    device: torch.device = CPU,
) -> list[tuple[BenchSpec, float]]:
    """Benches to begin from, best first, with the mean correlation of their frames with the measured ones.

    Args:
        bench: the bench as described.
        recording: what was captured.
        tolerances: how far the grid goes.
        frames: how many frames are used, those with the largest inputs first.
        keep: how many starts.
        device: carries the light.
    """
    area = recording.probes.inputs.sum((1, 2))
    part = recording[area.argsort(descending=True)[:frames].tolist()]
    fourf, recorder = simulate(bench, part.probes.image_shape, part.region, device=device)
    model = Model(part, device)
    psf = fourf.psf(model.masks(bench, fourf.rows, fourf.cols))
    measured = part.counts - part.counts.mean((1, 2), keepdim=True)
    y, x = (axis(n, bench.input.pitch) for n in part.probes.image_shape)
    found: list[tuple[float, tuple[float, ...], tuple[int, int]]] = []
    for shift in itertools.product(*(_grid(bench, n, tolerances) for n in part.probes.image_shape)):
        tilt = cis(-2 * math.pi / bench.scale * (shift[0] * y[:, None] + shift[1] * x[None, :]))
        images = part.probes.inputs * tilt
        predicted = torch.cat(
            [fourf.intensity(u[None].to(psf), h[None])[:, 0] for u, h in zip(images, psf, strict=True)]
        )
        photons = model.part(recorder, recorder.photons(predicted)).cpu()
        score, lag = _correlate(measured, photons - photons.mean((1, 2), keepdim=True))
        found.append((score, shift, lag))
    found.sort(key=lambda item: -item[0])
    starts = []
    for score, shift, lag in found[:keep]:
        changes = {f"alignment.mask_shift.{k}": shift[k] for k in (0, 1)}
        for k in (0, 1):
            # the measured image lies `lag` bins further along: the camera stands as far the other way
            changes[f"alignment.camera_shift.{k}"] = (
                bench.alignment.camera_shift[k] - lag[k] * bench.camera.binned_pitch
            )
        starts.append((set_values(bench, changes), score))
    return starts


def _grid(bench: BenchSpec, pixels: int, tolerances: Tolerances) -> list[float]:
    """Mask shifts to try along an axis on which the image has `pixels`, metres; nearest to zero first."""
    step = _STEP * bench.scale / (2 * math.pi * pixels * bench.input.pitch)
    count = math.ceil(_REACH * tolerances.mask_shift / step)
    return sorted((k * step for k in range(-count, count + 1)), key=abs)


def _correlate(measured: Tensor, predicted: Tensor) -> tuple[float, tuple[int, int]]:
    """Largest mean normalised cross-correlation of frames (n, cy, cx) over common lags (y, x), and the lag."""
    h, w = measured.shape[1:]
    size = (2 * h, 2 * w)
    spectrum = torch.fft.rfft2(measured.double(), s=size) * torch.fft.rfft2(predicted.double(), s=size).conj()
    norm = measured.flatten(1).norm(dim=1) * predicted.double().flatten(1).norm(dim=1)
    both = (torch.fft.irfft2(spectrum, s=size) / norm[:, None, None]).mean(0)
    reach = (h // 3, w // 3)
    lags = [torch.cat((torch.arange(r + 1), torch.arange(-r, 0))) for r in reach]
    near = both[lags[0] % size[0]][:, lags[1] % size[1]]
    best = int(near.argmax())
    iy, ix = divmod(best, near.shape[1])
    return float(near[iy, ix]), (int(lags[0][iy]), int(lags[1][ix]))
