"""A page about one calibration: what was found, and pictures of frames, predictions and what is left."""

from __future__ import annotations

import base64
import html
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from calibration.rigs.recording import Recording
from calibration.twin.model import Model
from calibration.twin.noise import variance
from calibration.twin.result import TwinResult
from optics.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 4  # frames on the page


def write_page(result: TwinResult, recording: Recording, path: str | Path) -> Path:
    """Write one HTML file, pictures inside.

    Args:
        result: the calibration.
        recording: all frames, those held back too.
        path: of the page.
    """
    chosen = torch.linspace(0, len(recording) - 1, min(_SHOWN, len(recording))).round().long().tolist()
    part = recording[chosen]
    model = Model(part)
    model.refine(result.bench)
    after, before = model.predict(result.bench).counts, Model(part).predict(result.nominal).counts
    pictures = [
        (
            "Frames, predicted by the data sheet and after calibration, and what is left in units of the noise",
            _frames(part.counts, before, after, variance(result.bench, after), chosen),
        ),
        ("Numbers, in units of the data sheet's tolerance: what was found and how well", _numbers(result)),
        (
            "Phase in the Fourier plane: aberrations and focus, piston and tilt left out",
            _wavefront(result, recording),
        ),
    ]
    error, noise = result.held_back or (result.residual, result.noise)
    rows = "".join(
        f"<tr><td>{html.escape(e.name)}<td>{e.nominal:.5g}<td>{e.value:.5g}<td>{e.uncertainty:.2g}<td>{e.learnt:.0%}</tr>"
        for e in result.estimates
    )
    sums = "".join(f"<li>{html.escape(str(c))} ± {c.uncertainty:.2g}</li>" for c in result.combinations)
    body = "".join(
        f"<h2>{html.escape(title)}</h2><img alt='{html.escape(title)}' src='data:image/png;base64,{_png(figure)}'>"
        for title, figure in pictures
    )
    write_text(
        path,
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Calibration of {html.escape(result.nominal.name)}</title><style>{_STYLE}</style>"
        f"<h1>Calibration of {html.escape(result.nominal.name)}: {result.verdict}</h1>"
        f"<p>Frames {'held back' if result.held_back else 'fitted'} are predicted to {error:.2%} (relative L2 above "
        f"black); their noise is {noise:.2%}; the data sheet errs by {result.nominal_residual:.0%}. "
        f"{result.frames} frames were fitted in {result.seconds:.0f} s. {html.escape(result.advice)}</p>{body}"
        "<h2>Every number</h2><table><tr><th>number<th>data sheet<th>calibrated<th>± (1 sigma)<th>learnt</tr>"
        f"{rows}</table>"
        + (f"<h2>Determined sums of numbers left open</h2><ul>{sums}</ul>" if sums else "")
        + "</html>\n",
    )
    return Path(path)


_STYLE = (
    "body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}td,th{padding:.1em .8em;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}h2{font-size:1.1em}"
)


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _frames(measured: Tensor, before: Tensor, after: Tensor, spread: Tensor, which: list[int]) -> Figure:
    from matplotlib.figure import Figure

    n = len(measured)
    figure = Figure(figsize=(11, 2.2 * n))
    axes = figure.subplots(n, 4, squeeze=False)
    for i in range(n):
        top = float(measured[i].max())
        planes = [(measured[i], f"frame {which[i]}"), (before[i], "data sheet"), (after[i], "calibrated")]
        for ax, (plane, title) in zip(axes[i], planes, strict=False):
            ax.imshow(plane.numpy(), vmin=float(measured[i].min()), vmax=top, cmap="viridis")
            ax.set_title(title, fontsize=9)
        left = (measured[i] - after[i]) / spread[i].sqrt()
        shown = axes[i][3].imshow(left.numpy(), vmin=-5, vmax=5, cmap="RdBu")
        axes[i][3].set_title(f"left: rms {float(left.pow(2).mean().sqrt()):.2f} sigma", fontsize=9)
        figure.colorbar(shown, ax=axes[i][3], fraction=0.046)
        for ax in axes[i]:
            ax.set_xticks([])
            ax.set_yticks([])
    return figure


def _numbers(result: TwinResult) -> Figure:
    from matplotlib.figure import Figure

    names, places, errors = [], [], []
    for k, (p, e) in enumerate(zip(result.parameters, result.estimates, strict=True)):
        names.append(e.name)
        places.append((p.own(e.value) - p.mean) / p.sigma)
        errors.append(math.sqrt(max(0.0, float(result.covariance[k, k]))) / p.sigma)
    figure = Figure(figsize=(8, 0.2 * len(names) + 1))
    ax = figure.subplots()
    ax.errorbar(places, range(len(names)), xerr=errors, fmt="o", markersize=3, linewidth=1)
    ax.axvline(0.0, color="0.7", linewidth=0.8)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.invert_yaxis()
    ax.set_xlabel("deviation from the data sheet / tolerance")
    return figure


def _wavefront(result: TwinResult, recording: Recording) -> Figure:
    from matplotlib.figure import Figure

    phase, lit = Model(recording[:1]).wavefront(result.bench)
    plane = torch.where(lit > 0.5, phase, torch.nan)
    rms = float((phase[lit > 0.5]).pow(2).mean().sqrt())
    figure = Figure(figsize=(4.5, 4))
    ax = figure.subplots()
    shown = ax.imshow(plane.numpy(), cmap="RdBu")
    figure.colorbar(shown, ax=ax, label="radians")
    ax.set_title(f"rms {rms:.3f} rad", fontsize=9)
    return figure
