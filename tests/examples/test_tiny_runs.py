"""Every configuration of `examples/configs` from its data to a proved export, tiny: a table of runs on made-up sets.

What a configuration tries is kept: the form of its data, task, read-out, back end, moves of the images, distillation
and bench. What only takes time is made small: images, channels, epochs, noise draws, files of the export.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from distill.export.read import read_export
from distill.job import config
from distill.pipeline import main_job
from tests.examples import sets

FOLDER = Path(__file__).parents[2] / "examples" / "configs"
TINY = (
    "teacher.training.epochs=1",
    "teacher.check=false",
    "student.training.epochs=1",
    "refit.epochs=1",
    "evaluation.draws=2",
    "calibration.levels=5",
    "calibration.exposures=2",
    "bench.camera.shape=[1600, 600]",  # the sensor around the image
    "export.count=1",
    "verify.wave_images=1",
    "verify.processes=1",
    "student.controls=[]",
    "flaws.images=0",
)
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
    """A tiny run. make: its data. sets: what is smaller. test, classes: images and classes that it is to find.

    lightpipes: images that LightPipes proves too.
    """

    make: Callable[[Path], None]
    sets: tuple[str, ...]
    test: int
    classes: int
    metric: str = "accuracy"
    answers: str = "classes"
    lightpipes: int = 0


# fewer, larger pixels behind the longer first lens: lambda f1 / pitch is half as wide, on a quarter of the panel
COARSE = ("bench.input.pitch=64e-6", "bench.stop.width=[3.325e-3, 3.325e-3]")
COLOURS = ("student.channels=[3, 2, 3, 2]",)
PIXELS: dict[str, Any] = {"metric": "mean IoU", "answers": "pixels"}
FACES: dict[str, Any] = {"metric": "rank one", "answers": "embeddings"}
RUNS = {
    "mnist": Tiny(sets.mnist, ("student.channels=[1, 2, 2]",), 20, 10, lightpipes=1),
    "fashion-mnist": Tiny(
        sets.fashion_mnist, ("student.channels=[1, 2, 2]", 'data.source="./fashion-mnist"'), 20, 10
    ),
    "cifar10-grey": Tiny(sets.cifar10, ("student.channels=[1, 2, 3, 2]",), 20, 10),
    "cifar10-small": Tiny(sets.cifar10, COLOURS, 20, 10),
    "cifar10": Tiny(sets.cifar10, COLOURS, 20, 10),
    "cifar10-large": Tiny(sets.cifar10, COLOURS, 20, 10),
    "cifar10-linear": Tiny(sets.cifar10, COLOURS, 20, 10),
    "cifar100": Tiny(sets.cifar100, COLOURS, 20, 100),
    "cats-dogs": Tiny(
        sets.cats_dogs,
        ("data.size=[32, 32]", "student.bins=[8, 8]", "student.channels=[3, 2, 2]", *COARSE),
        20,
        2,
    ),
    "imagenette": Tiny(
        sets.imagenette,
        ("data.size=[28, 28]", "student.bins=[7, 7]", "student.channels=[3, 2, 2]", *COARSE),
        20,
        10,
    ),
    "cars": Tiny(
        sets.camvid,
        ("data.size=[24, 32]", "student.bins=[12, 16]", "student.channels=[3, 2, 2]", *COARSE),
        6,
        2,
        **PIXELS,
    ),
    "faces": Tiny(
        sets.fasseg,
        ("data.size=[32, 28]", "student.bins=[16, 14]", "student.channels=[3, 2, 2]", *COARSE),
        6,
        6,
        **PIXELS,
    ),
    "voc2012": Tiny(
        sets.voc,
        ("data.size=[24, 24]", "student.bins=[6, 6]", "student.channels=[3, 2, 2]", *COARSE),
        6,
        21,
        **PIXELS,
    ),
    "carvana": Tiny(
        sets.carvana,
        ("data.size=[24, 36]", "student.bins=[6, 9]", "student.channels=[3, 2, 2]", *COARSE),
        2,
        2,
        **PIXELS,
    ),
    "people": Tiny(sets.orl, ("data.size=[28, 23]", "student.channels=[1, 2, 2]"), 14, 14, **FACES),
    "strangers": Tiny(
        sets.orl,
        ("data.size=[28, 23]", "student.channels=[1, 2, 2]"),
        40,
        10,
        **FACES,
    ),
}


def value(told: config.RunConfig, key: str) -> Any:
    """What a configuration says under a dotted key."""
    found: Any = told
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else getattr(found, name)
    return found


def test_every_configuration_has_a_tiny_variant():
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_it_runs_from_its_data_to_a_proved_export(name, tmp_path, monkeypatch):
    case, file, run = RUNS[name], FOLDER / f"{name}.toml", tmp_path / "run"
    monkeypatch.setenv("SCLC_DATA", str(tmp_path))
    case.make(tmp_path)
    small = [*TINY, *case.sets, f"verify.lightpipes_images={case.lightpipes}"]
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
