"""Every form in which a data set is brought: one row each, and the same images and answers out of all of them."""

from __future__ import annotations

import gzip
import pickle
import shutil
import struct
import tarfile

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from distill.data import sources as data
from distill.data.dataset import VOID
from optics.errors import OpticsError

CLASSES = ("ant", "bee", "cow")
COUNT = 12


def picture(k: int, shape=(4, 6)) -> np.ndarray:
    """The k-th picture: its first pixel says which it is, another whether rows and columns are in their places."""
    made = np.zeros(shape, np.uint8)
    made[0, 0], made[1, 3] = 10 * k + 5, 255
    return made


def labels(count=COUNT):
    return np.arange(count) % 3


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def class_folders(root, parts=("train", "test"), classes=CLASSES, ending=".png", inner=""):
    for part in parts:
        for k in range(COUNT):
            save(root / part / classes[k % 3] / inner / f"{k:02d}{ending}", picture(k))
    return root


def junk(root):
    class_folders(root)
    for part in ("train", "test"):
        (root / part / "ant" / "._00.png").write_bytes(b"\0\5\x16\7 an Apple double file")
        (root / part / "__MACOSX" / "ant").mkdir(parents=True)
        (root / part / "__MACOSX" / "ant" / "._00.png").write_bytes(b"junk")
        (root / part / ".ipynb_checkpoints").mkdir()
        (root / part / "bee" / "notes.txt").write_text("not a picture")
    return root


def idx(path, array, compress=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(whole) if compress else whole)


def mnist(folder, prefix="", test="t10k", swap=False, first=0, end=""):
    for part in ("train", test):
        images = np.stack([picture(k) for k in range(COUNT)])
        images = np.ascontiguousarray(images.transpose(0, 2, 1)) if swap else images
        idx(folder / f"{prefix}{part}-images-idx3-ubyte{end}", images, bool(end))
        idx(folder / f"{prefix}{part}-labels-idx1-ubyte{end}", (labels() + first).astype(np.uint8), bool(end))
    return folder


def hdf5(path, images=None, answers=None, names=CLASSES, groups=("train", "test")):
    images = np.stack([picture(k) for k in range(COUNT)]) if images is None else images
    with h5py.File(path, "w") as file:
        if names is not None:
            file.attrs["class_names"] = names
        for group in groups:
            file[f"{group}/images"] = images
            file[f"{group}/labels"] = labels() if answers is None else answers
    return path


def channels(axis):
    return np.stack([np.stack([picture(k)] * 3, axis) for k in range(COUNT)])


IMAGES = np.stack([picture(k) for k in range(COUNT)])
FORMS = {
    "folders": lambda at: class_folders(at / "set"),
    "Train and Test": lambda at: class_folders(at / "set", ("Train", "Test")),
    "training and testing": lambda at: class_folders(at / "set", ("training", "testing")),
    "valid": lambda at: class_folders(at / "set", ("train", "valid", "test")),
    "nested": lambda at: class_folders(at / "set", inner="monday/one"),
    "an archive's own folder": lambda at: class_folders(at / "set" / "archive" / "data").parents[1],
    "what a Mac leaves": lambda at: junk(at / "set"),
    "upper-case endings": lambda at: class_folders(at / "set", ending=".PNG"),
    "idx": lambda at: mnist(at / "set"),
    "idx, compressed": lambda at: mnist(at / "set", end=".gz"),
    "torchvision's root": lambda at: mnist(at / "set" / "MNIST" / "raw").parents[1],
    "torchvision's MNIST": lambda at: mnist(at / "set" / "MNIST" / "raw").parent,
    "EMNIST": lambda at: mnist(at / "set", "emnist-digits-", "test", swap=True),
    "EMNIST letters from 1": lambda at: mnist(at / "set", "emnist-letters-", "test", swap=True, first=1),
    "HDF5": lambda at: hdf5(at / "a.h5"),
    "HDF5, upper case": lambda at: hdf5(at / "a.H5"),
    "HDF5, other group names": lambda at: hdf5(at / "a.h5", groups=("Training", "Validation", "Testing")),
    "HDF5, bytes as names": lambda at: hdf5(at / "a.h5", names=np.array([c.encode() for c in CLASSES])),
    "HDF5, labels from 1": lambda at: hdf5(at / "a.h5", answers=labels() + 1),
    "HDF5, labels as strings": lambda at: hdf5(at / "a.h5", answers=[CLASSES[k] for k in labels()]),
    "HDF5, labels as bytes": lambda at: hdf5(
        at / "a.h5", answers=np.array([CLASSES[k].encode() for k in labels()])
    ),
    "HDF5, labels as floats": lambda at: hdf5(at / "a.h5", answers=labels().astype(np.float32)),
    "HDF5, 16 bit": lambda at: hdf5(at / "a.h5", IMAGES.astype(np.uint16) * 257),
    "HDF5, floats": lambda at: hdf5(at / "a.h5", IMAGES / np.float32(255)),
    "HDF5, channels last": lambda at: hdf5(at / "a.h5", channels(-1)),
    "HDF5, channels first": lambda at: hdf5(at / "a.h5", channels(0)),
    "HDF5, one channel first": lambda at: hdf5(at / "a.h5", IMAGES[:, None]),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_images_and_answers_from_every_form(form, tmp_path):
    splits = data.load(FORMS[form](tmp_path), validation=0.25, grey="channels" in form)
    assert splits.train.classes == 3
    own = any(word in form for word in ("valid", "other group"))
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [
        12 if own else 9,
        12 if own else 3,
        12,
    ]
    for part in (splits.train, splits.validation, splits.test):
        assert part.images.shape[1:] == (1, 4, 6)
        which = ((part.images[:, 0, 0, 0] * 255).round() - 5) / 10
        assert torch.equal(which.long() % 3, part.labels)
        assert torch.allclose(part.images[:, 0, 1, 3], torch.ones(len(part)))
        assert sorted(part.labels[:3].tolist()) == [0, 1, 2]  # the first images show every class
    if not form.startswith(("idx", "torch", "EMNIST")):
        assert splits.train.class_names == CLASSES


def cifar_python(folder, hundred=False):
    folder.mkdir()
    rng = np.random.default_rng(0)
    count = 100 if hundred else 10
    names = ("train", "test") if hundred else (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
    for name in names:
        fine = list(range(count)) * 2
        batch = {"data": rng.integers(0, 256, (2 * count, 3072), dtype=np.uint8)}
        batch |= (
            {"fine_labels": fine, "coarse_labels": [v // 5 for v in fine]} if hundred else {"labels": fine}
        )
        (folder / name).write_bytes(pickle.dumps({k.encode(): v for k, v in batch.items()}, 2))
    meta = {
        "fine_label_names": [f"f{i}" for i in range(100)],
        "coarse_label_names": [f"c{i}" for i in range(20)],
    }
    (folder / ("meta" if hundred else "batches.meta")).write_bytes(pickle.dumps(meta, 2))
    return pickle.loads((folder / names[-1]).read_bytes())


def test_cifar_python_batches(tmp_path):
    batch = cifar_python(tmp_path / "cifar-10-batches-py")
    splits = data.load(tmp_path)
    pixels = torch.from_numpy(batch[b"data"].reshape(-1, 3, 32, 32)).float() / 255
    assert torch.equal(splits.test.images, pixels)
    assert splits.test.labels.tolist() == batch[b"labels"]
    assert splits.test.class_names[3] == "cat"
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    assert torch.equal(data.load(tmp_path / "cifar-10-python.tar.gz").test.images, pixels)


@pytest.mark.parametrize("binary", [False, True])
def test_cifar_100(tmp_path, binary):
    batch = cifar_python(tmp_path / "cifar-100", hundred=True)
    if binary:
        for name in ("train", "test"):
            found = pickle.loads((tmp_path / "cifar-100" / name).read_bytes())
            answers = np.array([found[b"coarse_labels"], found[b"fine_labels"]], np.uint8).T
            (tmp_path / "cifar-100" / f"{name}.bin").write_bytes(
                np.hstack([answers, found[b"data"]]).tobytes()
            )
            (tmp_path / "cifar-100" / name).unlink()
        for kind, count in (("fine", 100), ("coarse", 20)):
            text = "\n".join(f"{kind[0]}{i}" for i in range(count))
            (tmp_path / "cifar-100" / f"{kind}_label_names.txt").write_text(text)
        (tmp_path / "cifar-100" / "meta").unlink()
    fine, coarse = (data.load(tmp_path / "cifar-100", target=t, validation=0.5) for t in ("fine", "coarse"))
    pixels = torch.from_numpy(batch[b"data"].reshape(-1, 3, 32, 32)).float() / 255
    assert torch.equal(fine.test.images, pixels)
    assert fine.test.labels.tolist() == batch[b"fine_labels"]
    assert coarse.test.class_names == tuple(f"c{i}" for i in range(20))


def test_emnist_names_its_classes_by_its_mapping(tmp_path):
    mnist(tmp_path, "emnist-letters-", "test", swap=True, first=1)
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")
    assert data.load(tmp_path, validation=0.25).train.class_names == ("A", "B", "C")
    mnist(tmp_path, "emnist-digits-", "test", swap=True)
    with pytest.raises(OpticsError, match=r"holds the sets digits, letters; set data.target"):
        data.load(tmp_path)
    assert data.load(tmp_path, target="digits", validation=0.25).train.class_names == ("0", "1", "2")


# ---------------------------------------------------------------- pixels

MASK = np.array([[0, 1, 1, 2, 2, 255], [0, 0, 1, 1, 2, 2], [0] * 6, [1] * 6], np.uint8)


def pixel_folders(
    root, layout="{what}/{part}/{name}", mask_name="{stem}.png", images="images", masks="masks"
):
    for part in ("train", "test"):
        for k in range(6):
            for what, array, name in (
                (images, picture(k), f"p{k}.png"),
                (masks, MASK, mask_name.format(stem=f"p{k}")),
            ):
                save(root / layout.format(what=what, part=part, name=name), array)
    (root / "classes.txt").write_text("road\ncar\nsky\n")
    return root


PIXELS = {
    "parts inside": lambda at: pixel_folders(at / "s"),
    "parts outside": lambda at: pixel_folders(at / "s", "{part}/{what}/{name}"),
    "endings": lambda at: pixel_folders(at / "s", mask_name="{stem}_mask.png"),
    "other names": lambda at: pixel_folders(at / "s", images="JPEGImages", masks="SegmentationClass"),
    "16 bit masks": lambda at: pixel_folders(at / "s", mask_name="{stem}.tif"),
}


@pytest.mark.parametrize("form", PIXELS)
def test_pictures_beside_masks_are_a_pixel_task(form, tmp_path):
    splits = data.load(PIXELS[form](tmp_path), validation=0.34)
    assert splits.train.segmentation
    assert splits.train.class_names == ("road", "car", "sky")
    wanted = torch.from_numpy(MASK.astype(np.int64))
    wanted[wanted == 255] = VOID
    assert all(torch.equal(m, wanted) for part in (splits.train, splits.test) for m in part.labels)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (4, 2, 6)


def hdf5_masks(path, values, names=None):
    with h5py.File(path, "w") as file:
        if names:
            file.attrs["class_names"] = names
        for part in ("train", "test"):
            file[f"{part}/images"] = IMAGES
            file[f"{part}/masks"] = np.asarray(values, np.uint8)[np.arange(COUNT * 24) % len(values)].reshape(
                -1, 4, 6
            )
    return path


@pytest.mark.parametrize(
    ("values", "names", "classes", "void"),
    [
        ((0, 1, 255), None, ("background", "object"), True),
        ((0, 1, 255), ("sea", "land"), ("sea", "land"), True),
        ((0, 255), None, ("background", "object"), False),
        ((0, 1, 2), CLASSES, CLASSES, False),
        ((0, 1, 2, 255), CLASSES, CLASSES, True),
    ],
)
def test_void_and_names_of_masks_in_hdf5(tmp_path, values, names, classes, void):
    splits = data.load(hdf5_masks(tmp_path / "m.h5", values, names), validation=0.25)
    assert splits.train.class_names == classes
    assert bool((splits.train.labels == VOID).any()) is void
    assert set(splits.train.labels.unique().tolist()) - {VOID} == set(range(len(classes)))


@pytest.mark.parametrize("size", [None, (2, 3), (8, 12)])
def test_masks_in_every_file_of_arrays_are_brought_to_the_size(tmp_path, size):
    path = hdf5_masks(tmp_path / "m.h5", (0, 1, 1, 2, 0))
    with h5py.File(path) as file:
        arrays = {f"{w}_{p}": file[f"{p}/{w}"][()] for p in ("train", "test") for w in ("images", "masks")}
    np.savez(tmp_path / "m.npz", **arrays)
    (tmp_path / "m").mkdir()
    for name, array in arrays.items():
        np.save(tmp_path / "m" / f"{name}.npy", array)
    wanted = data.load(path, validation=0.25, size=size)
    assert wanted.test.labels.shape[1:] == (size or (4, 6))
    for other in ("m.npz", "m"):
        found = data.load(tmp_path / other, validation=0.25, size=size)
        assert found.train.digest() == wanted.train.digest() and found.test.digest() == wanted.test.digest()


def test_a_chosen_class_is_void(tmp_path):
    path = hdf5_masks(tmp_path / "m.h5", (0, 1, 2), CLASSES)
    splits = data.load(path, validation=0.25, ignore=["bee"])
    assert splits.train.class_names == ("ant", "cow")
    assert torch.equal(splits.test.labels[0, 0, :3], torch.tensor([0, VOID, 1]))


def test_images_of_an_ignored_label_are_left_out(tmp_path):
    answers = labels()
    answers[4] = -1
    splits = data.load(hdf5(tmp_path / "a.h5", answers=answers, names=None), ignore=[-1], validation=0.25)
    assert len(splits.test) == COUNT - 1
    assert 45 not in (splits.test.images[:, 0, 0, 0] * 255).round().tolist()


def test_a_path_may_begin_with_the_user_s_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    hdf5(tmp_path / "a.h5")
    assert len(data.load("~/a.h5", validation=0.25).test) == COUNT


def test_a_limit_limits_reading(tmp_path, monkeypatch):
    from distill.data import listing

    read = []
    whole = listing.read_bytes
    monkeypatch.setattr(listing, "read_bytes", lambda path, **kw: (read.append(path), whole(path, **kw))[1])
    class_folders(tmp_path / "set")
    data.load(tmp_path / "set", limit=6, validation=0.5)
    assert len(read) == 12
    shutil.rmtree(tmp_path / "set")


# ---------------------------------------------------------------------- sets of one file, strangers


def test_one_of_several_sets_in_a_file_is_chosen_by_its_prefix(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name, value in (("train", 10), ("test", 20), ("pose_train", 30), ("pose_test", 40)):
            file[f"{name}/images"] = np.full((12, 4, 6), value, np.uint8)
            file[f"{name}/labels"] = labels()
    assert data.load(tmp_path / "x.h5").test.images.unique().item() == pytest.approx(20 / 255)
    assert data.load(tmp_path / "x.h5", subset="pose").test.images.unique().item() == pytest.approx(40 / 255)
    with pytest.raises(OpticsError, match=r"'side_train' and 'side_test', found .*'pose_train'"):
        data.load(tmp_path / "x.h5", subset="side")


def test_strangers_are_in_no_part_but_the_test(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for part, count in (("train", 40), ("test", 10)):
            people = np.arange(count) % 5
            file[f"{part}/images"] = np.broadcast_to(people[:, None, None], (count, 4, 6)).astype(np.uint8)
            file[f"{part}/labels"] = people
    splits = data.load(tmp_path / "x.h5", strangers=2, seed=3)
    of = {name: set((255 * p.images).round().unique().int().tolist()) for name, p in vars(splits).items()}
    assert of["train"] == of["validation"] and len(of["train"]) == 3
    assert of["test"] == set(range(5)) - of["train"]
    assert len(splits.test) == 20  # both strangers' pictures of every part
    assert splits.test.class_names == tuple(str(k) for k in sorted(of["test"]))
    assert data.load(tmp_path / "x.h5", strangers=2, seed=3).test.digest() == splits.test.digest()
    with pytest.raises(OpticsError, match=r"data\.strangers is 4 and .* has 5 classes"):
        data.load(tmp_path / "x.h5", strangers=4)
