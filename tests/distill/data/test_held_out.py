"""Recordings held out: whichever way images are stored, those whose files' names begin so are the validation part."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from distill import data
from distill.data.unlabelled import hide
from distill.job.config import load
from distill.job.job import Job
from optics.checks import OpticsError

NAMES = [
    f"{drive}_{k}.png" for k in range(6) for drive in ("dawn", "noon", "dusk")
]  # of both classes in each
TRAIN = {name: 10 + k for k, name in enumerate(NAMES)}  # the grey level tells which image it is
TEST = {f"test_{k}.png": 100 + k for k in range(4)}
VALIDATION = {f"val_{k}.png": 200 + k for k in range(4)}


def picture(level):
    return np.full((28, 28), level, np.uint8)


def in_hdf5(path, kind, *, pixels, brought):
    with h5py.File(path / "x.h5", "w") as file:
        for part, named in {"train": TRAIN, "test": TEST, **({"val": VALIDATION} if brought else {})}.items():
            file[f"{part}/images"] = np.stack([picture(v) for v in named.values()])
            answers = np.arange(len(named)) // 2 % 2
            if pixels:
                file[f"{part}/masks"] = np.broadcast_to(answers[:, None, None], (len(named), 28, 28)).astype(
                    np.uint8
                )
            else:
                file[f"{part}/labels"] = answers
            file.create_dataset(f"{part}/names", data=list(named), dtype=kind)
    return path / "x.h5"


def class_folders(path):
    for part, named in (("train", TRAIN), ("test", TEST)):
        for k, (name, level) in enumerate(named.items()):
            (folder := path / "set" / part / ("cat", "dog")[k // 2 % 2]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(level)).save(folder / name)
    return path / "set"


def one_folder(path):
    for k, (name, level) in enumerate(TRAIN.items()):
        (folder := path / "set" / ("cat", "dog")[k // 2 % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(level)).save(folder / name)
    return path / "set"


def masks_beside(path):
    for part, named in (("train", TRAIN), ("test", TEST)):
        for kind in ("images", "masks"):
            (path / "set" / part / kind).mkdir(parents=True, exist_ok=True)
        for k, (name, level) in enumerate(named.items()):
            Image.fromarray(picture(level)).save(path / "set" / part / "images" / name)
            Image.fromarray(picture(k % 2)).save(path / "set" / part / "masks" / name)
    return path / "set"


SOURCES = {
    "HDF5, variable strings": lambda p: in_hdf5(p, h5py.string_dtype(), pixels=False, brought=False),
    "HDF5, fixed strings": lambda p: in_hdf5(p, "S12", pixels=False, brought=True),
    "HDF5, masks": lambda p: in_hdf5(p, h5py.string_dtype(), pixels=True, brought=True),
    "class folders": class_folders,
    "classes without parts": one_folder,
    "pictures beside masks": masks_beside,
}


def levels(part):
    return set((255 * part.images[:, 0, 0, 0]).round().int().tolist())


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("held", [("dusk",), ("dawn_", "noon")])
def test_what_begins_so_is_the_validation_part_and_nothing_else(tmp_path, source, held):
    splits = data.load(SOURCES[source](tmp_path), held_out=held, seed=1)
    chosen = {level for name, level in TRAIN.items() if name.startswith(held)}
    assert levels(splits.validation) == chosen and len(splits.validation) == len(chosen)
    rest = set(TRAIN.values()) - chosen
    if source == "classes without parts":  # the test part is a share of what is left
        assert levels(splits.train) | levels(splits.test) == rest
        assert not levels(splits.train) & levels(splits.test)
    else:
        assert levels(splits.train) == rest
        assert levels(splits.test) == set(TEST.values())
    for part in (splits.train, splits.validation):  # each image with its own answer
        own = [int(level) - 10 for level in (255 * part.images[:, 0, 0, 0]).round()]
        seen = part.labels[:, 0, 0] if part.segmentation else part.labels
        wanted = [k % 2 if source == "pictures beside masks" else k // 2 % 2 for k in own]
        assert seen.tolist() == wanted


def test_recordings_may_be_folders(tmp_path):
    for k, (name, level) in enumerate(TRAIN.items()):
        drive, _, frame = name.partition("_")
        (folder := tmp_path / "set" / "train" / ("cat", "dog")[k // 2 % 2] / drive).mkdir(
            parents=True, exist_ok=True
        )
        Image.fromarray(picture(level)).save(folder / frame)
        (test := tmp_path / "set" / "test" / ("cat", "dog")[k % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(level)).save(test / name)
    splits = data.load(tmp_path / "set", held_out="dusk")  # one is no list of letters
    assert levels(splits.validation) == {v for n, v in TRAIN.items() if n.startswith("dusk")}


def test_what_shows_one_thing_is_held_out_whole(tmp_path):
    """Carvana's views of a car: one of them names all."""
    for k in range(4):
        for view in range(3):
            for folder, name in (
                ("train", f"car{k}_{view:02}.jpg"),
                ("train_masks", f"car{k}_{view:02}_mask.gif"),
            ):
                (tmp_path / "set" / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture(255 * (view % 2) if "mask" in name else 10 * (k + 1))).save(
                    tmp_path / "set" / folder / name
                )
    splits = data.load(tmp_path / "set", held_out=["car2_01"])
    assert levels(splits.validation) == {30} and len(splits.validation) == 3
    assert 30 not in levels(splits.train) | levels(splits.test)


def test_a_recording_held_out_is_in_no_training_of_few_labels(tmp_path):
    """Validation images that lose their label would be labelled by the teacher."""
    source = SOURCES["HDF5, fixed strings"](tmp_path)
    splits = hide(data.load(source, held_out=["dusk"]), 8, torch.Generator(), apart=True)
    chosen = {level for name, level in TRAIN.items() if name.startswith("dusk")}
    assert levels(splits.train) == set(TRAIN.values()) - chosen
    assert levels(splits.validation) < chosen
    (tmp_path / "a.toml").write_text(
        f"[data]\nsource = '{source}'\nheld_out = ['dusk']\nlabelled = 8\n[student]\nchannels = [1, 2]\n"
    )
    assert levels(Job.prepare(load(tmp_path / "a.toml"), tmp_path / "run").splits.train) == levels(
        splits.train
    )


def test_the_run_file_says_it(tmp_path):
    source = SOURCES["HDF5, fixed strings"](tmp_path)
    (tmp_path / "a.toml").write_text(
        f"[data]\nsource = '{source}'\nheld_out = ['noon']\n[student]\nchannels = [1, 2]\n"
    )
    job = Job.prepare(load(tmp_path / "a.toml"), tmp_path / "run")
    assert levels(job.splits.validation) == {v for n, v in TRAIN.items() if n.startswith("noon")}


REFUSED = {
    "no such beginning": (
        {"held_out": ["night"]},
        r"no name begins with data\.held_out = 'night'; there are dawn_0",
    ),
    "a long name": ({"held_out": ["x" * 3000]}, r"= 'x{37}\.\.\.'; there are"),
    "everything": ({"held_out": ["d", "n"]}, r"holds out all 18 images"),
    "strangers too": ({"held_out": ["dusk"], "strangers": 2}, r"data\.held_out and data\.strangers"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_held_out_is_one_line(tmp_path, wrong):
    options, said = REFUSED[wrong]
    with pytest.raises(OpticsError, match=said) as refusal:
        data.load(SOURCES["class folders"](tmp_path), **options)
    assert len(str(refusal.value).splitlines()) == 1 and len(str(refusal.value)) < 300


def test_a_class_that_only_the_held_out_recording_has_is_told_as_such(tmp_path):
    folder = class_folders(tmp_path)
    (folder / "train" / "fox").mkdir()
    (folder / "test" / "fox").mkdir()
    for part in ("train", "test"):
        Image.fromarray(picture(5)).save(folder / part / "fox" / "dusk_9.png")
    with pytest.raises(
        OpticsError, match=r"in data\.held_out holds class 'fox' .*, of which .* without data\.held_out"
    ):
        data.load(folder, held_out=["dusk"])


def test_images_without_names_are_refused(tmp_path):
    with pytest.raises(OpticsError, match=r"its images have no file names, and data\.held_out goes by them"):
        data.load("digits", held_out=["a"])
    path = SOURCES["HDF5, fixed strings"](tmp_path)
    with h5py.File(path, "a") as file:
        del file["train/names"]
        file["train/names"] = np.array([b"dusk"] * 5)
    with pytest.raises(OpticsError, match=r"train/names has shape \(5,\), expected \(18,\)"):
        data.load(path, held_out=["dusk"])
    with h5py.File(path, "a") as file:
        del file["train/names"]
        file["train/names"] = np.zeros(18)
    with pytest.raises(
        OpticsError, match=r"train/names holds values of type float64; file names are strings"
    ):
        data.load(path, held_out=["dusk"])
