"""A tiny search over learning rates: every row at every rate, on validation images, going on where it was."""

from __future__ import annotations

import csv
import json

import pytest

from benchmarks.tuning import measure, tables
from optics.errors import OpticsError

RUN = """
name = "tiny"
[data]
limit = 80
[teacher.training]
epochs = 1
[student]
controls = ["no_mask"]
[student.training]
epochs = 3
learning_rate = 1e-2
"""


def test_every_row_is_trained_at_every_rate_and_a_stopped_search_goes_on(tmp_path):
    (tmp_path / "tiny.toml").write_text(RUN)
    options = {"config": tmp_path / "tiny.toml", "directory": tmp_path / "run", "epochs": 1}
    first = measure(factors=(0.1,), **options)
    assert {name: list(row) for name, row in first["rows"].items()} == {
        name: ["0.001"] for name in ("linear", "linear_kd", "no_mask")
    }
    before = (tmp_path / "run" / "teacher" / "history.csv").stat().st_mtime_ns
    both = measure(factors=(0.1, 1.0), **options)
    assert (tmp_path / "run" / "teacher" / "history.csv").stat().st_mtime_ns == before
    assert all(row["0.001"] == first["rows"][name]["0.001"] for name, row in both["rows"].items())
    with (tmp_path / "run" / "no_mask" / "history.csv").open() as file:
        assert both["rows"]["no_mask"]["0.01"] == float(list(csv.DictReader(file))[-1]["validation_accuracy"])
    assert json.loads((tmp_path / "run" / "tuning.json").read_text())["rows"] == both["rows"]
    assert tables(both)[0].row_count == 3
    with pytest.raises(OpticsError, match=r"tuning\.json is of .* use another directory"):
        measure(config=options["config"], directory=options["directory"], epochs=2)
