"""The table of few labels in `distillation.md`, from the results in `labels/`: `python docs/labels_page.py`.

`labels/NAME.json` is what `python -m benchmarks labels examples/configs/NAME.toml ... --json` printed.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.marked import between, table  # noqa: E402

FOLDER, PAGE = ROOT / "docs" / "labels", ROOT / "docs" / "distillation.md"
ORDER = ("mnist", "cifar10-grey", "cats-dogs", "imagenette", "cars", "faces")
HEAD = ("set", "labels", "teacher", "labels alone", "distilled", "gain", "epochs", "seeds")


def main() -> None:
    """Write the table between its marks."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
    body = [line for name in sorted(found, key=ORDER.index) for line in lines(found[name])]
    between(PAGE, "labels", table(HEAD, body))


def lines(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line a share of the labels."""
    told = []
    for row in result["rows"]:
        means = [f"{100 * statistics.fmean(figures):.1f}" for figures in row["test"].values()]
        error = "" if row["error"] is None else f" ± {100 * row['error']:.1f}"
        gain = f"{100 * row['gain']:+.1f}{error}"
        labels = f"{row['labels']:,} ({100 * row['share']:g} %)"
        told.append(
            (f"`{result['name']}`", labels, *means, gain, str(result["epochs"]), str(result["seeds"]))
        )
    return told


if __name__ == "__main__":
    main()
