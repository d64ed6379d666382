"""The table of what each method earns in `distillation.md`, from `methods/*.json`: `python docs/methods_page.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from optics.files import write_text

DOCS = Path(__file__).resolve().parent
PAGE, RESULTS = DOCS / "distillation.md", DOCS / "methods"


def table(result: dict[str, Any]) -> str:
    """A line a method: what was chosen on the validation images, the test images of each seed, the gain."""
    head = ("method", "chosen", "learning rate", "validation, %", "test, %", "beyond the labels", "tried")
    lines = [head, ("---",) * len(head)]
    for row in result["rows"]:
        best = max(tried["mean"] for tried in row["validation"])
        error = "" if row["error"] is None else f" ± {100 * row['error']:.1f}"
        lines.append(
            (
                row["method"],
                row["setting"],
                f"{row['rate']:.2g}",
                f"{100 * best:.1f}",
                ", ".join(f"{100 * figure:.1f}" for figure in row["test"]),
                f"{100 * row['gain']:+.1f}{error}",
                str(len(row["validation"])),
            )
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> None:
    """Rewrite the table of every result that is there."""
    page = PAGE.read_text(encoding="utf-8")
    for path in sorted(RESULTS.glob("*.json")):
        lines, mark = table(json.loads(path.read_text(encoding="utf-8"))), f"methods {path.stem}"
        block = f"<!-- {mark} -->\n{lines}<!-- /{mark} -->"
        page, count = re.subn(
            rf"<!-- {mark} -->.*<!-- /{mark} -->", lambda _, b=block: b, page, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"{PAGE.name} has no place <!-- {mark} --> for {path.name}")
    write_text(PAGE, page)


if __name__ == "__main__":
    main()
