"""Labels as people store them: the classes that are right, or one line with the place, the index and the value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.data import labels
from distill.data.dataset import VOID, in_runs
from optics.errors import OpticsError


def settled(train, test=None, names=(), ignore=()):
    """Class numbers of both parts and the names."""
    parts = {"train": np.asarray(train)} | ({} if test is None else {"test": np.asarray(test)})
    plain = {k: (f"file, {k}", labels.plain(v, where=f"file, {k}")) for k, v in parts.items()}
    classes = labels.reconcile(plain, names, ignore=ignore)
    found = {k: classes.index(v) for k, (_, v) in plain.items()}
    if all(v.ndim == 1 for v in found.values()):
        labels.check_parts({k: (f"file, {k}", v[v != VOID]) for k, v in found.items()}, classes)
    return [v.tolist() for v in found.values()], classes.names


ABC = ("a", "b", "c")
GOOD = {
    "from 0": (([0, 2, 1], [1]), ABC, (), [[0, 2, 1], [1]], ABC),
    "from 1 with names": (([1, 3, 2], [3]), ABC, (), [[0, 2, 1], [2]], ABC),
    "1 .. 3 without names": (([1, 3, 2], [3]), (), (), [[0, 2, 1], [2]], ("1", "2", "3")),
    "gaps": (([7, 40, 7], [40]), (), (), [[0, 1, 0], [1]], ("7", "40")),
    "whole floats": (([0.0, 2.0, 1.0], [1]), ABC, (), [[0, 2, 1], [1]], ABC),
    "booleans": (([True, False], [False]), (), (), [[1, 0], [0]], ("0", "1")),
    "uint64": ((np.array([1, 0], np.uint64), [1]), (), (), [[1, 0], [1]], ("0", "1")),
    "a column": (([[0], [2], [1]], [[1]]), ABC, (), [[0, 2, 1], [1]], ABC),
    "strings": ((["dog", "cat"], ["dog"]), (), (), [[1, 0], [1]], ("cat", "dog")),
    "bytes": ((np.array([b"dog", b"cat"]), ["dog"]), (), (), [[1, 0], [1]], ("cat", "dog")),
    "strings with names": ((["b", "c", "a"], ["c"]), ABC, (), [[1, 2, 0], [2]], ABC),
    "digits as strings": ((["10", "9", "2"], ["9"]), (), (), [[2, 1, 0], [1]], ("2", "9", "10")),
    "strings left out": ((["b", "?", "a"], ["a"]), (), ("?",), [[1, VOID, 0], [0]], ("a", "b")),
    "digits as strings left out": ((["10", "9", "2"], ["9"]), (), (2,), [[1, 0, VOID], [0]], ("9", "10")),
    "left out": (([0, -1, 1], [1, -1]), (), (-1,), [[0, VOID, 1], [1, VOID]], ("0", "1")),
    "left out by name": (([0, 1, 2], [2]), ABC, ("b",), [[0, VOID, 1], [1]], ("a", "c")),
    "first of 1 .. 3": (([1, 2, 3], [2]), ABC, ("a",), [[VOID, 0, 1], [0]], ("b", "c")),
    "middle of 1 .. 3": (([1, 2, 3], [3]), ABC, ("b",), [[0, VOID, 1], [1]], ("a", "c")),
    "last of 1 .. 3": (([1, 2, 3], [2]), ABC, ("c",), [[0, 1, VOID], [1]], ("a", "b")),
    "number 1 of 1 .. 3": (([1, 2, 3], [2]), ABC, (1,), [[VOID, 0, 1], [0]], ("b", "c")),
    "number 2 of 1 .. 3": (([1, 2, 3], [3]), ABC, (2,), [[0, VOID, 1], [1]], ("a", "c")),
    "number 3 of 1 .. 3": (([1, 2, 3], [2]), ABC, (3,), [[0, 1, VOID], [1]], ("a", "b")),
    "0 beside 1 .. 3": (([1, 2, 3, 0], [2]), ABC, (0,), [[0, 1, 2, VOID], [1]], ABC),
    "-1 and last of 1 .. 3": (([1, 2, 3, -1], [2]), ABC, (-1, "c"), [[0, 1, VOID, VOID], [1]], ("a", "b")),
}


@pytest.mark.parametrize("case", GOOD)
def test_labels_become_classes(case):
    (train, test), names, ignore, wanted, wanted_names = GOOD[case]
    assert settled(train, test, names, ignore) == (wanted, wanted_names)


ROAD = ("road", "car", "sky")
MASKS = {
    "void beside classes": ([0, 1, 255], (), (), [0, 1, VOID], ("background", "object")),
    "void beside named": ([0, 1, 2, 255], ROAD, (), [0, 1, 2, VOID], ROAD),
    "black and white": ([0, 255, 255], (), (), [0, 1, 1], ("background", "object")),
    "black and white, named": ([0, 255, 255], ("sea", "land"), (), [0, 1, 1], ("sea", "land")),
    "all background": ([0, 0, 0], (), (), [0, 0, 0], ("background", "object")),
    "all white": ([255, 255, 255], (), (), [1, 1, 1], ("background", "object")),
    "chosen void": ([0, 1, 2], ROAD, ("sky",), [0, 1, VOID], ("road", "car")),
    "void in front": ([0, 1, 2], ROAD, (0,), [VOID, 0, 1], ("car", "sky")),
    "first of 1 .. 3": ([1, 2, 3], ROAD, ("road",), [VOID, 0, 1], ("car", "sky")),
    "last of 1 .. 3": ([1, 2, 3, 255], ROAD, ("sky",), [0, 1, VOID, VOID], ("road", "car")),
    "number 1 of 1 .. 3": ([1, 2, 3], ROAD, (1,), [VOID, 0, 1], ("car", "sky")),
    "number 3 of 1 .. 3": ([1, 2, 3, 255], ROAD, (3,), [0, 1, VOID, VOID], ("road", "car")),
    "many": ([0, 3, 9], (), (), [0, 1, 2], ("0", "3", "9")),
}


@pytest.mark.parametrize("case", MASKS)
def test_masks_become_classes_and_void(case):
    row, names, ignore, wanted, wanted_names = MASKS[case]
    masks = np.asarray(row, np.uint8).reshape(1, 1, len(row))
    assert settled(masks, None, names, ignore) == ([[[wanted]]], wanted_names)


REFUSED = {
    "a half": (([0, 1, 0.5], [0]), (), r"file, train holds 0.5 at index 2; labels are whole numbers"),
    "NaN": (([0, 1], [np.nan]), (), r"file, test holds nan at index 0"),
    "infinity": (([0, np.inf], [0]), (), r"inf at index 1"),
    "7 of 3": (([0, 1, 2], [0, 7]), ABC, r"file, test holds 7 at index 1, expected 0 to 2"),
    "0 and 3 of 3": (([0, 1, 2, 3], [0]), ABC, r"file, train holds 3 at index 3, expected 0 to 2"),
    "negative": (([0, -1], [0]), (), r"file, train holds -1 at index 1, expected 0 or more; set data.ignore"),
    "unknown string": (
        (["a", "x"], ["a"]),
        ABC,
        r"holds 'x' at index 1, expected one of the class names a, b, c",
    ),
    "mixed kinds": ((["a", "b"], [0]), (), r"file, train and file, test: some labels are numbers and some"),
    "no training image": (
        ([0, 1], [0, 2]),
        ABC,
        r"file, test holds class 'c' \(index 1\), of which file, train",
    ),
    "an empty class": (([0, 1], [0]), ABC, r"file, train has no image of class 'c'"),
    "one-hot": (([[0, 1], [1, 0]], [0]), (), r"shape \(2, 2\).*argmax"),
    "complex": (([1j, 0], [0]), (), "type complex128"),
    "too many": ((np.arange(20_000), [0]), (), "20000 different labels, at most 10000 are classes"),
    "no text": ((np.array([b"\xff", b"a"]), ["a"]), (), r"holds b'\\xff' at index 0; it is not text"),
    "names twice": (([0, 1], [0]), ("a", "a"), "two classes are called 'a'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_place_index_and_value(case):
    (train, test), names, said = REFUSED[case]
    with pytest.raises(OpticsError, match=said):
        settled(train, test, names)


def test_one_label_of_a_billion_takes_no_memory():
    found, names = settled([0, 10**9, 1], [0])
    assert found == [[0, 2, 1], [0]]
    assert names == ("0", "1", "1000000000")


@pytest.mark.parametrize(
    ("row", "names", "ignore", "said"),
    [
        ([0, 1], ABC, ("fog",), "'fog'; the classes are a, b, c"),
        ([0, 1], (), ("fog",), "'fog'; the classes are numbers"),
        (["a", "b"], (), ("Ab",), "'Ab'; the classes are a, b"),
        (["a", "b"], ABC, ("c", "zzz"), "'zzz'; the classes are a, b, c"),
        (["1", "2"], (), (3,), "'3'; the classes are 1, 2"),
    ],
)
def test_unknown_class_to_ignore_is_told(row, names, ignore, said):
    with pytest.raises(OpticsError, match=f"data.ignore names the class {said}"):
        settled(row, None, names, ignore)


@pytest.mark.parametrize(
    ("row", "names", "ignore", "left"),
    [
        ([0, 1, 1], (), (0,), "object"),
        ([0, 1, 255], ("sea", "land"), ("land",), "sea"),
        ([0, 255, 255], ("sea", "land"), ("land",), "sea"),
        ([1, 2, 2], ("sea", "land"), (2,), "sea"),
    ],
)
def test_one_of_two_classes_of_pixels_that_is_left_out_is_told(row, names, ignore, left):
    with pytest.raises(OpticsError, match=f"hold one class, '{left}'"):
        settled(np.asarray(row, np.uint8).reshape(1, 1, -1), None, names, ignore)


@pytest.mark.parametrize(
    ("row", "runs"),
    [
        ([0] * 5 + [1] * 5, True),
        ([0, 1, 2] * 5, False),
        ([0] * 6, False),
        ([2] * 4 + [1] * 4 + [0] * 4, True),
    ],
)
def test_class_order_is_seen(row, runs):
    assert in_runs(torch.tensor(row)) is runs
