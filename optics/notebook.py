"""What a notebook shows of a result: a table and a figure, as HTML that needs nothing but itself.

An object with `_repr_html_` is shown so by IPython, without any magic. Text is escaped; a figure is a PNG inside.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDEST = 900  # pixels of a figure in a page
_SCREEN = 110  # dots an inch


def table(head: Sequence[str], lines: Sequence[Sequence[str]], *, caption: str = "") -> str:
    """A table with its head; the first column reads as names, numbers stand to the right."""
    cells = "".join(f"<th>{html.escape(h)}</th>" for h in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:{"left" if k == 0 else "right"}">{html.escape(cell)}</td>'
            for k, cell in enumerate(line)
        )
        + "</tr>"
        for line in lines
    )
    told = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{told}<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def words(text: str) -> str:
    """A paragraph that keeps its line ends."""
    return f'<p style="white-space:pre-line">{html.escape(text)}</p>'


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_SCREEN)
    return out.getvalue()


def image(figure: Figure, *, about: str = "") -> str:
    """A figure inside the page; `about` says in words what it shows."""
    inside = base64.b64encode(png(figure)).decode()
    limit = f"max-width:min(100%,{_WIDEST}px)"
    return f'<img alt="{html.escape(about)}" style="{limit}" src="data:image/png;base64,{inside}">'


def file(path: Path) -> str:
    """A PNG file inside the page."""
    inside = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(path.stem)}" style="max-width:45%" src="data:image/png;base64,{inside}">'


def number(value: Any) -> str:
    """A number in few digits; a tuple of them; anything else as it is written."""
    if isinstance(value, tuple | list):
        return f"({', '.join(number(v) for v in value[:6])}{', ...' if len(value) > 6 else ''})"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {number(v)}" for k, v in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
