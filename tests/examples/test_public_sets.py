"""The public sets made anew: their lists hold what docs/data.md says; a made-up clone comes out as it is listed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from distill.data import load
from examples import public_sets

DATA = Path(os.environ.get("SCLC_DATA", Path(__file__).parents[2] / "shared" / "data"))
COUNTS = {  # of each part: pictures, and how many of each class
    "cars": {"train": (367, None), "val": (101, None), "test": (233, None)},
    "cats-dogs": {"train": (4000, 2000), "test": (1000, 500)},
    "imagenette": {"train": (2000, 200), "test": (500, 50)},
    "people": {"train": (320, 8), "test": (80, 2)},
}


def clone(root: Path, name: str, few: dict[str, list[str]]) -> Path:
    """The listed pictures where the repository has them; noise, and the first of each part is grey."""
    for part, pictures in few.items():
        for k, picture in enumerate(pictures):
            shown = np.random.default_rng(k).integers(0, 256, (8, 6, 3), dtype=np.uint8)
            files = {
                "cars": [f"CamVid/{part}/{picture}.png", f"CamVid/{part}annot/{picture}.png"],
                "cats-dogs": [f"train/{picture}"],
                "imagenette": [f"{'val' if part == 'test' else part}/{picture}.JPEG"],
                "people": [f"resources/att_faces/{picture}.pgm"],
            }[name]
            for file in files:
                grey = "annot" in file or name == "people" or (name == "imagenette" and k == 0)
                values = shown[..., 0] % 12 if "annot" in file else shown[..., 0] if grey else shown
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(root / file, "JPEG" if file.endswith("JPEG") else None)
    return root


def test_every_set_is_in_the_table():
    assert set(COUNTS) == set(public_sets.SETS) == {p.stem for p in public_sets.LISTS.iterdir()}


@pytest.mark.parametrize("name", COUNTS)
def test_its_list(name):
    found = public_sets.listed(name)
    assert {part: len(pictures) for part, pictures in found.items()} == {
        part: count for part, (count, _) in COUNTS[name].items()
    }
    every = [picture for pictures in found.values() for picture in pictures]
    assert len(set(every)) == len(every)
    for part, (_, each) in COUNTS[name].items():
        kinds = Counter(p[:3] if name == "cats-dogs" else p.split("/")[0] for p in found[part])
        assert each is None or set(kinds.values()) == {each}


@pytest.mark.parametrize("name", COUNTS)
def test_a_clone_becomes_the_set(name, tmp_path, monkeypatch):
    step = 1 if name == "people" else 13  # every class must be there
    few = {part: pictures[::step] for part, pictures in public_sets.listed(name).items()}
    monkeypatch.setattr(public_sets, "listed", lambda _: few)
    splits = load(public_sets.make(name, clone(tmp_path / "clone", name, few), tmp_path), validation=0.5)
    parts = {"train", "test"} if "val" in few else {"test"}  # others are cut anew
    for part in parts:
        images, labels = getattr(splits, part).images, getattr(splits, part).labels
        assert len(images) == len(few[part])
        for k, picture in enumerate(few[part]):
            shown = torch.from_numpy(np.random.default_rng(k).integers(0, 256, (8, 6, 3), dtype=np.uint8))
            if name == "cars":
                assert torch.equal(labels[k], (shown[..., 0] % 12 == 8).long())
            elif name == "people":
                assert torch.equal(images[k, 0], shown[..., 0] / 255)
                assert splits.test.class_names[labels[k]] == picture.split("/")[0]
            elif name == "cats-dogs":
                assert splits.test.class_names[labels[k]] == picture[:3]
            else:
                assert splits.test.class_names[labels[k]] == public_sets.THINGS[picture.split("/")[0]]


@pytest.mark.data
@pytest.mark.parametrize("name", COUNTS)
def test_its_list_fits_the_file_of_the_kept_results(name):
    import h5py

    file = DATA / public_sets.SETS[name].file
    if not file.is_file():
        pytest.skip(f"{file.name} is not there")
    with h5py.File(file) as had:
        assert list(had.attrs["class_names"]) == list(public_sets.SETS[name].names)
        for part, pictures in public_sets.listed(name).items():
            if name == "cars":
                assert had[part]["names"].asstr()[:].tolist() == pictures
                continue
            kinds = {"people": lambda p: p.split("/")[0], "cats-dogs": lambda p: p[:3]}.get(
                name, lambda p: public_sets.THINGS[p.split("/")[0]]
            )
            names = public_sets.SETS[name].names
            assert [names[label] for label in had[part]["labels"][:]] == [kinds(p) for p in pictures]
