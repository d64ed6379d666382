"""Classes of pixels that training does not see: noted by `sclc data check`; refused where a part has none at all."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from distill.cli.main import main
from distill.data import load
from distill.data.survey import check
from optics.errors import OpticsError
from tests.distill.data.test_published import voc
from tests.distill.data.test_survey import MASKS, parts_of

TWO = np.where(MASKS == 2, 0, MASKS)
NOT_TAUGHT = {  # training and test masks; what is refused, what is noted
    "all": (MASKS, MASKS, None, None),
    "one only in the test part": (TWO, MASKS, None, "'test' shows '2', which no picture of 'train' does"),
    "two only in the test part": (0 * MASKS, MASKS, None, "'test' shows '1', '2', which no picture of"),
    "one only in training": (MASKS, TWO, None, None),
    "void in training": (np.where(MASKS == 2, 7, MASKS), MASKS, None, "'test' shows '2'"),
    "training all void": (
        np.full_like(MASKS, 7),
        MASKS,
        "'y_train': every pixel of the 'train' part is",
        None,
    ),
    "test all void": (
        MASKS,
        np.full_like(MASKS, 7),
        "'y_test': every pixel of the 'test' part is void",
        None,
    ),
}


@pytest.mark.parametrize("case", NOT_TAUGHT)
def test_classes_of_pixels_that_training_lacks_are_noted(tmp_path, case):
    train, test, refused, noted = NOT_TAUGHT[case]
    source = parts_of(tmp_path / "a.npz", train=train, test=test)
    told = check(source, ignore=[7])
    lines = [line for line in told.remarks if "which no picture" in line or "no picture shows" in line]
    for wanted, found in ((refused, told.problems), (noted, lines)):
        assert len(found) == (wanted is not None), found
        assert wanted is None or wanted in found[0]
    if refused is None:
        assert load(source, ignore=[7]).train.classes == 3
    else:
        with pytest.raises(OpticsError, match=re.escape(refused)):
            load(source, ignore=[7])


def test_classes_that_no_mask_of_a_small_voc_shows_are_noted(tmp_path, capsys):
    """Of 21 classes two are there and a third in the test part alone."""
    root = voc(tmp_path / "set")
    place = root / "VOCdevkit" / "VOC2012" / "SegmentationClass" / "2007_000007.png"
    mask = np.asarray(Image.open(place)).copy()
    mask[2, 2] = 3
    Image.fromarray(mask, mode="L").save(place)
    assert main(["data", "check", str(root)]) == 0
    told = capsys.readouterr().out
    assert "note: 'test' shows 'bird', which no picture of 'train' does: expect an IoU of 0." in told
    assert (
        "note: no picture shows 'aeroplane', 'bicycle', 'boat', 'bottle', 'bus' and 13 more, 18 of the 21"
        in told
    )
    assert "Training on it can begin" in told
    assert load(root).train.classes == 21
