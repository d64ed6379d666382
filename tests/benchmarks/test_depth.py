"""One mask held in several forms: each collapses to the same kernels; one tiny run that goes on where it was."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks.depth import forms, measure, tables
from networks import Cascade
from optics.errors import OpticsError

RUN = """
name = "tiny"
[data]
limit = 80
[student]
channels = [1, 4, 6]
kernel_size = 3
[student.training]
epochs = 3
learning_rate = 1e-2
"""


@pytest.mark.parametrize("taps", [3, 5, 7, 13])
def test_every_form_makes_the_same_kernels_of_its_own_values(taps):
    found = forms(taps, 8)
    assert found[0].sizes == (taps,) and not found[0].inner
    assert len({form.name for form in found}) == len(found) == {3: 1, 5: 3}.get(taps, 5)
    for form in found:
        cascade = Cascade(
            (2, *form.inner, 8), kernel_size=form.sizes, generator=torch.Generator().manual_seed(0)
        )
        assert cascade.kernels().shape == (8, 2, taps, taps)
        values = sum(p.numel() * (2 if p.is_complex() else 1) for p in cascade.parameters())
        assert values == 2 * form.values(2, 8)


def test_a_tiny_run_chooses_rates_on_validation_images_and_goes_on_where_it_was(tmp_path):
    (tmp_path / "tiny.toml").write_text(RUN)
    options = {"config": tmp_path / "tiny.toml", "epochs": 1, "images": 40, "save": tmp_path / "kept.json"}
    one = measure(factors=(1.0,), seeds=1, **options)
    assert [row["form"] for row in one["rows"]] == ["5", "3-3 over 3", "3-3 over 6"]
    assert one["rows"][0]["gain"] == 0.0 and one["rows"][0]["error"] is None
    before = json.loads((tmp_path / "kept.json").read_text())["done"]
    both = measure(factors=(1.0, 3.0), seeds=2, **options)
    done = json.loads((tmp_path / "kept.json").read_text())["done"]
    assert len(done) == 3 * 2 * 2 and before.items() <= done.items()
    for row in both["rows"]:
        means = {float(rate): mean for rate, mean in row["validation"].items()}
        assert means[row["rate"]] == max(means.values())
        assert row["test"] == [done[f"{row['form']}/{row['rate']:.3g}/{seed}"]["test"] for seed in (0, 1)]
    second, free = both["rows"][1]["test"], both["rows"][0]["test"]
    assert both["rows"][1]["gain"] == pytest.approx((sum(second) - sum(free)) / 2)
    assert both["rows"][1]["error"] == pytest.approx(
        abs((second[0] - free[0]) - (second[1] - free[1])) / 2
    )  # of two: half their distance
    assert tables(both)[0].row_count == 3
    with pytest.raises(OpticsError, match=r"kept\.json is of .* use another file"):
        measure(config=options["config"], epochs=2, save=options["save"])
