"""Benches compared at tiny size: rows, what differs, whose answers changed, the page."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

import distill
from distill.cli.main import main
from distill.comparison.page import _headline
from distill.job import toml as settings
from distill.studies.statistics import Share
from optics.checks import OpticsError
from tests.browser import windows, wrong_with
from tests.distill.exportbench import BENCH
from tests.distill.studies.studybench import student

SETS = ["data.limit=20", "data.size=[10, 12]"]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A network of a file, and two benches as files."""
    folder = tmp_path_factory.mktemp("compare")
    distill.save(_ten(), folder / "net.safetensors")
    for name, bench in (
        ("mine", BENCH),
        ("coarse", BENCH.replace(**{"slm.bits": 2, "camera.read_noise": 40.0})),
    ):
        text = settings.dump(bench.replace(name=name).model_dump(mode="json"))
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def _ten():
    """A network for ten classes on the small images."""
    spec = student().spec.replace(classes=10)
    import torch

    from networks import Student

    return Student.from_spec(spec, generator=torch.Generator().manual_seed(0)).eval()


@pytest.fixture(scope="module")
def made(places):
    benches = ["ideal", str(places / "mine.toml"), str(places / "coarse.toml")]
    sets = [*SETS, f"bench.source={places / 'mine.toml'}"]
    return distill.compare(
        places / "net.safetensors", benches, sets=sets, images=20, draws=2, folder=places / "out", processes=1
    )


def test_every_bench_has_its_row_and_the_first_no_change(made):
    first, mine, coarse = made.rows
    assert first.change.mean == first.change.error == 0.0
    assert first.gained == first.lost == ()
    assert first.flaws == ()
    assert len(mine.flaws) > 10
    for row in made.rows:
        right = (made.outcomes[_key(made, row.name)].as_is.mean(0) > 0.5).sum()
        base = (made.outcomes[_key(made, first.name)].as_is.mean(0) > 0.5).sum()
        assert int(right - base) == len(row.gained) - len(row.lost)
        assert row.images_per_second > 0
        assert row.exposures == 4
    assert coarse.photons == pytest.approx(mine.photons, rel=0.5)


def _key(made, name):
    return next(c.key for c in made.plan.of("compared") if c.changes["bench"] == name)


def test_what_differs_is_listed_and_nothing_else(made):
    found = dict(made.differences)
    assert found["slm.bits"] == ["-", "8", "2"]
    assert found["camera.read_noise"] == ["0", "2.3", "40"]
    assert "slm.pitch" not in found
    assert "name" not in found


def test_the_page_needs_nothing_beside_itself(made):
    page = (made.folder / "compare.html").read_text()
    assert not re.search(r"src=\"(?!data:)", page)
    for words in ("Accuracy", "slm.bits", "What mending one flaw", "Light and time", "right only on ideal"):
        assert words in page
    assert page.count('class="chart"') == 1 + 3 + 2  # the rows, three sketches, two benches that have flaws
    assert page.count("point-spread function</figcaption>") == page.count("what is read</figcaption>") == 3
    assert json.loads((made.folder / "compare.json").read_text()) == json.loads(json.dumps(made.to_dict()))
    assert (made.folder / "compare.pdf").read_bytes().startswith(b"%PDF")
    assert made._repr_html_().count("<tr>") == 4


@windows
def test_a_browser_finds_nothing_wrong_with_the_page(browser, made, width):
    assert wrong_with(browser, made.folder / "compare.html", width) == []


def test_the_command_finds_it_done(capsys, made, places):
    words = ["compare", places / "net.safetensors", "--images", 20, "--draws", 2, "-o", made.folder, "--json"]
    for text in [*SETS, f"bench.source={places / 'mine.toml'}"]:
        words += ["--set", text]
    for row in made.rows:
        words += ["--bench", row.name]
    assert main([str(w) for w in words]) == 0
    got = capsys.readouterr()
    assert json.loads(got.out)["rows"] == json.loads((made.folder / "compare.json").read_text())["rows"]
    assert "kept" in got.err


@pytest.mark.parametrize(
    ("benches", "part"),
    [
        (["ideal"], "at least two"),
        (["ideal", "ideal"], "different"),
        (["ideal", "pluto"], "pluto2-200mm"),
    ],
)
def test_a_mistake_is_one_line(places, tmp_path, benches, part):
    with pytest.raises(OpticsError, match=part):
        distill.compare(places / "net.safetensors", benches, sets=SETS, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("error", "certain"), [(0.005, False), (0.001, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_headline_is_as_sure_as_the_change(error, certain, sign):
    """Also where the first bench, whose own change has no error, comes second."""

    def told_as(mean, error):
        return Share(mean=mean, error=error, spread=0.0, noise=0.0, sampling=error, draws=1, images=200)

    def row(name, mean, change, error):
        return SimpleNamespace(
            name=name, refit=None, as_is=told_as(mean, 0.026), change=told_as(change, error)
        )

    first, other = row("first", 0.155, 0.0, 0.0), row("other", 0.155 + sign * 0.005, sign * 0.005, error)
    told = _headline(SimpleNamespace(rows=(first, other)))
    assert told.startswith("other" if sign == 1 else "first")
    assert ("can be told" not in told) == certain
