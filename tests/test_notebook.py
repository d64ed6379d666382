"""What Python and a notebook show of every result: a short text, a table and a figure, without any magic.

One list of things, one list of properties. Where IPython is installed its own formatter is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
import torch

from calibration import SimulatedCamera, measure_radiometry
from calibration.twin.result import TwinResult
from distill.data.dataset import Splits
from distill.training.history import Epoch, History
from networks import Student
from optics import SLMSpec, load_bench, plots
from optics.checks import SpecError
from optics.plan import plan
from tests.distill.studies import studybench
from tests.distill.training.test_evaluation import shapes
from tests.scenes import REAL, generator, on, student

LINES, WIDTH = 14, 121


def history() -> History:
    rows = [Epoch(e, 1.0 / e, 0.5 + 0.04 * e, 1.2 / e, 0.5 + 0.03 * e, 1e-3, 2.0) for e in range(1, 9)]
    return History(tuple(rows), 300)


@cache
def study(tmp: str) -> Any:
    from pathlib import Path

    return studybench.quick(Path(tmp) / "study", vary=["slm.flicker=0,0.2"], draws=2)


def twin() -> TwinResult:
    return TwinResult(
        bench=REAL,
        nominal=REAL,
        parameters=(),
        covariance=torch.zeros(0, 0),
        estimates=(),
        combinations=(),
        residual=0.012,
        noise=0.011,
        nominal_residual=0.6,
        held_back=None,
        share=0.0,
        frames=8,
        seconds=12.0,
    )


def radiometry() -> Any:
    camera = REAL.camera.replace(shape=(64, 64))
    return measure_radiometry(SimulatedCamera(camera), levels=6, frames=2, generator=generator())


# what it is: how it is made, and what a notebook shows beside words
THINGS: dict[str, tuple[Callable[[str], Any], tuple[str, ...]]] = {
    "bench": (lambda tmp: REAL, ("table",)),
    "shipped bench": (lambda tmp: load_bench("pluto2-200mm"), ("table",)),
    "plan": (lambda tmp: plan(REAL, kernels=4, taps=5, image_shape=(12, 10)), ("table",)),
    "data": (lambda tmp: shapes(), ("table", "img")),
    "splits": (lambda tmp: Splits(shapes(), shapes(30), shapes(9)), ("table", "img")),
    "history": (lambda tmp: history(), ("img",)),
    "network on a bench": (lambda tmp: on(student(), REAL), ("table",)),
    "study": (study, ("table", "img")),
    "calibration": (lambda tmp: twin(), ("table",)),
    "radiometry": (lambda tmp: radiometry(), ("table",)),
    "figure of a mask": (lambda tmp: plots.mask(torch.ones(8, 9) * 1j, pitch=8e-6), ("png",)),
    "sketch": (lambda tmp: plots.sketch(REAL, (12, 10)), ("png",)),
    "history's figure": (lambda tmp: history().figure(), ("png",)),
    "study's figure": (lambda tmp: study(tmp).figure(), ("png",)),
}
WORDS_ONLY: dict[str, Callable[[], Any]] = {
    "part of a bench": lambda: SLMSpec(shape=(300, 400), pitch=8e-6, bits=8),
    "student": lambda: student(),
    "control": lambda: Student.no_mask((1, 4), image_shape=(12, 10), generator=generator()),
    "training": lambda: __import__("distill").TrainSpec(epochs=3),
    "run": lambda: __import__("distill").RunConfig(),
}


class Balanced(HTMLParser):
    """Tags that open and close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("shown"))


@pytest.fixture(params=THINGS)
def thing(request, folder) -> tuple[Any, tuple[str, ...]]:
    make, shows = THINGS[request.param]
    return make(folder), shows


def check_text(text: str) -> None:
    lines = text.splitlines()
    assert 0 < len(lines) <= LINES
    assert max(map(len, lines)) <= WIDTH + 100 * (len(lines) == 1)
    assert "tensor(" not in text and " object at 0x" not in text


def test_its_text_is_short(thing):
    check_text(repr(thing[0]))


@pytest.mark.parametrize("name", WORDS_ONLY)
def test_short_texts_of_parts(name):
    check_text(repr(WORDS_ONLY[name]()))


def test_a_notebook_shows_it(thing):
    made, shows = thing
    if shows == ("png",):
        assert made._repr_png_().startswith(b"\x89PNG")
        return
    page = made._repr_html_()
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == [] and parser.seen >= set(shows)
    assert "http" not in page.replace("https://", "")  # nothing is fetched
    for source in re.findall(r'src="([^"]{0,30})', page):
        assert source.startswith("data:image/png;base64,")


def test_ipython_shows_it_without_magic(thing):
    pytest.importorskip("IPython", reason="IPython is not installed (extra `notebook`)")
    from IPython.core.formatters import DisplayFormatter

    made, shows = thing
    found, _ = DisplayFormatter().format(made)
    assert ("image/png" if shows == ("png",) else "text/html") in found


def test_text_of_a_stranger_is_escaped():
    page = REAL.replace(name="<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("spec", "field", "value", "said"),
    [
        (
            REAL.slm,
            "bits",
            4,
            "slm = slm.replace(bits=4), or of a whole bench: bench = bench.replace(**{'slm.bits': 4})",
        ),
        (REAL.camera.adc, "bits", 4, "bench.replace(**{'camera.adc.bits': 4})"),
        (REAL, "name", "x", "bench = bench.replace(name='x')."),
        (REAL.lens1, "defocus", 1e-4, "bench.replace(**{'lens1.defocus': 0.0001})"),
        (REAL.slm, "bit", 4, "SLMSpec has no 'bit'; it has shape, pitch"),
    ],
)
def test_a_description_that_is_set_says_how_to_replace(spec, field, value, said):
    with pytest.raises(SpecError) as told:
        setattr(spec, field, value)
    assert said in str(told.value) and "\n" not in str(told.value)


def test_what_the_line_says_works():
    assert REAL.replace(**{"slm.bits": 4}).slm == REAL.slm.replace(bits=4)


def test_a_short_text_has_what_differs_and_nothing_else():
    assert repr(SLMSpec(shape=(3, 4), pitch=8e-6, bits=8)) == "SLMSpec(shape=(3, 4), pitch=8e-06, bits=8)"
    assert eval(repr(REAL.slm), {"SLMSpec": SLMSpec}) == REAL.slm
