"""The benchmark of single measurements: rows mean what they say, and errors hold on a bench with every flaw."""

from __future__ import annotations

import pytest

from calibration.measurements.registry import MEASUREMENTS
from calibration.twin.values import get_value

benchmark = pytest.importorskip("benchmarks.measurements")


def test_every_number_is_one_of_a_measurement_and_of_a_bench():
    nominal = benchmark.nominal_bench(full=False)
    for name, numbers in benchmark.NUMBERS.items():
        told = {q.name: q.key for q in MEASUREMENTS[name]().quantities(nominal)}
        for label, key in numbers.items():
            assert told[label] == key
            get_value(nominal, key)


def test_one_bench_gives_a_row_a_number(monkeypatch):
    monkeypatch.setattr(benchmark, "NUMBERS", {"panel": benchmark.NUMBERS["panel"]})
    result = benchmark.measure(quick=True, first=3)
    assert [row["number"] for row in result["rows"]] == ["rotation"]
    assert abs(result["rows"][0]["error"]) < 5 * result["rows"][0]["stated"] < 2e-3
    assert benchmark.tables(result)[0].row_count == 1
    assert benchmark.within([{"error": -3.0, "stated": 2.0}, {"error": 1.0, "stated": 2.0}], 1) == 0.5


def test_the_whole_examination_is_counted_and_timed():
    result = benchmark.measure(quick=True, doctor=True, first=3)
    assert [row["measurement"] for row in result["doctor"]] == ["orientation", "display"]
    assert all(row["frames"] > 1 and row["seconds"] > 0 for row in result["doctor"]) and result["first"]
    (table,) = benchmark.tables(result)
    assert table.row_count == 3
