"""What fuzzing found, each as a test of its own: the damage, and what must be said of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from optics.errors import OpticsError
from tests.fuzz import archives, corpus, corpus_jobs, corpus_sets
from tests.fuzz.checks import LONGEST
from tests.fuzz.corpus_sets import led, packed, tarred_as
from tests.fuzz.harness import RIGHT, Case, put, read
from tests.fuzz.readers import READERS

Files = dict[str, bytes]


def hdf5(files: Files, change: Callable[[h5py.File], None]) -> Files:
    (name, data) = next((n, d) for n, d in files.items() if n.endswith(".h5"))
    out = io.BytesIO(data)
    with h5py.File(out, "r+") as file:
        change(file)
    return files | {name: out.getvalue()}


def header(files: Files, change: Callable[[dict], None]) -> Files:
    (name, data) = next(iter(files.items()))
    (size,) = struct.unpack("<Q", data[:8])
    told = json.loads(data[8 : 8 + size])
    change(told)
    text = json.dumps(told).encode()
    return {name: struct.pack("<Q", len(text)) + text + data[8 + size :]}


def described(files: Files, change: Callable[[dict], None] | str) -> Files:
    def inner(told: dict) -> None:
        (key,) = told["__metadata__"]
        config = json.loads(told["__metadata__"][key])
        if callable(change):
            change(config)
        told["__metadata__"][key] = json.dumps(config) if callable(change) else change

    return header(files, inner)


def weights(files: Files, value: float) -> Files:
    (name, data) = next(iter(files.items()))
    return {name: data[:-4] + np.float32(value).tobytes()}


def member(files: Files, which: str, change: Callable[[bytes], bytes], archive: str = "probes.npz") -> Files:
    out = io.BytesIO()
    name = archive if archive in files else next(iter(files))
    with zipfile.ZipFile(io.BytesIO(files[name])) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.namelist():
            data = source.read(entry)
            target.writestr(entry, change(data) if which in entry else data)
    return files | {name: out.getvalue()}


def text(files: Files, old: str, new: str) -> Files:
    name = next(n for n in files if n.endswith((".toml", ".json")))
    assert old.encode() in files[name]
    return files | {name: files[name].replace(old.encode(), new.encode(), 1)}


def cut(files: Files, name: str, size: int) -> Files:
    return files | {name: files[name][:size]}


def huge(file: h5py.File) -> None:
    del file["counts"]
    file.create_dataset("counts", (1, 2**33), "u1", chunks=(1, 64))


def without_corner(file: h5py.File) -> None:
    del file.attrs["sensor_corner"]


def empty_schema(file: h5py.File) -> None:
    file.attrs["schema"] = np.zeros(0)


def word_as_exposure(file: h5py.File) -> None:
    file.attrs["exposure"] = ""


def words(told: str) -> Files:
    return {"x.txt": told.encode()}


def cell(write: Callable[[h5py.File], object]) -> Files:
    """A study with other scores in its first cell."""

    def change(file: h5py.File) -> None:
        for name in ("as_is", "predictions"):
            del file[name]
        write(file)

    files = corpus_jobs.bare_study()
    return files | hdf5({n: d for n, d in files.items() if n.startswith("cells/")}, change)


def vouched(files: Files, name: str, data: bytes) -> Files:
    """A file of an exported directory changed, its hash in the manifest right."""
    told = json.loads(files["manifest.json"])
    told["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return files | {name: data, "manifest.json": json.dumps(told).encode()}


def real_masks(files: Files) -> Files:
    def change(file: h5py.File) -> None:
        values = np.abs(file["masks"][()])
        del file["masks"]
        file["masks"] = values

    return vouched(files, "masks.h5", hdf5({"masks.h5": files["masks.h5"]}, change)["masks.h5"])


def inside(files: Files, name: str, change: Callable[[h5py.File], None]) -> Files:
    return vouched(files, name, hdf5({name: files[name]}, change)[name])


def endless_heap(files: Files) -> Files:
    """An export whose class names lie on a heap of variable length that says nonsense of itself; its hash is right."""

    def change(file: h5py.File) -> None:
        file["labels"].attrs["class_names"] = ["a", "b", "c"]

    data = hdf5({"reference.h5": files["reference.h5"]}, change)["reference.h5"]
    for found in re.finditer(b"GCOL", data):
        at = found.start()
        data = data[: at + 16] + b"\xff" * 64 + data[at + 80 :]
    return vouched(files, "reference.h5", data)


def listing(files: Files, names: list) -> Files:
    told = json.loads(files["steps.json"])
    told["steps"]["linear"]["files"] = names
    return files | {"steps.json": json.dumps(told).encode()}


def promised(files: Files, name: str) -> Files:
    """A picture whose pixels stand in a chunk that says that it holds 4 GB."""
    at = files[name].index(b"IDAT")
    return files | {name: files[name][: at - 4] + b"\xff\xff\0\x21" + files[name][at:]}


def nameless_type(files: Files) -> Files:
    """An export whose weights have a type that safetensors refuses in 200 characters."""
    weights = header({"x": files["backend.safetensors"]}, lambda h: h["norm.bias"].update(dtype={"": ""}))[
        "x"
    ]
    return vouched(files, "backend.safetensors", weights)


def tar_bomb(kind: bytes) -> Files:
    """Three gigabytes in kilobytes: a picture, or a header that is read whole."""
    head = bytearray(corpus_sets.tarred("tar")["x.tar"][:512])
    head[124:136] = b"%011o\0" % (3000 * 2**20)
    head[156:157] = kind
    return {"x.tar.gz": gzip.compress(archives._summed(head)) + gzip.compress(bytes(2**20)) * 3000}


def captured(change: Callable[[h5py.File], None]) -> Files:
    return hdf5(corpus_sets.MAKERS["captured network"][0](), change)


def another(name: str, value: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        found = value(file[name][()])
        del file[name]
        file[name] = found

    return change


FOUND: dict[str, tuple[str, Callable[[], Files], str]] = {
    "weights that are NaN": ("student", lambda: weights(corpus.student(), np.nan), "weight"),
    "weights that are infinite": ("teacher", lambda: weights(corpus.teacher(), np.inf), "weight"),
    "a description that is no JSON": ("student", lambda: described(corpus.student(), "{x"), "safetensors"),
    "a description that is a list": ("student", lambda: described(corpus.student(), "[1]"), "expected a table"),
    "a kind of 5000 characters": (
        "student", lambda: described(corpus.student(), lambda c: c.update(kind="x" * 5000)), "expected a student",
    ),
    "a header value of 5000 characters": (
        "student", lambda: header(corpus.student(), lambda h: h.update(x="x" * 5000)), "safetensors",
    ),
    "an image size of one number": (
        "teacher", lambda: described(corpus.teacher(), lambda c: c.update(image_size=[3])), "do not fit",
    ),
    "a state that is text": ("state", lambda: {"state.pt": b"text"}, "delete it to begin anew"),
    "a state of another byte order": (
        "state", lambda: member(corpus.state(), "byteorder", lambda _: b"l"), "delete it to begin anew",
    ),
    "a program whose graph is cut": (
        "program", lambda: member(corpus.program(), "models/", lambda d: d[: len(d) // 2]), "torch.export archive",
    ),
    "a program that is no archive": ("program", lambda: {"teacher.pt2": b"PK\3\4 text"}, "torch.export archive"),
    "a recording of no archive": ("recording", lambda: corpus.recorded_arrays() | {"frames.npz": b"x"}, "arrays"),
    "an archive with a broken array": (
        "recording", lambda: member(corpus.recorded_arrays(), "levels", lambda d: d[:40]), "arrays",
    ),
    "counts of 8 GB": ("recording", lambda: hdf5(corpus.recorded(), huge), "'counts'"),
    "a recording without a corner": ("recording", lambda: hdf5(corpus.recorded(), without_corner), "recording"),
    "a schema that is an array": ("recording", lambda: hdf5(corpus.recorded(), empty_schema), "schema"),
    "an exposure that is text": ("recording", lambda: hdf5(corpus.recorded(), word_as_exposure), "recording"),
    "a picture's name that is a list": (
        "recording", lambda: text(corpus.recorded_pictures(), 'levels = "levels0.png"', "levels = [1]"), "[[shots]]",
    ),
    "a corner that is one number": (
        "recording", lambda: text(corpus.recorded_pictures(), "[10, 12]", "1.5"), "two whole numbers",
    ),
    "a picture cut in its header": ("recording", lambda: cut(corpus.recorded_pictures(), "levels0.png", 20), "picture"),
    "an export's BMP that is not the one that was written": (
        "export", lambda: corpus.exported(bmp=True) | {"slm/frame-000.bmp": b"x"}, "frame-000.bmp",
    ),
    "arrays with a header value of 5000 characters": (
        "arrays",
        lambda: header(corpus.array(".safetensors")(), lambda h: h.update(x="x" * 5000)),
        "not a safetensors file",
    ),
    "a device of a kind of 5000 characters": (
        "device",
        lambda: {"x.toml": f'kind = "{"x" * 5000}"\n[figures]\npitch = 8e-6\n'.encode()},
        "kind is",
    ),
    "a bench's value of 5000 characters": (
        "bench", lambda: text(corpus.shipped("benches")[-1](), "focal_length = ", f'focal_length = "{"x" * 5000}" # '),
        "focal_length",
    ),
    "a bench's unknown key of 5000 characters": (
        "bench", lambda: text(corpus.shipped("benches")[-1](), "[slm]", f"[slm]\n{'x' * 5000} = 1"), "Known keys",
    ),
    "strings of an export whose heap has no end": ("export", lambda: endless_heap(corpus.exported()), "strings"),
    "a target's name of 5000 characters": ("built-in targets", lambda: words("sobel[" * 900), "no target"),
    "a built-in with a line end": ("built-in targets", lambda: words("identity\n.x"), "identity"),
    "a built-in of 10000 masks of 9999 taps": ("built-in targets", lambda: words("gabor:count=1e4,size=999"), "count"),
    "a charge beyond every number": ("built-in targets", lambda: words("donut:charge=1e300"), "charge"),
    "a quantity of 5000 characters": ("vary", lambda: words(f"slm.{'a' * 5000}=1,2"), "key"),
    "a value nested 2000 times": ("vary", lambda: words(f"slm.bits={'[' * 2000}"), "--vary"),
    "a range to 10 to the 400": ("vary", lambda: words(f"light.photons=1..1{'0' * 400}"), "not a number"),
    "a range of 99999999 values": ("vary", lambda: words("slm.flicker=0..1:99999999"), "number of values"),
    "an image of 2147483648 pixels a side": ("image size", lambda: words("2147483648"), "--image"),
    "an image of a number of 5000 digits": ("image size", lambda: words("9" * 5000), "--image"),
    "a kind that is a list": ("device", lambda: {"x.toml": b"kind = [1]\n[figures]\npitch = 8e-6\n"}, "kind is"),
    "a correction of pairs": (
        "correction", lambda: corpus_jobs.numbers(np.zeros((72, 90), "f4,i4")), "expected phases in radians",
    ),
    "an array of 30 axes": ("targets", lambda: corpus_jobs.numbers(np.ones((2, 1, 3, 3) + (1,) * 26)), "30 axes"),
    "masks of an export that are real": ("export", lambda: real_masks(corpus.exported()), "no complex numbers"),
    "a kernel beyond single precision": (
        "targets", lambda: corpus_jobs.numbers(np.full((1, 1, 3, 3), 1e300)), "single precision",
    ),
    "a picture of one row, made square": (
        "target pictures", lambda: corpus_jobs.picture((1, 40000), "PNG"), "made square",
    ),
    "captures of no exposure": (
        "captures", lambda: hdf5(corpus_jobs.captured(), lambda f: f.attrs.modify("exposure", -1.0)), "exposure",
    ),
    "a cell whose scores are text": (
        "study", lambda: cell(lambda f: f.create_dataset("as_is", data=b"x")), "are not done",
    ),
    "a cell whose scores are 8 GB": (
        "study", lambda: cell(lambda f: f.create_dataset("as_is", (1, 2**33), "f4", chunks=(1, 64))), "are not done",
    ),
    "a cell whose accuracy is 99": (
        "study", lambda: cell(lambda f: f.create_dataset("as_is", data=np.full((2, 24), 99, "f4"))), "are not done",
    ),
    "a cell of other images": (
        "study", lambda: cell(lambda f: f.create_dataset("as_is", data=np.ones((2, 5), "f4"))), "delete that file",
    ),
    "a plan whose cell lies elsewhere": (
        "study", lambda: text(corpus_jobs.bare_study(), '"key": "', '"key": "../../'), "key",
    ),
    "a picture whose name is another machine's": ("archive", lambda: led("\\\\host\\x.png"), "leads out"),
    "an archive of bzip2": ("archive", lambda: packed(zipfile.ZIP_BZIP2), "stored or deflated"),
    "a zip bomb": ("archive", lambda: {"x.zip": archives._with_bomb(3000, 1.0, random.Random(0))}, "at most"),
    "a tar bomb": ("archive", lambda: tar_bomb(b"0"), "at most"),
    "a tar archive with a header of gigabytes": ("archive", lambda: tar_bomb(b"x"), "header"),
    "CIFAR with a header of gigabytes": ("cifar archive", lambda: tar_bomb(b"L"), "header"),
    "captures of a hundredth class": ("refit", lambda: captured(another("labels", lambda v: v + 97)), "classes"),
    "captures of a smaller panel": (
        "refit", lambda: captured(another("levels", lambda v: v[:, :-1, 2:])), "other masks",
    ),
    "captures beyond the panel": (
        "refit", lambda: captured(lambda f: f.attrs.modify("panel_corner", (5, 5))), "other masks",
    ),
    "a curve of 5000 digits": ("curve", lambda: words("9" * 5000), "--curve"),
    "a curve of superscripts": ("curve", lambda: words("\u00b2"), "--curve"),
    "a curve of 5000 characters": ("curve", lambda: words("x" * 5000), "--curve"),
    "a run that lists numbers as files": (
        "whole run", lambda: listing(corpus_sets.whole_run(), [[1]]), "lists no steps",
    ),
    "a calibration's number that is none": (
        "calibration result",
        lambda: text(corpus_jobs.calibrated()["result"], '"residual": 0.02', '"residual": NaN'),
        "NaN",
    ),
    "a class whose name is NaN": ("result", lambda: text(corpus.result(), '"0"', "NaN"), "NaN"),
    "a class whose name is a number": ("result", lambda: text(corpus.result(), '"0"', "0"), "class_names"),
    "a result with a number beyond every float": ("result", lambda: text(corpus.result(), "2.5", "1e999"), "1e999"),
    "answers of an export that are complex": (
        "export", lambda: inside(corpus.exported(), "reference.h5", another("logits", lambda v: v * 1j)), "complex64",
    ),
    "captures whose levels have an axis more": (
        "refit", lambda: captured(another("levels", lambda v: v[..., None])), "levels",
    ),
    "captures whose images have an axis more": (
        "refit", lambda: captured(another("inputs", lambda v: v[..., None])), "inputs",
    ),
    "images of a design beyond 1": (
        "design", lambda: inside(corpus_jobs.designed(), "points.h5", another("inputs", lambda v: v * 3)), "0 to 1",
    ),
    "a target's name of odd characters": ("built-in targets", lambda: words("sp\x07" * 60 + "'\"\\" * 30), "target"),
    "weights of a type without a name": ("export", lambda: nameless_type(corpus.exported()), "safetensors"),
    "a picture 600 folders deep": ("archive", lambda: led("a/" * 600 + "x.png"), "600 folders"),
    "a picture 600 folders deep in a tar archive": (
        "archive", lambda: tarred_as("a/" * 600 + "x.png"), "600 folders",
    ),
}  # fmt: skip

READ: dict[str, tuple[str, Callable[[], Files]]] = {
    "a curve with a separator that int does not take": ("curve", lambda: words("50,200\x1d\x1f")),
    "a picture with a chunk of 4 GB": (
        "recording",
        lambda: promised(corpus.recorded_pictures(), "input1.png"),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_it_is_refused_in_one_short_line_that_names_it(name, tmp_path):
    which, made, words = FOUND[name]
    reader = READERS[which]
    path = put(Case(0, which, made()), tmp_path / "x", reader)
    with pytest.raises(OpticsError) as refused:
        reader.check(reader.read(path), path)
    said = str(refused.value).replace(str(tmp_path), "")
    assert words in said
    assert "\n" not in said
    assert len(said) <= LONGEST


@pytest.mark.parametrize("name", READ)
def test_it_is_read_right_and_takes_little_memory(name, tmp_path):
    which, made = READ[name]
    path = put(Case(0, which, made()), tmp_path / "x", READERS[which])
    tracemalloc.start()
    try:
        assert read(READERS[which], path) == (RIGHT, "")
        assert tracemalloc.get_traced_memory()[1] < 2**27
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("seconds", [[1], -1, "x", None])
def test_a_ledger_that_lists_nonsense_as_seconds_still_opens(seconds, tmp_path):
    step = {"key": "0123456789abcdef", "done": True, "seconds": seconds}
    (tmp_path / "steps.json").write_text(json.dumps({"version": 1, "steps": {"data": step}}))
    assert READERS["ledger"].read(tmp_path).seconds("data") == 0.0


def test_the_corpus_has_a_seed_for_every_reader():
    assert {reader.corpus for reader in READERS.values()} == set(corpus.MAKERS)
    assert Path(corpus.__file__).is_file()
