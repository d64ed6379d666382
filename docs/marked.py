"""Tables in Markdown, and the marks between which a script writes them into a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from optics.files import write_text


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, a line for each row of `body`."""
    rows = (head, ["---"] * len(head), *body)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows) + "\n"


def between(page: Path, name: str, made: str) -> None:
    """Write `made` between the page's marks `<!-- name -->` and `<!-- /name -->`; a page without them is refused."""
    text = page.read_text(encoding="utf-8")
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marks.search(text):
        raise SystemExit(f"{page.name} has no <!-- {name} --> ... <!-- /{name} --> to write between.")
    write_text(page, marks.sub(lambda m: f"{m[1]}{made}{m[2]}", text))
