"""`sclc refit` and `sclc loop`: a network learns from a bench, and what cannot be is told in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from benchmarks.calibration_digits import digits_bench
from calibration.rigs.captures import Captures, load_captures
from distill import load, save
from distill.cli.main import main
from distill.export.read import read_export
from distill.pipeline.single_steps import open_network, open_run
from distill.pipeline.steps import seeded
from distill.pipeline.with_captures import refit_run
from distill.training.captured import refit_on_captures
from distill.training.teaching import Guide
from networks import Student
from optics.bench.write import bench_text


@pytest.fixture(scope="module")
def captures(fast_run, tmp_path_factory):
    """Captures of 60 training images as another bench, with its mask aside, gives them."""
    exported = read_export(fast_run / "export")
    truth = exported.bench.replace(**{"alignment.mask_shift": (60e-6, 30e-6)})
    train = open_run(fast_run, ()).splits.train
    network = exported.network()
    other = type(network).from_levels(
        exported.levels,
        exported.scales,
        bench=truth,
        image_shape=train.image_shape,
        readout=exported.readout,
        backend=exported.backend,
        arrangement=exported.manifest.arranged,
    )
    counts = other.frames(train.images[:60], generator=torch.Generator().manual_seed(0)).detach()
    region = network.recorders[0].region
    made = Captures(
        levels=exported.levels,
        inputs=train.images[:60, 0],
        counts=counts,
        panel_corner=(0, 0),
        corner=(region[0].start, region[1].start),
        binning=exported.bench.camera.binning,
        exposure=exported.bench.camera.exposure,
        times=torch.zeros(counts.shape[:2], dtype=torch.float64),
        labels=train.labels[:60],
        bench="other",
    )
    path = tmp_path_factory.mktemp("captures") / "captures.h5"
    made.save(path)
    return path


@pytest.mark.parametrize("options", [[], ["--distilled"], ["--own-answers"]])
def test_a_back_end_is_fitted_and_the_network_written(fast_run, captures, tmp_path, capsys, options):
    out = tmp_path / "refitted.safetensors"
    assert main(["refit", str(fast_run), str(captures), "-o", str(out), "--json", *options]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 48 and told["held"] == 12 and 0 <= told["after"] <= 1
    before, after = open_run(fast_run, ()).student("refit"), load(out)
    assert all(
        torch.equal(a, b)
        for a, b in zip(before.cascade.parameters(), after.cascade.parameters(), strict=True)
    )
    assert any(
        not torch.equal(a, b)
        for a, b in zip(before.backend.parameters(), after.backend.parameters(), strict=True)
    )


@pytest.mark.parametrize("method", ["tangent={images=4}", "hint={student='root'}"])
def test_methods_that_need_the_teacher_itself_have_it(fast_run, captures, monkeypatch, method):
    """A run whose [refit.distillation] has one: captures are taught by the module, as exposures of the bench are."""
    found = load_captures(captures)
    images = found.inputs[:, None]
    job = open_network(fast_run, sets=[f"refit.distillation.{method}", "refit.epochs=2"])
    monkeypatch.setattr("distill.pipeline.with_captures.open_run", lambda *_: job)
    out = captures.parent / "taught.safetensors"
    told = refit_run(fast_run, captures, output=out, distilled=True)
    assert 0 <= told["after"] <= 1
    seen = Guide(job.teacher(), images, moving=False)
    network = job.on_bench(job.student("refit"), job.bench)
    wanted = refit_on_captures(network, found, seeded(job, job.config.refit), teacher=seen, count=48)
    got = load(out).backend.state_dict()
    assert all(
        torch.equal(a, b) for a, b in zip(got.values(), wanted.backend.state_dict().values(), strict=True)
    )


def test_who_fits_to_images_of_the_test_part_is_told(fast_run, captures, tmp_path, capsys):
    """Those of the export are of it: `sclc capture` without --part records them."""
    shown = read_export(fast_run / "export").inputs[:10, 0].float()
    found = load_captures(captures)
    mixed = tmp_path / "mixed.h5"
    replace(found, inputs=torch.cat((shown, found.inputs[10:]))).save(mixed)
    for file, count in ((captures, 0), (mixed, 10)):
        out = str(tmp_path / "refitted.safetensors")
        assert main(["refit", str(fast_run), str(file), "-o", out, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["of_test"] == count
        assert main(["refit", str(fast_run), str(file), "-o", out]) == 0
        told = f"{count} of these images are of the run's test part" in capsys.readouterr().out
        assert told == bool(count)


def test_the_networks_own_answers_need_no_labels(fast_run, captures, tmp_path):
    unlabelled, found = tmp_path / "unlabelled.h5", []
    replace(load_captures(captures), labels=None).save(unlabelled)
    for file in (captures, unlabelled):
        out = tmp_path / f"{file.stem}.safetensors"
        assert main(["refit", str(fast_run), str(file), "-o", str(out), "--own-answers"]) == 0
        found.append(load(out).backend.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(found[0].values(), found[1].values(), strict=True))


def test_the_curve_tells_what_few_captures_are_worth(fast_run, captures, capsys):
    assert main(["refit", str(fast_run), str(captures), "--curve", "20,40", "--held", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["20", "40"] and "judged by 20" in lines[2]


def test_a_network_is_trained_with_the_bench_and_goes_on_like_any_other(tmp_path, capsys):
    sheet = digits_bench()
    (tmp_path / "sheet.toml").write_text(bench_text(sheet))
    (tmp_path / "truth.toml").write_text(bench_text(sheet.replace(**{"alignment.mask_shift": (40e-6, 0.0)})))
    (tmp_path / "run.toml").write_text("[data]\nsize = [16, 16]\nlimit = 60\n")
    student = Student.build((1, 2), image_shape=(16, 16), generator=torch.Generator().manual_seed(0))
    save(student, tmp_path / "network.safetensors")
    out = tmp_path / "trained.safetensors"
    arguments = ["loop", str(tmp_path / "network.safetensors"), "--rig", f"sim:{tmp_path / 'truth.toml'}"]
    arguments += ["--bench", str(tmp_path / "sheet.toml"), "--config", str(tmp_path / "run.toml")]
    arguments += ["--images", "6", "--held", "2", "--epochs", "2", "--test", "2", "-o", str(out), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 16 and told["frames"] == 32
    trained = load(out)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(student.cascade.parameters(), trained.cascade.parameters(), strict=True)
    )
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_what_cannot_be_fitted_is_told(fast_run, captures, tmp_path, capsys):
    for arguments, words in (
        (["refit", str(fast_run), str(captures), "--curve", "many"], "numbers of images"),
        (["refit", str(fast_run), str(captures), "--curve", "59"], "Capture more"),
        (["refit", str(fast_run), str(captures), "--count", "55"], "were captured"),
        (["refit", str(tmp_path), str(captures)], "run"),
        (["refit", str(fast_run), str(tmp_path / "none.h5")], "none.h5"),
    ):
        assert main(arguments) == 2
        assert words in capsys.readouterr().err
