"""What cannot be read: one line that says what was found and what is missing, before any memory is taken."""

from __future__ import annotations

import gzip
import os
import resource
import tarfile
import tracemalloc

import h5py
import numpy as np
import pytest
from PIL import Image

from distill.data import sources as data
from optics.errors import OpticsError
from tests.distill.data.test_forms import (
    CLASSES,
    COUNT,
    IMAGES,
    class_folders,
    hdf5,
    hdf5_masks,
    labels,
    mnist,
    picture,
    pixel_folders,
    save,
)


def without(root, *names):
    for name in names:
        (root / name).unlink()
    return root


def emptied(root):
    for file in (root / "train" / "bee").iterdir():
        file.rename(file.with_suffix(".heic"))
    return root


def loose(root):
    save(root / "train" / "stray.png", picture(0))
    return root


def renamed(root, old, new):
    (root / old).rename(root / new)
    return root


def mixed_colours(root):
    save(root / "train" / "bee" / "01.png", np.dstack([picture(0)] * 3))
    return root


def damaged_picture(root):
    (root / "train" / "bee" / "01.png").write_bytes(b"\x89PNG\r\n\x1a\nnot more")
    return root


def huge_array(path, shape, name="images"):
    hdf5(path)
    with h5py.File(path, "a") as file:
        del file[f"train/{name}"]
        file["train"].create_dataset(name, shape, np.uint8, chunks=(1, *[min(n, 64) for n in shape[1:]]))
    return path


def bomb(path, axes=3, shape=(40000, 400, 400)):
    """A gzip file that says, and holds, far more than it weighs."""
    mnist(path)
    head = b"\0\0\x08" + bytes([axes]) + b"".join(n.to_bytes(4, "big") for n in shape)
    (path / "train-images-idx3-ubyte").write_bytes(gzip.compress(head + bytes(10**6)))
    return path


def tar_bomb(path):
    hole = path.with_suffix(".big")
    with hole.open("wb") as file:
        file.truncate(2**30)
    with tarfile.open(path, "w") as archive:
        info = archive.gettarinfo(str(hole), "data_batch_1.bin")
        info.size = 2**40
        archive.fileobj.write(info.tobuf())
    hole.unlink()
    return path


def pipe(path):
    os.mkfifo(path)
    return path


def written(path, content=b""):
    path.write_bytes(content)
    return path


def sized(path, shape):
    hdf5(path, np.zeros(shape, np.uint8), answers=np.arange(shape[0]) % 3)
    return path


REFUSED = {
    "an empty folder": (lambda at: at, "holds no pictures in class folders; expected .* found nothing"),
    "another thing": (lambda at: written(at / "a.csv").parent, r"found a\.csv"),
    "an empty class": (
        lambda at: emptied(class_folders(at)),
        r"train/bee holds no pictures, only \.heic files",
    ),
    "pictures outside": (lambda at: loose(class_folders(at)), r"outside of its class folders \(stray\.png\)"),
    "other classes": (
        lambda at: renamed(class_folders(at), "test/bee", "test/wasp"),
        "only one of them has bee, wasp",
    ),
    "no test": (lambda at: class_folders(at, ("train", "val")), "has no 'test' part; it has 'train', 'val'"),
    "no train": (lambda at: class_folders(at, ("val", "test")), "but no folder 'train'"),
    "two of a kind": (
        lambda at: class_folders(at, ("train", "val", "valid", "test")),
        "both 'val' and 'valid'",
    ),
    "grey and colour": (lambda at: mixed_colours(class_folders(at)), "set data.grey = true"),
    "a damaged picture": (
        lambda at: damaged_picture(class_folders(at)),
        r"bee/01\.png cannot be read as a picture",
    ),
    "a picture without mask": (
        lambda at: without(pixel_folders(at), "masks/train/p2.png", "masks/train/p4.png"),
        r"2 pictures without a mask \(p2\.png, p4\.png\)",
    ),
    "a mask without picture": (
        lambda at: without(pixel_folders(at), "images/test/p3.png"),
        r"1 masks without a picture \(p3\.png\)",
    ),
    "masks of another size": (
        lambda at: (
            [save(at / "masks" / "test" / "p3.png", np.zeros((5, 5), np.uint8)) for _ in [pixel_folders(at)]]
            and at
        ),
        r"p3\.png is \(5, 5\) and other masks are \(4, 6\)",
    ),
    "half of an idx pair": (
        lambda at: without(mnist(at), "t10k-labels-idx1-ubyte"),
        "not its partner, the labels",
    ),
    "255 axes": (lambda at: bomb(at, 255, ()), "says it has 255 axes"),
    "a gzip bomb": (lambda at: bomb(at), "6400000000 values; at most"),
    "more than it says": (lambda at: bomb(at, 3, (12, 4, 6)), "holds more than 288 values, expected 288"),
    "a tar bomb": (lambda at: tar_bomb(at / "a.tar"), "has 1099511627776 bytes; at most"),
    "huge images": (lambda at: huge_array(at / "a.h5", (COUNT, 2**20, 2**20)), "values; at most"),
    "huge labels": (lambda at: huge_array(at / "a.h5", (2**40,), "labels"), r"'labels' has shape|at most"),
    "three channels twice": (
        lambda at: sized(at / "a.h5", (12, 3, 5, 3)),
        "two axes could be the channels.*data.axes",
    ),
    "no channels": (lambda at: sized(at / "a.h5", (12, 5, 6, 7)), "no axis could be the channels"),
    "int64 images": (lambda at: hdf5(at / "a.h5", IMAGES.astype(np.int64)), "set data.white"),
    "floats to 255": (lambda at: hdf5(at / "a.h5", IMAGES.astype(np.float32)), "data.white"),
    "complex images": (lambda at: hdf5(at / "a.h5", IMAGES.astype(np.complex64)), "type complex64"),
    "label 7 of 3": (
        lambda at: hdf5(at / "a.h5", answers=[7, *range(11)]),
        r"a\.h5, (train|test)/labels holds 3 at index 4, expected 0 to 2",
    ),
    "NaN as a label": (
        lambda at: hdf5(at / "a.h5", answers=[0.0] * 11 + [np.nan]),
        r"a\.h5, (train|test)/labels holds nan at index 11",
    ),
    "mask label 9 of 3": (
        lambda at: hdf5_masks(at / "m.h5", (0, 1, 9), ("a", "b", "c")),
        r"m\.h5, test/masks|m\.h5, train/masks holds 9 at index \(0, 0, 2\), expected 0 to 2",
    ),
    "a pipe": (lambda at: pipe(at / "a.h5"), "is a pipe or a device"),
    "a NUL in the name": (lambda at: "a\0b.h5", "no data set and no file is called"),
    "no kind": (lambda at: written(at / "a.xyz"), r"is of no known kind; expected \.h5"),
    "an HDF5 of nothing": (lambda at: written(at / "a.h5"), "cannot be read as HDF5"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line_and_without_memory(case, tmp_path):
    make, said = REFUSED[case]
    given = make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(OpticsError, match=said) as error:
            data.load(given, validation=0.25)
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_axes_and_white_are_keys(tmp_path):
    assert data.load(
        sized(tmp_path / "a.h5", (12, 3, 5, 3)), axes="nchw", validation=0.25
    ).test.images.shape == ((12, 3, 5, 3))
    last = data.load(tmp_path / "a.h5", axes="nhwc", validation=0.25)
    assert last.test.images.shape == (12, 3, 3, 5)
    deep = hdf5(tmp_path / "b.h5", IMAGES.astype(np.int64) * 16)
    found = data.load(deep, white=4080, validation=0.25).test.images
    assert float(found.max()) == 1.0
    assert float(found[1, 0, 0, 0]) == pytest.approx(15 / 255)


def test_a_limit_reads_few_of_many_images(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for part in ("train", "test"):
            file.create_dataset(
                f"{part}/images", (2**20, 64, 64), np.uint8, chunks=(64, 64, 64)
            )  # 4 GiB of nothing
            file[f"{part}/labels"] = np.arange(2**20) % 3
    tracemalloc.start()
    splits = data.load(tmp_path / "a.h5", limit=30, validation=0.25)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(splits.test) == 30
    assert peak < 2**28


def test_damage_anywhere_in_a_file_gives_one_of_our_errors(tmp_path):
    rng = np.random.default_rng(0)
    mnist(tmp_path / "idx")
    cases = [(hdf5(tmp_path / "a.h5"), tmp_path / "a.h5")]
    cases += [(tmp_path / "idx", file) for file in sorted((tmp_path / "idx").iterdir())]
    for given, file in cases:
        whole = file.read_bytes()
        for k in range(10 if file.suffix == ".h5" else 40):  # strings of an HDF5 file take a process each
            bad = bytearray(whole)
            for at in rng.integers(0, min(len(bad), 4096), 3):
                bad[at] = rng.integers(0, 256)
            file.write_bytes(bytes(bad[: rng.integers(1, len(bad))] if k % 3 == 0 else bad))
            try:
                data.load(given, validation=0.25)
            except OpticsError as error:
                assert "\n" not in str(error), error
        file.write_bytes(whole)


def test_pictures_of_several_sizes_name_two(tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(class_folders(tmp_path) / "train" / "bee" / "01.png")
    with pytest.raises(OpticsError, match=r"\(4, 6\) and \(9, 9\) of \d\d\.png and \d\d\.png\); pass size="):
        data.load(tmp_path, validation=0.25)


def heap_of(path):
    """Where the heap of strings is, and the bytes that stand for a string of three letters in it."""
    whole = path.read_bytes()
    return whole.index(b"GCOL"), (3).to_bytes(4, "little") + whole.index(b"GCOL").to_bytes(8, "little")


HEAPS = {
    "gigabytes": lambda whole, at, of: whole.replace(of, (2**31 - 1).to_bytes(4, "little") + of[4:]),
    "elsewhere": lambda whole, at, of: whole.replace(of, of[:4] + (2**62).to_bytes(8, "little")),
    "a huge heap": lambda whole, at, of: whole[: at + 8] + b"\xff" * 7 + b"\x7f" + whole[at + 16 :],
    "a huge string": lambda whole, at, of: whole[: at + 24] + b"\xff" * 7 + b"\x7f" + whole[at + 32 :],
    "noise": lambda whole, at, of: whole[: at + 8] + bytes(range(7, 207)) + whole[at + 208 :],
}


@pytest.mark.parametrize("heap", HEAPS)
@pytest.mark.parametrize("what", ["labels", "class_names"])
def test_damaged_strings_neither_crash_nor_take_memory(tmp_path, what, heap):
    names = CLASSES if what == "class_names" else None
    answers = None if names else [CLASSES[k] for k in labels()]
    path = hdf5(tmp_path / "a.h5", answers=answers, names=names)
    whole = path.read_bytes()
    at, of = heap_of(path)
    assert of in whole
    path.write_bytes(HEAPS[heap](whole, at, of))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(OpticsError, match=r"cannot be read as HDF5 \(") as error:
        data.load(path, validation=0.25)
    assert "\n" not in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**17  # kilobytes
