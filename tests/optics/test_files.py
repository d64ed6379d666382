"""Files that are whole or absent: every writer by every property, and what a killed process leaves."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from optics import files
from optics.errors import FileError

GREY = (np.arange(35).reshape(5, 7) * 1800).astype(np.uint16)
WEIGHTS = {"kernel": torch.arange(6.0).reshape(2, 3)}


def hdf5_of(path):
    with h5py.File(path, "r") as file:
        return file["group/levels"][()].tolist(), file["group/levels"].attrs["units"]


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# name, what is written, how it is read, what must be read
WRITERS = {
    "bytes": (files.write_bytes, (b"\x00\r\n\xff",), Path.read_bytes, b"\x00\r\n\xff"),
    "text": (files.write_text, ("2π\nµm",), lambda p: p.read_text(encoding="utf-8"), "2π\nµm"),
    "json": (files.write_json, ({"pitch": 8e-6},), lambda p: json.loads(p.read_text()), {"pitch": 8e-6}),
    "csv": (files.write_csv, ([{"epoch": 1}, {"epoch": 2}],), rows_of, [{"epoch": "1"}, {"epoch": "2"}]),
    "hdf5": (
        files.write_hdf5,
        ({"group/levels": (GREY, {"units": "grey level"})},),
        hdf5_of,
        (GREY.tolist(), "grey level"),
    ),
    "png": (files.write_png, (GREY,), lambda p: np.asarray(Image.open(p)).tolist(), GREY.tolist()),
    "weights": (
        files.write_weights,
        (WEIGHTS, {"format": "1"}),
        lambda p: {k: v.tolist() for k, v in load_file(p).items()},
        {k: v.tolist() for k, v in WEIGHTS.items()},
    ),
}
ERRORS = {
    errno.ENOSPC: "make room",
    errno.EACCES: "where you may write",
    errno.EROFS: "where you may write",
    errno.EIO: "check the path and the disk",
}


@pytest.fixture(params=WRITERS)
def writer(request):
    return WRITERS[request.param]


def test_what_is_written_is_read_and_nothing_else_is_left(writer, tmp_path):
    write, values, read, want = writer
    write(tmp_path / "a.file", *values)
    write(tmp_path / "a.file", *values)
    assert read(tmp_path / "a.file") == want
    assert os.listdir(tmp_path) == ["a.file"]


def test_a_file_reaches_the_disk_before_its_name_and_its_name_before_the_end(writer, tmp_path, monkeypatch):
    write, values, _, _ = writer
    done = []
    fsync, replace = os.fsync, os.replace

    def flushed(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def moved(old, new):
        assert Path(old).parent == Path(new).parent == tmp_path
        done.append("name")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", moved)
    write(tmp_path / "a.file", *values)
    assert done == ["file", "name", "folder"]


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_an_error_of_the_disk_names_the_path_and_keeps_the_old_file(writer, tmp_path, monkeypatch, number):
    write, values, _, _ = writer
    path = tmp_path / "a.file"
    path.write_text("old")

    def fail(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError) as caught:
        write(path, *values)
    assert f"{path} cannot be written ({os.strerror(number)}); " in str(caught.value)
    assert ERRORS[number] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.file"]


@pytest.mark.parametrize(
    ("place", "fix"),
    [("no/a.file", "make its folder"), ("file/a.file", "is a file"), ("folder", "is a folder")],
)
def test_an_impossible_place_is_told(writer, tmp_path, place, fix):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=fix) as caught:
        writer[0](tmp_path / place, *writer[1])
    assert str(tmp_path / place) in str(caught.value)


def test_others_may_read_as_the_umask_says(writer, tmp_path):
    before = os.umask(0o027)
    try:
        writer[0](tmp_path / "a.file", *writer[1])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.file").stat().st_mode) == 0o640


def test_an_error_in_the_body_keeps_the_old_file_and_passes_through(tmp_path):
    (tmp_path / "a.file").write_text("old")
    with pytest.raises(ZeroDivisionError), files.writing(tmp_path / "a.file") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert (tmp_path / "a.file").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.file"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_takes_finite_numbers_only(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"accuracy": value})
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------- folders


def filled(path: Path, text: str) -> None:
    with files.writing_folder(path) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "a.txt").write_text(text)


def test_a_folder_is_made_with_its_parents_and_replaced_whole(tmp_path):
    path = tmp_path / "one" / "export"
    filled(path, "old")
    (path / "other.txt").write_text("of the old one")
    filled(path, "new")
    assert [p.relative_to(path).as_posix() for p in sorted(path.rglob("*"))] == ["inner", "inner/a.txt"]
    assert (path / "inner" / "a.txt").read_text() == "new"
    assert os.listdir(path.parent) == ["export"]


def test_a_folder_stays_as_it_was_when_a_file_in_it_cannot_be_written(tmp_path):
    path = tmp_path / "export"
    filled(path, "old")
    with pytest.raises(FileError, match="export"), files.writing_folder(path) as folder:
        (folder / "a.txt").write_text("new")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (path / "inner" / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["export"]


def test_a_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "export"
    filled(path, "old")
    replace, seen = os.replace, []

    def second_fails(old, new):
        seen.append(new)
        if len(seen) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(old, new)

    monkeypatch.setattr(files, "_exchange", lambda *_: False)  # a system without that call
    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(FileError):
        filled(path, "new")
    assert (path / "inner" / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["export"]


# ---------------------------------------------------------------------- what a killed process leaves

KILLED = """
import os, signal, sys
from pathlib import Path
from optics import files
from optics.files import writing, writing_folder
files._exchange = lambda *_: False  # a system without that call
here = Path(sys.argv[1])
with writing(here / "result.json") as file, writing_folder(here / "deep" / "export") as folder:
    file.write(b"half")
    (folder / "frame.png").write_bytes(b"half")
    if sys.argv[2] == "between":  # the renames of a folder that is replaced
        replace = os.replace
        def once(old, new):
            replace(old, new)
            os.kill(os.getpid(), signal.SIGKILL)
        os.replace = once
    else:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, when: str) -> None:
    got = subprocess.run([sys.executable, "-c", KILLED, str(folder), when], check=False)
    assert got.returncode == -signal.SIGKILL


def test_what_a_killed_process_left_is_found_and_removed_and_nothing_else(tmp_path):
    for name in (".result.json.tmp", "notes.sclc-part", ".lock", f".mine.{os.getpid()}.sclc-part"):
        (tmp_path / name).write_text("the user's")
    before = set(tmp_path.iterdir())
    killed(tmp_path, "writing")
    found = files.leftovers(tmp_path)
    assert [p.parent for p in found] == [tmp_path, tmp_path / "deep"]
    assert all(files.is_temporary(p) for p in found)
    assert files.remove_leftovers(tmp_path) == found
    assert set(tmp_path.iterdir()) == before | {tmp_path / "deep"}
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_folder_set_aside_by_a_killed_process_is_put_back(tmp_path):
    filled(tmp_path / "deep" / "export", "old")
    killed(tmp_path, "between")
    assert not (tmp_path / "deep" / "export").exists()
    files.remove_leftovers(tmp_path)
    assert (tmp_path / "deep" / "export" / "inner" / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path / "deep") == ["export"]


@pytest.mark.parametrize("what", ["result.json", "deep/export"])
def test_the_next_write_of_a_name_removes_what_was_left_of_the_last(tmp_path, what):
    killed(tmp_path, "writing")
    left = files.leftovers(tmp_path)
    if what == "result.json":
        files.write_text(tmp_path / what, "new")
    else:
        filled(tmp_path / what, "new")
    assert files.leftovers(tmp_path) == [p for p in left if Path(what).name not in p.name]


@pytest.mark.skipif(sys.platform != "linux", reason="the exchange is a call of Linux")
def test_a_folder_is_there_at_every_moment_while_it_is_replaced(tmp_path, monkeypatch):
    path = tmp_path / "export"
    filled(path, "old")
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("two renames"))
    filled(path, "new")
    assert (path / "inner" / "a.txt").read_text() == "new"
    assert os.listdir(tmp_path) == ["export"]


def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_stays(tmp_path):
    filled(tmp_path / "elsewhere", "mine")
    (tmp_path / "export").symlink_to(tmp_path / "elsewhere")
    filled(tmp_path / "export", "new")
    assert not (tmp_path / "export").is_symlink()
    assert (tmp_path / "elsewhere" / "inner" / "a.txt").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "export"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    (tmp_path / f".a.json.{os.getppid()}-0123abcd.sclc-part").write_text("of a process that lives")
    with files.writing(tmp_path / "result.json") as file:
        file.write(b"half")
        assert files.remove_leftovers(tmp_path) == []
    assert (tmp_path / "result.json").read_bytes() == b"half"


def test_a_name_of_this_process_that_it_is_not_writing_is_an_older_one_with_its_number(tmp_path):
    (tmp_path / f".a.json.{os.getpid()}-0123abcd.sclc-part").write_text("half")
    assert len(files.remove_leftovers(tmp_path)) == 1
    assert os.listdir(tmp_path) == []
