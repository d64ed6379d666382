"""A teacher of the user's own: read, put in front of these images, and asked whether it knows them."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import distill
from distill.data import load
from distill.data.dataset import UNLABELLED, VOID, Dataset
from distill.job import config as configs
from distill.job import given_teacher
from distill.job.config import RunConfig, TeacherConfig
from distill.job.job import Job
from distill.pipeline import main_job
from distill.progress import Silent
from networks.teachers.given import Adapted, module
from optics.checks import OpticsError
from optics.errors import SpecError

CODE = """
import torch
from torch import nn
from helper import CLASSES

class Net(nn.Module):
    def __init__(self, pixels=784):
        super().__init__()
        self.fc = nn.Linear(pixels, CLASSES)
    def forward(self, x):
        return self.fc(x.flatten(1))

def broken():
    raise RuntimeError("no such thing")

number = 3
"""
SPLITS = load("digits", limit=600)
NAMES = SPLITS.train.class_names


class Linear(nn.Module):
    """The regression of the digits' classes on their pixels."""

    def __init__(self, mean=0.0, std=1.0, order=range(10), of=SPLITS.train):
        super().__init__()
        self.fc = nn.Linear(784, 10)
        x = ((of.images.flatten(1) - mean) / std).double()
        y = torch.nn.functional.one_hot(of.labels, 10).double()
        x1 = torch.cat((x, torch.ones(len(x), 1)), 1)
        w = torch.linalg.solve(x1.T @ x1 + 20 * torch.eye(785), x1.T @ y)[:, list(order)]
        with torch.no_grad():
            self.fc.weight.copy_(w[:-1].T)
            self.fc.bias.copy_(w[-1])

    def forward(self, x):
        return self.fc(x.flatten(1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("mine")
    (place / "my.py").write_text(CODE)
    (place / "helper.py").write_text("CLASSES = 10\n")
    state = Linear().state_dict()
    save_file(state, place / "net.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, place / "net.pt")
    torch.save(Linear(), place / "whole.pt")
    save_file({"fc.weight": state["fc.weight"]}, place / "half.safetensors")
    save_file({**state, "fc.bias": torch.zeros(9)}, place / "other.safetensors")
    sizes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(Linear().eval(), (torch.zeros(2, 1, 28, 28),), dynamic_shapes=sizes)
    torch.export.save(program, place / "net.pt2")
    return place


def right(told, **options):
    made = given_teacher.given(told, NAMES, **options)
    return given_teacher.check(told, made, SPLITS.validation, "the teacher")


WAYS = {
    "program": lambda f: {"file": str(f / "net.pt2")},
    "module, safetensors": lambda f: {"module": f"{f}/my.py:Net", "weights": str(f / "net.safetensors")},
    "module, a script's checkpoint": lambda f: {
        "module": f"{f}/my.py:Net",
        "weights": str(f / "net.pt"),
        "options": {"pixels": 784},
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_teacher(way, folder):
    told = TeacherConfig(**WAYS[way](folder))
    x = SPLITS.test.images[:20]
    made = given_teacher.given(told, NAMES)
    assert torch.allclose(made(x), Linear()(x), atol=1e-5)
    assert right(told) > 0.6
    assert not made.training


REFUSED = {
    "pickled weights": (("my.py:Net", "whole.pt"), "more than tensors"),
    "weights lack one": (("my.py:Net", "half.safetensors"), "lack fc.bias"),
    "weights of another shape": (("my.py:Net", "other.safetensors"), r"has shape \(9,\)"),
    "no such name": (("my.py:Nett", "net.pt"), "has no 'Nett'"),
    "no name": (("my.py", "net.pt"), "expected a file and a name"),
    "an error in it": (("my.py:broken", "net.pt"), "RuntimeError: no such thing"),
    "no network": (("my.py:number", "net.pt"), "int, expected a torch.nn.Module"),
    "no such file": (("yours.py:Net", "net.pt"), "yours.py"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_one_line(name, folder):
    (what, weights), word = REFUSED[name]
    with pytest.raises(OpticsError, match=word) as error:
        module(f"{folder}/{what}", weights=folder / weights)
    assert "\n" not in str(error.value)


def test_another_order_of_classes_is_found_and_told():
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    wrong = Linear(order=order)
    told = TeacherConfig(passed="x")
    with pytest.raises(
        OpticsError, match=r"another order.*teacher\.classes = \['3', '1', '4', '0'.* it is right on"
    ):
        right(told, inner=wrong)
    mended = TeacherConfig(passed="x", classes=[str(k) for k in order])
    assert right(mended, inner=wrong) == right(told, inner=Linear())
    assert right(TeacherConfig(passed="x", check=False), inner=wrong) < 0.3
    with pytest.raises(OpticsError, match="lacks '9'"):
        right(TeacherConfig(passed="x", classes=[str(k) for k in range(9)]), inner=wrong)


def test_an_order_that_is_partly_right_is_refused_however_many_images_there_are():
    """Of 1000 images a fifth right is far beyond chance, and five times as many are with the classes in order."""
    order = [0, 1, 3, 4, 5, 6, 7, 8, 9, 2]
    many = load("digits", limit=4000, validation=0.25).validation
    told = TeacherConfig(passed="x")
    made = given_teacher.given(told, NAMES, inner=Linear(order=order))
    assert 0.15 < float((made(many.images).argmax(1) == many.labels).double().mean()) < 0.5
    with pytest.raises(OpticsError, match=r"another order.*teacher\.classes = \['0', '1', '3', '4'"):
        given_teacher.check(told, made, many, "the teacher")


def test_images_in_the_order_of_their_classes_are_judged_as_in_any_other():
    """Of the first 250 every one shows a 0 or a 1, which a teacher that sees other values may always answer."""
    many = load("digits", limit=5000, validation=0.4).validation
    many = many.take(many.labels.argsort(stable=True))
    assert len(many) > 1000 and int(many.labels[:250].max()) <= 1
    told = TeacherConfig(passed="x")
    assert (
        given_teacher.check(told, given_teacher.given(told, NAMES, inner=Linear()), many, "the teacher") > 0.6
    )


class Answers(nn.Module):
    """What is told, whatever it sees: the labels themselves, or others."""

    def __init__(self, labels, classes):
        super().__init__()
        self.register_buffer("told", torch.nn.functional.one_hot(labels.clamp(min=0), classes).float() * 9)

    def forward(self, x):
        return self.told[: len(x)] if self.told.ndim == 2 else self.told[: len(x)].movedim(-1, 1)


def labelled(labels, classes):
    names = tuple(f"c{k}" for k in range(classes))
    return Dataset(torch.rand(len(labels), 1, 4, 4), labels, names, source="made")


FEW_PIXELS = torch.zeros(3, 4, 4, dtype=torch.int64)
FEW_PIXELS[:, 1, 1] = 1
PERFECT = {
    "two images": torch.tensor([0, 1]),
    "one class in twenty": (torch.arange(20) == 7).long(),
    "one pixel in sixteen": FEW_PIXELS,
    "an image a class": torch.arange(10),
    "one class alone": torch.zeros(8, dtype=torch.int64),
    "void and unlabelled pixels": torch.cat((FEW_PIXELS, torch.full((1, 4, 4), VOID))),
}


@pytest.mark.parametrize("name", PERFECT)
def test_a_perfect_teacher_passes_and_one_that_says_the_same_of_all_does_not(name):
    labels = PERFECT[name]
    classes = max(2, int(labels.max()) + 1)
    part, told = labelled(labels, classes), TeacherConfig(passed="x")
    assert given_teacher.check(told, Answers(labels, classes), part, "the teacher") == 1.0
    if name != "one class alone":
        with pytest.raises(OpticsError, match="at random"):
            given_teacher.check(told, Answers(torch.zeros_like(labels), classes), part, "the teacher")


def test_of_two_changes_that_do_as_well_the_order_alone_is_told():
    """It is scaled, not moved: every scale of the values does as well."""
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    wrong = Linear(order=order)
    with torch.no_grad():
        wrong.fc.bias.zero_()
    with pytest.raises(
        OpticsError, match=r"images\. Its classes stand|at random gives 10\.0 %\. Its classes stand"
    ):
        right(TeacherConfig(passed="x"), inner=wrong)


def test_weights_that_are_no_numbers_are_told():
    spoilt = Linear()
    with torch.no_grad():
        spoilt.fc.weight[0, 0] = float("nan")
    with pytest.raises(OpticsError, match="not finite"):
        right(TeacherConfig(passed="x"), inner=spoilt)


def test_another_normalisation_is_found_and_told():
    wrong = Linear(1.0, -1.0)
    with pytest.raises(OpticsError, match=r"With teacher\.mean = \[1\.0\] and teacher\.std = \[-1\.0\]"):
        right(TeacherConfig(passed="x"), inner=wrong)
    assert right(TeacherConfig(passed="x", mean=[1.0], std=[-1.0]), inner=wrong) > 0.6


FEW = load("digits", limit=300)
MANY = load("digits", limit=5000, seed=5).train
SWAPPED = [1, 0, *range(2, 10)]


def told_of(inner, training=FEW.train, part=FEW.validation, **keys):
    told, notes = TeacherConfig(passed="x", **keys), []
    made = given_teacher.given(told, NAMES, inner=inner)
    figure = given_teacher.check(told, made, part, "the teacher", training=training, tell=notes.append)
    assert len(notes) == 1
    return figure, notes[0]


def test_with_few_validation_images_training_images_prove_another_order():
    assert len(FEW.validation) == 30
    order = r"another order.*teacher\.classes = \['1', '0', '2',"
    with pytest.raises(OpticsError, match=rf"of 300 training and validation images\. Its classes.*{order}"):
        told_of(Linear(order=SWAPPED, of=MANY))
    hidden = replace(FEW.train, labels=torch.full_like(FEW.train.labels, UNLABELLED))
    for training in (None, hidden):  # nobody labelled more
        figure, note = told_of(Linear(order=SWAPPED, of=MANY), training=training)
        assert re.search(rf"of 30 validation images\. Perhaps .*{order}.* the run goes on\.$", note)
        assert figure < 0.8
    figure, note = told_of(Linear(order=SWAPPED, of=MANY), check=False)
    assert "Perhaps" not in note


@pytest.mark.parametrize(
    ("mean", "std", "told"),
    [
        (0.1307, 0.3081, r"teacher\.mean = \[0\.1307\] and teacher\.std = \[0\.3081\] \(MNIST's\)"),
        (0.5, 0.5, r"teacher\.mean = \[0\.5\] and teacher\.std = \[0\.5\]"),
    ],
)
def test_other_values_that_do_a_little_better_are_told_and_the_run_goes_on(mean, std, told):
    wrong = Linear(mean, std, of=MANY)
    _, note = told_of(wrong)
    assert re.search(rf"of 300 training and validation images\. Perhaps .*With {told}.*it is right on", note)
    assert "Its classes" not in note
    figure, note = told_of(wrong, mean=[mean], std=[std])
    assert note == f"the teacher is right on {100 * figure:.1f} % of 30 validation images."


def test_a_teacher_in_order_is_told_with_its_share_of_the_validation_images_alone():
    for order in (range(10), SWAPPED):
        inner, keys = Linear(order=order, of=MANY), {"classes": [str(k) for k in order]}
        figure, note = told_of(inner, **keys)
        assert note == f"the teacher is right on {100 * figure:.1f} % of 30 validation images."
        assert figure == told_of(inner, training=None, **keys)[0]


class InACorner(Linear):
    """Of any size: what is smaller stands in the corner of its 28 x 28 pixels."""

    def forward(self, x):
        ny, nx = (28 - n for n in x.shape[-2:])
        return super().forward(torch.nn.functional.pad(x, (0, nx, 0, ny)))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, r"With teacher\.image_size = \[28, 28\] it is"),
        (
            {"mean": 1.0, "std": -1.0},
            r"With teacher\.mean = \[1\.0\].*exchanged\) and teacher\.image_size = \[28, 28\]",
        ),
    ],
)
def test_another_size_is_found_and_told(values, told):
    small, network = load("digits", limit=600, size=(14, 14)), InACorner(**values)

    def check(**keys):
        config = TeacherConfig(passed="x", **keys)
        made = given_teacher.given(config, NAMES, inner=network)
        return given_teacher.check(config, made, small.validation, "the teacher")

    with pytest.raises(OpticsError, match=told):
        check()
    assert check(image_size=(28, 28), **{key: [value] for key, value in values.items()}) > 0.6


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {},
            "exported for images of 28 x 28 pixels and is given 14 x 14; set teacher.image_size = [28, 28].",
        ),
        ({"image_size": (28, 14)}, "is given 28 x 14; set teacher.image_size = [28, 28]."),
        ({"channels": 3}, "exported for images of 1 channels and is given 3; set teacher.channels = 1."),
    ],
)
def test_an_exported_program_says_what_it_was_exported_for(keys, said, folder):
    made = given_teacher.given(TeacherConfig(file=str(folder / "net.pt2"), **keys), NAMES)
    with pytest.raises(OpticsError) as error:
        made(torch.rand(2, 1, 14, 14))
    assert str(error.value).endswith(said)


def test_a_teacher_that_knows_nothing_is_refused_with_the_likely_causes():
    blind = Linear()
    with torch.no_grad():
        blind.fc.weight.zero_()
    with pytest.raises(
        OpticsError, match=r"validation images.*at random.*Likely.*teacher\.classes.*teacher\.mean"
    ):
        right(TeacherConfig(passed="x"), inner=blind)


def test_images_are_brought_to_what_it_takes():
    seen = []

    class Look(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x[:, :2]

    made = Adapted(Look(), image_size=(8, 6), channels=3, mean=(0.1, 0.2, 0.3), std=(0.5,), order=[1, 0])
    x = torch.full((2, 1, 4, 12), 0.6)
    answer = made(x)
    assert seen[0].shape == (2, 3, 8, 6)
    assert torch.allclose(seen[0][0, :, 0, 0], torch.tensor([1.0, 0.8, 0.6]))
    assert answer.shape == (2, 2, 4, 12)  # of each pixel of the image
    assert torch.allclose(answer[0, :, 0, 0], torch.tensor([0.8, 1.0]))
    grey = Adapted(Look(), channels=1)
    grey(torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 2, 2))
    assert float(seen[-1][0, 0, 0, 0]) == pytest.approx(0.299)


class Gives(nn.Module):
    """A linear classifier whose logits stand where `place` puts them."""

    def __init__(self, place):
        super().__init__()
        self.inner, self.place = Linear(), place

    def forward(self, x):
        return self.place(self.inner(x))


PLACES = {
    "a dictionary's out": lambda y: {"aux": y[:, :2], "out": y},
    "a dictionary's logits": lambda y: {"hidden": y[:, :2], "logits": y},
    "the only one of a dictionary": lambda y: {"scores": y},
    "an object's logits": lambda y: SimpleNamespace(loss=None, logits=y),
    "the first of several": lambda y: (y, y[:, :2]),
}
NO_PLACES = {
    "a dictionary without": (lambda y: {"a": y, "b": y}, "gives a dict of a, b, expected logits"),
    "nothing": (lambda y: None, "gives a NoneType, expected logits"),
    "three axes": (lambda y: y[..., None], r"of shape \(20, 10, 1\), expected logits"),
}


@pytest.mark.parametrize("name", PLACES)
def test_logits_are_found_where_networks_keep_them(name):
    x = SPLITS.test.images[:20]
    assert torch.equal(Adapted(Gives(PLACES[name]))(x), Linear()(x))


@pytest.mark.parametrize("name", NO_PLACES)
def test_what_holds_no_logits_is_one_line(name):
    place, word = NO_PLACES[name]
    with pytest.raises(OpticsError, match=word) as error:
        Adapted(Gives(place))(SPLITS.test.images[:20])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_network_of_another_precision_answers_in_float32_and_stays_as_it_was(dtype):
    own, x = Linear().to(dtype), SPLITS.test.images[:20]
    got = Adapted(own)(x)
    assert got.dtype == torch.float32 and own.fc.weight.dtype == dtype
    assert float((got - Linear()(x)).detach().abs().max()) < 0.05
    assert given_teacher.digest_of(own) != given_teacher.digest_of(Linear())


@pytest.mark.parametrize("before", ["module.", "_orig_mod.", "model.", "_orig_mod.module.", "model.net."])
def test_what_stands_before_the_names_of_weights_is_taken_off(before, folder, tmp_path):
    save_file({before + k: v for k, v in Linear().state_dict().items()}, tmp_path / "net.safetensors")
    made = module(f"{folder}/my.py:Net", weights=tmp_path / "net.safetensors")
    assert torch.equal(made(SPLITS.test.images[:3]), Linear()(SPLITS.test.images[:3]))


@pytest.mark.parametrize(
    ("classes", "word"),
    [
        ([*map(str, range(10)), "9"], "holds '9' twice"),
        (["ten", *map(str, range(10))], r"answers with 10 classes and teacher\.classes lists 11"),
    ],
)
def test_a_list_of_classes_that_cannot_be_is_refused(classes, word):
    with pytest.raises(OpticsError, match=word):
        right(TeacherConfig(passed="x", classes=classes), inner=Linear())


TOLD = {
    "two": ({"file": "a.pt2", "module": "a.py:N", "weights": "w.pt"}, "two teachers"),
    "no weights": ({"module": "a.py:N"}, "needs teacher.weights"),
    "weights alone": ({"weights": "w.pt"}, "belong to a teacher.module"),
    "std": ({"file": "a.pt2", "std": [0.0]}, "cannot be 0"),
}


@pytest.mark.parametrize("name", TOLD)
def test_keys_that_do_not_fit_each_other(name):
    keys, word = TOLD[name]
    with pytest.raises(SpecError, match=word):
        TeacherConfig(**keys)


def short(**teacher) -> RunConfig:
    made = configs.demo(fast=True, sets=["data.limit=600", "student.training.epochs=1"])
    return made.replace(teacher=TeacherConfig(**teacher))


class Heard(Silent):
    """What a run tells of its teacher."""

    def __init__(self):
        self.told = []

    def begin(self, step, title):
        if step == "teacher":
            self.told.append(f"begins: {title}")

    def kept(self, step, title):
        if step == "teacher":
            self.told.append(f"kept: {title}")

    def note(self, text):
        assert re.fullmatch(
            r"the teacher '.*net\.pt2' is right on \d+\.\d % of \d+ validation images\.", text
        )
        self.told.append("note")


def test_a_run_with_a_program_and_with_a_module_from_python(folder, tmp_path):
    told = short(file=str(folder / "net.pt2"))
    heard = Heard()
    main_job.run(told, tmp_path / "program", last="linear_kd", ui=heard)
    main_job.run(told, tmp_path / "program", last="teacher", ui=heard, resume=True)
    assert heard.told[:2] == ["begins: Checking the teacher", "note"]
    assert heard.told[2:] == ["kept: Checking the teacher"]
    network = Linear().eval()
    distill.run(short(), tmp_path / "passed", last="linear_kd", teacher=network)
    for name in ("program", "passed"):
        assert (tmp_path / name / "linear_kd" / "model.safetensors").is_file()
    kept = (tmp_path / "passed" / "linear_kd" / "model.safetensors").stat().st_mtime_ns
    distill.run(short(), tmp_path / "passed", last="linear_kd", teacher=network)
    assert (tmp_path / "passed" / "linear_kd" / "model.safetensors").stat().st_mtime_ns == kept
    with pytest.raises(OpticsError, match="pass it again"):
        distill.run(configs.load(tmp_path / "passed" / "config.toml"), tmp_path / "again", last="linear_kd")
    with pytest.raises(OpticsError, match="another order"):
        distill.run(
            short(), tmp_path / "wrong", last="linear_kd", teacher=Linear(order=range(9, -1, -1)).eval()
        )
    assert not (tmp_path / "wrong").exists() or list((tmp_path / "wrong").iterdir()) == []


def test_each_training_asks_a_copy_of_the_network_that_was_passed(tmp_path):
    """They run at the same time: a hook or a mode of one must not meet another's pass, nor the user's own network."""
    network, x = Linear().train(), SPLITS.test.images[:5]
    job = Job.prepare(short(passed=given_teacher.digest_of(network)), tmp_path, teacher=network)
    first, second = job.teacher(), job.teacher()
    assert not {id(m) for m in first.modules()} & ({id(m) for m in second.modules()} | {id(network)})
    assert torch.equal(first(x), second(x)) and torch.equal(first(x), network(x))
    assert network.training
    network.lock = threading.Lock()
    with pytest.raises(OpticsError, match=r"cannot be copied .*; give it as teacher\.file"):
        job.check_trainable()


@pytest.mark.parametrize("name", ["fc", "network.fc"])
def test_a_hint_names_a_part_of_the_network_that_was_brought(name, tmp_path):
    told = short().replace(**{"student.training.distillation.hint": {"teacher": name}})
    distill.run(told, tmp_path / "run", last="linear_kd", teacher=Linear().eval())
    assert (tmp_path / "run" / "linear_kd" / "model.safetensors").is_file()
    wrong = short().replace(**{"student.training.distillation.hint": {"teacher": "body"}})
    with pytest.raises(OpticsError, match="Linear has no part called 'body'; it has fc"):
        distill.run(wrong, tmp_path / "wrong", last="linear_kd", teacher=Linear().eval())
    assert not (tmp_path / "wrong" / "linear").exists()  # before any training


class Brighter(nn.Module):
    """A class per pixel: whether it is bright."""

    def forward(self, x):
        return torch.cat((0.5 - x, x - 0.5), 1) * 9


def test_a_teacher_of_pixels_needs_no_name_of_a_built_in_one(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for part in ("train", "test"):
            shown = (rng.random((40, 16, 16)) > 0.7).astype(np.uint8)
            file[f"{part}/images"], file[f"{part}/masks"] = shown * 255, shown
    sets = [f"data.source={tmp_path / 'data.h5'}", "data.limit=40", 'student.backend.kind="segmenter"']
    sets += ["student.training.epochs=1", "student.controls=[]", "student.readout.bins=[4, 4]"]
    told = configs.demo(fast=True, sets=[*sets, "student.backend.hidden=[]"]).replace(teacher=TeacherConfig())
    distill.run(told, tmp_path / "run", last="linear_kd", teacher=Brighter())
    assert (tmp_path / "run" / "linear_kd" / "model.safetensors").is_file()
