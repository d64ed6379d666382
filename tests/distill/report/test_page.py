"""The report as a reader meets it: in a browser, with every file linked, and with a word for what is missing."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
import torch

from distill.job import config
from distill.job.job import Job
from distill.job.rows import Rows
from distill.metrics.row import Row
from distill.pipeline import gather
from distill.report import files
from distill.report.figures import flaws
from distill.report.page import _confusion, _summary
from networks.onbench.network import OnBench
from tests.browser import windows, wrong_with


@windows
def test_a_browser_finds_nothing_wrong_with_the_page(browser, fast_run, width):
    assert wrong_with(browser, fast_run / "report.html", width) == []


def test_every_exported_file_is_linked_and_every_row_has_its_error(fast_run):
    page = (fast_run / "report.html").read_text(encoding="utf-8")
    linked = {unquote(address) for address in re.findall(r'href="([^"#]+)"', page)}
    there = {p.relative_to(fast_run).as_posix() for p in (fast_run / "export").rglob("*") if p.is_file()}
    assert there <= linked
    assert {"result.json", "config.toml", "flaws.json"} <= linked
    assert page.index("Every row, with its error") < page.index("One image") < page.index("How to repeat it")
    assert "mending it alone earns" not in page  # that is in the picture
    assert "What mending each flaw alone earns: " in page
    assert page.count("real less ideal</figcaption>") == 4


def test_a_run_without_a_study_names_the_command(fast_run, tmp_path):
    copied = shutil.copytree(fast_run, tmp_path / "mine")
    gather.run_report(Job.prepare(config.demo(fast=True, sets=["flaws.images=0"]), copied))
    page = (copied / "report.html").read_text(encoding="utf-8")
    assert "<code>sclc study mine</code>" in page
    assert "What mending each flaw alone earns" not in page


def test_the_report_keeps_no_graph_of_derivatives(fast_run, tmp_path, monkeypatch):
    kept = []
    drives = OnBench.drives
    monkeypatch.setattr(OnBench, "drives", lambda net: kept.append(torch.is_grad_enabled()) or drives(net))
    copied = shutil.copytree(fast_run, tmp_path / "mine")
    gather.run_report(Job.prepare(config.demo(fast=True), copied))
    assert kept and not any(kept)


def test_files_are_in_the_order_of_their_folders_with_addresses_that_a_browser_takes(tmp_path):
    for name in ("export/a b#1.png", "export/slm/frame.png", "export/z.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(1_234_567 if name.endswith("h5") else 10))
    groups = files.exported(tmp_path)
    assert [g.name for g in groups] == ["export", "export/slm"]
    first, second = groups[0].links
    assert (first.address, first.words, first.meaning) == ("export/a%20b%231.png", "a b#1.png", "10 bytes")
    assert second.meaning == "1.23 MB"
    assert files.exported(tmp_path / "nowhere") == []


def test_a_confusion_matrix_too_wide_to_read_is_a_picture():
    few, many = _confusion([[3, 1], [0, 4]]), _confusion([[1] * 40] * 40)
    assert few["confusion_plane"] is None
    assert [cell["text"] for cell in few["confusion"][0]] == ["75.0", "25.0"]
    assert many["confusion_plane"].x == ("0", "predicted", "39")
    assert _confusion(None)["confusion"] == []


@pytest.mark.parametrize(
    ("earns", "error", "said"),
    [(0.08, 0.03, ""), (-0.08, 0.03, "Below zero"), (0.0, 0.0, "Mending slm.bits changes no answer")],
)
def test_words_on_flaws_follow_the_numbers(earns, error, said):
    chart, words = flaws([{"path": "slm.bits", "earns": earns, "error": error}], "accuracy")
    assert (chart is None) == (earns == 0.0)
    assert said in words


@pytest.mark.parametrize(
    ("there", "said", "unsaid"),
    [
        ({"given": 0.7}, ["trained before, answers 70.0 %"], ["distill", "reach"]),
        (
            {"teacher": 0.9, "linear": 0.6, "linear_kd": 0.8},
            ["teacher (90.0 %), answers 80.0 %", "reaches 60.0 %"],
            ["mask"],
        ),
        (
            {"teacher": 0.9, "linear_kd": 0.8, "no_mask": 0.5},
            ["(90.0 %)", "A plain lens reaches 50.0 %."],
            ["andom"],
        ),
        (
            {"teacher": 0.9, "linear_kd": 0.8, "random_masks": 0.4, "raw_image": 0.3},
            ["Random masks reach 40.0 %, the raw image reaches 30.0 %."],
            ["lens"],
        ),
    ],
)
def test_the_summary_tells_what_rows_there_are(there, said, unsaid):
    bench = dict.fromkeys(("ideal_bench", "bench_as_is", "bench_refit"), 0.5)
    rows = Rows(**{n: Row(accuracy=a, spread=0.0, draws=1, images=100) for n, a in (there | bench).items()})
    job = SimpleNamespace(bench=SimpleNamespace(name="mine"), config=config.demo())
    words = _summary(job, SimpleNamespace(rows=rows, gain=None), 4).removeprefix(
        "A linear optical network of 4 masks"
    )
    assert all(part in words for part in said)
    assert not any(part in words for part in unsaid)
    assert ("trained before" in words) == ("given" in there)
