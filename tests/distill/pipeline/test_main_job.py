"""The main job end to end in its fast setting: rows, schema, proof, page, resuming, and what each flaw does."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from distill.environment import environment
from distill.job import config
from distill.job.job import MODEL, Job
from distill.job.result import Result, json_schema
from distill.job.rows import ROWS, TRAINED, is_on_bench, meaning_of, title_of
from distill.metrics.row import score
from distill.pipeline import evaluating, step_table, steps
from distill.pipeline import main_job as pipeline
from distill.pipeline import single_steps as standalone
from distill.progress import Silent
from distill.training import evaluation
from distill.training.spec import TrainSpec
from optics.errors import OpticsError

OPTIONAL = ("given", "shuffled", "raw_image")
OF_A_TRAINING = tuple(row for row in ROWS if row not in OPTIONAL)


class Record(Silent):
    """A watcher that remembers which steps were done and which were kept."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.same: list[str] = []

    def end(self, step, seconds):
        self.done.append(step)

    def kept(self, step, title):
        self.same.append(step)


@pytest.fixture(scope="module")
def result(fast_run) -> Result:
    return Result.read(fast_run / "result.json")


@pytest.fixture
def copied(fast_run, tmp_path) -> Path:
    shutil.copytree(fast_run, tmp_path / "demo")
    return tmp_path / "demo"


def test_every_row_is_there_with_its_draws_and_images(fast_run, result):
    rows = json.loads((fast_run / "result.json").read_text())["rows"]
    assert tuple(rows) == OF_A_TRAINING
    settings = config.demo(fast=True)
    for name, row in rows.items():
        assert set(row) == {
            "accuracy",
            "spread",
            "draws",
            "images",
            "metric",
            "sampling",
            "figures",
            "errors",
        }
        assert 0.1 < row["accuracy"] <= 1
        assert row["images"] == settings.data.limit
        trainings = 1 if name == "teacher" else settings.student.repeats
        assert row["draws"] == (settings.evaluation.draws if "bench" in name else trainings)
    assert settings.evaluation.draws >= 10
    assert rows["ideal_bench"]["spread"] == 0
    assert rows["bench_refit"]["spread"] < 0.05


def test_the_ideal_bench_computes_what_the_network_does(result):
    # the camera sees the field through the stop: a little less than the digital convolution
    assert result.rows.ideal_bench.accuracy == pytest.approx(result.rows.linear_kd.accuracy, abs=0.03)


def test_refitting_the_back_end_helps(result):
    assert result.rows.bench_refit.accuracy > result.rows.bench_as_is.accuracy


def test_the_exported_files_give_the_network_s_answers(result):
    settings = config.demo(fast=True)
    assert result.verify.wave.agreement >= 0.98
    assert result.verify.wave.images == settings.verify.wave_images
    assert result.verify.lightpipes is not None
    assert result.verify.lightpipes.images == settings.verify.lightpipes_images
    assert result.verify.lightpipes.counts_error < 0.02


def test_the_frames_are_native_8_bit_images(fast_run):
    frames = sorted((fast_run / "export" / "slm").glob("*.png"))
    assert len(frames) == config.demo(fast=True).student.cascade.channels[-1]
    for path in frames:
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((1920, 1080), "L")


def test_the_calibration_finds_the_camera_s_figures(result):
    camera = config.demo(fast=True).bench.resolve().camera
    assert result.radiometry["gain"] == pytest.approx(camera.gain, rel=0.05)
    assert result.radiometry["quantum_efficiency"] == pytest.approx(camera.quantum_efficiency, rel=0.05)
    assert result.radiometry["read_noise"] == pytest.approx(camera.read_noise, rel=0.1)


def test_electronic_operations_are_those_of_the_back_end(result):
    student = config.demo(fast=True).student
    channels, bins = student.cascade.channels, student.readout.bins
    features = channels[-1] * bins[0] * bins[1]
    assert result.operations.linear_kd == result.operations.random_masks == features * 10
    assert result.operations.teacher > 100 * result.operations.linear_kd
    taps = 1 + (len(channels) - 1) * (student.cascade.kernel_size - 1)
    assert result.operations.optics_replaced == 2 * taps**2 * channels[-1] * 28 * 28


def test_the_rows_are_told_once_and_in_full(result):
    assert tuple(result.rows.by_name()) == OF_A_TRAINING
    assert [name for name in ROWS if is_on_bench(name)] == ["ideal_bench", "bench_as_is", "bench_refit"]
    assert {row for row in TRAINED if row not in OPTIONAL} == set(result.operations.model_dump()) - {
        "optics_replaced"
    }
    for name in ROWS:
        assert len(title_of(name)) < len(meaning_of(name)), name


def test_a_result_of_version_1_is_read(tmp_path):
    path = Path(__file__).with_name("result-version-1.json")
    old = json.loads(path.read_text(encoding="utf-8"))
    assert old["schema_version"] == 1
    found = Result.read(path)
    assert found.light.exposures == old["light"]["frames"]
    assert found.light.photons_per_exposure == old["light"]["photons_per_frame"]
    assert found.verify.wave.counts_error == old["verify"]["wave"]["frame_error"]
    assert found.verify.lightpipes.worst_counts_error == old["verify"]["lightpipes"]["worst_frame_error"]
    (tmp_path / "result.json").write_text(json.dumps(old | {"schema_version": 7}))
    with pytest.raises(OpticsError, match="schema_version"):
        Result.read(tmp_path / "result.json")


def test_the_stored_result_of_the_demo_is_read_and_agrees():
    stored = Result.read(Path(pipeline.__file__).parents[2] / "docs" / "demo-result.json")
    assert stored.verify.wave.agreement == 1.0
    assert tuple(stored.rows.by_name()) == OF_A_TRAINING


def test_every_key_of_the_result_is_documented(result):
    text = (Path(pipeline.__file__).parents[2] / "docs" / "result-schema.md").read_text()
    for key in result.model_dump():
        assert f"`{key}" in text, key
    assert json_schema()["title"] == "Result"


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "data", "action") and v]


def test_the_page_needs_nothing_beside_itself(fast_run):
    text = (fast_run / "report.html").read_text(encoding="utf-8")
    page = Links()
    page.feed(text)
    assert page.addresses
    assert all(a.startswith("data:image/png;base64,") for a in page.addresses)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    styles = re.findall(r"<style>.*?</style>", text, flags=re.S)
    assert not any(word in style for style in styles for word in ("url(", "@import"))
    for name in OF_A_TRAINING:
        assert f"<b>{name}</b>" in text
    for word in ("LightPipes", "Confusion", "viewport", "@media print", "mask_shift", "torch"):
        assert word in text
    assert text.count('<img src="data:image/png;base64,') > 20
    assert text.count('alt="mask ') == config.demo(fast=True).student.cascade.channels[-1]


def test_what_the_user_wrote_is_escaped_in_the_page(copied):
    evil = "<script>alert(1)</script>"
    job = Job.prepare(config.demo(fast=True, sets=[f'name="{evil}"']), copied)
    from distill.pipeline import gather

    gather.run_report(job)
    assert evil not in (copied / "report.html").read_text()


# ------------------------------------------------------------------ running again


def test_a_second_run_keeps_everything_and_does_nothing(fast_run):
    before = (fast_run / "result.json").read_text()
    watcher = Record()
    pipeline.run(config.demo(fast=True), fast_run, ui=watcher)
    assert watcher.done == []
    assert watcher.same == step_table.steps_of(config.demo(fast=True))
    assert (fast_run / "result.json").read_text() == before


def test_a_changed_setting_repeats_the_steps_that_depend_on_it_and_no_others(copied):
    watcher = Record()
    changed = config.demo(fast=True, sets=["verify.wave_images=5", "verify.lightpipes_images=0"])
    values = pipeline.run(changed, copied, ui=watcher)
    assert watcher.done == ["verify", "report"]
    assert values["verify"]["wave"]["images"] == 5
    assert values["verify"]["lightpipes"] is None


def test_a_training_of_another_machine_is_told_as_such(fast_run, copied, monkeypatch):
    assert json.loads((fast_run / "result.json").read_text())["trained"] == {}
    steps = json.loads((copied / "steps.json").read_text())
    for step in ("linear_kd", "report"):
        for file in steps["steps"].pop(step)["files"]:
            (copied / file).unlink()
    (copied / "steps.json").write_text(json.dumps(steps))
    shutil.rmtree(copied / "linear_kd")

    def elsewhere(seed, device):
        told = environment(seed, device)
        return told | {"machine": told["machine"] | {"processors": 4096}}

    monkeypatch.setattr("distill.pipeline.main_job.environment", elsewhere)
    trained = pipeline.run(config.demo(fast=True), copied)["trained"]
    assert list(trained) == ["linear_kd"]
    assert trained["linear_kd"]["machine"]["processors"] == 4096


def test_results_of_another_configuration_are_gone_before_a_step_runs(copied, monkeypatch):
    def stop(job):
        raise KeyboardInterrupt

    step = step_table.STEPS["refit"]
    monkeypatch.setitem(step_table.STEPS, "refit", step_table.Step(**(vars(step) | {"work": stop})))
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(config.demo(fast=True, sets=["bench.slm.bits=4"]), copied)
    left = {p.name for p in copied.iterdir()}
    assert not left & {"refit", "evaluation.json", "export", "verify.json", "result.json", "report.html"}
    assert {"teacher", "linear_kd", "calibration.json"} <= left


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(fast_run, copied):
    shutil.rmtree(copied / "linear_kd")
    (copied / "steps.json").write_text((fast_run / "steps.json").read_text())
    ticks = []

    class Stops(Record):
        def progress(self, step, done, total, note=""):
            ticks.append(done)
            if len(ticks) == 60:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.run(config.demo(fast=True), copied, ui=Stops())
    assert (copied / "linear_kd" / "checkpoint.pt").is_file()
    assert not (copied / "linear_kd" / "model.safetensors").exists()
    watcher = Record()
    pipeline.run(config.demo(fast=True), copied, ui=watcher, last="linear_kd")
    assert watcher.done == ["linear_kd"]
    one, two = (f / "linear_kd" / "model.safetensors" for f in (fast_run, copied))
    assert one.read_bytes() == two.read_bytes()


# ------------------------------------------------------------------ what each flaw does


ALIGNED = [
    "bench.alignment.mask_shift=[0.0, 0.0]",
    "bench.alignment.camera_shift=[0.0, 0.0]",
    "bench.alignment.mask_rotation=0.0",
]


def as_is(folder: Path, *sets: str) -> float:
    """Accuracy of `bench_as_is` on 200 test images of the fast run, on its bench aligned, with some figures changed."""
    job = Job.prepare(config.demo(fast=True, sets=[*ALIGNED, *sets, "evaluation.draws=2"]), folder)
    part = job.splits.test.take(torch.arange(200))
    job.splits = type(job.splits)(job.splits.train, job.splits.validation, part)
    job.calibration = steps.calibration(job)
    bench = job.on_bench(job.student("linear_kd"), job.bench)
    return score(
        evaluation.predictions_from(bench.backend, evaluating.exposures(job, bench)), part.labels
    ).accuracy


@pytest.fixture(scope="module")
def unchanged(fast_run) -> float:
    return as_is(fast_run)


@pytest.mark.parametrize(
    "more",
    [
        "bench.slm.bits=1",
        "bench.slm.crosstalk=[3.0, 3.0]",
        "bench.alignment.mask_shift=[4e-4, -2e-4]",
        "bench.alignment.mask_rotation=0.3",
        "bench.alignment.camera_shift=[2e-4, -1e-4]",
        "bench.light.photons=1.0",
        "bench.camera.read_noise=3000.0",
        "bench.lens2.defocus=0.02",
    ],
)
def test_turning_one_flaw_up_makes_the_row_worse(fast_run, unchanged, more):
    assert as_is(fast_run, more) < unchanged - 0.02


def test_all_flaws_off_is_the_ideal_row_exactly(fast_run, result):
    found = standalone.bench_rows(fast_run, bench="ideal-200mm", sets=["refit.epochs=1"])
    assert (
        found["rows"]["bench_as_is"] == found["rows"]["ideal_bench"] == result.rows.ideal_bench.model_dump()
    )


def test_a_finished_run_is_read_by_a_later_version_that_would_do_it_anew(fast_run, monkeypatch):
    monkeypatch.setattr("distill.environment._version", lambda _name: "99.0")
    job = standalone.open_run(fast_run, ["linear_kd", "refit", "evaluate"])
    assert job.made_by != "99.0"
    fresh = Job.prepare(job.config, fast_run)
    assert fresh.made_by == "99.0"
    assert all(step_table.keys(fresh)[step] != step_table.keys(job)[step] for step in ("data", "linear_kd"))


def test_a_key_that_a_later_version_adds_does_not_undo_what_was_done():
    told = step_table._told(config.demo(fast=True).student.training)
    assert told["epochs"] == 12
    assert "optimiser" not in told and "ema" not in told.get("step", {})
    assert step_table._told(TrainSpec()) == {}


def _keys(tmp_path, *sets):
    return step_table.keys(Job.prepare(config.demo(fast=True, sets=list(sets)), tmp_path))


@pytest.mark.parametrize(
    ("told", "same"),
    [
        ("student.distillation.alpha=0.1", True),
        ("student.distillation.temperature=5.0", True),
        ("student.training.distillation.hint={ weight = 2.0 }", True),
        ("student.distilled_controls=false", True),
        ("student.distillation.function_matching=true", True),  # mixed for the teacher alone
        ("student.training.learning_rate=1e-4", False),
        ("student.bins=[4, 4]", False),
    ],
)
def test_what_the_teacher_does_is_nothing_to_a_training_on_the_labels(tmp_path, told, same):
    before, after = _keys(tmp_path), _keys(tmp_path, told)
    assert (before["linear"] == after["linear"]) == same
    assert (before["linear_kd"] == after["linear_kd"]) == ("distilled_controls" in told)
    assert before["raw_image"] != after["raw_image"]


def test_other_controls_leave_the_benches_as_they_are(copied):
    before = json.loads((copied / "evaluation.json").read_text())
    written = (copied / "benches.json").stat().st_mtime_ns
    watcher = Record()
    pipeline.run(config.demo(fast=True, sets=["student.controls=['random_masks']"]), copied, ui=watcher)
    assert watcher.done == ["evaluate", "report"]
    after = json.loads((copied / "evaluation.json").read_text())
    assert (copied / "benches.json").stat().st_mtime_ns == written
    assert before["rows"].keys() - after["rows"].keys() == {"no_mask"}
    assert {name for name in before if before[name] != after[name]} == {"rows", "operations"}


def _made_earlier(directory, rule):
    """The run as an earlier version left it, by one of its rules; returns its benches."""
    now, earlier = step_table.keys_and_earlier(Job.prepare(config.demo(fast=True), directory))
    ledger = json.loads((directory / "steps.json").read_text())
    benches = json.loads((directory / "benches.json").read_text())
    del ledger["steps"]["benches"]  # the evaluation was one step
    (directory / "benches.json").unlink()
    for name, step in ledger["steps"].items():
        assert step["key"] == now[name]
        step["key"] = earlier[rule][name]
    assert now["data"] == earlier[rule]["data"] and now["report"] != earlier[rule]["report"]
    (directory / "steps.json").write_text(json.dumps(ledger))
    return benches


def test_benches_of_an_earlier_version_are_kept_where_controls_change(copied):
    benches, watcher = _made_earlier(copied, -1), Record()
    pipeline.run(config.demo(fast=True, sets=["student.controls=['no_mask']"]), copied, ui=watcher)
    assert watcher.done == ["evaluate", "report"]
    assert json.loads((copied / "benches.json").read_text()) == benches


@pytest.mark.parametrize("found", ["{", "{}", "[]", '{"rows": 3}'])
def test_what_cannot_be_read_of_an_earlier_evaluation_is_done_anew(copied, found):
    _made_earlier(copied, -1)
    (copied / "evaluation.json").write_text(found)
    watcher = Record()
    pipeline.run(config.demo(fast=True), copied, ui=watcher, last="benches")
    assert watcher.done == ["benches"]


@pytest.mark.parametrize("rule", [0, 1, -2, -1])
def test_a_run_of_an_earlier_version_keeps_its_steps_by_the_earlier_rule(copied, rule):
    benches = _made_earlier(copied, rule)
    assert standalone.open_run(copied, ["linear", "evaluate", "verify"])
    watcher = Record()
    pipeline.run(config.demo(fast=True), copied, ui=watcher)
    assert watcher.done == []
    assert json.loads((copied / "benches.json").read_text()) == benches
    changed = config.demo(fast=True, sets=["student.distillation.alpha=0.8"])
    pipeline.run(changed, copied, ui=watcher, last="linear_kd")
    assert watcher.done == ["linear_kd"]
    assert (copied / "linear" / MODEL).exists() and not (copied / "evaluation.json").exists()
