"""A search for sizes: what may be chosen, what keeps the budget, the front by hand, files, going on, and mistakes."""

from __future__ import annotations

import importlib.util
import itertools
import json

import pytest

from distill.cli.main import main
from distill.job.config import load
from distill.searches.space import Space
from distill.searches.trials import Search, Trial, search
from optics.errors import OpticsError
from tests.browser import windows, wrong_with

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="optuna is not installed (extra `search`)"
)
RUN = """
name = "tiny"
[data]
limit = 60
[student]
channels = [1, 4, 8]
kernel_size = 3
bins = [4, 4]
backend.hidden = [16]
[student.training]
batch_size = 20
"""
SEGMENT = RUN.replace("bins = [4, 4]", "bins = [14, 14]").replace(
    "backend.hidden = [16]", 'backend.kind = "segmenter"'
)
FACES = RUN.replace("backend.hidden = [16]", 'backend.kind = "embedder"')
FINER = RUN.replace("bins = [4, 4]", "bins = [4, 4]\nreadout.oversampling = 2")


@pytest.fixture
def file(tmp_path):
    (tmp_path / "tiny.toml").write_text(RUN)
    return tmp_path / "tiny.toml"


@pytest.mark.parametrize(
    ("told", "more"),
    [(RUN, "mix"), (RUN, "average"), (SEGMENT, "context"), (FACES, "dimension"), (FINER, "context")],
)
def test_every_choice_makes_a_run_file_whose_network_fits(tmp_path, told, more):
    (tmp_path / "a.toml").write_text(told)
    config = load(tmp_path / "a.toml")
    space = Space.around(config, (28, 28))
    assert more in space.lists
    assert space.rates == pytest.approx((2e-3 / 3, 6e-3))
    for choice in itertools.islice(itertools.product(*space.lists.values()), 0, None, 7):
        made = space.config({**dict(zip(space.lists, choice, strict=True)), "rate": 1e-3}, (28, 28)).student
        number = dict(zip(space.lists, choice, strict=True))
        assert made.cascade.channels == (1, 4, number["masks"])
        assert made.readout.grid == (28 // number["bin"], 28 // number["bin"])
        assert (made.backend.context or 0) == number.get("context", 0)
        side = number.get("average", 0)
        assert made.backend.average == ((side, side) if 0 < side < 28 // number["bin"] else None)
        every, samples = made.training.step.every, made.readout.oversampling or 1
        assert every == 1 or every % samples == 0
        assert number["bin"] * samples % every == 0
        assert number["bin"] * samples // every >= 2 or every in (1, samples)


def test_the_front_by_hand():
    def trial(figure, operations):
        return Trial(choice={"rate": 1e-3}, figure=figure, operations=operations, exposures=1)

    tried = [
        trial(0.5, 100),
        trial(0.7, 300),
        trial(0.6, 300),
        trial(0.7, 400),
        trial(0.4, 50),
        trial(0.45, 200),
    ]
    found = Search(None, 1, "validation accuracy", tuple(tried), None)
    assert [(t.figure, t.operations) for t in found.front] == [(0.4, 50), (0.5, 100), (0.7, 300)]
    assert found.best is tried[1]
    all_of_them, front = found.figure().axes[0].lines
    assert (list(all_of_them.get_xdata()), list(front.get_xdata())) == (
        [50, 100, 200, 300, 300, 400],
        [50, 100, 300],
    )
    assert all_of_them.get_color() != front.get_color()


@needs_optuna
def test_a_search_keeps_its_budget_goes_on_and_writes_a_run_file(file, tmp_path, capsys):
    folder = tmp_path / "found"
    options = {"folder": folder, "epochs": 1, "most": 4000}
    first = search(file, trials=2, **options)
    before = [t.model_dump() for t in first.trials]
    assert (
        main(["search", str(file), "-o", str(folder), "--trials", "3", "--epochs", "1", "--most", "4000"])
        == 0
    )
    assert "The best: sclc run" in capsys.readouterr().out
    kept = json.loads((folder / "search.json").read_text())["trials"]
    assert kept[:2] == before and len(kept) == 3
    assert all(0 < t["operations"] <= 4000 for t in kept)
    assert {p.name for p in folder.iterdir()} == {
        "search.json",
        "search.html",
        "best.toml",
        "front.pdf",
        "front.png",
    }
    shown = (folder / "search.html").read_text(encoding="utf-8")
    for trial in kept:
        assert f">{100 * trial['figure']:.2f}</td>" in shown and f">{trial['operations']:,}</td>" in shown
    best = load(folder / "best.toml").student
    top = max(kept, key=lambda t: (t["figure"], -t["operations"]))
    assert best.cascade.channels[-1] == top["choice"]["masks"] == top["exposures"]
    again = search(file, trials=1, **options)  # all of them are there
    assert again.best.model_dump() == top
    assert "rows" not in repr(again) and "3 trials" in repr(again)
    with pytest.raises(OpticsError, match="is of another search"):
        search(file, trials=3, folder=folder, epochs=2, most=4000)
    (folder / "search.json").write_text('{"about": {}, "trials": [{"choice": {}}]}')
    with pytest.raises(OpticsError, match=r"search\.json"):
        search(file, trials=3, **options)


@needs_optuna
def test_a_search_whose_best_costs_too_much_goes_on_with_what_does_not(file, tmp_path):
    """Near the best of the first ten there may be nothing within the budget."""
    made = search(file, folder=tmp_path / "found", trials=14, epochs=1, most=1500)
    assert len(made.trials) == 14 and max(t.operations for t in made.trials) <= 1500


@needs_optuna
@windows
def test_a_browser_finds_nothing_wrong_with_the_page(browser, file, tmp_path, width):
    search(file, folder=tmp_path / "found", trials=1, epochs=1)
    assert wrong_with(browser, tmp_path / "found" / "search.html", width) == []


@needs_optuna
def test_what_cannot_be_searched_is_one_line(file, tmp_path):
    with pytest.raises(
        OpticsError, match="none of 500 choices keeps within 5 operations; the cheapest needs"
    ):
        search(file, folder=tmp_path / "a", trials=1, most=5)
    assert not (tmp_path / "a" / "best.toml").exists()


def test_without_optuna_the_extra_is_named(file, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(OpticsError, match=r"pip install 'spectral-cascade\[search\]'"):
        search(file, folder=tmp_path / "a")
