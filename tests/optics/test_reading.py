"""The guard around what others made: foreign errors become ours, and sizes are asked before memory is taken."""

from __future__ import annotations

import os
import zlib

import pytest

from optics import reading
from optics.errors import OpticsError, ShapeError


def raiser(error):
    def act():
        raise error

    return act


FOREIGN = {
    "a value": (raiser(ValueError("bad\nand more")), r"x cannot be read as a thing \(bad\); it is truncated"),
    "nothing said": (raiser(KeyError()), r"\(KeyError\)"),
    "the system": (raiser(OSError(28, "No space left on device")), "No space left on device"),
    "memory": (raiser(MemoryError()), "needs more memory than there is"),
    "recursion": (raiser(RecursionError()), "nested too deeply"),
    "a long text": (raiser(RuntimeError("a" * 10_000)), r"a\.\.\."),
    "odd characters": (raiser(TypeError("a\x1b[31mb\0")), r"a\?\[31mb\?"),
    "division": (lambda: 1 / 0, "division"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_error_becomes_one_line(case):
    act, said = FOREIGN[case]
    with pytest.raises(OpticsError, match=said) as error, reading.reading("x", "a thing"):
        act()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("error", [ShapeError("ours"), KeyboardInterrupt(), SystemExit(1)])
def test_ours_and_the_user_s_pass(error):
    with pytest.raises(type(error)) as found, reading.reading("x", "a thing"):
        raise error
    assert found.value is error


def test_only_regular_files_are_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    assert reading.read_bytes("~/a") == b"12345"
    for path, said in (
        (tmp_path, "is a folder"),
        (tmp_path / "pipe", "a pipe or a device"),
        ("/dev/zero", "a pipe or a device"),
        (tmp_path / "b", "there is no file"),
        (tmp_path / "a" / "b", "there is no file"),
        ("a\0b", "cannot be opened"),
        ("a" * 5000, "cannot be opened"),
    ):
        with pytest.raises(OpticsError, match=said):
            reading.regular_file(path)
    with pytest.raises(OpticsError, match="holds 5 bytes; at most 4"):
        reading.regular_file(tmp_path / "a", most=4)


@pytest.mark.parametrize("shape", [(2**20, 2**20), (-1, 5), (2,) * 255])
def test_absurd_shapes_are_refused(shape):
    with pytest.raises(OpticsError, match=r"x has shape .* at most") as error:
        reading.check_size("x", shape)
    assert len(str(error.value)) < 400
    assert reading.check_size("x", (3, 4)) == 12


def test_compressed_data_is_unpacked_to_a_limit():
    packed = zlib.compress(bytes(10**6))
    assert reading.inflated(packed, what="x", most=10**6) == bytes(10**6)
    for data, most, said in (
        (packed, 10**5, "more than 100000 bytes"),
        (packed[:-5], 10**6, "ends within"),
        (b"no", 10, "cannot be read"),
    ):
        with pytest.raises(OpticsError, match=said):
            reading.inflated(data, what="x", most=most)


def test_long_lists_are_cut():
    assert reading.listed(list("abcdefgh"), most=3) == "a, b, c and 5 more"
