"""One page of HTML: what to mend first, every measurement with its numbers and a picture."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

from calibration.doctor.examination import Diagnosis
from calibration.measurements.registry import measurement
from calibration.measuring.conduct import Measured
from calibration.measuring.interface import Number
from optics.checks import OpticsError
from optics.files import write_text

_STYLE = (
    ":root{color-scheme:light;--ink:#1c1e21;--soft:#5d636b;--line:#d9dce0}*{box-sizing:border-box}"
    "body{margin:0 auto;max-width:60rem;padding:1.2rem;color:var(--ink);background:#fff;"
    'font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}'
    "h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0}"
    "h2{font-size:1.15rem;margin:2rem 0 .5rem;border-top:1px solid var(--line);padding-top:1rem}"
    "p{margin:.4rem 0 .8rem;max-width:46rem}.soft{color:var(--soft);font-size:.88rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}"
    "th,td{text-align:left;padding:.3rem 1rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}"
    "th{font-weight:600;color:var(--soft)}img{max-width:100%;display:block}"
    ".good{color:#1a7f37}.poor{color:#9a6700}.failed{color:#b42318}"
    "@media print{body{max-width:none;font-size:10.5pt;padding:0}tr{break-inside:avoid}}"
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_page(diagnosis: Diagnosis, path: str | Path) -> Path:
    """Write the page whole or not at all, pictures inside."""
    name = html.escape(diagnosis.nominal.name)
    troubles = "".join(
        f"<tr><td>{html.escape(t.name)}<td>{t.weight:.1%}<td>{html.escape(t.words)}<td>{html.escape(t.source)}</tr>"
        for t in diagnosis.troubles
    )
    table = (
        "<h2>What to mend, the heaviest first</h2><p class='soft'>Weight: relative change (L2) of the frames that the "
        "bench file predicts when this number alone is put right; faults by their kind.</p><div class='wide'><table>"
        f"<tr><th>number<th>weight<th>what to do<th>found by</tr>{troubles}</table></div>"
        if troubles
        else ""
    )
    skipped = "".join(f"<li>{html.escape(k)}: {html.escape(v)}</li>" for k, v in diagnosis.skipped.items())
    body = "".join(_section(m) for m in diagnosis.measured)
    write_text(
        path,
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{name}: examination</title><style>{_STYLE}</style></head><body>"
        f"<p class='soft'>Spectral cascade - the bench <b>{name}</b> examined</p>"
        f"<h1 class='{diagnosis.verdict}'>{diagnosis.verdict}</h1><p>{html.escape(diagnosis.first)}</p>{table}{body}"
        + (f"<h2>Not measured</h2><ul>{skipped}</ul>" if skipped else "")
        + "</body></html>\n",
    )
    return Path(path)


def _section(measured: Measured) -> str:
    f = measured.finding
    rows = "".join(_row(n) for n in f.numbers)
    advice = "".join(f"<p>{html.escape(a)}</p>" for a in f.advice)
    table = (
        "<div class='wide'><table><tr><th>number<th>measured<th>± (1 sigma)<th>unit<th>bench file</tr>"
        f"{rows}</table></div>"
        if rows
        else ""
    )
    return (
        f"<h2>{html.escape(f.title)}: <span class='{f.verdict}'>{f.verdict}</span></h2>{advice}{table}"
        f"{_picture(measured)}<p class='soft'>{f.frames} frames; <code>sclc calibrate --only "
        f"{html.escape(f.name)}</code></p>"
    )


def _row(n: Number) -> str:
    told = "" if n.nominal is None else f"{n.nominal:.5g}"
    cells = (html.escape(n.name), f"{n.value:.5g}", f"{n.uncertainty:.2g}", html.escape(n.unit), told)
    return f"<tr>{''.join(f'<td>{cell}' for cell in cells)}</tr>"


def _picture(measured: Measured) -> str:
    """The measurement's picture; nothing where its frames do not allow one."""
    from matplotlib.figure import Figure

    f = measured.finding
    if not f.numbers:
        return ""
    figure = Figure(figsize=(8, 3.2))
    try:
        measurement(f.name).draw(figure, measured.seen, measured.bench, f)
    except OpticsError:
        return ""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, bbox_inches="tight")
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"<img alt='{html.escape(f.title)}' src='data:image/png;base64,{code}'>"
