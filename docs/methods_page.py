"""The table of what each method earns in `distillation.md`, from `methods/*.json`: `python docs/methods_page.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.marked import between, table  # noqa: E402

PAGE, RESULTS = ROOT / "docs" / "distillation.md", ROOT / "docs" / "methods"
HEAD = ("method", "chosen", "learning rate", "validation, %", "test, %", "beyond the labels", "tried")


def line(row: dict[str, Any]) -> tuple[str, ...]:
    """A method: what was chosen on the validation images, the test images of each seed, the gain."""
    best = max(tried["mean"] for tried in row["validation"])
    error = "" if row["error"] is None else f" ± {100 * row['error']:.1f}"
    return (
        row["method"],
        row["setting"],
        f"{row['rate']:.2g}",
        f"{100 * best:.1f}",
        ", ".join(f"{100 * figure:.1f}" for figure in row["test"]),
        f"{100 * row['gain']:+.1f}{error}",
        str(len(row["validation"])),
    )


def main() -> None:
    """Rewrite the table of every result that is there."""
    for path in sorted(RESULTS.glob("*.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        between(PAGE, f"methods {path.stem}", table(HEAD, [line(row) for row in rows]))


if __name__ == "__main__":
    main()
