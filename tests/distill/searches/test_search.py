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
    """Of accuracy, operations and exposures together, and of either cost alone."""
    numbers = [
        (0.5, 100, 8),
        (0.7, 300, 8),
        (0.6, 300, 4),
        (0.7, 400, 8),
        (0.4, 50, 8),
        (0.45, 200, 8),
        (0.3, 60, 2),
    ]
    tried = [
        Trial(choice={"rate": 1e-3}, figure=figure, operations=operations, exposures=exposures)
        for figure, operations, exposures in [*numbers, (0.3, 60, 2)]  # the last twice
    ]
    found = Search(None, 1, "validation accuracy", tuple(tried), None)

    def shown(trials):
        return [(t.figure, t.operations, t.exposures) for t in trials]

    assert shown(found.front) == [(0.4, 50, 8), (0.3, 60, 2), (0.5, 100, 8), (0.6, 300, 4), (0.7, 300, 8)]
    assert shown(found.front_of("operations")) == [(0.4, 50, 8), (0.5, 100, 8), (0.7, 300, 8)]
    assert shown(found.front_of("exposures")) == [(0.3, 60, 2), (0.6, 300, 4), (0.7, 300, 8)]
    assert found.best is tried[1]
    for axes, cost, front in zip(
        found.figure().axes, ("operations", "exposures"), ([50, 100, 300], [2, 4, 8]), strict=True
    ):
        all_of_them, best = axes.lines
        assert list(all_of_them.get_xdata()) == sorted(getattr(t, cost) for t in tried)
        assert list(best.get_xdata()) == front
        assert all_of_them.get_color() != best.get_color()
        assert all_of_them.get_linestyle() == "None" != best.get_linestyle()


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
def test_exposures_have_a_budget_and_all_three_are_told(file, tmp_path, capsys, monkeypatch):
    """No network above either budget is trained, and the sampler learns of all three figures."""
    import optuna

    told = []
    tell = optuna.study.Study.tell
    monkeypatch.setattr(
        optuna.study.Study,
        "tell",
        lambda self, t, values=None, **k: told.append(values) or tell(self, t, values, **k),
    )
    folder = tmp_path / "found"
    command = ["search", str(file), "-o", str(folder), "--trials", "6", "--epochs", "1", "--most", "9000"]
    assert main([*command, "--exposures", "6"]) == 0
    kept = json.loads((folder / "search.json").read_text())["trials"]
    assert [(t["figure"], t["operations"], t["exposures"]) for t in kept] == [
        v for v in told if v is not None
    ]
    assert {t["exposures"] for t in kept} == {4}  # of 4, 8, 12, 16
    assert max(t["operations"] for t in kept) <= 9000
    assert main([*command, "--exposures", "8"]) == 2
    assert "is of another search" in capsys.readouterr().err


@needs_optuna
def test_a_search_of_an_earlier_version_goes_on(file, tmp_path):
    """As the version of commit 52dc715 began one; a run file that uses what came later is another search."""
    folder = tmp_path / "found"
    search(file, folder=folder, trials=1, epochs=1)
    kept = json.loads((folder / "search.json").read_text())
    kept["about"]["config"] = "30705cfa88a49bd5"
    (folder / "search.json").write_text(json.dumps(kept))
    again = search(file, folder=folder, trials=2, epochs=1)
    assert again.trials[0].model_dump(mode="json") == kept["trials"][0] and len(again.trials) == 2
    (folder / "search.json").write_text(json.dumps(kept))
    with pytest.raises(OpticsError, match="is of another search"):
        search(file, folder=folder, trials=2, epochs=1, sets=["student.training.augmentation.gamma=0.1"])


@needs_optuna
def test_where_no_choice_makes_a_network_it_says_so(file, tmp_path, monkeypatch):
    def fails(config, job):
        raise OpticsError("sizes")

    monkeypatch.setattr("distill.searches.trials._student", fails)
    for budget in ({}, {"most": 5}, {"most": 5, "most_exposures": 8}):
        with pytest.raises(
            OpticsError, match=r"none of 500 choices makes a network whose sizes fit; change student"
        ):
            search(file, folder=tmp_path / "a", trials=1, **budget)


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
    with pytest.raises(
        OpticsError, match=r"none of 500 choices keeps within 3 exposures; the cheapest needs 4 exposures\."
    ):
        search(file, folder=tmp_path / "a", trials=1, most_exposures=3)
    with pytest.raises(
        OpticsError,
        match=r"within 5 operations and 8 exposures; the cheapest of each needs \d+ operations and 4 exposures\.",
    ):
        search(file, folder=tmp_path / "a", trials=1, most=5, most_exposures=8)


def test_without_optuna_the_extra_is_named(file, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(OpticsError, match=r"pip install 'spectral-cascade\[search\]'"):
        search(file, folder=tmp_path / "a")
