"""The figure and the page of a comparison: what a supervisor looks at."""

from __future__ import annotations

import base64
import io
from math import hypot
from typing import TYPE_CHECKING, Any

import jinja2
import torch
from torch import Tensor

from distill.job.config import ASSETS
from distill.studies.statistics import AS_IT_COMES, Share
from networks.onbench.collapsed import Collapsed
from networks.onbench.network import OnBench
from optics.conventions import abs2
from optics.files import write_bytes, write_text
from optics.fourf.stored_psf import point_spread
from optics.plots import bench as bench_sketch
from optics.plots import style
from optics.plots.charts import Curve, bars, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from distill.studies.comparison import Compared, Comparison

_KERNEL = 6  # input pixels of a point-spread function that are shown on either side
_DECADES = 1e-3  # of a point-spread function's peak that is shown black
_FLAWS = 5  # of each bench that the page lists
_IMAGES = 12  # whose answer changed, by number


def draw(made: Comparison) -> Figure:
    """Accuracies with error bars."""
    rows = made.rows
    figure, (axes,) = panels(0, [0.45 * len(rows) + 0.9])
    lines = [_line("as it comes", [row.as_is for row in rows])]
    if all(row.refit is not None for row in rows):
        lines.append(_line("back end refitted", [row.refit for row in rows if row.refit is not None]))
    bars(axes, [row.name for row in rows], lines, x="accuracy (%)")
    axes.set_xlim(0, 100)
    return figure


def _line(label: str, shares: list[Share]) -> Curve:
    y, error = (tuple(100 * getattr(s, part) for s in shares) for part in ("mean", "error"))
    return Curve(label, tuple(float(k) for k in range(len(shares))), y, error)


# ---------------------------------------------------------------------- one image through every bench


def seen(made: Comparison) -> Figure:
    """The same input through each bench: what the camera reads of the first mask, the difference, the PSF."""
    image = made.subject.test.images[:1]
    networks = [_on(made, row) for row in made.rows]
    readings = [_reading(network, image) for network in networks]
    spreads = [_spread(network) for network in networks]
    columns = len(networks)
    figure = style.new_figure(1.75 * (columns + 1) + 0.6, 5.2, layout="constrained")
    places = figure.subplots(3, columns + 1, squeeze=False)
    for axes in places.flat:
        axes.set_axis_off()
    _picture(places[0][0], image[0].mean(0), "the input", cmap="gray", vmin=0, vmax=1)
    brightest = max(float(r.max()) for r in readings)
    readings = [r / brightest for r in readings]
    full = max(float(torch.quantile(r, 0.999)) for r in readings)
    apart = max([float((r - readings[0]).abs().max()) for r in readings[1:]] + [1e-12])
    for k, (row, reading) in enumerate(zip(made.rows, readings, strict=True)):
        shown = _picture(places[0][k + 1], reading, row.name, cmap="gray", vmin=0, vmax=full)
        if k == columns - 1:
            figure.colorbar(shown, ax=places[0][k + 1], shrink=0.8, label="of the brightest")
        if k > 0:
            less = reading - readings[0]
            title = f"less {made.rows[0].name}"
            off = _picture(places[1][k + 1], less, title, cmap="RdBu_r", vmin=-apart, vmax=apart)
            if k == columns - 1:
                figure.colorbar(off, ax=places[1][k + 1], shrink=0.8, label="difference")
        spread = spreads[k]
        if spread is not None:
            from matplotlib.colors import LogNorm

            _picture(
                places[2][k + 1],
                spread.clamp(min=_DECADES),
                "PSF, log",
                cmap="magma",
                norm=LogNorm(_DECADES, 1.0),
            )
    return figure


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


def _spread(network: OnBench) -> Tensor | None:
    """Intensity of the first mask's point-spread function around its middle, relative to the peak."""
    if not isinstance(network.optics, Collapsed):
        return None
    with torch.no_grad():
        psf = point_spread(network.optics.fourf, network.optics.responses(network.drives())[0]).samples[0]
    sy, sx = network.optics.windows[0].samples_per_pixel(network.bench)
    cy, cx = (n // 2 for n in psf.shape)
    part = abs2(psf[cy - _KERNEL * sy : cy + _KERNEL * sy + 1, cx - _KERNEL * sx : cx + _KERNEL * sx + 1])
    return part / part.max()


def _picture(axes: Axes, plane: Tensor, title: str, **options: Any) -> Any:
    axes.set_title(title, fontsize=7)
    return axes.imshow(plane.detach().numpy(), interpolation="nearest", **options)


# ---------------------------------------------------------------------- the page


def write_page(made: Comparison) -> None:
    """compare.html, compare.pdf and compare.png."""
    figure = draw(made)
    for kind in ("pdf", "png"):
        write_bytes(made.folder / f"compare.{kind}", _bytes(figure, kind))
    source = (ASSETS / "compare.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    write_text(made.folder / "compare.html", environment.from_string(source).render(**context(made)))


def context(made: Comparison) -> dict[str, Any]:
    """Every value that the template shows."""
    head, lines = made.table()
    shape = made.subject.test.images.shape
    first, *others = made.rows
    return {
        "name": made.plan.name,
        "headline": _headline(made),
        "as_it_comes": None if made.plan.conditions.refit else AS_IT_COMES,
        "images": first.as_is.images,
        "draws": made.plan.conditions.draws,
        "head": head,
        "lines": lines,
        "chart": _address(draw(made)),
        "seen": _address(seen(made)),
        "names": [row.name for row in made.rows],
        "differences": made.differences,
        "first": first.name,
        "changed": [
            {"name": row.name, "gained": _numbers(row.gained), "lost": _numbers(row.lost)} for row in others
        ],
        "flaws": [
            {"name": row.name, "lines": [(path, str(earns)) for path, earns in row.flaws[:_FLAWS]]}
            for row in made.rows
            if row.flaws
        ],
        "light": [
            {
                "name": row.name,
                "exposures": row.exposures,
                "rate": f"{row.images_per_second:.3g}",
                "time": f"{1e3 / row.images_per_second:.3g} ms",
                "photons": "no light budget" if row.photons is None else f"{row.photons:.3g}",
            }
            for row in made.rows
        ],
        "sketches": [
            {"name": row.name, "src": _address(bench_sketch(row.bench, (shape[-2], shape[-1])))}
            for row in made.rows
        ],
    }


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


def _bytes(figure: Figure, kind: str) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=kind)
    return out.getvalue()


def _address(figure: Figure) -> str:
    return "data:image/png;base64," + base64.b64encode(_bytes(figure, "png")).decode()
