"""Every example of the gallery at its full size, by the number that it and README tell; and the notebook, executed."""

from __future__ import annotations

import ast
import importlib
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.__main__ import NAMES

FOLDER = Path(__file__).parents[1] / "examples"


def near(value: float, wanted: float, by: float) -> bool:
    return abs(value - wanted) <= by


# name: the numbers that it must give
GALLERY: dict[str, Callable[[dict[Any, Any]], bool]] = {
    "low_pass_4f": lambda n: n["narrow stop"] < 0.05 and n["wide stop"] > 0.95,
    "each_flaw": lambda n: next(iter(n)) == "slm.crosstalk" and near(n["all together"], 0.157, 0.01),
    "bits_1_to_8": lambda n: all(
        near(value, (math.sin(math.pi / 2**b) / (math.pi / 2**b)) ** 2, 1e-3) for b, value in n.items()
    ),
    "encodings_compared": lambda n: (
        n["direct"]["error"] < 0.01 < 0.03 < n["arrizon"]["error"] < n["phase_only"]["error"]
        and near(n["phase_only"]["error"], 0.46, 0.02)
    ),
    "psf_for_my_slm": lambda n: n["proved"] == 1.0 and near(n["error"], 0.086, 0.01),
    "my_own_masks": lambda n: n["levels apart"] <= 0.5 + 1e-4,
    "my_own_teacher": lambda n: min(n.values()) > 0.88 and abs(n["taught"] - n["on the labels"]) < 0.03,
    "noise_study": lambda n: min(n.values()) < 0.55 and max(n.values()) > 0.9,
    "compare_benches": lambda n: min(n.values()) > 0.8 and max(n.values()) - min(n.values()) < 0.05,
}


def test_the_gallery_is_complete():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    others = {p.name for p in FOLDER.glob("*.py")} - {"__main__.py", *(f"{name}.py" for name in NAMES)}
    assert set(GALLERY) == set(NAMES)
    assert all(f"({name})" in page for name in others)  # scripts beside the gallery
    assert all(f"({name}.py)" in page and f"(pictures/{name}.png)" in page for name in NAMES)
    assert {p.stem for p in (FOLDER / "pictures").iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_like_a_page(name):
    """A question first, then the planes; short; its picture is small."""
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert "?" in doc.splitlines()[0] and "Planes" in doc
    assert len(text.splitlines()) < 110
    assert (FOLDER / "pictures" / f"{name}.png").stat().st_size < 60_000


@pytest.mark.parametrize("name", NAMES)
def test_its_number(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found, figure = importlib.import_module(f"examples.{name}").main()
    assert GALLERY[name](found), found
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == []  # everything else went to a temporary folder


SMALL = {"limit=2000": "limit=200", "epochs=6": "epochs=1", "draws=2": "draws=1", "draws=3": "draws=1"}
ROWS = ("teacher", "linear, labels", "linear, distilled", "ideal bench", "realistic bench", "refitted")


@pytest.mark.parametrize("size", ["small", pytest.param("as it is", marks=pytest.mark.slow)])
def test_the_notebook_runs_from_top_to_bottom(size):
    """In a kernel of its own, without any magic; as it is, the last cell's numbers are asserted too."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (extra `notebook`)")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed (extra `notebook`)")
    import nbformat

    book = nbformat.read(FOLDER / "distillation.ipynb", as_version=4)
    assert not any(re.match(r"\s*%", cell.source) for cell in book.cells if cell.cell_type == "code")
    assert all(not cell.get("outputs") for cell in book.cells)  # kept without results
    for much, little in SMALL.items() if size == "small" else ():
        assert any(much in cell.source for cell in book.cells)
        for cell in book.cells:
            cell.source = cell.source.replace(much, little)
    nbclient.NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER.parent)}}
    ).execute()
    outputs = [o for cell in book.cells if cell.cell_type == "code" for o in cell.outputs]
    shown = [kind for o in outputs for kind in o.get("data", {})]
    assert shown.count("image/png") >= 2 and shown.count("text/html") >= 4
    told, bars = (
        "".join(o.get("text", "") for o in outputs if o.get("name") == n) for n in ("stdout", "stderr")
    )
    assert "Training" in bars and "Fitting the back end" in bars
    rows = {k.strip(): float(v) for k, v in re.findall(r"^(.+?) +([\d.]+) %$", told, re.M)}
    assert tuple(rows) == ROWS
    if size == "as it is":
        assert rows["teacher"] > 93 and rows["linear, distilled"] > 88 and rows["refitted"] > 85
        assert abs(rows["ideal bench"] - rows["linear, distilled"]) < 3
