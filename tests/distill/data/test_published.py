"""Published folders of pictures and masks, as they unpack: VOC's and Carvana's."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from distill import data
from distill.data.dataset import VOID
from optics.errors import OpticsError
from tests.distill.data.test_forms import picture, save


def voc(root):
    """VOC's devkit: a picture without a mask, masks with a palette and a void outline."""
    base = root / "VOCdevkit" / "VOC2012"
    for part, first in (("train", 0), ("val", 6)):
        stems = [f"2007_{k:06d}" for k in range(first, first + 6)]
        (base / "ImageSets" / "Segmentation").mkdir(parents=True, exist_ok=True)
        (base / "ImageSets" / "Segmentation" / f"{part}.txt").write_text("\n".join(stems) + "\n")
        for k, stem in enumerate(stems, start=first):
            save(base / "JPEGImages" / f"{stem}.jpg", picture(k))
            mask = np.zeros((4, 6), np.uint8)
            mask[1, 3], mask[0, 0] = 15, 255
            shown = Image.fromarray(mask, mode="P")
            shown.putpalette([v for c in range(256) for v in (c, 255 - c, c // 2)])
            (base / "SegmentationClass").mkdir(exist_ok=True)
            shown.save(base / "SegmentationClass" / f"{stem}.png")
    save(base / "JPEGImages" / "2012_999999.jpg", picture(3))
    return root


def carvana(root, cars=10, views=1):
    for k in range(cars * views):
        name = f"{k // views:02d}e_{k % views:02d}"
        save(root / "train" / f"{name}.png", picture(k // views))
        (root / "train_masks").mkdir(exist_ok=True)
        mask = np.zeros((4, 6), np.uint8)
        mask[1, 3] = 1
        shown = Image.fromarray(mask, mode="P")
        shown.putpalette([0, 0, 0, 255, 255, 255])
        shown.save(root / "train_masks" / f"{name}_mask.gif")
    return root


@pytest.mark.parametrize(
    ("make", "counts", "classes", "void"), [(voc, (5, 1, 6), 21, 1), (carvana, (8, 1, 1), 2, 0)]
)
def test_published_folders_of_masks_are_read_as_they_unpack(tmp_path, make, counts, classes, void):
    splits = data.load(make(tmp_path / "set"))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == counts
    for part in (splits.train, splits.validation, splits.test):
        assert part.classes == classes
        assert (part.labels[:, 1, 3] == (15 if classes == 21 else 1)).all()
        assert ((part.labels == VOID).sum((1, 2)) == void).all()
        assert (part.labels[:, 2] == 0).all()


def test_no_car_stands_in_two_parts(tmp_path):
    carvana(tmp_path / "set", cars=20, views=16)
    for changes, counts in ({}, [256, 32, 32]), ({"seed": 1, "limit": 200}, [179, 21, 32]):
        parts = vars(data.load(tmp_path / "set", **changes)).values()
        cars = [set(255 * part.images[:, 0, 0, 0].numpy()) for part in parts]
        assert len(set.union(*cars)) == sum(map(len, cars)) == 20
        assert [len(part) for part in parts] == counts
    with pytest.raises(OpticsError, match="all 4 images show one thing"):
        data.load(carvana(tmp_path / "one", cars=1, views=4))


def test_a_picture_that_vocs_list_names_and_that_is_not_there_is_named(tmp_path):
    root = voc(tmp_path / "set")
    (root / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "2007_000007.png").unlink()
    with pytest.raises(
        OpticsError, match=r"val\.txt names 6 pictures and 1 files are missing: .*2007_000007\.png"
    ):
        data.load(root)
