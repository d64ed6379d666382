"""Every way of distilling on a tiny task: each is a training of its own, chosen on validation images, and kept."""

from __future__ import annotations

import json
import math

import pytest

from benchmarks.methods import ADDED, LABELS, METHODS, NAMES, measure, tables
from benchmarks.one_student import ALONE
from distill.training.distillation import DistillationSpec
from optics.errors import OpticsError

RUN = """
name = "tiny"
[data]
limit = 80
labelled = 40
[teacher.training]
epochs = 1
[student]
channels = [1, 4]
kernel_size = 3
[student.training]
epochs = 3
learning_rate = 1e-2
"""


SETTINGS = [LABELS, *METHODS.values(), *ADDED.values()]


def test_every_method_of_the_losses_is_there():
    every = [how["distillation"] for told in METHODS.values() for how in told.values()]
    every += [how for told in ADDED.values() for how in told.values()]
    chosen = {name for how in every for name in DistillationSpec(**how).chosen}
    assert chosen == {"decoupled", "hint", "tangent", "function_matching"}  # Dice is for pixels


def test_methods_are_tuned_on_validation_images_and_a_stopped_search_goes_on(tmp_path):
    (tmp_path / "tiny.toml").write_text(RUN)
    options = {"config": tmp_path / "tiny.toml", "directory": tmp_path / "runs", "epochs": 1}
    one = measure(seeds=1, factors=(1.0,), **options)
    assert [row["method"] for row in one["rows"]] == [ALONE, *NAMES]
    assert one["rows"][0]["gain"] == 0.0 and one["rows"][0]["error"] is None
    before = json.loads((tmp_path / "runs" / "methods.json").read_text())["done"]
    assert len(before) == 1 + sum(map(len, SETTINGS))  # and a teacher
    teacher = (tmp_path / "runs" / "seed-0" / "teacher" / "history.csv").stat().st_mtime_ns
    two = measure(seeds=2, factors=(0.3, 1.0), methods=("decoupled",), **options)
    done = json.loads((tmp_path / "runs" / "methods.json").read_text())["done"]
    assert before.items() <= done.items()
    assert (tmp_path / "runs" / "seed-0" / "teacher" / "history.csv").stat().st_mtime_ns == teacher
    alone, plain, decoupled = two["rows"]
    assert set(METHODS["plain"]) == {tried["setting"] for tried in plain["validation"]}
    under = _best([tried for tried in plain["validation"] if tried["rate"] == 0.01])["setting"]
    assert {tried["setting"] for tried in decoupled["validation"]} == {
        f"{under}, {setting}" for setting in ADDED["decoupled"]
    }
    for row in two["rows"]:
        best, first = (
            _best(row["validation"]),
            _best([tried for tried in row["validation"] if tried["rate"] == 0.01]),
        )
        assert (row["setting"], row["rate"]) == (best["setting"], best["rate"])
        slower = [tried["setting"] for tried in row["validation"] if tried["rate"] != 0.01]
        assert slower == [first["setting"]]  # the best one alone is tried at other rates
        key = f"{row['method']}/{row['setting']}/{row['rate']:.3g}"
        assert row["test"] == [done[f"{key}/{seed}"]["test"] for seed in (0, 1)]
    gains = [a - b for a, b in zip(plain["test"], alone["test"], strict=True)]
    assert plain["gain"] == pytest.approx(sum(gains) / 2)
    assert plain["error"] == pytest.approx(abs(gains[0] - gains[1]) / math.sqrt(2) / math.sqrt(2))
    assert two["teacher"] == [done[f"teacher/{seed}"]["test"] for seed in (0, 1)]
    assert tables(two)[0].row_count == 3
    with pytest.raises(OpticsError, match=r"methods\.json is of .* use another file"):
        measure(**options | {"epochs": 2})
    with pytest.raises(OpticsError, match="no method is called 'plane'; choose from 'plain', 'fading'"):
        measure(methods=("plane",), **options)


def _best(tried):
    return max(tried, key=lambda form: form["mean"])


OWN = """[student.distillation]
temperature = 7.0
alpha = 0.2
"""


def test_every_training_is_what_its_name_says(tmp_path, monkeypatch):
    """Labels alone are gone through as often as all images; nothing of the file's own distillation is left."""
    from benchmarks import one_student

    seen = []

    def fit(model, train, check, spec, *, directory, teacher):
        seen.append((spec, len(train[0]), int((train[1] >= 0).sum()), teacher is None))

    monkeypatch.setattr(one_student, "fit", fit)
    (tmp_path / "tiny.toml").write_text(RUN + OWN)
    found = measure(
        config=tmp_path / "tiny.toml",
        directory=tmp_path / "runs",
        seeds=1,
        methods=("fading", "decoupled"),
        factors=(0.3, 1.0),
    )
    names = list(json.loads((tmp_path / "runs" / "methods.json").read_text())["done"])
    names = [name for name in names if not name.startswith("teacher")]
    assert len(seen) == len(names)
    images = seen[0][1]
    settings = {"labels alone": LABELS, **METHODS}
    for name, (spec, shown, labelled, alone) in zip(names, seen, strict=True):
        method, setting, rate, seed = name.split("/")
        assert (float(rate), int(seed), images) == (spec.learning_rate, spec.seed, shown)
        assert alone == (method == ALONE) == (labelled == images)
        if method == "decoupled":
            plain, _, own = setting.rpartition(", ")
            told = {"distillation": METHODS["plain"][plain]["distillation"] | ADDED[method][own]}
        else:
            told = settings[method][setting]
        assert spec.distillation == DistillationSpec(**told.get("distillation", {}))
        assert spec.label_smoothing == told.get("label_smoothing", 0.0)
    assert {spec.learning_rate for spec, *_ in seen} == {0.003, 0.01}
    assert [row["method"] for row in found["rows"]] == [ALONE, "plain", "fading", "decoupled"]


def test_methods_that_are_not_asked_for_are_not_rehearsed(tmp_path):
    """Mixed images have two labels, which decoupled distillation refuses."""
    mixed = RUN.replace("epochs = 3\n", "epochs = 3\naugmentation = { mixup = 0.2 }\n")
    (tmp_path / "tiny.toml").write_text(mixed)
    options = {"config": tmp_path / "tiny.toml", "epochs": 1, "seeds": 1, "factors": (1.0,)}
    assert len(measure(directory=tmp_path / "runs", methods=("plain",), **options)["rows"]) == 2
    with pytest.raises(OpticsError, match="one label an image"):
        measure(directory=tmp_path / "more", methods=("decoupled",), **options)
