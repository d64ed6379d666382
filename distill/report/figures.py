"""The pictures of the report: rows, masks, point-spread functions, SLM frames, camera counts, training curves."""

from __future__ import annotations

import csv
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distill.job.job import Job
from distill.job.result import Result
from distill.job.rows import TRAINED, is_on_bench, title_of
from distill.report.remarks import error_of
from networks.onbench.collapsed import Collapsed
from networks.onbench.interface import FramedOptics
from networks.onbench.network import OnBench
from optics.fourf.recorder import Recorder
from optics.fourf.stored_psf import point_spread
from optics.plots import charts, page, sketch, style
from optics.plots.page import Chart, Plane

_MASK_SAMPLES = 160  # at most so many samples a side of a mask's picture
_MARGIN = 3  # input pixels shown around a kernel
_THUMBNAIL = 360  # pixels: width of a whole panel's picture
_DETAIL = 64  # pixels: side of the part of a panel that is shown pixel by pixel
_WHITE = 0.999  # quantile of the intensities that is shown white
_MOST = 16  # masks that are drawn
_EXPOSURES = 4  # exposures of one image that are drawn
_FLAWS = 12  # bars that can be read


def _array(x: Tensor) -> Any:
    return x.detach().cpu().numpy()


def rows(result: Result) -> Chart:
    """Every row with its error, the first on top."""
    by_name, titles = result.rows.by_name(), result.titles()
    kinds = [_kind(name) for name in by_name]
    order = list(dict.fromkeys(kinds))
    marks = [
        charts.Mark(
            titles[name],
            100 * row.accuracy,
            100 * error_of(row),
            f"{100 * row.accuracy:.1f} %",
            order.index(kind),
        )
        for (name, row), kind in zip(by_name.items(), kinds, strict=True)
    ]
    metric = result.rows.bench_refit.metric
    told = "; ".join(f"{m.label} {m.text}" for m in marks)
    drawn = charts.marks(marks, x=f"{metric} on the test images (%)", kinds=order)
    caption = "Error bars: one standard error, of few images and of few trainings or noise draws together."
    return page.chart(drawn, f"{metric} of every row: {told}", caption)


def _kind(row: str) -> str:
    if row == "teacher":
        return "all electronic"
    if is_on_bench(row):
        return "on a bench"
    return "control" if title_of(row).startswith("control") else "computed without a bench"


def bench(job: Job) -> Chart:
    """The sketch of the realistic bench."""
    return page.chart(sketch(job.bench, job.image_shape), f"Sketch of the bench {job.bench.name}")


def flaws(found: list[dict[str, Any]], metric: str) -> tuple[Chart | None, str]:
    """What mending each flaw alone would earn, as far as it changes anything; and words on the others.

    Args:
        found: path, earns and error of each, the most first.
        metric: what is earned.
    """
    moved = [f for f in found if f["earns"] or f["error"]]
    most = sorted(moved, key=lambda f: max(abs(f["earns"]), f["error"]), reverse=True)[:_FLAWS]
    idle = [f["path"] for f in found if f not in most]
    said = f"Mending {', '.join(idle)} changes no answer, or fewer than those above." if idle else ""
    if any(f["earns"] < -2 * f["error"] for f in most):
        said += (
            " Below zero: with this flaw alone mended the bench does worse. Flaws act together, and the back end has "
            "learnt with all of them or none."
        )
    if not most:
        return None, said.strip()
    marks = [
        charts.Mark(
            f["path"],
            100 * f["earns"],
            100 * f["error"],
            f"{100 * f['earns']:+.1f} ± {100 * f['error']:.1f}".replace("-", "−"),
        )
        for f in moved
        if f in most
    ]
    drawn = charts.marks(marks, x=f"mending it alone earns ({metric}, percentage points)", zero=True)
    told = "; ".join(f"{m.label} {m.text}" for m in marks)
    return page.chart(drawn, f"What mending each flaw alone earns: {told}"), said.strip()


# ---------------------------------------------------------------------- masks


def _reduced(plane: Tensor, size: int) -> tuple[Tensor, int]:
    """A complex plane averaged to at most about `size` samples a side, and how many went into one."""
    step = max(1, math.ceil(max(plane.shape) / size))
    ny, nx = (n // step * step for n in plane.shape)
    return plane[:ny, :nx].reshape(ny // step, step, nx // step, step).mean((1, 3)), step


def masks(bench: OnBench, way: str) -> dict[str, Any]:
    """The collapsed masks and their point-spread functions on the bench, as complex fields; none unless collapsed."""
    if way != "collapsed" or not isinstance(bench.optics, Collapsed):
        return {"masks": [], "psfs": [], "count": 0, "mask_caption": "", "psf_caption": ""}
    with torch.no_grad():
        drives = bench.drives()
        targets, psfs = drives[0].masks, bench.optics.responses(drives)[0]
        spread = point_spread(bench.optics.fourf, psfs).samples
    seen = spread / bench.gain * bench.scales[:, None, None]
    sy, sx = bench.optics.windows[0].samples_per_pixel(bench.bench)
    pitch = bench.bench.input.pitch
    ny, nx = targets.shape[-2:]
    return {
        "count": len(targets),
        "masks": [_mask(t, k, bench.bench.slm.pitch) for k, t in enumerate(targets[:_MOST])],
        "psfs": [
            page.plane(
                page.complex_pixels(_array(_central(p, bench, (sy, sx)))),
                f"PSF {k}",
                pitch=(pitch / sy, pitch / sx),
            )
            for k, p in enumerate(seen[:_MOST])
        ],
        "mask_caption": f"Masks on the lit part of the SLM, {ny} x {nx} pixels, before the encoding; amplitude of each "
        "relative to its largest.",
        "psf_caption": "Point-spread functions on the realistic bench, in the units of the display; amplitude of each "
        "relative to its largest.",
    }


def _mask(target: Tensor, index: int, pitch: float) -> Plane:
    small, _ = _reduced(target, _MASK_SAMPLES)
    shape = (target.shape[-2], target.shape[-1])
    return page.plane(page.complex_pixels(_array(small)), f"mask {index}", pitch=pitch, shape=shape)


def _central(psf: Tensor, bench: OnBench, samples: tuple[int, int]) -> Tensor:
    """The part of a point-spread function around the signal order that the kernel fills, and a margin."""
    taps = bench.optics.setup.taps
    hy, hx = ((taps // 2 + _MARGIN) * n for n in samples)
    cy, cx = (n // 2 for n in psf.shape)
    return psf[max(0, cy - hy) : cy + hy + 1, max(0, cx - hx) : cx + hx + 1]


def slm(job: Job, bench: OnBench) -> dict[str, Any]:
    """Two SLM frames: the whole panel, and its middle pixel by pixel; none where no files are made."""
    if not job.config.export.count or not isinstance(bench.optics, FramedOptics):
        return {"slm": [], "slm_caption": "", "slm_scale": None}
    from PIL import Image

    levels = _array(bench.optics.levels(bench.drives()))
    ny, nx = levels.shape[-2:]
    cy, cx, half, pitch = ny // 2, nx // 2, min(ny, nx, _DETAIL) // 2, job.bench.slm.pitch
    top = 2 ** (job.bench.slm.bits or 8) - 1
    shown = []
    for i, frame in enumerate(levels[:2]):
        grey = page.pixels(frame, low=0, high=top)
        size = (_THUMBNAIL, max(1, round(_THUMBNAIL * ny / nx)))
        small = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))
        shown.append(page.plane(small, f"SLM frame {i}, whole panel", pitch=pitch, shape=(ny, nx)))
        detail = grey[cy - half : cy + half, cx - half : cx + half]
        name = f"SLM frame {i}, central {2 * half} x {2 * half} pixels"
        shown.append(page.plane(detail, name, pitch=pitch))
    caption = (
        f"Two of {len(levels)} SLM frames, {ny} x {nx} pixels, {job.bench.slm.bits} bit. The stripes are the carrier "
        "that sends the wanted light aside; their contrast carries the amplitude. Only the lit part is used."
    )
    return {
        "slm": shown,
        "slm_caption": caption,
        "slm_scale": page.scale(style.INTENSITY, "0", f"{top}", "level"),
    }


# ---------------------------------------------------------------------- one image


def _shared(one: Recorder, other: Recorder) -> tuple[list[slice], list[slice]]:
    """Parts of two windows that show the same part of the image: one bench may look a pixel further.

    A window lies where its bench's image is: one that is known to lie aside is compared around its own centre.
    """
    cut: tuple[list[slice], list[slice]] = ([], [])
    for k in (0, 1):
        a, b = (float(r.nominal[k][0] - r.offset[k]) / r.pixel for r in (one, other))
        first = (0, round(b - a))
        begin = max(first)
        end = min(start + r.shape[k] for start, r in zip(first, (one, other), strict=True))
        for start, part in zip(first, cut, strict=True):
            part.append(slice(begin - start, end - start))
    return cut


def example(job: Job, ideal: OnBench, realistic: OnBench) -> dict[str, Any]:
    """One validation image and its first exposures on both benches, on one scale, and what differs."""
    images, labels = job.splits.validation.images, job.splits.validation.labels
    x = images[:1]
    generator = torch.Generator().manual_seed(job.config.seed)
    with torch.no_grad():
        clean = ideal.recorders[0].relative(ideal.frames(x))[0] / ideal.gain**2
        seen = (
            realistic.recorders[0].relative(realistic.frames(x, generator=generator))[0] / realistic.gain**2
        )
    mine, theirs = _shared(ideal.recorders[0], realistic.recorders[0])
    clean, seen = clean[..., mine[0], mine[1]], seen[..., theirs[0], theirs[1]]
    full = float(torch.quantile(torch.cat([clean.flatten(), seen.flatten()]), _WHITE)) or 1.0
    apart = float((seen - clean)[:_EXPOSURES].abs().max()) / full or 1.0
    what = "A validation image"
    if labels.ndim == 1:
        what += f" of class {job.splits.validation.class_names[int(labels[0])]!r}"
    pitch = job.bench.camera.pitch * job.bench.camera.binning
    exposures = []
    for k, (a, b) in enumerate(zip(clean[:_EXPOSURES] / full, seen[:_EXPOSURES] / full, strict=True)):
        for name, values, low, high, colours in (
            ("ideal bench", a, 0.0, 1.0, style.INTENSITY),
            ("real bench", b, 0.0, 1.0, style.INTENSITY),
            ("real less ideal", b - a, -apart, apart, style.DIFFERENCE),
        ):
            drawn = page.pixels(_array(values), low=low, high=high, colours=colours)
            exposures.append(page.plane(drawn, f"exposure {k}, {name}", pitch=pitch))
    drawn = page.pixels(_array(x[0].mean(0)), low=0.0, high=1.0)
    return {
        "input": page.plane(drawn, f"{what}: amplitude on the display", pitch=job.bench.input.pitch),
        "exposures": exposures,
        "count": len(clean),
        "light": page.scale(
            style.INTENSITY, "0", f"{full:.3g}", "of full scale, corrected for the bench's throughput"
        ),
        "apart": page.scale(
            style.DIFFERENCE, f"−{apart * full:.2g}", f"+{apart * full:.2g}", "difference, same unit"
        ),
    }


def training(job: Job) -> Chart | None:
    """Validation accuracy, or mean IoU of pixels, by epoch of every network; None where nothing was trained."""
    series = []
    for step in TRAINED:
        if not (job.path(step) / "history.csv").is_file():
            continue  # a network from a file was trained elsewhere
        with (job.path(step) / "history.csv").open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        x, y = (tuple(float(r[k]) for r in lines) for k in ("epoch", "validation_accuracy"))
        series.append(charts.Curve(title_of(step), x, tuple(100 * v for v in y), ()))
    if not series:
        return None
    figure = "mean IoU" if job.splits.train.segmentation else "accuracy"
    drawn, (axes,) = charts.panels(1)
    charts.curves(axes, series, x="epoch", y=f"validation {figure} (%)")
    said = f"Validation {figure} after each epoch of the first trainings; it chooses the epoch kept."
    return page.chart(drawn, f"Validation {figure} by epoch", said)
