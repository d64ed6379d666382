"""The table of `resolution.md` from `resolution-result.json`, and its picture: `python docs/resolution_page.py`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.resolution import operations_at  # noqa: E402
from distill.metrics.row import error_of_share  # noqa: E402
from optics.bench.files import load_bench  # noqa: E402
from optics.files import write_text  # noqa: E402
from optics.plots import style  # noqa: E402
from optics.plots.charts import Curve, curves, panels  # noqa: E402

PAGE, RESULT = ROOT / "docs" / "resolution.md", ROOT / "docs" / "resolution-result.json"
PICTURE = ROOT / "docs" / "images" / "resolution.png"
PLANCK, LIGHT = 6.62607015e-34, 299792458.0


def markdown(result: dict[str, Any]) -> str:
    """One line a resolution."""
    photon = PLANCK * LIGHT / load_bench(result["bench"]).light.wavelength
    head = (
        "pixels a side",
        "bins",
        "linear optics, test %",
        "best nonlinear, test % (operations)",
        "operations behind the optics",
        "operations of a nonlinear network as good",
        "ratio (by the test images)",
        "exposures",
        "images/s",
        "photons an image",
        "energy, J",
    )
    lines = [head, ("---",) * len(head)]
    for row in result["rows"]:
        best = max(row["ladder"].values(), key=lambda rung: rung["validation"])
        linear, photons = row["linear"], row["photons"]
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
                str(row["exposures"]),
                f"{row['images_per_second']:.2g}",
                f"{photons:.1e}",
                f"{photons * photon:.0e}",
            )
        )
    out = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(out) + "\n"


def _ratio(row: dict[str, Any], part: str) -> str:
    """Operations of the ladder where it is as good on a part's images, over those behind the optics."""
    rungs, linear = row["ladder"].values(), row["linear"]
    found = operations_at([r[part] for r in rungs], [r["operations"] for r in rungs], linear[part])
    if found is None:
        return f"more than {max(r['operations'] for r in rungs) / linear['operations']:.0f}"
    return f"{found / linear['operations']:.0f}"


def _percent(share: float, images: int) -> str:
    return f"{100 * share:.1f} ± {_error(share, images):.1f}"


def picture(result: dict[str, Any]) -> None:
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
    figure.savefig(PICTURE, dpi=style.DPI)


def _error(share: float, images: int) -> float:
    return 100 * error_of_share(share, images)


def main() -> None:
    """Rewrite the page's table and the picture."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    block = f"<!-- table -->\n{markdown(result)}<!-- /table -->"
    write_text(PAGE, re.sub(r"<!-- table -->.*<!-- /table -->", lambda _: block, page, flags=re.DOTALL))
    picture(result)


if __name__ == "__main__":
    main()
