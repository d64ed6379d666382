"""Distillation methods as a run's configuration asks for them: few labels, and the bench in the loop."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys

import pytest
import torch

from distill.data import sources
from distill.job import config
from distill.job.job import Job
from distill.pipeline import main_job, step_table, steps
from distill.training.checkpoint import load_student
from distill.training.history import History
from distill.training.teaching import Memory
from networks.students.noise_aware import NoiseAware
from optics.errors import OpticsError

TINY = [
    "data.limit=100",
    "teacher.training.epochs=1",
    "student.repeats=1",
    "student.channels=[1, 2, 2]",
    "student.training.epochs=1",
]
OWN = "refit.taught_by=network"


def trained(tmp_path, *sets: str):
    made = config.demo(fast=True, sets=[*TINY, *sets])
    main_job.run(made, tmp_path, last="linear_kd")
    return load_student(tmp_path / "linear_kd" / "model.safetensors")


def test_the_teacher_sees_the_labels_that_are_left_and_the_student_every_image(tmp_path, monkeypatch):
    seen = {}

    def watched(model, part, held, spec, *, directory, teacher, **_):
        seen[directory.name] = (part, held, teacher is not None)
        return History((), 1)

    monkeypatch.setattr(steps, "train", watched)
    made = config.demo(fast=True, sets=[*TINY, "data.labelled=40", "data.unlabelled=digits"])
    job = Job.prepare(made, tmp_path)
    steps.run_teacher(job)
    steps.run_student(job, "linear")
    steps.run_student(job, "linear_kd")
    whole = sources.load("digits", limit=100)
    assert len(seen["teacher"][0]) == 30
    assert (seen["teacher"][0].labels >= 0).all()
    assert len(seen["teacher"][1]) == 10  # one of each class chooses the epoch
    for name, guided in (("linear", False), ("linear_kd", True)):
        part, _, taught = seen[name]
        assert taught == guided
        assert (
            len(part) == len(whole.train) + len(whole.validation) - 10 + 100
        )  # as many steps with and without
        assert int((part.labels >= 0).sum()) == (30 if guided else len(part))
    assert {tuple(x.flatten().tolist()) for x in seen["linear"][0].images} == {
        tuple(x.flatten().tolist()) for x in seen["teacher"][0].images
    }


def test_methods_of_a_configuration_change_the_student_and_nothing_else(tmp_path):
    plain = trained(tmp_path / "plain")
    told = trained(
        tmp_path / "told", "student.distillation.decoupled={}", "student.distillation.hint={weight=0.5}"
    )
    assert not torch.equal(plain.cascade.kernels(), told.cascade.kernels())
    teachers = [
        (tmp_path / name / "teacher" / "model.safetensors").read_bytes() for name in ("plain", "told")
    ]
    assert teachers[0] == teachers[1]


@pytest.mark.parametrize("moves", [["student.training.augmentation.shift=1.0"], []])
def test_rows_that_see_the_same_images_share_the_teachers_answers(tmp_path, monkeypatch, moves):
    """Also at the same time; the weights are those of rows that ask each for itself, and nothing is kept in the end."""
    asked: list[list[int]] = []
    of, memories = Memory.of, set()

    def watched(self, images, fast, ask):
        memories.add(self)
        return of(self, images, fast, lambda: (asked[-1].append(len(images)), ask())[1])

    rows = ["linear_kd", "random_masks", "no_mask"]
    monkeypatch.setattr(Memory, "of", watched)
    monkeypatch.setattr(main_job, "needed", lambda last: ["data", "teacher", *rows])
    found = []
    for name, most in (("shared", 2**29), ("alone", 0)):
        monkeypatch.setattr(Memory.__init__, "__defaults__", (most,))
        asked.append([])
        sets = ["student.controls=['random_masks', 'no_mask']", "student.repeats=2", *moves]
        main_job.run(config.demo(fast=True, sets=[*TINY, *sets]), tmp_path / name, last="linear_kd")
        files = [tmp_path / name / Job.repeat(row, r) / "model.safetensors" for row in rows for r in range(2)]
        found.append([load_student(file).state_dict() for file in files])
    shared, alone = (sum(images) for images in asked)
    assert alone == (3 if moves else 6) * shared  # repeats see other moves, and the same images without any
    assert [m.held for m in memories] == [0, 0]
    for a, b in zip(*found, strict=True):
        assert all(torch.equal(a[k], b[k]) for k in a)


def test_a_student_is_trained_on_draws_of_its_bench(tmp_path):
    loose = "student.noise_aware.tolerance={mask_shift=[2e-5, 2e-5]}"
    made = config.demo(fast=True, sets=[*TINY, loose, "student.noise_aware.oversampling=1"])
    job = Job.prepare(made, tmp_path)
    network = job.build(None, torch.Generator().manual_seed(0))
    aware = job.trainee(network)
    assert isinstance(aware, NoiseAware)
    assert aware.bench == job.bench
    assert aware.tolerance.mask_shift == (2e-5, 2e-5)
    assert {id(p) for p in aware.parameters()} == {id(p) for p in network.parameters()}
    assert job.trainee(job.build("raw_image", torch.Generator())).__class__.__name__ == "RawImage"
    quick = ["data.limit=40", "data.size=[14, 14]", "student.training.batch_size=20"]
    on_bench, off_bench = (
        trained(tmp_path / name, *quick, *sets) for name, sets in (("on", [loose]), ("off", []))
    )
    assert not torch.equal(on_bench.cascade.kernels(), off_bench.cascade.kernels())


def test_the_students_on_a_bench_depend_on_it(tmp_path):
    keys = []
    for sets in ([], ["bench.camera.read_noise=9"]):
        made = config.demo(fast=True, sets=[*TINY, "student.noise_aware={}", *sets])
        keys.append(step_table.keys(Job.prepare(made, tmp_path)))
    assert keys[0]["linear_kd"] != keys[1]["linear_kd"]
    assert keys[0]["teacher"] == keys[1]["teacher"]


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["data.labelled=12"], r"data\.labelled leaves 12 labels of 100; expected 20"),
        (["data.unlabelled=nothing.h5"], "no data set and no file is called"),
        (["data.unlabelled=cifar"], "no data set and no file is called"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(tmp_path, sets, said):
    with pytest.raises(OpticsError, match=said):
        Job.prepare(config.demo(fast=True, sets=[*TINY, *sets]), tmp_path)


def test_a_run_in_two_processes_is_that_of_one(tmp_path):
    """Started as torchrun starts them; only the first one writes; no thread of theirs outlives the connection, which
    would meet an interpreter that is going, and abort."""
    text = config.demo(
        fast=True, sets=[*TINY, "student.training.epochs=2", "teacher.training.epochs=2"]
    ).to_toml()
    (tmp_path / "run.toml").write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = (
        "import sys\nfrom pathlib import Path\nfrom distill.job.config import load\n"
        "from distill.pipeline import main_job\nfrom distill.training.processes import Processes\n"
        "processes = Processes.joined()\n"
        "def told(step, epoch):\n"
        "    with Path(sys.argv[1]).with_name(f'told-{processes.rank}').open('a') as out:\n"
        "        out.write(f'{step} {epoch.epoch}\\n')\n"
        "place = Path(sys.argv[2])\n"
        "main_job.run(load(sys.argv[1]), place, last='linear_kd', processes=processes, on_epoch=told)\n"
        "def threads():\n"
        "    try:\n        return {f.read_text().strip() for f in Path('/proc/self/task').glob('*/comm')}\n"
        "    except FileNotFoundError:  # one has just ended\n        return threads()\n"
        "before = threads()\nprocesses.leave()\n"
        "left = {t for t in threads() if 'gloo' in t}\n"
        "assert not left and (not before or any('gloo' in t for t in before)), (before, left)\n"
    )
    started = []
    for rank in range(2):
        own = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        command = [sys.executable, "-c", code, str(tmp_path / "run.toml"), str(tmp_path / "two")]
        started.append(subprocess.Popen(command, env=os.environ | own | {"OMP_NUM_THREADS": "1"}))
    main_job.run(config.load(tmp_path / "run.toml"), tmp_path / "one", last="linear_kd")
    assert [p.wait(240) for p in started] == [0, 0]
    told = {path.name: path.read_text().splitlines() for path in tmp_path.glob("told-*")}
    assert told == {"told-0": ["teacher 1", "teacher 2", "linear_kd 1", "linear_kd 2"]}
    for step in ("teacher", "linear_kd"):
        tables = [(tmp_path / d / step / "history.csv").read_text().splitlines() for d in ("one", "two")]
        losses = [[float(row["loss"]) for row in csv.DictReader(table)] for table in tables]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    written = [{str(f.relative_to(tmp_path / d)) for f in (tmp_path / d).rglob("*")} for d in ("one", "two")]
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (["student.distillation.hint.teacher=tail"], "student.training: LeNet5 has no part called 'tail'"),
        (["student.training.step.rates={camera=0.1}"], "student.training: .* it has optics, backend"),
        (["teacher.training.augmentation.crop=40"], "teacher.training: augmentation.crop is 40 pixels"),
        (["student.distillation.dice=0.5"], "student.training: .*Dice is for pixels"),
        (["refit.dice=0.5"], "refit: .*Dice is for pixels"),
        (["refit.distillation.hint.student=tail"], "refit: Backend has no part called 'tail'"),
        (
            [OWN, "refit.distillation.hint={teacher='body',student='root'}"],
            "refit: Student has no part .*'body'",
        ),
        ([OWN, "refit.distillation.hint={teacher='backend.root',student='root'}"], None),
        ([OWN, "refit.distillation.tangent={}"], r"refit\.taught_by = 'teacher'"),
        (["student.noise_aware={}", "student.distillation.tangent.of=network"], "Take 'electronics'"),
        (["refit.distillation.function_matching=true"], "exposures from a bench are not moved or mixed"),
        (["student.distillation.function_matching=true", "refit.distillation.tangent={}"], None),
    ],
)
def test_a_training_that_cannot_be_is_told_before_the_first_one(tmp_path, sets, said):
    job = Job.prepare(config.demo(fast=True, sets=[*TINY, *sets]), tmp_path)
    if said is None:
        steps.check_later(job, ["refit"])
        return
    with pytest.raises(OpticsError, match=said):
        steps.check_later(job, ["refit"])
