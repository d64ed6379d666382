"""Every way to load images, and the one line that each damaged source gives."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from distill.data import sources as data
from distill.data.dataset import Dataset, limited, limited_index, stratified
from optics.checks import OpticsError
from tests.scenes import generator


def pixels(n: int = 12, shape: tuple[int, ...] = (6, 5), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def layout_a(path, *, n=12, shape=(6, 5), drop=(), labels=None):
    with h5py.File(path, "w") as file:
        file.attrs["class_names"] = ["cat", "dog", "cow"]
        file.attrs["source"] = "somewhere"
        file.attrs["license"] = "CC0"
        for seed, split in enumerate(("train", "test")):
            group = file.create_group(split)
            for key, value in (
                ("images", pixels(n, shape, seed)),
                ("labels", np.arange(n, dtype=np.uint8) % 3 if labels is None else labels),
            ):
                if (split, key) not in drop:
                    group[key] = value
    return path


def layout_b(path, *, masks=False, cut=0, offsets=None):
    with h5py.File(path, "w") as file:
        file.attrs["class_names"] = ["a", "b", "c"]
        for seed, split in enumerate(("train", "test")):
            files = []
            for picture in pixels(6, (16, 24, 3), seed) // 8 + 100:
                buffer = io.BytesIO()
                Image.fromarray(picture).save(buffer, "JPEG", quality=95)
                files.append(buffer.getvalue())
            group = file.create_group(split)
            whole = np.frombuffer(b"".join(files), np.uint8)
            group["jpeg"] = whole[: len(whole) - cut]
            group["offsets"] = np.cumsum([0, *map(len, files)]) if offsets is None else np.array(offsets)
            if masks:
                group["masks"] = pixels(6, (16, 24), seed) % 2
                group["masks_multi"] = pixels(6, (16, 24), seed) % 3
            else:
                group["labels"] = np.arange(6, dtype=np.uint8) % 3
    return path


def idx(path, array: np.ndarray, *, compress=False, cut=0):
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    whole = head + array.tobytes()
    whole = whole[: len(whole) - cut]
    path.write_bytes(gzip.compress(whole) if compress else whole)


def cifar_records(n: int, seed: int) -> bytes:
    rows = pixels(n, (3073,), seed)
    rows[:, 0] = np.arange(n) % 10
    return rows.tobytes()


# ---------------------------------------------------------------- the shipped digits


def test_shipped_digits_need_nothing_else(monkeypatch):
    def offline(*_args, **_kwargs):
        raise AssertionError("the shipped digits must not be downloaded")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    splits = data.load("digits", seed=3)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (4500, 500, 1000)
    assert splits.train.images.shape == (4500, 1, 28, 28)
    assert splits.train.class_names == tuple("0123456789")
    assert splits.test.labels.bincount().tolist() == [100] * 10
    assert splits.validation.labels.bincount().tolist() == [50] * 10
    assert "mnist" in splits.train.source
    assert "LeCun" in splits.train.licence
    assert float(splits.train.images.max()) == 1.0


def test_validation_is_cut_from_training_by_seed():
    first, again, other = (data.load("digits", seed=s, limit=200) for s in (1, 1, 2))
    assert torch.equal(first.validation.images, again.validation.images)
    assert not torch.equal(first.validation.images, other.validation.images)
    whole = data.load("digits", seed=1)
    train = {x.numpy().tobytes() for x in whole.train.images}
    held = {x.numpy().tobytes() for x in whole.validation.images}
    assert len(train) + len(held) == 5000
    assert not train & held


def test_limit_keeps_the_classes_even():
    splits = data.load("digits", limit=50)
    assert splits.test.labels.bincount().tolist() == [5] * 10
    assert len(splits.train) + len(splits.validation) == 50


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [(200, [163, 35, 2]), (20, [15, 4, 1]), (3, [1, 1, 1])],
)
def test_limit_keeps_the_share_of_each_class_and_one_image(limit, wanted):
    labels = torch.tensor([0] * 818 + [1] * 172 + [2] * 10)
    assert labels[limited_index(labels, limit, generator())].bincount().tolist() == wanted


def test_stratified_split_is_a_partition():
    labels = torch.tensor([0] * 7 + [1] * 30 + [2] * 3)
    rest, chosen = stratified(labels, 0.2, generator())
    assert sorted([*rest.tolist(), *chosen.tolist()]) == list(range(40))
    assert labels[chosen].bincount().tolist() == [1, 6, 1]
    with pytest.raises(OpticsError, match=r"share is 1"):
        stratified(labels, 1.0, generator())
    with pytest.raises(OpticsError, match="class 1 has 1 image"):
        stratified(torch.tensor([0, 0, 1]), 0.5, generator())
    with pytest.raises(OpticsError, match="class 'dog' has 1 image"):
        stratified(torch.tensor([0, 0, 1]), 0.5, generator(), names=("cat", "dog"))


# ---------------------------------------------------------------- HDF5


def test_layout_a_keeps_pixels_labels_and_origin(tmp_path):
    splits = data.load(layout_a(tmp_path / "a.h5"), validation=0.25)
    assert torch.equal(splits.test.images[:, 0], torch.from_numpy(pixels(12, seed=1)).float() / 255)
    assert splits.test.labels.tolist() == [i % 3 for i in range(12)]
    assert (splits.test.source, splits.test.licence) == ("somewhere", "CC0")
    assert splits.test.class_names == ("cat", "dog", "cow")
    assert (len(splits.train), len(splits.validation)) == (9, 3)


def test_layout_a_in_colour_puts_channels_first(tmp_path):
    splits = data.load(layout_a(tmp_path / "a.h5", shape=(6, 5, 3)), validation=0.25)
    assert torch.equal(
        splits.test.images, torch.from_numpy(pixels(12, (6, 5, 3), 1)).permute(0, 3, 1, 2) / 255
    )
    grey = data.load(layout_a(tmp_path / "a.h5", shape=(6, 5, 3)), validation=0.25, grey=True)
    assert grey.test.images.shape == (12, 1, 6, 5)


def test_layout_b_decodes_jpeg(tmp_path):
    splits = data.load(layout_b(tmp_path / "b.h5"), validation=0.4)
    assert splits.test.images.shape == (6, 3, 16, 24)
    wanted = (pixels(6, (16, 24, 3), 1) // 8 + 100) / 255
    assert abs(splits.test.images.permute(0, 2, 3, 1).numpy() - wanted).mean() < 0.05
    assert data.load(tmp_path / "b.h5", validation=0.4, size=(8, 12), grey=True).test.images.shape == (
        6,
        1,
        8,
        12,
    )


def test_masks_are_labels_of_pixels(tmp_path):
    path = layout_b(tmp_path / "m.h5", masks=True)
    splits = data.load(path, validation=0.4)
    assert splits.test.segmentation
    assert splits.test.class_names == ("background", "object")
    assert torch.equal(splits.test.labels, torch.from_numpy(pixels(6, (16, 24), 1) % 2).long())
    many = data.load(path, validation=0.4, target="masks_multi", size=(8, 12))
    assert many.test.class_names == ("a", "b", "c")
    assert many.test.labels.shape == (6, 8, 12)
    assert set(many.test.labels.unique().tolist()) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ([("train", "labels")], r"group 'train': the key 'labels' is missing; found 'images'"),
        ([("test", "images")], r"group 'test': the key 'jpeg' is missing"),
    ],
)
def test_missing_keys_are_named(tmp_path, drop, message):
    with pytest.raises(OpticsError, match=message):
        data.load(layout_a(tmp_path / "a.h5", drop=drop))


def test_missing_split_is_named(tmp_path):
    path = layout_a(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file["test"]
    with pytest.raises(OpticsError, match=r"has no 'test' part; it has 'train'"):
        data.load(path)
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(OpticsError, match="expected the groups 'train' and 'test', found nothing"):
        data.load(tmp_path / "empty.h5")


def test_wrong_shapes_are_named(tmp_path):
    with pytest.raises(OpticsError, match=r"'labels' has shape \(5,\), expected \(12,\)"):
        data.load(layout_a(tmp_path / "a.h5", labels=np.zeros(5, np.uint8)))
    with pytest.raises(OpticsError, match=r"'images' has shape \(12, 30\), expected \(N, H, W\)"):
        data.load(layout_a(tmp_path / "b.h5", shape=(30,)))
    with pytest.raises(OpticsError, match=r"'offsets' ends at byte 10 but 'jpeg' holds"):
        data.load(layout_b(tmp_path / "c.h5", offsets=[0, 2, 4, 6, 8, 9, 10]))
    with pytest.raises(OpticsError, match=r"'offsets' has shape"):
        data.load(layout_b(tmp_path / "d.h5", offsets=[0, 5, 3]))


def test_truncated_files_are_named(tmp_path):
    path = layout_a(tmp_path / "a.h5", n=400)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(OpticsError, match=r"a\.h5 cannot be read as HDF5 \(.*truncated"):
        data.load(path)
    path.write_bytes(b"not hdf5 at all")
    with pytest.raises(OpticsError, match="cannot be read as HDF5"):
        data.load(path)
    broken = layout_b(tmp_path / "b.h5")
    with h5py.File(broken, "a") as file:
        file["train/jpeg"][:200] = 0
    with pytest.raises(OpticsError, match=r"group 'train', image 0 is no picture"):
        data.load(broken)


# ---------------------------------------------------------------- idx, CIFAR, folders


@pytest.mark.parametrize("compress", [False, True])
def test_idx_files(tmp_path, compress):
    end = ".gz" if compress else ""
    for stem, seed in (("train", 0), ("t10k", 1)):
        idx(tmp_path / f"{stem}-images-idx3-ubyte{end}", pixels(20, (7, 4), seed), compress=compress)
        idx(tmp_path / f"{stem}-labels-idx1-ubyte{end}", np.arange(20, dtype=np.uint8) % 5, compress=compress)
    splits = data.load(tmp_path, validation=0.25)
    assert torch.equal(splits.test.images[:, 0], torch.from_numpy(pixels(20, (7, 4), 1)).float() / 255)
    assert splits.test.labels.tolist() == [i % 5 for i in range(20)]
    idx(tmp_path / f"train-images-idx3-ubyte{end}", pixels(20, (7, 4)), compress=compress, cut=3)
    with pytest.raises(OpticsError, match=r"holds 557 values, expected 560"):
        data.load(tmp_path)
    (tmp_path / f"train-images-idx3-ubyte{end}").unlink()
    with pytest.raises(OpticsError, match="but not its partner"):
        data.load(tmp_path)


def test_truncated_gzip_and_other_kinds(tmp_path):
    idx(tmp_path / "train-images-idx3-ubyte.gz", pixels(), compress=True)
    labels = np.arange(12, dtype=np.uint8) % 2
    idx(tmp_path / "train-labels-idx1-ubyte", labels)
    for name in ("images-idx3", "labels-idx1"):
        idx(tmp_path / f"t10k-{name}-ubyte", pixels() if name[0] == "i" else labels)
    whole = (tmp_path / "train-images-idx3-ubyte.gz").read_bytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(whole[:-30])
    with pytest.raises(OpticsError, match="truncated, damaged"):
        data.load(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"PNG?")
    with pytest.raises(OpticsError, match="is not an idx file"):
        data.load(tmp_path)
    with pytest.raises(OpticsError, match="is of no known kind"):
        data.load(tmp_path / "train-labels-idx1-ubyte")


def test_cifar_binaries_from_folder_and_archive(tmp_path):
    files = {f"data_batch_{i}.bin": cifar_records(20, i) for i in range(1, 6)}
    files["test_batch.bin"] = cifar_records(20, 9)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(folder, arcname="cifar-10-batches-bin")
    splits = data.load(folder)
    assert splits.test.images.shape == (20, 3, 32, 32)
    assert len(splits.train) + len(splits.validation) == 100
    red_row_1 = pixels(20, (3073,), 9)[4, 1 + 32 : 1 + 64]  # the planes are red, green, blue, row by row
    assert torch.equal(splits.test.images[4, 0, 1], torch.from_numpy(red_row_1).float() / 255)
    packed = data.load(tmp_path / "cifar-10-binary.tar.gz")
    assert torch.equal(packed.test.images, splits.test.images)
    assert packed.test.class_names[3] == "cat"
    (folder / "data_batch_2.bin").write_bytes(files["data_batch_2.bin"][:-1])
    with pytest.raises(OpticsError, match=r"data_batch_2\.bin holds 61459 bytes, not a multiple of 3073"):
        data.load(folder)
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(OpticsError, match=r"data_batch_2\.bin is missing"):
        data.load(folder)
    whole = (tmp_path / "cifar-10-binary.tar.gz").read_bytes()
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OpticsError, match="cannot be read as a tar archive"):
        data.load(tmp_path / "cifar-10-binary.tar.gz")


def test_folder_with_one_subfolder_per_class(tmp_path):
    for label, name in enumerate(("ant", "bee")):
        (tmp_path / name).mkdir()
        for i in range(6):
            picture = Image.fromarray(np.full((5, 7), 40 * label + i, np.uint8))
            picture.save(tmp_path / name / f"{i}.png")
    (tmp_path / "ant" / "notes.txt").write_text("not a picture")
    splits = data.load(tmp_path, validation=0.34)
    assert splits.train.class_names == ("ant", "bee")
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [6, 2, 4]
    for part in (splits.train, splits.validation, splits.test):
        assert part.images.shape[1:] == (1, 5, 7)
        values = (part.images[:, 0, 0, 0] * 255).round()
        assert torch.equal((values >= 40).long(), part.labels)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "bee" / "large.png")
    with pytest.raises(OpticsError, match=r"pictures differ in shape.*pass size="):
        data.load(tmp_path)
    assert data.load(tmp_path, size=(4, 4)).train.images.shape[1:] == (1, 4, 4)


def test_folder_with_splits(tmp_path):
    for split in ("train", "val", "test"):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(tmp_path / split / name / "1.png")
    splits = data.load(tmp_path)
    assert [len(p) for p in (splits.train, splits.validation, splits.test)] == [2, 2, 2]
    (tmp_path / "test" / "bee").rename(tmp_path / "test" / "wasp")
    with pytest.raises(OpticsError, match="different classes"):
        data.load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OpticsError, match="holds no pictures"):
        data.load(tmp_path / "empty")


def test_unknown_names_are_told(tmp_path):
    with pytest.raises(OpticsError, match="did you mean 'digits'"):
        data.load("digit")
    with pytest.raises(OpticsError, match="give a path, or one of digits"):
        data.load(tmp_path / "nowhere.h5")


def test_dataset_checks_itself():
    images, labels = torch.rand(4, 1, 3, 3, generator=generator()), torch.tensor([0, 1, 0, 1])
    good = Dataset(images, labels, ("a", "b"), "here")
    assert good.digest() == Dataset(images.clone(), labels, ("a", "b"), "there").digest()
    assert good.digest() != good.take(torch.tensor([1, 0, 2, 3])).digest()
    for wrong, message in (
        ((images[0], labels), "expected float32"),
        ((images * 2, labels), r"within \[0, 1\]"),
        ((images, labels[:3]), "labels have shape"),
        ((images, labels + 1), "labels range from 1 to 2, expected 0 to 1"),
    ):
        with pytest.raises(OpticsError, match=message):
            Dataset(*wrong, ("a", "b"), "here")
    with pytest.raises(OpticsError, match="limit is 0"):
        limited(good, 0, generator())


@pytest.mark.data
def test_public_sets_beside_the_checkout():
    default = Path(__file__).resolve().parents[4] / "shared" / "data"
    public_data = Path(os.environ.get("SCLC_DATA", default))
    if not (public_data / "orl_faces.h5").is_file():
        pytest.skip("the public data sets are not beside the checkout")
    faces = data.load(public_data / "orl_faces.h5", validation=0.125)
    assert faces.train.images.shape == (280, 1, 112, 92)
    parts = data.load(public_data / "fasseg_faces.h5", size=(37, 51))
    assert parts.train.images.shape == (18, 3, 37, 51)
    assert parts.train.labels.shape == (18, 37, 51)
    assert parts.train.class_names[3] == "eyes"
