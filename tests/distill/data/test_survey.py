"""What a source holds is told before training; imported, it is the same; archives stay in their folder."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from distill.cli.main import main
from distill.data import idx, load
from distill.data.parts import Options
from distill.data.survey import check, convert, opened
from optics.checks import OpticsError


def grey(k, shape=(6, 5)):
    return np.random.default_rng(k).integers(0, 256, shape, dtype=np.uint8)


def folders(root, *, same=False, spoilt=False, classes=("cat", "dog")):
    """Two classes, three pictures each in train and two in test."""
    for p, part in enumerate(("train", "test")):
        for c, name in enumerate(classes):
            folder = root / part / name
            folder.mkdir(parents=True)
            for k in range(4 - p):
                Image.fromarray(grey(100 * p + 10 * c + k)).save(folder / f"{k}.png")
    if same:
        Image.fromarray(grey(0)).save(root / "test" / "cat" / "0.png")
        Image.fromarray(grey(1)).save(root / "train" / "cat" / "2.png")
    if spoilt:
        (root / "train" / "dog" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return root


def arrays(path, labels=None):
    np.savez(
        path,
        x_train=np.stack([grey(k) for k in range(8)]),
        y_train=np.arange(8)[:, None] % 2 if labels is None else np.full(8, labels),
        x_test=np.stack([grey(k) for k in range(20, 24)]),
        y_test=np.arange(4) % 2 if labels is None else np.full(4, labels),
        about=np.zeros(3),
    )
    return path


def masks(root):
    for part in ("train", "test"):
        for k in range(5):
            for name, values in (
                ("images", grey(k)),
                ("masks", np.where(grey(k + 50) > 120, 255, grey(k) % 3)),
            ):
                (root / part / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(values.astype(np.uint8)).save(root / part / name / f"{k}.png")
    return root


def zipped(path, root):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(p for p in root.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(root.parent))
    return path


def tarred(path, root):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root, root.name)
    return path


SOURCES = {
    "class folders": lambda t: folders(t / "photos"),
    "zip": lambda t: zipped(t / "photos.zip", folders(t / "photos")),
    "tar": lambda t: tarred(t / "photos.tar.gz", folders(t / "photos")),
    "npz": lambda t: arrays(t / "arrays.npz"),
    "masks": lambda t: masks(t / "scenes"),
    "digits": lambda t: "digits",
}


@pytest.mark.parametrize("name", SOURCES)
def test_imported_it_is_the_same(name, tmp_path):
    source = SOURCES[name](tmp_path)
    size = (12, 10) if name == "masks" else None  # resized: no bytes any more
    limit = 60 if name == "digits" else None
    made = convert(source, tmp_path / "x.h5", options=Options(size=size), validation=0.25, limit=limit)
    back = load(tmp_path / "x.h5")
    for part in ("train", "validation", "test"):
        one, other = getattr(made, part), getattr(back, part)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.class_names == other.class_names
    if name in ("zip", "tar"):
        plain = load(tmp_path / "photos", validation=0.25)
        assert torch.equal(plain.train.images, back.train.images)
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["photos", source.name, "x.h5"])
        assert back.train.source == source.name
    with pytest.raises(OpticsError, match="is there already"):
        convert(source, tmp_path / "x.h5")


def test_what_is_there_is_told(tmp_path):
    found = check(folders(tmp_path / "photos"))
    assert found.problems == ()
    assert found.shared == ()
    assert found.class_names == ("cat", "dog")
    train = found.parts["train"]
    assert (train.images, train.sizes, train.classes) == (8, {"1 x 6 x 5": 8}, {"cat": 4, "dog": 4})
    assert train.values[1] <= 1
    assert found.parts["test"].classes == {"cat": 3, "dog": 3}
    assert check(arrays(tmp_path / "a.npz")).parts["train"].stored == (0, 1)


def test_pixels_are_counted_and_void_is_told(tmp_path):
    found = check(masks(tmp_path / "scenes"))
    train = found.parts["train"]
    assert found.kind == "pixels"
    assert sum(train.classes.values()) + train.void == 5 * 30
    assert train.void > 0
    assert train.stored == (0, 255)


def test_duplicates_unreadable_pictures_sizes_and_missing_parts(tmp_path):
    found = check(folders(tmp_path / "photos", same=True, spoilt=True))
    assert [(s.parts, s.count) for s in found.shared] == [(("train", "test"), 1)] or found.shared[
        0
    ].count == 1
    assert found.parts["train"].repeated == 1
    assert found.parts["train"].unreadable_count == 1
    assert "1.png" in found.parts["train"].unreadable[0]
    assert any("1.png" in problem for problem in found.problems)
    assert len(found.remarks) == 2
    mixed = folders(tmp_path / "mixed")
    Image.fromarray(grey(5, (9, 9))).save(mixed / "train" / "cat" / "big.png")
    assert any("2 sizes" in p and "data.size" in p for p in check(mixed).problems)
    assert check(mixed, options=Options(size=(6, 5))).problems == ()
    alone = folders(tmp_path / "alone")
    for k in (1, 2, 3):
        (alone / "train" / "cat" / f"{k}.png").unlink()
    assert any(
        "class 'cat' has 1 image; at least 2 are needed to split it" in p for p in check(alone).problems
    )
    np.savez(tmp_path / "half.npz", x_train=np.zeros((4, 3, 3), np.uint8), y_train=np.arange(4) % 2)
    assert any("no 'test' part" in p for p in check(tmp_path / "half.npz").problems)


ARRAYS = {
    "floats to 255": (lambda x: x, 6, ["expected 0 to 1; set data.white", "(Picture 0 and 5 more.)"]),
    "-1 to 1": (
        lambda x: x / 127.5 - 1,
        6,
        ["bring the values to that range first", "0.5 (x + 1)", "Picture 0 and 5"],
    ),
    "NaN": (
        lambda x: np.where(np.arange(6)[:, None, None] == 3, np.nan, x / 255),
        1,
        ["holds nan", "leave the picture out", "(Picture 3.)"],
    ),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_pictures_that_are_wrong_alike_are_one_line_that_says_what_helps(tmp_path, case):
    change, count, said = ARRAYS[case]
    pixels = 60 + np.stack([grey(k, (4, 4)) for k in range(6)]).astype(np.float64) / 2
    pixels[:, 0, 0], pixels[:, 3, 3] = 0, 255
    good = pixels / 255
    np.savez(
        tmp_path / "a.npz",
        x_train=change(pixels),
        y_train=np.arange(6) % 2,
        x_test=good,
        y_test=np.arange(6) % 2,
    )
    found = check(tmp_path / "a.npz")
    (line,) = found.problems
    assert all(part in line for part in said), line
    assert ("data.white" in line) == (case == "floats to 255")
    assert found.parts["train"].unreadable == (line,)
    assert found.parts["train"].unreadable_count == count
    with pytest.raises(OpticsError, match=said[0]):
        load(tmp_path / "a.npz", validation=0.4)


def test_a_file_that_is_truncated_is_told_once(tmp_path):
    for part, count in (("train", 8), ("t10k", 4)):
        head = bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 5, 0, 0, 0, 5])
        images = gzip.compress(head + bytes(range(200))[: 25 * count].ljust(25 * count, b"x"))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(images[:-12] if part == "train" else images)
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(
            bytes([0, 0, 8, 1, 0, 0, 0, count]) + bytes([0, 1] * (count // 2))
        )
    found = check(tmp_path)
    (line,) = found.problems
    assert "train-images-idx3-ubyte.gz" in line and "(Picture 0 and 7 more.)" in line
    assert found.parts["train"].unreadable_count == 8


@pytest.mark.parametrize("cut", [0, 12])
def test_a_packed_file_is_unpacked_once(tmp_path, monkeypatch, cut):
    for part in ("train", "t10k"):
        for name, shape in (("images-idx3", (200, 5, 5)), ("labels-idx1", (200,))):
            head = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
            packed = gzip.compress(head + bytes(k % 2 for k in range(int(np.prod(shape)))))
            (tmp_path / f"{part}-{name}-ubyte.gz").write_bytes(
                packed[: len(packed) - cut * (shape[1:] == (5, 5))]
            )
    read = []
    whole = idx.read_idx
    monkeypatch.setattr(idx, "read_idx", lambda path: (read.append(path.name), whole(path))[1])
    assert (check(tmp_path).problems == ()) is (cut == 0)
    assert sorted(read) == sorted(set(read)) and len(read) == 4


ONE_CLASS = {
    "numbers": lambda t: arrays(t / "a.npz", labels=0),
    "strings": lambda t: arrays(t / "a.npz", labels="cat"),
    "folders": lambda t: folders(t / "photos", classes=("cat",)),
}


@pytest.mark.parametrize("case", ONE_CLASS)
def test_a_set_of_one_class_is_refused(tmp_path, case):
    source = ONE_CLASS[case](tmp_path)
    assert any("nothing can be learnt" in problem for problem in check(source).problems)
    with pytest.raises(OpticsError, match=r"the labels hold one class, '(0|cat)'; nothing can be learnt"):
        load(source)


def parts_of(path, **answers):
    """An .npz file of parts with so many images as there are answers."""
    images = {f"x_{part}": np.zeros((len(given), 6, 5), np.uint8) for part, given in answers.items()}
    np.savez(path, **images, **{f"y_{part}": given for part, given in answers.items()})
    return path


WHOLE, MASKS = np.arange(8) % 2, np.arange(8 * 30).reshape(8, 6, 5) % 3
REFUSED_LATE = {
    "no test images": ({"train": WHOLE, "test": WHOLE[:0]}, "the test part has no images that count"),
    "no test images that count": (
        {"train": WHOLE, "test": np.full(4, 7)},
        "the test part has no images that count",
    ),
    "no validation images": (
        {"train": WHOLE, "val": WHOLE[:0], "test": WHOLE},
        "the validation part has no images that count",
    ),
    "no test masks": ({"train": MASKS, "test": MASKS[:0]}, "the test part has no images that count"),
    "one mask": ({"train": MASKS[:1], "test": MASKS}, "there is 1 image; at least 2 are needed to split"),
    "labels and masks": (
        {"train": WHOLE, "test": MASKS},
        "'y_train' has a label for each image and .*'y_test' one for each pixel",
    ),
    "masks and labels": (
        {"train": MASKS, "test": WHOLE},
        "'y_test' has a label for each image and .*'y_train'",
    ),
}


@pytest.mark.parametrize("case", REFUSED_LATE)
def test_what_load_refuses_is_told(tmp_path, case):
    answers, said = REFUSED_LATE[case]
    source = parts_of(tmp_path / "a.npz", **answers)
    with pytest.raises(OpticsError, match=said):
        load(source, ignore=[7])
    told = check(source, ignore=[7]).problems
    assert any(re.search(said, line) for line in told), told


NO_ARCHIVES = {
    "up": (("../evil.png", "leads out"),),
    "absolute": (("/tmp/evil.png", "leads out"),),
    "windows": (("..\\evil.png", "leads out"),),
    "windows, absolute": (("\\tmp\\evil.png", "leads out"),),
    "another machine": (("\\\\host\\share\\evil.png", "leads out"),),
    "a drive": (("C:\\evil.png", "leads out"),),
}


@pytest.mark.parametrize("name", NO_ARCHIVES)
def test_nothing_leaves_an_archives_folder(name, tmp_path):
    for inside, word in NO_ARCHIVES[name]:
        (tmp_path / "in").mkdir()
        with zipfile.ZipFile(tmp_path / "in" / "a.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo(inside), b"x")
        with pytest.raises(OpticsError, match=word), opened(tmp_path / "in" / "a.zip"):
            pass
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip", "in"]


def test_links_and_broken_archives_are_refused(tmp_path):
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        entry = tarfile.TarInfo("cat/a.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(OpticsError, match="link"), opened(tmp_path / "link.tar"):
        pass
    whole = zipped(tmp_path / "w.zip", folders(tmp_path / "photos")).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OpticsError, match=r"cut\.zip"), opened(tmp_path / "cut.zip"):
        pass


REFUSED = {
    "one without the other": ({"x_train": np.zeros((2, 3, 3), np.uint8)}, "partner"),
    "two for one": (
        {"x": np.zeros((2, 3, 3), np.uint8), "images": np.zeros((2, 3, 3), np.uint8), "y": np.zeros(2)},
        "keep one",
    ),
    "numbers disagree": ({"x": np.zeros((2, 3, 3), np.uint8), "y": np.zeros(3)}, "3 answers for 2 images"),
    "nothing known": ({"weights": np.zeros(3)}, "expected x_train"),
    "objects": ({"x": np.array([{}, {}]), "y": np.zeros(2)}, "Python objects"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_cannot_be(name, tmp_path):
    held, word = REFUSED[name]
    np.savez(tmp_path / "a.npz", **held)
    with pytest.raises(OpticsError, match=word):
        load(tmp_path / "a.npz")


def test_a_folder_of_npy_files(tmp_path):
    for name, values in (("images", np.stack([grey(k) for k in range(9)])), ("labels", np.arange(9) % 3)):
        np.save(tmp_path / f"{name}.npy", values)
    made = load(tmp_path, validation=0.4)
    assert sorted([len(made.train), len(made.validation), len(made.test)]) == [3, 3, 3]


def test_the_same_pictures_are_known_again_whatever_holds_them(tmp_path):
    known = {part: told.pixels for part, told in check(folders(tmp_path / "photos")).parts.items()}
    zipped(tmp_path / "photos.zip", tmp_path / "photos")
    convert(tmp_path / "photos", tmp_path / "x.h5", validation=0.25)
    turned = tmp_path / "turned"
    for k, file in enumerate(sorted((tmp_path / "photos").rglob("*.png"), reverse=True)):
        part = file.relative_to(tmp_path / "photos").parts[0]
        (turned / part / f"{k % 2}").mkdir(parents=True, exist_ok=True)
        file.rename(turned / part / f"{k % 2}" / f"{k}.png")  # other names, classes, order
    for source in ("photos.zip", "turned"):
        assert {part: told.pixels for part, told in check(tmp_path / source).parts.items()} == known
    parts = check(tmp_path / "x.h5").parts
    assert parts["test"].pixels == known["test"] != parts["val"].pixels
    assert parts["train"].pixels != known["train"]  # without what was cut off for validation
    Image.fromarray(grey(0) ^ 1).save(next((turned / "test").rglob("*.png")))
    assert check(turned).parts["test"].pixels != known["test"]


def test_the_data_of_a_run_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders(tmp_path / "photos")
    run = tmp_path / "mine.toml"
    run.write_text('[data]\nsource = "photos"\nsize = [28, 28]\nvalidation = 0.25\n')
    digests = []
    for seed in (0, 1):
        trained = load("photos", size=(28, 28), validation=0.25, seed=seed).train
        assert main(["data", "check", "mine.toml", "--set", f"seed={seed}", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["parts"]["train"]["sizes"] == {"1 x 28 x 28": 8}
        assert told["training"] == {"images": len(trained), "seed": seed, "digest": trained.digest()}
        digests.append(trained.digest())
    assert digests[0] != digests[1]  # other images are cut off
    assert main(["data", "check", "mine.toml"]) == 0
    assert digests[0] in capsys.readouterr().out


NO_RUN_FILES = {
    "options beside it": (["mine.toml", "--grey"], 2, "change it by --set"),
    "--set without one": (["photos", "--set", "seed=1"], 2, "photos is none"),
    "what only the run asks": (["mine.toml", "--set", "data.strangers=2"], 1, "at least two must"),
}


@pytest.mark.parametrize("case", NO_RUN_FILES)
def test_what_a_run_file_refuses(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders(tmp_path / "photos")
    (tmp_path / "mine.toml").write_text('[data]\nsource = "photos"\nsize = [28, 28]\n')
    arguments, code, said = NO_RUN_FILES[case]
    assert main(["data", "check", *arguments]) == code
    told = capsys.readouterr()
    assert said in " ".join((told.out + told.err).split())


def test_the_commands(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders(tmp_path / "photos", same=True)
    assert main(["data", "check", "photos"]) == 0
    told = capsys.readouterr().out
    assert "stand in both" in told
    assert "Training on it can begin" in told
    assert main(["data", "import", "photos", "-o", "x.h5", "--size", "8x4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"]["test"] == 6
    assert main(["data", "check", "x.h5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"]["train"]["sizes"] == {"1 x 8 x 4": 6}
    (tmp_path / "photos" / "train" / "cat" / "0.png").write_bytes(b"")
    assert main(["data", "check", "photos"]) == 1
    assert "0.png" in capsys.readouterr().out
    assert main(["data", "get"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out
    assert main(["data", "get", "imagenet"]) == 2
    assert "choose from" in capsys.readouterr().err
