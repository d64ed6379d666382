"""What would fail after hours is found before the first training, and leaves nothing behind."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from distill.job import config
from distill.job.job import Job
from distill.job.ledger import Ledger, read_json
from distill.pipeline import main_job, step_table, steps
from optics.errors import OpticsError, SpecError


def images(path, *, shape=(28, 28), count=30, classes=3, masks=False):
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for part in ("train", "test"):
            file[f"{part}/images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
            if masks:
                file[f"{part}/masks"] = rng.integers(0, classes, (count, *shape[:2]), dtype=np.uint8)
            else:
                file[f"{part}/labels"] = np.arange(count) % classes
    return path


def job_of(path, tmp_path, *sets):
    return config.demo(fast=True, sets=[f'data.source="{path}"', "data.limit=20", *sets]), tmp_path / "run"


REFUSED = {
    "a class per pixel": (lambda at: images(at / "a.h5", masks=True), (), "one class per pixel"),
    "colour": (lambda at: images(at / "a.h5", shape=(28, 28, 3)), (), "data.grey = true"),
    "a teacher of pixels": (
        lambda at: images(at / "a.h5"),
        ('teacher.name="unet"',),
        "the teacher 'unet' gives 3 classes for each of 28 x 28 pixels",
    ),
    "images too small": (
        lambda at: images(at / "a.h5", shape=(2, 2)),
        (),
        r"image_size is \(2, 2\); LeNet-5 needs at least",
    ),
    "more bins than pixels": (lambda at: images(at / "a.h5"), ("student.bins=[40, 40]",), "40"),
    "an ideal SLM": (
        lambda at: images(at / "a.h5"),
        ('bench.slm.modulation="complex"',),
        "has no levels to export.*or export.count = 0",
    ),
    "tiles that do not fit": (
        lambda at: images(at / "a.h5"),
        ('student.realisation.kind="tiled"', "student.realisation.tiles=1000"),
        "room for",
    ),
    "stages of a periodic network": (
        lambda at: images(at / "a.h5"),
        ('student.realisation.kind="staged"', 'student.cascade.boundary="circular"'),
        "build it with boundary 'zero'",
    ),
    "too few light levels": (
        lambda at: images(at / "a.h5"),
        ("calibration.levels=4",),
        "levels.*greater than or equal to 5",
    ),
    "a refit of moved images": (
        lambda at: images(at / "a.h5"),
        ("refit.augmentation.shift=2",),
        "refit.augmentation: exposures from a bench are not moved or mixed",
    ),
    "more light than LightPipes' grid holds": (
        lambda at: images(at / "a.h5"),
        ("bench.stop.width=[13.6e-3, 13.6e-3]", "bench.lens1.diameter=0.2", "bench.lens2.diameter=0.2"),
        "verify: .*Use a stop or a smaller image.*or set verify.lightpipes_images = 0",
    ),
    "one image of a class": (lambda at: images(at / "a.h5", count=3), (), "at least 2 are needed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_found_before_anything_is_written(case, tmp_path):
    make, sets, said = REFUSED[case]
    with pytest.raises(OpticsError, match=said) as error:
        chosen, folder = job_of(make(tmp_path), tmp_path, *sets)
        main_job.run(chosen, folder)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_few_test_images_lower_the_count(tmp_path, monkeypatch):
    chosen, folder = job_of(images(tmp_path / "a.h5"), tmp_path)
    assert chosen.export.count > 20
    job = Job.prepare(chosen, folder)
    assert job.export_count == 20
    asked = []
    monkeypatch.setattr(Job, "student", lambda *_: None)
    monkeypatch.setattr(Job, "on_bench", lambda *_: None)
    monkeypatch.setattr(steps, "export", lambda *_, inputs, count: asked.append((count, len(inputs))))
    steps.run_export(job)
    assert asked == [(20, 20)]


def test_a_run_that_never_began_is_no_run(tmp_path):
    outputs = {"data": ("data.json",), "teacher": ("teacher",)}
    book = Ledger(tmp_path / "run", outputs)
    with book.locked():
        book.begin()  # and killed here
    assert not Ledger(tmp_path / "run", outputs).begun()
    with book.locked(), book.working("data", "k", keep=False):
        (tmp_path / "run" / "data.json").write_text("{}")
    (tmp_path / "run" / "teacher").mkdir()  # the first training failed at once
    again = Ledger(tmp_path / "run", outputs)
    assert again.begun()
    assert not again.begun(beside=("data",))
    (tmp_path / "run" / "teacher" / "checkpoint.pt").write_bytes(b"an epoch")
    assert again.begun(beside=("data",))


def test_the_command_begins_where_nothing_was_trained(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from distill.cli.main import app

    source, file, folder = images(tmp_path / "a.h5"), tmp_path / "mine.toml", tmp_path / "run"
    file.write_bytes(b'\xef\xbb\xbfname = "mine"\n' + f'[data]\nsource = "{source}"\nlimit = 20\n'.encode())
    seen = []

    def fails(job):
        seen.append(job.step)
        raise OpticsError("the first training fails at once.")

    monkeypatch.setattr(steps, "run_teacher", fails)
    monkeypatch.setitem(
        step_table.STEPS,
        "teacher",
        step_table.STEPS["teacher"].__class__(**{**vars(step_table.STEPS["teacher"]), "work": fails}),
    )
    for _ in range(2):  # the second time, too, without --fresh
        outcome = CliRunner().invoke(app, ["run", str(file), "-d", str(folder)])
        assert isinstance(outcome.exception, OpticsError | SystemExit)
    assert seen == ["teacher", "teacher"]
    (folder / "teacher").mkdir(exist_ok=True)
    (folder / "teacher" / "checkpoint.pt").write_bytes(b"an epoch")
    outcome = CliRunner().invoke(app, ["run", str(file), "-d", str(folder)])
    assert "holds a run already" in str(outcome.exception) + outcome.output
    assert len(seen) == 2


TOML = {
    "a number of 5000 digits": ("seed = " + "9" * 5000, "not valid TOML"),
    "a dotted key of 20000 parts": (".".join("a" * 20000) + " = 1", "nested too deeply"),
    "nested arrays": ("a = " + "[" * 100000 + "]" * 100000, "nested too deeply|not valid TOML"),
    "no text": (b"\xff\xfe\x00", "not a text file in UTF-8"),
}


@pytest.mark.parametrize("case", TOML)
def test_absurd_configurations_are_one_line(case, tmp_path):
    text, said = TOML[case]
    path = tmp_path / "a.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError, match=said) as error:
        config.load(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_absurd_json_is_one_line(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 1_000_000)
    with pytest.raises(OpticsError, match="is not JSON"):
        read_json(path)


def test_a_path_may_begin_with_the_user_s_folder(tmp_path, monkeypatch):
    from optics.bench.files import BENCHES, load_bench

    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.toml").write_text(
        (BENCHES / "pluto2-200mm.toml").read_text(encoding="utf-8"), encoding="utf-8-sig"
    )
    images(tmp_path / "a.h5")
    assert load_bench("~/mine.toml").slm.shape == (1080, 1920)
    chosen = config.demo(fast=True, sets=['data.source="~/a.h5"', 'bench.source="~/mine.toml"'])
    assert chosen.data.source == str(tmp_path / "a.h5")
    assert chosen.bench.source == str(tmp_path / "mine.toml")
