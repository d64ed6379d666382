"""Few labels on a tiny task: who learns from what, and that finished trainings are kept."""

from __future__ import annotations

import json

import pytest

from benchmarks import one_student
from benchmarks.labels import HOW, measure, tables
from optics.errors import OpticsError

RUN = """
name = "tiny"
[data]
limit = 200
validation = 0.2
[teacher.training]
epochs = 1
[student]
channels = [1, 4]
kernel_size = 3
[student.training]
epochs = 1
"""


def options(tmp_path):
    (tmp_path / "tiny.toml").write_text(RUN)
    return {"config": tmp_path / "tiny.toml", "directory": tmp_path / "runs"}


def test_gains_are_the_means_of_what_is_kept_and_a_stopped_command_goes_on(tmp_path):
    one = measure(seeds=1, shares=(0.4,), **options(tmp_path))
    assert one["rows"][0]["error"] is None
    before = json.loads((tmp_path / "runs" / "labels.json").read_text())["done"]
    two = measure(seeds=2, shares=(0.4, 1.0), **options(tmp_path))
    done = json.loads((tmp_path / "runs" / "labels.json").read_text())["done"]
    assert before.items() <= done.items() and len(before) == 3 and len(done) == 12
    few, whole = two["rows"]
    assert (few["labels"], whole["labels"]) == (80, 200)
    gains = [done[f"distilled/0.4/{s}"]["test"] - done[f"labels alone/0.4/{s}"]["test"] for s in (0, 1)]
    assert few["gain"] == pytest.approx(sum(gains) / 2)
    assert tables(two)[0].row_count == 2
    # the teacher of two fifths of the labels goes through them five halves as often
    lines = (tmp_path / "runs" / "0.4-0" / "teacher" / "history.csv").read_text().splitlines()
    assert len(lines) == 1 + 2


def test_labels_alone_see_the_labelled_pictures_for_as_many_steps_and_the_distilled_all(
    tmp_path, monkeypatch
):
    seen = []

    def fit(model, train, check, spec, *, directory, teacher):
        told = (spec.distillation.temperature, spec.distillation.alpha)
        seen.append((len(train[0]), int((train[1] >= 0).sum()), teacher is not None, told))

    monkeypatch.setattr(one_student, "fit", fit)
    measure(seeds=1, shares=(0.4,), **options(tmp_path))
    alone, distilled = seen
    assert alone[0] == alone[1] == distilled[0] and not alone[2]
    assert distilled[1] < distilled[0] and distilled[2]
    assert distilled[3] == (HOW["temperature"], HOW["alpha"])


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused_before_anything_is_trained(share, tmp_path):
    with pytest.raises(OpticsError, match=r"a share of the labels is .*; expected above 0, to 1"):
        measure(shares=(0.5, share), **options(tmp_path))
    assert not (tmp_path / "runs").exists()
