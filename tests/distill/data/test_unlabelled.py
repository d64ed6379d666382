"""Labels that are hidden and pictures that come without any: who keeps a label, and that no hidden one is used."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from distill.data import load, unlabelled
from distill.data.dataset import UNLABELLED, Dataset, Splits
from distill.data.parts import Options
from distill.training.spec import TrainSpec
from distill.training.train_loop import fit
from optics.checks import OpticsError
from tests.distill.training.test_train_loop import blobs, same, small
from tests.scenes import generator


def splits(pixels: bool = False) -> Splits:
    made = Splits(blobs(90), blobs(30, 1), blobs(30, 2))
    if not pixels:
        return made
    return Splits(
        *(
            Dataset(p.images, (p.images[:, 0] > 0.5).long(), ("dark", "bright"), "here")
            for p in vars(made).values()
        )
    )


@pytest.mark.parametrize("pixels", [False, True])
@pytest.mark.parametrize("labelled", [24, 0.2])
def test_training_and_validation_share_the_labels_and_no_image_is_lost(labelled, pixels):
    before = splits(pixels)
    after = unlabelled.hide(before, labelled, generator())
    known = after.train.labelled
    assert (len(known), len(after.validation)) == (18, 6)
    assert len(after.train) + len(after.validation) == 120
    assert after.test is before.test
    images = torch.cat((after.train.images, after.validation.images))
    wanted = torch.cat((before.train.images, before.validation.images))
    assert sorted(x.numpy().tobytes() for x in images) == sorted(x.numpy().tobytes() for x in wanted)
    where = {x.numpy().tobytes(): y for x, y in zip(before.train.images, before.train.labels, strict=True)}
    for x, y in zip(known.images, known.labels, strict=True):
        assert torch.equal(where[x.numpy().tobytes()], y)
    if not pixels:
        assert known.labels.bincount().tolist() == [6, 6, 6]
        assert after.validation.labels.bincount().tolist() == [2, 2, 2]
    hidden = (after.train.labels == UNLABELLED).reshape(len(after.train), -1)
    assert torch.equal(hidden.all(1), hidden.any(1))


@pytest.mark.parametrize("labelled", [5, 121, 0.01])
def test_too_few_or_too_many_labels_are_refused(labelled):
    with pytest.raises(OpticsError, match=r"data\.labelled leaves \d+ labels of 120; expected 6"):
        unlabelled.hide(splits(), labelled, generator())


def test_hidden_labels_change_nothing():
    """The same images with other labels behind the veil train the same network."""
    true, networks = splits().train, []
    held, spec = (true.images, true.labels), TrainSpec(epochs=2, batch_size=16, learning_rate=1e-2)
    taught = torch.randn(90, 3, generator=generator(4))
    for turned in (0, 1):
        labels = (true.labels + turned * (torch.arange(90) >= 30)) % 3
        labels[30:] = UNLABELLED
        networks.append(small())
        fit(networks[-1], (true.images, labels), held, spec, directory=None, teacher=taught)
    assert same(*networks)
    with_labels = small()
    fit(with_labels, held, held, spec, directory=None, teacher=taught)
    assert not same(networks[0], with_labels)


def test_what_the_teacher_says_of_the_unlabelled_counts():
    part, labels = splits().train, splits().train.labels.clone()
    labels[30:] = UNLABELLED
    models = []
    for seed in (4, 5):
        taught = torch.randn(90, 3, generator=generator(4))
        taught[60:] = torch.randn(30, 3, generator=generator(seed))
        models.append(small())
        spec = TrainSpec(epochs=1, batch_size=16, learning_rate=1e-2)
        fit(
            models[-1],
            (part.images, labels),
            (part.images, part.labels),
            spec,
            directory=None,
            teacher=taught,
        )
    assert not same(*models)


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6), value, np.uint8)).save(path)


def test_a_pool_is_read_from_every_kind_of_source(tmp_path):
    for k in range(4):
        picture(tmp_path / "flat" / f"{k}.png", 10 * k)
        picture(tmp_path / "classes" / "train" / f"c{k % 2}" / f"{k}.png", 10 * k)
        picture(tmp_path / "classes" / "test" / f"c{k % 2}" / f"{k}.png", 200)
    pixels = (10 * np.arange(4)[:, None, None] * np.ones((4, 6, 6))).astype(np.uint8)
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["images"] = pixels
    with h5py.File(tmp_path / "parts.h5", "w") as file:
        file["train/images"], file["test/images"] = pixels, pixels + 100
    for name in ("flat", "classes", "bare.h5", "parts.h5"):
        found = unlabelled.pool(tmp_path / name, Options(), limit=None, generator=generator())
        assert sorted(found[:, 0, 0, 0].mul(255).round().int().tolist()) == [0, 10, 20, 30], name
        assert found.shape == (4, 1, 6, 6)
    some = unlabelled.pool(tmp_path / "flat", Options(size=(3, 3)), limit=2, generator=generator())
    assert some.shape == (2, 1, 3, 3)
    digits = unlabelled.pool("digits", Options(), limit=50, generator=generator())
    assert digits.shape == (50, 1, 28, 28)
    with pytest.raises(OpticsError, match="no data set and no file"):
        unlabelled.pool(tmp_path / "nothing.h5", Options(), limit=None, generator=generator())
    with pytest.raises(OpticsError, match=r"\(1, 6, 6\) and the training images \(1, 10, 10\)"):
        unlabelled.joined(blobs(), found)


def test_a_part_that_is_repeated_has_as_many_steps():
    part = load("digits", limit=40).train
    again = part.repeated(100)
    assert len(again) == 100
    assert torch.equal(again.images[len(part)], part.images[0])
