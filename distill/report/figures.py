"""The pictures of the report: masks, point-spread functions, SLM frames, camera counts, training curves."""

from __future__ import annotations

import csv
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.job.job import Job
from distill.job.rows import TRAINED, title_of
from distill.report import data_addresses as pictures
from networks.onbench.collapsed import Collapsed
from networks.onbench.interface import FramedOptics
from networks.onbench.network import OnBench
from optics.fourf.stored_psf import point_spread

_MASK_SAMPLES = 160  # at most so many samples a side of a mask's picture
_MARGIN = 3  # input pixels shown around a kernel
_THUMBNAIL = 360  # pixels: width of a whole panel's picture
_DETAIL = 64  # pixels: side of the part of a panel that is shown pixel by pixel
_WHITE = 0.999  # quantile of the intensities that is shown white


def _array(x: Tensor) -> Any:
    return x.detach().cpu().numpy()


def _reduced(plane: Tensor, size: int) -> Tensor:
    """A complex plane averaged to at most about `size` samples a side."""
    step = max(1, math.ceil(max(plane.shape) / size))
    ny, nx = (n // step * step for n in plane.shape)
    return plane[:ny, :nx].reshape(ny // step, step, nx // step, step).mean((1, 3))


def masks(bench: OnBench, way: str) -> dict[str, Any]:
    """The collapsed masks and their point-spread functions on the bench, as complex fields; none unless collapsed."""
    if way != "collapsed" or not isinstance(bench.optics, Collapsed):
        return {"masks": [], "psfs": [], "lit": "", "psf_caption": ""}
    with torch.no_grad():
        drives = bench.drives()
        targets, psfs = drives[0].masks, bench.optics.responses(drives)[0]
        spread = point_spread(bench.optics.fourf, psfs).samples
    shown = spread / bench.gain * bench.scales[:, None, None]
    return {
        "masks": [
            pictures.picture(pictures.complex_rgb(_array(_reduced(t, _MASK_SAMPLES)))) for t in targets
        ],
        "psfs": [pictures.picture(pictures.complex_rgb(_array(_central(p, bench)))) for p in shown],
        "lit": f"{targets.shape[-2]} x {targets.shape[-1]} pixels",
        "psf_caption": "Point-spread functions on the realistic bench, each relative to its largest modulus.",
    }


def _central(psf: Tensor, bench: OnBench) -> Tensor:
    """The part of a point-spread function around the signal order that the kernel fills, and a margin."""
    taps = bench.optics.setup.taps
    sy, sx = bench.optics.windows[0].samples_per_pixel(bench.bench)
    hy, hx = (taps // 2 + _MARGIN) * sy, (taps // 2 + _MARGIN) * sx
    cy, cx = (n // 2 for n in psf.shape)
    return psf[max(0, cy - hy) : cy + hy + 1, max(0, cx - hx) : cx + hx + 1]


def slm(job: Job, bench: OnBench) -> dict[str, Any]:
    """Two SLM frames: the whole panel, and its middle pixel by pixel; none where no files are made."""
    if not job.config.export.count or not isinstance(bench.optics, FramedOptics):
        return {"slm": [], "slm_caption": ""}
    levels = _array(bench.optics.levels(bench.drives()))
    ny, nx = levels.shape[-2:]
    cy, cx, half = ny // 2, nx // 2, _DETAIL // 2
    top = 2 ** (job.bench.slm.bits or 8) - 1
    grey = np.round(levels[:2] * (255 / top)).astype(np.uint8)
    shown = []
    for i, frame in enumerate(grey):
        shown.append({"src": pictures.thumbnail(frame, _THUMBNAIL), "name": f"SLM frame {i}, whole panel"})
        detail = frame[cy - half : cy + half, cx - half : cx + half]
        shown.append(
            {"src": pictures.picture(detail), "name": f"SLM frame {i}, central {_DETAIL} x {_DETAIL} pixels"}
        )
    caption = (
        f"Two of {len(levels)} SLM frames, {ny} x {nx} pixels, {job.bench.slm.bits} bit. The stripes are the carrier "
        "that sends the wanted light aside; their contrast carries the modulus. Only the lit part of the panel is used."
    )
    return {"slm": shown, "slm_caption": caption}


def example(job: Job, ideal: OnBench, realistic: OnBench) -> dict[str, Any]:
    """One validation image and its exposures on both benches, on one scale."""
    images, labels = job.splits.validation.images, job.splits.validation.labels
    x = images[:1]
    generator = torch.Generator().manual_seed(job.config.seed)
    with torch.no_grad():
        clean = ideal.recorders[0].relative(ideal.frames(x))[0] / ideal.gain**2
        seen = (
            realistic.recorders[0].relative(realistic.frames(x, generator=generator))[0] / realistic.gain**2
        )
    full = float(torch.quantile(torch.cat([clean.flatten(), seen.flatten()]), _WHITE))
    what = "A validation image"
    if labels.ndim == 1:
        what += f" of class {job.splits.validation.class_names[int(labels[0])]!r}"

    def exposures(stack: Tensor) -> list[str]:
        return [pictures.picture(pictures.intensity_rgb(_array(f), full=full)) for f in stack]

    return {
        "input": pictures.picture(pictures.intensity_rgb(_array(x[0].mean(0)), full=1.0)),
        "caption": f"{what}, field amplitudes as the display shows them.",
        "full": f"{full:.3g} of full-scale intensity, corrected for the bench's throughput",
        "ideal": exposures(clean),
        "realistic": exposures(seen),
    }


def training(job: Job) -> dict[str, Any]:
    """Validation accuracy, or mean IoU of pixels, by epoch of every network."""
    series: dict[str, list[tuple[float, float]]] = {}
    for step in TRAINED:
        if not (job.path(step) / "history.csv").is_file():
            continue  # a network from a file was trained elsewhere
        with (job.path(step) / "history.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        series[title_of(step)] = [(float(r["epoch"]), float(r["validation_accuracy"])) for r in rows]
    if not series:
        return {"curves": "", "curves_caption": ""}
    figure = "mean IoU" if job.splits.train.segmentation else "accuracy"
    drawn = pictures.curves(
        series, title=f"validation {figure} by epoch", x="epoch", y=f"validation {figure}"
    )
    return {
        "curves": drawn,
        "curves_caption": f"Validation {figure} after each epoch of the first trainings; it chooses the epoch kept.",
    }
