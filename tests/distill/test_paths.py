"""What takes a path takes its text alike, and ends alike where nothing is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import distill
from distill import TrainSpec
from distill.data.dataset import Dataset
from distill.job.result import Result
from distill.keeping.kept_run import keep, read_kept
from distill.pipeline import bench_rows, export_network, open_run, report_run, verify_directory
from distill.training import checkpoint
from distill.training.train_loop import fit
from networks import Student
from optics.errors import OpticsError
from tests.scenes import generator


def student() -> Student:
    return Student.build((1, 2, 3), image_shape=(10, 10), classes=3, bins=(2, 2), generator=generator(0))


def some(count: int) -> Dataset:
    images = torch.rand(count, 1, 10, 10, generator=generator(1))
    return Dataset(images, torch.arange(count) % 3, ("a", "b", "c"), "made here")


SPEC = TrainSpec(epochs=1, batch_size=16)
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # sha256 of no bytes

# what is called with a path inside a folder that holds net.safetensors and run.toml, and the name there
CASES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "train": (lambda p: distill.train(student(), some(24), some(9), SPEC, directory=p), "trained"),
    "fit": (
        lambda p: fit(
            student(), (some(9).images, some(9).labels), (some(9).images, some(9).labels), SPEC, directory=p
        ),
        "fitted",
    ),
    "run": (lambda p: distill.run(p.__class__(f"{p}/run.toml"), p.__class__(f"{p}/run"), last="report"), "."),
    "a run's file": (distill.job.config.load, "run.toml"),
    "a run's file that is not there": (distill.job.config.load, "other.toml"),
    "save": (lambda p: distill.save(student(), p), "saved.safetensors"),
    "save_model": (lambda p: checkpoint.save_model(p, student(), {"kind": "student"}), "model.safetensors"),
    "load": (distill.load, "net.safetensors"),
    "load_student": (checkpoint.load_student, "net.safetensors"),
    "load_network": (checkpoint.load_network, "net.safetensors"),
    "load_spec": (checkpoint.load_spec, "net.safetensors"),
    "load_config": (checkpoint.load_config, "net.safetensors"),
    "load_teacher": (checkpoint.load_teacher, "net.safetensors"),
    "open_run": (lambda p: open_run(p, ()), "nowhere"),
    "report_run": (report_run, "nowhere"),
    "verify_directory": (verify_directory, "nowhere"),
    "bench_rows": (bench_rows, "nowhere"),
    "bench_rows of a file": (lambda p: bench_rows(p, config=p), "net.safetensors"),
    "export_network": (export_network, "nowhere"),
    "export_network of a file": (lambda p: export_network(p, config=p, output=p), "net.safetensors"),
    "study": (lambda p: distill.study(p, bench="ideal", config=p), "net.safetensors"),
    "compare": (lambda p: distill.compare(p, ["pluto2-200mm", "own"], config=p), "net.safetensors"),
    "read_export": (distill.read_export, "nowhere"),
    "read_manifest": (distill.export.read_manifest, "nowhere"),
    "Result.read": (Result.read, "nowhere"),
    "keep": (lambda p: keep(p, p), "nowhere"),
    "read_kept": (read_kept, "nowhere"),
    "fetch": (
        lambda p: distill.data.fetch(
            distill.data.download.Remote("http://x/there.txt", _EMPTY, "there.txt"), p
        ),
        ".",
    ),
    "check": (lambda p: distill.data.survey.check("digits", cache=p), "cache"),
}


def _outcome(call: Callable[[Any], Any], path: str | Path) -> str:
    try:
        return type(call(path)).__name__
    except OpticsError as error:
        return str(error)


@pytest.mark.parametrize("name", CASES)
def test_a_path_may_be_text(tmp_path, name):
    call, inside = CASES[name]
    found = []
    for kind in (Path, str):
        place = tmp_path / kind.__name__
        place.mkdir()
        distill.save(student(), place / "net.safetensors")
        (place / "run.toml").write_text('[data]\nsource = "nowhere"\n', encoding="utf-8")
        (place / "there.txt").write_bytes(b"")
        found.append(_outcome(call, kind(place / inside)).replace(str(place), "."))
    assert found[0] == found[1]


def test_a_run_begins_from_a_run_file_by_its_text(tmp_path):
    (tmp_path / "tiny.toml").write_text('[data]\nsource = "nowhere"\n', encoding="utf-8")
    with pytest.raises(OpticsError, match="nowhere"):
        distill.run(str(tmp_path / "tiny.toml"), str(tmp_path / "zz"))
