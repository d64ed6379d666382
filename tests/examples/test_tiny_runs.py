"""Every configuration of `examples/configs` from its data to a proved export, on made-up sets.

They are made tiny as `examples/tiny.py` does it for users.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from distill.export.read import read_export
from distill.job import config
from distill.pipeline import main_job
from examples import tiny
from tests.examples import sets

FOLDER = Path(__file__).parents[2] / "examples" / "configs"
KEPT = (  # a tiny run that loses one of these tries something else
    "bench.source",
    "bench.camera.binning",
    "bench.encoding",
    "bench.lens1",
    "bench.lens2",
    "data.grey",
    "data.strangers",
    "data.subset",
    "data.target",
    "refit.distillation",
    "refit.dice",
    "refit.taught_by",
    "student.backend.average",
    "student.backend.context",
    "student.backend.kind",
    "student.cascade.kernel_size",
    "student.readout.kind",
    "student.readout.oversampling",
    "student.training.augmentation",
    "student.training.dice",
    "student.training.distillation",
    "student.training.step",
    "teacher.name",
    "teacher.training.augmentation",
    "teacher.training.step",
)


class Tiny(NamedTuple):
    """A tiny run. make: its data. test, classes: images and classes that it is to find. sets: for made-up data only.

    lightpipes: images that LightPipes proves too.
    """

    make: Callable[[Path], None]
    test: int
    classes: int
    metric: str = "accuracy"
    answers: str = "classes"
    lightpipes: int = 0
    sets: tuple[str, ...] = ()


PIXELS: dict[str, Any] = {"metric": "mean IoU", "answers": "pixels"}
FACES: dict[str, Any] = {"metric": "rank one", "answers": "embeddings"}
RUNS = {
    "mnist": Tiny(sets.mnist, 20, 10, lightpipes=1),
    "fashion-mnist": Tiny(sets.fashion_mnist, 20, 10, sets=('data.source="./fashion-mnist"',)),
    "cifar10-grey": Tiny(sets.cifar10, 20, 10),
    "cifar10-small": Tiny(sets.cifar10, 20, 10),
    "cifar10": Tiny(sets.cifar10, 20, 10),
    "cifar10-large": Tiny(sets.cifar10, 20, 10),
    "cifar10-linear": Tiny(sets.cifar10, 20, 10),
    "cifar100": Tiny(sets.cifar100, 20, 100),
    "cats-dogs": Tiny(sets.cats_dogs, 20, 2),
    "imagenette": Tiny(sets.imagenette, 20, 10),
    "cars": Tiny(sets.camvid, 6, 2, **PIXELS),
    "faces": Tiny(sets.fasseg, 6, 6, **PIXELS),
    "voc2012": Tiny(sets.voc, 6, 21, **PIXELS),
    "carvana": Tiny(sets.carvana, 2, 2, **PIXELS),
    "people": Tiny(sets.orl, 14, 14, **FACES),
    "strangers": Tiny(sets.orl, 40, 10, **FACES),
}


def value(told: config.RunConfig, key: str) -> Any:
    """What a configuration says under a dotted key."""
    found: Any = told
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else getattr(found, name)
    return found


def test_every_configuration_has_a_tiny_variant():
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(RUNS) == set(tiny.SMALLER)
    for path in FOLDER.glob("*.toml"):  # which its head tells
        assert (
            f"\n#   python examples/tiny.py {path.stem} "
            in path.read_text(encoding="utf-8").split("\nname")[0]
        )


def test_a_user_runs_the_same_by_the_command_that_is_shown(monkeypatch, capsys):
    given: list[list[str]] = []
    monkeypatch.setattr(tiny, "main", lambda told: (given.append(told), 0)[1])
    assert tiny.run(["cars", "--fresh"]) == 0 == tiny.run(["--show", "cars", "--fresh"])
    assert ["sclc", *given[0]] == shlex.split(capsys.readouterr().out)
    assert [word.removeprefix("--set=") for word in given[0] if "--set=" in word] == tiny.sets("cars")
    assert tiny.run(["boats"]) == 2
    assert "NAME: mnist" in capsys.readouterr().out


@pytest.mark.parametrize("name", RUNS)
def test_it_runs_from_its_data_to_a_proved_export(name, tmp_path, monkeypatch):
    case, file, run = RUNS[name], FOLDER / f"{name}.toml", tmp_path / "run"
    monkeypatch.setenv("SCLC_DATA", str(tmp_path))
    case.make(tmp_path)
    small = [*tiny.sets(name), *case.sets]
    whole, told = config.load(file), config.load(file, sets=small)
    assert {key: value(told, key) for key in KEPT} == {key: value(whole, key) for key in KEPT}
    result = main_job.run(told, run)

    rows = result["rows"]
    assert set(rows) == {"teacher", "linear", "linear_kd", "ideal_bench", "bench_as_is", "bench_refit"}
    assert {row["metric"] for row in rows.values()} == {case.metric}
    assert {row["images"] for row in rows.values()} == {case.test}
    assert all(0 <= row["accuracy"] <= 1 for row in rows.values())

    assert result["verdict"]["passed"], result["verdict"]
    proved = {n: None if e is None else e["images"] for n, e in result["verify"].items() if n != "shared"}
    assert result["verify"]["wave"]["signal"] > 1  # dark counts would agree whatever the frames are
    assert proved == {"wave": 1, "lightpipes": case.lightpipes or None}
    exported = read_export(run / "export")
    manifest = exported.manifest
    assert manifest.answers == result["verify"]["wave"]["answers"] == case.answers
    assert len(exported.levels) == len(manifest.slm_frames) > 0
    assert manifest.images == 1 and len(manifest.class_names) == case.classes
    assert manifest.image_shape == tuple(json.loads((run / "data.json").read_text())["image_shape"])
    assert (run / "report.html").stat().st_size > 10_000
