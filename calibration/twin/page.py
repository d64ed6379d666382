"""A page about one calibration: what was found, and pictures of frames, predictions and what is left."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calibration.rigs.recording import Recording
from calibration.twin.model import Model
from calibration.twin.noise import variance
from calibration.twin.result import TwinResult
from optics.files import write_text
from optics.plots import charts, page, style
from optics.plots.page import Plane

_SHOWN = 4  # frames on the page
_SIGMAS = 5.0  # at which what is left is shown brightest


def write_page(result: TwinResult, recording: Recording, path: str | Path) -> Path:
    """Write one HTML file, pictures inside.

    Args:
        result: the calibration.
        recording: all frames, those held back too.
        path: of the page; the bench and its numbers, where they lie beside it under the same name, are linked.
    """
    path = Path(path)
    template = Path(__file__).with_name("page.html.j2")
    write_text(path, page.render(template, context(result, recording, path)))
    return path


def context(result: TwinResult, recording: Recording, path: Path) -> dict[str, Any]:
    """Every value that the template shows."""
    beside = [path.with_suffix(end) for end in (".toml", ".json")]
    return {
        "name": result.nominal.name,
        "verdict": result.verdict,
        "advice": result.advice,
        "summary": _summary(result),
        "chart": _chart(result),
        **_frames(result, recording),
        "numbers": _numbers(result),
        **_wavefront(result, recording),
        "estimates": [
            [e.name, f"{e.nominal:.5g}", f"{e.value:.5g}", f"{e.uncertainty:.2g}", f"{e.learnt:.0%}"]
            for e in result.estimates
        ],
        "sums": [f"{c} ± {c.uncertainty:.2g}" for c in result.combinations],
        "links": [p.name for p in beside if p.is_file()],
    }


def _summary(result: TwinResult) -> str:
    error, noise = result.held_back or (result.residual, result.noise)
    return (
        f"Frames {'held back' if result.held_back else 'fitted'} are predicted to {error:.2%} (relative L2 above "
        f"black); their noise is {noise:.2%}; the data sheet errs by {result.nominal_residual:.0%}. {result.frames} "
        f"frames were fitted in {result.seconds:.0f} s."
    )


def _chart(result: TwinResult) -> page.Chart:
    """Errors of the data sheet and of the calibrated bench beside the noise."""
    rows = [("by the data sheet", result.nominal_residual), ("calibrated, frames fitted", result.residual)]
    if result.held_back is not None:
        rows.append(("calibrated, frames held back", result.held_back[0]))
    rows.append(("the frames' own noise", (result.held_back or (0.0, result.noise))[1]))
    marks = [charts.Mark(name, 100 * value, 0.0, f"{100 * value:.2f} %") for name, value in rows]
    drawn = charts.marks(marks, x="relative error of predicted frames (%)", log=True)
    return page.chart(drawn, "Error of predicted frames: " + "; ".join(f"{m.label} {m.text}" for m in marks))


def _frames(result: TwinResult, recording: Recording) -> dict[str, Any]:
    chosen = torch.linspace(0, len(recording) - 1, min(_SHOWN, len(recording))).round().long().tolist()
    part = recording[chosen]
    model = Model(part)
    model.refine(result.bench)
    after, before = model.predict(result.bench).counts, Model(part).predict(result.nominal).counts
    spread = variance(result.bench, after)
    low, high = float(part.counts.min()), float(part.counts.max())
    camera = result.bench.camera
    pitch = camera.pitch * camera.binning

    def plane(values: Tensor, name: str, ends: tuple[float, float], colours: str = style.INTENSITY) -> Plane:
        drawn = page.pixels(values.numpy(), low=ends[0], high=ends[1], colours=colours)
        return page.plane(drawn, name, pitch=pitch)

    shown = []
    for k, number in enumerate(chosen):
        left = (part.counts[k] - after[k]) / spread[k].sqrt()
        planes = [
            plane(part.counts[k], "measured", (low, high)),
            plane(before[k], "by the data sheet", (low, high)),
            plane(after[k], "calibrated", (low, high)),
            plane(
                left,
                f"left: rms {float(left.pow(2).mean().sqrt()):.2f} sigma",
                (-_SIGMAS, _SIGMAS),
                style.DIFFERENCE,
            ),
        ]
        shown.append({"name": f"Frame {number}", "planes": planes})
    unit = "counts" if camera.adc.bits is not None else "electrons"
    return {
        "frames": shown,
        "counts_scale": page.scale(style.INTENSITY, f"{low:.4g}", f"{high:.4g}", unit),
        "left_scale": page.scale(style.DIFFERENCE, f"−{_SIGMAS:g}", f"+{_SIGMAS:g}", "sigma, what is left"),
    }


def _numbers(result: TwinResult) -> page.Chart:
    marks = []
    for k, (p, e) in enumerate(zip(result.parameters, result.estimates, strict=True)):
        place = (p.own(e.value) - p.mean) / p.sigma
        error = math.sqrt(max(0.0, float(result.covariance[k, k]))) / p.sigma
        marks.append(charts.Mark(e.name, place, error, f"{place:+.2f} ± {error:.2f}".replace("-", "−")))
    drawn = charts.marks(marks, x="deviation from the data sheet / its tolerance", zero=True)
    told = "Deviation of each number from the data sheet, in units of its tolerance"
    return page.chart(drawn, told, f"{told}; error bars are one standard deviation.")


def _wavefront(result: TwinResult, recording: Recording) -> dict[str, Any]:
    phase, lit = Model(recording[:1]).wavefront(result.bench)
    plane = torch.where(lit > 0.5, phase, torch.nan)
    inside = phase[lit > 0.5]
    most = float(inside.abs().max()) or 1.0
    drawn = page.pixels(plane.numpy(), low=-most, high=most, colours=style.DIFFERENCE)
    return {
        "wavefront": page.plane(drawn, "phase, radians", pitch=result.bench.slm.pitch),
        "wavefront_scale": page.scale(style.DIFFERENCE, f"−{most:.3g}", f"+{most:.3g}", "radians"),
        "rms": f"rms {float(inside.pow(2).mean().sqrt()):.3f} rad",
    }
