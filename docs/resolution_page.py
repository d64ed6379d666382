"""The tables of `resolution.md` from `resolution/*.json`, and their pictures: `python docs/resolution_page.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.resolution_cost import at_accuracy  # noqa: E402
from distill.metrics.row import error_of_share  # noqa: E402
from docs.marked import between, table  # noqa: E402
from optics.plots import style  # noqa: E402
from optics.plots.charts import Curve, curves, panels  # noqa: E402

DOCS = ROOT / "docs"
PAGE, RESULTS = DOCS / "resolution.md", DOCS / "resolution"
WAYS = ("linear", "converted", "electronic")


def accuracy(result: dict[str, Any]) -> str:
    """Accuracy and operations, a line a resolution."""
    head = (
        "pixels a side",
        "bins",
        "linear optics, test %",
        "best nonlinear, test % (operations)",
        "operations behind the optics",
        "operations of a nonlinear network as good",
        "ratio (by the test images)",
    )
    lines = []
    for row in result["rows"]:
        best = max(row["ladder"].values(), key=lambda rung: rung["validation"])
        linear = row["linear"]
        equal = "above the ladder" if row["equal_operations"] is None else f"{row['equal_operations']:,.0f}"
        lines.append(
            (
                str(row["resolution"]),
                f"{linear['bins']} x {linear['bins']}",
                _percent(linear["test"], row["images"]),
                f"{_percent(best['test'], row['images'])} ({best['operations']:,.0f})",
                f"{linear['operations']:,.0f}",
                equal,
                f"{_ratio(row, 'validation')} ({_ratio(row, 'test')})",
            )
        )
    return table(head, lines)


def costs(result: dict[str, Any]) -> str:
    """Light, time and energy at equal accuracy, a line a resolution."""
    head = (
        "pixels a side",
        "exposures: linear / converted",
        "seconds on the bench",
        "photons at full scale",
        "operations in electronics",
        "energy without devices, J: linear / converted / electronic",
        "electronics' time, ms: linear / electronic",
        "as fast as electronics from, exposures/s",
        "as frugal below, mW",
    )
    lines = []
    for row in result["rows"]:
        linear, converted, electronic = (row["costs"][way] for way in WAYS)
        above = "" if row["equal_operations"] else "> "
        saved = {k: electronic[k] - linear[k] for k in ("electronics_seconds", "joules")}
        fast, frugal = saved["electronics_seconds"], 1e3 * saved["joules"] / linear["bench_seconds"]
        rate = float(f"{linear['exposures'] / fast:.1g}") if fast > 0 else None
        lines.append(
            (
                str(row["resolution"]),
                f"{linear['exposures']:.0f} / {above}{converted['exposures']:.0f}",
                f"{linear['bench_seconds']:.2g} / {above}{converted['bench_seconds']:.2g}",
                f"{linear['photons']:.0e} / {above}{converted['photons']:.0e}",
                f"{linear['operations']:,.0f} / {above}{converted['operations']:,.0f}",
                f"{linear['joules']:.0e} / {above}{converted['joules']:.0e} / {above}{electronic['joules']:.0e}",
                f"{1e3 * linear['electronics_seconds']:.1f} / {above}{1e3 * electronic['electronics_seconds']:.1f}",
                "never" if rate is None else f"{'< ' if above else ''}{rate:,.0f}",
                f"{above}{frugal:.1g}" if frugal > 0 else "never",
            )
        )
    return table(head, lines)


def _ratio(row: dict[str, Any], part: str) -> str:
    """Operations of the ladder where it is as good on a part's images, over those behind the optics."""
    rungs, linear = row["ladder"].values(), row["linear"]
    operations = [r["operations"] for r in rungs]
    ladder = list(zip((r[part] for r in rungs), operations, strict=True))
    found = at_accuracy(ladder, operations, linear[part])
    if found is None:
        return f"more than {max(r['operations'] for r in rungs) / linear['operations']:.0f}"
    return f"{found / linear['operations']:.0f}"


def _percent(share: float, images: int) -> str:
    return f"{100 * share:.1f} ± {_error(share, images):.1f}"


def picture(result: dict[str, Any], path: Path) -> None:
    """Accuracy, and operations at equal accuracy, against resolution."""
    rows = result["rows"]
    sides = tuple(float(row["resolution"]) for row in rows)
    figure, (left, right) = panels(2)
    best = [max(row["ladder"].values(), key=lambda rung: rung["validation"])["test"] for row in rows]
    named = {"linear optics": [row["linear"]["test"] for row in rows], "best nonlinear": best}
    errors = {
        name: [_error(v, row["images"]) for v, row in zip(named[name], rows, strict=True)] for name in named
    }
    curves(
        left,
        [Curve(k, sides, tuple(100 * v for v in named[k]), tuple(errors[k])) for k in named],
        x="pixels a side",
        y="test images right (%)",
    )
    told = [
        (s, row["equal_operations"]) for s, row in zip(sides, rows, strict=True) if row["equal_operations"]
    ]
    operations = [Curve("behind the optics", sides, tuple(row["linear"]["operations"] for row in rows), ())]
    if told:
        operations.append(
            Curve("nonlinear, as good", tuple(s for s, _ in told), tuple(v for _, v in told), ())
        )
    curves(right, operations, x="pixels a side", y="multiply-accumulates an image")
    right.set_yscale("log")
    figure.savefig(path, dpi=style.DPI)


def _error(share: float, images: int) -> float:
    return 100 * error_of_share(share, images)


def main() -> None:
    """Rewrite the page's tables and the pictures, of every set whose numbers are there."""
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        between(PAGE, f"{path.stem} accuracy", accuracy(result))
        between(PAGE, f"{path.stem} costs", costs(result))
        picture(result, DOCS / "images" / f"resolution-{path.stem}.png")


if __name__ == "__main__":
    main()
