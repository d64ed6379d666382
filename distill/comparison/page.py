"""The figure and the page of a comparison: what a supervisor looks at."""

from __future__ import annotations

import io
from math import hypot
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from distill.job.config import ASSETS
from distill.studies.statistics import Share, as_it_comes
from networks.onbench.collapsed import Collapsed
from networks.onbench.network import OnBench
from optics.conventions import abs2
from optics.files import write_bytes, write_text
from optics.fourf.stored_psf import point_spread
from optics.plots import charts, page, sketch, style
from optics.plots.charts import Curve, bars, panels
from optics.plots.page import Chart, Plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from distill.comparison.comparison import Compared, Comparison

_KERNEL = 6  # input pixels of a point-spread function that are shown on either side
_DECADES = 3  # powers of ten of a point-spread function that are shown
_FLAWS = 5  # of each bench that the page lists
_IMAGES = 12  # whose answer changed, by number


def draw(made: Comparison) -> Figure:
    """Accuracies with error bars."""
    rows = made.rows
    figure, (axes,) = panels(0, [0.45 * len(rows) + 0.9])
    lines = [_line("as it comes", [row.as_is for row in rows])]
    if all(row.refit is not None for row in rows):
        lines.append(_line("back end refitted", [row.refit for row in rows if row.refit is not None]))
    bars(axes, [row.name for row in rows], lines, x=f"{made.plan.figure} (%)")
    axes.set_xlim(0, 100)
    return figure


def _line(label: str, shares: list[Share]) -> Curve:
    y, error = (tuple(100 * getattr(s, part) for s in shares) for part in ("mean", "error"))
    return Curve(label, tuple(float(k) for k in range(len(shares))), y, error)


# ---------------------------------------------------------------------- one image through every bench


def seen(made: Comparison) -> dict[str, Any]:
    """The same input through each bench: what the electronics reads of the first mask, the difference, the PSF."""
    image = made.subject.test.images[:1]
    networks = [_on(made, row) for row in made.rows]
    readings = [_reading(network, image) for network in networks]
    brightest = max(float(r.max()) for r in readings) or 1.0
    readings = [r / brightest for r in readings]
    full = max(float(torch.quantile(r, 0.999)) for r in readings) or 1.0
    apart = max([float((r - readings[0]).abs().max()) for r in readings[1:]] + [1e-12])
    benches, spread_anywhere = [], False
    for k, (row, network, reading) in enumerate(zip(made.rows, networks, readings, strict=True)):
        pitch = row.bench.input.pitch
        less = reading - readings[0]
        drawn = [_plane(reading, "what is read", pitch, 0.0, full, style.INTENSITY)]
        if k > 0:
            drawn.append(_plane(less, f"less {made.rows[0].name}", pitch, -apart, apart, style.DIFFERENCE))
        spread = _spread(network)
        if spread is not None:
            intensity, steps = spread
            shown = intensity.clamp(min=10.0**-_DECADES).log10()
            drawn.append(_plane(shown, "point-spread function", steps, -_DECADES, 0.0, style.DECADES))
            spread_anywhere = True
        benches.append({"name": row.name, "planes": drawn})
    first = made.rows[0].bench.input.pitch
    psf_scale = page.scale(
        style.DECADES, f"1e-{_DECADES}", "1", "intensity of a point-spread function / its peak, logarithmic"
    )
    return {
        "input": _plane(
            image[0].mean(0), "the input: amplitude on the display", first, 0.0, 1.0, style.INTENSITY
        ),
        "seen": benches,
        "light_scale": page.scale(style.INTENSITY, "0", f"{full:.2g}", "of the brightest reading"),
        "apart_scale": page.scale(
            style.DIFFERENCE, f"−{apart:.2g}", f"+{apart:.2g}", f"difference from {made.rows[0].name}"
        ),
        "psf_scale": psf_scale if spread_anywhere else None,
    }


def _plane(
    values: Tensor, name: str, pitch: float | tuple[float, float], low: float, high: float, colours: str
) -> Plane:
    drawn = page.pixels(values.detach().cpu().numpy(), low=low, high=high, colours=colours)
    return page.plane(drawn, name, pitch=pitch)


def _on(made: Comparison, row: Compared) -> OnBench:
    student, shape = made.subject.student, made.subject.test.images.shape
    way = made.plan.conditions.realisation.options()
    return student.on(row.bench, image_shape=(shape[-2], shape[-1]), **way).eval()


def _reading(network: OnBench, image: Tensor) -> Tensor:
    """What the electronics reads of the first exposure, a value an input pixel, in units of the mask's own."""
    with torch.no_grad():
        counts = network.frames(image)
        recorder = network.recorders[0]
        relative = recorder.bins(recorder.relative(counts[:, :1]), None)
        found: Tensor = relative[0, 0] * float(network.scales[0] / network.gain) ** 2
    return found


def _spread(network: OnBench) -> tuple[Tensor, tuple[float, float]] | None:
    """Intensity of the first mask's point-spread function around its middle, relative to the peak, and its samples."""
    if not isinstance(network.optics, Collapsed):
        return None
    with torch.no_grad():
        psf = point_spread(network.optics.fourf, network.optics.responses(network.drives())[0]).samples[0]
    sy, sx = network.optics.windows[0].samples_per_pixel(network.bench)
    cy, cx = (n // 2 for n in psf.shape)
    part = abs2(psf[cy - _KERNEL * sy : cy + _KERNEL * sy + 1, cx - _KERNEL * sx : cx + _KERNEL * sx + 1])
    pitch = network.bench.input.pitch
    return part / part.max().clamp(min=1e-30), (pitch / sy, pitch / sx)


# ---------------------------------------------------------------------- the page


def write_page(made: Comparison) -> None:
    """compare.html, compare.pdf and compare.png."""
    figure = draw(made)
    for kind in ("pdf", "png"):
        out = io.BytesIO()
        figure.savefig(out, format=kind)
        write_bytes(made.folder / f"compare.{kind}", out.getvalue())
    write_text(made.folder / "compare.html", page.render(ASSETS / "compare.html.j2", context(made)))


def context(made: Comparison) -> dict[str, Any]:
    """Every value that the template shows."""
    head, lines = made.table()
    shape = made.subject.test.images.shape
    first, *others = made.rows
    return {
        "name": made.plan.name,
        "figure": made.plan.figure,
        "headline": _headline(made),
        "as_it_comes": None if made.plan.conditions.refit else as_it_comes(made.plan.figure),
        "images": first.as_is.images,
        "draws": made.plan.conditions.draws,
        "head": head,
        "lines": lines,
        "chart": _chart(made),
        **seen(made),
        "names": [row.name for row in made.rows],
        "differences": [[key, *values] for key, values in made.differences],
        "first": first.name,
        "changed": [[row.name, _numbers(row.gained), _numbers(row.lost)] for row in others],
        "flaws": [_earned(row) for row in made.rows if row.flaws],
        "light": [
            [
                row.name,
                str(row.exposures),
                f"{row.images_per_second:.3g}",
                f"{1e3 / row.images_per_second:.3g} ms",
                "no light budget" if row.photons is None else f"{row.photons:.3g}",
            ]
            for row in made.rows
        ],
        "sketches": [
            page.chart(sketch(row.bench, (shape[-2], shape[-1])), f"Sketch of {row.name}", row.name)
            for row in made.rows
        ],
        "files": ["compare.json", "compare.pdf", "compare.png"],
    }


def _chart(made: Comparison) -> Chart:
    """Accuracies with error bars, narrow enough for a telephone."""
    found = []
    kinds = ["as it comes", "back end refitted"] if made.plan.conditions.refit is not None else []
    for row in made.rows:
        for kind, share in enumerate((row.as_is, row.refit)):
            if share is not None:
                label = row.name + (f", {kinds[kind]}" if kinds else "")
                found.append(charts.Mark(label, 100 * share.mean, 100 * share.error, str(share), kind))
    told, name = "; ".join(f"{m.label} {m.text}" for m in found), made.plan.figure
    return page.chart(charts.marks(found, x=f"{name} (%)", kinds=kinds), f"{name} on each bench: {told}")


def _earned(row: Compared) -> Chart:
    marks = [
        charts.Mark(
            path, 100 * earns.mean, 100 * earns.error, f"{100 * earns.mean:+.2f} ± {100 * earns.error:.2f}"
        )
        for path, earns in row.flaws[:_FLAWS]
    ]
    drawn = charts.marks(marks, x="mending it alone earns (percentage points)", zero=True)
    told = "; ".join(f"{m.label} {m.text}" for m in marks)
    return page.chart(drawn, f"{row.name}: what mending each flaw earns: {told}", row.name)


def _headline(made: Comparison) -> str:
    best = max(made.rows, key=lambda row: (row.refit or row.as_is).mean)
    second = [row for row in made.rows if row is not best]
    certain = all(
        abs((row.refit or row.as_is).mean - (best.refit or best.as_is).mean)
        > 2 * hypot(row.change.error, best.change.error)  # the first bench's own change has no error
        for row in second
    )
    said = "does best" if certain else "does best, by less than can be told from so few images and exposures"
    how = "as it comes" if best.refit is None else "back end refitted"
    return f"{best.name} {said}: {best.refit or best.as_is}, {how}"


def _numbers(images: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, images[:_IMAGES]))
    return f"{len(images)}" + (
        f" (numbers {shown}{', ...' if len(images) > _IMAGES else ''})" if images else ""
    )
