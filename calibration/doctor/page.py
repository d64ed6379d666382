"""One page of HTML: what to mend first, every measurement with its numbers and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibration.doctor.examination import Diagnosis
from calibration.measurements.registry import measurement
from calibration.measuring.conduct import Measured
from calibration.measuring.interface import Number
from optics.checks import OpticsError
from optics.files import write_text
from optics.plots import page, style


def write_page(diagnosis: Diagnosis, path: str | Path) -> Path:
    """Write the page whole or not at all, pictures inside."""
    values = {
        "name": diagnosis.nominal.name,
        "verdict": diagnosis.verdict,
        "first": diagnosis.first,
        "troubles": [[t.name, f"{t.weight:.1%}", t.words, t.source] for t in diagnosis.troubles],
        "measured": [_section(m) for m in diagnosis.measured],
        "skipped": diagnosis.skipped,
    }
    write_text(path, page.render(Path(__file__).with_name("page.html.j2"), values))
    return Path(path)


def _section(measured: Measured) -> dict[str, Any]:
    f = measured.finding
    plain = {name: getattr(f, name) for name in ("title", "verdict", "advice", "frames", "name")}
    return plain | {"numbers": [_row(n) for n in f.numbers], "picture": _picture(measured)}


def _row(n: Number) -> list[str]:
    told = "" if n.nominal is None else f"{n.nominal:.5g}"
    return [n.name, f"{n.value:.5g}", f"{n.uncertainty:.2g}", n.unit, told]


def _picture(measured: Measured) -> page.Chart | None:
    """The measurement's picture; None where its frames do not allow one."""
    f = measured.finding
    if not f.numbers:
        return None
    figure = style.new_figure(8.0, 3.2, layout="constrained")
    try:
        measurement(f.name).draw(figure, measured.seen, measured.bench, f)
    except OpticsError:
        return None
    return page.chart(figure, f.title)
